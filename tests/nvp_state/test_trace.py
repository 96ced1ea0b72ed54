"""Traces: the stage, the flow and the rule of each step; each rule is read in its file."""

import re

import pytest

from nvp_state import Acl, Emulation, NetworkState, Port, Switch
from nvp_state.controllers import RULES
from nvp_state.guest import Guests
from nvp_state.names import Names
from tests.nvp_state.small import frame, network

BROADCAST = "ff:ff:ff:ff:ff:ff"


def rule_text(name):
    """The text of the rule that `file:line` names, up to the point that ends it."""
    file, _, line = name.partition(":")
    lines = (RULES / file).read_text("utf-8").splitlines()[int(line) - 1 :]
    return re.split(r"\.$", "\n".join(lines), maxsplit=1, flags=re.MULTILINE)[0]


@pytest.fixture(scope="module")
def three_tier():
    state = NetworkState()
    state.load("examples/three_tier.json")
    return Emulation(state)


def steps(trace, hop=0):
    return {step.stage: step for step in trace.hops[hop].steps}


def test_a_drop_by_an_access_rule_names_the_rule_that_drops(three_tier):
    sent = Guests(three_tier).tcp_frame("web-1", "app-1-front", 22)
    trace = three_tier.trace("web-1", sent)
    assert trace.ports == ()
    assert [step.stage for step in trace.hops[0].steps] == [
        "classify",
        "in_admission",
        "in_acl",
        "in_l2",
        "out_loopback",
        "out_acl",
    ]
    last = trace.hops[0].steps[-1]
    assert (last.entry.priority, last.entry.actions) == (201, ())
    physical, logical = last.rules
    assert '"drop"' in rule_text(logical)
    assert "acl(a, s, direction, priority" in rule_text(logical)
    assert "datapath_flow(s, " in rule_text(physical)
    assert 'acl "acme-frontend:to-lport:100:outport == "app-1-front""' in last.because
    assert trace.hops[0].trace.drops == ("drop_flow",)
    assert trace.hops[0].drops == ()
    assert "-> drop" in str(last)
    assert str(trace).endswith("delivered at: no port")


def test_an_allowing_access_rule_is_named_too(three_tier):
    sent = Guests(three_tier).tcp_frame("web-1", "app-1-front", 80)
    trace = three_tier.trace("web-1", sent)
    assert trace.ports == ("app-1-front",)
    assert '"allow"' in rule_text(steps(trace)["out_acl"].rules[1])


WORDS = {
    "classify": ['stage_flow("classify"'],
    "in_admission": ["own_source", "ipv4_src"],
    "in_acl": ["acl_stage"],
    "in_l2": ["eth_dst", "send_to"],
    "out_loopback": ['"out_loopback"'],
    "out_acl": ["acl"],
    "out_security": ["own_destination"],
    "deliver": ['"deliver"', "tun_id"],
}


def test_every_step_names_a_rule_that_speaks_of_it(three_tier):
    trace = three_tier.trace("web-1", Guests(three_tier).tcp_frame("web-1", "web-2", 80))
    assert [hop.host for hop in trace.hops] == ["hv1", "hv2"]
    for step in trace.hops[0].steps:
        text = rule_text(step.rules[-1])
        assert all(word in text for word in WORDS[step.stage]), step
    (arrival,) = trace.hops[1].steps
    assert (arrival.stage, arrival.depth) == ("classify", 0)
    assert 'Field("tun_id"' in rule_text(arrival.rules[0])
    assert trace.hops[1].in_port == "stt-192.0.2.1"


def test_groups_are_followed_bucket_by_bucket(three_tier):
    trace = three_tier.trace("web-1", Guests(three_tier).arp_frame("web-1", "web-2"))
    assert trace.ports == ("web-2", "app-1-front")
    buckets = [step for step in trace.hops[0].steps if step.stage == "bucket"]
    assert len(buckets) == 3
    assert all("flood_group" in rule_text(bucket.rules[1]) for bucket in buckets)
    assert all(bucket.depth == steps(trace)["in_l2"].depth + 1 for bucket in buckets)
    assert [hop.host for hop in trace.hops] == ["hv1", "hv2", "hv3"]
    dropping = [step for step in trace.hops[0].steps if not step.entry.actions]
    assert [step.stage for step in dropping] == ["out_loopback"]
    assert "from_port(p, from), to_port(p, to)" in rule_text(dropping[0].rules[1])


def test_a_copy_that_does_not_come_back_is_no_drop_of_the_broadcast(three_tier):
    trace = three_tier.trace("web-1", Guests(three_tier).arp_frame("web-1", "web-2"))
    assert trace.hops[0].trace.drops == ("drop_flow",)
    assert trace.hops[0].drops == ()
    assert "dropped:" not in str(trace)


def test_lines_are_legible_and_name_what_numbers_stand_for(three_tier):
    text = str(three_tier.trace("web-1", Guests(three_tier).ping_frame("web-1", "web-2")))
    assert max(map(len, text.splitlines())) <= 96
    for name in (
        "in_port=1 (web-1)",
        "reg15=0x2 (web-2)",
        "metadata=0x1 (acme-frontend)",
        "resubmit(,17) (out_acl)",
        "output:32770 (tunnel to hv2)",
        "tun_id=0x2 (web-2)",
    ):
        assert name in " ".join(text.split())


def test_a_port_may_be_named_as_a_switch_is():
    state = network(Switch("p0", "globex"), Port("s0", "p0", "0a:00:00:00:00:07", host="h0"))
    names = Names(state)
    told = {name: [] for name in ("s0", "p0")}
    for entry in state.flows("h0"):
        (switch,) = names.switches("h0", entry)
        told[switch].append(entry)
    alone = network().flows("h0")
    assert len(told["s0"]) == len(alone)
    assert set(told["s0"]) == set(alone)


def test_a_fact_of_a_policy_is_a_reason():
    state = NetworkState("examples/quarantine.nlog")
    state.load("examples/three_tier.json")
    lab = Emulation(state)
    last = lab.trace("web-1", Guests(lab).ping_frame("web-1", "web-2")).hops[0].steps[-1]
    assert last.stage == "out_loopback"
    assert set(last.because) == {'quarantined("web-2")', 'port "web-2"'}
    assert last.rules[1].startswith("quarantine.nlog:")


def test_what_is_odd_about_an_action_is_noted(tmp_path):
    policy = tmp_path / "policy.nlog"
    policy.write_text(
        'universal_flow(s, "", n, 99, [], [Action("group", "", 999)]) :-\n'
        '    logical_switch(name: s), stage("in_l2", n).\n'
    )
    trace = Emulation(network(rules=policy)).trace("p0", frame("p0", "p1"))
    assert trace.hops[0].steps[-1].notes == ("group:999: the group has no buckets",)
    assert "note: group:999: the group has no buckets" in str(trace)
    assert trace.hops[0].drops == ()


def test_a_miss_is_a_step_without_a_rule():
    lab = Emulation(network())
    trace = lab.trace("p0", frame("p1", "p0"))
    last = trace.hops[0].steps[-1]
    assert (last.stage, last.entry, last.rules) == ("in_admission", None, ())
    assert "in_admission: no flow matches: drop" in str(trace)


def test_a_runt_has_no_steps():
    trace = Emulation(network()).trace("p0", b"short")
    assert (trace.ports, trace.hops[0].steps) == ((), ())
    assert "dropped: runt" in str(trace)


def test_a_trace_changes_nothing():
    lab = Emulation(network())
    lab.send("p0", frame("p0", "p1"))
    switch = lab.fabric.switch("h0")
    before = switch.flows(), dict(switch.drops), switch.cache
    for target in ("p1", BROADCAST, "0a:00:00:00:00:09"):
        lab.trace("p0", frame("p0", target))
    assert (switch.flows(), dict(switch.drops), switch.cache) == before


def test_a_flow_with_two_reasons_names_one_that_holds():
    acls = [Acl("s0", "to-lport", 5, match, "drop") for match in ("eth.type == 0x9000", "1")]
    state = network(*acls)
    lab = Emulation(state)
    for acl in acls:
        assert lab.trace("p0", frame("p0", "p1")).hops[0].steps[-1].stage == "out_acl"
        with state.transaction() as tx:
            tx.remove(acl)
    assert lab.trace("p0", frame("p0", "p1")).ports == ("p1",)
