"""The naive evaluator: what a program means, said as plainly as possible. The oracle of tests.

It shares the checked program with the engine and nothing else: no plan, no core, no lowering, and
its own implementation of every built-in function (reference_functions.py). A stratum is evaluated
from nothing, again and again over all its rules, until no row is new. Rows are Python tuples in
Python sets. Cost: as much as it takes; meant for tiny data.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from nlog.engine.reference_functions import AGGREGATES, call
from nlog.program import (
    Aggregate,
    Apply,
    Assign,
    Atom,
    BodyLiteral,
    Const,
    Expr,
    If,
    Optimum,
    Program,
    Rule,
    Var,
    variables,
)
from nlog.types import INT, Type

Row = tuple[Any, ...]
Bindings = dict[str, Any]


def evaluate(program: Program, inputs: Mapping[str, Iterable[Row]]) -> dict[str, frozenset[Row]]:
    """The rows of every table, given those of the input tables."""
    tables: dict[str, set[Row]] = {name: set() for name in program.tables}
    for name, rows in inputs.items():
        tables[name].update(rows)
    for stratum in program.strata:
        rules = [rule for rule in program.rules if rule.head in stratum.tables]
        before = None
        while before != (before := [frozenset(tables[name]) for name in stratum.tables]):
            for rule in rules:
                tables[rule.head].update(list(_derive(rule, tables)))
            for optimum in stratum.optima:
                type_ = program.tables[optimum.table].columns[optimum.column].type
                tables[optimum.table] = _best(tables[optimum.table], optimum, type_)
    return {name: frozenset(rows) for name, rows in tables.items()}


def is_refused(program: Program, tables: Mapping[str, frozenset[Row]]) -> bool:
    """Whether a key or a constraint table forbids a commit that leaves these rows."""
    for name, rows in tables.items():
        table = program.tables[name]
        keys = {tuple(row[place] for place in table.key) for row in rows}
        if (table.key and len(keys) < len(rows)) or (table.kind == "constraint" and rows):
            return True
    return False


def _best(rows: Iterable[Row], optimum: Optimum, type_: Type) -> set[Row]:
    """Of the rows that differ in one column only, the one with the best value there."""
    place = optimum.column
    groups: defaultdict[tuple[Row, Row], list[Any]] = defaultdict(list)
    for row in rows:
        groups[row[:place], row[place + 1 :]].append(row[place])
    best = AGGREGATES[optimum.function]
    return {(*a, best(values, type_), *b) for (a, b), values in groups.items()}


def _derive(rule: Rule, tables: Mapping[str, set[Row]]) -> Iterator[Row]:
    return _rows(rule, _solve(list(rule.body), {}, tables))


def _rows(rule: Rule, solutions: Iterable[Bindings]) -> Iterator[Row]:
    """What the head makes of the solutions of its body.

    With aggregates a row for each group, over the solutions that differ in a named variable.
    """
    if not rule.aggregates:
        yield from (tuple(_value(a, bindings) for a in rule.group) for bindings in solutions)
        return
    groups: defaultdict[Row, dict[frozenset[Any], Bindings]] = defaultdict(dict)
    for bindings in solutions:
        group = tuple(_value(argument, bindings) for argument in rule.group)
        named = frozenset(item for item in bindings.items() if not item[0].startswith("$"))
        groups[group][named] = bindings
    for group, members in groups.items():
        rest = iter(group)
        yield tuple(
            _total(argument, members.values()) if isinstance(argument, Aggregate) else next(rest)
            for argument in rule.arguments
        )


def _total(aggregate: Aggregate, members: Iterable[Bindings]) -> Any:
    value = Const(None, INT) if aggregate.value is None else aggregate.value
    values = [_value(value, bindings) for bindings in members]
    return AGGREGATES[aggregate.function](values, value.type)


def _solve(
    body: list[BodyLiteral], bindings: Bindings, tables: Mapping[str, set[Row]]
) -> Iterator[Bindings]:
    """Every way to satisfy the literals of `body`, taking the first that can be decided."""
    if not body:
        yield bindings
        return
    place = next(i for i, literal in enumerate(body) if _decidable(literal, bindings))
    rest = body[:place] + body[place + 1 :]
    for extended in _step(body[place], bindings, tables):
        yield from _solve(rest, extended, tables)


def _decidable(literal: BodyLiteral, bindings: Bindings) -> bool:
    match literal:
        case Atom(negated=False):
            return True
        case Atom():
            return all(term is None or _bound(term, bindings) for term in literal.terms)
        case Assign():
            return _bound(literal.value, bindings)
        case _:
            return _bound(literal.condition, bindings)


def _step(
    literal: BodyLiteral, bindings: Bindings, tables: Mapping[str, set[Row]]
) -> Iterator[Bindings]:
    match literal:
        case Atom():
            found = (_match(literal, row, bindings) for row in tables[literal.table])
            extended = [one for one in found if one is not None]
            if not literal.negated:
                yield from extended
            elif not extended:
                yield bindings
        case Assign():
            value = _value(literal.value, bindings)
            if bindings.get(literal.var.name, value) == value:
                yield {**bindings, literal.var.name: value}
        case _:
            if _value(literal.condition, bindings):
                yield bindings


def _match(atom: Atom, row: Row, bindings: Bindings) -> Bindings | None:
    extended = dict(bindings)
    for term, value in zip(atom.terms, row, strict=True):
        match term:
            case Const() if term.value != value:
                return None
            case Var() if extended.setdefault(term.name, value) != value:
                return None
    return extended


def _bound(expression: Expr, bindings: Bindings) -> bool:
    return all(variable.name in bindings for variable in variables(expression))


def _value(expression: Expr, bindings: Bindings) -> Any:
    match expression:
        case Const():
            return expression.value
        case Var():
            return bindings[expression.name]
        case Apply():
            values = [_value(argument, bindings) for argument in expression.arguments]
            return call(expression, values)
        case If():
            taken = _value(expression.condition, bindings)
            return _value(expression.then if taken else expression.otherwise, bindings)
