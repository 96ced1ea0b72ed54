"""Checks of fields: each takes what was given and returns the canonical value.

`checked(check)` is the metadata by which `Entity` finds the check of a field. A check raises
ValueError with a text that goes on from the field's name: "is empty".
"""

import re
from collections.abc import Callable
from contextlib import suppress
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv6Address,
    IPv6Interface,
    ip_interface,
    ip_network,
)

from nvp_state.errors import did_you_mean

PRIORITY_MAX = 32767
NAME_LENGTH_MAX = 255
DISCARD = "discard"
WORD_MAX = 0xFFFFFFFF

_WORD = re.compile(r"[A-Za-z_.][A-Za-z0-9_.]*")
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")


def name(value: object) -> str:
    """A text of at most 255 printable characters, without blanks at its ends."""
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a text")
    if not value:
        raise ValueError("is empty")
    if len(value) > NAME_LENGTH_MAX:
        raise ValueError(f"has {len(value)} characters; {NAME_LENGTH_MAX} are the most")
    if not value.isprintable() or value != value.strip():
        raise ValueError(f"{value!r} has control characters, or blanks at an end")
    return value


def mac(value: object) -> str:
    """A unicast MAC address, in lower case."""
    if not isinstance(value, str) or not _MAC.fullmatch(value.lower()):
        raise ValueError(f"{value!r} is not a MAC address such as 0a:00:00:00:00:01")
    if int(value[:2], 16) & 1:
        raise ValueError(f"{value!r} is a multicast address; a port has a unicast one")
    return value.lower()


def ip(value: object) -> str:
    """An IPv4 address that one machine can have."""
    try:
        address = IPv4Address(value if isinstance(value, str) else "")
    except ValueError:
        raise ValueError(f"{value!r} is not an IPv4 address such as 10.0.0.1") from None
    if address.is_multicast or address.is_unspecified or address == IPv4Address(0xFFFFFFFF):
        raise ValueError(f"{value!r} is not the address of one machine")
    return str(address)


def ip6(value: object) -> str:
    """An IPv6 address that one machine can have."""
    try:
        address = IPv6Address(value if isinstance(value, str) else "")
    except ValueError:
        raise ValueError(f"{value!r} is not an IPv6 address such as 2001:db8::1") from None
    if address.is_multicast or address.is_unspecified or address.scope_id:
        raise ValueError(f"{value!r} is not the address of one machine")
    return str(address)


def any_ip(value: object) -> str:
    """An address of either family that one machine can have."""
    return ip6(value) if isinstance(value, str) and ":" in value else ip(value)


def nexthop(value: object) -> str:
    """Where a route leads: an address, or `discard`."""
    return DISCARD if value == DISCARD else any_ip(value)


def cidr(value: object) -> str:
    """An IPv4 address with the length of its network's prefix."""
    return _interface(value, 4, "10.0.0.1/24")


def cidr6(value: object) -> str:
    """An IPv6 address with the length of its network's prefix."""
    return _interface(value, 6, "2001:db8::1/64")


def _interface(value: object, version: int, example: str) -> str:
    there: IPv4Interface | IPv6Interface | None = None
    if isinstance(value, str) and "/" in value:
        with suppress(ValueError):
            there = ip_interface(value)
    if there is None or there.version != version:
        raise ValueError(f"{value!r} is not an address and its network's length, such as {example}")
    any_ip(str(there.ip))
    return str(there)


def prefix(value: object) -> str:
    """A prefix of either family; bits behind it must be zero."""
    try:
        return str(ip_network(value if isinstance(value, str) else ""))
    except ValueError as error:
        beyond = " (bits are set behind the prefix)" if "host bits" in str(error) else ""
        raise ValueError(f"{value!r} is not a prefix such as 10.0.0.0/24{beyond}") from None


def ip_or_prefix(value: object) -> str:
    """An address of either family, or a prefix of such."""
    return prefix(value) if isinstance(value, str) and "/" in value else any_ip(value)


def flag(value: object) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise ValueError(f"{value!r} is neither true nor false")
    return value


def priority(value: object) -> int:
    """0 to 32767."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= PRIORITY_MAX:
        raise ValueError(f"{value!r} is not a whole number from 0 to {PRIORITY_MAX}")
    return value


def vlan(value: object) -> int | None:
    """The number of a VLAN, 1 to 4094, or None."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 4095:
        raise ValueError(f"{value!r} is not the number of a VLAN, 1 to 4094")
    return value


def dscp(value: object) -> int | None:
    """A code point of differentiated services, 0 to 63, or None."""
    if value is None:
        return None
    return number(0, 63)(value)


def choice(value: object, choices: tuple[str, ...]) -> str:
    """One of some words; the nearest is named if it is none."""
    if not isinstance(value, str) or value not in choices:
        known = " or ".join(f"`{choice}`" for choice in choices)
        raise ValueError(f"{value!r} is not {known}{did_you_mean(value, choices)}")
    return value


def number(least: int, most: int) -> Callable[[object], int]:
    """A whole number of a range."""

    def checks(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise ValueError(f"{value!r} is not a whole number from {least} to {most}")
        return value

    return checks


def word(value: object) -> str:
    """What expressions can name behind `$` or `@`."""
    if not isinstance(value, str) or not _WORD.fullmatch(value) or len(value) > NAME_LENGTH_MAX:
        raise ValueError(f"{value!r} is not a word of letters, digits, `_` and `.`")
    return value


def address(value: object) -> str:
    """A MAC address, an IP address of either family, or a prefix of such."""
    if isinstance(value, str) and _MAC.fullmatch(value.lower()):
        return value.lower()
    try:
        network = ip_network(value if isinstance(value, str) else "")
    except ValueError:
        if isinstance(value, str) and "/" in value:
            return prefix(value)
        text = f"{value!r} is not an IP address, a prefix such as 10.0.0.0/24, or a MAC address"
        raise ValueError(text) from None
    whole = network.prefixlen == network.max_prefixlen
    return str(network.network_address if whole else network)


def optional(check: Callable[[object], str]) -> Callable[[object], str | None]:
    """What `check` takes, or None."""
    return lambda value: None if value is None else check(value)


def listed(check: Callable[[object], str]) -> Callable[[object], tuple[str, ...]]:
    """A list of what `check` takes, as a tuple without doubles; the order stays."""

    def checks(value: object) -> tuple[str, ...]:
        if not isinstance(value, list | tuple):
            raise ValueError(f"{value!r} is not a list")
        return tuple(dict.fromkeys(check(each) for each in value))

    return checks


def one_of(*choices: str) -> Callable[[object], str]:
    """One of these words."""
    return lambda value: choice(value, choices)


def checked(check: Callable[[object], object], refers: str | None = None) -> dict[str, object]:
    """The metadata of a field, for attrs.

    Args:
        check: returns the canonical value or raises `ValueError`.
        refers: the kind of entity that the value names (or each value of a list).
    """
    return {"check": check, "refers": refers}
