"""Monotone recursion: whether `min` and `max` over a table's own rows have a meaning.

In a recursion with such aggregates, each of its tables holds one row a group, and the value in it
only ever improves: falls for `min`, rises for `max`. A rule is accepted if a better value of any
row that it reads gives a better value of its head, always and strictly:

- every rule of such a table aggregates the same column by the same function, and nothing else;
- the value of each row of the recursion that a rule reads is bound to a variable of its own;
- it reaches the aggregate through what keeps the order of all numbers: as it is, plus or minus
  something, negated, times a constant that is not 0, `int(…)`, `mac(…)`, `ip4(…)`;
- it does so in the right direction: `min` of a value of `max` only if it is turned round;
- a condition may compare it, if a better value cannot make that false: `d < 10` for a `min`;
- it stands nowhere else: not in the group, nor in a negated atom, nor in a column to be matched.

*Strictly* matters for deletion. A row is kept while others support it; if a head could stay as it
is while a row below it improves, that row could come to rest on the head, and the head on it
(docs/decisions/0012-optima.md).

Cost: linear in the rules.
"""

from collections.abc import Iterable, Iterator

from attrs import define, frozen

from nlog.check.modifiers import Report
from nlog.diagnostics import Diagnostic, Label
from nlog.functions import FOREIGN, OVERLOADS
from nlog.program import (
    Aggregate,
    Apply,
    Assign,
    Atom,
    Const,
    Expr,
    Filter,
    If,
    Optimum,
    Rule,
    Var,
    variables,
)

UP, DOWN = 1, -1
IMPROVES = {"min": DOWN, "max": UP}
SYMBOLS = {o.core: name for name, overloads in OVERLOADS.items() for o in overloads}
# Functions of one value that keep the order of those they take.
KEEPING = {"int.of_word", "mac.of_int", "ip4.of_int"}


def may_recur(rule: Rule) -> bool:
    """Whether the aggregates of a rule, if it has any, may be of rows that depend on its own."""
    return all(aggregate.function in IMPROVES for aggregate in rule.aggregates)


def optima(rules: Iterable[Rule], tables: Iterable[str], report: Report) -> tuple[Optimum, ...]:
    """The optima of a recursion of `tables`, given all its rules; reports what has no meaning.

    None if no rule aggregates over rows of these tables, or for what the strata refuse.
    """
    rules = sorted(rules, key=lambda rule: not rule.aggregates)
    inner = [(rule, atom) for rule in rules for atom in rule.atoms if atom.table in set(tables)]
    if not any(rule.aggregates for rule, _ in inner):
        return ()
    if any(atom.negated or not may_recur(rule) for rule, atom in inner):
        return ()
    found: dict[str, tuple[Optimum, Rule]] = {}
    fit = []
    for rule in rules:
        optimum = _optimum(rule)
        first = found.setdefault(rule.head, (optimum, rule))[0] if optimum else None
        if optimum is None or optimum != first:
            report(_odd_rule(rule, *found.get(rule.head, (None, None))))
        else:
            fit.append(rule)
    known = {table: optimum for table, (optimum, _) in found.items()}
    for rule in fit:
        try:
            _RuleAnalysis(rule, known).run()
        except _ProblemError as problem:
            report(_not_monotone(rule, problem))
    return tuple(known.values())


def _optimum(rule: Rule) -> Optimum | None:
    places = [i for i, a in enumerate(rule.arguments) if isinstance(a, Aggregate)]
    if len(places) != 1 or rule.aggregates[0].function not in IMPROVES:
        return None
    return Optimum(rule.head, places[0], rule.aggregates[0].function)


@frozen
class _Flow:
    """Where a value moves as the rows read improve, and which atoms of the recursion move it."""

    direction: int = 0
    atoms: frozenset[int] = frozenset()


@define
class _ProblemError(Exception):
    """What the value of an atom does that makes a rule not monotone, or not strictly so."""

    text: str
    atom: Atom | None = None


class _RuleAnalysis:
    """Follows the values of the recursion through one rule."""

    def __init__(self, rule: Rule, known: dict[str, Optimum]) -> None:
        self._rule = rule
        self._known = known
        self._own = [atom for atom in rule.atoms if atom.table in known]
        self._flows: dict[str, _Flow] = {}

    def run(self) -> None:
        for place, atom in enumerate(self._own):
            self._flows[self._value_of(atom)] = _Flow(
                IMPROVES[self._known[atom.table].function], frozenset([place])
            )
        matched = {variable.name for variable in self._matched()}
        self._assign(matched)
        for name in matched & self._flows.keys():
            self._fail(self._flows[name], f"is matched with a column, as {_shown(name)}")
        for literal in self._rule.body:
            if isinstance(literal, Filter):
                self._condition(literal.condition)
        for argument in self._rule.group:
            self._expect_constant(argument, "is part of the group")
        (aggregate,) = self._rule.aggregates
        assert aggregate.value is not None
        flow = self._flow(aggregate.value)
        if flow.direction not in {0, IMPROVES[aggregate.function]}:
            self._fail(flow, f"makes that of `{self._rule.head}` worse as it gets better")
        for place, atom in enumerate(self._own):
            if place not in flow.atoms:
                text = f"has no effect on that of `{self._rule.head}`"
                raise _ProblemError(text, atom)

    def _value_of(self, atom: Atom) -> str:
        """The variable of an atom's value, which stands nowhere else in an atom."""
        term = atom.terms[self._known[atom.table].column]
        if term is None:
            raise _ProblemError(f"has no effect on that of `{self._rule.head}`", atom)
        if not isinstance(term, Var) or term.name in self._flows:
            raise _ProblemError("is not bound to a variable of its own", atom)
        return term.name

    def _matched(self) -> Iterator[Var]:
        """The variables of atoms, but for those that take the values of the recursion."""
        for atom in self._rule.atoms:
            own = self._known[atom.table].column if atom in self._own else -1
            for place, term in enumerate(atom.terms):
                if place != own:
                    yield from variables(term)

    def _assign(self, matched: set[str]) -> None:
        """The flows of variables that equalities bind."""
        bound = matched | self._flows.keys()
        rest = [literal for literal in self._rule.body if isinstance(literal, Assign)]
        while rest:
            ready = next(a for a in rest if all(v.name in bound for v in variables(a.value)))
            rest.remove(ready)
            if ready.var.name in bound:
                for side in (ready.var, ready.value):
                    self._expect_constant(side, "is asked to equal another value")
            else:
                self._flows[ready.var.name] = self._flow(ready.value)
                bound.add(ready.var.name)

    def _condition(self, condition: Expr) -> None:
        """A comparison that stays true, or a condition that no value of the recursion is in."""
        if isinstance(condition, Apply) and condition.function.endswith((".lt", ".le")):
            left, right = (self._flow(side) for side in condition.arguments)
            if left.direction == UP or right.direction == DOWN:
                flow = left if left.direction == UP else right
                self._fail(flow, "can make a condition false as it gets better")
        else:
            self._expect_constant(condition, "is in a condition other than `<`, `<=`, `>`, `>=`")

    def _flow(self, expression: Expr) -> _Flow:
        if isinstance(expression, Var):
            return self._flows.get(expression.name, _Flow())
        if isinstance(expression, Const):
            return _Flow()
        if isinstance(expression, If):
            self._expect_constant(expression, "is in a conditional")
            return _Flow()
        flows = [self._flow(argument) for argument in expression.arguments]
        moving = [flow for flow in flows if flow.atoms]
        if not moving or expression.function in KEEPING:
            return flows[0] if moving else _Flow()
        match expression:
            case Apply(function="int.add"):
                return self._sum(*flows)
            case Apply(function="int.sub"):
                return self._sum(flows[0], _turned(flows[1]))
            case Apply(function="int.neg"):
                return _turned(flows[0])
            case Apply(function="int.mul", arguments=(Const(value=factor), _)) if factor:
                return flows[1] if factor > 0 else _turned(flows[1])
            case Apply(function="int.mul", arguments=(_, Const(value=factor))) if factor:
                return flows[0] if factor > 0 else _turned(flows[0])
        name = SYMBOLS.get(expression.function, "a record or list")
        if expression.function == FOREIGN and isinstance(expression.arguments[0], Const):
            name = expression.arguments[0].value.name
        return self._fail(moving[0], f"goes through `{name}`, which may not keep its order")

    def _sum(self, left: _Flow, right: _Flow) -> _Flow:
        if left.direction * right.direction < 0:
            self._fail(left, "is subtracted from another of its kind")
        return _Flow(left.direction or right.direction, left.atoms | right.atoms)

    def _expect_constant(self, expression: Expr, text: str) -> None:
        for variable in variables(expression):
            flow = self._flows.get(variable.name)
            if flow is not None and flow.atoms:
                self._fail(flow, text)

    def _fail(self, flow: _Flow, text: str) -> _Flow:
        raise _ProblemError(text, self._own[min(flow.atoms)])


def _turned(flow: _Flow) -> _Flow:
    return _Flow(-flow.direction, flow.atoms)


def _shown(name: str) -> str:
    return "an argument" if name.startswith("$") else f"`{name}`"


def _not_monotone(rule: Rule, problem: _ProblemError) -> Diagnostic:
    (aggregate,) = rule.aggregates
    atom = problem.atom
    assert atom is not None
    assert atom.span is not None
    return Diagnostic(
        "not-monotone",
        f"the value of `{atom.table}` {problem.text}",
        Label(atom.span, "the value is read here"),
        (Label(aggregate.span, "and aggregated here"),) if aggregate.span else (),
        notes=(f"`{rule.head}` depends on itself: better values must give strictly better ones",),
        helps=(
            "give it to the aggregate as it is, plus or minus something, or times a constant",
            "or read it in a rule of another table, which this one does not depend on",
        ),
    )


def _odd_rule(rule: Rule, optimum: Optimum | None, first: Rule | None) -> Diagnostic:
    assert rule.span is not None
    if optimum is None or first is None:
        message = f"`{rule.head}` is in a recursion over `min` or `max`, and does not aggregate"
        helps = ("aggregate one column of each table of the recursion by `min` or `max`",)
        return Diagnostic("not-monotone", message, Label(rule.span), helps=helps)
    assert first.span is not None
    return Diagnostic(
        "not-monotone",
        f"`{rule.head}` is in a recursion: all its rules must aggregate alike",
        Label(rule.span, "this one does not"),
        (Label(first.span, f"this one takes the `{optimum.function}` of one column"),),
        helps=(f"write `{optimum.function}(…)` in the same column, also of a single value",),
    )
