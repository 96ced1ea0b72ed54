"""Hosts, logical switches, and the ports of these.

Names and meanings are those of OVN's northbound database (ovn-nb(5)).
"""

from typing import ClassVar

from attrs import field, frozen

from nvp_state.entities import checks
from nvp_state.entities.base import Entity
from nvp_state.entities.checks import checked, optional


@frozen
class Host(Entity):
    """A hypervisor. `ip` is its address in the underlay, where its tunnels end."""

    kind: ClassVar[str] = "host"
    plural: ClassVar[str] = "hosts"
    numbered: ClassVar[str] = "host"
    section: ClassVar[str] = "hosts"

    name: str = field(metadata=checked(checks.name))
    ip: str = field(metadata=checked(checks.ip))


@frozen
class Switch(Entity):
    """A logical switch of a tenant."""

    kind: ClassVar[str] = "switch"
    plural: ClassVar[str] = "switches"
    numbered: ClassVar[str] = "datapath"
    section: ClassVar[str] = "switches"

    name: str = field(metadata=checked(checks.name))
    tenant: str = field(metadata=checked(checks.name))


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
