"""Join orders: any of them gives the same rows, sizes choose a good one, drift a new one."""

import random
from typing import Any

import pytest

import nlog
from nlog.engine import _core
from nlog.planner import plan, replan
from tests.engine.trial import run_seed

SEEDS = range(40)
TABLES = """
input table wide(kind: int, x: int)
input table link(x: int, y: int)
input table mark(y: int)
output table found(kind: int, y: int)
"""
# The same rule in its worst order and in its best: `wide` has a handful of kinds.
WORST = "found(kind, y) :- mark(y), wide(kind, x), link(x, y)."
BEST = "found(kind, y) :- mark(y), link(x, y), wide(kind, x)."
SKEWED = """
input table point(o: int, f: int)
input table load(f: int, b: int)
input table pt(b: int, o: int)
output table out(b: int, o: int)
out(b, o) :- load(f, b), pt(b, o), point(o, f).
"""


class RandomSizes:
    """What a core says of its tables, made up; the same answer to the same question."""

    def __init__(self, order: random.Random) -> None:
        self._order = order

    def rows_per_key(self, _table: int, _columns: tuple[int, ...]) -> float:
        return self._order.choice([0.0, 1.0, 2.0, 50.0])


def replan_at_random(monkeypatch: pytest.MonkeyPatch, seed: int) -> list[int]:
    """Let every engine plan anew before every commit, for sizes made up; counts how often."""
    order = random.Random(seed)
    count = [0]

    def replan_always(engine: Any) -> None:
        sizes: Any = RandomSizes(order)
        compiled, layout = replan(engine._lowered, engine._layout, sizes)
        engine._core.replan(compiled)
        engine._plan, engine._layout, engine._explainer = compiled, layout, None
        count[0] += 1

    monkeypatch.setattr(nlog.Engine, "_replan_if_drifted", replan_always)
    return count


@pytest.mark.parametrize("seed", SEEDS)
def test_any_order_of_joins_gives_the_same_rows(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    count = replan_at_random(monkeypatch, seed)
    run_seed(10_000 + seed, 6)
    assert count[0] > 0


def loaded(source: str, facts: dict[str, list[tuple[int, ...]]], **options: bool) -> nlog.Engine:
    engine = nlog.Engine(nlog.parse(source), **options)
    with engine.transaction() as tx:
        for table, rows in facts.items():
            tx.insert_many(table, rows)
    return engine


def skewed_facts(size: int) -> dict[str, list[tuple[int, ...]]]:
    return {
        "load": [(n % 2, n) for n in range(size)],
        "pt": [(n, n) for n in range(size)],
        "point": [(n, n % 2) for n in range(size)],
    }


def test_a_change_joins_first_what_matches_least() -> None:
    """By columns alone `load` and `pt` are alike to a change of `point`; half of `load` matches."""
    read = {}
    for replans in (False, True):
        engine = loaded(SKEWED, skewed_facts(4000), replans=replans)
        with engine.transaction() as tx:
            tx.delete("point", (7, 1))
        assert tx.changes["out"].deleted == {(7, 7)}
        read[replans] = engine.work.rows_read
    assert read[True] <= 4
    assert read[False] > 1000


def test_the_order_in_which_a_body_is_written_does_not_matter() -> None:
    facts: dict[str, list[tuple[int, ...]]] = {
        "wide": [(n % 3, n) for n in range(3000)],
        "link": [(n, n) for n in range(3000)],
        "mark": [],
    }
    work = []
    for rule in (WORST, BEST):
        engine = loaded(TABLES + rule, facts)
        full = engine.work.rows_read
        with engine.transaction() as tx:
            tx.insert("mark", (5,))
        assert tx.changes["found"].inserted == {(2, 5)}
        work.append((full, engine.work.rows_read))
    assert work[0] == work[1]
    assert work[0][1] <= 4


def test_rules_are_planned_for_what_the_first_transaction_holds() -> None:
    orders = {}
    for replans in (False, True):
        engine = loaded(SKEWED, skewed_facts(1000), replans=replans)
        orders[replans] = engine.profile.rules[0].orders[2]
    assert orders == {False: ("point", "load", "pt"), True: ("point", "pt", "load")}


def test_rules_are_planned_again_only_when_sizes_have_drifted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    count = 0

    def counting(*arguments: Any) -> Any:
        nonlocal count
        count += 1
        return replan(*arguments)

    monkeypatch.setattr("nlog.runtime.replan", counting)
    engine = loaded(SKEWED, {})
    counts = []
    for first in range(0, 1024, 16):
        with engine.transaction() as tx:
            tx.insert_many("pt", [(n, n) for n in range(first, first + 16)])
        counts.append(count)
    assert [rows * 16 for rows in range(1, 65) if counts[rows - 1] != [0, *counts][rows - 1]] == [
        64,
        512,
    ]
    with engine.transaction() as tx:
        tx.delete_many("pt", [(n, n) for n in range(5, 1024)])
    with engine.transaction() as tx:
        tx.insert("load", (1, 2))
    assert count == 3


def test_a_rollback_and_a_trial_keep_what_was_there() -> None:
    engine = loaded(SKEWED, skewed_facts(10))
    state = {name: set(engine[name]) for name in engine.program.tables}
    with engine.what_if() as trial:
        trial.insert_many("pt", [(n, n) for n in range(2000)])
    with pytest.raises(ZeroDivisionError), engine.transaction() as tx:
        tx.insert_many("pt", [(n, n % 5) for n in range(5000)])
        tx.prepare()
        raise ZeroDivisionError
    assert {name: set(engine[name]) for name in engine.program.tables} == state
    assert {name: set(engine.recompute()[name]) for name in state} == state
    assert str(engine.explain("out", (3, 3))).count("\n") == 3


def test_a_plan_of_other_rules_is_refused() -> None:
    compiled, _ = plan(nlog.parse(SKEWED))
    other, _ = plan(nlog.parse(SKEWED + "out(b, o) :- load(b, o)."))
    core = _core.Database(compiled)
    with pytest.raises(ValueError, match="other rules"):
        core.replan(other)
    with pytest.raises(ValueError, match="a table has other columns than it had"):
        core.replan(plan(nlog.parse(TABLES))[0])
    core.insert(2, [(1, 1)])
    core.prepare()
    with pytest.raises(RuntimeError, match="prepared"):
        core.replan(compiled)


def test_rows_a_key_are_counted_by_an_index_and_else_inferred() -> None:
    engine = nlog.Engine(nlog.parse("input table t(few: int, some: int, all: int)"))
    number, core = engine._layout.numbers["t"], engine._core
    assert core.rows_per_key(number, ()) == 0
    core.insert(number, [(n % 4, n % 3000, n) for n in range(30_000)])
    inferred = [core.rows_per_key(number, columns) for columns in ((0,), (1,), (2,), (0, 2))]
    assert inferred[0] == 30_000 / 4
    assert inferred[1] > 4
    assert 1 <= inferred[2] < 10
    assert inferred[2] == inferred[3]
    for column, keys in ((0, 4), (1, 3000), (2, 30_000)):
        core.add_index(number, (column,))
        assert core.rows_per_key(number, (column,)) == 30_000 / keys
    assert core.rows_per_key(number, ()) == 30_000
    with pytest.raises(ValueError, match="ascending"):
        core.rows_per_key(number, (1, 0))
