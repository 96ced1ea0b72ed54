"""Keys: which columns of a table tell its rows apart, as far as declarations and rules say so.

They do if they contain the declared key of an input table, or the group of an aggregate; and in a
table that one rule fills, if that rule's other columns follow from them by the keys of the tables
that it joins. Rules of a table that is open may come and go, so that nothing is inferred from
them: what is said of a table here stays true for as long as the table is there.

Cost: each question once; it visits the rules below the table at most once.
"""

from collections.abc import Collection

from nlog.program import Aggregate, Assign, Atom, Const, Program, Rule, Var, variables


class Keys:
    """Answers for the tables of one checked program."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._rules: dict[str, list[Rule]] = {}
        for rule in program.rules:
            self._rules.setdefault(rule.head, []).append(rule)
        self._optima = {o.table: o.column for stratum in program.strata for o in stratum.optima}
        self._known: dict[tuple[str, frozenset[int]], bool] = {}

    def tell_apart(self, table: str, columns: Collection[int]) -> bool:
        """Whether rows of the table that agree in `columns` are one; False if nobody says so."""
        question = table, frozenset(columns)
        if question not in self._known:
            self._known[question] = False  # what it would say of itself in a circle
            self._known[question] = self._infer(*question)
        return self._known[question]

    def _infer(self, table: str, columns: frozenset[int]) -> bool:
        declared = self._program.tables[table]
        everything = range(len(declared.columns))
        if columns.issuperset(everything) or (declared.key and columns.issuperset(declared.key)):
            return True
        if declared.kind == "input" or declared.is_open:
            return False
        if table in self._optima:
            return columns.issuperset(place for place in everything if place != self._optima[table])
        rules = self._rules.get(table, [])
        return len(rules) == 1 and self._follows(rules[0], columns)

    def _follows(self, rule: Rule, columns: frozenset[int]) -> bool:
        """Whether the rule makes one row at most of each choice of values for `columns`."""
        arguments = [*enumerate(rule.arguments)]
        given = {a.name for place, a in arguments if place in columns and isinstance(a, Var)}
        known = self._closure(rule, given)
        return all(
            place in columns
            or isinstance(argument, Aggregate)
            or all(variable.name in known for variable in variables(argument))
            for place, argument in arguments
        )

    def _closure(self, rule: Rule, given: set[str]) -> set[str]:
        """The variables of the body that have one value if those of `given` have."""
        known, before = set(given), -1
        while len(known) > before:
            before = len(known)
            for literal in rule.body:
                if isinstance(literal, Assign):
                    if all(variable.name in known for variable in variables(literal.value)):
                        known.add(literal.var.name)
                elif isinstance(literal, Atom) and not literal.negated:
                    known |= self._fixed(literal, known)
        return known

    def _fixed(self, atom: Atom, known: set[str]) -> set[str]:
        named = {place: term for place, term in enumerate(atom.terms) if term is not None}
        bound = [p for p, t in named.items() if isinstance(t, Const) or t.name in known]
        if len(bound) == len(named) or not self.tell_apart(atom.table, bound):
            return set()
        return {term.name for term in named.values() if isinstance(term, Var)}
