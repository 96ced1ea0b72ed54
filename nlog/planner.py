"""The planner: a checked program to a plan (see plan.py for what a plan is).

For each rule and each atom it can start from, literals are placed greedily:

1. a condition as soon as its variables are bound, since it costs no table;
2. an atom whose columns are all bound, which is one look-up in the table's own hash;
3. an equality that binds a variable, after what may spare its computation, or its failure;
4. else a positive atom with bound columns, by an index on exactly those, the one of which the
   fewest rows are expected to match; last one without, the smallest.

How many rows match is measured (layout.py), or guessed for a table that is empty so far. Without a
measure the atom with the most bound columns goes first; of equals, here and there, one outside the
head's recursion, since a closure is larger than what it closes over, then the one that leaves the
fewest columns unbound, then the first written.

A verify plan takes all positive atoms first, each by the best index that delta plans asked for, so
that what is read but after a failure costs no memory.

So the order in which an author writes a body decides only between atoms that look alike to the
planner; and a cross product appears only where the rule is one. Indexes exist because some
placement asked for them. When sizes have drifted the same rules are planned again (`replan`).
"""

from collections.abc import Iterable, Sequence
from functools import cache

from attrs import evolve

from nlog import plan as p
from nlog.engine import _core
from nlog.functions import FALLIBLE
from nlog.layout import Layout
from nlog.lower import lower
from nlog.program import (
    Apply,
    Assign,
    Atom,
    BodyLiteral,
    Const,
    Expr,
    Filter,
    If,
    Optimum,
    Program,
    Rule,
    Stratum,
    Table,
    Term,
    Var,
    variables,
)
from nlog.types import BOOL, FUNCTION, INT, TREE, TYPE, Tree, Type, describe

CHECK_POSITION = -1


def plan(program: Program) -> tuple[p.Plan, Layout]:
    """The plan of a program, and the layout that later plans for the same core go on from."""
    lowered = lower(program)
    layout = Layout().extended(lowered)
    return plan_lowered(lowered, layout), layout


def replan(lowered: Program, layout: Layout, core: _core.Database) -> tuple[p.Plan, Layout]:
    """Another plan of the program that the core runs, for the sizes that its tables have now.

    It asks for no index but its own.
    """
    fresh = evolve(layout.measuring(core), indexes={})
    return plan_lowered(lowered, fresh), fresh


def plan_lowered(lowered: Program, layout: Layout) -> p.Plan:
    """The plan of a lowered program, with the tables and indexes that the layout has, and more."""
    owned = _owned(lowered)
    pairs = [*zip(lowered.strata, owned, strict=True)]
    strata = [_plan_stratum(stratum, own, lowered, layout) for stratum, own in pairs]
    strata = [_with_verify_plans(*pair, layout) for pair in zip(strata, owned, strict=True)]
    for table in lowered.tables.values():
        if 0 < len(table.key) < len(table.columns):
            layout.index(table.name, table.key)
    present = {*layout.numbers.values()}
    indexes = {layout.numbers[name]: columns for name, columns in layout.indexes.items()}
    tables = tuple(
        p.TablePlan(
            table.name,
            table.kind if number in present else "retired",
            tuple(column.type for column in table.columns),
            tuple(indexes.get(number, ())),
            table.key if number in present else (),
        )
        for number, table in enumerate(layout.known)
    )
    return p.Plan(tables, tuple(strata), tuple(layout.functions))


def _owned(program: Program) -> list[list[Rule]]:
    """The rules of each stratum."""
    home = {name: place for place, s in enumerate(program.strata) for name in s.tables}
    owned: list[list[Rule]] = [[] for _ in program.strata]
    for rule in program.rules:
        owned[home[rule.head]].append(rule)
    return owned


def _plan_stratum(
    stratum: Stratum, own: Sequence[Rule], program: Program, layout: Layout
) -> p.StratumPlan:
    numbers = tuple(layout.numbers[name] for name in stratum.tables)
    if any(rule.aggregates for rule in own):
        (rule,) = own
        aggregate = _plan_aggregate(rule, layout)
        return p.StratumPlan(False, numbers, (), aggregate, renewed=stratum.renewed)
    by_table = {optimum.table: optimum for optimum in stratum.optima}
    optima = {name: by_table[name] for name in stratum.tables if name in by_table}
    planned = tuple(
        _plan_rule(rule, stratum.recursive, layout, optima.get(rule.head)) for rule in own
    )
    best = [_plan_optimum(optima[name], program.tables[name], layout) for name in optima]
    return p.StratumPlan(
        stratum.recursive, numbers, planned, optima=tuple(best), renewed=stratum.renewed
    )


def _plan_optimum(optimum: Optimum, table: Table, layout: Layout) -> p.OptimumPlan:
    group = tuple(place for place in range(len(table.columns)) if place != optimum.column)
    type_ = table.columns[optimum.column].type
    index = layout.index(table.name, group)
    return p.OptimumPlan(optimum.column, optimum.function == "min", type_, index)


def _plan_aggregate(rule: Rule, layout: Layout) -> p.AggregatePlan:
    """The plan of a lowered rule with aggregates, whose body is one atom."""
    (source,) = rule.atoms
    group = tuple(range(len(rule.group)))
    functions = []
    for aggregate in rule.aggregates:
        column, index = p.NOT_USED, p.NOT_USED
        if aggregate.value is not None:
            column = source.terms.index(aggregate.value)
        if aggregate.function in {"min", "max"}:
            index = layout.index(source.table, group)
        elif aggregate.function in {"distinct", "set"}:
            index = layout.index(source.table, (*group, column))
        type_ = aggregate.type if aggregate.value is None else aggregate.value.type
        functions.append(p.AggregateFunction(aggregate.function, column, type_, index))
    return p.AggregatePlan(
        rule.number,
        layout.numbers[source.table],
        layout.numbers[rule.head],
        len(group),
        layout.index(rule.head, group),
        tuple(functions),
    )


def plan_check(rule: Rule, layout: Layout, optimum: Optimum | None = None) -> p.StartPlan:
    """The check plan of a lowered rule: from a row of its head to the rows of its body.

    A column that the head computes is kept aside and compared at the end. With an `optimum` it
    starts from the columns of a group only, and emits the rows that the body derives for it.
    """
    terms: list[Term] = []
    tests: list[BodyLiteral] = []
    for place, argument in enumerate(rule.group):
        if optimum is not None and place == optimum.column:
            terms.append(None)
        elif isinstance(argument, Apply | If):
            given = Var(f"$head{place}", argument.type)
            terms.append(given)
            tests.append(Filter(Apply("eq", (given, argument), BOOL)))
        else:
            terms.append(argument)
    head = Atom(rule.head, tuple(terms))
    body = [*_numbered(rule), *((None, test) for test in tests)]
    emitted = () if optimum is None else rule.group
    return _Placement(layout, rule.head).start(CHECK_POSITION, head, body, emitted)


Numbered = tuple[int | None, BodyLiteral]


def _numbered(rule: Rule) -> list[Numbered]:
    """The body's literals, atoms with their position among atoms."""
    positions = {id(atom): position for position, atom in enumerate(rule.atoms)}
    return [(positions.get(id(literal)), literal) for literal in rule.body]


def _plan_rule(rule: Rule, recursive: bool, layout: Layout, optimum: Optimum | None) -> p.RulePlan:
    deltas = _start_everywhere(rule, layout, verifies=False)
    check = plan_check(rule, layout, optimum) if recursive else None
    return p.RulePlan(rule.number, layout.numbers[rule.head], deltas, (), check)


def _start_everywhere(rule: Rule, layout: Layout, *, verifies: bool) -> tuple[p.StartPlan, ...]:
    """A plan from each atom of the rule's body, by position."""
    body = _numbered(rule)
    plans = []
    for position, atom in body:
        if position is not None and isinstance(atom, Atom):
            rest = [literal for literal in body if literal[0] != position]
            placement = _Placement(layout, rule.head, verifies=verifies)
            plans.append(placement.start(position, atom, rest, rule.group))
    return tuple(plans)


def _with_verify_plans(
    stratum: p.StratumPlan, rules: Sequence[Rule], layout: Layout
) -> p.StratumPlan:
    planned = [
        evolve(old, verifies=_start_everywhere(rule, layout, verifies=True))
        if _can_fail(rule)
        else old
        for old, rule in zip(stratum.rules, rules, strict=stratum.aggregate is None)
    ]
    return evolve(stratum, rules=tuple(planned))


def _can_fail(rule: Rule) -> bool:
    """Whether the rule calls a function that may have no value."""
    expressions = [*rule.group]
    for literal in rule.body:
        match literal:
            case Assign():
                expressions.append(literal.value)
            case Filter():
                expressions.append(literal.condition)
    return any(_calls_fallible(expression) for expression in expressions)


def _calls_fallible(expression: Expr) -> bool:
    match expression:
        case Apply():
            arguments = expression.arguments
            return expression.function in FALLIBLE or any(map(_calls_fallible, arguments))
        case If():
            parts = (expression.condition, expression.then, expression.otherwise)
            return any(map(_calls_fallible, parts))
    return False


@cache
def _core_numbers() -> dict[str, int]:
    """The places of functions among the core's."""
    return {name: number for number, name in enumerate(_core.functions())}


def _is_positive(literal: BodyLiteral) -> bool:
    return isinstance(literal, Atom) and not literal.negated


class _Placement:
    """Places the literals of one body after a starting row, and assigns registers."""

    def __init__(self, layout: Layout, head: str, *, verifies: bool = False) -> None:
        self._layout = layout
        self._verifies = verifies
        self._recursion = layout.recursions[head]
        self._registers = 0
        self._variables: dict[str, int] = {}
        self._constants: dict[tuple[Type, object], p.Constant] = {}
        self._steps: list[p.Step] = []

    def start(
        self, position: int, atom: Atom, body: Sequence[Numbered], head: Iterable[Expr]
    ) -> p.StartPlan:
        loads, checks = self._read(atom, range(len(atom.terms)))
        if self._verifies:
            self._place_all([part for part in body if _is_positive(part[1])])
            self._place_all([part for part in body if not _is_positive(part[1])])
        else:
            self._place_all(body)
        registers = tuple(self._value(argument) for argument in head)
        constants = tuple(self._constants.values())
        pipeline = p.Pipeline(self._registers, constants, tuple(self._steps), registers)
        number = self._layout.numbers[atom.table]
        return p.StartPlan(number, position, atom.negated, loads, checks, pipeline)

    def _place_all(self, body: Sequence[Numbered]) -> None:
        rest = list(body)
        while rest:
            chosen = self._choose([literal for _, literal in rest])
            self._place(*rest.pop(chosen))

    def _choose(self, literals: list[BodyLiteral]) -> int:
        best = -1
        best_score: tuple[float, ...] = ()
        for place, literal in enumerate(literals):
            score = self._score(literal)
            if score is not None and (best < 0 or score > best_score):
                best, best_score = place, score
        assert best >= 0, "an ungrounded rule passed the checker"
        return best

    def _score(self, literal: BodyLiteral) -> tuple[float, ...] | None:
        """How early a literal should go, higher first; None if it cannot go yet."""
        match literal:
            case Filter():
                return (4,) if self._bound(literal.condition) else None
            case Assign():
                return (2,) if self._bound(literal.value) else None
        bound = tuple(place for place, term in enumerate(literal.terms) if self._is_key(term))
        unbound = len(literal.terms) - len(bound)
        if unbound == 0:
            return (3,)
        if literal.negated:
            return None
        matches = self._layout.matches(literal.table, bound)
        is_outside = literal.table not in self._recursion
        few = len(bound) if matches is None else -matches
        return (1 if bound else 0, few, is_outside, -unbound)

    def _place(self, position: int | None, literal: BodyLiteral) -> None:
        match literal:
            case Filter():
                self._test(literal.condition)
            case Assign() if literal.var.name in self._variables and literal.implied:
                pass
            case Assign() if literal.var.name in self._variables:
                self._test(Apply("eq", (literal.var, literal.value), BOOL))
            case Assign():
                self._variables[literal.var.name] = self._value(literal.value)
            case Atom():
                assert position is not None
                self._join(position, literal)

    def _join(self, position: int, atom: Atom) -> None:
        table = self._layout.numbers[atom.table]
        bound = [(column, term) for column, term in enumerate(atom.terms) if self._is_key(term)]
        columns = tuple(column for column, _ in bound)
        is_row = len(columns) == len(atom.terms)
        if self._verifies and not is_row:
            columns = self._layout.served(atom.table, columns)
        key = tuple(self._value(t) for column, t in bound if t is not None and column in columns)
        if is_row:
            self._steps.append(p.Exists(table, key, atom.negated, position))
            return
        index = self._layout.index(atom.table, columns)
        free = [column for column in range(len(atom.terms)) if column not in columns]
        loads, checks = self._read(atom, free)
        self._steps.append(p.Lookup(table, index, key, loads, checks, position))

    def _is_key(self, term: Term) -> bool:
        return term is not None and self._bound(term)

    def _read(
        self, atom: Atom, columns: Iterable[int]
    ) -> tuple[tuple[tuple[int, int], ...], tuple[tuple[int, int], ...]]:
        """Take variables from a row: the first of a name is loaded, others are compared."""
        loads, checks = [], []
        for column in columns:
            term = atom.terms[column]
            if isinstance(term, Var) and term.name not in self._variables:
                self._variables[term.name] = self._new_register()
                loads.append((column, self._variables[term.name]))
            elif term is not None:
                checks.append((column, self._value(term)))
        return tuple(loads), tuple(checks)

    def _bound(self, expression: Expr) -> bool:
        return all(variable.name in self._variables for variable in variables(expression))

    def _test(self, condition: Expr) -> None:
        if isinstance(condition, Apply):
            arguments = tuple(self._value(argument) for argument in condition.arguments)
            self._steps.append(p.Test(condition.function, arguments))
        else:
            true = self._value(Const(True, BOOL))
            self._steps.append(p.Test("eq", (self._value(condition), true)))

    def _value(self, expression: Expr) -> int:
        """The register that holds the expression, computed here if it must be."""
        match expression:
            case Var():
                return self._variables[expression.name]
            case Const():
                return self._constant(expression)
            case Apply():
                arguments = tuple(self._value(argument) for argument in expression.arguments)
                return self._call(expression.function, arguments, expression.type)
            case If():
                leaves: list[int] = []
                tree = Const(self._tree(expression, leaves), TREE)
                arguments = (self._constant(tree), *leaves)
                return self._call("tree.evaluate", arguments, expression.type)

    def _call(self, function: str, arguments: tuple[int, ...], result: Type) -> int:
        register = self._new_register()
        self._steps.append(p.Call(function, arguments, register, result))
        return register

    def _constant(self, constant: Const) -> int:
        known = self._constants.get((constant.type, constant.value))
        if known is None:
            register = self._new_register()
            known = p.Constant(register, constant.type, constant.value)
            if constant.type == TYPE:
                known = p.Constant(register, TREE, describe(constant.value))
            elif constant.type == FUNCTION:
                known = p.Constant(register, INT, self._layout.function(constant.value))
            self._constants[constant.type, constant.value] = known
        return known.register

    def _tree(self, expression: Expr, leaves: list[int]) -> Tree:
        """What `tree.evaluate` takes: see core/functions_value.cc. Its own place is 0."""
        match expression:
            case Apply():
                number = _core_numbers()[expression.function]
                parts = (self._tree(part, leaves) for part in expression.arguments)
                return (1, number, describe(expression.type), *parts)
            case If():
                choice = (expression.condition, expression.then, expression.otherwise)
                return (2, *(self._tree(part, leaves) for part in choice))
        register = self._value(expression)
        if register not in leaves:
            leaves.append(register)
        return (0, leaves.index(register) + 1)

    def _new_register(self) -> int:
        self._registers += 1
        return self._registers - 1
