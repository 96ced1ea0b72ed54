"""The syntax tree: what the author wrote, and where; nothing is resolved or typed yet.

Whether `near(a, b)` is an atom, a function or a record cannot be told from its form, so all
three are a `Call` here; the checker knows the declarations and decides.
"""

from typing import Any

from attrs import field, frozen

from nlog.diagnostics import Source, Span
from nlog.types import Scalar


@frozen
class Literal:
    """A constant: the value in its Python form, and its type."""

    value: Any
    type: Scalar
    span: Span = field(eq=False, repr=False)


@frozen
class Name:
    """A variable, or the wildcard `_`."""

    name: str
    span: Span = field(eq=False, repr=False)

    @property
    def is_wildcard(self) -> bool:
        """Whether this is `_`, which stands for any value and binds nothing."""
        return self.name == "_"


@frozen
class Operation:
    """`left operator right`."""

    operator: str
    left: "Expression"
    right: "Expression"
    span: Span = field(eq=False, repr=False)


@frozen
class Negative:
    """`-operand`."""

    operand: "Expression"
    span: Span = field(eq=False, repr=False)


@frozen
class FieldAccess:
    """`operand.name`, a field of a record."""

    operand: "Expression"
    name: str
    span: Span = field(eq=False, repr=False)


@frozen
class ListDisplay:
    """`[item, …]`."""

    items: tuple["Expression", ...]
    span: Span = field(eq=False, repr=False)


@frozen
class Argument:
    """An argument of a call: `name` is None when it is given by position."""

    name: str | None
    value: "Expression"
    span: Span = field(eq=False, repr=False)


@frozen
class Call:
    """`name(argument, …)`: an atom, a function or a record."""

    name: str
    arguments: tuple[Argument, ...]
    span: Span = field(eq=False, repr=False)
    name_span: Span = field(eq=False, repr=False)


@frozen
class Not:
    """`not operand`: the contrary, or the absence of rows."""

    operand: "Expression"
    span: Span = field(eq=False, repr=False)


@frozen
class Conditional:
    """`if condition then then else otherwise`."""

    condition: "Expression"
    then: "Expression"
    otherwise: "Expression"
    span: Span = field(eq=False, repr=False)


@frozen
class Interpolation:
    """`"text {part} text"`: texts and expressions in order."""

    parts: tuple["Expression", ...]
    span: Span = field(eq=False, repr=False)


@frozen
class NoneValue:
    """`none`, of an optional type."""

    span: Span = field(eq=False, repr=False)


Expression = (
    Literal
    | Name
    | Operation
    | Negative
    | FieldAccess
    | ListDisplay
    | Call
    | Not
    | Conditional
    | Interpolation
    | NoneValue
)


def children(expression: Expression) -> tuple[Expression, ...]:
    """The expressions that `expression` is directly made of, in order."""
    match expression:
        case Operation():
            return expression.left, expression.right
        case Negative() | FieldAccess() | Not():
            return (expression.operand,)
        case ListDisplay():
            return expression.items
        case Call():
            return tuple(argument.value for argument in expression.arguments)
        case Conditional():
            return expression.condition, expression.then, expression.otherwise
        case Interpolation():
            return expression.parts
    return ()


@frozen
class Condition:
    """A literal of a body: an atom or a boolean expression, or the absence of either."""

    expression: Expression
    negated: bool
    span: Span = field(eq=False, repr=False)


@frozen
class Binding:
    """`left = right`: binds the variable on one side to the other, or tests that they agree."""

    left: Expression
    right: Expression
    span: Span = field(eq=False, repr=False)


@frozen
class RuleSyntax:
    """`head :- literal, … .`; a fact has no body."""

    head: Call
    body: tuple[Condition | Binding, ...]
    span: Span = field(eq=False, repr=False)


@frozen
class NamedType:
    """A scalar's or a record's name in a declaration."""

    name: str
    span: Span = field(eq=False, repr=False)


@frozen
class ListType:
    """`[element]` in a declaration."""

    element: "TypeSyntax"
    span: Span = field(eq=False, repr=False)


@frozen
class OptionalType:
    """`element?` in a declaration."""

    element: "TypeSyntax"
    span: Span = field(eq=False, repr=False)


TypeSyntax = NamedType | ListType | OptionalType


@frozen
class ColumnSyntax:
    """`name: type` of a table or record; `key` is where the word stands that makes it a key."""

    name: str
    type: TypeSyntax
    span: Span = field(eq=False, repr=False)
    key: Span | None = field(default=None, eq=False, repr=False)


@frozen
class Modifier:
    """A word that stands before a declaration, such as `export`."""

    word: str
    span: Span = field(eq=False, repr=False)


@frozen
class RecordSyntax:
    """`record name(field: type, …)`."""

    modifiers: tuple[Modifier, ...]
    name: str
    fields: tuple[ColumnSyntax, ...]
    span: Span = field(eq=False, repr=False)


@frozen
class CaseSyntax:
    """`name(field: type, …)`, a case of a union; its modifiers are those of the union."""

    modifiers: tuple[Modifier, ...]
    name: str
    fields: tuple[ColumnSyntax, ...]
    span: Span = field(eq=False, repr=False)


@frozen
class UnionSyntax:
    """`union name = case | …`."""

    modifiers: tuple[Modifier, ...]
    name: str
    cases: tuple[CaseSyntax, ...]
    span: Span = field(eq=False, repr=False)


@frozen
class TableSyntax:
    """`table name(column: type, …)`."""

    modifiers: tuple[Modifier, ...]
    name: str
    columns: tuple[ColumnSyntax, ...]
    span: Span = field(eq=False, repr=False)


@frozen
class Import:
    """`import "path"`, relative to the importing file."""

    modifiers: tuple[Modifier, ...]
    path: str
    span: Span = field(eq=False, repr=False)


Item = Import | RecordSyntax | UnionSyntax | TableSyntax | RuleSyntax


@frozen
class Link:
    """A module that another one imports, by its key; `exported` if it passes the names on."""

    key: str
    exported: bool


@frozen
class Module:
    """One source's items in order; `key` is what links know it by."""

    source: Source
    items: tuple[Item, ...]
    key: str = ""
    links: tuple[Link, ...] = ()
