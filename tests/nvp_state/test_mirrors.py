"""Mirrors: what comes out is what would without them, and the copies that follow from that."""

from collections import Counter

import pytest
from attrs import evolve
from hypothesis import given, settings

from nvp_state import Emulation, Host, Mirror, NetworkState, Port, StateError, Switch
from tests.nvp_state import labs
from tests.nvp_state.small import change, frame, network

SINKS = [f"k{number}" for number in range(3)]
DIRECTIONS = ("from-lport", "to-lport", "both")


def a_network(random):
    """A network of the labs, and mirrors of its ports into ports of another switch."""
    members = labs.a_network(random)
    hosts = [it.name for it in members if isinstance(it, Host)]
    ports = [it.name for it in members if isinstance(it, Port)]
    members.append(Switch("sinks", "acme"))
    for number, name in enumerate(SINKS):
        mac, host = f"0a:00:00:00:02:0{number}", random.choice([*hosts, None])
        members.append(Port(name, "sinks", mac, host=host))
    mirrors = []
    for number in range(4):
        some = random.sample(ports, random.randint(1, len(ports)))
        sink = random.choice([*SINKS, *(it for it in ports if it not in some)])
        mirrors.append(Mirror(f"m{number}", tuple(some), sink, random.choice(DIRECTIONS)))
    return members, mirrors


def state_of(members):
    state = NetworkState()
    with state.transaction() as tx:
        tx.add(*members)
    return state


def with_copies(mirrors, placed, source, sent, came):
    """What comes out with mirrors, by what comes out without: each port sees a frame once."""
    copies = Counter(came)
    for at, what, mirrored_by in [
        (source, sent, ("from-lport", "both")),
        *((port, copy, ("to-lport", "both")) for port, copy in came.elements()),
    ]:
        sinks = {it.sink for it in mirrors if at in it.ports and it.direction in mirrored_by}
        copies.update((sink, what) for sink in sinks if sink in placed)
    return copies


def came(lab, source, sent):
    return Counter((it.port, it.frame) for it in lab.send(source, sent))


def test_copies_follow_from_what_comes_out_without_mirrors():
    counts = Counter()

    @settings(labs.SEEDED, max_examples=6)
    @given(labs.randoms)
    def compare(random):
        members, mirrors = a_network(random)
        plain, state = state_of(members), state_of([*members, *mirrors])
        labs_ = Emulation(plain), Emulation(state)
        ports = {it.name: it for it in members if isinstance(it, Port) and it.host is not None}
        for step in range(40):
            source = random.choice(sorted(ports))
            sent = labs.a_frame(random, ports[source], list(ports.values()))
            if len(sent) < 14:
                continue
            outcomes = [came(lab, source, sent) for lab in labs_]
            expected = with_copies(mirrors, set(ports), source, sent, outcomes[0])
            assert outcomes[1] == expected, (source, sent.hex())
            counts["copies"] += (outcomes[1] - outcomes[0]).total()
            if random.random() < 0.1:
                traced = sorted(labs_[1].trace(source, sent).ports)
                assert traced == sorted(port for port, _ in outcomes[1].elements())
            if step == 20:
                gone = mirrors.pop()
                change(state, "remove", gone)
        for engine in (state.logical.engine, state.physical.engine):
            fresh = engine.recompute()
            assert all(set(engine[name]) == set(fresh[name]) for name in engine.program.tables)

    compare()
    assert counts["copies"] > 50


def test_what_is_dropped_on_the_way_in_is_seen_by_the_mirror():
    sink = Port("k", "s0", "0a:00:00:00:00:09", host="h1")
    state = network(sink, Mirror("m", ("p0",), "k"))
    lab = Emulation(state)
    spoofed = frame("0a:00:00:00:00:77", "p1")
    assert [(it.port, it.frame) for it in lab.send("p0", spoofed)] == [("k", spoofed)]
    change(state, "replace", evolve(state.get("mirror", "m"), direction="to-lport"))
    assert lab.send("p0", spoofed) == []
    assert sorted(it.port for it in lab.send("p1", frame("p1", "p0"))) == ["k", "p0"]


def test_mirrors_join_no_tenants():
    state = network(Switch("other", "rival"), Port("k", "other", "0a:00:00:00:00:09", host="h1"))
    with pytest.raises(StateError, match='tenants "acme" and "rival"'):
        change(state, "add", Mirror("m", ("p0",), "k"))


def test_a_mirror_of_its_own_sink_is_refused():
    with pytest.raises(StateError, match="is one of `ports`"):
        Mirror("m", ("p0", "p1"), "p1")
    with pytest.raises(StateError, match="does not exist"):
        change(network(), "add", Mirror("m", ("p0",), "none"))
