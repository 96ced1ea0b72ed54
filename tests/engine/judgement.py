"""The naive judge: whether a state stands, and which rows it holds, said as plainly as possible.

What `nlog.engine.reference` does not say is what happens where functions have no value; it raises.
This does: docs/language.md, "Errors of evaluation", a rule at a time, by trying every combination
of rows. It shares the checked program with the engine, with the reference Python's functions and
what a head makes of its bindings, and nothing else with either's evaluation. Cost: as much as it
takes; meant for tiny data.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from attrs import define, field

from nlog.engine import reference
from nlog.engine.reference_functions import call
from nlog.program import (
    Aggregate,
    Apply,
    Assign,
    Atom,
    BodyLiteral,
    Const,
    Expr,
    Filter,
    If,
    Program,
    Rule,
    Var,
    variables,
)

Row = tuple[Any, ...]
State = dict[str, frozenset[Row]]
Tables = Mapping[str, set[Row]]

NO_VALUE = object()


def judge(program: Program, inputs: Mapping[str, Iterable[Row]]) -> State | None:
    """The rows of every table, given those of the input tables; None if a rule fails."""
    tables: dict[str, set[Row]] = {name: set() for name in program.tables}
    for name, rows in inputs.items():
        tables[name].update(rows)
    for stratum in program.strata:
        rules = [rule for rule in program.rules if rule.head in stratum.tables]
        before = -1
        while before != sum(len(tables[name]) for name in stratum.tables):
            before = sum(len(tables[name]) for name in stratum.tables)
            for rule in rules:
                tables[rule.head].update([row for row in outcomes(rule, tables) if row is not None])
        if any(row is None for rule in rules for row in outcomes(rule, tables)):
            return None
    return {name: frozenset(rows) for name, rows in tables.items()}


def outcomes(rule: Rule, tables: Tables) -> Iterator[Row | None]:
    """For each binding that nothing excludes: the row of the head, or None if it fails."""
    positive = [atom for atom in rule.atoms if not atom.negated]
    rest = [literal for literal in rule.body if literal not in positive]
    solutions = []
    for rows in itertools.product(*(tables[atom.table] for atom in positive)):
        values: dict[str, Any] = {}
        if all(map(lambda atom, row: _agree(atom, row, values), positive, rows)):
            binding = _Binding(values)
            if binding.stands(rest, tables):
                for argument in rule.arguments:
                    binding.value(argument.value if isinstance(argument, Aggregate) else argument)
                if binding.failed:
                    yield None
                else:
                    solutions.append(binding.values)
    yield from reference._rows(rule, solutions)


def _agree(atom: Atom, row: Row, values: dict[str, Any]) -> bool:
    for term, value in zip(atom.terms, row, strict=True):
        if isinstance(term, Const) and term.value != value:
            return False
        if isinstance(term, Var) and values.setdefault(term.name, value) != value:
            return False
    return True


@define
class _Binding:
    values: dict[str, Any]
    failed: bool = field(default=False)

    def stands(self, literals: list[BodyLiteral], tables: Tables) -> bool:
        """Whether nothing that has a value excludes the binding, once all values are known."""
        while True:
            known = len(self.values)
            if not all(self._holds(literal, tables) for literal in literals):
                return False
            if len(self.values) == known:
                return True

    def value(self, expression: Expr | None) -> Any:
        match expression:
            case None:
                return NO_VALUE
            case Var():
                return self.values.get(expression.name, NO_VALUE)
            case Const():
                return expression.value
            case If():
                return self._choice(expression)
        arguments = [self.value(argument) for argument in expression.arguments]
        if any(argument is NO_VALUE for argument in arguments):
            return NO_VALUE
        try:
            return call(expression, arguments)
        except (ArithmeticError, ValueError, LookupError):
            self.failed = True
            return NO_VALUE

    def _choice(self, choice: If) -> Any:
        """A conditional has a value if all its variables have one, and the part that is taken."""
        if any(variable.name not in self.values for variable in variables(choice)):
            return NO_VALUE
        taken = self.value(choice.condition)
        if taken is NO_VALUE:
            return NO_VALUE
        return self.value(choice.then if taken else choice.otherwise)

    def _holds(self, literal: BodyLiteral, tables: Tables) -> bool:
        match literal:
            case Atom():
                terms = [NO_VALUE if term is None else self.value(term) for term in literal.terms]
                kept = [place for place, term in enumerate(literal.terms) if term is not None]
                if any(terms[place] is NO_VALUE for place in kept):
                    return True
                rows = tables[literal.table]
                return not any(all(row[place] == terms[place] for place in kept) for row in rows)
            case Assign():
                return self._equal(literal.var, literal.value)
            case Filter(condition=Apply(function="eq", arguments=(left, right))):
                return self._equal(left, right)
            case Filter():
                return self.value(literal.condition) in (True, NO_VALUE)

    def _equal(self, left: Expr, right: Expr) -> bool:
        """An equality: a variable without a value gets that of the other side."""
        values = self.value(left), self.value(right)
        if NO_VALUE not in values:
            return bool(values[0] == values[1])
        for side, value in ((left, values[1]), (right, values[0])):
            if isinstance(side, Var) and value is not NO_VALUE:
                self.values[side.name] = value
        return True
