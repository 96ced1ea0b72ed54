"""The cache never changes an answer (`test_switch`), and forgets no more than it must."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vswitch_sim.flows import SWITCH_PORTS, distinct, pipelines, update_between
from tests.vswitch_sim.frames import specs
from tests.vswitch_sim.linear import LinearSwitch
from vswitch_sim import Bucket, Flow, FlowUpdate, Group, Match, Output, Switch
from vswitch_sim.cache import Cache
from vswitch_sim.pipeline import walk

packets = st.tuples(st.sampled_from([1, 2]), specs(), st.sampled_from([0, 7]))


def key_of(packet) -> tuple:
    in_port, spec, tun_id = packet
    return (in_port, tun_id, tuple(sorted(spec.fields.items())))


@settings(max_examples=120, deadline=None)
@given(
    pipelines(max_size=10),
    pipelines(max_size=10),
    st.lists(packets, min_size=1, max_size=6, unique_by=key_of),
    st.integers(0, 3),
)
def test_an_update_kills_the_walks_that_it_changes_and_no_others(first, more, sent, kept):
    """A walk has changed if it now hits other flows, misses elsewhere or sees other buckets."""
    switch, twin = Switch("hv1"), LinearSwitch(set(SWITCH_PORTS))
    for port in SWITCH_PORTS:
        switch.add_port(port, f"p{port}")
    passed: list = []
    # Half the updates are small: most of what was there stays.
    wanted = distinct(first + more[:2]) if kept else more
    for update in (FlowUpdate(add=first), update_between(first, wanted)):
        switch.apply(update)
        twin.apply(update)
        outcomes = [twin.process(*packet) for packet in sent]
        if passed:
            changed = sum(outcomes[n].passed != passed[n] for n in range(len(sent)))
            assert switch.cache.invalidated == changed
            assert switch.cache.entries == len(sent) - changed
        passed = [outcome.passed for outcome in outcomes]
        for (in_port, spec, tun_id), outcome in zip(sent, outcomes, strict=True):
            egress = switch.process(in_port, spec.build(), tun_id)
            assert [(e.port, e.frame, e.tun_id) for e in egress] == outcome.out


SAME_PRIORITY = (
    Match(),
    Match.of(in_port=1),
    Match.of(reg0=0),
    Match.of(metadata=0),
    Match.of(reg0=0, metadata=0),
)


@given(st.permutations(range(len(SAME_PRIORITY))), st.permutations(range(len(SAME_PRIORITY))))
def test_flows_of_one_priority_that_overlap_give_one_answer_in_any_order(coming, going):
    switch = Switch("hv1")
    for port in range(1, 12):
        switch.add_port(port, f"p{port}")
    flows = [Flow(0, 1, match, (Output(2 + n),)) for n, match in enumerate(SAME_PRIORITY)]
    has: set[Flow] = set()
    changes = [FlowUpdate(add=[flows[n]]) for n in coming]
    changes += [FlowUpdate(remove=[flows[n]]) for n in going[:-1]]
    for update in changes:
        switch.apply(update)
        has = has - set(update.remove) | set(update.add)
        hit = max(has, key=lambda flow: flow.rank)
        for _ in range(2):
            ports = [Output(egress.port) for egress in switch.process(1, bytes(14))]
            assert ports == list(hit.actions)


def test_the_oldest_walk_makes_room():
    cache = Cache(entries_max=2)
    for key in (1, 2, 3):
        assert cache.get(key) is None
        cache.put(key, walk(lambda _table, _key: None, {}, key))
    assert [cache.get(key) is not None for key in (1, 2, 3)] == [False, True, True]
    assert cache.statistics.entries == 2
    assert cache.statistics.invalidated == 0


def test_a_bucket_that_comes_to_an_empty_group_is_seen():
    switch = Switch("hv1")
    switch.add_port(1, "a")
    switch.add_port(2, "b")
    switch.apply(FlowUpdate(add=[Flow(0, 1, Match(), (Group(1),))]))
    assert switch.process(1, bytes(14)) == ()
    switch.apply(FlowUpdate(add=[Bucket(1, 1, (Output(2),))]))
    assert [egress.port for egress in switch.process(1, bytes(14))] == [2]
    switch.apply(FlowUpdate(remove=[Bucket(1, 1, (Output(2),))]))
    assert switch.process(1, bytes(14)) == ()
