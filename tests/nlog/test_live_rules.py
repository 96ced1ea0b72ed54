"""add_rules and remove_rules: what they announce, what they refuse, and what they cost."""

from pathlib import Path

import pytest

import nlog
from tests.engine.trial import contents

BASE = """
input table edge(src: int, dst: int)
input table big(n: int, m: int)
input table small(n: int)
open output table reach(src: int, dst: int)
reach(a, b) :- edge(a, b).
"""
CLOSE = "reach(a, c) :- reach(a, b), edge(b, c)."


@pytest.fixture
def engine() -> nlog.Engine:
    engine = nlog.Engine(nlog.parse(BASE, "base"))
    with engine.transaction() as tx:
        tx.insert("edge", (1, 2), (2, 3), (3, 1))
    return engine


def test_rules_are_added_and_removed_as_transactions(engine: nlog.Engine):
    assert list(engine.rules) == ["base"]
    added = engine.add_rules(CLOSE, "close")
    assert list(engine.rules) == ["base", "close"]
    assert len(added.changes["reach"].inserted) == 6
    assert len(engine["reach"]) == 9
    with engine.transaction() as tx:
        tx.delete("edge", (3, 1))
    assert set(engine["reach"]) == {(1, 2), (1, 3), (2, 3)}
    removed = engine.remove_rules("close")
    assert removed.changes["reach"].deleted == {(1, 3)}
    assert set(engine["reach"]) == {(1, 2), (2, 3)}
    with engine.transaction() as tx:
        tx.delete("edge", (1, 2))
    assert set(engine["reach"]) == {(2, 3)}


def test_tables_come_and_go_with_their_rules(engine: nlog.Engine):
    before = engine.snapshot()
    added = engine.add_rules(
        "input table mark(n: int)\noutput table marked(n: int)\nmarked(n) :- mark(n), edge(n, _).",
        "marks",
    )
    assert not added.changes["marked"]
    view = engine["marked"]
    with engine.transaction() as tx:
        tx.insert("mark", (1,), (9,))
    assert set(view) == {(1,)}
    during = engine.snapshot()
    removed = engine.remove_rules("marks")
    assert removed.changes["marked"].deleted == {(1,)}
    assert set(view) == set()
    with pytest.raises(KeyError, match="no table `marked`"):
        engine["marked"]
    with pytest.raises(KeyError, match="no table `marked`"):
        before["marked"]
    assert set(during["marked"]) == {(1,)}
    assert set(during["mark"]) == {(1,), (9,)}
    engine.add_rules("output table marked(n: str)\nmarked(str(n)) :- edge(n, _).", "marks")
    assert set(engine["marked"]) == {("1",), ("2",), ("3",)}
    assert set(during["marked"]) == {(1,)}
    assert contents(engine) == contents(engine.recompute())


def test_a_table_that_comes_back_is_empty_and_takes_its_old_place(engine: nlog.Engine):
    text = "input table mark(n: int)\noutput table marked(n: int)\nmarked(n) :- mark(n)."
    for _ in range(5):
        engine.add_rules(text, "marks")
        assert not engine["mark"]
        with engine.transaction() as tx:
            tx.insert("mark", (1,), (2,))
        assert len(tx.changes["marked"].inserted) == 2
        assert len(engine.remove_rules("marks").changes["marked"].deleted) == 2
    assert len(engine._layout.known) <= len(engine.program.tables) + 4


def test_what_rules_would_change_can_be_known_without_them(engine: nlog.Engine):
    before, rules = contents(engine), engine.rules
    with engine.what_if() as tx:
        tx.add_rules("output table far(n: int)\nfar(b) :- reach(1, b).", "far")
    assert tx.changes["far"].inserted == {(b,) for a, b in before["reach"] if a == 1}
    assert (contents(engine), engine.rules) == (before, rules)
    with engine.what_if() as tx:
        tx.remove_rules("base")
    assert tx.changes["reach"].deleted == before["reach"]
    assert (contents(engine), engine.rules) == (before, rules)


def test_rules_come_and_go_in_transactions_of_their_own(engine: nlog.Engine):
    before = contents(engine)
    apart = "rules come and go in a transaction of their own"
    with engine.transaction() as tx:
        tx.insert("edge", (7, 8))
        with pytest.raises(nlog.TransactionError, match=apart):
            tx.add_rules("table far(n: int)", "far")
        tx.delete("edge", (7, 8))
    with engine.transaction() as tx:
        tx.add_rules("table far(n: int)", "far")
        for write in (
            lambda: tx.insert("edge", (7, 8)),
            lambda: tx.add_rules("table near(n: int)", "near"),
            lambda: tx.remove_rules("base"),
        ):
            with pytest.raises(nlog.TransactionError, match=apart):
                write()
    with pytest.raises(nlog.TransactionError, match="is committed: rules come and go"):
        tx.remove_rules("far")
    engine.remove_rules("far")
    assert contents(engine) == before


def test_what_is_refused_changes_nothing(engine: nlog.Engine):
    engine.add_rules(CLOSE, "close")
    engine.add_rules("output table far(n: int)\nfar(b) :- reach(1, b).", "far")
    before, rules = contents(engine), engine.rules
    with pytest.raises(nlog.RuleError, match="or record `raech`"):
        engine.add_rules("reach(a, a) :- raech(a, _).", "typo")
    with pytest.raises(nlog.TransactionError, match="there are rules named `close` already"):
        engine.add_rules(CLOSE, "close")
    with pytest.raises(nlog.TransactionError, match="named `clos`; did you mean `close`"):
        engine.remove_rules("clos")
    needed = (
        "`base` cannot be removed, for without it there is no table, function or record `reach`"
    )
    with pytest.raises(nlog.RuleError, match=needed):
        engine.remove_rules("base")
    text = "rule of `share` at division:2: division by zero: 6 / 0"
    with pytest.raises(nlog.TransactionError, match=text):
        engine.add_rules(
            "output table share(n: int)\nshare(6 / (n - 2)) :- edge(n, _).", "division"
        )
    with pytest.raises(nlog.TransactionError, match="inside another"), engine.transaction():
        engine.add_rules("reach(n, n) :- small(n).", "late")
    assert (contents(engine), engine.rules) == (before, rules)
    with engine.transaction() as tx:
        tx.insert("edge", (3, 4))
    assert len(tx.changes["far"].inserted) == 1
    engine.add_rules("output table share(n: int)\nshare(n) :- small(n).", "division")
    assert contents(engine) == contents(engine.recompute())


def test_a_file_is_added_by_its_path(engine: nlog.Engine, tmp_path: Path):
    (tmp_path / "shared.nlog").write_text("open output table twice(n: int)\n")
    file = tmp_path / "more.nlog"
    file.write_text('import "shared.nlog"\ntwice(2 * n) :- edge(n, _).\n')
    engine.add_rules(file)
    assert engine.rules == ("base", str(file))
    assert set(engine["twice"]) == {(2,), (4,), (6,)}
    other = tmp_path / "other.nlog"
    other.write_text('import "shared.nlog"\ntwice(3 * n) :- edge(n, _).\n')
    engine.add_rules(other, "other")
    engine.remove_rules(str(file))
    assert set(engine["twice"]) == {(3,), (6,), (9,)}


def test_a_rule_on_a_small_table_beside_a_big_one_is_little_work(engine: nlog.Engine):
    with engine.transaction() as tx:
        tx.insert_many("big", [(n, n % 100) for n in range(20_000)])
        tx.insert("small", (7,), (8,))
    added = engine.add_rules(
        "output table hit(n: int, m: int)\nhit(n, m) :- big(n, m), small(n).", "hits"
    )
    assert added.changes["hit"].inserted == {(7, 7), (8, 8)}
    work = engine.work
    assert work.rows_read + work.probes < 40
    assert engine.remove_rules("hits").changes["hit"].deleted == {(7, 7), (8, 8)}
    work = engine.work
    assert work.rows_read + work.probes < 40


def test_rules_of_other_tables_do_no_work(engine: nlog.Engine):
    with engine.transaction() as tx:
        tx.insert_many("edge", [(n, n + 1) for n in range(10, 2_000)])
    engine.add_rules("output table other(n: int)\nother(n) :- small(n).", "other")
    assert engine.work.rows_read < 10
    engine.remove_rules("other")
    assert engine.work.rows_read < 10


def test_aggregates_come_and_go_and_those_that_stay_are_kept(engine: nlog.Engine):
    engine.add_rules("output table leading(n: int)\nleading(min(n)) :- edge(n, _).", "first")
    added = engine.add_rules(
        "output table degree(n: int, d: int)\ndegree(n, count()) :- edge(n, m).\n"
        "output table most(d: int)\nmost(max(d)) :- degree(_, d).",
        "degree",
    )
    assert added.changes["degree"].inserted == {(1, 1), (2, 1), (3, 1)}
    assert added.changes["most"].inserted == {(1,)}
    engine.remove_rules("first")
    assert engine.work.retracted < 10
    assert not engine.work.derived
    with engine.transaction() as tx:
        tx.insert("edge", (1, 7))
    assert tx.changes["most"].inserted == {(2,)}
    assert contents(engine) == contents(engine.recompute())
    engine.remove_rules("degree")
    assert not any(name in engine.program.tables for name in ("degree", "most"))


PATHS = """
input table e(a: int, b: int)
input table start(a: int, n: int)
open output table x(a: int, n: int)
open output table y(a: int, n: int)
output table above(a: int, n: int)
above(a, n + 1) :- x(a, n), not start(a, _).
x(b, max(n + a)) :- y(a, n), e(a, b).
y(a, max(n)) :- start(a, n).
"""
CHAIN = [(n, n + 1) for n in range(12)]


def test_a_recursion_over_optima_is_put_together_anew():
    engine = nlog.Engine(nlog.parse(PATHS, "base"))
    with engine.transaction() as tx:
        tx.insert_many("e", CHAIN)
        tx.insert("start", (0, 5), (7, 0))
    before, snapshot = contents(engine), engine.snapshot()
    assert before["x"] == {(1, 5), (8, 7)}
    tx = engine.add_rules("y(a, max(n)) :- x(a, n), e(a, _).", "back")
    assert len(engine["x"]) == 12
    assert tx.changes["x"].inserted == set(engine["x"]) - before["x"]
    assert tx.changes["x"].deleted == before["x"] - set(engine["x"])
    assert tx.changes["above"].inserted == {(a, n + 1) for a, n in engine["x"]} - before[
        "above"
    ] - {(7, dict(engine["x"])[7] + 1)}
    assert contents(engine) == contents(engine.recompute())
    assert {name: set(snapshot[name]) for name in before} == before
    with engine.transaction() as tx:
        tx.delete("e", (3, 4))
    assert contents(engine) == contents(engine.recompute())
    tx = engine.remove_rules("back")
    assert contents(engine)["x"] == before["x"]
    assert contents(engine) == contents(engine.recompute())
    with engine.transaction() as tx:
        tx.insert("e", (3, 4))
        tx.delete("start", (7, 0))
    assert contents(engine) == contents(engine.recompute())


def test_a_recursion_over_optima_that_is_refused_leaves_the_old_one():
    text = PATHS + "constraint table far(a: int)\nfar(a) :- x(a, n), n > 40.\n"
    engine = nlog.Engine(nlog.parse(text, "base"))
    with engine.transaction() as tx:
        tx.insert_many("e", CHAIN)
        tx.insert("start", (0, 5))
    before = contents(engine)
    for _ in range(2):
        with pytest.raises(nlog.ConstraintError, match="far"):
            engine.add_rules("y(a, max(n)) :- x(a, n), e(a, _).", "back")
        assert contents(engine) == before
        with engine.transaction() as tx:
            tx.delete("start", (0, 5))
        assert not engine["x"]
        with engine.transaction() as tx:
            tx.insert("start", (0, 5))
        assert contents(engine) == before
    with engine.transaction() as tx:
        tx.delete_many("e", CHAIN[5:])
    engine.add_rules("y(a, max(n)) :- x(a, n), e(a, _).", "back")
    assert contents(engine) == contents(engine.recompute())


def test_explanations_name_the_tables_that_there_are_now(engine: nlog.Engine):
    engine.add_rules("output table least(n: int)\nleast(min(a)) :- edge(a, _).", "least")
    engine.remove_rules("least")
    engine.add_rules("output table most(n: int)\nmost(max(a)) :- edge(a, _).", "most")
    engine.add_rules("output table least(n: int)\nleast(min(a)) :- edge(a, _).", "least")
    assert [leaf.row for leaf in engine.explain("most", (3,)).inputs()] == [(3, 1)]
    assert [leaf.row for leaf in engine.explain("least", (1,)).inputs()] == [(1, 2)]
