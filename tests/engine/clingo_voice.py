"""What clingo makes of a program: a third voice beside the engine and the naive evaluator.

`ask(program, inputs)` tells clingo a checked program in its own words, with the rows of the input
tables, and gives back all rows of all tables. Joins, negation, recursion, grouping, aggregates and
the arithmetic and comparison of numbers are clingo's own. A conditional, or a comparison taken as a
value, becomes two rules, one for each way it can go. Functions of texts, addresses, lists and
records are foreign to clingo: it calls the naive evaluator's for the values that it finds.

A recursion over `min` or `max` is told as all values that follow, of which the best are taken when
there are no more. That is the same as long as these are finitely many: so values beyond VALUE_MAX
are left out, which no best value of a small program reaches.

`is_within_reach` tells which programs clingo can be asked about: not those with `any`, `list` or
`set`, with `min` or `max` of what is no number, or with a recursion over optima that adds two.
Values are numbers of clingo where they are `int`, `true`, `false`, `none` and `some(…)` where they
are these, and else texts that nobody looks into. Cost: grounding, a few milliseconds.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import clingo
from attrs import define, field

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
from nlog.types import BOOL, INT, List, Optional, Record, Type

Row = tuple[Any, ...]
# A way to come to a value: a term, and what must hold besides.
Way = tuple[str, tuple[str, ...]]

VALUE_MAX = 200
WAYS_MAX = 64
ARITHMETIC = {"int.add": "+", "int.sub": "-", "int.mul": "*", "int.and": "&", "int.or": "?"}
COMPARISONS = {"eq": ("=", "!="), "ne": ("!=", "="), "int.lt": ("<", ">="), "int.le": ("<=", ">")}
AGGREGATES = ("count", "distinct", "sum", "min", "max")


class OutOfReachError(Exception):
    """The program has what clingo's language has not."""


def ask(program: Program, inputs: Mapping[str, Iterable[Row]]) -> dict[str, frozenset[Row]]:
    """The rows of every table, given those of the input tables."""
    teller = _Teller(program)
    lines = [line for rule in program.rules for line in teller.rule(rule)]
    for stratum in program.strata:
        for optimum in stratum.optima:
            lines.append(teller.best(optimum.table, optimum.column, optimum.function))
    for name, rows in inputs.items():
        types = [column.type for column in program.tables[name].columns]
        for row in rows:
            values = [str(teller.symbol(*pair)) for pair in zip(types, row, strict=True)]
            lines.append(f"{_call(name, values)}.")
    control = clingo.Control(["--warn=none"])
    control.add("base", [], "\n".join(lines))
    control.ground([("base", [])], context=teller)
    found: dict[str, set[Row]] = {name: set() for name in program.tables}
    for atom in control.symbolic_atoms:
        assert atom.is_fact, f"clingo is not sure of {atom.symbol}"
        name = atom.symbol.name.removeprefix("t_")
        if name in found and name != atom.symbol.name:
            found[name].add(tuple(map(teller.value, atom.symbol.arguments)))
    return {name: frozenset(rows) for name, rows in found.items()}


def is_within_reach(program: Program) -> bool:
    """Whether clingo's language has all that the program needs."""
    try:
        teller = _Teller(program)
        for rule in program.rules:
            list(teller.rule(rule))
    except OutOfReachError:
        return False
    return True


def _call(name: str, terms: Sequence[str], prefix: str = "t_") -> str:
    return f"{prefix}{name}({', '.join(terms)})" if terms else f"{prefix}{name}"


def _tuple(terms: Sequence[str]) -> str:
    return f"({', '.join(terms)}{',' if len(terms) == 1 else ''})"


@define
class _Teller:
    """Tells rules; `name` and the names after it are of one rule, the rest of the program."""

    program: Program
    optima: dict[str, int] = field(init=False)
    calls: list[Apply] = field(factory=list)
    values: dict[clingo.Symbol, Any] = field(factory=dict)
    names: dict[str, str] = field(factory=dict)
    fresh: Iterator[int] = field(factory=itertools.count)

    def __attrs_post_init__(self) -> None:
        strata = self.program.strata
        self.optima = {o.table: o.column for stratum in strata for o in stratum.optima}

    def rule(self, rule: Rule) -> Iterator[str]:
        """The rule in clingo's words, in as many rules as it takes."""
        self.names = {}
        if rule.head in self.optima:
            yield from self._step(rule)
        elif rule.aggregates:
            yield from self._grouped(rule)
        else:
            for terms, conditions in self._all([*rule.group], rule.body):
                yield self._said(_call(rule.head, terms), conditions)

    def best(self, table: str, column: int, function: str) -> str:
        """That a table has the best of the values that were found for it."""
        terms = [f"G{place}" for place in range(len(self.program.tables[table].columns))]
        free, bound = list(terms), list(terms)
        free[column], bound[column] = "_", "V"
        found = f"#{function}{{V : {_call(table, bound, 'any_')}}}"
        return f"{_call(table, terms)} :- {_call(table, free, 'any_')}, {terms[column]} = {found}."

    def symbol(self, type_: Type, value: Any) -> clingo.Symbol:
        """A value of ours as one of clingo's."""
        if type_ == INT:
            return clingo.Number(value)
        if type_ == BOOL:
            return clingo.Function("true" if value else "false")
        if isinstance(type_, Optional):
            if value is None:
                return clingo.Function("none")
            return clingo.Function("some", [self.symbol(type_.element, value)])
        symbol = clingo.String(f"{type_} {_canonical(type_, value)!r}")
        self.values[symbol] = value
        return symbol

    def value(self, symbol: clingo.Symbol) -> Any:
        """The way back."""
        if symbol.type == clingo.SymbolType.Number:
            return symbol.number
        if symbol.type == clingo.SymbolType.Function:
            if symbol.name == "some":
                return self.value(symbol.arguments[0])
            return {"true": True, "false": False, "none": None}[symbol.name]
        return self.values[symbol]

    def foreign(self, number: clingo.Symbol, *arguments: clingo.Symbol) -> list[clingo.Symbol]:
        """Called by clingo: the value of a function of ours, or nothing if it has none."""
        apply = self.calls[number.number]
        try:
            value = call(apply, [self.value(argument) for argument in arguments])
        except (ArithmeticError, ValueError, LookupError, TypeError):
            return []
        return [self.symbol(apply.type, value)]

    def _step(self, rule: Rule) -> Iterator[str]:
        """A rule of a recursion over optima: a value among those of which the best is taken."""
        stratum = next(s for s in self.program.strata if rule.head in s.tables)
        if sum(atom.table in stratum.tables for atom in rule.atoms) > 1:
            raise OutOfReachError
        values = [_value(argument) for argument in rule.arguments]
        if values[self.optima[rule.head]].type != INT:
            raise OutOfReachError
        for terms, conditions in self._all(values, rule.body, frozenset(stratum.tables)):
            bound = f"-{VALUE_MAX} <= {{0}}, {{0}} <= {VALUE_MAX}"
            limits = bound.format(terms[self.optima[rule.head]])
            yield self._said(_call(rule.head, terms, "any_"), (*conditions, limits))

    def _grouped(self, rule: Rule) -> Iterator[str]:
        """A table of bindings, and a rule that counts in it."""
        for aggregate in rule.aggregates:
            of_numbers = aggregate.value is None or aggregate.value.type == INT
            known = aggregate.function in AGGREGATES
            if not known or not (of_numbers or aggregate.function == "distinct"):
                raise OutOfReachError
        names = {variable.name for literal in rule.body for variable in _bound(literal)}
        key = _tuple([self._variable(name) for name in sorted(names) if not name.startswith("$")])
        group = [f"G{place}" for place in range(len(rule.group))]
        table = f"binding{rule.number}"
        values = [_value(argument) for argument in (*rule.group, *rule.aggregates)]
        for terms, conditions in self._all(values, rule.body):
            yield self._said(_call(table, [key, *terms], ""), conditions)
        there = _call(table, ["_", *group, *("_" for _ in rule.aggregates)], "")
        body, arguments, keys = [there], [], iter(group)
        for argument in rule.arguments:
            if not isinstance(argument, Aggregate):
                arguments.append(next(keys))
                continue
            place = len(body) - 1
            ones = ["V" if i == place else "_" for i in range(len(rule.aggregates))]
            what = {"count": "K", "sum": "V, K"}.get(argument.function, "V")
            sign = {"distinct": "count"}.get(argument.function, argument.function)
            binding = _call(table, ["K", *group, *ones], "")
            body.append(f"A{place} = #{sign}{{{what} : {binding}}}")
            arguments.append(f"A{place}")
        yield self._said(_call(rule.head, arguments), body)

    def _all(
        self,
        values: Sequence[Expr],
        body: Sequence[BodyLiteral],
        stratum: frozenset[str] = frozenset(),
    ) -> Iterator[tuple[list[str], tuple[str, ...]]]:
        """Terms for the values, and what must hold: each way in which that can be."""
        ways = [*self._literals(body, stratum), *(self._ways(value) for value in values)]
        taken = list(itertools.islice(itertools.product(*ways), WAYS_MAX + 1))
        if len(taken) > WAYS_MAX:
            raise OutOfReachError
        for way in taken:
            terms = [term for term, _ in way[len(way) - len(values) :]]
            yield terms, tuple(condition for _, conditions in way for condition in conditions)

    def _literals(
        self, body: Sequence[BodyLiteral], stratum: frozenset[str]
    ) -> Iterator[list[Way]]:
        for literal in body:
            match literal:
                case Atom():
                    terms = ["_" if t is None else self._ways(t)[0][0] for t in literal.terms]
                    said = _call(literal.table, terms, "any_" if literal.table in stratum else "t_")
                    yield [("", (f"not {said}" if literal.negated else said,))]
                case Assign(implied=False):
                    variable = self._variable(literal.var.name)
                    ways = self._ways(literal.value)
                    yield [(t, (*conditions, f"{variable} = {t}")) for t, conditions in ways]
                case Filter():
                    ways = self._ways(literal.condition)
                    ways = [(t, (*conditions, f"{t} = true")) for t, conditions in ways]
                    yield [way for way in ways if "false = true" not in way[1]]

    def _ways(self, expression: Expr) -> list[Way]:
        match expression:
            case Var():
                return [(self._variable(expression.name), ())]
            case Const():
                return [(str(self.symbol(expression.type, expression.value)), ())]
            case If():
                return [
                    (term, (*why, f"{taken} = {truth}", *conditions))
                    for truth, part in (("true", expression.then), ("false", expression.otherwise))
                    for taken, why in self._ways(expression.condition)
                    for term, conditions in self._ways(part)
                ]
        ways = []
        for chosen in itertools.product(*(self._ways(a) for a in expression.arguments)):
            terms = [term for term, _ in chosen]
            before = tuple(condition for _, conditions in chosen for condition in conditions)
            ways += [(t, (*before, *after)) for t, after in self._applied(expression, terms)]
        return ways

    def _applied(self, apply: Apply, terms: list[str]) -> list[Way]:
        name = apply.function
        if name in COMPARISONS:
            holds, fails = (f"{terms[0]} {sign} {terms[1]}" for sign in COMPARISONS[name])
            return [("true", (holds,)), ("false", (fails,))]
        if name in ARITHMETIC:
            return [(f"({terms[0]} {ARITHMETIC[name]} {terms[1]})", ())]
        if name == "int.neg":
            return [(f"(-{terms[0]})", ())]
        if name == "int.xor":
            return [(f"({terms[0]} ^ {terms[1]})", ())]
        if name == "optional.make":
            return [(f"some({terms[0]})", ())]
        divisor = apply.arguments[-1]
        if name in {"int.mod", "int.floordiv"} and isinstance(divisor, Const) and divisor.value:
            rest = _modulo(terms[0], divisor.value)
            return [(rest if name == "int.mod" else f"(({terms[0]} - {rest}) / {terms[1]})", ())]
        self.calls.append(apply)
        variable = f"F{next(self.fresh)}"
        called = ", ".join([str(len(self.calls) - 1), *terms])
        return [(variable, (f"{variable} = @foreign({called})",))]

    def _variable(self, name: str) -> str:
        return self.names.setdefault(name, f"X{len(self.names)}")

    def _said(self, head: str, conditions: Sequence[str]) -> str:
        return f"{head} :- {', '.join(conditions)}." if conditions else f"{head}."


def _value(argument: Expr | Aggregate) -> Expr:
    if isinstance(argument, Aggregate):
        return argument.value or Const(0, INT)
    return argument


def _bound(literal: BodyLiteral) -> Iterator[Var]:
    if isinstance(literal, Atom):
        for term in literal.terms:
            yield from variables(term)
    elif isinstance(literal, Assign):
        yield literal.var


def _modulo(term: str, divisor: int) -> str:
    """What is left of a division that rounds down, whichever way clingo's rounds."""
    if divisor < 0:
        return f"(-{_modulo(f'(-{term})', -divisor)})"
    return f"((({term} \\ {divisor}) + {divisor}) \\ {divisor})"


def _canonical(type_: Type, value: Any) -> Any:
    """The same for equal values: records may be of several classes."""
    match type_:
        case Record():
            pairs = zip(type_.fields, value, strict=True)
            return tuple(_canonical(part, one) for (_, part), one in pairs)
        case List():
            return tuple(_canonical(type_.element, one) for one in value)
        case Optional():
            return None if value is None else (_canonical(type_.element, value),)
    return value
