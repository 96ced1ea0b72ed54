"""Why a commit was refused: the core's reasons in the words of who wrote the rules and rows.

A rule fails, rows of an input table have one key, a constraint table has rows, a limit is reached,
or what the core can hold is exhausted. The transaction has been rolled back in every case.
"""

from collections.abc import Mapping
from typing import Any

from attrs import Attribute, field, frozen

from nlog.diagnostics import TransactionError
from nlog.engine import _core
from nlog.program import Program, Table
from nlog.show import counted, show_row

Row = tuple[Any, ...]

# There is no room, whatever was to be done.
EXHAUSTED = (_core.CapacityError, MemoryError)
REFUSALS = (
    _core.EvaluationError,
    _core.KeyConflictError,
    _core.ConstraintError,
    _core.LimitError,
    *EXHAUSTED,
)
ROWS_SHOWN_MAX = 10
ROW_LENGTH_MAX = 200


class ConstraintError(TransactionError):
    """A transaction after which constraint tables would have rows: `rows` has them by table."""

    def __init__(self, text: str, rows: Mapping[str, frozenset[Row]]) -> None:
        super().__init__(text)
        self.rows = rows


def _limit(_: object, attribute: "Attribute[Any]", value: Any) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if attribute.name == "rows":
        is_number = is_number and isinstance(value, int)
    if value is not None and (not is_number or not 0 <= value < 2**63):
        raise ValueError(
            f"Limits({attribute.name}={value!r}): a limit is a number from 0 on, or None"
        )


@frozen(kw_only=True)
class Limits:
    """What a commit may make of an engine; None for no limit.

    `rows` of all tables together, internal ones too, and `seconds` that the rules may take.
    """

    rows: int | None = field(default=None, validator=_limit)
    seconds: float | None = field(default=None, validator=_limit)


NO_LIMITS = Limits()


def refusal(
    error: Exception, program: Program, limits: Limits, tables: Mapping[int, str], when: str
) -> TransactionError:
    """The error to raise for one of `REFUSALS`, of a commit under a lowered program.

    `tables` has the names by the core's numbers. `when` ends the first line, as in
    "; the transaction is rolled back".
    """
    match error:
        case _core.KeyConflictError():
            conflicts, has_more = error.args
            found = [(program.tables[tables[number]], *rows) for number, *rows in conflicts]
            return TransactionError(_key_text(found, has_more, when))
        case _core.ConstraintError():
            rows = {tables[number]: frozenset(rows) for number, rows in error.args[0].items()}
            return ConstraintError(_constraint_text(program, rows, when), rows)
        case _core.LimitError():
            return TransactionError(_limit_text(program, limits, tables, *error.args) + when)
        case _core.CapacityError():
            return TransactionError(_capacity_text(program, tables, when, *error.args))
        case MemoryError():
            return TransactionError(
                f"memory ran out{when}; nlog.Limits(rows=…) refuses what would take too much"
            )
    number, text = error.args
    *_, rule = (rule for rule in program.rules if rule.number == number)
    return TransactionError(f"rule of `{rule.head}` at {rule.name}: {text}{when}")


def _key_text(found: list[tuple[Table, Row, Row]], has_more: bool, when: str) -> str:
    lines = [f"rows have one key{when}"]
    for table, first, second in found:
        lines.append(f"  {_shown(table, first)} and {_shown(table, second)}")
    if has_more:
        lines.append("  and more")
    names = {table.name: table for table, *_ in found}
    for name, table in names.items():
        columns = ", ".join(f"`{table.columns[place].name}`" for place in table.key)
        lines.append(f"the key of `{name}` is {columns}: `put` takes the place of the row with it")
    return "\n".join(lines)


def _constraint_text(program: Program, rows: Mapping[str, frozenset[Row]], when: str) -> str:
    names = ", ".join(f"`{name}`" for name in rows)
    lines = [f"a constraint does not hold: {names}{when}"]
    for name, found in rows.items():
        table = program.tables[name]
        shown = sorted(found, key=repr)[:ROWS_SHOWN_MAX]
        lines += [f"  {_shown(table, row)}" for row in shown]
        if len(found) > len(shown):
            lines.append(f"  and {len(found) - len(shown)} more")
        rules = [rule.name for rule in program.rules if rule.head == name]
        lines.append(f"`{name}` must be empty; its rules are at {', '.join(rules)}")
    return "\n".join(lines)


CAPACITIES = {
    "rows": (
        "table {table} is full: it has room for {capacity} rows, deleted ones of a commit included",
        "split the table, or delete rows in a transaction of their own first{rules}",
    ),
    "places": (
        (
            "an index of table {table} is full: too many rows agree in columns that rules look it "
            "up by, which have room for {capacity}"
        ),
        "let rules look it up by columns that tell its rows apart, or split the table{rules}",
    ),
    "texts": (
        "the engine is full: it has seen {capacity} different texts",
        "engine.recompute() gives one that has seen only those of the present rows",
    ),
    "tuples": (
        "the engine is full: it has seen {capacity} different lists, records and other structures",
        "engine.recompute() gives one that has seen only those of the present rows",
    ),
    "elements": (
        "a value is too long: a text has at most {capacity} bytes, and a list as many elements",
        "split it over several rows",
    ),
    "ranks": (
        (
            "the recursion of {table} is too deep: its rows rest on each other on more levels than "
            "{capacity} ranks have room for"
        ),
        (
            "let rules join rows far apart, as `reach(a, c) :- reach(a, b), reach(b, c).` "
            "does{rules}"
        ),
    ),
}


def _capacity_text(
    program: Program,
    tables: Mapping[int, str],
    when: str,
    full: str,
    capacity: int,
    number: int | None,
) -> str:
    name = None if number is None else tables.get(number, f"${number}")
    found = [rule.name for rule in program.rules if rule.head == name]
    rules = f" (rules at {', '.join(found)})" if found else ""
    what, way_out = (
        text.format(table=f"`{name}`", capacity=capacity, rules=rules) for text in CAPACITIES[full]
    )
    return f"{what}{when}; {way_out}"


def _limit_text(
    program: Program, limits: Limits, tables: Mapping[int, str], limit: str, number: int, added: int
) -> str:
    name = tables[number]
    rules = [rule.name for rule in program.rules if rule.head == name]
    by = f" (rules at {', '.join(rules)})" if rules else ""
    most = f"it had added most to `{name}`, {counted(added, 'row')}{by}"
    if limit == "rows":
        return f"the tables would hold more than {limits.rows} rows, the limit; {most}"
    return f"the rules took more than {limits.seconds} s, the limit; {most}"


def _shown(table: Table, row: Row) -> str:
    text = show_row(table, row)
    return text if len(text) <= ROW_LENGTH_MAX else f"{text[: ROW_LENGTH_MAX - 1]}…"
