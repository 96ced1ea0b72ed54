"""docs/language.md keeps its word: programs parse, examples compute, and nothing is left out."""

import re
from pathlib import Path

import pytest

import nlog
from nlog.engine import reference
from nlog.functions import AGGREGATES, FUNCTIONS, OVERLOADS
from nlog.types import SCALARS
from tests.nlog.test_errors import SLUGS, WARNINGS

DOCUMENT = (Path(__file__).parents[2] / "docs" / "language.md").read_text()
PROGRAMS = re.findall(r"```nlog\n(.*?)```", DOCUMENT, re.DOTALL)
CELLS = [
    [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
    for line in DOCUMENT.splitlines()
    if line.startswith("|")
]


def section(title: str) -> str:
    return DOCUMENT.split(f"\n{title}\n")[1].split("\n## ")[0]


def code(cell: str) -> str:
    return cell.strip("`")


def examples() -> list[tuple[str, str]]:
    """(expression, value) of the tables of examples; the value follows the expression."""
    found, place = [], -1
    for cells in CELLS:
        if "example" in cells:
            place = cells.index("example")
        elif "value" not in cells and not any(set(cell) == {"-"} for cell in cells):
            if place >= 0 and len(cells) > place + 1 and cells[place + 1].startswith("`"):
                found.append((code(cells[place]), code(cells[place + 1])))
            else:
                place = -1
    return found


EXAMPLES = examples()


@pytest.mark.parametrize("text", PROGRAMS, ids=lambda text: text.splitlines()[0][:30])
def test_a_program_is_accepted(text: str):
    nlog.parse(text, "language.md")


@pytest.mark.parametrize(("expression", "value"), EXAMPLES)
def test_an_example_has_its_value(expression: str, value: str):
    program = nlog.parse(f"output table same()\nsame() :- {agrees(expression, value)}.\n")
    assert reference.evaluate(program, {})["same"] == {()}
    assert set(nlog.Engine(program)["same"]) == {()}


def agrees(expression: str, value: str) -> str:
    return f"({expression}) == ({value})"


def test_examples_are_found():
    assert len(EXAMPLES) > 35
    assert len(PROGRAMS) >= 6


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_has_a_line_and_examples_of_each_overload(name: str):
    assert re.search(rf"^\| `{name}\(", section("## Functions"), re.MULTILINE)
    used = sum(expression.count(f"{name}(") for expression, _ in EXAMPLES)
    assert used >= min(len(OVERLOADS[name]), 2)


def test_aggregates_are_documented():
    listed = set(re.findall(r"`(\w+)\(e?\)`", section("### Aggregates").split("\n### ")[0]))
    assert listed == set(AGGREGATES)


def test_counters_of_work_are_documented():
    counters = {name for name in dir(nlog.Work) if not name.startswith("_")}
    assert set(re.findall(r"^\| `(\w+)` \|", section("## Work"), re.MULTILINE)) == counters


def test_operators_are_documented():
    operators = {name for name in OVERLOADS if not name.isidentifier()}
    listed = set(re.findall(r"`([^`]+)`", section("## Expressions").replace("\\|", "|")))
    assert operators <= listed


@pytest.mark.parametrize("name", SCALARS)
def test_a_type_is_documented(name: str):
    assert f"| `{name}` |" in section("### Types")


def test_every_slug_is_documented():
    listed = set(re.findall(r"^\| `([a-z0-9-]+)` \|", section("## Mistakes"), re.MULTILINE))
    assert listed == SLUGS | WARNINGS


@pytest.mark.parametrize(
    "expression",
    [
        "9223372036854775807 + 1",
        "-9223372036854775808 - 1",
        "9223372036854775807 * 2",
        "1 << 63",
        "-(-9223372036854775807 - 1)",
        "- -9223372036854775808",
        "- - -9223372036854775808",
        "1 / 0",
        "1 % 0",
        "-9223372036854775808 / -1",
        "1 << 64",
        "1 << -1",
        "1 >> 64",
        "at([1], 1)",
        "at([1], -1)",
        "int(mac(281474976710656))",
        "int(mac(-1))",
        "int(ip4(4294967296))",
        "int(ip4(-1))",
        "length(prefix_of(10.0.0.0, 33))",
        "length(prefix_of(10.0.0.0, -1))",
    ],
)
def test_what_has_no_value_fails_the_transaction_and_names_the_rule(expression: str):
    program = nlog.parse(
        "input table go()\noutput table gone()\noutput table value(n: int)\ngone() :- go().\n"
        f"value({expression}) :- go().\n",
        "failing.nlog",
    )
    engine = nlog.Engine(program)
    named = r"`value` at failing\.nlog:5: .*rolled back"
    with pytest.raises(nlog.TransactionError, match=named), engine.transaction() as tx:
        tx.insert("go", ())
    assert not engine["go"]
    assert not engine["gone"]
    assert not engine["value"]
    with pytest.raises((ArithmeticError, ValueError, LookupError)):
        reference.evaluate(program, {"go": [()]})
