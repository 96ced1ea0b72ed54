"""Transitions: from one program to another, by the rules that differ.

Rules that both programs have are kept as they are, with all that was derived by them. The others
get one more atom in their bodies, of the table `$changed`, which is empty before and has its one
row after:

    added(x) :- $changed(), …            removed(x) :- not $changed(), …

Under the plan of both programs together, to insert that row is a change like any other: it runs the
rules that are added, and those that are removed with the opposite sign, and what follows from
that is worked out stratum by stratum, announced, and rolled back if need be, as ever. Then the core
goes over to the plan of the new program, which knows nothing of all this.

Rules are the same if their heads and bodies are, wherever they stand; tables, if they are declared
at one place, even if their names had to change to stay apart. Tables that stay keep their number
(see planner.Layout).

A recursion over `min` or `max` that is put together anew, or taken apart, cannot be gone on with,
since what the core keeps beside its rows has no meaning elsewhere. Its tables are *renewed*: under
the plan of both programs they have the rules of the new one alone, and the core derives them from
nothing. What other tables and those who listen get to know is the difference.

Cost: that of planning both programs, and what the rules that differ read; of tables that are
renewed, all that they follow from. Where a table joins or leaves a recursion, its rows are visited
once (core/transition.h).
"""

from collections.abc import Iterator, Mapping

from attrs import evolve, frozen

from nlog.check import stratify
from nlog.diagnostics import Diagnostic, RuleError
from nlog.layout import Layout
from nlog.lower import lower
from nlog.plan import Plan
from nlog.planner import plan_lowered
from nlog.program import Atom, BodyLiteral, Optimum, Program, Rule, Stratum, Table

CHANGED_TABLE = "$changed"


@frozen
class Transition:
    """What the core is told: the plan to evaluate under, that of the new program, and its layout.

    `lowered` is the new program as the core sees it; `changed` and `emptied` are the numbers of the
    table to insert the row in, and of the input tables that go.
    """

    during: Plan
    after: Plan
    lowered: Program
    layout: Layout
    changed: int
    emptied: tuple[int, ...]


def transition(old: Program, new: Program, layout: Layout) -> Transition:
    """The way from `old`, whose layout is given, to `new`.

    RuleError if it cannot be gone: rules that are added negate what depends on those that are
    removed, in a circle.
    """
    names = _names(old, new)
    before, after = lower(_numbered(_renamed(old, names), new)), lower(new)
    renamed = dict(zip(lower(old).tables, before.tables, strict=True))
    mistakes: list[Diagnostic] = []
    both = _union(before, after, mistakes)
    if mistakes:
        raise RuleError(mistakes)
    whole = layout.extended(both, renamed)
    base = whole.restricted(after)
    after_plan = plan_lowered(after, base)
    during = base.widened(whole)
    return Transition(
        plan_lowered(both, during),
        after_plan,
        after,
        base,
        whole.numbers[CHANGED_TABLE],
        tuple(
            whole.numbers[table.name]
            for table in before.tables.values()
            if table.kind == "input" and table.name not in after.tables
        ),
    )


def _names(old: Program, new: Program) -> dict[str, str]:
    """What the tables of `old` are called from now on: those that stay as in `new`.

    One that goes makes way if another table takes its name.
    """
    by_place = {table.span: table for table in new.tables.values() if table.span is not None}
    names = {}
    for table in old.tables.values():
        same = by_place.get(table.span) if table.span is not None else new.tables.get(table.name)
        if same is not None and _declaration(same) == _declaration(table):
            names[table.name] = same.name
        else:
            names[table.name] = f"$old {table.name}" if table.name in new.tables else table.name
    return names


def _declaration(table: Table) -> Table:
    return evolve(table, name="", span=None)


def _renamed(program: Program, names: Mapping[str, str]) -> Program:
    if all(name == renamed for name, renamed in names.items()):
        return program
    tables = {
        names[name]: evolve(table, name=names[name]) for name, table in program.tables.items()
    }
    rules = []
    for rule in program.rules:
        body: list[BodyLiteral] = [
            evolve(part, table=names[part.table]) if isinstance(part, Atom) else part
            for part in rule.body
        ]
        rules.append(evolve(rule, head=names[rule.head], body=tuple(body)))
    strata = [
        evolve(stratum, tables=tuple(names[name] for name in stratum.tables))
        for stratum in program.strata
    ]
    return evolve(program, tables=tables, rules=tuple(rules), strata=tuple(strata))


def _numbered(old: Program, new: Program) -> Program:
    """`old`, with the numbers that its rules have in `new`; those that go have numbers beyond.

    Tables that are made of rules bear their numbers (see lower.py).
    """
    left: dict[Rule, list[int]] = {}
    for rule in new.rules:
        left.setdefault(evolve(rule, number=0), []).insert(0, rule.number)
    rules = []
    for rule in old.rules:
        numbers = left.get(evolve(rule, number=0))
        number = numbers.pop() if numbers else len(new.rules) + rule.number
        rules.append(evolve(rule, number=number))
    return evolve(old, rules=tuple(rules))


def _union(before: Program, after: Program, mistakes: list[Diagnostic]) -> Program:
    """Both programs, where rules that are only in one depend on `$changed`.

    Of tables that are renewed it has the rules of `after` alone.
    """
    kept = _Matching(before)
    rules = [rule if kept.take(rule) else _switched(rule, negated=False) for rule in after.rules]
    removed = [_switched(rule, negated=True) for rule in kept.rest()]
    beyond = 1 + max((rule.number for rule in rules), default=0)
    rules += [evolve(rule, number=beyond + rule.number) for rule in removed]
    changed = Table(CHANGED_TABLE, "input", ())
    tables = {**before.tables, **after.tables, CHANGED_TABLE: changed}
    renewed = {
        table
        for stratum in stratify(tables, rules)
        if not _fits(stratum, before, after)
        for table in stratum.tables
    }
    if renewed:
        rules = [rule for rule in rules if rule.head not in renewed]
        rules += [rule for rule in after.rules if rule.head in renewed]
    strata = stratify(tables, rules, mistakes.append)
    old, new = _optima(before), _optima(after)
    owned = [
        evolve(
            stratum,
            optima=_of_tables(stratum, new if stratum.tables[0] in renewed else old | new),
            renewed=stratum.tables[0] in renewed,
        )
        for stratum in strata
    ]
    lost = renewed - {rule.head for rule in rules}
    emptied = [Stratum((table,), False, renewed=True) for table in sorted(lost)]
    return evolve(after, tables=tables, rules=tuple(rules), strata=(*emptied, *owned))


def _of_tables(stratum: Stratum, optima: Mapping[str, Optimum]) -> tuple[Optimum, ...]:
    return tuple(optima[table] for table in stratum.tables if table in optima)


def _fits(stratum: Stratum, before: Program, after: Program) -> bool:
    """Whether what the core keeps beside the rows of a stratum of both programs goes on to hold.

    Of a recursion over `min` or `max` it does if the recursion has the same tables still, or more
    that join or leave it as a whole.
    """
    old, new = _optima(before), _optima(after)
    if not any(table in old or table in new for table in stratum.tables):
        return True
    derived = {rule.head for rule in before.rules}
    left = {rule.head for rule in after.rules}
    known = {table for table in stratum.tables if table in derived}
    if known and not any(known == set(earlier.tables) for earlier in before.strata):
        return False
    for table in stratum.tables:
        comes, goes = table not in known, table not in left
        if table not in (new if comes else old):
            return False
        if not (comes or goes or old[table] == new.get(table)):
            return False
    return True


def _optima(program: Program) -> dict[str, Optimum]:
    return {optimum.table: optimum for stratum in program.strata for optimum in stratum.optima}


def _switched(rule: Rule, *, negated: bool) -> Rule:
    if rule.aggregates:
        return rule  # it reads one table, which is filled by rules that are switched
    return evolve(rule, body=(Atom(CHANGED_TABLE, (), negated), *rule.body))


class _Matching:
    """Rules of a program, each to be taken once by a rule like it."""

    def __init__(self, program: Program) -> None:
        self._rules: dict[Rule, list[Rule]] = {}
        for rule in program.rules:
            self._rules.setdefault(evolve(rule, number=0), []).append(rule)

    def take(self, rule: Rule) -> bool:
        """Whether there was such a rule left."""
        left = self._rules.get(evolve(rule, number=0))
        return bool(left and left.pop())

    def rest(self) -> Iterator[Rule]:
        """The rules that were not taken."""
        for rules in self._rules.values():
            yield from rules
