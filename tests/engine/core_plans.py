"""Small rules, a planner for them that is simple on purpose, and a naive evaluator as their twin.

The tests of the core write rules with the classes below. `plan_of` makes plans of them the way the
real planner does, only without any thought for cost; `evaluate` computes the same tables from
nothing, with nested loops over Python sets and no code in common.

A term is a variable (a str) or a constant (a `Value`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any, Literal

from attrs import field, frozen, mutable

from nlog.plan import (
    Call,
    Constant,
    Exists,
    Lookup,
    Pipeline,
    Plan,
    RulePlan,
    StartPlan,
    Step,
    StratumPlan,
    TablePlan,
    Test,
)
from nlog.types import INT, Type


@frozen
class Value:
    """A constant."""

    type: Type
    value: Any


Term = str | Value
Row = tuple[Any, ...]
Tables = dict[int, set[Row]]


@frozen
class Atom:
    """Rows of `table` that match `terms`; if negated, that there is none."""

    table: int
    terms: tuple[Term, ...]
    negated: bool = False


@frozen
class Let:
    """Binds `result` to `function` of `arguments`, a value of `type`."""

    result: str
    function: str
    arguments: tuple[Term, ...]
    type: Type = INT


@frozen
class Condition:
    """Holds if `function` of `arguments` is true."""

    function: str
    arguments: tuple[Term, ...]


Part = Atom | Let | Condition


@frozen
class Rule:
    """`table(terms) :- body`."""

    table: int
    terms: tuple[Term, ...]
    body: tuple[Part, ...]


@frozen
class Layer:
    """A stratum."""

    tables: tuple[int, ...]
    rules: tuple[Rule, ...]
    recursive: bool = False


@frozen
class Schema:
    """The columns of each table, and which tables are inputs and outputs (the rest is internal)."""

    columns: tuple[tuple[Type, ...], ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    unit: int | None = None

    def kind(self, table: int) -> Literal["input", "output", "internal"]:
        """The kind of a table, as a `TablePlan` wants it."""
        if table in self.inputs:
            return "input"
        return "output" if table in self.outputs else "internal"


@mutable
class Indexes:
    """The column sets that the plans of each table look up by."""

    by_table: dict[int, list[tuple[int, ...]]] = field(factory=dict)

    def number(self, table: int, columns: tuple[int, ...]) -> int:
        """The number of the index on `columns`."""
        indexes = self.by_table.setdefault(table, [])
        if columns not in indexes:
            indexes.append(columns)
        return indexes.index(columns)


@mutable
class Registers:
    """The registers of one pipeline: those of variables, and constants."""

    by_variable: dict[str, int] = field(factory=dict)
    constants: list[Constant] = field(factory=list)
    numbers: Iterator[int] = field(factory=count)
    used: int = 0

    def new(self) -> int:
        """A register nobody has."""
        self.used += 1
        return next(self.numbers)

    def is_bound(self, terms: Sequence[Term]) -> bool:
        """Whether all terms have a value."""
        return all(isinstance(term, Value) or term in self.by_variable for term in terms)

    def of(self, term: Term) -> int:
        """The register of a bound term."""
        if isinstance(term, str):
            return self.by_variable[term]
        self.constants.append(Constant(self.new(), term.type, term.value))
        return self.constants[-1].register

    def match(
        self, terms: Sequence[Term], columns: Sequence[int]
    ) -> tuple[tuple[tuple[int, int], ...], tuple[tuple[int, int], ...]]:
        """The loads and checks that match `terms` at `columns` of a row."""
        loads: list[tuple[int, int]] = []
        checks: list[tuple[int, int]] = []
        for column in columns:
            term = terms[column]
            if isinstance(term, str) and term not in self.by_variable:
                self.by_variable[term] = self.new()
                loads.append((column, self.of(term)))
            else:
                checks.append((column, self.of(term)))
        return tuple(loads), tuple(checks)


def _lookup(atom: Atom, position: int, registers: Registers, indexes: Indexes) -> Step:
    bound = tuple(i for i, term in enumerate(atom.terms) if registers.is_bound([term]))
    key = tuple(registers.of(atom.terms[i]) for i in bound)
    if len(bound) == len(atom.terms):
        return Exists(atom.table, key, negated=False, position=position)
    free = [i for i in range(len(atom.terms)) if i not in bound]
    index = indexes.number(atom.table, bound)
    loads, checks = registers.match(atom.terms, free)
    return Lookup(atom.table, index, key, loads, checks, position)


def _is_ready(part: Part, registers: Registers) -> bool:
    match part:
        case Atom():
            return part.negated and registers.is_bound(part.terms)
        case Let() | Condition():
            return registers.is_bound(part.arguments)


def _steps(part: Part, position: int, registers: Registers, indexes: Indexes) -> Iterator[Step]:
    match part:
        case Atom(negated=True):
            key = tuple(registers.of(term) for term in part.terms)
            yield Exists(part.table, key, negated=True, position=position)
        case Atom():
            yield _lookup(part, position, registers, indexes)
        case Condition():
            yield Test(part.function, tuple(registers.of(term) for term in part.arguments))
        case Let():
            arguments = tuple(registers.of(term) for term in part.arguments)
            result = registers.new()
            yield Call(part.function, arguments, result, part.type)
            if part.result in registers.by_variable:
                yield Test("eq", (registers.of(part.result), result))
            else:
                registers.by_variable[part.result] = result


def start_plan(
    rule: Rule, start: int | None, indexes: Indexes, verifies: bool = False
) -> StartPlan:
    """The plan that starts at the atom at position `start`, or at the head if that is None."""
    registers = Registers()
    atoms = [part for part in rule.body if isinstance(part, Atom)]
    first = Atom(rule.table, rule.terms) if start is None else atoms[start]
    loads, checks = registers.match(first.terms, range(len(first.terms)))
    rest = [part for part in rule.body if start is None or part is not first]
    steps: list[Step] = []
    while rest:
        ready = [part for part in rest if _is_ready(part, registers)]
        positive: list[Part] = [p for p in rest if isinstance(p, Atom) and not p.negated]
        part = (positive + ready if verifies else ready + positive)[0]
        rest = [other for other in rest if other is not part]
        position = next((i for i, atom in enumerate(atoms) if atom is part), -1)
        steps.extend(_steps(part, position, registers, indexes))
    head = tuple(registers.of(term) for term in rule.terms)
    pipeline = Pipeline(registers.used, tuple(registers.constants), tuple(steps), head)
    position = -1 if start is None else start
    return StartPlan(first.table, position, first.negated, loads, checks, pipeline)


def rule_plan(number: int, rule: Rule, recursive: bool, indexes: Indexes) -> RulePlan:
    """The plans of one rule."""
    atoms = sum(isinstance(part, Atom) for part in rule.body)
    deltas = tuple(start_plan(rule, start, indexes) for start in range(atoms))
    verifies = tuple(start_plan(rule, start, indexes, verifies=True) for start in range(atoms))
    check = start_plan(rule, None, indexes) if recursive else None
    return RulePlan(number, rule.table, deltas, verifies, check)


def plan_of(schema: Schema, layers: Sequence[Layer]) -> Plan:
    """The plan of a program."""
    indexes = Indexes()
    numbers = count()
    strata = tuple(
        StratumPlan(
            layer.recursive,
            layer.tables,
            tuple(rule_plan(next(numbers), r, layer.recursive, indexes) for r in layer.rules),
        )
        for layer in layers
    )
    tables = tuple(
        TablePlan(
            name="$unit" if number == schema.unit else f"t{number}",
            kind=schema.kind(number),
            columns=columns,
            indexes=tuple(indexes.by_table.get(number, ())),
        )
        for number, columns in enumerate(schema.columns)
    )
    return Plan(tables, strata)


FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "int.lt": lambda a, b: a < b,
    "int.add": lambda a, b: a + b,
    "int.floordiv": lambda a, b: a // b,
    "str.concat": lambda *texts: "".join(texts),
}


def _value(term: Term, binding: Mapping[str, Any]) -> Any:
    return binding[term] if isinstance(term, str) else term.value


def _matches(atom: Atom, row: Row, binding: dict[str, Any]) -> dict[str, Any] | None:
    binding = dict(binding)
    for term, value in zip(atom.terms, row, strict=True):
        known = binding.setdefault(term, value) if isinstance(term, str) else term.value
        if known != value:
            return None
    return binding


def _bindings(
    body: Sequence[Part], tables: Tables, binding: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    if not body:
        yield binding
        return
    part, rest = body[0], body[1:]
    match part:
        case Atom(negated=False):
            for row in tables[part.table]:
                if (extended := _matches(part, row, binding)) is not None:
                    yield from _bindings(rest, tables, extended)
        case Atom():
            if tuple(_value(term, binding) for term in part.terms) not in tables[part.table]:
                yield from _bindings(rest, tables, binding)
        case Condition():
            if FUNCTIONS[part.function](*(_value(term, binding) for term in part.arguments)):
                yield from _bindings(rest, tables, binding)
        case Let():
            value = FUNCTIONS[part.function](*(_value(term, binding) for term in part.arguments))
            if binding.get(part.result, value) == value:
                yield from _bindings(rest, tables, {**binding, part.result: value})


def evaluate(schema: Schema, layers: Sequence[Layer], inputs: Mapping[int, set[Row]]) -> Tables:
    """All tables, from the inputs. Bodies are taken in order: positive atoms come first."""
    tables: Tables = {number: set() for number in range(len(schema.columns))}
    tables.update({number: set(rows) for number, rows in inputs.items()})
    if schema.unit is not None:
        tables[schema.unit] = {()}
    for layer in layers:
        while True:
            found = {
                (rule.table, tuple(_value(term, binding) for term in rule.terms))
                for rule in layer.rules
                for binding in _bindings(rule.body, tables, {})
            }
            fresh = {(table, row) for table, row in found if row not in tables[table]}
            if not fresh:
                break
            for table, row in fresh:
                tables[table].add(row)
    return tables
