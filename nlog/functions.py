"""The built-in functions, operators and aggregates: their names in rules and in the core, types.

All are pure. An operator is a function whose name is its symbol. A name may have several
overloads, told apart by the types of its arguments; `ELEMENT` stands for any one type, and
`[ELEMENT]` and `ELEMENT?` for a list or an optional of it. The core's name (`core/functions.h`)
says which machine operation runs. What each means is in docs/language.md;
engine/reference_functions.py has an implementation of its own.

An aggregate is written like a function, of one row's value, and stands for a function of all the
values of a group. Its core's name is that of plan.py's `AggregateFunction`.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from attrs import frozen

from nlog.types import (
    BOOL,
    BYTES,
    INT,
    IP4,
    IP6,
    MAC,
    PREFIX,
    STR,
    List,
    Optional,
    Scalar,
    Type,
)

ELEMENT = Scalar("element")

# Makes an optional; its argument may be a pattern, so it is no function like others.
SOME = "some"
# Calls the Python function that is its first argument (core/foreign.h).
FOREIGN = "foreign.call"


@frozen
class ForeignFunction:
    """A Python function, with the types of its parameters and result in some program."""

    name: str
    body: Callable[..., Any]
    parameters: tuple[Type, ...]
    result: Type

    @property
    def overload(self) -> "Overload":
        """The function as rules know it."""
        return Overload(
            self.name, self.parameters, self.result, FOREIGN, fallible=True, foreign=self
        )


@frozen
class Overload:
    """`name(parameters) -> result`, run as `core`; `swapped` passes two arguments in reverse.

    One that is `fallible` has no value for some arguments. One that is `typed` passes the type of
    its first argument as well, after all others; a `foreign` one passes itself, before them.
    """

    name: str
    parameters: tuple[Type, ...]
    result: Type
    core: str
    swapped: bool = False
    fallible: bool = False
    typed: bool = False
    foreign: ForeignFunction | None = None

    def __str__(self) -> str:
        parameters = [str(parameter) for parameter in self.parameters]
        if not self.name.isidentifier() or self.name == "in":
            return f" {self.name} ".join(parameters)
        return f"{self.name}({', '.join(parameters)}) -> {self.result}"


def _ordered(type_: Type, family: str) -> list[Overload]:
    both = (type_, type_)
    typed = type_ == ELEMENT
    return [
        Overload("<", both, BOOL, f"{family}.lt", typed=typed),
        Overload("<=", both, BOOL, f"{family}.le", typed=typed),
        Overload(">", both, BOOL, f"{family}.lt", swapped=True, typed=typed),
        Overload(">=", both, BOOL, f"{family}.le", swapped=True, typed=typed),
    ]


def _arithmetic() -> list[Overload]:
    names = {
        "+": "add",
        "-": "sub",
        "*": "mul",
        "/": "floordiv",
        "%": "mod",
        "&": "and",
        "|": "or",
        "^": "xor",
        "<<": "shl",
        ">>": "shr",
    }
    return [
        Overload(symbol, (INT, INT), INT, f"int.{name}", fallible=symbol not in "&|^")
        for symbol, name in names.items()
    ]


ELEMENTS = List(ELEMENT)

_OPERATORS = (
    Overload("==", (ELEMENT, ELEMENT), BOOL, "eq"),
    Overload("!=", (ELEMENT, ELEMENT), BOOL, "ne"),
    *_ordered(INT, "int"),
    *_ordered(STR, "str"),
    *_ordered(BYTES, "bytes"),
    *(overload for type_ in (BOOL, MAC, IP4) for overload in _ordered(type_, "word")),
    *_ordered(ELEMENT, "value"),
    *_arithmetic(),
    Overload("negative", (INT,), INT, "int.neg", fallible=True),
    Overload("+", (STR, STR), STR, "str.concat"),
    Overload("+", (BYTES, BYTES), BYTES, "bytes.concat"),
    Overload("+", (ELEMENTS, ELEMENTS), ELEMENTS, "list.concat"),
    Overload("in", (IP4, PREFIX), BOOL, "prefix.has_ip4", swapped=True),
    Overload("in", (IP6, PREFIX), BOOL, "prefix.has_ip6", swapped=True),
    Overload("in", (PREFIX, PREFIX), BOOL, "prefix.has_prefix", swapped=True),
    Overload("in", (STR, STR), BOOL, "str.has", swapped=True),
    Overload("in", (ELEMENT, ELEMENTS), BOOL, "list.has", swapped=True),
)

_CONVERSIONS = (
    *(
        Overload("str", (scalar,), STR, f"str.of_{scalar}")
        for scalar in (STR, BOOL, INT, MAC, IP4, IP6, PREFIX, BYTES)
    ),
    Overload("str", (ELEMENT,), STR, "value.show", typed=True),
    *(Overload("int", (scalar,), INT, "int.of_word") for scalar in (BOOL, MAC, IP4)),
    Overload("mac", (INT,), MAC, "mac.of_int", fallible=True),
    Overload("ip4", (INT,), IP4, "ip4.of_int", fallible=True),
    Overload("ip6", (INT, INT), IP6, "ip6.of_halves"),
    Overload("ip6", (IP4,), IP6, "ip6.of_ip4"),
    Overload("high_half", (IP6,), INT, "ip6.high"),
    Overload("low_half", (IP6,), INT, "ip6.low"),
    *(Overload("bytes", (scalar,), BYTES, f"bytes.of_{scalar}") for scalar in (STR, MAC, IP4, IP6)),
)

_ADDRESSES = (
    Overload("prefix_of", (IP4, INT), PREFIX, "prefix.of", fallible=True),
    Overload("prefix_of", (IP6, INT), PREFIX, "prefix.of_ip6", fallible=True),
    Overload("contains", (PREFIX, IP4), BOOL, "prefix.has_ip4"),
    Overload("contains", (PREFIX, IP6), BOOL, "prefix.has_ip6"),
    Overload("contains", (PREFIX, PREFIX), BOOL, "prefix.has_prefix"),
    Overload("network", (PREFIX,), IP4, "prefix.network", fallible=True),
    Overload("network6", (PREFIX,), IP6, "prefix.network6", fallible=True),
    Overload("broadcast", (PREFIX,), IP4, "prefix.broadcast", fallible=True),
    Overload("mask", (PREFIX,), IP4, "prefix.mask", fallible=True),
    Overload("length", (PREFIX,), INT, "prefix.length"),
    Overload("family", (PREFIX,), INT, "prefix.family"),
)

_SEQUENCES = (
    Overload("len", (STR,), INT, "str.len"),
    Overload("len", (BYTES,), INT, "bytes.len"),
    Overload("len", (ELEMENTS,), INT, "list.len"),
    Overload("has", (ELEMENTS, ELEMENT), BOOL, "list.has"),
    Overload("at", (ELEMENTS, INT), ELEMENT, "list.get", fallible=True),
    Overload("at", (BYTES, INT), INT, "bytes.get", fallible=True),
    Overload("first", (ELEMENTS,), ELEMENT, "list.first", fallible=True),
    Overload("last", (ELEMENTS,), ELEMENT, "list.last", fallible=True),
    Overload("slice", (STR, INT, INT), STR, "str.slice"),
    Overload("slice", (BYTES, INT, INT), BYTES, "bytes.slice"),
    Overload("slice", (ELEMENTS, INT, INT), ELEMENTS, "list.slice"),
    Overload("sorted", (ELEMENTS,), ELEMENTS, "list.sort", typed=True),
    Overload("starts_with", (STR, STR), BOOL, "str.starts_with"),
    Overload("ends_with", (STR, STR), BOOL, "str.ends_with"),
    Overload("split", (STR, STR), List(STR), "str.split", fallible=True),
    Overload("join", (List(STR), STR), STR, "str.join"),
    Overload("unwrap", (Optional(ELEMENT),), ELEMENT, "optional.value", fallible=True),
    Overload("unwrap_or", (Optional(ELEMENT), ELEMENT), ELEMENT, "optional.value_or"),
)

_ALL = (*_OPERATORS, *_CONVERSIONS, *_ADDRESSES, *_SEQUENCES)

_AGGREGATES = (
    Overload("count", (), INT, "count"),
    Overload("count", (ELEMENT,), INT, "distinct"),
    Overload("sum", (INT,), INT, "sum"),
    Overload("min", (ELEMENT,), ELEMENT, "min"),
    Overload("max", (ELEMENT,), ELEMENT, "max"),
    Overload("list", (ELEMENT,), List(ELEMENT), "list"),
    Overload("set", (ELEMENT,), List(ELEMENT), "set"),
    Overload("any", (ELEMENT,), ELEMENT, "any"),
)


def _by_name(overloads: Sequence[Overload]) -> dict[str, tuple[Overload, ...]]:
    return {
        name: tuple(overload for overload in overloads if overload.name == name)
        for name in dict.fromkeys(overload.name for overload in overloads)
    }


OVERLOADS = _by_name(_ALL)
AGGREGATES = _by_name(_AGGREGATES)

# By the core's names.
FALLIBLE = frozenset({FOREIGN, *(overload.core for overload in _ALL if overload.fallible)})

FUNCTIONS = tuple(
    name for name in OVERLOADS if name.isidentifier() and name not in {"negative", "in"}
)


def overloads(name: str) -> tuple[Overload, ...]:
    """Those of a function, an operator or an aggregate."""
    return AGGREGATES.get(name) or OVERLOADS.get(name, ())


def resolve(
    candidates: Iterable[Overload], arguments: Sequence[Type | None]
) -> tuple[Overload, Type] | None:
    """The overload that takes `arguments`, with ELEMENT's type filled into its result.

    None stands for an argument of unknown type, `[]` or `none`, which any parameter of that form
    takes.
    """
    for overload in candidates:
        if len(overload.parameters) != len(arguments):
            continue
        element: list[Type] = []
        pairs = zip(overload.parameters, arguments, strict=True)
        if all(_takes(parameter, argument, element) for parameter, argument in pairs):
            return overload, fill(overload.result, element[0] if element else None)
    return None


def element_type(overload: Overload, arguments: Sequence[Type | None]) -> Type | None:
    """What ELEMENT stands for when `overload` takes `arguments`; None if nothing tells."""
    element: list[Type] = []
    for parameter, argument in zip(overload.parameters, arguments, strict=True):
        _takes(parameter, argument, element)
    return element[0] if element else None


def element_of(result: Type, expected: Type) -> Type | None:
    """What ELEMENT stands for when a `result` is to be of the type `expected`, if that tells."""
    element: list[Type] = []
    return element[0] if _takes(result, expected, element) and element else None


def fill(type_: Type, element: Type | None) -> Type:
    """`type_` with ELEMENT replaced."""
    if element is None:
        return type_
    match type_:
        case List():
            return List(fill(type_.element, element))
        case Optional():
            return Optional(fill(type_.element, element))
    return element if type_ == ELEMENT else type_


def is_open(type_: Type) -> bool:
    """Whether ELEMENT is in it."""
    return fill(type_, INT) != type_


def _takes(parameter: Type, argument: Type | None, element: list[Type]) -> bool:
    if argument is None:
        return isinstance(parameter, List | Optional) or parameter == ELEMENT
    if parameter == ELEMENT:
        if not element:
            element.append(argument)
        return element[0] == argument
    if isinstance(parameter, List | Optional):
        return type(argument) is type(parameter) and _takes(
            parameter.element, argument.element, element
        )
    return parameter == argument
