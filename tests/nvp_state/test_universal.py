"""Universal flows know no host: they stay as they are whatever moves, and hosts get what they need.

Also what could hang: loops of routers, and many of them in a row.
"""

import pytest
from attrs import evolve
from scapy.layers.inet import ICMP, IP
from scapy.layers.l2 import Ether

from nvp_state import Emulation, Host, NetworkState, Port, Route, Router, RouterPort, Switch
from nvp_state.controllers import PASSED_ON

HOSTS = [f"h{number}" for number in range(4)]


def two_networks():
    """A router joins two switches; a third stands alone."""
    yield from (Host(name, f"192.0.2.{n}") for n, name in enumerate(HOSTS, 1))
    yield from (Switch(name, "acme") for name in ("s0", "s1", "alone"))
    yield Router("r0")
    for n in (0, 1):
        yield RouterPort(f"r0s{n}", "r0", f"0e:00:00:00:00:0{n}", f"10.0.{n}.1/24", f"s{n}")
    for n in (0, 1):
        yield Port(f"v{n}", f"s{n}", f"0a:00:00:00:00:0{n}", f"10.0.{n}.10", HOSTS[n])
    for n in (2, 3):
        yield Port(f"v{n}", "alone", f"0a:00:00:00:00:0{n}", host=HOSTS[n])


def state_of(entities):
    state = NetworkState()
    with state.transaction() as tx:
        tx.add(*entities)
    return state


def universal(state):
    return {table: set(state.logical.engine[table]) for table in PASSED_ON}


def test_no_universal_flow_changes_when_every_vm_moves():
    state = state_of(two_networks())
    before = universal(state)
    for name in ("v0", "v1", "v2", "v3"):
        port = state.get("port", name)
        with state.transaction() as tx:
            tx.replace(evolve(port, host=HOSTS[(HOSTS.index(port.host) + 1) % 4]))
        assert universal(state) == before
        assert state.logical.engine.work.derived == 0


def test_universal_flows_name_no_port_of_a_host_and_no_tunnel():
    """No output, no `in_port`, no `tun_id`; and the program is told of no host."""
    state = state_of(two_networks())
    for _, _, _, _, match, actions in state.logical.engine["universal_flow"]:
        assert not {name.partition("[")[0] for name, _, _ in match} & {"in_port", "tun_id"}
        assert "Output" not in {type(action).__name__ for action in actions}
    inputs = set(state.logical.engine.program.tables)
    assert not inputs & {"host", "vif", "nic", "tunnel_down"}


def test_a_host_has_the_networks_of_its_vms_and_no_others():
    """Reachable through routers counts; what stands alone does not."""
    state = state_of(two_networks())
    keys = {it: state.record("switch", it).tunnel_key for it in ("s0", "s1", "alone")}
    keys["r0"] = state.record("router", "r0").tunnel_key
    for host, expected in (("h0", {"s0", "s1", "r0"}), ("h2", {"alone"})):
        has = {it.match["metadata"][0] for it in state.flows(host) if is_of_a_datapath(it)}
        assert has == {keys[name] for name in expected}
    ends = {host: {remote for remote, _, _ in state.tunnels(host)} for host in HOSTS}
    assert ends == {"h0": {"h1"}, "h1": {"h0"}, "h2": {"h3"}, "h3": {"h2"}}
    with state.transaction() as tx:
        tx.remove(("router-port", "r0s1"))
    assert state.tunnels("h0") == []


def is_of_a_datapath(entry):
    return "metadata" in getattr(entry, "match", ())


def row_of_routers(count):
    """A VM at each end of routers that are joined in a row."""
    yield from (Host(name, f"192.0.2.{n}") for n, name in enumerate(HOSTS, 1))
    yield from (Switch(name, "acme") for name in ("left", "right"))
    yield Port("v0", "left", "0a:00:00:00:00:00", "10.0.0.10", "h0")
    yield Port("v1", "right", "0a:00:00:00:00:01", "10.0.1.10", "h1")
    yield from (Router(f"r{n}") for n in range(count))
    yield RouterPort("first", "r0", "0e:00:00:00:00:00", "10.0.0.1/24", "left")
    yield RouterPort("last", f"r{count - 1}", "0e:00:00:00:00:01", "10.0.1.1/24", "right")
    for n in range(count - 1):
        for name, other, router, octet in (("a", "b", n, 1), ("b", "a", n + 1, 2)):
            mac = f"0e:00:00:0{octet}:{n:02x}:01"
            cidr = f"192.168.{n}.{octet}/30"
            yield RouterPort(f"{name}{n}", f"r{router}", mac, cidr, peer=f"{other}{n}")
        yield Route(f"r{n}", "10.0.1.0/24", f"192.168.{n}.2")
        yield Route(f"r{n + 1}", "10.0.0.0/24", f"192.168.{n}.1")


def ping(ttl, to="10.0.1.10"):
    """A ping of v0's that its router gets."""
    return bytes(
        Ether(src="0a:00:00:00:00:00", dst="0e:00:00:00:00:00")
        / IP(src="10.0.0.10", dst=to, ttl=ttl)
        / ICMP()
    )


@pytest.mark.parametrize("count", [1, 8, 16])
def test_a_row_of_routers_is_passed_router_by_router(count):
    lab = Emulation(state_of(row_of_routers(count)))
    (arrived,) = lab.send("v0", ping(64))
    assert arrived.port == "v1"
    assert Ether(arrived.frame)[IP].ttl == 64 - count


def test_64_routers_in_a_row_do_not_hang():
    """A switch gives up after 64 tables that lead back, as Open vSwitch does, and says so."""
    lab = Emulation(state_of(row_of_routers(64)))
    assert lab.send("v0", ping(255)) == []
    assert lab.fabric.drops["nested_too_deep"] == 1


def test_a_loop_of_routers_does_not_hang():
    state = state_of(row_of_routers(2))
    with state.transaction() as tx:
        tx.add(Route("r0", "172.16.0.0/16", "192.168.0.2"))
        tx.add(Route("r1", "172.16.0.0/16", "192.168.0.1"))
    lab = Emulation(state)
    frame = ping(255, to="172.16.0.1")
    assert lab.send("v0", frame) == []
    assert lab.fabric.drops["nested_too_deep"] == 1
    short = ping(4, to="172.16.0.1")
    (answer,) = lab.send("v0", short)
    assert answer.port == "v0"
    assert "routing-loop" in {code for _, code, _ in state.warnings()}
