"""Networks of tenants, and the hosts that carry them.

    state = NetworkState()
    state.load("network.json")
    lab = Emulation(state)
    lab.send("web-1", frame)

`NetworkState` holds what tenants and hosts say and computes flows from it by rules; `Emulation`
carries the flows to simulated switches. Every change is all or nothing; `StateError` says what
is wrong with one that was refused.
"""

from nvp_state.emulation import Delivery, Emulation
from nvp_state.entities import (
    Acl,
    AddressSet,
    DhcpOptions,
    DnsRecord,
    Entity,
    Host,
    LoadBalancer,
    LogicalFlow,
    Meter,
    Mirror,
    Nat,
    PhysicalNetwork,
    Pipeline,
    Policy,
    Port,
    PortGroup,
    Qos,
    Route,
    Router,
    RouterAdvertisement,
    RouterPort,
    StaticMacBinding,
    Switch,
    Uplink,
)
from nvp_state.errors import ExpressionError, Problem, StateError
from nvp_state.network import NetworkChange, NetworkState, NetworkTransaction
from nvp_state.records import Change, Record
from nvp_state.trace import Hop, NetworkTrace, Step

__all__ = [
    "Acl",
    "AddressSet",
    "Change",
    "Delivery",
    "DhcpOptions",
    "DnsRecord",
    "Emulation",
    "Entity",
    "ExpressionError",
    "Hop",
    "Host",
    "LoadBalancer",
    "LogicalFlow",
    "Meter",
    "Mirror",
    "Nat",
    "NetworkChange",
    "NetworkState",
    "NetworkTrace",
    "NetworkTransaction",
    "PhysicalNetwork",
    "Pipeline",
    "Policy",
    "Port",
    "PortGroup",
    "Problem",
    "Qos",
    "Record",
    "Route",
    "Router",
    "RouterAdvertisement",
    "RouterPort",
    "StateError",
    "StaticMacBinding",
    "Step",
    "Switch",
    "Uplink",
]
