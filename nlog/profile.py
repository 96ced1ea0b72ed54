"""The profile: what each rule of an engine has cost so far, and what each table holds.

`engine.profile` is plain data, and a table for people when it is printed. It counts all commits
since the engine was made, and is worked out when somebody asks. When rules come or go, those that
stay keep what they have cost so far; the core begins anew then, so who changes the program takes
note of it before (`spent`).

The time of a stratum is measured as a whole and shared out among its rules by the rows that each
read and derived; so it is exact for tables that do not depend on each other, and a fair guess
within a recursion. Where strata are evaluated side by side their times add up to more than a clock
shows. Cost: two readings of the clock for each stratum that a commit changes.
"""

import re
from collections.abc import Iterable, Mapping

from attrs import evolve, frozen

from nlog.engine import _core
from nlog.plan import UNIT_TABLE, Exists, Lookup, Plan, StartPlan
from nlog.program import Program, Rule

HEADINGS = ("seconds", "rows read", "look-ups", "derived", "retracted", "rule")
SIZES = ("rows", "bytes", "table")

# A rule without its number; of one that lowering made, the table that it fills.
Payer = Rule | str
Costs = tuple[float, int, int, int, int]
Spent = Mapping[Payer, Costs]
NOTHING: Costs = (0.0, 0, 0, 0, 0)

MADE = {"rule": "bindings", "group": "groups"}


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


def profile(
    program: Program,
    lowered: Program,
    plan: Plan,
    numbers: dict[int, str],
    core: _core.Database,
    earlier: Spent,
) -> Profile:
    """The profile of a core that runs a program, as lowered, by a plan; `numbers` names the tables.

    `earlier` is what rules had cost before the program last changed.
    """
    orders: dict[int, list[tuple[str, ...]]] = {}
    for stratum in plan.strata:
        for rule in stratum.rules:
            found = orders.setdefault(rule.number, [])
            found += [_order(start, numbers, program) for start in rule.deltas]
    rules: list[RuleProfile] = []
    before, now = dict(earlier), core.profile.costs
    for number, payer in _payers(program, lowered).items():
        cost = _sum(before.pop(payer, NOTHING), now.get(number, NOTHING))
        joins = tuple(order for order in orders.get(number, ()) if order)
        if cost == NOTHING:
            continue
        if isinstance(payer, str):
            name, head = "", _plain(payer, program)
        else:
            name, head = program.rules[number].name, payer.head
        rules.append(RuleProfile(name, head, *cost, orders=joins))
    tables = [
        TableProfile(_plain(name, program), core.size(number), core.bytes(number))
        for number, name in numbers.items()
        if name != UNIT_TABLE
    ]
    return Profile(
        tuple(sorted(rules, key=lambda rule: -rule.seconds)),
        tuple(sorted(tables, key=lambda table: -table.bytes)),
    )


def spent(program: Program, lowered: Program, work: _core.Work, earlier: Spent) -> Spent:
    """What rules have cost, by `work` and `earlier` than that; of rules that are alike together."""
    payers = _payers(program, lowered)
    found = {payer: earlier[payer] for payer in payers.values() if payer in earlier}
    for number, payer in payers.items():
        if number in work.costs:
            found[payer] = _sum(found.get(payer, NOTHING), work.costs[number])
    return found


def _payers(program: Program, lowered: Program) -> dict[int, Payer]:
    payers: dict[int, Payer] = {rule.number: evolve(rule, number=0) for rule in program.rules}
    for rule in lowered.rules:
        payers.setdefault(rule.number, rule.head)
    return payers


def _sum(one: Costs, other: Costs) -> Costs:
    seconds, read, probes, derived, retracted = (a + b for a, b in zip(one, other, strict=True))
    return seconds, int(read), int(probes), int(derived), int(retracted)


def _order(start: StartPlan, numbers: dict[int, str], program: Program) -> tuple[str, ...]:
    joined = [step.table for step in start.pipeline.steps if isinstance(step, Lookup | Exists)]
    names = [numbers[number] for number in (start.table, *joined)]
    return tuple(_plain(name, program) for name in names if name != UNIT_TABLE)


def _plain(name: str, program: Program) -> str:
    """What people read for a table; of one that lowering made (lower.py), for which rule."""
    made = re.fullmatch(r"\$(rule|group)(\d+)", name)
    if made:
        return f"{MADE[made[1]]} of {program.rules[int(made[2])].name}"
    return name.removeprefix("$")


def _shown(rule: RuleProfile) -> str:
    orders = ", ".join(" ⋈ ".join(order) for order in rule.orders)
    place = f"{rule.head} at {rule.name}" if rule.name else f"{rule.head}, kept by the engine"
    return f"{place}: {orders}" if orders else place


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
