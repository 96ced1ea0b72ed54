"""What the checker has to say about calls: arguments, columns and types that do not fit.

Each function makes one `Diagnostic`; who found the mistake reports it.
"""

from collections.abc import Sequence

from nlog import syntax
from nlog.diagnostics import Diagnostic, Label, Span, suggest
from nlog.functions import Overload
from nlog.types import INT, IP4, MAC, STR, Type

SPELLING = {"negative": "-"}
WAYS_TO_BIND = ("add an atom that binds it, or an equality with something bound, written `=`",)
NO_PATTERN = (
    "values are taken apart in the atoms of a body, and by `=`, as in `pair(a, b) = whole`; here "
    "they are only compared"
)
AGGREGATES = ("avg", "count", "max", "min", "sum")
NO_AGGREGATES = ("the language has no aggregates: compute this where the table is read",)
COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")


def missing_columns(call: syntax.Call, what: str, missing: list[str]) -> Diagnostic:
    """A head or record that leaves out what it must give."""
    message = f"{what} needs a value for {names_of(missing)}"
    return Diagnostic("missing-column", message, Label(call.span))


def no_overload(
    span: Span, name: str, overloads: Sequence[Overload], types: list[Type | None]
) -> Diagnostic:
    """A function or operator that takes no such arguments."""
    given = ", ".join("?" if type_ is None else str(type_) for type_ in types)
    if name in COMPARISONS and len(set(types)) > 1:
        forms: tuple[str, ...] = ("it compares two values of one type",)
    elif name in {"==", "!="}:
        forms = ()
    elif name == "negative":
        forms = ("it takes an `int`",)
    else:
        forms = tuple(f"it takes `{str(overload).strip()}`" for overload in overloads[:6])
    helps: tuple[str, ...] = ()
    if name == "+" and STR in types:
        helps = ("`str(…)` gives the text of a value",)
    elif not name.isidentifier() and INT in types and not {IP4, MAC}.isdisjoint(types):
        helps = ("`int(…)` gives the number of an address, and `ip4(…)` or `mac(…)` its address",)
    message = f"`{SPELLING.get(name, name)}` does not take ({given})"
    return Diagnostic("type-mismatch", message, Label(span), notes=forms, helps=helps)


def names_of(columns: list[str]) -> str:
    """Names as a message lists them."""
    return ", ".join(f"`{column}`" for column in columns)


def _part(what: str) -> str:
    return "column" if what.startswith("table") else "field"


def wrong_arity(call: syntax.Call, columns: list[str], what: str) -> Diagnostic:
    """More or fewer arguments by position than there are columns."""
    helps: tuple[str, ...] = ()
    if len(columns) > 1 and _part(what) == "column":
        helps = ("`column: value` names the columns you need; the body may leave others out",)
    return Diagnostic(
        "wrong-arity",
        f"{what} has {len(columns)} {_part(what)}{'s' * (len(columns) != 1)}, "
        f"not {len(call.arguments)}",
        Label(call.span),
        notes=(f"it has {names_of(columns)}",) if columns else (),
        helps=helps,
    )


def unknown_column(argument: syntax.Argument, columns: list[str], what: str) -> Diagnostic:
    """An argument by a name that no column has."""
    return Diagnostic(
        "unknown-column",
        f"{what} has no {_part(what)} `{argument.name}`",
        Label(argument.span),
        notes=(f"it has {names_of(columns)}",) if columns else (),
        helps=suggest(argument.name or "", columns),
    )
