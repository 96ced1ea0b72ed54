"""One rule at a time: atoms matched with their tables, variables typed, literals rewritten.

Variables get their types from the columns they stand in, then from what they are set equal to.
An argument of an atom that is more than a variable or a constant moves into an `Assign` of a
fresh variable (`$1`, …), so that atoms hold terms only; one that takes a value apart becomes
literals about such a variable (patterns.py). Arguments of the head alone may be aggregates.
"""

from collections.abc import Callable

from nlog import syntax
from nlog.check.declarations import Declarations
from nlog.check.expressions import FALSE, Expressions, MistakeError
from nlog.check.mistakes import missing_columns
from nlog.check.modifiers import Report
from nlog.check.patterns import Patterns, names_in
from nlog.diagnostics import Diagnostic, Label, Span, suggest
from nlog.functions import AGGREGATES
from nlog.program import (
    Aggregate,
    Apply,
    Assign,
    Atom,
    BodyLiteral,
    Expr,
    Filter,
    If,
    Rule,
    Table,
    Term,
    Var,
)
from nlog.types import BOOL, Type


def check_rule(
    rule: syntax.RuleSyntax, number: int, declarations: Declarations, report: Report
) -> Rule | None:
    """The rule, or None if a mistake was reported."""
    return _RuleChecker(rule, declarations, report).run(number)


class _RuleChecker:
    def __init__(self, rule: syntax.RuleSyntax, declarations: Declarations, report: Report) -> None:
        self._rule = rule
        self._declarations = declarations
        self._tables = declarations.tables
        self._expressions = Expressions(declarations, report)
        self._variables = self._expressions.variables
        self._homes: dict[str, Label] = {}
        # Equalities that take a value apart, by their place in memory: the pattern first.
        self._matched: dict[int, tuple[syntax.Expression, syntax.Expression]] = {}
        self._broken = False
        self._fresh = 0
        self._patterns = Patterns(declarations, self._expressions, self._new_variable)

    def _new_variable(self, type_: Type) -> Var:
        self._fresh += 1
        return Var(f"${self._fresh}", type_)

    def run(self, number: int) -> Rule | None:
        self._type_variables()
        if self._broken:
            return None
        body: list[BodyLiteral] = []
        self._matched = self._matched_bindings()
        for literal in self._rule.body:
            try:
                body += self._literal(literal)
            except MistakeError:
                self._broken = True
        arguments = self._head()
        if self._broken or arguments is None:
            return None
        head = self._tables[self._rule.head.name].name
        return Rule(number, head, arguments, tuple(body), self._rule.head.name_span)

    def _type_variables(self) -> None:
        """Give every variable its type: from atoms first, then along equalities."""
        for literal in self._rule.body:
            if isinstance(literal, syntax.Condition) and self._is_atom(literal.expression):
                self._guard(self._type_atom, literal.expression)
        bindings = [item for item in self._rule.body if isinstance(item, syntax.Binding)]
        progress = True
        while progress and not self._broken:
            known = len(self._variables)
            for binding in bindings:
                self._guard(self._infer, binding.left, binding.right)
                self._guard(self._infer, binding.right, binding.left)
            progress = len(self._variables) > known

    def _guard(self, step: Callable[..., None], *arguments: syntax.Expression) -> None:
        try:
            step(*arguments)
        except MistakeError:
            self._broken = True

    def _is_atom(self, expression: syntax.Expression) -> bool:
        return isinstance(expression, syntax.Call) and expression.name in self._tables

    def _type_atom(self, atom: syntax.Expression) -> None:
        assert isinstance(atom, syntax.Call)
        table = self._tables[atom.name]
        for value, column in zip(self._arrange(atom, table), table.columns, strict=True):
            if isinstance(value, syntax.Name):
                self._type_name(value, column.type)
            elif value is not None and self._patterns.is_pattern(value):
                for name, type_ in self._patterns.typed_names(value, column.type):
                    self._type_name(name, type_)

    def _type_name(self, name: syntax.Name, type_: Type) -> None:
        if name.is_wildcard:
            return
        known = self._variables.setdefault(name.name, type_)
        here = Label(name.span, f"is of type {type_} here")
        home = self._homes.setdefault(name.name, here)
        if known != type_:
            message = f"`{name.name}` is of type {known} and of type {type_}"
            first = Label(home.span, f"is of type {known} here")
            raise self._expressions.fail(Diagnostic("type-mismatch", message, here, (first,)))

    def _infer(self, target: syntax.Expression, source: syntax.Expression) -> None:
        is_name = isinstance(target, syntax.Name) and target.name != "_"
        if not is_name and not self._patterns.is_pattern(target):
            return
        if self._expressions.is_known(target) or not self._expressions.is_known(source):
            return
        type_ = self._expressions.type_of(source)
        if type_ is None:
            return
        if isinstance(target, syntax.Name):
            self._variables[target.name] = type_
            return
        for name, part in self._patterns.typed_names(target, type_):
            if name.name not in self._variables:
                self._type_name(name, part)

    def _matched_bindings(self) -> dict[int, tuple[syntax.Expression, syntax.Expression]]:
        """The equalities of which one side gives the parts of the other: pattern and value."""
        bound: set[str] = set()
        for literal in self._rule.body:
            if not isinstance(literal, syntax.Condition) or literal.negated:
                continue
            if self._is_atom(literal.expression):
                for child in syntax.children(literal.expression):
                    is_name = isinstance(child, syntax.Name)
                    bound |= names_in(child) if is_name else self._patterns.names(child)
        matched: dict[int, tuple[syntax.Expression, syntax.Expression]] = {}
        rest = [item for item in self._rule.body if isinstance(item, syntax.Binding)]
        progress = True
        while progress:
            progress = False
            for binding in list(rest):
                for target, value in ((binding.left, binding.right), (binding.right, binding.left)):
                    if binding not in rest or not names_in(value) <= bound - {"_"}:
                        continue
                    if isinstance(target, syntax.Name):
                        bound.add(target.name)
                    elif self._patterns.names(target) - (bound - {"_"}):
                        bound |= self._patterns.names(target)
                        matched[id(binding)] = (target, value)
                    rest.remove(binding)
                    progress = True
        return matched

    def _literal(self, literal: syntax.Condition | syntax.Binding) -> list[BodyLiteral]:
        if isinstance(literal, syntax.Binding):
            if id(literal) in self._matched:
                return self._matching(*self._matched[id(literal)])
            return [self._binding(literal)]
        expression = literal.expression
        if self._is_atom(expression):
            assert isinstance(expression, syntax.Call)
            return self._atom(expression, literal.negated)
        if isinstance(expression, syntax.Name) and not expression.is_wildcard:
            self._reject_bare_name(expression)
        condition = self._expressions.check(expression, BOOL)
        if literal.negated:
            condition = Apply("eq", (condition, FALSE), BOOL)
        return [Filter(condition)]

    def _binding(self, binding: syntax.Binding) -> BodyLiteral:
        expressions = self._expressions
        expected: Type | None = expressions.type_of(binding.left)
        if expected is None:
            expected = expressions.type_of(binding.right)
        right = expressions.check(binding.right, expected)
        left = expressions.check(binding.left, expected)
        if isinstance(left, Var):
            return Assign(left, right)
        if isinstance(right, Var):
            return Assign(right, left)
        return Filter(Apply("eq", (left, right), BOOL))

    def _matching(self, pattern: syntax.Expression, value: syntax.Expression) -> list[BodyLiteral]:
        checked = self._expressions.check(value)
        if isinstance(checked, Var):
            return self._patterns.match(pattern, checked)
        whole = self._new_variable(checked.type)
        return [Assign(whole, checked), *self._patterns.match(pattern, whole)]

    def _atom(self, call: syntax.Call, negated: bool) -> list[BodyLiteral]:
        table = self._tables[call.name]
        terms: list[Term] = []
        assigns: list[BodyLiteral] = []
        matches: list[BodyLiteral] = []
        for value, column in zip(self._arrange(call, table), table.columns, strict=True):
            if value is None or (isinstance(value, syntax.Name) and value.is_wildcard):
                terms.append(None)
                continue
            if self._patterns.is_pattern(value) and (not negated or self._leaves_open(value)):
                whole = self._new_variable(column.type)
                matches += self._patterns.match(value, whole)
                matches += self._patterns.implied(value, whole)
                terms.append(whole)
                continue
            checked = self._expressions.check(value, column.type)
            if isinstance(checked, Apply | If):
                variable = self._new_variable(column.type)
                assigns.append(Assign(variable, checked))
                checked = variable
            terms.append(checked)
        return [*assigns, Atom(table.name, tuple(terms), negated, call.span), *matches]

    def _leaves_open(self, pattern: syntax.Expression) -> bool:
        """Refuse, under a negation, a pattern that more than one value is of."""
        if "_" in self._patterns.names(pattern):
            message = "an atom that is negated cannot leave a part of a value open"
            helps = ("derive a table of the rows that have a value of this form, and negate that",)
            label = Label(pattern.span)
            raise self._expressions.fail(
                Diagnostic("misplaced-wildcard", message, label, helps=helps)
            )
        return False

    def _head(self) -> tuple[Expr | Aggregate, ...] | None:
        call = self._rule.head
        try:
            table = self._head_table(call)
            values = self._arrange(call, table)
            columns = zip(values, table.columns, strict=True)
            missing = [column.name for value, column in columns if value is None]
            if missing:
                raise self._expressions.fail(
                    missing_columns(call, f"a row of `{table.name}`", missing)
                )
        except MistakeError:
            return None
        if self._broken:
            return None
        arguments: list[Expr | Aggregate] = []
        for value, column in zip(values, table.columns, strict=True):
            assert value is not None
            try:
                arguments.append(self._head_argument(value, column.type))
            except MistakeError:
                self._broken = True
        return tuple(arguments)

    def _head_argument(self, value: syntax.Expression, expected: Type) -> Expr | Aggregate:
        if isinstance(value, syntax.Call) and value.name in AGGREGATES:
            return self._expressions.check_aggregate(value, expected)
        return self._expressions.check(value, expected)

    def _head_table(self, call: syntax.Call) -> Table:
        table = self._tables.get(call.name)
        if table is None:
            declaration = f"`table {call.name}(column: type)`"
            helps = (
                self._declarations.ways_to_see(call.name)
                or suggest(call.name, self._tables)
                or (f"declare it, or import the file that does: {declaration}",)
            )
            message = f"there is no table `{call.name}`"
            label = Label(call.name_span)
            raise self._expressions.fail(Diagnostic("unknown-table", message, label, helps=helps))
        if table.kind == "input":
            raise self._expressions.fail(
                Diagnostic(
                    "input-in-head",
                    f"`{table.name}` is an input table: transactions write it, rules do not",
                    Label(call.name_span),
                    (Label(table.span, "declared here"),) if table.span else (),
                    helps=("derive another table, and read both where you need both",),
                )
            )
        if table.span and table.span.source != call.span.source and not table.is_open:
            raise self._expressions.fail(_closed_table(call, table, table.span))
        return table

    def _arrange(self, call: syntax.Call, table: Table) -> list[syntax.Expression | None]:
        columns = [column.name for column in table.columns]
        return self._expressions.arrange(call, columns, f"table `{table.name}`")

    def _reject_bare_name(self, name: syntax.Name) -> None:
        if name.name in self._tables:
            message = f"table `{name.name}` needs its columns in parentheses"
            columns = ", ".join(column.name for column in self._tables[name.name].columns)
            raise self._expressions.fail(
                Diagnostic(
                    "misplaced-atom",
                    message,
                    Label(name.span),
                    helps=(f"write `{name.name}({columns})`",),
                )
            )


def _closed_table(call: syntax.Call, table: Table, declared: Span) -> Diagnostic:
    return Diagnostic(
        "closed-table",
        f"`{call.name}` is declared in another file, which does not open it to rules from here",
        Label(call.name_span, "derived here"),
        (Label(declared, "declared here"),),
        helps=(
            f"declare it `open`, as in `{_opened(table)} {call.name}(…)`",
            "or derive a table of this file",
        ),
    )


def _opened(table: Table) -> str:
    exported = "" if table.kind == "output" else "export "
    kind = "" if table.kind == "internal" else f"{table.kind} "
    return f"{exported}open {kind}table"
