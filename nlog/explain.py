"""Explanations: which rule and which rows a row came from, down to the input rows.

A derivation is found backward, by the check plans of the rules of the row's table. In a recursive
table a row must not serve to derive itself, so rows on the path from the root are not used again,
and a row that could not be derived on one path is tried anew on another. Every row of a table
has a derivation that repeats no row on any path, so the search ends with one. Cost: look-ups in
proportion to the tree for tables that are not recursive.
"""

from collections.abc import Iterator
from typing import Any

from attrs import field, frozen

from nlog.engine import _core
from nlog.plan import UNIT_TABLE, StartPlan
from nlog.planner import Layout, plan_check
from nlog.program import Program, Rule

Row = tuple[Any, ...]

ALTERNATIVES_MAX = 256


@frozen
class Derivation:
    """A row, the rule that derives it, and the derivations of the rows that rule joined.

    `rule` is None for an input row. `str()` draws the tree.
    """

    table: str
    row: Row
    rule: Rule | None = None
    premises: tuple["Derivation", ...] = field(default=())

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def inputs(self) -> Iterator["Derivation"]:
        """The leaves: the input rows it all rests on."""
        if self.rule is None:
            yield self
        for premise in self.premises:
            yield from premise.inputs()

    def _lines(self, indent: str = "") -> Iterator[str]:
        values = ", ".join(str(value) for value in self.row)
        origin = self.rule.name if self.rule else "input"
        yield f"{indent}{self.table}({values})  [{origin}]"
        for premise in self.premises:
            yield from premise._lines(indent + "  ")


class Explainer:
    """Finds derivations in the committed tables of one core."""

    def __init__(self, lowered: Program, layout: Layout, core: _core.Database) -> None:
        self._program = lowered
        self._layout = layout
        self._core = core
        self._names = list(lowered.tables)
        self._plans: dict[int, StartPlan] = {}
        self._rules: dict[str, list[Rule]] = {}
        for rule in lowered.rules:
            self._rules.setdefault(rule.head, []).append(rule)

    def explain(self, table: str, row: Row) -> Derivation:
        """A derivation of a row that is in the table."""
        found = self._derive(table, row, set())
        assert found is not None, "a row in a table without a derivation"
        return found

    def _derive(self, table: str, row: Row, path: set[tuple[str, Row]]) -> Derivation | None:
        if self._program.tables[table].kind == "input":
            return Derivation(table, row)
        if (table, row) in path:
            return None
        path.add((table, row))
        try:
            for rule in self._rules.get(table, ()):
                for body in self._core.derivations(self._check(rule), row, ALTERNATIVES_MAX):
                    premises = self._derive_all(body, path)
                    if premises is not None:
                        return Derivation(table, row, rule, premises)
        finally:
            path.discard((table, row))
        return None

    def _derive_all(
        self, body: list[tuple[int, Row]], path: set[tuple[str, Row]]
    ) -> tuple[Derivation, ...] | None:
        premises = []
        for number, row in body:
            if self._names[number] == UNIT_TABLE:
                continue
            premise = self._derive(self._names[number], row, path)
            if premise is None:
                return None
            premises.append(premise)
        return tuple(premises)

    def _check(self, rule: Rule) -> StartPlan:
        """The rule's check plan; the core gets the indexes it needs when it is first made."""
        if rule.number not in self._plans:
            before = {name: len(indexes) for name, indexes in self._layout.indexes.items()}
            self._plans[rule.number] = plan_check(rule, self._layout)
            for name, indexes in self._layout.indexes.items():
                for columns in indexes[before.get(name, 0) :]:
                    self._core.add_index(self._layout.numbers[name], columns)
        return self._plans[rule.number]
