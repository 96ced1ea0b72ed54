"""The command `nlog`: what it prints, and how it tells users of their mistakes.

Most of it runs within the test; what needs a terminal, or Ctrl-C, runs as a process.
"""

import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from nlog.cli import main

RULES = """
record point(x: int, y: int)
input table edge(src: str, dst: str)
input table site(name: str, p: point, ip: ip4)
output table reach(src: str, dst: str)
output table here(p: point, ip: ip4)
reach(a, b) :- edge(a, b).
reach(a, c) :- reach(a, b), edge(b, c).
here(p, ip) :- site(p: p, ip: ip).
"""
ENDLESS = "output table a(n: int)\na(0).\na(n + 1) :- a(n).\n"


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "reach.nlog"
    path.write_text(RULES)
    return path


def nlog(rules: Path, command: str, facts: str | bytes, *options: str) -> Result:
    path = rules.with_name("facts.json")
    path.write_bytes(facts if isinstance(facts, bytes) else facts.encode())
    arguments = [command, str(rules), "--facts", str(path), *options]
    return CliRunner().invoke(main, arguments)


def test_all_commands_print_rows_as_in_a_rule(rules: Path):
    facts = '{"edge": [["a b", "c"]], "site": [["n", {"y": 2, "x": -1}, "10.0.0.1"]]}'
    assert nlog(rules, "run", facts).stdout.splitlines() == [
        'reach("a b", "c")',
        "here(point(-1, 2), 10.0.0.1)",
    ]
    found = nlog(rules, "query", facts, "--table", "edge", "--where", "dst=c")
    assert found.stdout == 'edge("a b", "c")\n'
    why = nlog(rules, "explain", facts, "--table", "reach", "--row", '["a b", "c"]')
    assert why.stdout.splitlines()[1] == '  edge("a b", "c")  [input]'
    assert nlog(rules, "run", facts).exit_code == 0


def test_check_counts_in_english(tmp_path: Path):
    path = tmp_path / "one.nlog"
    path.write_text("table one(n: int)\none(1).\n")
    text = CliRunner().invoke(main, ["check", str(path)]).output
    assert text == "1 table, 1 rule, 1 stratum (0 recursive): no mistakes\n"


def test_check_prints_warnings_and_succeeds(tmp_path: Path):
    path = tmp_path / "one.nlog"
    path.write_text("input table one(n: int, m: int)\ntable two(n: int)\ntwo(n) :- one(n, m).\n")
    result = CliRunner().invoke(main, ["check", str(path)])
    assert result.exit_code == 0
    assert result.stderr.startswith("warning[single-use]: variable `m` is used once\n")
    assert result.stdout == "2 tables, 1 rule, 1 stratum (0 recursive): no mistakes, 1 warning\n"


def checked(*paths: Path) -> tuple[int, list[dict[str, object]]]:
    """The exit status of `check`, and what it said, which is all on standard output."""
    result = CliRunner().invoke(main, ["check", "--format", "json", *map(str, paths)])
    assert not result.stderr
    return result.exit_code, [json.loads(line) for line in result.stdout.splitlines()]


def test_check_prints_json_lines_for_programs(tmp_path: Path):
    path, other = tmp_path / "one.nlog", tmp_path / "no.nlog"
    path.write_text("table one(n: int)\none(n) :-\n/* é */ one(n), tow(n).\none(n) :- one(m).\n")
    status, found = checked(path)
    assert status == 1
    assert found[0] == {
        "severity": "error",
        "slug": "unknown-name",
        "message": "there is no table, function or record `tow`",
        "file": str(path),
        "spans": [
            {
                "file": str(path),
                "line": 3,
                "column": 17,
                "end_line": 3,
                "end_column": 20,
                "is_primary": True,
                "text": "",
            }
        ],
        "notes": [],
        "helps": found[0]["helps"],
    }
    assert [line["slug"] for line in found] == ["unknown-name", "ungrounded-variable"]
    assert checked(other)[1][0] == {
        "severity": "error",
        "slug": "unreadable-file",
        "message": f"cannot read `{other}`: No such file or directory",
        "file": str(other),
        "spans": [],
        "notes": [],
        "helps": [],
    }


def test_check_prints_warnings_as_json_lines_too(tmp_path: Path):
    path = tmp_path / "one.nlog"
    path.write_text("input table one(n: int, m: int)\ntable two(n: int)\ntwo(n) :- one(n, m).\n")
    status, found = checked(path)
    assert status == 0
    assert [(line["severity"], line["slug"]) for line in found] == [("warning", "single-use")]
    path.write_text("table two(n: int)\n")
    assert checked(path) == (0, [])


def test_other_commands_print_warnings_beside_their_rows(rules: Path):
    rules.write_text(
        "input table one(n: int, m: int)\noutput table two(n: int)\ntwo(n) :- one(n, m)."
    )
    result = nlog(rules, "run", '{"one": [[1, 2]]}')
    assert (result.exit_code, result.stdout) == (0, "two(1)\n")
    assert result.stderr.startswith("warning[single-use]: variable `m` is used once\n")
    result = nlog(rules, "run", '{"one": [[1, 2]]}', "--format", "json")
    assert result.stdout == "two(1)\n"
    assert json.loads(result.stderr)["slug"] == "single-use"


def test_rules_call_functions_of_a_python_file(rules: Path):
    functions = rules.with_name("functions.py")
    functions.write_text(
        "import nlog\n\n@nlog.function\ndef crc(n: int) -> int:\n    return n // 2\n"
    )
    rules.write_text("input table one(n: int)\noutput table two(n: int)\ntwo(crc(n)) :- one(n).\n")
    options = ["--functions", str(functions)]
    assert nlog(rules, "run", '{"one": [[5]]}', *options).stdout == "two(2)\n"
    assert nlog(rules, "query", '{"one": [[5]]}', *options, "--table", "two").stdout == "two(2)\n"
    result = CliRunner().invoke(main, ["check", str(rules)])
    assert result.exit_code == 1
    assert "hand it over: `functions=[…]`, or `--functions FILE.py`" in result.stderr
    for text, trouble in (
        ("import nlog", "it has no function that is decorated with @nlog.function"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
    ):
        functions.write_text(text)
        result = CliRunner().invoke(main, ["check", str(rules), *options])
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr == f"{functions}: {trouble}\n"


def test_other_commands_print_json_beside_their_rows(rules: Path):
    result = nlog(rules, "run", '{"edge": [["a", 5]]}', "--format", "json")
    assert (result.exit_code, result.stdout) == (1, "")
    told = json.loads(result.stderr)
    assert told["message"].endswith("is not a str")
    assert (told["slug"], told["file"], told["spans"]) == (None, None, [])
    rules.write_text("table one(n: int\none(1)\n")
    result = nlog(rules, "run", "{}", "--format", "json")
    assert [json.loads(line)["slug"] for line in result.stderr.splitlines()] == ["syntax", "syntax"]


def test_every_span_in_json_has_the_text_that_it_is_about():
    """The positions, counted from 1 in lines and characters, against the offsets they are of."""
    for path in sorted((Path(__file__).parent / "errors").glob("*.nlog")):
        text = path.read_text()
        for line in checked(path)[1]:
            for span in line["spans"]:
                if span["file"] == str(path):
                    rows = text.split("\n")[span["line"] - 1 : span["end_line"]]
                    assert len(rows[0]) + 1 >= span["column"] >= 1
                    assert len(rows[-1]) + 1 >= span["end_column"] >= 1


def test_a_file_that_cannot_be_read_is_named_without_an_excerpt(tmp_path: Path):
    path = tmp_path / "no.nlog"
    result = CliRunner().invoke(main, ["check", str(path)])
    assert result.stderr == (
        f"error[unreadable-file]: cannot read `{path}`: No such file or directory\n"
    )


def test_rows_may_name_their_columns(rules: Path):
    facts = '{"edge": [{"dst": "b", "src": "a"}, ["b", "c"]]}'
    assert nlog(rules, "query", facts, "--table", "edge").stdout.splitlines() == [
        'edge("a", "b")',
        'edge("b", "c")',
    ]


@pytest.mark.parametrize(
    ("facts", "text"),
    [
        ('{"edge": [["a", "b"]], "edge": []}', "`edge` stands twice in one object"),
        ('{"site": [["n", {"x": 1, "x": 2, "y": 3}, "10.0.0.1"]]}', "`x` stands twice"),
        (b'{"edge": [["\xff", "b"]]}', "it is not UTF-8 text"),
        ('{"edge": [', "not JSON: "),
        ('{"edge": ' + "[" * 100_000, "it is nested too deeply"),
        ('{"edge": {"a": "b"}}', "facts are an object of lists"),
        ('{"edge": [["a", "b"], ["c"]]}', "`edge`, row 2: row ['c'] does not fit `edge(src: str"),
        ('{"edge": [["a", "b"], ["c", 5]]}', "`edge`, row 2: row ['c', 5] does not fit"),
        ('{"edge": ["ab"]}', "`edge`, row 1: row 'ab' does not fit"),
        ('{"edge": [{"src": "a", "dts": "b"}]}', "row 1: there is no column `dts`; did you mean"),
        ('{"edge": [{"src": "a"}]}', "row 1: a row names every column: `dst` is missing"),
        ('{"egde": []}', "there is no table `egde`; did you mean `edge`?"),
        ('{"egde": [["a", "b"]]}', "there is no table `egde`; did you mean `edge`?"),
        ('{"reach": [{"src": "a", "dst": "b"}]}', "`reach` is an output table"),
    ],
)
def test_what_is_wrong_with_facts_is_told_with_its_place(
    rules: Path, facts: str | bytes, text: str
):
    result = nlog(rules, "run", facts)
    assert result.stderr.startswith(f"{rules.with_name('facts.json')}: ")
    assert text in result.stderr
    assert (result.exit_code, result.stdout) == (1, "")


def test_explain_says_what_is_wrong_with_a_row(rules: Path):
    result = nlog(rules, "explain", "{}", "--table", "reach", "--row", '["a"]')
    assert "does not fit `reach(src: str, dst: str)`" in result.stderr
    result = nlog(rules, "explain", "{}", "--table", "reach", "--row", '["a", "b"]')
    assert result.stderr == 'reach("a", "b") is not there\n'


def test_what_takes_long_says_so_on_a_terminal_and_ends_by_ctrl_c(tmp_path: Path):
    path = tmp_path / "endless.nlog"
    path.write_text(ENDLESS)
    ours, theirs = pty.openpty()
    # Whoever runs tests in the background may have them ignore Ctrl-C, and children inherit it.
    script = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from nlog.cli import main; main()"
    )
    command = [sys.executable, "-c", script, "run", str(path)]
    environment = {**os.environ, "TERM": "xterm"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=theirs, env=environment
    ) as process:
        os.close(theirs)
        said = b""
        while b"computing" not in said:
            said += os.read(ours, 1024)
        process.send_signal(signal.SIGINT)
        assert process.wait() == 1
        assert process.stdout is not None
        assert process.stdout.read() == b""
    os.close(ours)
