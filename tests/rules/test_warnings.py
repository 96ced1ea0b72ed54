"""Warnings: rows that name an object whose configuration its owner can hardly have meant."""

import pytest
from attrs import evolve

from nvp_state import Acl, Port, Switch
from tests.nvp_state.small import ENTITIES, MACS, change, network

P1 = ENTITIES[-1]


def test_a_network_without_oddities_has_no_warnings():
    assert network().warnings() == []


def test_ports_of_one_switch_that_share_addresses_are_both_named():
    state = network(
        Switch("s1", "acme"),
        Port("p2", "s0", MACS["p1"], ip="10.0.0.1", host="h0"),
        Port("p3", "s1", MACS["p1"], ip="10.0.0.1", host="h0"),
    )
    change(state, "replace", evolve(P1, ip="10.0.0.1"))
    assert [warning[:2] for warning in state.warnings()] == [
        ("p1", "duplicate-ip"),
        ("p1", "duplicate-mac"),
        ("p2", "duplicate-ip"),
        ("p2", "duplicate-mac"),
    ]
    assert state.warnings()[1][2] == (
        "port p2 of the same switch has the same MAC, 0a:00:00:00:00:02"
    )
    change(state, "remove", ("port", "p2"))
    assert state.warnings() == []


def test_an_access_rule_that_names_a_port_of_another_switch_is_named():
    acl = Acl("s0", "to-lport", 1, 'inport == "p9" && outport == "p1"', "drop")
    state = network(Switch("s1", "globex"), Port("p9", "s1", MACS["p0"], host="h0"), acl)
    warning = ("s0:to-lport:1:" + acl.match, "acl-unknown-port")
    assert state.warnings() == [(*warning, "switch s0 has no port p9: it never is the packet's")]
    change(state, "replace", Port("p9", "s0", "0a:00:00:00:00:09", host="h0"))
    assert state.warnings() == []


@pytest.mark.parametrize(
    "match", ["0", "ip4.src == 10.0.0.1 && ip4.src == 10.0.0.2", "tcp && udp", "tcp && !ip"]
)
def test_an_access_rule_that_contradicts_itself_is_named(match):
    acl = Acl("s0", "to-lport", 1, match, "drop")
    state = network(acl)
    (warning,) = state.warnings()
    assert warning[:2] == (f"s0:to-lport:1:{match}", "acl-never-matches")
    change(state, "remove", acl)
    assert state.warnings() == []


def test_flows_for_a_switch_that_is_not_there_are_named(tmp_path):
    policy = tmp_path / "policy.nlog"
    policy.write_text(
        'universal_flow("s7", "", n, 9, [], []) :- stage("in_acl", n).\n'
        'universal_bucket("s8", 900, 1, []).\n'
    )
    state = network(rules=policy)
    assert [warning[:2] for warning in state.warnings()] == [
        ("s7", "flow-unknown-datapath"),
        ("s8", "flow-unknown-datapath"),
    ]
    change(state, "add", Switch("s7", "acme"))
    assert [warning[0] for warning in state.warnings()] == ["s8"]
