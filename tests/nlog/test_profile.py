"""The profile: what rules cost, as data and as a table."""

import pytest

import nlog

PROGRAM = """
input table edge(a: int, b: int)
input table label(n: int, text: str)
output table reach(a: int, b: int)
output table named(a: int, text: str)
reach(a, b) :- edge(a, b).
reach(a, c) :- reach(a, b), edge(b, c).
named(a, t) :- reach(a, b), label(b, t).
"""


def engine() -> nlog.Engine:
    made = nlog.Engine(nlog.parse(PROGRAM, name="graph"))
    with made.transaction() as tx:
        tx.insert_many("edge", [(n, n + 1) for n in range(40)])
        tx.insert("label", (40, "end"))
    return made


def test_the_profile_adds_up_the_work_of_all_commits():
    profiled = engine()
    works = [profiled.work]
    for n in (3, 20):
        with profiled.transaction() as tx:
            tx.delete("edge", (n, n + 1))
        works.append(profiled.work)
    rules = profiled.profile.rules
    for counter in ("rows_read", "probes", "derived", "retracted"):
        whole = sum(getattr(work, counter) for work in works)
        assert sum(getattr(rule, counter) for rule in rules) == whole, counter
    assert all(rule.seconds > 0 for rule in rules)
    assert [rule.seconds for rule in rules] == sorted((r.seconds for r in rules), reverse=True)


def test_what_was_not_committed_is_not_in_it():
    profiled = engine()
    before = profiled.profile.rules
    with profiled.what_if() as tx:
        tx.insert("edge", (99, 100))
    assert profiled.profile.rules == before


def test_it_tells_in_which_order_tables_are_joined():
    rules = {rule.name: rule for rule in engine().profile.rules}
    assert set(rules["graph:8"].orders) == {("reach", "label"), ("label", "reach")}
    assert rules["graph:6"].orders == (("edge",),)
    assert rules["graph:6"].head == "reach"


def test_it_tells_what_tables_hold():
    tables = {table.name: table for table in engine().profile.tables}
    assert tables["reach"].rows == 820
    assert tables["reach"].bytes > 820 * 8 > tables["label"].bytes


def test_rules_keep_what_they_have_cost_when_others_come_and_go():
    profiled = engine()
    before = profiled.profile.rules
    profiled.add_rules("output table far(a: int)\nfar(a) :- reach(a, b), b > a + 5.", "far")
    assert [rule for rule in profiled.profile.rules if rule.head != "far"] == [*before]
    (far,) = (rule for rule in profiled.profile.rules if rule.head == "far")
    assert (far.rows_read, far.name) == (820, "far:2")
    with profiled.transaction() as tx:
        tx.insert("edge", (50, 60))
    later = {rule.name: rule for rule in profiled.profile.rules}
    assert all(later[rule.name].rows_read > rule.rows_read for rule in before)
    profiled.remove_rules("far")
    after = {rule.name: rule for rule in profiled.profile.rules}
    assert after == {name: rule for name, rule in later.items() if rule.head != "far"}


def test_a_removal_that_is_refused_leaves_it_as_it_is():
    profiled = engine()
    profiled.add_rules("output table far(a: int)\nfar(a) :- reach(a, b), b > a + 5.", "far")
    before = profiled.profile.rules
    with pytest.raises(nlog.RuleError):
        profiled.remove_rules("graph")
    assert profiled.profile.rules == before


def test_what_the_engine_makes_of_rules_has_names_for_people():
    profiled = nlog.Engine(
        nlog.parse(
            "input table edge(a: int, b: int)\n"
            "output table degree(a: int, n: int)\n"
            "degree(a, count()) :- edge(a, b), not edge(_, a).\n"
            "output table one(n: int)\n"
            "one(1).\n",
            name="graph",
        )
    )
    with profiled.transaction() as tx:
        tx.insert("edge", (1, 2), (1, 3))
    text = str(profiled.profile)
    assert "$" not in text
    assert "degree at graph:3: edge ⋈ edge(1), edge(1) ⋈ edge, groups of graph:3" in text
    assert "edge(1), kept by the engine: edge" in text
    assert "one at graph:5\n" in text
    assert text.endswith("  bindings of graph:3")


def test_it_is_a_table_for_people():
    lines = str(engine().profile).splitlines()
    assert lines[0].split() == [
        "seconds",
        "rows",
        "read",
        "look-ups",
        "derived",
        "retracted",
        "rule",
    ]
    assert any("named at graph:8: reach ⋈ label, label ⋈ reach" in line for line in lines)
    assert any(line.split()[:1] == ["820"] and line.endswith("reach") for line in lines)
