"""Proof that the engine is incremental: the cost of a change does not grow with the rest.

The cases are in costs.py, one for each thing that the engine promises to keep up to date: every
aggregate, optima through recursion, negation, recursion of every form and deletion in it, and rules
that come and go. Each is run beside a small rest and beside a large one, where its work must be the
same, far below that of computing everything, and its answer that of the naive evaluator.

What is proved elsewhere: deletions in graphs of many shapes, in proportion to the rows that rested
on them (test_deletion.py); extremes that go (test_aggregates.py); the network program, among a
hundred switches and a thousand (tests/rules/test_incremental.py); rollback (test_rollback.py).
"""

from typing import get_args

import pytest

import nlog
from nlog.engine import reference
from nlog.functions import AGGREGATES
from tests.engine.costs import CASES, COMPONENTS, PATHS, Case, Facts, Item, Rows, both_ways, ring
from tests.engine.trial import contents

SMALL, LARGE = 2, 100


def loaded(program: str, facts: Facts) -> nlog.Engine:
    engine = nlog.Engine(nlog.parse(program, "base"))
    with engine.transaction() as tx:
        for table, rows in facts.items():
            tx.insert_many(table, rows)
    return engine


def work_of(work: nlog.Work) -> int:
    """All that is counted: rows read, look-ups, rows emitted, and rows that were checked."""
    return work.rows_read + work.probes + work.derived + work.retracted + work.checked


def work_of_steps(case: Case, size: int) -> tuple[list[int], nlog.Engine]:
    """The work of each step beside a rest of that size, and the engine after it."""
    engine = loaded(case.program, case.world(size))
    found = []
    for step in case.steps:
        if isinstance(step, Rows):
            with engine.transaction() as tx:
                for table, rows in step.delete.items():
                    tx.delete_many(table, rows)
                for table, rows in step.insert.items():
                    tx.insert_many(table, rows)
        elif step.text:
            tx = engine.add_rules(step.text, "live")
        else:
            tx = engine.remove_rules("live")
        found.append(work_of(engine.work))
        outputs = {t.name for t in engine.program.tables.values() if t.kind == "output"}
        assert outputs <= set(tx.changes)
        if size == SMALL:
            inputs = {t: set(engine[t]) for t in case.world(size)}
            assert contents(engine) == reference.evaluate(engine.program, inputs)
    assert contents(engine) == contents(engine.recompute())
    return found, engine


@pytest.mark.parametrize("case", CASES, ids=str)
def test_work_does_not_grow_with_what_is_left_alone(case: Case):
    small, _ = work_of_steps(case, SMALL)
    large, engine = work_of_steps(case, LARGE)
    assert large == small
    assert min(small) > 0
    assert max(small) <= case.most
    assert work_of(engine.recompute().work) > 4 * max(small)


def test_every_part_of_the_promise_has_cases():
    """All aggregates that the language has, and each part of the engine's promise."""
    functions = {
        aggregate.function
        for case in CASES
        for rule in nlog.parse(case.program).rules
        for aggregate in rule.aggregates
    }
    assert functions >= {*AGGREGATES}
    assert {case.item for case in CASES} == {*get_args(Item)}


@pytest.mark.parametrize(("program", "table"), [(COMPONENTS, "label"), (PATHS, "path")])
def test_optima_through_recursion_take_linear_space(program: str, table: str):
    """A row for each node, and bytes in proportion, though pairs of nodes are a hundred as many."""
    sizes = (400, 1600)
    measured = []
    for size in sizes:
        edges = both_ways([*ring(0, size), *ring(0, size // 2)])
        facts: Facts = {"edge": edges}
        if table == "path":
            facts = {"edge": [(a, b, 1) for a, b in edges], "source": [(0,)]}
        engine = loaded(program, facts)
        assert len(engine[table]) == size
        measured.append((engine.work.inserted, sum(t.bytes for t in engine.profile.tables)))
    growth = [large / small for small, large in zip(*measured, strict=True)]
    assert max(growth) < 1.2 * sizes[1] / sizes[0]


def test_a_table_that_joins_or_leaves_a_recursion_is_read_once():
    """The exception among live rules: the cost is that of the table, not that of its rules."""
    for size in (100, 1000):
        engine = loaded(
            "input table edge(a: int, b: int)\ninput table jump(a: int, b: int)\n"
            "open output table hop(a: int, b: int)\nhop(a, b) :- edge(a, b).\n",
            {"edge": [(2 * n, 2 * n + 1) for n in range(size)], "jump": [(1, 5), (5, 8)]},
        )
        engine.add_rules("hop(a, c) :- hop(a, b), jump(b, c).", "live")
        assert work_of(engine.work) < 25
        with engine.transaction() as tx:
            tx.delete("jump", (5, 8))
        assert work_of(engine.work) < 25
        removed = engine.remove_rules("live")
        assert removed.changes["hop"].deleted == {(0, 5)} | ({(4, 8)} & set(engine["hop"]))
        assert size <= work_of(engine.work) < size + 25
        with engine.transaction() as tx:
            tx.delete("edge", (0, 1))
        assert work_of(engine.work) < 5
        assert contents(engine) == contents(engine.recompute())
