"""Expressions: from what the author wrote to typed, resolved expressions.

Types flow both ways: up from variables, literals and functions, and down as `expected` from the
column or operand beside, which is what gives `[]` its type. A mistake is reported once, where
it is, and ends the literal it stands in (`MistakeError`); the rule's other literals are still
checked.
"""

from nlog import syntax
from nlog.check.declarations import Declarations
from nlog.check.modifiers import Report
from nlog.diagnostics import Diagnostic, Label, Span, suggest
from nlog.functions import (
    AGGREGATES,
    FUNCTIONS,
    OVERLOADS,
    element_type,
    fill,
    overloads,
    resolve,
)
from nlog.program import Aggregate, Apply, Const, Expr, Var
from nlog.types import INT, IP4, MAC, PREFIX, STR, List, Record, Type, record_class

SPELLING = {"negative": "-"}
WAYS_TO_BIND = ("add an atom that binds it, or an equality with something bound",)
NO_PATTERN = (
    "a record or list is a value, not a pattern: bind the whole to a variable and read its parts, "
    "as in `whole.field` or `at(whole, 0)`"
)
COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")


class MistakeError(Exception):
    """The literal at hand cannot be checked further; its mistake has been reported."""


class Expressions:
    """Types expressions of one rule, given what is known of its variables so far."""

    def __init__(self, declarations: Declarations, report: Report) -> None:
        self._declarations = declarations
        self._report = report
        self.variables: dict[str, Type] = {}

    def fail(self, diagnostic: Diagnostic) -> MistakeError:
        """Report, and give the exception to raise."""
        self._report(diagnostic)
        return MistakeError()

    def type_of(self, expression: syntax.Expression) -> Type | None:
        """The type, or None while it is not known (a variable nobody has typed yet, or `[]`)."""
        match expression:
            case syntax.Literal():
                return expression.type
            case syntax.Name():
                return self.variables.get(expression.name)
            case syntax.ListDisplay():
                types = (self.type_of(item) for item in expression.items)
                element = next((type_ for type_ in types if type_ is not None), None)
                return None if element is None else List(element)
            case syntax.FieldAccess():
                operand = self.type_of(expression.operand)
                fields = dict(operand.fields) if isinstance(operand, Record) else {}
                return fields.get(expression.name)
            case syntax.Call() if expression.name in self._declarations.records:
                return self._declarations.records[expression.name]
        name, operands = _operands(expression)
        if name not in OVERLOADS or any(not self.is_known(operand) for operand in operands):
            return None
        found = resolve(name, [self.type_of(operand) for operand in operands])
        return found[1] if found else None

    def is_known(self, expression: syntax.Expression) -> bool:
        """Whether every variable in `expression` has a type."""
        match expression:
            case syntax.Name():
                return expression.name in self.variables
            case syntax.ListDisplay():
                return all(self.is_known(item) for item in expression.items)
            case syntax.FieldAccess():
                return self.is_known(expression.operand)
            case syntax.Literal():
                return True
        return all(self.is_known(operand) for operand in _operands(expression)[1])

    def check(self, expression: syntax.Expression, expected: Type | None = None) -> Expr:
        """The typed expression; MistakeError if it is wrong or is not of type `expected`."""
        checked = self._build(expression, expected)
        if expected is not None and checked.type != expected:
            raise self.mismatch(expression, expected, checked.type)
        return checked

    def check_aggregate(self, call: syntax.Call, expected: Type) -> Aggregate:
        """The typed aggregate of a head's argument; MistakeError as `check` raises it."""
        self._reject_names(call, "aggregate")
        applied = self._apply(call, expected)
        if applied.type != expected:
            raise self.mismatch(call, expected, applied.type)
        value = applied.arguments[0] if applied.arguments else None
        return Aggregate(applied.function, value, applied.type, call.span)

    def mismatch(self, expression: syntax.Expression, expected: Type, found: Type) -> MistakeError:
        """Report that `expression` has the wrong type."""
        helps: tuple[str, ...] = ()
        if (
            isinstance(expression, syntax.Literal)
            and found == STR
            and expected in {MAC, IP4, PREFIX}
        ):
            helps = (f"write the {expected} without quotes",)
        elif expected == STR and resolve("str", [found]):
            helps = ("`str(…)` gives its text",)
        elif expected == INT and resolve("int", [found]):
            helps = ("`int(…)` gives its number",)
        message = f"this is of type {found}, but {expected} is needed"
        label = Label(expression.span, f"is of type {found}")
        return self.fail(Diagnostic("type-mismatch", message, label, helps=helps))

    def _build(self, expression: syntax.Expression, expected: Type | None) -> Expr:
        match expression:
            case syntax.Literal():
                return Const(expression.value, expression.type)
            case syntax.Name():
                return self._variable(expression)
            case syntax.FieldAccess():
                return self._field(expression)
            case syntax.ListDisplay():
                return self._list(expression, expected)
            case syntax.Call() if expression.name in self._declarations.records:
                return self._record(expression, self._declarations.records[expression.name])
            case syntax.Call() if expression.name not in FUNCTIONS:
                raise self._unknown_function(expression)
            case syntax.Call():
                self._reject_names(expression, "function")
        return self._apply(expression, expected)

    def _reject_names(self, call: syntax.Call, what: str) -> None:
        named = next((a for a in call.arguments if a.name is not None), None)
        if named is not None:
            message = f"arguments of the {what} `{call.name}` have no names"
            raise self.fail(Diagnostic("unknown-column", message, Label(named.span)))

    def _variable(self, name: syntax.Name, helps: tuple[str, ...] = ()) -> Expr:
        if name.is_wildcard:
            message = "`_` has no value, so it can only stand in an atom of the body"
            label = Label(name.span)
            raise self.fail(Diagnostic("misplaced-wildcard", message, label, helps=helps))
        if name.name not in self.variables:
            message = f"variable `{name.name}` is not bound by the rule body"
            label = Label(name.span, "used here, bound nowhere")
            others = [other for other in self.variables if other != name.name]
            raise self.fail(
                Diagnostic(
                    "ungrounded-variable",
                    message,
                    label,
                    notes=(f"the rule's other variables are {_names(others)}",) if others else (),
                    helps=suggest(name.name, others) + WAYS_TO_BIND + helps,
                )
            )
        return Var(name.name, self.variables[name.name])

    def _field(self, access: syntax.FieldAccess) -> Expr:
        operand = self.check(access.operand)
        if not isinstance(operand.type, Record):
            message = f"a value of type {operand.type} has no fields"
            raise self.fail(Diagnostic("unknown-field", message, Label(access.span)))
        place = operand.type.position(access.name)
        if place is None:
            names = [name for name, _ in operand.type.fields]
            raise self.fail(
                Diagnostic(
                    "unknown-field",
                    f"record `{operand.type}` has no field `{access.name}`",
                    Label(access.span),
                    notes=(f"its fields are {', '.join(f'`{name}`' for name in names)}",),
                    helps=suggest(access.name, names),
                )
            )
        return Apply("tuple.get", (operand, Const(place, INT)), operand.type.fields[place][1])

    def _list(self, display: syntax.ListDisplay, expected: Type | None) -> Expr:
        element = expected.element if isinstance(expected, List) else None
        items = []
        for item in display.items:
            items.append(self._part(item, element))
            element = element or items[-1].type
        if element is None:
            message = "the type of this empty list is not known"
            helps = ("use it where a list of a known type is needed, as in a column",)
            raise self.fail(Diagnostic("unknown-type", message, Label(display.span), helps=helps))
        return _tuple(items, List(element))

    def _record(self, call: syntax.Call, record: Record) -> Expr:
        columns = [name for name, _ in record.fields]
        values = self.arrange(call, columns, f"record `{record}`")
        missing = [column for column, value in zip(columns, values, strict=True) if value is None]
        if missing:
            raise self.fail(missing_columns(call, f"record `{record}`", missing))
        fields = zip(values, record.fields, strict=True)
        return _tuple([self._part(value, type_) for value, (_, type_) in fields if value], record)

    def _part(self, part: syntax.Expression, expected: Type | None) -> Expr:
        """A part of a record or list, which can bind nothing."""
        if isinstance(part, syntax.Name):
            self._variable(part, (NO_PATTERN,))
        return self.check(part, expected)

    def arrange(
        self, call: syntax.Call, columns: list[str], what: str
    ) -> list[syntax.Expression | None]:
        """The call's arguments in the order of `columns`, None for those it leaves out."""
        values: list[syntax.Expression | None] = [None] * len(columns)
        positional = [argument for argument in call.arguments if argument.name is None]
        if positional and len(positional) != len(call.arguments):
            message = "arguments are either all given by position or all by name"
            helps = (f"the names are {_names(columns)}",) if columns else ()
            label = Label(call.span)
            raise self.fail(Diagnostic("mixed-arguments", message, label, helps=helps))
        if positional and len(positional) != len(columns):
            raise self.fail(_wrong_arity(call, columns, what))
        for place, argument in enumerate(call.arguments):
            if argument.name is not None:
                if argument.name not in columns:
                    raise self.fail(_unknown_column(argument, columns, what))
                place = columns.index(argument.name)  # noqa: PLW2901  # by name instead
            if values[place] is not None:
                message = f"`{argument.name}` is given twice"
                raise self.fail(Diagnostic("duplicate-argument", message, Label(argument.span)))
            values[place] = argument.value
        return values

    def _apply(self, expression: syntax.Expression, expected: Type | None) -> Apply:
        name, operands = _operands(expression)
        types = [self.type_of(operand) for operand in operands]
        found = resolve(name, types)
        if found is None:
            for operand in operands:
                self.check(operand)
            raise self.fail(_no_overload(expression.span, name, types))
        overload, result = found
        element = element_type(overload, types)
        if element is None and isinstance(overload.result, List) and isinstance(expected, List):
            element = expected.element
            result = expected
        wanted = [None if p is None else fill(p, element) for p in overload.parameters]
        checked = [
            self.check(operand, None if element is None and type_ is None else parameter)
            for operand, type_, parameter in zip(operands, types, wanted, strict=True)
        ]
        if overload.swapped:
            checked.reverse()
        return Apply(overload.core, tuple(checked), result)

    def _unknown_function(self, call: syntax.Call) -> MistakeError:
        name = call.name
        if name in self._declarations.tables:
            message = f"`{name}` is a table, and cannot stand in an expression"
            helps = ("make it a literal of its own, and use the variables that it binds",)
            label = Label(call.name_span)
            return self.fail(Diagnostic("misplaced-atom", message, label, helps=helps))
        if name in AGGREGATES:
            message = f"`{name}` is an aggregate: it stands alone, as an argument of a head"
            helps = (
                f"derive a table with `{name}(…)` as a column of its own, and read that table here",
            )
            label = Label(call.name_span)
            return self.fail(Diagnostic("misplaced-aggregate", message, label, helps=helps))
        declare_it = (
            "if it is a table or record, declare it, or import the file that does: "
            f"`input table {name}(column: type)`"
        )
        known = [*FUNCTIONS, *self._declarations.records, *self._declarations.tables]
        ways_out = self._declarations.ways_to_see(name) or suggest(name, known) or (declare_it,)
        return self.fail(
            Diagnostic(
                "unknown-name",
                f"there is no table, function or record `{name}`",
                Label(call.name_span),
                helps=ways_out,
            )
        )


def missing_columns(call: syntax.Call, what: str, missing: list[str]) -> Diagnostic:
    """A head or record that leaves out what it must give."""
    message = f"{what} needs a value for {_names(missing)}"
    return Diagnostic("missing-column", message, Label(call.span))


def _operands(expression: syntax.Expression) -> tuple[str, tuple[syntax.Expression, ...]]:
    match expression:
        case syntax.Operation():
            return expression.operator, (expression.left, expression.right)
        case syntax.Negative():
            return "negative", (expression.operand,)
        case syntax.Call():
            return expression.name, tuple(argument.value for argument in expression.arguments)
    return "", ()


def _tuple(parts: list[Expr], type_: Type) -> Expr:
    """A record or list; a constant if all its parts are."""
    constants = [part.value for part in parts if isinstance(part, Const)]
    if len(constants) < len(parts):
        return Apply("tuple.make", tuple(parts), type_)
    if isinstance(type_, Record):
        return Const(record_class(type_)(*constants), type_)
    return Const(tuple(constants), type_)


def _no_overload(span: Span, name: str, types: list[Type | None]) -> Diagnostic:
    given = ", ".join("[]" if type_ is None else str(type_) for type_ in types)
    if name in COMPARISONS and len(set(types)) > 1:
        forms: tuple[str, ...] = ("it compares two values of one type",)
    elif name in {"==", "!="}:
        forms = ()
    elif name == "negative":
        forms = ("it takes an `int`",)
    else:
        forms = tuple(f"it takes `{str(overload).strip()}`" for overload in overloads(name)[:6])
    helps: tuple[str, ...] = ()
    if name == "+" and STR in types:
        helps = ("`str(…)` gives the text of a value",)
    elif not name.isidentifier() and INT in types and not {IP4, MAC}.isdisjoint(types):
        helps = ("`int(…)` gives the number of an address, and `ip4(…)` or `mac(…)` its address",)
    message = f"`{SPELLING.get(name, name)}` does not take ({given})"
    return Diagnostic("type-mismatch", message, Label(span), notes=forms, helps=helps)


def _names(columns: list[str]) -> str:
    return ", ".join(f"`{column}`" for column in columns)


def _part(what: str) -> str:
    return "field" if what.startswith("record") else "column"


def _wrong_arity(call: syntax.Call, columns: list[str], what: str) -> Diagnostic:
    helps: tuple[str, ...] = ()
    if len(columns) > 1 and _part(what) == "column":
        helps = ("`column: value` names the columns you need; the body may leave others out",)
    return Diagnostic(
        "wrong-arity",
        f"{what} has {len(columns)} {_part(what)}{'s' * (len(columns) != 1)}, "
        f"not {len(call.arguments)}",
        Label(call.span),
        notes=(f"it has {_names(columns)}",) if columns else (),
        helps=helps,
    )


def _unknown_column(argument: syntax.Argument, columns: list[str], what: str) -> Diagnostic:
    return Diagnostic(
        "unknown-column",
        f"{what} has no {_part(what)} `{argument.name}`",
        Label(argument.span),
        notes=(f"it has {_names(columns)}",) if columns else (),
        helps=suggest(argument.name or "", columns),
    )
