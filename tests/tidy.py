"""The rules of the house that no linter knows, each a function from sources to faults.

A rule says what is wrong, where, and the way out; tests/test_tidy.py applies all of them to every
file that git knows or would add, and shows by small samples that each can fail. Limits are there
to be felt early: a file that nobody decided to make long has no day on which it became so.

Rules read text and Python's own syntax trees, and import nothing of the project. C++ is read by a
heuristic that leans on the project's layout (clang-format, Google's style); see `cxx_functions`.
Cost: one pass over the tree for each rule, well under a second in all.
"""

import ast
import configparser
import io
import re
import subprocess
import tokenize
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath

from attrs import frozen

COLUMNS_MAX = 100
FILE_LINES_MAX = 499
FUNCTION_LINES_MAX = 69

PYTHON = (".py", ".pyi")
CXX = (".cc", ".h")
SOURCES = (*PYTHON, *CXX, ".nlog", ".lark")
TEXTS = (*SOURCES, ".cfg", ".in", ".md", ".sh", ".toml", "Makefile", ".ci/run", ".clang-format")

ROOMS = ("nlog", "nvp_state", "vswitch_sim")
FOLDERS = (*ROOMS, "benchmarks", "examples", "tests")

# Who may import whom. A room named with a star may be entered; without, only its face, the names
# that its `__init__.py` exports.
DIRECTIONS: Mapping[str, frozenset[str]] = {
    "nlog": frozenset(),
    "vswitch_sim": frozenset(),
    "nvp_state": frozenset({"nlog*", "vswitch_sim"}),
    "examples": frozenset(ROOMS),
    "benchmarks": frozenset(ROOMS),
    "tests": frozenset({*(room + "*" for room in ROOMS), "examples*", "benchmarks*"}),
}

# Modules that no other module of their room imports, and why they live there all the same.
READ_ONLY_BY_TESTS = {
    "nlog/engine/reference.py": "the oracle: what it shared with the engine, it could not judge",
}


@frozen
class Source:
    """A text file: its path from the root of the project, with forward slashes, and its content."""

    path: str
    text: str

    @property
    def room(self) -> str:
        """The folder at the root that holds the file, or "" for a file at the root."""
        return self.path.partition("/")[0] if "/" in self.path else ""

    def numbered(self) -> Iterator[tuple[int, str]]:
        """The lines without their ends, numbered from 1."""
        return enumerate(self.text.removesuffix("\n").split("\n"), 1)


@frozen
class Fault:
    """A place where a rule is broken: `what` names the fault, `way_out` says how to mend it."""

    path: str
    line: int
    what: str
    way_out: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.what}: {self.way_out}"


Rule = Callable[[list[Source]], Iterator[Fault]]


def read_tree(root: Path) -> list[Source]:
    """The text files that git tracks or would add, in order of their paths.

    Raises:
        RuntimeError: if `root` is not in a git checkout.
    """
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if listing.returncode != 0:
        raise RuntimeError(
            f"git does not list the files of {root}, which tidy judges; run the tests in a git "
            f"checkout: {listing.stderr.strip()}"
        )
    paths = sorted({path for path in listing.stdout.split("\0") if path.endswith(TEXTS)})
    return [
        Source(path, (root / path).read_bytes().decode())
        for path in paths
        if (root / path).is_file()
    ]


def line_width(sources: list[Source]) -> Iterator[Fault]:
    """No line is wider than 100 columns; prose in Markdown, where tables and links are, may be."""
    for source in sources:
        if not source.path.endswith(".md"):
            for number, line in source.numbered():
                if len(line) > COLUMNS_MAX:
                    what = f"{len(line)} columns, more than {COLUMNS_MAX}"
                    yield Fault(source.path, number, what, "break the line (`make format` may)")


def whitespace(sources: list[Source]) -> Iterator[Fault]:
    """Spaces, not tabs; nothing after a line's last word; one newline at the end of a file."""
    for source in sources:
        tabs_mean_something = source.path.endswith("Makefile")
        for number, line in source.numbered():
            if "\t" in line and not tabs_mean_something:
                yield Fault(source.path, number, "a tab", "write spaces, or \\t in a string")
            if line != line.rstrip():
                yield Fault(source.path, number, "trailing whitespace", "remove it")
        if source.text and (not source.text.endswith("\n") or source.text.endswith("\n\n")):
            last = source.text.count("\n") + 1
            yield Fault(source.path, last, "no single newline at the end", "end with exactly one")


def file_length(sources: list[Source]) -> Iterator[Fault]:
    """No source file reaches 500 lines."""
    for source in sources:
        lines = source.text.count("\n")
        if source.path.endswith(SOURCES) and lines > FILE_LINES_MAX:
            what = f"{lines} lines, more than {FILE_LINES_MAX}"
            yield Fault(source.path, lines, what, "split it where its subject divides")


def function_length(sources: list[Source]) -> Iterator[Fault]:
    """No function, its signature and docstring included, reaches 70 lines."""
    for source in sources:
        if source.path.endswith(PYTHON):
            functions = _python_functions(source)
        elif source.path.endswith(CXX):
            functions = cxx_functions(source.text)
        else:
            continue
        for first, last in functions:
            lines = last - first + 1
            if lines > FUNCTION_LINES_MAX:
                what = f"a function of {lines} lines, more than {FUNCTION_LINES_MAX}"
                yield Fault(source.path, first, what, "give its parts names of their own")


def _python_functions(source: Source) -> Iterator[tuple[int, int]]:
    for node in ast.walk(ast.parse(source.text, source.path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.lineno, node.end_lineno or node.lineno


_CXX_NOT_CODE = re.compile(
    r"""
      //[^\n]*  |  /\*.*?\*/                                        # comments
    | R"(?P<mark>[^(\s]*)\(.*?\)(?P=mark)"  |  "(?:\\.|[^"\\\n])*"  # strings
    | (?<![0-9A-Fa-f])'(?:\\.|[^'\\\n])*'                           # characters, not 1'000
    | ^[ ]*\#(?:\\\n|[^\n])*                                        # directives
    """,
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)
_CXX_SCOPE = re.compile(r"\s*(?:[\w:]+\s+)*?(?:namespace|struct|class|union|enum)\b")
_CXX_LEADING = re.compile(r"(?:\s|(?:public|private|protected)\s*:(?!:))*")


def cxx_functions(text: str) -> Iterator[tuple[int, int]]:
    """First and last line of each function defined in C++ text; lambdas count with their function.

    A brace opens a function if what stands since the last `;`, `{` or `}` has a parameter list and
    no `class` or the like before it. A brace with no space before it is an initializer, as
    clang-format lays it out, and neither opens nor separates anything.
    """
    code = _CXX_NOT_CODE.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)
    head_start = 0
    opened: list[tuple[str, int]] = []
    for separator in re.finditer(r"[;{}]", code):
        at = separator.start()
        if separator[0] == "{":
            head = code[head_start:at]
            inside = any(kind == "function" for kind, _ in opened)
            if (at > 0 and not code[at - 1].isspace()) or head.rstrip().endswith("="):
                opened.append(("initializer", 0))
                continue
            leading = _CXX_LEADING.match(head)
            first = head_start + (leading.end() if leading else 0)
            kind = "function" if not inside and _opens_function(head) else "block"
            opened.append((kind, 1 + code.count("\n", 0, first)))
        elif separator[0] == "}" and opened:
            kind, first_line = opened.pop()
            if kind == "initializer":
                continue
            if kind == "function":
                yield first_line, 1 + code.count("\n", 0, at)
        head_start = at + 1


def _opens_function(head: str) -> bool:
    flat = head
    while (flatter := re.sub(r"<[^<>]*>", "", flat)) != flat:
        flat = flatter
    before, parenthesis, _ = flat.partition("(")
    return bool(parenthesis) and not _CXX_SCOPE.match(before)


def essay(sources: list[Source]) -> Iterator[Fault]:
    """A source file opens by saying what it is for; programs that are test data need not."""
    for source in sources:
        if _is_test_data(source):
            continue
        if source.path.endswith(PYTHON):
            told = ast.get_docstring(ast.parse(source.text, source.path)) is not None
            way_out = "open it with a docstring"
        elif source.path.endswith(SOURCES):
            told = source.text.lstrip().startswith(("//", "/*"))
            way_out = "open it with a comment, above everything else"
        else:
            continue
        if not told:
            yield Fault(source.path, 1, "does not say what it is for", way_out)


def promises(sources: list[Source]) -> Iterator[Fault]:
    """No note that something is still to be done: do it, or file it where work is planned."""
    pattern = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|X" + r"XX)\b")
    for source in sources:
        for number, line in source.numbered():
            if found := pattern.search(line):
                way_out = "do it now, or plan it outside the source"
                yield Fault(source.path, number, f"a promise, {found[0]}", way_out)


def suppressions(sources: list[Source]) -> Iterator[Fault]:
    """Whoever silences a tool says why, on the same line: `# type: ignore[x]  # because …`."""
    python = re.compile(r"#\s*(?:noqa|type:\s*ignore|pragma:|ruff:|mypy:)[^\s#]*(?P<rest>.*)")
    cxx = re.compile(r"//\s*(?:NOLINT|clang-format off)\S*(?P<rest>.*)")
    for source in sources:
        if source.path.endswith(PYTHON):
            comments, pattern = _python_comments(source), python
        elif source.path.endswith(CXX):
            comments, pattern = source.numbered(), cxx
        else:
            continue
        for number, comment in comments:
            found = pattern.search(comment)
            if found and len(re.findall(r"[a-z]{2,}", found["rest"])) < 2:
                what = "a tool is silenced without a reason"
                yield Fault(source.path, number, what, "mend the cause, or say why after it")


def _python_comments(source: Source) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(source.text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def import_directions(sources: list[Source]) -> Iterator[Fault]:
    """Rooms import each other only along DIRECTIONS, and through the face where it says so."""
    modules = {_module(source.path) for source in sources if source.path.endswith(PYTHON)}
    for source in sources:
        allowed = DIRECTIONS.get(source.room)
        if allowed is None or not source.path.endswith(PYTHON):
            continue
        for number, target in _imports(source, modules):
            room, dot, _ = target.partition(".")
            if room not in FOLDERS or room == source.room or room + "*" in allowed:
                continue
            if room not in allowed:
                what = f"{source.room} imports `{target}`"
                way_out = f"{source.room} may import {_names(allowed)} of ours"
                yield Fault(source.path, number, what, way_out)
            elif dot:
                what = f"imports `{target}`, which is inside {room}"
                way_out = f"import from `{room}` what its __init__.py exports"
                yield Fault(source.path, number, what, way_out)


def _names(allowed: frozenset[str]) -> str:
    return ", ".join(sorted(name.removesuffix("*") for name in allowed)) or "nothing"


def _module(path: str) -> str:
    parts = PurePosixPath(path).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imports(source: Source, modules: set[str]) -> Iterator[tuple[int, str]]:
    """Line and dotted name of each module imported anywhere in a file, of ours or not."""
    package = list(PurePosixPath(source.path).parent.parts)
    for node in ast.walk(ast.parse(source.text, source.path)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            inner = [f"{base}.{alias.name}" for alias in node.names]
            yield node.lineno, base
            for name in inner:
                if name in modules:
                    yield node.lineno, name


def python_in_core(sources: list[Source]) -> Iterator[Fault]:
    """Only bindings* of a room with a C++ core know Python; the rest of it is C++ alone."""
    pattern = re.compile(r"\s*#\s*include\s*[<\"](?:pybind11/|Python\.h)")
    for source in sources:
        if source.path.endswith(CXX) and not PurePosixPath(source.path).name.startswith("bindings"):
            for number, line in source.numbered():
                if pattern.match(line):
                    what = "includes Python's headers outside bindings*"
                    yield Fault(source.path, number, what, "convert values in the bindings")


def dead_files(sources: list[Source]) -> Iterator[Fault]:
    """Each module is imported in its room, each header included, each grammar and program named.

    Entry points need no importer: packages, scripts (`if __name__ == "__main__"`), tests, the
    modules behind setup.cfg's commands, and those that only tests may read.
    """
    python = [source for source in sources if source.path.endswith(".py")]
    modules = {_module(source.path) for source in python}
    imported = {
        (source.room, target)
        for source in python
        for _, target in _imports(source, modules)
        if target != _module(source.path)
    }
    commands = _commands(sources)
    for source in python:
        module = _module(source.path)
        if source.room not in FOLDERS or module in commands or _is_entry_point(source):
            continue
        if (source.room, module) not in imported:
            what = f"nothing in {source.room} imports it"
            yield Fault(source.path, 1, what, "use it or remove it")
    for source in sources:
        if source.path.endswith((".h", ".lark", ".nlog")) and source.room in ROOMS:
            name = PurePosixPath(source.path)
            wanted = name.stem if name.suffix == ".nlog" else name.name
            pattern = re.compile(rf"(?<!\w){re.escape(wanted)}(?!\w)")
            if not any(pattern.search(other.text) for other in sources if other is not source):
                yield Fault(source.path, 1, "nothing names it", "use it or remove it")


def _is_entry_point(source: Source) -> bool:
    name = PurePosixPath(source.path).name
    return (
        source.path in READ_ONLY_BY_TESTS
        or name in ("__init__.py", "__main__.py", "conftest.py")
        or (source.room == "tests" and name.startswith("test_"))
        or '\nif __name__ == "__main__":' in source.text
    )


def _commands(sources: list[Source]) -> set[str]:
    """The modules behind the console scripts of setup.cfg."""
    setup = configparser.ConfigParser()
    for source in sources:
        if source.path == "setup.cfg":
            setup.read_string(source.text)
    scripts = setup.get("options.entry_points", "console_scripts", fallback="")
    return {line.partition("=")[2].partition(":")[0].strip() for line in scripts.splitlines()}


def _is_test_data(source: Source) -> bool:
    return source.room == "tests" and source.path.endswith((".nlog", ".lark"))


def _is_shipped_program(source: Source) -> bool:
    return source.path.endswith(".nlog") and not _is_test_data(source)


def row_meanings(sources: list[Source]) -> Iterator[Fault]:
    """Every table of a program we ship says, right above it, "Each row means …"."""
    declaration = re.compile(r"\s*(?:(?:input|output)\s+)?table\s+(?P<name>\w+)")
    for source in filter(_is_shipped_program, sources):
        lines = source.text.split("\n")
        for number, line in source.numbered():
            if found := declaration.match(line):
                above = number - 1
                while above > 0 and lines[above - 1].lstrip().startswith("//"):
                    above -= 1
                comment = lines[above : number - 1]
                if not any(part.lstrip().startswith("// Each row means") for part in comment):
                    what = f"table `{found['name']}` does not say what its rows mean"
                    way_out = 'put a comment "// Each row means …" right above it'
                    yield Fault(source.path, number, what, way_out)


RULES: tuple[Rule, ...] = (
    line_width,
    whitespace,
    file_length,
    function_length,
    essay,
    promises,
    suppressions,
    import_directions,
    python_in_core,
    dead_files,
    row_meanings,
)
