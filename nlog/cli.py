"""The command `nlog`: check rule files, run them over facts, ask questions, ask why.

Facts are a JSON file that gives each input table its rows (nlog/facts.py). Rows are printed as in a
rule. Mistakes go to standard error and make the exit status 1; a traceback is a fault of ours. With
`--format json` each is a line of JSON, and of `check`, which prints nothing else then, on standard
output. Functions in Python, which rules may call, are those of the files given by `--functions`.
What takes over a second says so on a terminal, and Ctrl-C ends it.
"""

import json
import runpy
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Timer
from typing import Any, NoReturn

import click
from rich.console import Console

from nlog.compile import load
from nlog.diagnostics import Diagnostic, RuleError, TransactionError, as_data
from nlog.facts import insert_facts, read_facts
from nlog.program import Program
from nlog.python_functions import Function
from nlog.runtime import Engine
from nlog.show import counted, show_row

Command = Callable[..., Any]

NOTE_AFTER_S = 1.0

_RULES = click.argument(
    "rules", nargs=-1, required=True, type=click.Path(dir_okay=False, path_type=Path)
)
_FUNCTIONS = click.option(
    "--functions",
    multiple=True,
    type=click.Path(dir_okay=False, exists=True, path_type=Path),
    help="Python file whose `@nlog.function`s the rules call; it is run.",
)
_FACTS = click.option(
    "--facts",
    type=click.Path(dir_okay=False, exists=True, path_type=Path),
    help='JSON file of input rows: {"edge": [["a", "b"]]}.',
)


def _keep_format(context: click.Context, _: click.Parameter, value: str) -> None:
    context.obj = value


_FORMAT = click.option(
    "--format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    callback=_keep_format,
    expose_value=False,
    help="How mistakes and warnings are printed.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Check and run nlog rule files."""


@main.command()
@_RULES
@_FORMAT
@_FUNCTIONS
def check(rules: tuple[Path, ...], functions: tuple[Path, ...]) -> None:
    """Read rule files and report every mistake, or warnings and what they declare."""
    program = _guard(_program, rules, functions)
    if _is_json():
        _warn(program.warnings)
        return
    recursive = sum(stratum.recursive for stratum in program.strata)
    sizes = [
        counted(len(program.tables), "table"),
        counted(len(program.rules), "rule"),
        counted(len(program.strata), "stratum", "strata"),
    ]
    _warn(program.warnings)
    warned = f", {counted(len(program.warnings), 'warning')}" if program.warnings else ""
    click.echo(f"{', '.join(sizes)} ({recursive} recursive): no mistakes{warned}")


@main.command()
@_RULES
@_FORMAT
@_FUNCTIONS
@_FACTS
def run(rules: tuple[Path, ...], functions: tuple[Path, ...], facts: Path | None) -> None:
    """Run rules over facts and print every output table."""
    engine = _guard(_engine, rules, functions, facts)
    for table in engine.program.tables.values():
        if table.kind == "output":
            for row in sorted(engine[table.name], key=repr):
                click.echo(show_row(table, row))


@main.command()
@_RULES
@_FORMAT
@_FUNCTIONS
@_FACTS
@click.option("--table", required=True, help="The table to read.")
@click.option("--where", multiple=True, metavar="COLUMN=VALUE", help="Only rows with this value.")
def query(
    rules: tuple[Path, ...],
    functions: tuple[Path, ...],
    facts: Path | None,
    table: str,
    where: tuple[str, ...],
) -> None:
    """Run rules over facts and print the rows of one table."""
    engine = _guard(_engine, rules, functions, facts)
    view = _guard(engine.__getitem__, table)
    wanted = dict(_guard(_condition, text) for text in where)
    for row in sorted(_guard(lambda: view.where(**wanted)), key=repr):
        click.echo(show_row(engine.program.tables[table], row))


@main.command()
@_RULES
@_FORMAT
@_FUNCTIONS
@_FACTS
@click.option("--table", required=True, help="The table the row is in.")
@click.option("--row", required=True, metavar="JSON", help='The row, as in \'["a", "c"]\'.')
def explain(
    rules: tuple[Path, ...], functions: tuple[Path, ...], facts: Path | None, table: str, row: str
) -> None:
    """Run rules over facts and show why a row is in a table."""
    engine = _guard(_engine, rules, functions, facts)
    values = _guard(_json, row, "--row")
    if not isinstance(values, list):
        _fail(f"--row: {row} is not a JSON list of the row's values")
    click.echo(str(_guard(engine.explain, table, _plain(values))))


def _program(rules: tuple[Path, ...], functions: tuple[Path, ...]) -> Program:
    return load(*rules, functions=[one for path in functions for one in _functions(path)])


def _functions(path: Path) -> list[Function[..., Any]]:
    """What a Python file defines or imports for rules; ValueError if that is nothing."""
    try:
        names = runpy.run_path(str(path))
    except Exception as error:
        raise ValueError(f"{path}: {type(error).__name__}: {error}") from error
    found = [value for value in names.values() if isinstance(value, Function)]
    if not found:
        raise ValueError(f"{path}: it has no function that is decorated with @nlog.function")
    return list(dict.fromkeys(found))


def _warn(warnings: Iterable[Diagnostic]) -> None:
    """Print warnings on standard error; as lines of JSON if that was asked for."""
    if _is_json():
        _print_json(map(as_data, warnings))
        return
    for warning in warnings:
        click.echo(f"{warning}\n", err=True)


def _engine(rules: tuple[Path, ...], functions: tuple[Path, ...], facts: Path | None) -> Engine:
    with _progress():
        engine = Engine(_program(rules, functions))
        _warn(engine.warnings)
        if facts:
            insert_facts(engine, read_facts(facts), facts)
        return engine


@contextmanager
def _progress() -> Iterator[None]:
    """On a terminal, say what takes over `NOTE_AFTER_S`."""
    console = Console(stderr=True)
    status = console.status("computing; Ctrl-C ends it")
    timer = Timer(NOTE_AFTER_S, status.start)
    if console.is_terminal:
        timer.start()
    try:
        yield
    finally:
        timer.cancel()
        if console.is_terminal:
            timer.join()
            status.stop()


def _json(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"{where}: not JSON: {error}") from None


def _plain(value: Any) -> Any:
    """JSON's lists as tuples, as rows have them."""
    return tuple(_plain(part) for part in value) if isinstance(value, list) else value


def _condition(text: str) -> tuple[str, Any]:
    column, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"--where {text}: write COLUMN=VALUE")
    try:
        return column, _plain(json.loads(value))
    except json.JSONDecodeError:
        return column, value


def _guard(function: Command, *arguments: Any) -> Any:
    """Call a function; what the user can mend is printed without a traceback."""
    try:
        return function(*arguments)
    except RuleError as error:
        _fail(str(error), error.diagnostics)
    except (TransactionError, LookupError, TypeError, ValueError, OSError) as error:
        _fail(str(error.args[0]) if isinstance(error, KeyError) else str(error))


def _fail(message: str, diagnostics: Iterable[Diagnostic] = ()) -> NoReturn:
    if _is_json():
        other = {"severity": "error", "slug": None, "message": message, "file": None}
        nothing: dict[str, list[str]] = {"spans": [], "notes": [], "helps": []}
        _print_json([*map(as_data, diagnostics)] or [other | nothing])
    else:
        click.echo(message, err=True)
    sys.exit(1)


def _is_json() -> bool:
    return bool(click.get_current_context().obj == "json")


def _print_json(lines: Iterable[dict[str, Any]]) -> None:
    is_result = click.get_current_context().command is check
    for line in lines:
        click.echo(json.dumps(line, ensure_ascii=False), err=not is_result)
