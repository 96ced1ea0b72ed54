"""Python functions: what `@nlog.function` makes, and what becomes of it in a program.

    @nlog.function
    def gateway(network: nlog.prefix, place: int) -> nlog.ip4: ...

    program = nlog.load("policy.nlog", functions=[gateway])

Rules of that program then call `gateway(net, 1)` as they call built-in functions. Types are read
from the annotations once, when the function is defined, and TypeError says there what does not do:

    bool, int, str, bytes           themselves
    nlog.mac, ip4, ip6, prefix      text, as rows have them
    Annotated[Any, "name"]          the record or union that the program declares by this name
    tuple[type, ...]                a list; list[type] may be a result, too
    type | None                     an optional

A record or union is looked for when a rule calls the function, among what that rule's file sees, so
one function serves any program that declares what it names.

Functions must be pure: the engine keeps values (core/foreign.h) and asks again when it likes.
"""

import inspect
import re
import typing
from collections.abc import Callable, Iterable, Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Generic, ParamSpec, TypeVar

from attrs import frozen

from nlog.functions import AGGREGATES, FUNCTIONS, SOME, ForeignFunction
from nlog.types import BOOL, BYTES, INT, SCALARS, STR, List, Optional, Record, Type

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

mac = Annotated[str, "mac"]
ip4 = Annotated[str, "ip4"]
ip6 = Annotated[str, "ip6"]
prefix = Annotated[str, "prefix"]

PLAIN = {bool: BOOL, int: INT, str: STR, bytes: BYTES}
IDENTIFIER = re.compile(r"(?!_$)[A-Za-z_][A-Za-z_0-9]*", re.ASCII)
KEYWORDS = {"not", "true", "false", "none", "if", "and", "or", "in", "then", "else"}
BUILT_IN = {*FUNCTIONS, *AGGREGATES, *SCALARS, SOME}
EXPECTED = (
    "bool, int, str, bytes, nlog.mac, nlog.ip4, nlog.ip6, nlog.prefix, tuple[type, ...], "
    'type | None, or Annotated[Any, "name"] for a record or union'
)


@frozen(eq=False, repr=False)
class Function(Generic[Parameters, Result]):
    """A Python function that rules can call; in Python it is called as before."""

    body: Callable[Parameters, Result]
    name: str
    _annotations: Mapping[str, Any]

    def __call__(self, *arguments: Parameters.args, **named: Parameters.kwargs) -> Result:
        """What the function gives in Python."""
        return self.body(*arguments, **named)

    def __repr__(self) -> str:
        return f"<nlog.function {self.name}>"

    def bound(self, declared: Mapping[str, Type]) -> ForeignFunction:
        """The function with the records and unions of a file; LookupError has a missing name."""
        types = {
            key: _read(annotation, key == "return", declared)
            for key, annotation in self._annotations.items()
        }
        result = types.pop("return")
        return ForeignFunction(self.name, self.body, tuple(types.values()), result)


def function(body: Callable[Parameters, Result]) -> Function[Parameters, Result]:
    """Make a Python function one that rules can call, by the types of its annotations.

    TypeError if it has a name that rules cannot use, or an annotation is missing or no type.
    """
    name = getattr(body, "__name__", "")
    if not inspect.isfunction(body):
        raise TypeError(f"{body!r} is no function: nlog.function decorates a `def`")
    if not IDENTIFIER.fullmatch(name) or name in KEYWORDS:
        raise TypeError(f"`{name}` is no name that rules could call: write a `def` with one")
    if name in BUILT_IN:
        raise TypeError(f"`{name}` is built into the language: give the function another name")
    try:
        hints = typing.get_type_hints(body, include_extras=True)
    except Exception as error:
        raise TypeError(f"function `{name}`: an annotation cannot be read: {error}") from error
    annotations = {}
    for parameter in inspect.signature(body).parameters.values():
        if parameter.kind not in {parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD}:
            raise TypeError(f"{_place(name, parameter.name)}: rules give arguments by position")
        if parameter.default is not parameter.empty:
            raise TypeError(
                f"{_place(name, parameter.name)}: rules give every argument; no default"
            )
        annotations[parameter.name] = hints.get(parameter.name, parameter.empty)
    annotations["return"] = hints.get("return", inspect.Parameter.empty)
    for key, annotation in annotations.items():
        try:
            _read(annotation, key == "return", None)
        except TypeError as error:
            raise TypeError(f"{_place(name, key)}: {error}") from None
    return Function(body, name, annotations)


def by_name(functions: Iterable[Function[..., Any]]) -> dict[str, Function[..., Any]]:
    """The functions that a program is given; TypeError if they are none, or two have one name."""
    named: dict[str, Function[..., Any]] = {}
    for one in functions:
        if not isinstance(one, Function):
            raise TypeError(f"{one!r} cannot be called by rules: decorate it with @nlog.function")
        if named.setdefault(one.name, one) is not one:
            raise TypeError(f"two functions are named `{one.name}`: give one of them another name")
    return named


def _place(name: str, key: str) -> str:
    if key == "return":
        return f"function `{name}`, its result"
    return f"function `{name}`, parameter `{key}`"


def _read(annotation: Any, is_result: bool, declared: Mapping[str, Type] | None) -> Type:
    """The type of an annotation; names stand for themselves if nothing is declared yet."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation is inspect.Parameter.empty:
        raise TypeError(f"it has no annotation; write one of {EXPECTED}")
    if isinstance(annotation, type) and annotation in PLAIN:
        return PLAIN[annotation]
    if origin is Annotated and isinstance(arguments[1], str):
        return _named(arguments[1], declared)
    if origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
        return List(_read(arguments[0], is_result, declared))
    if origin is list and arguments:
        if not is_result:
            raise TypeError("a list comes as a tuple: write tuple[type, ...]")
        return List(_read(arguments[0], is_result, declared))
    if origin in {typing.Union, UnionType}:
        parts = [part for part in arguments if part is not NoneType]
        if len(parts) == 1:
            element = _read(parts[0], is_result, declared)
            if isinstance(element, Optional):
                raise TypeError("an optional of an optional cannot tell one None from the other")
            return Optional(element)
    raise TypeError(f"{annotation!r} is no type that rules know; write one of {EXPECTED}")


def _named(name: str, declared: Mapping[str, Type] | None) -> Type:
    if name in SCALARS:
        return SCALARS[name]
    if declared is None:
        return Record(name, ())
    if name not in declared:
        raise LookupError(name)
    return declared[name]
