"""Random frames through random networks: what comes out is what the entities say, no more."""

from hypothesis import event, given, settings

from nvp_state import Acl, Emulation, NetworkState, Port
from tests.nvp_state import labs
from tests.nvp_state.small import arrivals, change, network


@settings(labs.SEEDED, max_examples=64)
@given(labs.randoms)
def test_frames_come_out_where_the_oracle_says(random):
    members = labs.a_network(random)
    state = NetworkState()
    with state.transaction() as tx:
        tx.add(*members)
    outcomes = labs.assert_explained(random, Emulation(state), members, 60)
    event(f"delivered {10 * ((outcomes[1] + outcomes[2]) // 10)} or more")
    event(f"copied {10 * (outcomes[2] // 10)} or more")


def test_of_access_rules_with_one_priority_drop_decides():
    wide, narrow = "1", "eth.type == 0x9000 && eth.dst == 0a:00:00:00:00:02"
    for direction in ("from-lport", "to-lport"):
        for allowed, dropped in ((wide, narrow), (narrow, wide)):
            state = network(
                Acl("s0", direction, 5, allowed, "allow"), Acl("s0", direction, 5, dropped, "drop")
            )
            lab = Emulation(state)
            assert arrivals(lab, "p0", "p1") == []
            change(state, "add", Acl("s0", direction, 6, wide, "allow"))
            assert arrivals(lab, "p0", "p1") == ["p1"]


def test_frames_to_a_disabled_port_go_nowhere_and_those_to_strangers_where_they_are_wanted():
    greedy = Port("p2", "s0", "0a:00:00:00:00:03", host="h1", port_security=False, unknown=True)
    quiet = Port("p3", "s0", "0a:00:00:00:00:04", host="h1", enabled=False)
    lab = Emulation(network(greedy, quiet))
    assert arrivals(lab, "p0", quiet.mac) == []
    assert arrivals(lab, "p0", "0a:00:00:00:00:09") == ["p2"]
    assert arrivals(lab, "p0", "ff:ff:ff:ff:ff:ff") == ["p1", "p2"]
