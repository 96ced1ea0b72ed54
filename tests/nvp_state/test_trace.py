"""Traces: the stage, the flow and the rule of each step; each rule is read in its file."""

import re

import pytest
from attrs import evolve

from nvp_state import Acl, Emulation, NetworkState, Port, StateError, Switch
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


def deciding(trace, hop=0):
    """The stages of a hop in which something was decided, in order."""
    return [step.stage for step in trace.hops[hop].steps if not step.passes]


def test_a_drop_by_an_access_rule_names_the_rule_that_drops(three_tier):
    sent = Guests(three_tier).tcp_frame("web-1", "app-1-front", 22)
    trace = three_tier.trace("web-1", sent)
    assert trace.ports == ()
    assert [hop.host for hop in trace.hops] == ["hv1", "hv3"]
    assert deciding(trace) == ["classify", "in_admission", "in_l2", "carry"]
    assert deciding(trace, 1) == ["classify", "out_acl", "out_acl_done"]
    *_, verdict, last = trace.hops[1].steps
    assert (verdict.entry.priority, last.entry.actions) == (201, ())
    physical, logical = verdict.rules
    assert "acl_base(" in rule_text(logical)
    assert "datapath_flow(" in rule_text(physical)
    acl = 'acl "acme-frontend:to-lport:100:outport == "app-1-front""'
    assert set(verdict.because) == {acl, 'port "app-1-front"'}
    assert "decision(" in rule_text(last.rules[1])
    assert trace.hops[1].trace.drops == ("drop_flow",)
    assert trace.hops[1].drops == ()
    assert "-> drop" in str(last)
    assert str(trace).endswith("delivered at: no port")
    told = " ".join(str(trace).split())
    assert f"dropped on hv3 in out_acl_done, as out_acl says, because of {acl}" in told


def test_an_allowing_access_rule_is_named_too(three_tier):
    sent = Guests(three_tier).tcp_frame("web-1", "app-1-front", 80)
    trace = three_tier.trace("web-1", sent)
    assert trace.ports == ("app-1-front",)
    verdict = steps(trace, 1)["out_acl"]
    assert verdict.entry.priority == 400
    assert "tcp.dst == 80" in "".join(verdict.because)
    assert "dropped" not in str(trace)


FORGETTING = ("in_commit", "out_commit")
WORDS = {
    "classify": ['"classify"'],
    "in_admission": ["own_source", "ipv4_src"],
    "in_l2": ["eth_dst", "send_to"],
    "carry": ['"carry"', "tun_id"],
    "out_security": ["own_destination"],
    "deliver": ['"deliver"', "leaving"],
}


def test_every_step_names_a_rule_that_speaks_of_it(three_tier):
    trace = three_tier.trace("web-1", Guests(three_tier).tcp_frame("web-1", "web-2", 80))
    assert [hop.host for hop in trace.hops] == ["hv1", "hv2"]
    seen = set()
    for hop in trace.hops:
        for step in hop.steps:
            text = rule_text(step.rules[-1])
            seen.add(step.stage)
            if step.passes:
                assert "passes(stage, kind)" in text or step.stage in {"stamp", *FORGETTING}
            else:
                assert all(word in text for word in WORDS[step.stage]), step
    assert seen > set(WORDS)
    arrival = trace.hops[1].steps[0]
    assert (arrival.stage, arrival.depth) == ("classify", 0)
    assert 'Field("tun_id[0..23]"' in rule_text(arrival.rules[0])
    assert trace.hops[1].in_port == "stt-192.0.2.1"
    assert trace.hops[1].context == "from web-1 to web-2"


def test_stages_that_decide_nothing_share_a_line_unless_everything_is_wanted(three_tier):
    trace = three_tier.trace("web-1", Guests(three_tier).tcp_frame("web-1", "web-2", 80))
    folded, everything = list(trace.lines()), list(trace.lines(everything=True))
    passed = "out_ct, out_acl, out_acl_done, out_qos, out_commit"
    assert any(line.startswith("  out_loopback, ") and passed in line for line in folded)
    assert len(everything) > 1.5 * len(folded)
    for name in ("in_acl", "out_acl", "out_commit"):
        assert not any(line.startswith(f"  {name}:") for line in folded)
        assert any(line.startswith(f"  {name}: priority ") for line in everything)


def test_a_packet_is_followed_through_a_router(three_tier):
    guests = Guests(three_tier)
    trace = three_tier.trace("web-1", guests.ping_frame("web-1", "app-1-back"))
    assert trace.ports == ("app-1-back",)
    assert [hop.host for hop in trace.hops] == ["hv1", "hv3"]
    stages = deciding(trace)
    routed = ["rt_admission", "rt_route", "rt_resolve", "rt_deliver", "deliver", "in_admission"]
    assert stages[stages.index("rt_admission") :][: len(routed)] == routed
    route = steps(trace)["rt_route"]
    assert 'router-port "to-backend"' in route.because
    assert "reg15=0xb (to-backend)" in steps(trace)["rt_deliver"].text
    assert "metadata=0x4 (acme-router)" in route.text
    assert trace.hops[1].context == "from to-backend to app-1-back"


def test_a_flow_that_drops_what_is_routed_is_told(three_tier):
    sent = Guests(three_tier).tcp_frame("web-1", "db-1", 5432)
    told = " ".join(str(three_tier.trace("web-1", sent)).split())
    assert "dropped on hv1 in out_acl_done, as out_acl says, because of acl" in told


def test_groups_are_followed_bucket_by_bucket(three_tier):
    sent = bytes.fromhex("ffffffffffff 0a0000000001 0806 0001080006040001") + bytes.fromhex(
        "0a0000000001 0a00000b 000000000000 0a000063"
    )
    trace = three_tier.trace("web-1", sent)
    assert trace.ports == ("web-2", "app-1-front")
    buckets = [step for step in trace.hops[0].steps if step.stage == "bucket"]
    assert len(buckets) == 4
    assert all("flood_group" in rule_text(bucket.rules[1]) for bucket in buckets)
    assert all(bucket.depth == steps(trace)["in_l2"].depth + 1 for bucket in buckets)
    assert [hop.host for hop in trace.hops] == ["hv1", "hv2", "hv3"]
    dropping = [step for step in trace.hops[0].steps if step.drops]
    assert [step.stage for step in dropping] == ["out_loopback", "rt_input"]
    assert "from_port(p, from), to_port(p, to)" in rule_text(dropping[0].rules[1])
    assert trace.hops[0].trace.drops == ("drop_flow", "drop_flow")
    assert trace.hops[0].drops == ()
    assert "dropped" not in str(trace)


def test_an_arp_request_is_answered_where_it_is_asked(three_tier):
    trace = three_tier.trace("web-1", Guests(three_tier).arp_frame("web-1", "web-2"))
    assert trace.ports == ("web-1",)
    assert [hop.host for hop in trace.hops] == ["hv1"]
    assert steps(trace)["in_arp"].because == ('port "web-2"',)


def test_lines_are_legible_and_name_what_numbers_stand_for(three_tier):
    guests = Guests(three_tier)
    text = str(three_tier.trace("web-1", guests.tcp_frame("web-1", "app-1-front", 80)))
    assert max(map(len, text.splitlines())) <= 96
    for name in (
        "in_port=1 (web-1)",
        "set_field:0x1->reg14 (web-1)",
        "reg15=0x3 (app-1-front)",
        "metadata=0x1 (acme-frontend)",
        "resubmit(,40) (carry)",
        "output:32771 (tunnel to hv3)",
        "set_field:0x3->tun_id (app-1-front)",
        "tun_id=0x3/0x200000000ffffff (app-1-front)",
        "hv3, in by stt-192.0.2.1, from web-1 to app-1-front:",
    ):
        assert name in " ".join(text.split())


def test_a_port_may_be_named_as_a_switch_is():
    state = network(Switch("p0", "globex"), Port("s0", "p0", "0a:00:00:00:00:07", host="h0"))
    names = Names(state)
    told = {name: [] for name in ("s0", "p0")}
    for entry in state.flows("h0"):
        for switch in names.datapaths("h0", entry):
            told[switch].append(entry)
    alone = [entry for entry in network().flows("h0") if names.stage(entry) != "stamp"]
    assert len(told["s0"]) == len(alone)
    assert set(told["s0"]) == set(alone)


def test_a_fact_of_a_policy_is_a_reason():
    state = NetworkState("examples/policies/quarantine.nlog")
    state.load("examples/three_tier.json")
    lab = Emulation(state)
    last = lab.trace("web-1", Guests(lab).ping_frame("web-1", "web-2")).hops[-1].steps[-1]
    assert last.stage == "out_policy"
    assert set(last.because) == {'quarantined("web-2")', 'port "web-2"'}
    assert last.rules[1].startswith("quarantine.nlog:")


def test_what_is_odd_about_an_action_is_noted(tmp_path):
    policy = tmp_path / "policy.nlog"
    policy.write_text(
        'universal_flow(s, "", n, 99, [], [Group(999)]) :-\n'
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
        assert lab.trace("p0", frame("p0", "p1")).hops[1].steps[-2].stage == "out_acl"
        with state.transaction() as tx:
            tx.remove(acl)
    assert lab.trace("p0", frame("p0", "p1")).ports == ("p1",)


def test_a_trace_to_an_address(three_tier):
    guests = Guests(three_tier)
    assert three_tier.trace("web-1", guests.ping_frame("web-1", "10.0.0.12")).ports == ("web-2",)
    there = three_tier.trace("web-1", guests.ping_frame("web-1", "10.0.0.1"))
    assert there.ports == ("web-1",)  # the router answers
    told = str(three_tier.trace("web-1", guests.ping_frame("web-1", "192.0.2.77")))
    assert "(the router has no route there)" in told
    with pytest.raises(StateError, match=r"nobody on switch acme-frontend has 10\.0\.0\.99"):
        guests.ping_frame("web-1", "10.0.0.99")
    with pytest.raises(StateError, match=r"fd00::12: pings, TCP and ARP are of IPv4"):
        guests.ping_frame("web-1", "fd00::12")


def test_a_miss_says_what_it_means(three_tier):
    told = str(three_tier.trace("web-1", frame("p0", "p1")))
    assert "dropped on hv1 in in_admission: no flow matches: drop (web-1 may not send it:" in told


def test_a_packet_that_is_tracked_is_not_told_as_dropped():
    state = network(Acl("s0", "to-lport", 5, "ip4", "allow-related"))
    with state.transaction() as tx:
        tx.add(Acl("s0", "to-lport", 6, "icmp4", "drop"))
        for name, ip in (("p0", "10.0.0.1"), ("p1", "10.0.0.2")):
            tx.replace(evolve(state.get("port", name), ip=ip))
    lab = Emulation(state)
    told = str(lab.trace("p0", Guests(lab).ping_frame("p0", "p1")))
    verdicts = [line for line in told.splitlines() if line.startswith("dropped")]
    assert len(verdicts) == 1
    assert "in out_acl_done, as out_acl says, because of acl" in verdicts[0]
