"""The agent: what is installed depends on what is wanted, never on the order in which it came."""

from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from nvp_state import NetworkState
from nvp_state.agent import Agent
from nvp_state.controllers import HostDelta
from vswitch_sim import Switch

CASES = NetworkState().physical.engine.program.cases
OUT = {number: (CASES["Output"](number),) for number in (1, 2, 3)}
HERE = (("reg1", 5, -1),)
NEVER = (("reg1", 5, -1), ("reg1", 6, -1))
REVERSED = (("reg2", 1, -1), ("reg1", 5, -1))

flows = [
    (number, 7, match, OUT[port])
    for number in (0, 1)
    for match in (HERE, NEVER, REVERSED, REVERSED[::-1])
    for port in OUT
]
buckets = [(1, bucket, OUT[port]) for bucket in (1, 2) for port in OUT]
wanted_sets = st.tuples(st.sets(st.sampled_from(flows)), st.sets(st.sampled_from(buckets)))


def delta(before, after):
    (flows_before, buckets_before), (flows_after, buckets_after) = before, after
    return HostDelta(
        flows_removed=tuple(flows_before - flows_after),
        flows_added=tuple(flows_after - flows_before),
        buckets_removed=tuple(buckets_before - buckets_after),
        buckets_added=tuple(buckets_after - buckets_before),
    )


def content(switch):
    return set(switch.flows()), switch.buckets()


@given(st.lists(wanted_sets, min_size=1, max_size=5))
def test_the_switch_is_a_function_of_what_is_wanted(history):
    switch, straight = Switch("a"), Switch("b")
    agent = Agent(switch)
    before = (set(), set())
    for after in history:
        agent.apply(delta(before, after))
        before = after
    Agent(straight).apply(delta((set(), set()), before))
    assert content(switch) == content(straight)
    rows = before[0] | before[1]
    entries = [*switch.flows(), *switch.buckets()]
    assert all(agent.row_of(entry) in rows for entry in entries)
    wanted = {(row[0], match_of(row)) for row in before[0] if row[2] != NEVER}
    assert len(switch.flows()) == len(wanted)
    assert len(switch.buckets()) == len({row[:2] for row in before[1]})


def match_of(row):
    return frozenset(row[2])


def test_of_conflicting_flows_the_least_row_stands_whatever_the_order():
    rows = [(0, 7, HERE, OUT[port]) for port in OUT]
    for order in permutations(rows):
        switch = Switch("a")
        agent = Agent(switch)
        for row in order:
            agent.apply(HostDelta(flows_added=(row,)))
        for gone, expected in zip(rows, [*rows[1:], None], strict=True):
            (flow,) = switch.flows()
            assert agent.row_of(flow) == gone
            agent.apply(HostDelta(flows_removed=(gone,)))
            assert len(switch.flows()) == (expected is not None)
