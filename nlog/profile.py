"""The profile: what each rule of an engine has cost so far, and what each table holds.

`engine.profile` is plain data, and a table for people when it is printed. It counts all commits
since the engine was made or its program last changed, and is worked out when somebody asks.

The time of a stratum is measured as a whole and shared out among its rules by the rows that each
read and derived; so it is exact for tables that do not depend on each other, and a fair guess
within a recursion. Where strata are evaluated side by side their times add up to more than a clock
shows. Cost: two readings of the clock for each stratum that a commit changes.
"""

from collections.abc import Iterable

from attrs import frozen

from nlog.engine import _core
from nlog.plan import Exists, Lookup, Plan, StartPlan
from nlog.program import Program

HEADINGS = ("seconds", "rows read", "look-ups", "derived", "retracted", "rule")
SIZES = ("rows", "bytes", "table")


@frozen
class RuleProfile:
    """What a rule has cost: `seconds`, and rows as in `engine.work`.

    `orders` has, for each atom of the body that a change may start from, the tables in the order
    in which they are joined.
    """

    name: str
    head: str
    seconds: float
    rows_read: int
    probes: int
    derived: int
    retracted: int
    orders: tuple[tuple[str, ...], ...]


@frozen
class TableProfile:
    """What a table holds: rows, and the bytes that they and their indexes take."""

    name: str
    rows: int
    bytes: int


@frozen(repr=False)
class Profile:
    """Rules, the costliest first, and tables, the largest first."""

    rules: tuple[RuleProfile, ...]
    tables: tuple[TableProfile, ...]

    def __str__(self) -> str:
        rules = [
            (f"{r.seconds:.6f}", r.rows_read, r.probes, r.derived, r.retracted, _shown(r))
            for r in self.rules
        ]
        tables = [(t.rows, t.bytes, t.name) for t in self.tables]
        return f"{_table(HEADINGS, rules)}\n\n{_table(SIZES, tables)}"

    __repr__ = __str__


def profile(program: Program, plan: Plan, numbers: dict[int, str], core: _core.Database) -> Profile:
    """The profile of a core that runs a lowered program by a plan; `numbers` names the tables."""
    names = {rule.number: (rule.name, rule.head) for rule in reversed(program.rules)}
    orders: dict[int, list[tuple[str, ...]]] = {}
    for stratum in plan.strata:
        for rule in stratum.rules:
            found = orders.setdefault(rule.number, [])
            found += [_order(start, numbers) for start in rule.deltas]
    rules = []
    for number, (seconds, read, probes, derived, retracted) in core.profile.costs.items():
        if number in names and read:
            name, head = names[number]
            joins = tuple(orders.get(number, ()))
            cost = (seconds, read, probes, derived, retracted)
            rules.append(RuleProfile(name, head, *cost, orders=joins))
    tables = [
        TableProfile(name, core.size(number), core.bytes(number))
        for number, name in numbers.items()
    ]
    return Profile(
        tuple(sorted(rules, key=lambda rule: -rule.seconds)),
        tuple(sorted(tables, key=lambda table: -table.bytes)),
    )


def _order(start: StartPlan, numbers: dict[int, str]) -> tuple[str, ...]:
    joined = [step.table for step in start.pipeline.steps if isinstance(step, Lookup | Exists)]
    return tuple(numbers[number] for number in (start.table, *joined))


def _shown(rule: RuleProfile) -> str:
    orders = ", ".join(" ⋈ ".join(order) for order in rule.orders)
    return f"{rule.head} at {rule.name}: {orders}"


def _table(headings: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> str:
    """Columns of numbers on the right, then one of text."""
    cells = [headings, *(tuple(_cell(value) for value in row) for row in rows)]
    widths = [max(len(row[place]) for row in cells) for place in range(len(headings) - 1)]
    lines = []
    for row in cells:
        numbers = [cell.rjust(width) for cell, width in zip(row, widths, strict=False)]
        lines.append("  ".join([*numbers, row[-1]]))
    return "\n".join(lines)


def _cell(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)
