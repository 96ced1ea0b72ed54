"""The types of nlog's columns, variables and expressions.

A type says how a value looks to a person (`mac` is text such as `0a:00:00:00:00:01`) and how it
is kept: every value is one 64-bit word. Scalars other than `str` fit the word as they are;
strings, records and lists are interned, and the word is their number. Equal values therefore
have equal words, and the core compares words without knowing types.

Rows handed to Python hold plain values:

    bool, int, str      themselves (int: signed, 64 bits)
    mac, ip4, prefix    canonical text, `0a:00:00:00:00:01`, `10.0.0.1`, `10.0.0.0/24`
    record              a named tuple of the record's name and fields
    list                a tuple
"""

from collections import namedtuple
from functools import cache

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
class List:
    """A sequence of values of one type, written `[type]`."""

    element: "Type"

    def __str__(self) -> str:
        return f"[{self.element}]"


Type = Scalar | Record | List

BOOL = Scalar("bool")
INT = Scalar("int")
STR = Scalar("str")
MAC = Scalar("mac")
IP4 = Scalar("ip4")
PREFIX = Scalar("prefix")

SCALARS = {scalar.name: scalar for scalar in (BOOL, INT, STR, MAC, IP4, PREFIX)}


@cache
def record_class(record: Record) -> type:
    """The named tuple class that rows show values of `record` as."""
    names = [name for name, _ in record.fields]
    return namedtuple(record.name, names, rename=True)  # noqa: PYI024 - a class made at run time
