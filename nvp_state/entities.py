"""Hosts, switches, ports and ACLs: what a network is made of, checked one by one.

An entity is an immutable value. It exists only if each of its fields is good, and its addresses
are canonical text (lower case MAC addresses, IPv4 addresses without leading zeros), so that equal
things compare equal however they were written. A constructor given bad values raises one
`StateError` with a problem for every bad field.

Each entity has a `kind` (`host`, `switch`, `port`, `acl`) and a `key`, unique within its kind. Port
names are unique over the whole network, not only within their switch, since they are the VIF
identifiers which hosts report. What holds between entities (a port's switch exists) is the
store's business, not theirs.

Names and meanings are those of OVN's northbound database (ovn-nb(5)).
"""

import re
from collections.abc import Callable
from ipaddress import IPv4Address
from typing import ClassVar, cast

from attrs import field, fields, frozen

from nvp_state.errors import Problem, StateError, did_you_mean
from nvp_state.expression import normalise

Key = str | tuple[str, str, int, str]
"""A natural key: a name, or for an ACL its switch, direction, priority and match."""

Reference = tuple[str, Key]
"""The kind and the key of an entity, present or not."""

DIRECTIONS = ("from-lport", "to-lport")
ACTIONS = ("allow", "drop")
PRIORITY_MAX = 32767
NAME_LENGTH_MAX = 255

_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_NOT_CARRIED = {
    "allow-related": "this version keeps no connection state; use `allow`",
    "allow-stateless": "every ACL of this version is stateless; use `allow`",
    "reject": "this version sends no replies of its own; use `drop`",
}


def _name(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a text")
    if not value:
        raise ValueError("is empty")
    if len(value) > NAME_LENGTH_MAX:
        raise ValueError(f"has {len(value)} characters; {NAME_LENGTH_MAX} are the most")
    if not value.isprintable() or value != value.strip():
        raise ValueError(f"{value!r} has control characters, or blanks at an end")
    return value


def _mac(value: object) -> str:
    if not isinstance(value, str) or not _MAC.fullmatch(value.lower()):
        raise ValueError(f"{value!r} is not a MAC address such as 0a:00:00:00:00:01")
    if int(value[:2], 16) & 1:
        raise ValueError(f"{value!r} is a multicast address; a port has a unicast one")
    return value.lower()


def _ip(value: object) -> str:
    try:
        address = IPv4Address(value if isinstance(value, str) else "")
    except ValueError:
        raise ValueError(f"{value!r} is not an IPv4 address such as 10.0.0.1") from None
    if address.is_multicast or address.is_unspecified or address == IPv4Address(0xFFFFFFFF):
        raise ValueError(f"{value!r} is not the address of one machine")
    return str(address)


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{value!r} is neither true nor false")
    return value


def _priority(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= PRIORITY_MAX:
        raise ValueError(f"{value!r} is not a whole number from 0 to {PRIORITY_MAX}")
    return value


def _direction(value: object) -> str:
    return _choice(value, DIRECTIONS)


def _action(value: object) -> str:
    if isinstance(value, str) and value in _NOT_CARRIED:
        raise ValueError(f"{value!r} is not carried: {_NOT_CARRIED[value]}")
    return _choice(value, ACTIONS)


def _choice(value: object, choices: tuple[str, ...]) -> str:
    if not isinstance(value, str) or value not in choices:
        known = " or ".join(f"`{choice}`" for choice in choices)
        raise ValueError(f"{value!r} is not {known}{did_you_mean(value, choices)}")
    return value


def _match(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a text")
    normalise(value)
    return value


def _optional(check: Callable[[object], str]) -> Callable[[object], str | None]:
    return lambda value: None if value is None else check(value)


def _checked(check: Callable[[object], object]) -> dict[str, Callable[[object], object]]:
    """The metadata of a field: `check` returns the canonical value or raises `ValueError`."""
    return {"check": check}


@frozen
class Entity:
    """What all kinds of entities share: a kind, a key, and a title to be called by in messages."""

    kind: ClassVar[str]
    key_fields: ClassVar[tuple[str, ...]] = ("name",)

    def __attrs_post_init__(self) -> None:
        problems = []
        for attribute in fields(type(self)):
            try:
                value = attribute.metadata["check"](getattr(self, attribute.name))
            except ValueError as error:
                problems.append(Problem(self.title, attribute.name, str(error)))
            else:
                object.__setattr__(self, attribute.name, value)
        if not problems:
            problems += self._contradictions()
        if problems:
            raise StateError(problems)

    @property
    def key(self) -> Key:
        """The natural key, unique among entities of this kind."""
        values = tuple(getattr(self, name) for name in self.key_fields)
        return cast(Key, values[0] if len(values) == 1 else values)

    @property
    def title(self) -> str:
        """The name in messages, such as `port "web-1"`."""
        return title(self.kind, self.key)

    def _contradictions(self) -> list[Problem]:
        """Problems between fields that are good one by one."""
        return []


def readable(key: Key) -> str:
    r"""Return a key as one text; an ACL's reads `switch:direction:priority:match`.

    No two keys have one text: in a switch's name a colon is written `\:`, a backslash twice.
    """
    if not isinstance(key, tuple):
        return key
    switch, *others = key
    return ":".join([switch.replace("\\", r"\\").replace(":", r"\:"), *map(str, others)])


def title(kind: str, key: Key) -> str:
    """Return what messages call the entity of this kind and key, such as `port "web-1"`."""
    return f'{kind} "{readable(key)}"'


@frozen
class Host(Entity):
    """A hypervisor. `ip` is its address in the underlay, where its tunnels end."""

    kind: ClassVar[str] = "host"

    name: str = field(metadata=_checked(_name))
    ip: str = field(metadata=_checked(_ip))


@frozen
class Switch(Entity):
    """A logical switch of a tenant."""

    kind: ClassVar[str] = "switch"

    name: str = field(metadata=_checked(_name))
    tenant: str = field(metadata=_checked(_name))


@frozen
class Port(Entity):
    """A logical port of a switch.

    Args:
        name: the VIF identifier, unique over the whole network.
        switch: the name of the logical switch.
        mac: the unicast MAC address of what is attached.
        ip: its IPv4 address, if it has one.
        host: the host that carries the VIF, or None while no host does.
        port_security: whether only frames from `mac` (and `ip`, if there is one) may enter.
        enabled: whether any frame passes at all.
        unknown: whether the port also gets unicast for MAC addresses the switch does not know.
    """

    kind: ClassVar[str] = "port"

    name: str = field(metadata=_checked(_name))
    switch: str = field(metadata=_checked(_name))
    mac: str = field(metadata=_checked(_mac))
    ip: str | None = field(default=None, metadata=_checked(_optional(_ip)))
    host: str | None = field(default=None, metadata=_checked(_optional(_name)))
    port_security: bool = field(default=True, metadata=_checked(_flag))
    enabled: bool = field(default=True, metadata=_checked(_flag))
    unknown: bool = field(default=False, metadata=_checked(_flag))


@frozen
class Acl(Entity):
    """An access control rule of a switch.

    Args:
        switch: the name of the logical switch.
        direction: `from-lport` for what ports send, `to-lport` for what they receive.
        priority: 0 to 32767; of the ACLs that match, the one with the highest decides.
        match: an expression, see `nvp_state.expression`.
        action: `allow` or `drop`.
    """

    kind: ClassVar[str] = "acl"
    key_fields: ClassVar[tuple[str, ...]] = ("switch", "direction", "priority", "match")

    switch: str = field(metadata=_checked(_name))
    direction: str = field(metadata=_checked(_direction))
    priority: int = field(metadata=_checked(_priority))
    match: str = field(metadata=_checked(_match))
    action: str = field(metadata=_checked(_action))

    def _contradictions(self) -> list[Problem]:
        if self.direction == "from-lport" and any(term.outport for term in normalise(self.match)):
            text = "`outport` is not known yet when a packet enters; use it with `to-lport`"
            return [Problem(self.title, "match", text)]
        return []


KINDS: dict[str, type[Entity]] = {kind.kind: kind for kind in (Host, Switch, Port, Acl)}
"""The kinds of entities, those that are referred to before those that refer to them."""


def require_kind(kind: str) -> str:
    """Return a kind of entities. Raises ValueError, with the nearest, if there is none such."""
    if kind not in KINDS:
        known = ", ".join(KINDS)
        raise ValueError(f"{kind!r} is not a kind of entity: {known}{did_you_mean(kind, KINDS)}")
    return kind


def references(entity: Entity) -> tuple[tuple[str, Reference], ...]:
    """Return what an entity refers to: the field that names it, its kind and its key."""
    match entity:
        case Port(switch=switch, host=None) | Acl(switch=switch):
            return (("switch", ("switch", switch)),)
        case Port(switch=switch, host=str(host)):
            return (("switch", ("switch", switch)), ("host", ("host", host)))
    return ()
