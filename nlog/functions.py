"""The built-in functions, operators and aggregates: their names in rules and in the core, types.

All are pure. An operator is a function whose name is its symbol. A name may have several
overloads, told apart by the types of its arguments; `ELEMENT` stands for any one type, and
`[ELEMENT]` for a list of it. The core's name (`core/functions.h`) says which machine operation
runs. What each means is in docs/language.md; engine/reference_functions.py has an
implementation of its own.

An aggregate is written like a function, of one row's value, and stands for a function of all the
values of a group. Its core's name is that of plan.py's `AggregateFunction`.
"""

from collections.abc import Sequence

from attrs import frozen

from nlog.types import BOOL, INT, IP4, MAC, PREFIX, SCALARS, STR, List, Scalar, Type

ELEMENT = Scalar("element")


@frozen
class Overload:
    """`name(parameters) -> result`, run as `core`; `swapped` passes two arguments in reverse.

    One that is `fallible` has no value for some arguments.
    """

    name: str
    parameters: tuple[Type, ...]
    result: Type
    core: str
    swapped: bool = False
    fallible: bool = False

    def __str__(self) -> str:
        parameters = [str(parameter) for parameter in self.parameters]
        if not self.name.isidentifier():
            return f" {self.name} ".join(parameters)
        return f"{self.name}({', '.join(parameters)}) -> {self.result}"


def _ordered(type_: Type, family: str) -> list[Overload]:
    both = (type_, type_)
    return [
        Overload("<", both, BOOL, f"{family}.lt"),
        Overload("<=", both, BOOL, f"{family}.le"),
        Overload(">", both, BOOL, f"{family}.lt", swapped=True),
        Overload(">=", both, BOOL, f"{family}.le", swapped=True),
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


_ALL = (
    Overload("==", (ELEMENT, ELEMENT), BOOL, "eq"),
    Overload("!=", (ELEMENT, ELEMENT), BOOL, "ne"),
    *_ordered(INT, "int"),
    *_ordered(STR, "str"),
    *(overload for type_ in (BOOL, MAC, IP4, PREFIX) for overload in _ordered(type_, "word")),
    *_arithmetic(),
    Overload("negative", (INT,), INT, "int.neg", fallible=True),
    Overload("+", (STR, STR), STR, "str.concat"),
    Overload("+", (List(ELEMENT), List(ELEMENT)), List(ELEMENT), "list.concat"),
    *(Overload("str", (scalar,), STR, f"str.of_{scalar}") for scalar in (STR, BOOL, INT, MAC)),
    *(Overload("str", (scalar,), STR, f"str.of_{scalar}") for scalar in (IP4, PREFIX)),
    *(Overload("int", (scalar,), INT, "int.of_word") for scalar in (BOOL, MAC, IP4)),
    Overload("mac", (INT,), MAC, "mac.of_int", fallible=True),
    Overload("ip4", (INT,), IP4, "ip4.of_int", fallible=True),
    Overload("prefix_of", (IP4, INT), PREFIX, "prefix.of", fallible=True),
    Overload("contains", (PREFIX, IP4), BOOL, "prefix.has_ip4"),
    Overload("contains", (PREFIX, PREFIX), BOOL, "prefix.has_prefix"),
    Overload("network", (PREFIX,), IP4, "prefix.network"),
    Overload("length", (PREFIX,), INT, "prefix.length"),
    Overload("mask", (PREFIX,), IP4, "prefix.mask"),
    Overload("len", (STR,), INT, "str.len"),
    Overload("len", (List(ELEMENT),), INT, "list.len"),
    Overload("has", (List(ELEMENT), ELEMENT), BOOL, "list.has"),
    Overload("at", (List(ELEMENT), INT), ELEMENT, "list.get", fallible=True),
)

_AGGREGATES = (
    Overload("count", (), INT, "count"),
    Overload("count", (ELEMENT,), INT, "distinct"),
    Overload("sum", (INT,), INT, "sum"),
    *(Overload("min", (scalar,), scalar, "min") for scalar in SCALARS.values()),
    *(Overload("max", (scalar,), scalar, "max") for scalar in SCALARS.values()),
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
FALLIBLE = frozenset(overload.core for overload in _ALL if overload.fallible)

FUNCTIONS = tuple(name for name in OVERLOADS if name.isidentifier() and name != "negative")


def overloads(name: str) -> tuple[Overload, ...]:
    """Those of a function, an operator or an aggregate."""
    return AGGREGATES.get(name) or OVERLOADS[name]


def resolve(name: str, arguments: Sequence[Type | None]) -> tuple[Overload, Type] | None:
    """The overload of `name` that takes `arguments`, with ELEMENT's type filled into its result.

    None stands for an argument of unknown type, the empty list, which any list parameter takes.
    """
    for overload in overloads(name):
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


def fill(type_: Type, element: Type | None) -> Type:
    """`type_` with ELEMENT replaced."""
    if element is None:
        return type_
    if type_ == ELEMENT:
        return element
    return List(fill(type_.element, element)) if isinstance(type_, List) else type_


def _takes(parameter: Type, argument: Type | None, element: list[Type]) -> bool:
    if argument is None:
        return isinstance(parameter, List) or parameter == ELEMENT
    if parameter == ELEMENT:
        if not element:
            element.append(argument)
        return element[0] == argument
    if isinstance(parameter, List):
        return isinstance(argument, List) and _takes(parameter.element, argument.element, element)
    return parameter == argument
