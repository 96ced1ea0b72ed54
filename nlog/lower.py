"""Lowering: a checked program in the terms the core has.

The core tests the absence of one row, not of every row that agrees with some columns. So
`not t(x, _)` reads a projection instead: an internal table of the columns that are asked for
(`$t(0)` below), filled by a rule of its own and shared by all who ask for the same columns.
Counting keeps a projection exact at a cost of one row a change.

A rule without a positive atom, such as a fact, gets the atom `$unit()`: see plan.py.
"""

from attrs import evolve

from nlog.check import stratify
from nlog.plan import UNIT_TABLE
from nlog.program import Atom, BodyLiteral, Column, Program, Rule, Table, Var


def lower(program: Program) -> Program:
    """The same tables with the same rows, without wildcards under negation or bodiless rules.

    Rules keep their numbers; those of projections come after all others.
    """
    return _Lowering(program).run()


class _Lowering:
    def __init__(self, program: Program) -> None:
        self._program = program
        self._tables = {UNIT_TABLE: Table(UNIT_TABLE, "input", ()), **program.tables}
        self._projections: list[Rule] = []

    def run(self) -> Program:
        rules = [self._rule(rule) for rule in self._program.rules]
        rules += self._projections
        return Program(self._tables, tuple(rules), stratify(self._tables, rules))

    def _rule(self, rule: Rule) -> Rule:
        body: list[BodyLiteral] = [
            self._negation(literal) if isinstance(literal, Atom) and literal.negated else literal
            for literal in rule.body
        ]
        if all(atom.negated for atom in rule.atoms):
            body.insert(0, Atom(UNIT_TABLE, ()))
        return evolve(rule, body=tuple(body))

    def _negation(self, atom: Atom) -> Atom:
        kept = tuple(place for place, term in enumerate(atom.terms) if term is not None)
        if len(kept) == len(atom.terms):
            return atom
        table = self._program.tables[atom.table]
        name = f"${table.name}({','.join(str(place) for place in kept)})"
        if name not in self._tables:
            columns = tuple(table.columns[place] for place in kept)
            self._tables[name] = Table(name, "internal", columns)
            self._projections.append(self._projection(table, kept, name, columns))
        return Atom(name, tuple(atom.terms[place] for place in kept), True, atom.span)

    def _projection(
        self, table: Table, kept: tuple[int, ...], name: str, columns: tuple[Column, ...]
    ) -> Rule:
        variables = {
            place: Var(column.name, column.type)
            for place, column in zip(kept, columns, strict=True)
        }
        atom = Atom(table.name, tuple(variables.get(p) for p in range(len(table.columns))))
        number = len(self._program.rules) + len(self._projections)
        return Rule(number, name, tuple(variables.values()), (atom,))
