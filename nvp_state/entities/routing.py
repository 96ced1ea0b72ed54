"""Logical routers, their ports, and static routes.

Names and meanings are those of OVN's northbound database (ovn-nb(5)).
"""

from ipaddress import ip_address, ip_network
from typing import ClassVar

from attrs import field, frozen

from nvp_state.entities import checks
from nvp_state.entities.base import Entity
from nvp_state.entities.checks import checked, optional
from nvp_state.errors import Problem


@frozen
class Router(Entity):
    """A logical router, which is on every host at once: it routes where packets enter."""

    kind: ClassVar[str] = "router"
    plural: ClassVar[str] = "routers"
    numbered: ClassVar[str] = "datapath"
    section: ClassVar[str] = "routers"

    name: str = field(metadata=checked(checks.name))
    tenant: str | None = field(default=None, metadata=checked(optional(checks.name)))


@frozen
class RouterPort(Entity):
    """A port of a router.

    Args:
        name: unique over all ports.
        router: the router's name.
        mac: the unicast MAC address of the router on this port.
        cidr: its IPv4 address and the length of its network's prefix.
        cidr6: the same of IPv6. A port has at least one of both.
        switch: the logical switch that it is a port of, too, if there is one.
        peer: the port of another router that it is joined to instead; that names this one.
    """

    kind: ClassVar[str] = "router-port"
    plural: ClassVar[str] = "router ports"
    numbered: ClassVar[str] = "port"
    section: ClassVar[str] = "ports"
    owner: ClassVar[str] = "router"

    name: str = field(metadata=checked(checks.name))
    router: str = field(metadata=checked(checks.name, "router"))
    mac: str = field(metadata=checked(checks.mac))
    cidr: str | None = field(default=None, metadata=checked(optional(checks.cidr)))
    switch: str | None = field(default=None, metadata=checked(optional(checks.name), "switch"))
    peer: str | None = field(
        default=None, kw_only=True, metadata=checked(optional(checks.name), "router-port")
    )
    cidr6: str | None = field(default=None, kw_only=True, metadata=checked(optional(checks.cidr6)))

    def _contradictions(self) -> list[Problem]:
        if self.cidr is None and self.cidr6 is None:
            return [Problem(self.title, "cidr", "is missing, and so is `cidr6`: give one")]
        if self.switch is not None and self.peer is not None:
            return [Problem(self.title, "peer", "a port is joined to a switch or a peer, not both")]
        return []


@frozen
class Route(Entity):
    """A static route; several with one prefix share its packets (ECMP).

    Args:
        router: the router's name.
        prefix: the destinations, of either family.
        nexthop: the address of the next router, or `discard` to drop the packets.
        port: the router port to leave by; left out, that on whose network `nexthop` is.
    """

    kind: ClassVar[str] = "route"
    plural: ClassVar[str] = "routes"
    key_fields: ClassVar[tuple[str, ...]] = ("router", "prefix", "nexthop")
    numbered: ClassVar[str] = "route"
    section: ClassVar[str] = "routes"

    router: str = field(metadata=checked(checks.name, "router"))
    prefix: str = field(metadata=checked(checks.prefix))
    nexthop: str = field(metadata=checked(checks.nexthop))
    port: str | None = field(default=None, metadata=checked(optional(checks.name), "router-port"))

    def _contradictions(self) -> list[Problem]:
        if self.nexthop == checks.DISCARD:
            return []
        if ip_address(self.nexthop).version != ip_network(self.prefix).version:
            text = f"{self.nexthop} is not of the family of {self.prefix}"
            return [Problem(self.title, "nexthop", text)]
        return []
