"""The switch against its linear twin, under random flows, buckets, frames and updates."""

from collections import Counter
from collections.abc import Mapping

import pytest
from attrs import evolve
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.vswitch_sim.flows import SWITCH_PORTS, distinct, entries, pipelines, update_between
from tests.vswitch_sim.frames import Spec, specs
from tests.vswitch_sim.linear import LinearSwitch
from vswitch_sim import (
    Bucket,
    Flow,
    FlowError,
    FlowUpdate,
    Group,
    GroupType,
    Match,
    Output,
    Resubmit,
    SetField,
    Switch,
    TopologyError,
)

packets = st.tuples(st.sampled_from([1, 2]), specs(), st.sampled_from([0, 7]))
PLAIN = Spec("raw", {"eth_dst": 1, "eth_src": 2, "eth_type": 0x88CC, "vlan_vid": 0}, b"hello")
LOOP = Flow(0, 1, Match(), (Resubmit(0),))
BUSH = Flow(0, 1, Match(), (Resubmit(0), Resubmit(0)))
FORK = Flow(0, 1, Match(), (Group(1),))


def new_switch() -> Switch:
    switch = Switch("hv1")
    for port in SWITCH_PORTS:
        switch.add_port(port, f"p{port}")
    return switch


def difference(now: Mapping[str, int], before: dict[str, int]) -> Counter:
    return Counter({name: count - before.get(name, 0) for name, count in now.items()}) + Counter()


@settings(max_examples=150, deadline=None)
@given(
    st.lists(pipelines(max_size=8), min_size=1, max_size=3),
    st.lists(packets, min_size=1, max_size=5),
)
@example([[Flow(0, 1, Match(), ())]], [(1, PLAIN, 0)])
@example([[LOOP]], [(1, PLAIN, 0)])
@example([[BUSH]], [(1, PLAIN, 0)])
@example([[FORK, Bucket(1, 1, (Group(1),)), Bucket(1, 2, (Group(1),))]], [(1, PLAIN, 0)])
@example([[Flow(0, 1, Match(), (*[Resubmit(1)] * 4097, Output(2)))]], [(1, PLAIN, 0)])
@example([[Flow(0, 1, Match(), (*[Resubmit(1)] * 4096, Output(2)))]], [(1, PLAIN, 0)])
def test_switch_and_cache_agree_with_the_linear_twin(states, sent):
    """After every update, every packet is sent twice: through the pipeline, then the cache.

    A port that some failover groups watch is down after every other update.
    """
    switch, twin = new_switch(), LinearSwitch(set(SWITCH_PORTS))
    has: list = []
    hits: Counter = Counter()
    for wanted in states:
        update = update_between(has, wanted)
        switch.apply(update)
        twin.apply(update)
        twin.down ^= {2}
        switch.set_port_up(2, 2 not in twin.down)
        for gone in set(hits) - set(wanted):
            del hits[gone]
        has = wanted
        for in_port, spec, tun_id in sent:
            frame = spec.build()
            expected = twin.process(in_port, spec, tun_id)
            for _ in range(2):
                before = dict(switch.drops)
                egress = switch.process(in_port, frame, tun_id)
                assert [(e.port, e.frame, e.tun_id) for e in egress] == expected.out
                assert difference(switch.drops, before) == expected.drops
                hits.update(expected.flows)
            counters = (switch.flows(), dict(switch.drops), switch.cache)
            trace = switch.trace(in_port, frame, tun_id)
            assert trace.egress == egress
            assert Counter(trace.drops) == expected.drops
            assert list(trace.flows) == expected.flows
            assert counters == (switch.flows(), dict(switch.drops), switch.cache)
        counted = {flow: counter.n_packets for flow, counter in switch.flows().items()}
        assert counted == {flow: hits[flow] for flow in twin.flows}
    assert set(switch.buckets()) == set(twin.buckets)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(entries, max_size=8).map(distinct),
    st.lists(entries, max_size=4),
    st.lists(entries, max_size=4),
)
def test_a_refused_update_changes_nothing(has, remove, add):
    switch = new_switch()
    switch.apply(FlowUpdate(add=has))
    switch.process(1, PLAIN.build())
    before = (switch.flows(), switch.groups(), switch.buckets(), switch.cache)
    left = {(type(entry), entry.identity): entry for entry in has}
    valid = True
    for entry in remove:
        valid = valid and left.pop((type(entry), entry.identity), None) == entry
    for entry in add:
        valid = valid and left.setdefault((type(entry), entry.identity), entry) is entry
    valid = valid and len({id(entry) for entry in add}) == len(add)
    if valid:
        switch.apply(FlowUpdate(remove, add))
        types = {entry for entry in left.values() if isinstance(entry, GroupType)}
        assert types <= set(switch.groups())
        assert {*switch.flows(), *switch.buckets(), *types} == set(left.values())
    else:
        with pytest.raises(FlowError, match="switch hv1: "):
            switch.apply(FlowUpdate(remove, add))
        assert (switch.flows(), switch.groups(), switch.buckets(), switch.cache) == before


FLOW = Flow(0, 7, Match.of(in_port=1), (Output(2),), cookie=5)


@pytest.mark.parametrize(
    ("update", "message"),
    [
        (FlowUpdate(remove=[evolve(FLOW, priority=8)]), "cannot remove .*priority=8.* not there"),
        (FlowUpdate(remove=[evolve(FLOW, cookie=6)]), "cookie=0x6, .*: there is cookie=0x5, "),
        (FlowUpdate(add=[evolve(FLOW, actions=())]), "cannot add .*=drop: there is .*output:2 a"),
        (FlowUpdate(remove=[FLOW, FLOW]), "removes .* twice"),
        (FlowUpdate(add=[Bucket(1, 1, ())] * 2), "adds group_id=1.* twice"),
        (FlowUpdate(remove=[Bucket(1, 1, ())]), "cannot remove group_id=1.* not there"),
    ],
)
def test_errors_name_the_flow(update, message):
    switch = new_switch()
    switch.apply(FlowUpdate(add=[FLOW]))
    with pytest.raises(FlowError, match=message):
        switch.apply(update)


def test_an_update_may_replace_a_flow():
    switch = new_switch()
    switch.apply(FlowUpdate(add=[FLOW]))
    switch.apply(FlowUpdate(remove=[FLOW], add=[evolve(FLOW, actions=())]))
    assert [flow.actions for flow in switch.flows()] == [()]


def test_ports_are_named_in_errors():
    switch = new_switch()
    with pytest.raises(TopologyError, match=r"cannot add port 2 \(x\): port 2 \(p2\) is there"):
        switch.add_port(2, "x")
    with pytest.raises(TopologyError, match=r"cannot add port 8 \(p3\): port 3 \(p3\) is there"):
        switch.add_port(8, "p3")
    with pytest.raises(TopologyError, match=r"no port 8; it has 1 \(p1\), 2 \(p2\), 3 \(p3\)"):
        switch.process(8, b"")
    with pytest.raises(TopologyError, match="no port number"):
        switch.add_port(0, "zero")
    with pytest.raises(TopologyError, match="does not fit 64 bits"):
        switch.process(1, b"", 1 << 64)


def test_a_removed_port_drops_by_name_though_the_walk_is_cached():
    switch = new_switch()
    switch.apply(FlowUpdate(add=[FLOW]))
    frame = PLAIN.build()
    assert len(switch.process(1, frame)) == 1
    switch.remove_port(2)
    assert switch.process(1, frame) == ()
    assert switch.drops == {"no_such_port": 1}
    switch.add_port(2, "again")
    assert len(switch.process(1, frame)) == 1
    assert (switch.cache.exact_hits, switch.cache.misses) == (2, 1)


def test_bytes_and_packets_are_counted():
    switch = new_switch()
    switch.apply(FlowUpdate(add=[FLOW]))
    for payload in (b"", b"12345"):
        switch.process(1, evolve(PLAIN, payload=payload).build())
    assert switch.flows()[FLOW].n_packets == 2
    assert switch.flows()[FLOW].n_bytes == 14 + 19
    assert (switch.cache.hits, switch.cache.misses, switch.cache.megaflows) == (1, 1, 1)


def test_a_runt_is_counted_and_traced():
    switch = new_switch()
    assert switch.process(1, b"\0" * 13) == ()
    assert switch.drops == {"runt": 1}
    assert switch.trace(1, b"").drops == ("runt",)


def test_buckets_have_registers_of_their_own():
    switch = new_switch()
    one, two = Match.of(reg0=1), Match.of(reg0=0)
    switch.apply(
        FlowUpdate(
            add=[
                Flow(0, 1, Match(), (Group(1), Resubmit(1))),
                Bucket(1, 1, (SetField("reg0", 1), Resubmit(1))),
                Bucket(1, 2, (Resubmit(1),)),
                Flow(1, 1, one, (Output(2),)),
                Flow(1, 1, two, (Output(3),)),
            ]
        )
    )
    assert [egress.port for egress in switch.process(1, PLAIN.build())] == [2, 3, 3]


def test_what_a_resubmit_changes_stays_changed_after_it():
    switch = new_switch()
    switch.apply(
        FlowUpdate(
            add=[
                Flow(0, 1, Match(), (Resubmit(1), Output(2), Resubmit(2))),
                Flow(1, 1, Match(), (SetField("eth_dst", 5), SetField("reg0", 1))),
                Flow(2, 1, Match.of(reg0=1), (Output(3),)),
            ]
        )
    )
    egress = switch.process(1, PLAIN.build())
    assert [(e.port, e.frame[:6]) for e in egress] == [(p, bytes([0] * 5 + [5])) for p in (2, 3)]
