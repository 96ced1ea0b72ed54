"""The chain of controllers: all of a change or nothing of it, and deltas that add up."""

from collections import defaultdict

import pytest

import nlog
import nvp_state.network as chain
from nvp_state import Acl, Emulation, Host, NetworkState, Port, StateError
from nvp_state.controllers import OUTPUTS, RULES, HostDelta
from tests.nvp_state.small import ENTITIES, arrivals, change, network
from tests.nvp_state.test_network_change import assert_whole, everything, installed


def test_a_refusal_of_the_physical_controller_takes_back_the_logical_one_too(tmp_path):
    extra = tmp_path / "extra.nlog"
    extra.write_text("physical_flow(h, 100 / (3 - key), 1, [], []) :- host(name: h, key: key).")
    state = NetworkState()
    state.physical.engine = nlog.Engine(nlog.load(RULES / "physical.nlog", extra))
    lab = Emulation(state)
    change(state, "add", *ENTITIES)
    before = everything(state), installed(lab)
    with pytest.raises(StateError, match="division by zero"), state.transaction() as tx:
        tx.add(Host("h2", "192.0.2.3"), Acl("s0", "to-lport", 1, "1", "drop"))
        tx.add(Port("p2", "s0", "0a:00:00:00:00:03", host="h2"))
        tx.remove(("port", "p1"))
    assert (everything(state), installed(lab)) == before
    change(state, "add", Port("p2", "s0", "0a:00:00:00:00:03", host="h1"))
    assert_whole(state, lab)
    assert arrivals(lab, "p0", "0a:00:00:00:00:03") == ["p2"]


def test_what_listeners_hear_adds_up_to_what_there_is():
    state = network()
    rows = defaultdict(set)

    def hear(news):
        for host, delta in news.hosts.items():
            assert delta != HostDelta()
            for table, name in OUTPUTS.items():
                gone, come = getattr(delta, f"{name}_removed"), getattr(delta, f"{name}_added")
                assert rows[host, table] >= set(gone)
                assert not rows[host, table] & set(come)
                rows[host, table] = rows[host, table] - set(gone) | set(come)
        heard.append(news.entities)

    heard = []
    state.listen(hear)
    assert {record.entity for record in heard[0].added} == {*ENTITIES} - {ENTITIES[2]}
    for document in ("examples/three_tier.json", network().dump(), {}, "examples/three_tier.json"):
        state.load(document)
        for table in OUTPUTS:
            there = {
                (host, *row) for (host, name), some in rows.items() for row in some if name == table
            }
            assert there == set(state.physical.engine[table])
    assert len(heard) == 5


def test_a_change_that_changes_nothing_is_not_heard():
    state = network()
    heard = []
    state.listen(heard.append)
    change(state, "replace", *ENTITIES)
    state.load(state.dump())
    assert len(heard) == 1


def test_what_a_state_is_asked_it_answers():
    state = network()
    assert state.get("port", "p0") == ENTITIES[3]
    assert state.get("port", "p9") is None
    assert state.record("host", "h1").tunnel_key == 2
    assert state.record("host", "h9") is None
    assert state.entities("host") == list(ENTITIES[:2])
    with pytest.raises(StateError, match='host "h9": does not exist'):
        state.flows("h9")


def test_flows_are_in_the_order_in_which_a_packet_meets_them():
    flows = [entry for entry in network().flows("h0") if hasattr(entry, "table")]
    assert flows == sorted(flows, key=lambda it: (it.table, -it.priority, str(it.match)))
    assert len({flow.identity for flow in flows}) == len(flows)
    buckets = network().flows("h0")[len(flows) :]
    assert [bucket.identity for bucket in buckets] == sorted(it.identity for it in buckets)


STEPS = ("insert_many", "delete_many", "apply", "prepare")


@pytest.mark.parametrize("late", [False, True])
def test_an_exception_at_any_step_leaves_all_as_it_was(late, monkeypatch):
    """Each call that a change makes to either engine fails once, before or after it is done."""
    state = network()
    lab = Emulation(state)
    before = everything(state), installed(lab)
    calls, failing = [], 0

    def failed(name, step):
        def call(tx, *arguments):
            calls.append(name)
            if len(calls) == failing and not late:
                raise KeyboardInterrupt
            result = step(tx, *arguments)
            if len(calls) == failing:
                raise KeyboardInterrupt
            return result

        return call

    for name in STEPS:
        monkeypatch.setattr(nlog.Transaction, name, failed(name, getattr(nlog.Transaction, name)))
    while failing <= len(calls):
        failing, calls = failing + 1, []
        try:
            with state.transaction() as tx:
                tx.add(Port("p2", "s0", "0a:00:00:00:00:03", host="h0"))
                tx.remove(("port", "p1"))
        except KeyboardInterrupt:
            assert (everything(state), installed(lab)) == before
    assert failing > len(calls) > 10
    assert {*calls} == {*STEPS}
    assert calls.count("prepare") == 2
    monkeypatch.undo()
    assert state.get("port", "p2") is not None
    assert_whole(state, lab)


def test_facts_that_cannot_be_made_revert_the_store(monkeypatch):
    state = network()
    before = everything(state)

    def fail(_change):
        raise MemoryError

    monkeypatch.setattr(chain, "facts_of", fail)
    with pytest.raises(MemoryError):
        change(state, "remove", ENTITIES[-1])
    monkeypatch.undo()
    assert everything(state) == before


def test_what_a_policy_makes_is_refused_before_anything_is_committed(tmp_path):
    extra = tmp_path / "extra.nlog"
    extra.write_text("datapath(name, key - 2) :- logical_switch(name: name, key: key).\n")
    state = NetworkState(extra)
    before = everything(state)
    with pytest.raises(StateError, match=r"extra.nlog:1.*the key must be in 1"):
        change(state, "add", *ENTITIES)
    assert everything(state) == before


def test_a_listener_that_fails_keeps_no_other_from_hearing():
    state = network()

    def fail(news):
        if news.entities.removed:
            raise OSError("the disk is full")

    state.listen(fail)
    lab = Emulation(state)
    with pytest.raises(ExceptionGroup, match="the change is committed") as caught:
        change(state, "remove", ENTITIES[-1])
    assert caught.group_contains(OSError, match="the disk is full")
    assert state.get("port", "p1") is None
    assert_whole(state, lab)
