"""What the built-in functions and aggregates mean, in Python: the oracle of those in the core.

`FUNCTIONS` has, under the core's name of each, a function of values in their Python form. One that
has no value for its arguments raises ArithmeticError, ValueError or LookupError; `call` runs one.
`AGGREGATES` has functions of the values of a group, one for each of its members, and of their type.
Nothing here is shared with the core; addresses are left to `ipaddress`.
"""

import ipaddress
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from nlog.functions import FOREIGN, ForeignFunction
from nlog.program import Apply
from nlog.types import (
    BOOL,
    BYTES,
    INT,
    IP4,
    IP6,
    MAC,
    PREFIX,
    STR,
    Case,
    List,
    Optional,
    Record,
    Type,
    Union,
    case_class,
)


def _int(operation: Callable[..., int]) -> Callable[..., int]:
    def checked(*values: int) -> int:
        result = operation(*values)
        if not -(2**63) <= result < 2**63:
            raise OverflowError(f"{result} does not fit a signed 64-bit integer")
        return result

    return checked


def _below(width: int, show: Callable[[int], str]) -> Callable[[int], str]:
    def checked(value: int) -> str:
        if not 0 <= value < 1 << width:
            raise ValueError(f"{value} does not fit {width} bits")
        return show(value)

    return checked


def call(apply: Apply, values: Sequence[Any]) -> Any:
    """The value of a function for the values of its arguments."""
    if isinstance(apply.type, Union) and apply.function == "union.make":
        place, *fields = values
        return case_class(apply.type, apply.type.cases[place].name)(*fields)
    if apply.function == FOREIGN:
        foreign, *given = values
        return _called(foreign, given)
    return FUNCTIONS[apply.function](*values)


def _called(foreign: ForeignFunction, values: Sequence[Any]) -> Any:
    """What a Python function gives; none if it raises anything, or gives another type."""
    try:
        value = foreign.body(*values)
    except Exception as error:
        raise ValueError(f"{foreign.name} raised {error!r}") from error
    if not _is_of(value, foreign.result):
        raise ValueError(f"{foreign.name} gave {value!r}")
    return value


def _is_of(value: Any, type_: Type) -> bool:
    match type_:
        case Record():
            pairs = zip(value, type_.fields, strict=True)
            return all(_is_of(part, of) for part, (_, of) in pairs)
        case Union():
            return isinstance(value, Case) and value._union == type_
        case List():
            return isinstance(value, tuple) and all(_is_of(p, type_.element) for p in value)
        case Optional():
            return value is None or _is_of(value, type_.element)
    if type_ == INT:
        return type(value) is int and -(2**63) <= value < 2**63
    return isinstance(value, bool if type_ == BOOL else bytes if type_ == BYTES else str)


def _number(value: Any) -> int:
    """The number that orders and converts a bool, mac, ip4 or ip6."""
    if isinstance(value, bool):
        return int(value)
    if len(value) == 17 and value[2::3] == ":::::":
        return int(value.replace(":", ""), 16)
    return int(ipaddress.ip_address(value))


def _key(value: Any, type_: Type) -> Any:
    """What Python orders as the language orders `value`."""
    match type_:
        case Record():
            return [_key(part, t) for part, (_, t) in zip(value, type_.fields, strict=True)]
        case Union():
            place = type_.place(type(value).__name__) or 0
            return place, _key(value._values, type_.cases[place])
        case List():
            return [_key(part, type_.element) for part in value]
        case Optional():
            return [] if value is None else [_key(value, type_.element)]
    if type_ == PREFIX:
        prefix = ipaddress.ip_network(value)
        return prefix.version, int(prefix.network_address), prefix.prefixlen
    return _number(value) if type_ in {MAC, IP4, IP6} else value


def _shown(value: Any, type_: Type) -> str:
    """The text of a value as it could stand in a rule."""
    match type_:
        case Record():
            parts = [_shown(part, t) for part, (_, t) in zip(value, type_.fields, strict=True)]
            return f"{type_.name}({', '.join(parts)})"
        case Union():
            return _shown(value._values, type_.cases[type_.place(type(value).__name__) or 0])
        case List():
            return "[" + ", ".join(_shown(part, type_.element) for part in value) + "]"
        case Optional():
            return "none" if value is None else f"some({_shown(value, type_.element)})"
    if type_ == STR:
        marked = re.sub(r'([\\"{}])', r"\\\1", value)
        return '"' + marked.replace("\n", "\\n").replace("\t", "\\t") + '"'
    if type_ == BYTES:
        return f'x"{value.hex()}"'
    return str(value).lower() if type_ == BOOL else str(value)


def _slice(value: Any, begin: int, end: int) -> Any:
    return value[max(begin, 0) : max(end, 0)]


def _ip6(number: int) -> str:
    address = ipaddress.IPv6Address(number)
    return f"::ffff:{address.ipv4_mapped}" if address.ipv4_mapped else str(address)


def _prefix(address: str, bits: int) -> str:
    network = ipaddress.ip_network((address, bits), strict=False)
    first = int(network.network_address)
    shown = str(network.network_address) if network.version == 4 else _ip6(first)
    return f"{shown}/{bits}"


def _of_version(version: int, read: Callable[[Any], Any]) -> Callable[[str], str]:
    def checked(prefix: str) -> str:
        network = ipaddress.ip_network(prefix)
        if network.version != version:
            raise ValueError(f"{prefix} is of the other family")
        return str(read(network)) if version == 4 else _ip6(int(read(network)))

    return checked


def _has(prefix: str, other: str) -> bool:
    ours, theirs = ipaddress.ip_network(prefix), ipaddress.ip_network(other)
    first, last = theirs.network_address, theirs.broadcast_address
    return ours.version == theirs.version and first in ours and last in ours


def _unwrap(value: Any) -> Any:
    if value is None:
        raise ValueError("none has no value")
    return value


def _signed(number: int) -> int:
    return number - 2**64 if number >= 2**63 else number


def _show_mac(value: int) -> str:
    return ":".join(f"{value:012x}"[i : i + 2] for i in range(0, 12, 2))


_SHIFTS = range(64)  # whose `index` refuses what is outside

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "int.lt": lambda a, b: a < b,
    "int.le": lambda a, b: a <= b,
    "word.lt": lambda a, b: _number(a) < _number(b),
    "word.le": lambda a, b: _number(a) <= _number(b),
    "value.lt": lambda a, b, type_: _key(a, type_) < _key(b, type_),
    "value.le": lambda a, b, type_: _key(a, type_) <= _key(b, type_),
    "value.show": _shown,
    "bytes.lt": lambda a, b: a < b,
    "bytes.le": lambda a, b: a <= b,
    "str.lt": lambda a, b: a < b,
    "str.le": lambda a, b: a <= b,
    "int.add": _int(lambda a, b: a + b),
    "int.sub": _int(lambda a, b: a - b),
    "int.mul": _int(lambda a, b: a * b),
    "int.floordiv": _int(lambda a, b: a // b),
    "int.mod": _int(lambda a, b: a % b),
    "int.neg": _int(lambda a: -a),
    "int.and": lambda a, b: a & b,
    "int.or": lambda a, b: a | b,
    "int.xor": lambda a, b: a ^ b,
    "int.shl": _int(lambda a, b: a << _SHIFTS.index(b)),
    "int.shr": lambda a, b: a >> _SHIFTS.index(b),
    "int.of_word": _number,
    "str.concat": lambda *parts: "".join(parts),
    "str.of_bool": lambda value: "true" if value else "false",
    "str.of_bytes": lambda value: value.hex(),
    "str.len": len,
    "str.slice": _slice,
    "str.has": lambda text, part: part in text,
    "str.starts_with": lambda text, part: text.startswith(part),
    "str.ends_with": lambda text, part: text.endswith(part),
    "str.split": lambda text, separator: tuple(text.split(separator)),
    "str.join": lambda parts, separator: separator.join(parts),
    "bytes.len": len,
    "bytes.slice": _slice,
    "bytes.concat": lambda a, b: a + b,
    "bytes.get": lambda value, place: value[place if place >= 0 else len(value)],
    "bytes.of_str": lambda value: value.encode(),
    "bytes.of_mac": lambda value: bytes.fromhex(value.replace(":", "")),
    "bytes.of_ip4": lambda value: ipaddress.ip_address(value).packed,
    "bytes.of_ip6": lambda value: ipaddress.ip_address(value).packed,
    "tuple.make": lambda *parts: tuple(parts),
    "tuple.get": lambda record, place: record[place],
    "optional.make": lambda value: value,
    "optional.has": lambda value: value is not None,
    "optional.part": _unwrap,
    "optional.value": _unwrap,
    "optional.value_or": lambda value, default: default if value is None else value,
    "union.case": lambda value: value._union.place(type(value).__name__),
    "union.field": lambda value, _, place: value._values[place],
    "list.concat": lambda a, b: tuple(a) + tuple(b),
    "list.len": len,
    "list.has": lambda items, item: item in items,
    "list.get": lambda items, place: items[place if place >= 0 else len(items)],
    "list.first": lambda items: items[0],
    "list.last": lambda items: items[-1],
    "list.slice": _slice,
    "list.sort": lambda items, type_: tuple(
        sorted(items, key=lambda item: _key(item, type_.element))
    ),
    "mac.of_int": _below(48, _show_mac),
    "ip4.of_int": _below(32, lambda value: str(ipaddress.IPv4Address(value))),
    "ip6.of_halves": lambda high, low: _ip6(high % 2**64 << 64 | low % 2**64),
    "ip6.of_ip4": lambda value: f"::ffff:{value}",
    "ip6.high": lambda value: _signed(_number(value) >> 64),
    "ip6.low": lambda value: _signed(_number(value) % 2**64),
    "prefix.of": _prefix,
    "prefix.of_ip6": _prefix,
    "prefix.has_ip4": _has,
    "prefix.has_ip6": _has,
    "prefix.has_prefix": _has,
    "prefix.network": _of_version(4, lambda network: network.network_address),
    "prefix.network6": _of_version(6, lambda network: network.network_address),
    "prefix.broadcast": _of_version(4, lambda network: network.broadcast_address),
    "prefix.mask": _of_version(4, lambda network: network.netmask),
    "prefix.length": lambda prefix: ipaddress.ip_network(prefix).prefixlen,
    "prefix.family": lambda prefix: ipaddress.ip_network(prefix).version,
    **{f"str.of_{type_}": str for type_ in ("str", "int", "mac", "ip4", "ip6", "prefix")},
}


def _sorted(values: Iterable[Any], type_: Type) -> tuple[Any, ...]:
    return tuple(sorted(values, key=lambda value: _key(value, type_)))


AGGREGATES: dict[str, Callable[[list[Any], Type], Any]] = {
    "count": lambda values, _: len(values),
    "distinct": lambda values, _: len(set(values)),
    "sum": lambda values, _: _int(sum)(values),
    "min": lambda values, type_: _sorted(values, type_)[0],
    "max": lambda values, type_: _sorted(values, type_)[-1],
    "any": lambda values, type_: _sorted(values, type_)[0],
    "list": _sorted,
    "set": lambda values, type_: _sorted(set(values), type_),
}
