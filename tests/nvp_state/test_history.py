"""What a commit would do, what commits did, who hears of it, and how to take them back."""

import pytest
from attrs import evolve
from hypothesis import given, settings

from nvp_state import Acl, NetworkState, Port, StateError, Switch
from nvp_state.agent import installed
from nvp_state.controllers import HostDelta
from tests.nvp_state import labs
from tests.nvp_state.small import change, network
from tests.nvp_state.test_network_change import a_step, everything

DROP = Acl("s0", "to-lport", 1, "ip4", "drop")


def test_a_preview_is_what_the_commit_does_and_does_nothing():
    state = network()
    heard = []
    state.follow(heard.append)
    before = everything(state), state.dump()
    with state.transaction() as tx:
        tx.add(DROP)
        tx.replace(evolve(state.get("port", "p1"), host="h0"))
        expected = tx.preview()
        assert (everything(state), state.dump()) == before
        assert not heard
    assert {name: rows_of(delta) for name, delta in expected.items()} == {
        name: rows_of(delta) for name, delta in heard[0].hosts.items()
    }


def rows_of(delta):
    return {name: set(getattr(delta, name)) for name in HostDelta.__match_args__}


def test_a_preview_of_what_would_be_refused_says_why():
    state = network()
    before = everything(state)
    tx = state.transaction()
    tx.remove(("host", "h1"))
    with pytest.raises(StateError, match='host "h1": is still used by port "p1"'):
        tx.preview()
    assert everything(state) == before
    assert state.transaction().preview() == {}


def test_who_subscribes_to_a_host_hears_of_that_host_until_it_ends():
    state = network(Switch("far", "acme"), Port("q", "far", "0a:00:00:00:00:07", host="h1"))
    flows = state.flows("h0")
    heard = []
    end = flows.subscribe(heard.append)
    change(state, "replace", evolve(state.get("port", "q"), enabled=False))
    assert heard == []
    change(state, "add", DROP)
    assert len(heard) == 1
    assert len(state.flows("h0")) == len(flows) + len(heard[0].flows_added)
    end()
    change(state, "remove", DROP)
    assert len(heard) == 1
    assert list(state.flows("h0")) == list(flows)


def test_nothing_can_be_taken_back_where_nothing_was_done():
    with pytest.raises(ValueError, match="no commit to take back"):
        NetworkState().undo()


def test_what_is_in_the_way_of_taking_back_is_told_and_stays():
    state = network()
    change(state, "add", Switch("s9", "acme"))
    state.load(state.dump())
    change(state, "remove", ("switch", "s9"))
    assert len(state.history) == 3
    state.undo()
    assert state.get("switch", "s9") is not None
    assert len(state.history) == 2


@settings(labs.SEEDED, max_examples=8)
@given(labs.randoms)
def test_taking_all_back_leads_all_the_way_back(random):
    state = network()
    documents = []
    for _ in range(6):
        document = state.dump()
        try:
            with state.transaction() as tx:
                for verb, entity in a_step(random, state):
                    getattr(tx, verb)(entity)
        except StateError:
            continue
        if tx.change:
            documents.append(document)
    assert len(state.history) == len(documents) + 1
    for document in reversed(documents):
        state.undo()
        fresh = NetworkState()
        fresh.load(document)
        assert sorted_in(state.dump()) == sorted_in(document)
        for host in state.entities("host"):
            count = len(installed(state.rows(host.name)))
            assert count == len(installed(fresh.rows(host.name)))


def sorted_in(plain):
    """Plain data with every list in one order: what is taken back comes last in a document."""
    match plain:
        case dict():
            return {name: sorted_in(value) for name, value in plain.items()}
        case list():
            return sorted(map(sorted_in, plain), key=repr)
    return plain


def test_a_preview_reads_as_flows_that_come_and_go():
    state = network()
    with state.transaction() as tx:
        tx.replace(evolve(state.get("port", "p1"), enabled=False))
        told = str(tx.preview()["h1"]).splitlines()
    assert told
    assert {line.split()[0] for line in told} <= {"-", "+"}
    actions = "set_field:0x2->reg15,resubmit(,40)"
    assert (
        f"- flow table=22, priority=50,metadata=0x1,dl_dst=0a:00:00:00:00:02 actions={actions}"
    ) in told


def test_a_subscription_can_be_ended_twice_and_ends_no_other():
    state, heard = network(), []
    end, _ = (state.follow(heard.append) for _ in range(2))
    end()
    end()
    change(state, "add", DROP)
    assert len(heard) == 1
