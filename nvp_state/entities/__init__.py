"""Entities: what a network is made of, checked one by one.

    switching    hosts, logical switches, their ports
    routing      logical routers, their ports, routes
    access       access rules, and the address sets, port groups and meters that they name
    pipelines    tenants' own flow tables
    services     DHCP options, DNS records, router advertisements
    balancing    load balancers

Each kind is a class, listed in `KINDS`; all that others need to know of it (how documents list it,
what it refers to, whether it is numbered) the class says itself (see `base`).
"""

from nvp_state.entities.access import Acl, AddressSet, Meter, PortGroup, Qos
from nvp_state.entities.balancing import LoadBalancer, split_endpoint
from nvp_state.entities.base import Entity, Key, Reference, readable, references, title
from nvp_state.entities.checks import DISCARD
from nvp_state.entities.pipelines import LogicalFlow, Pipeline
from nvp_state.entities.routing import Nat, Policy, Route, Router, RouterPort, StaticMacBinding
from nvp_state.entities.services import (
    STATELESS,
    DhcpOptions,
    DnsRecord,
    Options,
    RouterAdvertisement,
)
from nvp_state.entities.switching import (
    Host,
    Mirror,
    PhysicalNetwork,
    Port,
    Switch,
    Uplink,
)
from nvp_state.errors import did_you_mean

__all__ = [
    "DISCARD",
    "KINDS",
    "STATELESS",
    "Acl",
    "AddressSet",
    "DhcpOptions",
    "DnsRecord",
    "Entity",
    "Host",
    "Key",
    "LoadBalancer",
    "LogicalFlow",
    "Meter",
    "Mirror",
    "Nat",
    "Options",
    "PhysicalNetwork",
    "Pipeline",
    "Policy",
    "Port",
    "PortGroup",
    "Qos",
    "Reference",
    "Route",
    "Router",
    "RouterAdvertisement",
    "RouterPort",
    "StaticMacBinding",
    "Switch",
    "Uplink",
    "readable",
    "references",
    "require_kind",
    "split_endpoint",
    "title",
]

KINDS: dict[str, type[Entity]] = {
    kind.kind: kind
    for kind in (
        PhysicalNetwork,
        Host,
        Switch,
        Port,
        Mirror,
        Uplink,
        Router,
        RouterPort,
        Route,
        Policy,
        StaticMacBinding,
        Nat,
        LoadBalancer,
        AddressSet,
        PortGroup,
        Meter,
        Acl,
        Qos,
        DhcpOptions,
        DnsRecord,
        RouterAdvertisement,
        Pipeline,
        LogicalFlow,
    )
}
"""The kinds of entities, those that are referred to before those that refer to them."""


def require_kind(kind: str) -> str:
    """Return a kind of entities. Raises ValueError, with the nearest, if there is none such."""
    if kind not in KINDS:
        known = ", ".join(KINDS)
        raise ValueError(f"{kind!r} is not a kind of entity: {known}{did_you_mean(kind, KINDS)}")
    return kind
