"""The cache never changes an answer (`test_switch`), and forgets no more than it must."""

from collections.abc import Iterator

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vswitch_sim.flows import SWITCH_PORTS, distinct, pipelines, update_between
from tests.vswitch_sim.frames import specs
from vswitch_sim import Bucket, Flow, FlowUpdate, Group, GroupType, Match, Move, Output, Switch
from vswitch_sim.fields import DATAPATH_MASK
from vswitch_sim.records import Record
from vswitch_sim.translate import translate

packets = st.tuples(st.sampled_from([1, 2]), specs(), st.sampled_from([0, 7]))


def key_of(packet) -> tuple:
    in_port, spec, tun_id = packet
    return (in_port, tun_id, tuple(sorted(spec.fields.items())))


def passed(switch: Switch, key: int) -> tuple:
    """What a key's walk passes and comes to, in the tables as they are."""
    slow = switch._slow
    walk = translate(slow.view(slow.tables.versions.current), key, lambda _: 1)
    return walk.entries, walk.actions


def witnesses(record: Record, update: FlowUpdate) -> Iterator[int]:
    """Keys of a megaflow, one for each of its lookups that an added flow may hit."""
    yield record.key
    for flow in update.add:
        if isinstance(flow, Flow):
            for lookup in record.walk.lookups:
                known = lookup.known | record.walk.read
                free = flow.match.key_mask & ~known & DATAPATH_MASK
                yield record.key & ~free | flow.match.key_value & free


@settings(max_examples=150, deadline=None)
@given(
    pipelines(max_size=10),
    pipelines(max_size=10),
    st.lists(packets, min_size=1, max_size=6, unique_by=key_of),
    st.integers(0, 3),
)
def test_an_update_kills_the_megaflows_that_it_changes_and_no_others(first, more, sent, kept):
    """A megaflow has changed if one of its packets now walks another way.

    Of conjunctive matches it is enough that it may have changed.
    """
    switch = Switch("hv1")
    for port in SWITCH_PORTS:
        switch.add_port(port, f"p{port}")
    # Half the updates are small: most of what was there stays.
    wanted = distinct(first + more[:2]) if kept else more
    update = update_between(first, wanted)
    switch.apply(FlowUpdate(add=first))
    for in_port, spec, tun_id in sent:
        switch.process(in_port, spec.build(), tun_id)
    before = list(switch._slow.records)
    ways = {it.number: [passed(switch, key) for key in witnesses(it, update)] for it in before}
    switch.apply(update)
    groups = {e.group for e in (*update.remove, *update.add) if isinstance(e, Bucket | GroupType)}
    n_killed = 0
    conjunctive = any(entry.clauses for entry in first + wanted if isinstance(entry, Flow))
    for record in before:
        now = [passed(switch, key) for key in witnesses(record, update)]
        changed = now != ways[record.number] or bool(record.walk.needs.groups & groups)
        killed = record.number not in switch._slow.records
        assert killed >= changed
        assert killed == changed or conjunctive, update
        n_killed += killed
    assert switch.cache.invalidated == n_killed
    assert switch.cache.megaflows == len(before) - n_killed


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


def test_what_was_not_used_for_longest_makes_room():
    switch = Switch("hv1", megaflows_max=8)
    switch.add_port(1, "a")
    switch.add_port(2, "b")
    switch.apply(FlowUpdate(add=[Flow(0, 1, Match(), (Move("eth_src[0..31]", "reg0"), Output(2)))]))
    for n in range(40):
        frame = bytes(10) + n.to_bytes(2, "big") + bytes(50)
        for at_s in (n, n):
            assert len(switch.process(1, frame, now_s=at_s / 10)) == 1
        assert switch.cache.megaflows <= 8
    (counted,) = switch.flows().values()
    assert (counted.n_packets, counted.n_bytes) == (80, 80 * 62)


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
