"""Access rules, and what they name: sets of addresses, groups of ports, meters.

Names and meanings are those of OVN's northbound database (ovn-nb(5)).
"""

from typing import ClassVar

from attrs import field, frozen

from nvp_state.entities import checks
from nvp_state.entities.base import Entity, Key
from nvp_state.entities.checks import checked, listed, optional
from nvp_state.errors import Problem
from nvp_state.expression import normalise
from nvp_state.plain_match import checked_match, plain_terms

DIRECTIONS = ("from-lport", "to-lport")
ACTIONS = ("allow", "allow-related", "allow-stateless", "drop", "reject")
SEVERITIES = ("alert", "warning", "notice", "info", "debug")
UNITS = ("kbps", "pktps")
TIER_MAX = 3


def _match(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a text")
    normalise(value)
    return value


@frozen
class AddressSet(Entity):
    """A set of addresses, which access rules name `$name`.

    Args:
        name: a word of letters, digits, `_` and `.`.
        addresses: IPv4 and IPv6 addresses and prefixes, and MAC addresses; a rule takes those of
            the kind that it compares.
    """

    kind: ClassVar[str] = "address-set"
    plural: ClassVar[str] = "address sets"
    section: ClassVar[str] = "address_sets"

    name: str = field(metadata=checked(checks.word))
    addresses: tuple[str, ...] = field(default=(), metadata=checked(listed(checks.address)))


@frozen
class PortGroup(Entity):
    """A group of ports, of any switches, which access rules name `@name`.

    The addresses of its ports are address sets too, `$name_ip4` and `$name_ip6`.

    Args:
        name: a word of letters, digits, `_` and `.`.
        ports: the names of logical ports.
    """

    kind: ClassVar[str] = "port-group"
    plural: ClassVar[str] = "port groups"
    section: ClassVar[str] = "port_groups"

    name: str = field(metadata=checked(checks.word))
    ports: tuple[str, ...] = field(default=(), metadata=checked(listed(checks.name), "port"))


@frozen
class Meter(Entity):
    """A limit on how much a host does of something.

    Args:
        name: unique among meters.
        rate: how much a second, in `unit`.
        unit: `pktps`, packets, or `kbps`, kilobits.
        burst: how much may come at once; 0 for what the switch takes.
    """

    kind: ClassVar[str] = "meter"
    plural: ClassVar[str] = "meters"
    numbered: ClassVar[str] = "meter"
    section: ClassVar[str] = "meters"

    name: str = field(metadata=checked(checks.name))
    rate: int = field(metadata=checked(checks.number(1, checks.WORD_MAX)))
    unit: str = field(default="pktps", metadata=checked(checks.one_of(*UNITS)))
    burst: int = field(default=0, metadata=checked(checks.number(0, checks.WORD_MAX)))


@frozen
class Qos(Entity):
    """Quality of service: what packets of a switch are marked with, and how many may pass.

    Args:
        switch: the name of the logical switch.
        direction: `from-lport` for what ports send, `to-lport` for what they receive.
        priority: 0 to 32767; of the rules that match the highest decides.
        match: an expression.
        dscp: what IP packets are marked with, 0 to 63.
        rate: how many kilobits a second may pass, on each host.
        burst: how many kilobits may come at once; 0 for what the switch takes.
    """

    kind: ClassVar[str] = "qos"
    plural: ClassVar[str] = "QoS rules"
    numbered: ClassVar[str] = "meter"
    section: ClassVar[str] = "qos"
    key_fields: ClassVar[tuple[str, ...]] = ("switch", "direction", "priority", "match")

    switch: str = field(metadata=checked(checks.name, "switch"))
    direction: str = field(metadata=checked(checks.one_of(*DIRECTIONS)))
    priority: int = field(metadata=checked(checks.priority))
    match: str = field(metadata=checked(checked_match))
    dscp: int | None = field(default=None, kw_only=True, metadata=checked(checks.dscp))
    rate: int = field(default=0, kw_only=True, metadata=checked(checks.number(0, checks.WORD_MAX)))
    burst: int = field(default=0, kw_only=True, metadata=checked(checks.number(0, checks.WORD_MAX)))

    def _contradictions(self) -> list[Problem]:
        problems = []
        if self.dscp is None and not self.rate:
            problems.append(Problem(self.title, "dscp", "is missing, and so is `rate`: give one"))
        if self.direction == "from-lport" and any(it.outport for it in plain_terms(self.match)):
            text = "`outport` is not known yet when a packet enters; use it with `to-lport`"
            problems.append(Problem(self.title, "match", text))
        return problems


@frozen
class Acl(Entity):
    """An access control rule of a switch, or of every switch with a port in a group.

    Args:
        switch: the name of the logical switch; None if it is of a port group.
        direction: `from-lport` for what ports send, `to-lport` for what they receive.
        priority: 0 to 32767; of the ACLs that match, the one with the highest decides.
        match: an expression, see `nvp_state.expression`.
        action: `allow`, which is `allow-related` on a switch that has such an ACL;
            `allow-related`: connections are tracked, and what belongs to one that was allowed
            passes; `allow-stateless`: what matches is not tracked; `drop`; `reject`, which also
            tells the sender.
        port_group: the name of the port group, if it is of one.
        tier: 0 to 3; ACLs of a tier are asked if none of those before has matched.
        name: what log entries call it.
        log: whether packets that it decides on are reported.
        severity: how much that matters.
        meter: the meter that limits reports.
    """

    kind: ClassVar[str] = "acl"
    plural: ClassVar[str] = "ACLs"
    numbered: ClassVar[str] = "acl"
    section: ClassVar[str] = "acls"
    key_fields: ClassVar[tuple[str, ...]] = ("switch", "direction", "priority", "match")
    alternatives: ClassVar[frozenset[str]] = frozenset({"switch"})

    switch: str | None = field(metadata=checked(optional(checks.name), "switch"))
    direction: str = field(metadata=checked(checks.one_of(*DIRECTIONS)))
    priority: int = field(metadata=checked(checks.priority))
    match: str = field(metadata=checked(_match))
    action: str = field(metadata=checked(checks.one_of(*ACTIONS)))
    port_group: str | None = field(
        default=None, kw_only=True, metadata=checked(optional(checks.word), "port-group")
    )
    tier: int = field(default=0, kw_only=True, metadata=checked(checks.number(0, TIER_MAX)))
    name: str | None = field(default=None, kw_only=True, metadata=checked(optional(checks.name)))
    log: bool = field(default=False, kw_only=True, metadata=checked(checks.flag))
    severity: str | None = field(
        default=None, kw_only=True, metadata=checked(optional(checks.one_of(*SEVERITIES)))
    )
    meter: str | None = field(
        default=None, kw_only=True, metadata=checked(optional(checks.name), "meter")
    )

    @property
    def key(self) -> Key:
        """Where it stands, its direction, tier (if that is not 0), priority and match."""
        place = self.switch if self.port_group is None else f"@{self.port_group}"
        tier = [f"tier {self.tier}"] if self.tier else []
        return (place or "", self.direction, *tier, self.priority, self.match)

    def _contradictions(self) -> list[Problem]:
        problems = []
        if (self.switch is None) == (self.port_group is None):
            text = "an ACL is of a switch or of a port group: give one of `switch` and `port_group`"
            problems.append(Problem(self.title, "switch", text))
        terms = normalise(self.match)
        if self.direction == "from-lport" and any(
            term.outport or any(clause.field == "outport" for clause in term.clauses)
            for term in terms
        ):
            text = "`outport` is not known yet when a packet enters; use it with `to-lport`"
            problems.append(Problem(self.title, "match", text))
        return problems
