"""Explanations: which rule and which rows a row came from, down to the input rows.

Derivations are found backward, by the check plans of the rules of the row's table, which gives a
graph: rows, and for each the bodies that derive it. In a recursive table a row may be derived from
itself, and such a derivation explains nothing. So bodies are counted off forward, from input rows
on (Dowling and Gallier 1984): a row is settled by the first body of which all rows are settled, and
its derivation rests on theirs, which cannot rest on it. The graph is explored breadth first and
no further than it takes to settle the row asked for, so that the derivation is among the
shallowest. Cost: look-ups in proportion to the part of the graph explored; of a table that is not
recursive any body will do, and only one is read.

Of an aggregate, the premises are the rows of the bodies that gave `min`, `max` or `any` its value,
or of all bodies of the group, up to a limit.
"""

from collections import defaultdict, deque
from collections.abc import Iterator
from typing import Any

from attrs import define, field, frozen

from nlog.engine import _core
from nlog.plan import UNIT_TABLE, StartPlan
from nlog.planner import Layout, plan_check
from nlog.program import Program, Rule, Table
from nlog.show import counted, show_row

Row = tuple[Any, ...]
Fact = tuple[str, Row]

# Bodies read of one rule for one row of a recursive table; if that was not enough, more are.
BODIES_FIRST = 16
# Rows shown of a group, where all of them have their part in an aggregate.
MEMBERS_MAX = 100


@frozen(repr=False)
class Derivation:
    """A row, the rule that derives it, and the derivations of the rows that rule joined.

    `rule` is None for an input row. `str()` draws the tree.
    """

    declared: Table
    row: Row
    rule: Rule | None = None
    premises: tuple["Derivation", ...] = field(default=())

    @property
    def table(self) -> str:
        """The name of the table the row is in."""
        return self.declared.name

    def __str__(self) -> str:
        lines = []
        for depth, node in self._walk():
            origin = node.rule.name if node.rule else "input"
            lines.append(f"{'  ' * depth}{show_row(node.declared, node.row)}  [{origin}]")
        return "\n".join(lines)

    def __repr__(self) -> str:
        size = counted(sum(1 for _ in self._walk()), "row")
        return f"<Derivation of {show_row(self.declared, self.row)}: {size}>"

    def inputs(self) -> Iterator["Derivation"]:
        """The leaves that are input rows: what it all rests on."""
        return (node for _, node in self._walk() if node.rule is None)

    def _walk(self) -> Iterator[tuple[int, "Derivation"]]:
        """Every node with its depth, parents first; without recursion, since trees may be deep."""
        rest = [(0, self)]
        while rest:
            depth, node = rest.pop()
            yield depth, node
            rest += [(depth + 1, premise) for premise in reversed(node.premises)]


@define(eq=False)
class _Attempt:
    """A body that derives `head` as soon as the `missing` ones of its premises are settled."""

    head: Fact
    rule: Rule
    premises: list[Fact]
    missing: set[Fact]


class Explainer:
    """Finds derivations in the committed tables of one core."""

    def __init__(self, lowered: Program, layout: Layout, core: _core.Database) -> None:
        self._program = lowered
        self._layout = layout
        self._core = core
        self._names = layout.names
        self._plans: dict[tuple[str, int], StartPlan] = {}
        self._rules: dict[str, list[Rule]] = {}
        for rule in lowered.rules:
            self._rules.setdefault(rule.head, []).append(rule)
        self._recursive = {
            table for stratum in lowered.strata if stratum.recursive for table in stratum.tables
        }

    def explain(self, table: str, row: Row) -> Derivation:
        """A derivation of a row that is in the table."""
        bodies_max = BODIES_FIRST
        while True:
            search = _Search(self, (table, row), bodies_max)
            found = search.run()
            if found is not None:
                return found
            assert search.cut_short, "a row in a table without a derivation"
            bodies_max *= BODIES_FIRST

    def is_input(self, table: str) -> bool:
        """Whether rows of `table` need no derivation."""
        return self._program.tables[table].kind == "input"

    def derivation(
        self, fact: Fact, rule: Rule | None = None, premises: tuple[Derivation, ...] = ()
    ) -> Derivation:
        """The derivation of a fact by a rule from premises.

        Tables that only the planner knows give way to what their rows rest on.
        """
        table, row = fact
        shown: dict[Fact, Derivation] = {}
        for premise in premises:
            inner = premise.premises if premise.table.startswith("$") else (premise,)
            shown.update({(one.table, one.row): one for one in inner})
        return Derivation(self._program.tables[table], row, rule, tuple(shown.values()))

    def attempts(self, fact: Fact, bodies_max: int) -> tuple[list[_Attempt], bool]:
        """The bodies that derive a fact, and whether there may be more of them."""
        table, row = fact
        found: list[_Attempt] = []
        cut_short = False
        limit = bodies_max if table in self._recursive else 1
        for rule in self._rules.get(table, ()):
            bodies = self._bodies(rule, row, limit)
            cut_short |= table in self._recursive and len(bodies) == limit
            for body in bodies:
                premises = [
                    (self._names[number], premise)
                    for number, premise in body
                    if self._names[number] != UNIT_TABLE
                ]
                found.append(_Attempt(fact, rule, premises, set(premises)))
            if found and limit == 1:
                break
        return found, cut_short

    def _bodies(self, rule: Rule, row: Row, limit: int) -> list[list[tuple[int, Row]]]:
        """Up to `limit` bodies that derive a row: for each its rows, by the numbers of tables."""
        if rule.aggregates:
            return [self._members(rule, row)]
        return self._core.derivations(self._check(rule), row, limit)

    def _members(self, rule: Rule, row: Row) -> list[tuple[int, Row]]:
        """The rows that an aggregate is of: those that have the value, or else all of the group."""
        (source,) = rule.atoms
        number = self._layout.numbers[source.table]
        group = {place: row[place] for place in range(len(rule.group))}
        self._layout.index(source.table, tuple(group))
        self._core.add_index(number, list(group))
        if not all(aggregate.function in {"min", "max"} for aggregate in rule.aggregates):
            return [(number, member) for member in self._core.rows(number, group)[:MEMBERS_MAX]]
        values = zip(rule.aggregates, row[len(group) :], strict=True)
        places = [{source.terms.index(aggregate.value): value} for aggregate, value in values]
        return [(number, self._core.rows(number, group | place)[0]) for place in places]

    def _check(self, rule: Rule) -> StartPlan:
        """The rule's check plan; the core gets the indexes it needs when it is first made."""
        key = rule.head, rule.number
        if key not in self._plans:
            before = {name: len(indexes) for name, indexes in self._layout.indexes.items()}
            self._plans[key] = plan_check(rule, self._layout)
            for name, indexes in self._layout.indexes.items():
                for columns in indexes[before.get(name, 0) :]:
                    self._core.add_index(self._layout.numbers[name], columns)
        return self._plans[key]


class _Search:
    """One search for a derivation of `goal`."""

    def __init__(self, explainer: Explainer, goal: Fact, bodies_max: int) -> None:
        self._explainer = explainer
        self._goal = goal
        self._bodies_max = bodies_max
        self._settled: dict[Fact, Derivation] = {}
        self._waiting: defaultdict[Fact, list[_Attempt]] = defaultdict(list)
        self.cut_short = False

    def run(self) -> Derivation | None:
        """The derivation, or None if there is none with `bodies_max` bodies a rule."""
        queue = deque([self._goal])
        seen = {self._goal}
        while queue and self._goal not in self._settled:
            fact = queue.popleft()
            if fact in self._settled:
                continue
            if self._explainer.is_input(fact[0]):
                self._settle(fact, self._explainer.derivation(fact))
                continue
            attempts, cut_short = self._explainer.attempts(fact, self._bodies_max)
            self.cut_short |= cut_short
            for attempt in attempts:
                self._try(attempt)
                queue += [fact for fact in attempt.premises if fact not in seen]
                seen.update(attempt.premises)
        return self._settled.get(self._goal)

    def _try(self, attempt: _Attempt) -> None:
        """Settle the attempt's head if its premises are, and else wait for those that are not."""
        attempt.missing -= self._settled.keys()
        for fact in attempt.missing:
            self._waiting[fact].append(attempt)
        if not attempt.missing and attempt.head not in self._settled:
            self._settle(attempt.head, self._derivation(attempt))

    def _settle(self, fact: Fact, derivation: Derivation) -> None:
        """Note a derivation, and those that waited for nothing else."""
        fresh = [(fact, derivation)]
        while fresh:
            fact, derivation = fresh.pop()
            if fact in self._settled:
                continue
            self._settled[fact] = derivation
            for attempt in self._waiting.pop(fact, ()):
                attempt.missing.discard(fact)
                if not attempt.missing and attempt.head not in self._settled:
                    fresh.append((attempt.head, self._derivation(attempt)))

    def _derivation(self, attempt: _Attempt) -> Derivation:
        premises = tuple(self._settled[premise] for premise in attempt.premises)
        return self._explainer.derivation(attempt.head, attempt.rule, premises)
