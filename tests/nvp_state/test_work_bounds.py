"""Proof that it was incremental, kind by kind: what a change costs does not grow with the network.

Tenants that have everything, each with hosts of its own, stand beside each other: a few, and ten
times as many. For each kind an entity of one tenant goes, with all that refers to it, and comes
again; the work of both engines must be the same in both networks, but for a small allowance: the
order of joins depends on how large tables are.
"""

import pytest

from nvp_state import (
    Acl,
    AddressSet,
    DhcpOptions,
    DnsRecord,
    Host,
    LoadBalancer,
    LogicalFlow,
    Meter,
    Mirror,
    Nat,
    NetworkState,
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
from nvp_state.entities import KINDS

SMALL, LARGE = 3, 30
ALLOWED = 1.1, 20
COUNTERS = ("rows_read", "probes", "derived", "retracted")


def a_tenant(t):
    """Entities of every kind, which are one tenant's; those of a kind that come first are tried."""
    one, two = f"h{t}a", f"h{t}b"
    yield PhysicalNetwork(f"w{t}")
    for n, name in enumerate((one, two)):
        yield Host(name, f"192.0.{t}.{n + 1}", networks=(f"w{t}",))
    yield Switch(f"s{t}", f"t{t}")
    yield Switch(f"out{t}", f"t{t}", replication="service-node")
    for n in range(4):
        address, mac = f"10.0.0.1{n}", f"0a:00:00:00:{t:02x}:0{n}"
        yield Port(f"p{t}.{n}", f"s{t}", mac, address, (one, two)[n % 2], ip6=f"fd00::1{n}")
    yield Port(f"c{t}", f"s{t}", f"0a:00:00:01:{t:02x}:00", parent=f"p{t}.0", tag=7)
    yield Mirror(f"m{t}", (f"p{t}.1",), f"p{t}.2")
    yield Uplink(f"u{t}", f"out{t}", f"w{t}", 5, (one, two))
    yield from (Router(f"r{t}", f"t{t}"), Router(f"far{t}", f"t{t}"))
    macs = [f"0e:00:00:00:{t:02x}:0{n}" for n in range(4)]
    yield RouterPort(f"near{t}", f"r{t}", macs[0], "10.0.0.1/24", f"s{t}", cidr6="fd00::1/64")
    gates = (one, two)
    yield RouterPort(f"gate{t}", f"r{t}", macs[1], "203.0.113.1/24", f"out{t}", gateways=gates)
    yield RouterPort(f"to{t}", f"r{t}", macs[2], "10.1.0.1/30", peer=f"from{t}")
    yield RouterPort(f"from{t}", f"far{t}", macs[3], "10.1.0.2/30", peer=f"to{t}")
    yield Route(f"r{t}", "0.0.0.0/0", "203.0.113.254", f"gate{t}")
    yield Policy(f"r{t}", 1, "ip4.dst == 10.2.0.0/16", "reroute", "10.1.0.2")
    yield StaticMacBinding(f"gate{t}", "203.0.113.254", "0c:00:00:00:00:01")
    yield Nat(f"r{t}", "dnat_and_snat", "203.0.113.9", "10.0.0.10")
    backends, places = ("10.0.0.10:80", f"10.2.{t}.1:80"), ((f"s{t}",), (f"r{t}",))
    yield LoadBalancer(f"b{t}", "10.9.9.9:80", backends, "tcp", *places)
    yield AddressSet(f"a{t}", ("10.0.0.10", "10.2.0.0/16"))
    yield PortGroup(f"g{t}", (f"p{t}.0", f"p{t}.3"))
    yield Meter(f"l{t}", 10)
    match = f"outport == @g{t} && ip4.src == $a{t} && tcp.dst == {{80, 443}}"
    for action in ("allow-related", "reject"):
        told = {"tier": len(action) % 3, "log": True, "meter": f"l{t}"}
        yield Acl(f"s{t}", "to-lport", len(action), match, action, **told)
    yield Qos(f"s{t}", "from-lport", 1, "ip4", dscp=10, rate=100)
    server = {"server_id": "10.0.0.1", "server_mac": macs[0]}
    yield DhcpOptions(f"s{t}", "10.0.0.0/24", server)
    yield DnsRecord(f"s{t}", "vm1", ("10.0.0.10",))
    yield RouterAdvertisement(f"near{t}", "slaac", 1400)
    yield Pipeline(f"own{t}", f"t{t}", "ingress", (f"s{t}",))
    yield LogicalFlow(f"own{t}", 0, 1, "ip4", "ip.ttl--; next;")


def build(tenants):
    """A state of that many tenants, and of service nodes for them all."""
    state = NetworkState()
    with state.transaction() as tx:
        tx.add(Host("node", "198.51.100.1", service_node=True))
        for t in range(tenants):
            tx.add(*a_tenant(t))
    return state


@pytest.fixture(scope="module")
def states():
    return [build(SMALL), build(LARGE)]


def work(state):
    """What the last commit cost the logical and the physical engine."""
    engines = state.logical.engine, state.physical.engine
    return [sum(getattr(engine.work, name) for name in COUNTERS) for engine in engines]


def gone_with(state, first):
    """An entity and all that refers to it, directly or not."""
    found = [(first.kind, first.key)]
    for reference in found:
        found += [it for it in state._store.referrers(*reference) if it not in found]
    return [state.get(*it) for it in found]


def commit(state, verb, entities):
    with state.transaction() as tx:
        getattr(tx, verb)(*entities)
    return work(state)


def costs_of(state, kind):
    """What it costs that one of the first tenant's goes, and that it comes again."""
    first = next(it for it in a_tenant(0) if it.kind == kind)
    whole = gone_with(state, first)
    return [commit(state, "remove", whole), commit(state, "add", whole)]


def assert_bounded(small, large):
    factor, more = ALLOWED
    for before, after in zip(small, large, strict=True):
        assert all(
            there <= factor * here + more for here, there in zip(before, after, strict=True)
        ), (small, large)


@pytest.mark.parametrize("kind", KINDS)
def test_what_goes_and_comes_costs_the_same_in_a_network_ten_times_as_large(states, kind):
    small, large = (costs_of(state, kind) for state in states)
    assert any(map(sum, small))
    assert_bounded(small, large)


REPORTS = {
    "report_tunnel": (("h0a", "h0b"), {"up": False}),
    "report_backend": (("10.2.0.1:80",), {"up": False}),
    "report_neighbour": (("gate0", "203.0.113.77", "0c:00:00:00:00:02"), {}),
}


@pytest.mark.parametrize("name", REPORTS)
def test_a_report_costs_the_same_in_a_network_ten_times_as_large(states, name):
    costs = []
    for state in states:
        about, told = REPORTS[name]
        getattr(state, name)(*about, **told)
        costs.append([work(state)])
    assert any(map(sum, costs[0]))
    assert_bounded(*costs)
