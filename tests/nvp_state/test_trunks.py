"""Ports of a VLAN of another's VM, beside the same network in which each has a VIF of its own."""

from collections import Counter

import pytest
from attrs import evolve
from hypothesis import given, settings
from scapy.layers.l2 import Dot1Q, Ether

from nvp_state import Emulation, Host, NetworkState, Port, StateError, Switch
from nvp_state.entities import KINDS
from tests.nvp_state import labs
from tests.nvp_state.small import change, frame, network
from tests.nvp_state.test_network_change import assert_of_facts, everything
from vswitch_sim import Flow

TAGS = (b"\x81\0", b"\x88\xa8")
PARENTS = [f"t{number}" for number in range(3)]
CHILD = Port("c0", "s1", "0a:00:00:00:00:09", parent="p0", tag=5)


def a_network(random):
    """A network of the labs, with trunks on a switch of their own that some of its ports are in."""
    members = labs.a_network(random)
    hosts = [it.name for it in members if isinstance(it, Host)]
    members.append(Switch("trunks", "acme"))
    for number, name in enumerate(PARENTS):
        mac, host = f"0a:00:00:00:01:0{number}", random.choice(hosts)
        members.append(Port(name, "trunks", mac, host=host, port_security=False))
    parents = {it.name: it for it in members if isinstance(it, Port) and it.name in PARENTS}
    trunked, plain, places = [], [], [(name, tag) for name in PARENTS for tag in (1, 5, 4094)]
    random.shuffle(places)
    for it in members:
        is_child = isinstance(it, Port) and it.name not in PARENTS and random.random() < 0.6
        if is_child and places:
            parent, tag = places.pop()
            trunked.append(evolve(it, host=None, parent=parent, tag=tag))
            plain.append(evolve(it, host=parents[parent].host))
        else:
            trunked.append(it)
            plain.append(it)
    return trunked, plain


def state_of(members):
    state = NetworkState()
    with state.transaction() as tx:
        tx.add(*members)
    return state


def came(lab, source, sent):
    return Counter((it.port, it.frame) for it in lab.send(source, sent))


def test_a_trunk_carries_what_vifs_would():
    counts = Counter()

    @settings(labs.SEEDED, max_examples=8)
    @given(labs.randoms)
    def compare(random):
        trunked, plain = a_network(random)
        state = state_of(trunked)
        labs_ = Emulation(state), Emulation(state_of(plain))
        ports = {it.name: it for it in plain if isinstance(it, Port) and it.host is not None}
        children = {it.name for it in trunked if isinstance(it, Port) and it.parent}
        for step in range(40):
            source = random.choice(sorted(ports))
            sent = labs.a_frame(random, ports[source], list(ports.values()))
            if len(sent) < 14 or (source in PARENTS and sent[12:14] in TAGS):
                continue
            outcomes = [came(lab, source, sent) for lab in labs_]
            assert outcomes[0] == outcomes[1], (source, sent.hex())
            if random.random() < 0.1:
                traced = sorted(labs_[0].trace(source, sent).ports)
                assert traced == sorted(port for port, _ in outcomes[0].elements())
            counts["from a child"] += source in children and bool(outcomes[0])
            counts["to a child"] += bool(children & {port for port, _ in outcomes[0]})
            if step == 20:
                move(random, labs_, trunked, plain)
        engines = state.logical.engine, state.physical.engine
        for engine in engines:
            fresh = engine.recompute()
            assert all(set(engine[name]) == set(fresh[name]) for name in engine.program.tables)

    compare()
    assert min(counts["from a child"], counts["to a child"]) > 5, counts


def move(random, labs_, trunked, plain):
    """A trunk moves to another host, and what is in it with it; no universal flow knows."""
    name = random.choice(PARENTS)
    host = random.choice([it.name for it in plain if isinstance(it, Host)])
    inside = {it.name for it in trunked if isinstance(it, Port) and it.parent == name} | {name}
    before = set(labs_[0].state.logical.engine["universal_flow"])
    with labs_[0].state.transaction() as tx:
        tx.replace(evolve(labs_[0].state.get("port", name), host=host))
    assert set(labs_[0].state.logical.engine["universal_flow"]) == before
    with labs_[1].state.transaction() as tx:
        tx.replace(*(evolve(labs_[1].state.get("port", it), host=host) for it in inside))


def test_frames_have_the_tag_between_the_vm_and_the_host_alone():
    other = Port("p2", "s1", "0a:00:00:00:00:03", host="h1")
    lab = Emulation(network(Switch("s1", "acme"), CHILD, other))
    with lab.fabric.listening() as arrivals:
        lab.send("p2", frame(other.mac, CHILD.mac))
    ((at, heard),) = [(it.port_name, Ether(it.frame)) for it in arrivals]
    assert (at, heard[Dot1Q].vlan, heard[Dot1Q].type) == ("p0", 5, 0x9000)
    assert [it.port for it in lab.send("c0", frame(CHILD.mac, other.mac))] == ["p2"]
    for tag in (5, 6):
        by_hand = Ether(frame(CHILD.mac, other.mac))
        tagged = Ether(src=by_hand.src, dst=by_hand.dst) / Dot1Q(vlan=tag, type=0x9000)
        heard = lab.send("p0", bytes(tagged / by_hand.payload))
        assert [it.port for it in heard] == (["p2"] if tag == 5 else [])


def test_connections_of_one_trunk_are_apart():
    """Two ports with one address, each on a switch of its own, do not see the other's answers."""
    state = network(
        *(Switch(f"s{n}", "acme") for n in (1, 2)),
        *(Port(f"c{n}", f"s{n}", "0a:00:00:00:00:09", parent="p0", tag=n) for n in (1, 2)),
    )
    flows = [it for it in state.flows("h0") if isinstance(it, Flow) and it.table == 0]
    zones = [
        action.value
        for flow in flows
        for action in flow.actions
        if "in_port" in flow.match
        if getattr(action, "field", "") == "reg13"
    ]
    assert len(zones) == len(set(zones)) == 3


def test_a_child_is_nowhere_when_its_parent_is():
    state = network(Switch("s1", "acme"), CHILD)
    lab = Emulation(state)
    change(state, "replace", evolve(state.get("port", "p0"), host=None))
    assert ("c0", "port-without-host") in {it[:2] for it in state.warnings()}
    with pytest.raises(StateError, match='port "p0": host: is on no host'):
        lab.send("c0", frame(CHILD.mac, "ff:ff:ff:ff:ff:ff"))
    change(state, "replace", evolve(state.get("port", "p0"), host="h1"))
    assert not [it for it in state.warnings() if it[0] == "c0"]


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"tag": None}, "go together"),
        ({"parent": None}, "go together"),
        ({"host": "h0"}, "leave `host` out"),
        ({"parent": "c0"}, "is the port itself"),
        ({"tag": 4095}, "1 to 4094"),
    ],
)
def test_what_is_refused_at_once(fields, text):
    with pytest.raises(StateError, match=text):
        evolve(CHILD, **fields)


@pytest.mark.parametrize(
    ("more", "text"),
    [
        (evolve(CHILD, name="c1"), "is in VLAN 5 of .p0., and so is port .c1."),
        (evolve(CHILD, name="c1", parent="c0"), "port .c0. has a parent itself, port .p0."),
        (evolve(CHILD, name="c1", parent="none"), 'port "none" does not exist'),
    ],
)
def test_what_is_refused_at_commit(more, text):
    state = network(Switch("s1", "acme"), CHILD)
    before = [state.entities(kind) for kind in KINDS]
    with pytest.raises(StateError, match=text):
        change(state, "add", more)
    assert [state.entities(kind) for kind in KINDS] == before


def test_a_child_moves_with_its_parent_and_has_a_zone_of_its_own_there():
    others = [
        Port(f"q{n}", "s0", f"0a:00:00:00:01:0{n}", host="h1" if n else "h0") for n in range(3)
    ]
    state = network(Switch("s1", "acme"), CHILD, *others)
    for host in ("h1", "h0", "h1"):
        change(state, "replace", evolve(state.get("port", "p0"), host=host))
        record = state.record("port", "c0")
        assert record.host == host
        used = [it for kind in ("p0", "p1", "q0", "q1", "q2") if (it := state.record("port", kind))]
        assert record.ofport not in {it.ofport for it in used if it.host == host}
        assert_is_as_from_nothing(state)
    state.undo()
    assert state.record("port", "c0").host == "h0"
    assert_is_as_from_nothing(state)


def assert_is_as_from_nothing(state):
    records, (logical, physical) = everything(state)
    assert_of_facts(state, records, {"logical": logical, "physical": physical})
    fresh = state.physical.engine.recompute()
    assert all(rows == set(fresh[table]) for table, rows in physical.items())
