"""Proof that it was incremental: a change costs what its own logical network costs, not the whole.

One switch, `s0`, with each VM on a host of its own, stands in networks of 100 and of 1,000
switches. A change to it must do the same work in both, count for count, within a bound that only
knows the flows of `s0` and the hosts that carry it.
"""

from itertools import pairwise, permutations
from random import Random

import pytest
from attrs import evolve

from nvp_state import Acl, Host, NetworkState, Port, Switch

HOSTS, PORTS = 300, 9
COUNTERS = ("rows_read", "probes", "derived", "retracted")
SIZES = (100, 1000)

ACL = Acl("s0", "to-lport", 5, 'outport == "s0p1" && tcp.dst == {80, 443}', "drop")
NEW = Port("new", "s0", "0a:00:01:00:00:01", ip="10.8.8.8", host="h21")


def build(switches, ports=PORTS):
    """A state of that many switches; those beside `s0` have VMs anywhere."""
    random, state = Random(1), NetworkState()
    members = [Host(f"h{n}", f"192.0.{n // 250}.{n % 250 + 1}") for n in range(HOSTS)]
    for s in range(switches):
        members.append(Switch(f"s{s}", "acme"))
        for p in range(ports):
            mac = (0x0A << 40 | s * ports + p).to_bytes(6).hex(":")
            host = f"h{p}" if s == 0 else f"h{random.randrange(HOSTS)}"
            members.append(Port(f"s{s}p{p}", f"s{s}", mac, ip=f"10.0.{p}.1", host=host))
    with state.transaction() as tx:
        tx.add(*members)
    return state


@pytest.fixture(scope="module")
def states():
    return [build(switches) for switches in SIZES]


def counted(work):
    return {name: getattr(work, name) for name in COUNTERS}


def commit(state, verb, *entities):
    """The work that an operation was to both controllers, and all of it together."""
    with state.transaction() as tx:
        getattr(tx, verb)(*entities)
    works = [counted(state.logical.engine.work), counted(state.physical.engine.work)]
    return works, sum(sum(work.values()) for work in works)


def own_rows(state):
    """Universal rows of `s0`, and its hosts: all that may be looked at."""
    logical, physical = state.logical.engine, state.physical.engine
    flows = len(logical["universal_flow"].where(datapath="s0"))
    buckets = len(logical["universal_bucket"].where(datapath="s0"))
    return flows + buckets + len(physical["host_datapath"].where(datapath="s0"))


def of_the_switch(state):
    moved = state.get("port", "s0p3")
    return [
        ("replace", evolve(moved, host="h4")),
        ("replace", evolve(moved, host="h20")),
        ("replace", evolve(moved, host="h20", ip="10.9.9.9")),
        ("replace", evolve(moved, host="h20", enabled=False)),
        ("replace", evolve(moved, host=None)),
        ("replace", moved),
        ("add", NEW),
        ("add", ACL),
        ("replace", evolve(ACL, action="allow")),
        ("remove", ACL),
        ("remove", NEW),
    ]


def test_a_change_costs_the_same_among_100_and_1000_switches(states):
    small, large = states
    for verb, entity in of_the_switch(small):
        before = own_rows(small)
        cost, total = commit(small, verb, entity)
        assert commit(large, verb, entity) == (cost, total), (verb, entity)
        assert 0 < total < 5 * (before + own_rows(small)), (verb, entity)


def test_a_vm_moves_for_less_than_a_thousandth_of_computing_everything(states):
    _, large = states
    moved = large.get("port", "s0p3")
    _, cost = commit(large, "replace", evolve(moved, host="h100"))
    engines = large.logical.engine, large.physical.engine
    everything = sum(sum(counted(engine.recompute().work).values()) for engine in engines)
    commit(large, "replace", moved)
    assert everything > 3800 * cost


def test_the_logical_controller_does_not_know_that_a_vm_moved(states):
    moved = states[0].get("port", "s0p5")
    works, _ = commit(states[0], "replace", evolve(moved, host="h99"))
    assert not any(works[0].values())
    commit(states[0], "replace", moved)


def test_a_host_costs_the_hosts_it_meets(states):
    for state in states:
        _, cost = commit(state, "add", Host("lonely", "192.0.9.1"))
        assert cost < 20
        _, cost = commit(state, "replace", Host("lonely", "192.0.9.2"))
        assert cost < 20
        peers = len(state.physical.engine["peer"].where(host="h7"))
        _, cost = commit(state, "replace", evolve(state.get("host", "h7"), ip="192.0.9.3"))
        assert cost < 8 * peers
        commit(state, "remove", ("host", "lonely"))


def test_work_grows_with_the_switch_alone():
    rows = []
    for ports in (4, 8, 16, 32):
        state = build(3, ports)
        _, cost = commit(state, "replace", evolve(state.get("port", "s0p3"), host="h40"))
        assert cost < 8 * own_rows(state)
        rows.append(cost)
    assert all(after < 2.5 * before for before, after in pairwise(rows))


def test_tunnels_join_the_hosts_of_a_switch_and_no_others(states):
    for state in (build(2), *states):
        carried = {}
        for port in state.entities("port"):
            carried.setdefault(port.switch, set()).add(port.host)
        ips = {host.name: host.ip for host in state.entities("host")}
        pairs = {pair for hosts in carried.values() for pair in permutations(hosts, 2)}
        tunnels = {row[:3] for row in state.physical.engine["tunnel"]}
        assert tunnels == {(a, b, ips[b]) for a, b in pairs}


def test_a_new_port_costs_nothing_for_the_access_rules_that_do_not_name_it():
    work = []
    for rules in (5, 200):
        state = build(1)
        acls = [Acl("s0", "to-lport", n, f"tcp.dst == {n}", "drop") for n in range(rules)]
        commit(state, "add", *acls)
        work.append(commit(state, "add", NEW)[0][0])
    assert work[0] == work[1]
