"""Lowering: a checked program in the terms the core has.

The core tests the absence of one row, not of every row that agrees with some columns. So
`not t(x, _)` reads a projection instead: an internal table of the columns that are asked for
(`$t(0)` below), filled by a rule of its own and shared by all who ask for the same columns.
Counting keeps a projection exact at a cost of one row a change.

So does a positive atom that only asks whether there is a row, as `t(x, _)` in
`h(x, y) :- t(x, _), s(x, y)`: another atom has all the variables that anyone reads, and the columns
that nobody reads may tell several rows apart (keys.py). Else each of these rows would derive the
head once more. The projection stands where an index would (docs/decisions/0016). Which atoms these
are depends on the rule and on what never changes of its tables, so that rules which come or go do
not change how others are lowered.

A rule without a positive atom, such as a fact, gets the atom `$unit()`: see plan.py.

A rule whose head has aggregates becomes three, which bear its number. `total(g, sum(e)) :- body`
is, as rule 5 that mentions the variables g and x,

    $rule5(g, e, x) :- body.                            the bindings of the body, each once
    $group5(g, sum(v), count()) :- $rule5(g, v, _).     an aggregate plan (plan.py)
    total(g, s) :- $group5(g, s, _).

The first holds every variable if the number of bindings matters, and otherwise the group and the
values only. The count that nobody asked for tells a sum of zero from a group that is gone. Costs
two rows a binding's change, and those of a group whose value changes.

A rule of a recursion over `min` or `max` derives the values themselves; the stratum says that only
the best of a group is kept.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

from attrs import evolve

from nlog.check import stratify
from nlog.keys import Keys
from nlog.plan import UNIT_TABLE
from nlog.program import (
    Aggregate,
    Assign,
    Atom,
    BodyLiteral,
    Column,
    Const,
    Expr,
    Filter,
    Program,
    Rule,
    Table,
    Term,
    Var,
    variables,
)
from nlog.types import INT, Type

# Aggregates to which two bindings of one value are more than one.
COUNTING = {"count", "sum", "list"}
# What these are of values that are all different.
OF_DIFFERENT_VALUES = {"distinct": "count", "set": "list"}
# What the core calls what it knows under another name.
IN_CORE = {"any": "min"}


def lower(program: Program) -> Program:
    """The same tables with the same rows, without wildcards under negation or bodiless rules.

    Aggregates are left only in rules whose body is one atom of different variables, the group's
    first. Rules keep their numbers; those of projections come after all others.
    """
    return _Lowering(program).run()


class _Lowering:
    def __init__(self, program: Program) -> None:
        self._program = program
        self._tables = {UNIT_TABLE: Table(UNIT_TABLE, "input", ()), **program.tables}
        self._projections: list[Rule] = []
        self._optima = {o.table for stratum in program.strata for o in stratum.optima}
        self._keys = Keys(program)

    def run(self) -> Program:
        parts = (part for rule in self._program.rules for part in self._parts(self._rule(rule)))
        rules = [self._narrowed(part) for part in parts]
        rules += self._projections
        strata = stratify(self._tables, rules)
        optima = {s.tables: s.optima for s in self._program.strata}
        strata = tuple(evolve(s, optima=optima.get(s.tables, ())) for s in strata)
        return Program(self._tables, tuple(rules), strata)

    def _rule(self, rule: Rule) -> Rule:
        body: list[BodyLiteral] = [
            self._negation(literal) if isinstance(literal, Atom) and literal.negated else literal
            for literal in rule.body
        ]
        if all(atom.negated for atom in rule.atoms):
            body.insert(0, Atom(UNIT_TABLE, ()))
        return evolve(rule, body=tuple(body))

    def _parts(self, rule: Rule) -> tuple[Rule, ...]:
        """The rule, or those that it becomes if it has aggregates."""
        if not rule.aggregates:
            return (rule,)
        if rule.head in self._optima:
            return (evolve(rule, arguments=tuple(_bare(a) for a in rule.arguments)),)
        values = list(dict.fromkeys(a.value for a in rule.aggregates if a.value is not None))
        kept: list[Expr] = [*rule.group, *values]
        if any(aggregate.function in COUNTING for aggregate in rule.aggregates):
            kept += [variable for variable in _bound(rule) if variable not in kept]
        columns = [Var(f"${place}", part.type) for place, part in enumerate(kept)]
        source = self._declare(f"$rule{rule.number}", [v.type for v in columns])
        bindings = Atom(source, tuple(columns))
        group = columns[: len(rule.group)]
        places = {value: columns[len(group) + place] for place, value in enumerate(values)}
        are_different = len(kept) == len(group) + 1 and bool(values)
        aggregates = [_over(aggregate, places, are_different) for aggregate in rule.aggregates]
        found = [Var(f"${len(columns) + i}", a.type) for i, a in enumerate(aggregates)]
        if all(aggregate.function == "sum" for aggregate in aggregates):
            aggregates.append(Aggregate("count", None, INT))
        name = f"$group{rule.number}"
        self._declare(name, [*(v.type for v in group), *(a.type for a in aggregates)])
        terms: list[Term] = [*group, *found, *[None] * (len(aggregates) - len(found))]
        rest = {True: iter(found), False: iter(group)}
        head = tuple(next(rest[isinstance(a, Aggregate)]) for a in rule.arguments)
        return (
            evolve(rule, head=bindings.table, arguments=tuple(kept)),
            evolve(rule, head=name, arguments=(*group, *aggregates), body=(bindings,)),
            evolve(rule, arguments=head, body=(Atom(name, tuple(terms)),)),
        )

    def _declare(self, name: str, types: list[Type]) -> str:
        columns = (Column(f"${place}", type_) for place, type_ in enumerate(types))
        self._tables[name] = Table(name, "internal", tuple(columns))
        return name

    def _negation(self, atom: Atom) -> Atom:
        kept = tuple(place for place, term in enumerate(atom.terms) if term is not None)
        return atom if len(kept) == len(atom.terms) else self._projected(atom, kept)

    def _narrowed(self, rule: Rule) -> Rule:
        """The rule, with projections for atoms that only ask whether there is a row.

        In a recursion over `min` or `max` there are none: its tables have one row a group.
        """
        positive = [atom for atom in rule.atoms if not atom.negated]
        if len(positive) < 2 or rule.head in self._optima:
            return rule
        uses = Counter(variable.name for variable in _mentioned(rule))
        narrow = {id(atom): self._existence(atom, positive, uses) for atom in positive}
        return evolve(rule, body=tuple(narrow.get(id(part), part) for part in rule.body))

    def _existence(self, atom: Atom, positive: Sequence[Atom], uses: Counter[str]) -> BodyLiteral:
        read = {
            place: term
            for place, term in enumerate(atom.terms)
            if isinstance(term, Const) or (term is not None and uses[term.name] > 1)
        }
        asked = {term.name for term in read.values() if isinstance(term, Var)}
        others = (other for other in positive if other is not atom)
        if not any(asked <= _names(other) for other in others):
            return atom
        return atom if self._keys.tell_apart(atom.table, read) else self._projected(atom, (*read,))

    def _projected(self, atom: Atom, kept: tuple[int, ...]) -> Atom:
        """The atom of a projection that has the columns `kept`."""
        table = self._program.tables[atom.table]
        name = f"${table.name}({','.join(str(place) for place in kept)})"
        if name not in self._tables:
            columns = tuple(table.columns[place] for place in kept)
            self._tables[name] = Table(name, "internal", columns)
            self._projections.append(self._projection(table, kept, name, columns))
        return Atom(name, tuple(atom.terms[place] for place in kept), atom.negated, atom.span)

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


def _mentioned(rule: Rule) -> Iterator[Var]:
    """Every variable in head and body, as often as it stands there."""
    for argument in rule.arguments:
        yield from variables(argument)
    for literal in rule.body:
        match literal:
            case Atom():
                for term in literal.terms:
                    yield from variables(term)
            case Assign():
                yield literal.var
                yield from variables(literal.value)
            case Filter():
                yield from variables(literal.condition)


def _names(atom: Atom) -> set[str]:
    return {term.name for term in atom.terms if isinstance(term, Var)}


def _bound(rule: Rule) -> list[Var]:
    """The named variables of the body that tell its bindings apart, each once.

    The others, which equalities bind, have their values from these.
    """
    atoms = [atom for atom in rule.atoms if not atom.negated]
    found = (variable for atom in atoms for term in atom.terms for variable in variables(term))
    return list(dict.fromkeys(variable for variable in found if not variable.name.startswith("$")))


def _bare(argument: Expr | Aggregate) -> Expr | Aggregate:
    """What `min` or `max` is taken of, or the argument itself."""
    if isinstance(argument, Aggregate) and argument.value is not None:
        return argument.value
    return argument


def _over(aggregate: Aggregate, places: dict[Expr, Var], are_different: bool) -> Aggregate:
    """The aggregate over the table of bindings, whose values may all be different in a group."""
    if aggregate.value is None:
        return aggregate
    function = IN_CORE.get(aggregate.function, aggregate.function)
    if are_different:
        function = OF_DIFFERENT_VALUES.get(function, function)
    return Aggregate(function, places[aggregate.value], aggregate.type)
