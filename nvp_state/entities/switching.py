"""Hosts, logical switches, and the ports of these.

Names and meanings are those of OVN's northbound database (ovn-nb(5)).
"""

from typing import ClassVar

from attrs import field, frozen

from nvp_state.entities import checks
from nvp_state.entities.base import Entity
from nvp_state.entities.checks import checked, listed, optional
from nvp_state.errors import Problem


@frozen
class PhysicalNetwork(Entity):
    """A network outside, an Ethernet segment that some hosts have a NIC in."""

    kind: ClassVar[str] = "physical-network"
    plural: ClassVar[str] = "physical networks"
    numbered: ClassVar[str] = "physical-network"
    section: ClassVar[str] = "physical_networks"

    name: str = field(metadata=checked(checks.name))


@frozen
class Host(Entity):
    """A hypervisor, or a machine that is a gateway or a service node.

    Args:
        name: its name.
        ip: its address in the underlay, where its tunnels end.
        networks: the physical networks that it has a NIC in.
        service_node: whether it copies broadcasts for switches that leave that to service nodes.
    """

    kind: ClassVar[str] = "host"
    plural: ClassVar[str] = "hosts"
    numbered: ClassVar[str] = "host"
    section: ClassVar[str] = "hosts"

    name: str = field(metadata=checked(checks.name))
    ip: str = field(metadata=checked(checks.ip))
    networks: tuple[str, ...] = field(
        default=(), kw_only=True, metadata=checked(listed(checks.name), "physical-network")
    )
    service_node: bool = field(default=False, kw_only=True, metadata=checked(checks.flag))


@frozen
class Switch(Entity):
    """A logical switch of a tenant.

    Args:
        name: its name.
        tenant: whose it is.
        replication: who copies broadcasts to other hosts: the host they come from (`source`), or
            a service node (`service-node`).
    """

    kind: ClassVar[str] = "switch"
    plural: ClassVar[str] = "switches"
    numbered: ClassVar[str] = "datapath"
    section: ClassVar[str] = "switches"

    name: str = field(metadata=checked(checks.name))
    tenant: str = field(metadata=checked(checks.name))
    replication: str = field(
        default="source", kw_only=True, metadata=checked(checks.one_of("source", "service-node"))
    )


@frozen
class Uplink(Entity):
    """A port of a switch that joins it to a physical network.

    Without gateways each host that has a NIC there joins the switch to it for its own VMs (OVN's
    `localnet`); with gateways the first of them that is reached does for all (an L2 gateway).

    Args:
        name: unique over all ports.
        switch: the logical switch.
        network: the physical network.
        tag: the VLAN there; none if left out.
        gateways: hosts that have a NIC there, the best first.
    """

    kind: ClassVar[str] = "uplink"
    plural: ClassVar[str] = "uplinks"
    numbered: ClassVar[str] = "port"
    section: ClassVar[str] = "uplinks"

    name: str = field(metadata=checked(checks.name))
    switch: str = field(metadata=checked(checks.name, "switch"))
    network: str = field(metadata=checked(checks.name, "physical-network"))
    tag: int | None = field(default=None, metadata=checked(checks.vlan))
    gateways: tuple[str, ...] = field(default=(), metadata=checked(listed(checks.name), "host"))


@frozen
class Mirror(Entity):
    """Copies of what VMs send, or get, to a port where somebody looks at it.

    Its switches and those of `ports` become one network of hosts, as if a router joined them.

    Args:
        name: its name.
        ports: the ports of the VMs.
        sink: the port that gets the copies.
        direction: `from-lport` what they send, before anything has been dropped of it; `to-lport`
            what they get; or `both`.
    """

    kind: ClassVar[str] = "mirror"
    plural: ClassVar[str] = "mirrors"
    section: ClassVar[str] = "mirrors"

    name: str = field(metadata=checked(checks.name))
    ports: tuple[str, ...] = field(metadata=checked(listed(checks.name), "port"))
    sink: str = field(metadata=checked(checks.name, "port"))
    direction: str = field(
        default="both", metadata=checked(checks.one_of("from-lport", "to-lport", "both"))
    )

    def _contradictions(self) -> list[Problem]:
        if self.sink in self.ports:
            return [Problem(self.title, "sink", f"{self.sink!r} is one of `ports`: take another")]
        return []


@frozen
class Port(Entity):
    """A logical port of a switch.

    Args:
        name: the VIF identifier, unique over the whole network.
        switch: the name of the logical switch.
        mac: the unicast MAC address of what is attached.
        ip: its IPv4 address, if it has one.
        ip6: its IPv6 address, if it has one.
        host: the host that carries the VIF, or None while no host does.
        port_security: whether only frames from `mac` (and `ip`, `ip6`, if there are any) may enter.
        enabled: whether any frame passes at all.
        unknown: whether the port also gets unicast for MAC addresses the switch does not know.
        parent: the port of the VM whose frames in VLAN `tag` are this port's (a trunk; OVN's nested
            containers). It is where that VM is, and `host` is left out.
        tag: the VLAN; frames are in it only between the VM and the host.
    """

    kind: ClassVar[str] = "port"
    plural: ClassVar[str] = "ports"
    numbered: ClassVar[str] = "port"
    section: ClassVar[str] = "ports"
    owner: ClassVar[str] = "switch"

    name: str = field(metadata=checked(checks.name))
    switch: str = field(metadata=checked(checks.name, "switch"))
    mac: str = field(metadata=checked(checks.mac))
    ip: str | None = field(default=None, metadata=checked(optional(checks.ip)))
    ip6: str | None = field(default=None, kw_only=True, metadata=checked(optional(checks.ip6)))
    host: str | None = field(default=None, metadata=checked(optional(checks.name), "host"))
    port_security: bool = field(default=True, metadata=checked(checks.flag))
    enabled: bool = field(default=True, metadata=checked(checks.flag))
    unknown: bool = field(default=False, metadata=checked(checks.flag))
    parent: str | None = field(
        default=None, kw_only=True, metadata=checked(optional(checks.name), "port")
    )
    tag: int | None = field(default=None, kw_only=True, metadata=checked(checks.vlan))

    def _contradictions(self) -> list[Problem]:
        if (self.parent is None) != (self.tag is None):
            text = "`parent` and `tag` go together: give both or none"
            return [Problem(self.title, "tag", text)]
        if self.parent is not None and self.host is not None:
            text = f"it is where {self.parent!r} is, its parent: leave `host` out"
            return [Problem(self.title, "host", text)]
        if self.parent == self.name:
            return [Problem(self.title, "parent", "is the port itself")]
        return []
