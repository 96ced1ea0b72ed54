"""What the built-in functions and aggregates mean, in Python: the oracle of those in the core.

`FUNCTIONS` has, under the core's name of each, a function of values in their Python form. One that
has no value for its arguments raises ArithmeticError, ValueError or LookupError. `AGGREGATES` has
functions of the values of a group, one for each of its members, and of their type. Nothing here is
shared with the core; addresses are left to `ipaddress`.
"""

import ipaddress
from collections.abc import Callable, Iterable
from typing import Any

from nlog.types import INT, STR, List, Record, Type


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


def _number(value: Any) -> int:
    """The number that orders and converts a bool, mac or ip4."""
    if isinstance(value, bool):
        return int(value)
    return int(value.replace(":", ""), 16) if ":" in value else int(ipaddress.IPv4Address(value))


def _order(value: Any) -> tuple[int, ...]:
    if isinstance(value, str) and "/" in value:
        network = ipaddress.IPv4Network(value)
        return int(network.network_address), network.prefixlen
    return (_number(value),)


def _show_mac(value: int) -> str:
    return ":".join(f"{value:012x}"[i : i + 2] for i in range(0, 12, 2))


_network = ipaddress.IPv4Network
_SHIFTS = range(64)  # whose `index` refuses what is outside

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "int.lt": lambda a, b: a < b,
    "int.le": lambda a, b: a <= b,
    "word.lt": lambda a, b: _order(a) < _order(b),
    "word.le": lambda a, b: _order(a) <= _order(b),
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
    "str.len": len,
    "tuple.make": lambda *parts: tuple(parts),
    "tuple.get": lambda record, place: record[place],
    "list.concat": lambda a, b: tuple(a) + tuple(b),
    "list.len": len,
    "list.has": lambda items, item: item in items,
    "list.get": lambda items, place: items[place if place >= 0 else len(items)],
    "mac.of_int": _below(48, _show_mac),
    "ip4.of_int": _below(32, lambda value: str(ipaddress.IPv4Address(value))),
    "prefix.of": lambda ip, bits: str(ipaddress.IPv4Network((ip, bits), strict=False)),
    "prefix.has_ip4": lambda p, ip: ipaddress.IPv4Address(ip) in _network(p),
    "prefix.has_prefix": lambda p, q: _network(q).subnet_of(_network(p)),
    "prefix.network": lambda p: str(_network(p).network_address),
    "prefix.length": lambda p: _network(p).prefixlen,
    "prefix.mask": lambda p: str(_network(p).netmask),
    **{f"str.of_{type_}": str for type_ in ("str", "int", "mac", "ip4", "prefix")},
}


def _key(type_: Type) -> Callable[[Any], Any]:
    """What sorts values of a type in their order."""
    match type_:
        case Record(fields=fields):
            keys = [_key(part) for _, part in fields]
            return lambda value: tuple(key(part) for key, part in zip(keys, value, strict=True))
        case List(element=element):
            return lambda value: tuple(map(_key(element), value))
    return (lambda value: value) if type_ in {INT, STR} else _order


def _sorted(values: Iterable[Any], type_: Type) -> tuple[Any, ...]:
    return tuple(sorted(values, key=_key(type_)))


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
