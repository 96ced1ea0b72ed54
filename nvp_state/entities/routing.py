"""Logical routers, their ports, and static routes.

Names and meanings are those of OVN's northbound database (ovn-nb(5)).
"""

from ipaddress import ip_address, ip_network
from typing import ClassVar

from attrs import field, frozen

from nvp_state.entities import checks
from nvp_state.entities.base import Entity
from nvp_state.entities.checks import checked, listed, optional
from nvp_state.errors import Problem
from nvp_state.plain_match import checked_match, plain_terms


@frozen
class Router(Entity):
    """A logical router, which is on every host at once: it routes where packets enter.

    Args:
        name: its name.
        tenant: whose it is, if it is one tenant's.
        shared_with: other tenants, whose networks it may join to those of `tenant` and each other.
    """

    kind: ClassVar[str] = "router"
    plural: ClassVar[str] = "routers"
    numbered: ClassVar[str] = "datapath"
    section: ClassVar[str] = "routers"

    name: str = field(metadata=checked(checks.name))
    tenant: str | None = field(default=None, metadata=checked(optional(checks.name)))
    shared_with: tuple[str, ...] = field(
        default=(), kw_only=True, metadata=checked(listed(checks.name))
    )


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
        gateways: hosts through one of which all packets of this port go, the best first; the first
            that is reached does it. Left out: every host routes them itself.
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
    gateways: tuple[str, ...] = field(
        default=(), kw_only=True, metadata=checked(listed(checks.name), "host")
    )

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


POLICY_ACTIONS = ("allow", "drop", "reroute")


@frozen
class Policy(Entity):
    """A routing policy: what a router does with a packet once its route is known.

    Args:
        router: the router's name.
        priority: 0 to 32767; of the policies that match the highest decides.
        match: an expression; `inport` is a port of the router.
        action: `allow` (the route stands), `drop`, or `reroute` to `nexthop`.
        nexthop: of `reroute`, the next router, on the network of one of the router's ports.
    """

    kind: ClassVar[str] = "policy"
    plural: ClassVar[str] = "policies"
    key_fields: ClassVar[tuple[str, ...]] = ("router", "priority", "match")
    section: ClassVar[str] = "policies"

    router: str = field(metadata=checked(checks.name, "router"))
    priority: int = field(metadata=checked(checks.priority))
    match: str = field(metadata=checked(checked_match))
    action: str = field(metadata=checked(checks.one_of(*POLICY_ACTIONS)))
    nexthop: str | None = field(default=None, metadata=checked(optional(checks.any_ip)))

    def _contradictions(self) -> list[Problem]:
        if (self.action == "reroute") != (self.nexthop is not None):
            text = "`reroute` and `nexthop` go together: give both or none"
            return [Problem(self.title, "nexthop", text)]
        if any(term.outport for term in plain_terms(self.match)):
            return [Problem(self.title, "match", "`outport` is what the policy decides on")]
        return []


@frozen
class StaticMacBinding(Entity):
    """The MAC of a machine that no switch knows: a router need not ask for it.

    Args:
        port: the router port on whose network the machine is.
        ip: its address, of either family.
        mac: its MAC.
    """

    kind: ClassVar[str] = "static-mac-binding"
    plural: ClassVar[str] = "static MAC bindings"
    key_fields: ClassVar[tuple[str, ...]] = ("port", "ip")
    section: ClassVar[str] = "static_mac_bindings"

    port: str = field(metadata=checked(checks.name, "router-port"))
    ip: str = field(metadata=checked(checks.any_ip))
    mac: str = field(metadata=checked(checks.mac))


NAT_TYPES = ("snat", "dnat", "dnat_and_snat")


@frozen
class Nat(Entity):
    """Translation of addresses at the gateway port of a router.

    Args:
        router: the router, which has one port with gateways.
        type: `snat` for what machines inside begin, `dnat` for what others do, or both.
        external_ip: the address that those outside see, of either family.
        logical_ip: the address inside, of the same family; with `snat` a prefix, too.
        logical_port: of `dnat_and_snat`, the port of the machine: its own host translates then.
        external_mac: with `logical_port`, the MAC that answers for `external_ip` there.
    """

    kind: ClassVar[str] = "nat"
    plural: ClassVar[str] = "NAT rules"
    key_fields: ClassVar[tuple[str, ...]] = ("router", "type", "external_ip", "logical_ip")
    section: ClassVar[str] = "nats"

    router: str = field(metadata=checked(checks.name, "router"))
    type: str = field(metadata=checked(checks.one_of(*NAT_TYPES)))
    external_ip: str = field(metadata=checked(checks.any_ip))
    logical_ip: str = field(metadata=checked(checks.ip_or_prefix))
    logical_port: str | None = field(default=None, metadata=checked(optional(checks.name), "port"))
    external_mac: str | None = field(default=None, metadata=checked(optional(checks.mac)))

    def _contradictions(self) -> list[Problem]:
        found = []
        if (":" in self.external_ip) != (":" in self.logical_ip):
            text = f"is not of the family of {self.external_ip}"
            found.append(Problem(self.title, "logical_ip", text))
        if self.type != "snat" and "/" in self.logical_ip:
            text = "a prefix is for `snat` only: others need to know where packets go"
            found.append(Problem(self.title, "logical_ip", text))
        if (self.logical_port is None) != (self.external_mac is None):
            text = "`logical_port` and `external_mac` go together: give both or none"
            found.append(Problem(self.title, "external_mac", text))
        if self.logical_port is not None and self.type != "dnat_and_snat":
            text = "only `dnat_and_snat` can be done on the host of the machine"
            found.append(Problem(self.title, "logical_port", text))
        return found
