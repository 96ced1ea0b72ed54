"""Policy files of users: on a par with the shipped rules, and refused as a whole when wrong."""

import pytest

import nlog
from nvp_state import Acl, Emulation, NetworkState, Port, StateError, Switch
from tests.nvp_state.small import ENTITIES, arrivals, change, frame, network
from tests.nvp_state.test_network_change import assert_whole, everything, installed

TRIGGER = Acl("s0", "to-lport", 0, "ip4", "drop")

# Each makes something wrong once there is an access rule.
WRONG = {
    "a-function-error": (
        'universal_flow(s, "", 9, 100 / p, [], []) :- acl(id: a, priority: p), acl_switch(a, s).',
        "rules: rule of `universal_flow` at {file}:1: division by zero: 100 / 0",
    ),
    "an-unknown-field": (
        'universal_flow(s, "", 9, 9, [Field("tcp_dts", 5, -1)], []) :- acl_switch(ls: s).',
        "rule at {file}:1: universal_flow: no field is named 'tcp_dts'",
    ),
    "a-part-that-no-field-has": (
        'universal_flow(s, "", 9, 9, [], [SetField("reg0[30..33]", 1)]) :- acl_switch(ls: s).',
        "rule at {file}:1: universal_flow: reg0 has bits 0..31, not 30..33",
    ),
    "a-priority-too-high": (
        'universal_flow(s, "", 9, 70000, [], []) :- acl_switch(ls: s).',
        "rule at {file}:1: universal_flow: flow table=9",
    ),
    "a-missing-prerequisite": (
        'universal_flow(s, "", 9, 9, [Field("tcp_dst", 80, -1)], []) :- acl_switch(ls: s).',
        "rule at {file}:1: universal_flow: a match on tcp_dst needs eth_type",
    ),
    "bits-outside-the-mask": (
        'universal_flow(s, "", 9, 9, [Field("reg3", 5, 1)], []) :- acl_switch(ls: s).',
        "rule at {file}:1: universal_flow: reg3=0x5/0x1",
    ),
    "a-group-below-zero": (
        "universal_bucket(s, -1, 9, []) :- acl_switch(ls: s).",
        "rule at {file}:1: universal_bucket: bucket group_id=-1",
    ),
    "a-key-below-zero": (
        'port_binding("p0", s, -5) :- acl_switch(ls: s).',
        "rule at {file}:1: port_binding: ('p0', 's0', -5): the key must be in 1..0x7fffff",
    ),
    "a-datapath-too-large": (
        "datapath(s, 1 << 40) :- acl_switch(ls: s).",
        "rule at {file}:1: datapath: ('s0', 1099511627776): the key must be in 1..0x7fffff",
    ),
}


def policy(folder, text):
    path = folder / "policy.nlog"
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", WRONG)
def test_what_a_wrong_rule_makes_is_refused_and_nothing_has_changed(name, tmp_path):
    text, message = WRONG[name]
    file = policy(tmp_path, text)
    state = network(rules=[file])
    lab = Emulation(state)
    before = everything(state), installed(lab), state.dump()
    with pytest.raises(StateError) as caught, state.transaction() as tx:
        tx.add(TRIGGER, Port("p2", "s0", "0a:00:00:00:00:03", host="h0"))
        tx.remove(("port", "p1"))
        tx.add(Switch("s1", "acme"))
    assert str(caught.value).startswith(message.format(file=file))
    with pytest.raises(ValueError, match="has not been committed"):
        _ = tx.change
    assert (everything(state), installed(lab), state.dump()) == before
    change(state, "add", Port("p3", "s0", "0a:00:00:00:00:03", host="h0"))
    assert state.record("port", "p3").tunnel_key == 3
    assert_whole(state, lab)
    assert arrivals(lab, "p1", "0a:00:00:00:00:03") == ["p3"]


def test_a_wrong_document_is_refused_too(tmp_path):
    state = NetworkState([policy(tmp_path, WRONG["a-part-that-no-field-has"][0])])
    document = network(TRIGGER).dump()
    with pytest.raises(StateError, match=r"reg0 has bits 0\.\.31"):
        state.load(document)
    assert not any(everything(state)[0])
    state.load(document | {"acls": []})
    assert [entity.name for entity in state.entities("port")] == ["p0", "p1"]


def test_every_rule_with_a_fault_is_named_once(tmp_path):
    texts = (WRONG["an-unknown-field"][0], WRONG["a-group-below-zero"][0])
    file = policy(tmp_path, "\n".join(texts))
    state = network(rules=[file])
    with pytest.raises(StateError) as caught:
        change(state, "add", TRIGGER, Acl("s0", "to-lport", 1, "ip4", "drop"))
    objects = sorted(problem.object for problem in caught.value.problems)
    assert objects == [f"rule at {file}:1", f"rule at {file}:2"]


def test_a_policy_file_with_mistakes_is_refused_at_the_start(tmp_path):
    file = policy(tmp_path, "universal_flow(s, p) :- logical_prot(name: p, ls: s).")
    with pytest.raises(nlog.RuleError, match="logical_prot"):
        NetworkState([file])


def test_a_flow_of_a_policy_stands_beside_ours_and_the_trace_names_it(tmp_path):
    text = (
        'universal_flow(s, p, n, 99, own + [Field("eth_type", 0x9000, -1)], []) :-\n'
        '    logical_port(name: p, ls: s), p == "p0", from_port(p, own), stage("in_acl", n).\n'
    )
    state = network(rules=[policy(tmp_path, text)])
    lab = Emulation(state)
    assert arrivals(lab, "p0", "p1") == []
    assert arrivals(lab, "p1", "p0") == ["p0"]
    assert_whole(state, lab)


def test_a_match_that_contradicts_itself_is_no_flow_and_no_mistake(tmp_path):
    text = (
        'universal_flow(s, "", 9, 99, [Field("metadata", 9, -1)], []) :- logical_switch(name: s).'
    )
    state = network(rules=[policy(tmp_path, text)])
    lab = Emulation(state)
    assert_whole(state, lab)
    assert not any("priority=99," in str(entry) for entry in state.flows("h0"))
    assert arrivals(lab, "p0", "p1") == ["p1"]


def test_two_policies_make_one_program(tmp_path):
    table = tmp_path / "a.nlog"
    table.write_text("// Each row means: `port` is shut.\nexport open table shut(port: str)\n")
    rules = tmp_path / "b.nlog"
    rules.write_text(
        'shut("p1").\nuniversal_flow(s, "", n, 99, to, []) :-\n'
        '    shut(p), logical_port(name: p, ls: s), to_port(p, to), stage("out_acl", n).\n'
    )
    lab = Emulation(network(rules=[rules, table]))
    assert arrivals(lab, "p0", "p1") == []
    assert arrivals(lab, "p1", "p0") == ["p0"]


def test_access_rules_of_nested_names_are_told_apart():
    """A tenant may not name a switch so that its access rule is another tenant's."""
    odd = Switch("s0:to-lport:1:ip4 // x", "globex")
    theirs = Acl("s0", "to-lport", 1, "ip4 // x:to-lport:1:ip4", "drop")
    ours = Acl(odd.name, "to-lport", 1, "ip4", "drop")
    state = network(odd, theirs, ours)
    change(state, "remove", ours, odd)
    without = everything(network(theirs))[1]
    assert everything(state)[1] == without
    assert len(ENTITIES) + 1 == sum(
        map(len, map(state.entities, ("host", "switch", "port", "acl")))
    )


STATIC_WRONG = {
    "fails": ("table d(n: int)\nd(1 / 0).", "division by zero"),
    "unknown-field": (
        'universal_flow("s0", "", 8, 9, [Field("nosuch", 1, -1)], []).',
        r"policy.nlog:\d+.*no field is named 'nosuch'",
    ),
    "priority": ('universal_flow("s0", "", 8, 1000000, [], []).', "priority must be in"),
}
STATIC_DROP = """
universal_flow("s0", "", n, 150, [Field("eth_type", 0x9000, -1)], []) :- stage("in_admission", n).
"""


def test_a_rule_that_rests_on_no_fact_reaches_the_switches(tmp_path):
    lab = Emulation(network(rules=policy(tmp_path, STATIC_DROP)))
    assert arrivals(lab, "p0", "p1") == []
    assert lab.trace("p0", frame("p0", "p1")).ports == ()
    assert arrivals(Emulation(network()), "p0", "p1") == ["p1"]


@pytest.mark.parametrize("name", sorted(STATIC_WRONG))
def test_a_rule_that_rests_on_no_fact_and_is_wrong_is_refused_at_the_start(name, tmp_path):
    text, message = STATIC_WRONG[name]
    with pytest.raises(StateError, match=message):
        NetworkState([policy(tmp_path, text)])


DROP = 'universal_flow("s0", "", n, 150, [], []) :- stage("in_policy", n).'


def test_policies_come_and_go_while_packets_flow(tmp_path):
    file = policy(tmp_path, DROP)
    state = network()
    lab = Emulation(state)
    added = Port("p2", "s0", "0a:00:00:00:00:03", host="h0")
    change(state, "add", added)
    usual = state.logical.engine.work.rows_read
    change(state, "remove", added)
    before, (shipped,) = everything(state), state.rules
    for _ in range(2):
        assert arrivals(lab, "p0", "p1") == ["p1"]
        state.add_rules(file)
        assert arrivals(lab, "p0", "p1") == []
        assert state.rules == (shipped, str(file))
        assert_whole(state, lab)
        change(state, "add", added)
        assert state.logical.engine.work.rows_read < 2 * usual
        change(state, "remove", added)
        state.remove_rules(str(file))
        assert (everything(state), state.rules) == (before, (shipped,))
        assert_whole(state, lab)
    state.add_rules(f'{DROP}\nwarning("s0", "shut", "all of it") :- logical_switch(name: "s0").')
    assert ("s0", "shut", "all of it") in state.warnings()
    assert everything(network(rules=[policy(tmp_path, DROP)]))[1][1] == everything(state)[1][1]


@pytest.mark.parametrize("name", ["a-function-error", "an-unknown-field"])
def test_what_a_policy_that_comes_makes_wrong_is_refused_and_nothing_has_changed(name, tmp_path):
    text, message = WRONG[name]
    file = policy(tmp_path, text)
    state = network(TRIGGER)
    lab = Emulation(state)
    before = everything(state), installed(lab), state.rules
    with pytest.raises(StateError) as caught:
        state.add_rules(file)
    assert str(caught.value).startswith(message.format(file=file))
    with pytest.raises(nlog.RuleError, match="logical_prot"):
        state.add_rules("universal_flow(s, p) :- logical_prot(name: p, ls: s).")
    with pytest.raises(StateError, match=r"there are rules named .* already"):
        state.add_rules(DROP, state.rules[0])
    with pytest.raises(StateError, match="there are no rules named `nosuch`"):
        state.remove_rules("nosuch")
    with pytest.raises(StateError, match="no two tenants"):
        state.add_rules('conflict("p0", "no two tenants") :- logical_port(name: "p0").', "tenants")
    assert (everything(state), installed(lab), state.rules) == before
    assert_whole(state, lab)


def test_the_shipped_rules_stay():
    state = network()
    with pytest.raises(StateError, match="the rules that come with the project stay"):
        state.remove_rules(state.rules[0])


def test_a_policy_that_asks_for_a_stage_there_is_not_is_told_of(tmp_path):
    text = DROP.replace("in_policy", "in_polcy")
    state = network(rules=[policy(tmp_path, text)])
    text = 'the rule derives nothing: no row of `stage` has the name "in_polcy"'
    (found,) = [it for it in state.warnings() if it[1] == "no-such-row"]
    place = f"rule at {tmp_path / 'policy.nlog'}:1"
    assert found == (place, "no-such-row", f"{text}; did you mean `in_policy`?")
    state.remove_rules(tmp_path / "policy.nlog")
    assert not [it for it in state.warnings() if it[1] == "no-such-row"]


def test_flows_of_a_table_that_no_stage_is_are_told_of():
    state = network()
    state.add_rules('universal_flow(s, "", 200, 10, [], []) :- logical_switch(name: s).', "lost")
    text = "no packet comes there, and rules make flows"
    assert ("flow table 200", "flow-unknown-stage", text) in state.warnings()
