"""Expressions: from what the author wrote to typed, resolved expressions.

Types flow both ways: up from variables, literals and functions, and down as `expected` from the
column or operand beside, which is what gives `[]` its type. A mistake is reported once, where
it is, and ends the literal it stands in (`MistakeError`); the rule's other literals are still
checked.
"""

from nlog import syntax
from nlog.check.declarations import Declarations, Structure
from nlog.check.mistakes import (
    NO_PATTERN,
    WAYS_TO_BIND,
    missing_columns,
    names_of,
    no_overload,
    unknown_column,
    wrong_arity,
)
from nlog.check.modifiers import Report
from nlog.diagnostics import Diagnostic, Label, suggest
from nlog.functions import (
    AGGREGATES,
    FUNCTIONS,
    OVERLOADS,
    SOME,
    Overload,
    element_of,
    element_type,
    fill,
    is_open,
    overloads,
    resolve,
)
from nlog.program import Aggregate, Apply, Const, Expr, If, Var
from nlog.types import (
    BOOL,
    FUNCTION,
    INT,
    IP4,
    IP6,
    MAC,
    PREFIX,
    STR,
    TYPE,
    List,
    Optional,
    Record,
    Type,
    Union,
    case_class,
    record_class,
)

GIVE_IT = "if it is a function in Python, hand it over: `functions=[…]`, or `--functions FILE.py`"
FALSE = Const(False, BOOL)
TRUE = Const(True, BOOL)
CONNECTIVES = ("and", "or")
# What other languages call functions, and what they are here.
ELSEWHERE = {
    **dict.fromkeys(("cat", "concat"), "texts and lists are joined by `+`"),
    **dict.fromkeys(("size", "strlen"), "its name is `len`"),
    **dict.fromkeys(("sub", "substr", "substring"), "its name is `slice`"),
    **dict.fromkeys(("format", "to_str", "to_string", "tostring"), "its name is `str`"),
    "abs": "write `if n < 0 then -n else n`",
}


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
                element = self._first_type(*expression.items)
                return None if element is None else List(element)
            case syntax.FieldAccess():
                operand = self.type_of(expression.operand)
                fields = dict(operand.fields) if isinstance(operand, Record) else {}
                return fields.get(expression.name)
            case syntax.Not() | syntax.Operation(operator="and" | "or"):
                return BOOL
            case syntax.Conditional():
                return self._first_type(expression.then, expression.otherwise)
            case syntax.Interpolation():
                return STR
            case syntax.Call(name="some"):
                element = self._first_type(*syntax.children(expression))
                return None if element is None else Optional(element)
            case syntax.Call():
                structure = self._declarations.structure(expression.name)
                if structure is not None:
                    return structure.type
        name, operands = _operands(expression)
        if any(not self.is_known(operand) for operand in operands):
            return None
        found = resolve(self._overloads(name), [self.type_of(operand) for operand in operands])
        return found[1] if found else None

    def _first_type(self, *expressions: syntax.Expression) -> Type | None:
        types = (self.type_of(expression) for expression in expressions)
        return next((type_ for type_ in types if type_ is not None), None)

    def is_known(self, expression: syntax.Expression) -> bool:
        """Whether every variable in `expression` has a type."""
        if isinstance(expression, syntax.Name):
            return expression.name in self.variables
        return all(self.is_known(child) for child in syntax.children(expression))

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
            and expected in {MAC, IP4, IP6, PREFIX}
        ):
            helps = (f"write the {expected} without quotes",)
        elif isinstance(found, Optional) and found.element == expected:
            helps = ("`some(name)` in an atom takes its value, and `unwrap_or(…)` one for `none`",)
        elif isinstance(expected, Optional) and expected.element == found:
            helps = ("write `some(…)`",)
        elif expected == STR:
            helps = ("`str(…)` gives its text",)
        elif expected == INT and resolve(OVERLOADS["int"], [found]):
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
            case syntax.Not():
                return Apply("eq", (self.check(expression.operand, BOOL), FALSE), BOOL)
            case syntax.Conditional():
                return self._conditional(expression, expected)
            case syntax.Interpolation():
                return Apply("str.concat", tuple(map(self._text, expression.parts)), STR)
            case syntax.NoneValue():
                return self._none(expression, expected)
            case syntax.Operation() if expression.operator in CONNECTIVES:
                return self._connective(expression)
            case syntax.Call():
                return self._call(expression, expected)
        return self._apply(expression, expected)

    def _call(self, call: syntax.Call, expected: Type | None) -> Expr:
        structure = self._declarations.structure(call.name)
        if structure is not None:
            return self._structure(call, structure)
        if call.name == SOME:
            return self._some(call, expected)
        if call.name in self._declarations.functions:
            self._reject_unknown_types(call)
        elif call.name not in FUNCTIONS:
            raise self._unknown_function(call)
        self._reject_names(call, "function")
        return self._apply(call, expected)

    def _overloads(self, name: str) -> tuple[Overload, ...]:
        function = self._declarations.functions.get(name)
        if function is None:
            return overloads(name)
        try:
            return (function.bound(self._declarations.named_types()).overload,)
        except LookupError:
            return ()

    def _reject_unknown_types(self, call: syntax.Call) -> None:
        declared = self._declarations.named_types()
        try:
            self._declarations.functions[call.name].bound(declared)
        except LookupError as error:
            (name,) = error.args
            message = f"the annotations of `{call.name}` name a type `{name}`, which there is not"
            helps = self._declarations.ways_to_see(name) or suggest(name, declared)
            declare_it = (f"declare it: `record {name}(field: type)`",)
            label = Label(call.name_span)
            raise self.fail(
                Diagnostic("unknown-type", message, label, helps=helps or declare_it)
            ) from None

    def _reject_names(self, call: syntax.Call, what: str) -> None:
        named = next((a for a in call.arguments if a.name is not None), None)
        if named is not None:
            message = f"arguments of the {what} `{call.name}` have no names"
            raise self.fail(Diagnostic("unknown-column", message, Label(named.span)))

    def _conditional(self, expression: syntax.Conditional, expected: Type | None) -> Expr:
        condition = self.check(expression.condition, BOOL)
        wanted = expected or self._first_type(expression.then, expression.otherwise)
        then = self.check(expression.then, wanted)
        otherwise = self.check(expression.otherwise, then.type)
        return If(condition, then, otherwise, then.type)

    def _connective(self, expression: syntax.Operation) -> Expr:
        left, right = self.check(expression.left, BOOL), self.check(expression.right, BOOL)
        if expression.operator == "and":
            return If(left, right, FALSE, BOOL)
        return If(left, TRUE, right, BOOL)

    def _text(self, part: syntax.Expression) -> Expr:
        checked = self.check(part)
        if checked.type == STR:
            return checked
        found = resolve(OVERLOADS["str"], [checked.type])
        assert found is not None, "every type has a text form"
        return _applied(found[0], [checked], STR)

    def _none(self, none: syntax.NoneValue, expected: Type | None) -> Expr:
        if isinstance(expected, Optional):
            return Const(None, expected)
        if expected is None:
            message = "the type of this `none` is not known"
            helps = ("use it where an optional of a known type is needed, as in a column",)
            raise self.fail(Diagnostic("unknown-type", message, Label(none.span), helps=helps))
        message = f"this is `none`, but {expected} is needed"
        raise self.fail(Diagnostic("type-mismatch", message, Label(none.span)))

    def _some(self, call: syntax.Call, expected: Type | None) -> Expr:
        wanted = expected.element if isinstance(expected, Optional) else None
        value = self._part(self.only_argument(call), wanted)
        if isinstance(value.type, Optional):
            message = f"`{value.type}?` cannot tell `none` from `some(none)`"
            raise self.fail(Diagnostic("nested-optional", message, Label(call.span)))
        return _made([value], Optional(value.type))

    def only_argument(self, call: syntax.Call) -> syntax.Expression:
        """The argument of `some(…)`."""
        self._reject_names(call, "function")
        if len(call.arguments) != 1:
            message = f"`{call.name}` takes one value, not {len(call.arguments)}"
            raise self.fail(Diagnostic("wrong-arity", message, Label(call.span)))
        return call.arguments[0].value

    def _variable(self, name: syntax.Name, helps: tuple[str, ...] = ()) -> Expr:
        if name.is_wildcard:
            message = "`_` has no value, so it can only stand in an atom of the body"
            label = Label(name.span)
            raise self.fail(Diagnostic("misplaced-wildcard", message, label, helps=helps))
        if name.name not in self.variables:
            message = f"variable `{name.name}` is not bound by the rule body"
            label = Label(name.span, "used here, bound nowhere")
            others = [other for other in self.variables if other != name.name]
            if name.name in self._declarations.cases:
                helps = (f"the case of `{self._declarations.cases[name.name]}` is `{name.name}()`",)
            raise self.fail(
                Diagnostic(
                    "ungrounded-variable",
                    message,
                    label,
                    notes=(f"the rule's other variables are {names_of(others)}",) if others else (),
                    helps=helps + suggest(name.name, others) + WAYS_TO_BIND,
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
        return _made(items, List(element))

    def _structure(self, call: syntax.Call, structure: Structure) -> Expr:
        fields = structure.record.fields
        columns = [name for name, _ in fields]
        values = self.arrange(call, columns, structure.what)
        missing = [column for column, value in zip(columns, values, strict=True) if value is None]
        if missing:
            raise self.fail(missing_columns(call, structure.what, missing))
        typed = zip(values, fields, strict=True)
        parts = [self._part(value, type_) for value, (_, type_) in typed if value]
        return _made(parts, structure.type, structure.place)

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
            helps = (f"the names are {names_of(columns)}",) if columns else ()
            label = Label(call.span)
            raise self.fail(Diagnostic("mixed-arguments", message, label, helps=helps))
        if positional and len(positional) != len(columns):
            raise self.fail(wrong_arity(call, columns, what))
        for place, argument in enumerate(call.arguments):
            if argument.name is not None:
                if argument.name not in columns:
                    raise self.fail(unknown_column(argument, columns, what))
                place = columns.index(argument.name)  # noqa: PLW2901  # by name instead
            if values[place] is not None:
                message = f"`{argument.name}` is given twice"
                raise self.fail(Diagnostic("duplicate-argument", message, Label(argument.span)))
            values[place] = argument.value
        return values

    def _apply(self, expression: syntax.Expression, expected: Type | None) -> Apply:
        name, operands = _operands(expression)
        types = [self.type_of(operand) for operand in operands]
        candidates = self._overloads(name)
        found = resolve(candidates, types)
        if found is None:
            for operand in operands:
                self.check(operand)
            raise self.fail(no_overload(expression.span, name, candidates, types))
        overload, result = found
        element = element_type(overload, types)
        if element is None and expected is not None:
            element = element_of(overload.result, expected)
            result = fill(overload.result, element)
        wanted = [None if p is None else fill(p, element) for p in overload.parameters]
        checked = [
            self.check(operand, None if type_ is None and is_open(parameter) else parameter)
            for operand, type_, parameter in zip(operands, types, wanted, strict=True)
        ]
        return _applied(overload, checked, result)

    def _unknown_function(self, call: syntax.Call) -> MistakeError:
        name = call.name
        if name in self._declarations.tables:
            message = f"`{name}` is a table, and cannot stand in an expression"
            helps: tuple[str, ...] = (
                "make it a literal of its own, and use the variables that it binds",
                "for one table or another, write two rules",
            )
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
        declared = self._declarations
        known = [
            *FUNCTIONS,
            SOME,
            *declared.functions,
            *declared.records,
            *declared.cases,
            *declared.tables,
        ]
        ways_out = declared.ways_to_see(name)
        if not ways_out and name in ELSEWHERE:
            ways_out = (ELSEWHERE[name],)
        ways_out = ways_out or suggest(name, known) or (declare_it, GIVE_IT)
        return self.fail(
            Diagnostic(
                "unknown-name",
                f"there is no table, function or record `{name}`",
                Label(call.name_span),
                helps=ways_out,
            )
        )


def _operands(expression: syntax.Expression) -> tuple[str, tuple[syntax.Expression, ...]]:
    match expression:
        case syntax.Operation():
            return expression.operator, (expression.left, expression.right)
        case syntax.Negative():
            return "negative", (expression.operand,)
        case syntax.Call():
            return expression.name, tuple(argument.value for argument in expression.arguments)
    return "", ()


def _applied(overload: Overload, arguments: list[Expr], result: Type) -> Apply:
    given = [*reversed(arguments)] if overload.swapped else list(arguments)
    if overload.typed:
        given.append(Const(arguments[0].type, TYPE))
    if overload.foreign is not None:
        given.insert(0, Const(overload.foreign, FUNCTION))
    return Apply(overload.core, tuple(given), result)


def _made(parts: list[Expr], type_: Type, place: int | None = None) -> Expr:
    """A value that has parts; a constant if all of them are."""
    constants = [part.value for part in parts if isinstance(part, Const)]
    is_constant = len(constants) == len(parts)
    match type_:
        case Union():
            assert place is not None
            if is_constant:
                return Const(case_class(type_, type_.cases[place].name)(*constants), type_)
            return Apply("union.make", (Const(place, INT), *parts), type_)
        case Optional():
            return (
                Const(constants[0], type_)
                if is_constant
                else Apply("optional.make", (*parts,), type_)
            )
        case Record() if is_constant:
            return Const(record_class(type_)(*constants), type_)
    return Const(tuple(constants), type_) if is_constant else Apply("tuple.make", (*parts,), type_)
