"""The types of nlog's columns, variables and expressions.

A type says how a value looks to a person (`mac` is text such as `0a:00:00:00:00:01`) and how it
is kept: every value is one 64-bit word. What fits the word is kept as it is; all else is interned,
and the word is its number. Equal values therefore have equal words, and the core compares words
without knowing types. Where it has to order or print what is made of parts, it is told the type
(`describe`).

Rows handed to Python hold plain values:

    bool, int, str, bytes   themselves (int: signed, 64 bits)
    mac, ip4, ip6, prefix   canonical text, `0a:00:00:00:00:01`, `10.0.0.1`, `::1`, `10.0.0.0/24`
    record                  a named tuple of the record's name and fields
    union                   an object of the case's class (`case_class`), such as `output(port=1)`
    list                    a tuple
    optional                None, or the value
"""

from collections import namedtuple
from functools import cache
from typing import Any, ClassVar

from attrs import frozen


@frozen
class Scalar:
    """One of the built-in types without parts."""

    name: str

    def __str__(self) -> str:
        return self.name


@frozen
class Record:
    """A named tuple of typed fields, declared by `record Name(field: type, …)`."""

    name: str
    fields: tuple[tuple[str, "Type"], ...]

    def __str__(self) -> str:
        return self.name

    def position(self, field: str) -> int | None:
        """The place of `field` in the record, or None."""
        return next((i for i, (name, _) in enumerate(self.fields) if name == field), None)


@frozen
class Union:
    """One of several cases, each with fields of its own: `union Name = case(field: type) | …`."""

    name: str
    cases: tuple[Record, ...]

    def __str__(self) -> str:
        return self.name

    def place(self, case: str) -> int | None:
        """The place of a case among the cases, or None."""
        return next((i for i, one in enumerate(self.cases) if one.name == case), None)


@frozen
class List:
    """A sequence of values of one type, written `[type]`."""

    element: "Type"

    def __str__(self) -> str:
        return f"[{self.element}]"


@frozen
class Optional:
    """A value of a type, or `none`; written `type?`."""

    element: "Type"

    def __str__(self) -> str:
        return f"{self.element}?"


Type = Scalar | Record | Union | List | Optional

BOOL = Scalar("bool")
INT = Scalar("int")
STR = Scalar("str")
MAC = Scalar("mac")
IP4 = Scalar("ip4")
IP6 = Scalar("ip6")
PREFIX = Scalar("prefix")
BYTES = Scalar("bytes")

SCALARS = {type_.name: type_ for type_ in (BOOL, INT, STR, MAC, IP4, IP6, PREFIX, BYTES)}

# What programs do not name. A constant of TYPE is a type, and reaches the core as a tree: a number,
# a text, or a tuple of trees; one of FUNCTION is a Python function, and reaches it as a number.
TYPE = Scalar("type")
TREE = Scalar("tree")
FUNCTION = Scalar("function")
Tree = int | str | tuple["Tree", ...]

_RECORD, _LIST, _OPTIONAL, _UNION = range(len(SCALARS), len(SCALARS) + 4)


@cache
def describe(type_: Type) -> Tree:
    """A type as the core reads it (core/values.h)."""
    match type_:
        case Record():
            return (_RECORD, *_fields(type_))
        case Union():
            return (_UNION, *(_fields(case) for case in type_.cases))
        case List():
            return (_LIST, describe(type_.element))
        case Optional():
            return (_OPTIONAL, describe(type_.element))
    return (list(SCALARS).index(type_.name),)


def _fields(record: Record) -> tuple[Tree, ...]:
    return (record.name, *(describe(type_) for _, type_ in record.fields))


@cache
def record_class(record: Record) -> type:
    """The named tuple class that rows show values of `record` as."""
    names = [name for name, _ in record.fields]
    return namedtuple(record.name, names, rename=True)  # noqa: PYI024 - a class made at run time


class Case:
    """A value of a union, immutable; its class says which case. Fields are attributes.

    Equal are values of one class whose fields are equal. A `match` statement takes them apart.
    """

    __slots__ = ("_values",)
    __match_args__: ClassVar[tuple[str, ...]] = ()
    _union: ClassVar[Union]
    _place: ClassVar[int]
    _values: tuple[Any, ...]

    def __init__(self, *values: Any, **named: Any) -> None:
        names = self.__match_args__
        given = dict(zip(names, values, strict=False))
        wrong = [name for name in named if name in given or name not in names]
        given.update(named)
        if wrong or len(values) > len(names) or len(given) < len(names):
            raise TypeError(f"{type(self).__name__}() takes {', '.join(names) or 'nothing'}")
        object.__setattr__(self, "_values", tuple(given[name] for name in names))

    def __getattr__(self, name: str) -> Any:
        if name in self.__match_args__:
            return self._values[self.__match_args__.index(name)]
        raise AttributeError(f"{type(self).__name__} has no field {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable")

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Case) and type(other) is type(self) and self._values == other._values
        )

    def __hash__(self) -> int:
        return hash((type(self), self._values))

    def __repr__(self) -> str:
        fields = zip(self.__match_args__, self._values, strict=True)
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in fields)})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _case, (self._union, type(self).__name__, self._values)


@cache
def case_class(union: Union, case: str) -> type[Case]:
    """The class of the values of one case of a union."""
    place = union.place(case)
    assert place is not None, f"{union} has no case {case}"
    names = tuple(name for name, _ in union.cases[place].fields)
    members = {"__slots__": (), "__match_args__": names, "_union": union, "_place": place}
    return type(case, (Case,), members)


def _case(union: Union, case: str, values: tuple[Any, ...]) -> Case:
    return case_class(union, case)(*values)
