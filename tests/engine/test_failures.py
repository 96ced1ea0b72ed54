"""Whether a commit fails is decided by the rows it would leave, not by the way to them.

Maintenance passes through bindings that hold neither before nor after a commit (the new rows of
one atom with the old rows of another), and computes before it knows what excludes a binding; an
operation without a value there is no reason to fail. So over random programs that divide by
whatever comes, in heads and in bodies, each transaction must fail exactly where the naive judge
says so (and an engine that starts from the resulting inputs), and otherwise lead to its tables.
"""

import itertools
import random
from collections.abc import Mapping

import pytest

import nlog
from tests.engine.histories import Row, State
from tests.engine.judgement import judge
from tests.engine.programs import FUNCTIONS, random_program, random_row
from tests.engine.shapes import TableShape
from tests.engine.trial import contents

SEEDS = range(150)


def result(program: nlog.Program, inputs: State) -> State | None:
    """What an engine makes of inputs from nothing, or None if it fails."""
    try:
        engine = nlog.Engine(program)
    except nlog.TransactionError:
        return None
    return contents(engine) if commit(engine, {}, inputs) else None


def commit(
    engine: nlog.Engine, before: Mapping[str, frozenset[Row]], after: Mapping[str, frozenset[Row]]
) -> bool:
    """Lead the engine's inputs from one state to another; whether it let itself be led."""
    try:
        with engine.transaction() as tx:
            for table, rows in after.items():
                there = before.get(table, frozenset())
                tx.delete_many(table, there - rows)
                tx.insert_many(table, rows - there)
    except nlog.TransactionError:
        return False
    return True


def change(order: random.Random, table: TableShape, rows: frozenset[Row]) -> frozenset[Row]:
    """Some rows more, some rows less."""
    kept = [row for row in sorted(rows) if order.random() < 0.7]
    return frozenset([*kept, *(random_row(order, table) for _ in range(order.randint(0, 2)))])


def outcomes(seed: int) -> list[bool]:
    """Compare the ways over a history; for each transaction, whether it was committed."""
    order = random.Random(f"failures {seed}")
    shape = random_program(order, risky=True)
    program = nlog.parse(shape.text, functions=FUNCTIONS)
    inputs: State = {table.name: frozenset() for table in shape.inputs}
    state = result(program, inputs)
    assert state == judge(program, inputs), shape.text
    if state is None:
        return []
    engine = nlog.Engine(program)
    committed = []
    for _ in range(8):
        changed = [t for t in shape.inputs if order.random() < 0.7]
        wanted = {**inputs, **{t.name: change(order, t, inputs[t.name]) for t in changed}}
        expected = judge(program, wanted)
        assert result(program, wanted) == expected, (shape.text, wanted)
        committed.append(commit(engine, inputs, wanted))
        assert committed[-1] == (expected is not None), (shape.text, inputs, wanted)
        if expected is not None:
            inputs, state = wanted, expected
        assert contents(engine) == state
    return committed


@pytest.mark.parametrize("seed", SEEDS)
def test_the_way_does_not_matter(seed: int):
    outcomes(seed)


def test_both_outcomes_occur():
    found = [committed for seed in SEEDS for committed in outcomes(seed)]
    assert found.count(True) > len(SEEDS)
    assert found.count(False) > len(SEEDS)


TABLES = """
input table a(x: int, s: int)
input table b(x: int, y: int, t: int)
input table c(y: int)
output table h(y: int)
"""
# Each fails only for a row of `a` together with one of `b`, if at all.
RULES = (
    ("h(y)", "a(x, s)", "b(x, y, t)", "c(y)", "100 / (s - t) > 3"),
    ("h(y)", "a(x, s)", "b(x, y, t)", "not c(y)", "100 / (s - t) > 3"),
    ("h(q)", "a(x, s)", "b(x, y, t)", "q = y / (s - t)", "c(q)"),
    ("h(q)", "a(x, s)", "b(x, y, t)", "q = y / (s - t)", "not c(q)"),
    ("h(y)", "a(x, s)", "b(x, y, t)", "not c(x)", "y / (s - t) < 9", "s != t"),
    ("h(q)", "a(x, s)", "b(x, y, t)", "q = y / (s - t)", "q = y / s", "q > 0"),
    ("h(q)", "a(x, s)", "b(x, y, t)", "q = y / (s - t)", "q = x - 1", "c(y)"),
    ("h(q)", "a(x, s)", "b(x, y, t)", "q = y / (s - t)", "x - 1 == q", "q > 0"),
    ("h(y / (s - t))", "a(x, s)", "b(x, y, t)", "c(_)"),
    ("h(y)", "a(s / t, s)", "b(_, y, t)", "y > 0"),
)
ROWS: tuple[tuple[str, Row], ...] = (
    ("a", (1, 0)),
    ("b", (1, 1, 0)),
    ("c", (1,)),
    ("a", (0, 1)),
    ("b", (0, 0, 1)),
)


@pytest.mark.parametrize("rule", RULES, ids=", ".join)
def test_no_order_of_the_rows_or_of_the_body_matters(rule: tuple[str, ...]):
    head, *body = rule
    order = random.Random(head)
    for rows in itertools.permutations(ROWS):
        order.shuffle(body)
        program = nlog.parse(f"{TABLES}{head} :- {', '.join(body)}.")
        engine = nlog.Engine(program)
        inputs: State = {"a": frozenset(), "b": frozenset(), "c": frozenset()}
        for table, row in rows:
            wanted = {**inputs, table: inputs[table] | {row}}
            expected = judge(program, wanted)
            assert commit(engine, inputs, wanted) == (expected is not None), (rows, wanted)
            if expected is not None:
                inputs = wanted
                assert contents(engine) == expected


def test_a_failure_that_is_none_is_looked_into_from_its_row():
    """And what that takes is accounted: a row of each table, of the hundreds that there are."""
    program = nlog.parse(
        "input table a(x: int, s: int)\ninput table b(x: int, t: int)\noutput table h(x: int)\n"
        "h(x) :- a(x, s), b(x, t), 100 / (s - t) > 3, s != t.\n"
    )
    engine = nlog.Engine(program)
    with engine.transaction() as tx:
        tx.insert_many("a", ((x, x) for x in range(1, 500)))
        tx.insert_many("b", ((x, 0) for x in range(1, 500)))
    with engine.transaction() as tx:
        tx.insert("a", (7, 0))
    assert engine.work.rows_read == 4


def test_a_binding_of_new_with_old_rows_does_no_harm():
    """The new pair meets the old permission, which goes in the same transaction."""
    program = nlog.parse(
        "input table pair(a: int, b: int)\ninput table allowed(b: int)\n"
        "output table quotient(q: int)\nquotient(a / b) :- pair(a, b), allowed(b).\n"
    )
    engine = nlog.Engine(program)
    with engine.transaction() as tx:
        tx.insert("allowed", (0,), (1,))
    with engine.transaction() as tx:
        tx.insert("pair", (7, 0), (7, 1))
        tx.delete("allowed", (0,))
    assert set(engine["quotient"]) == {(7,)}
    text = "division by zero: 7 / 0"
    with pytest.raises(nlog.TransactionError, match=text), engine.transaction() as tx:
        tx.insert("allowed", (0,))
    assert set(engine["allowed"]) == {(1,)}


@pytest.mark.parametrize("guard", ["t != 0", "not skip(t)", "t > 0", "good(t)"])
@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_an_equality_waits_for_what_excludes_the_row(guard: str, order: tuple[int, ...]):
    literals = ["n(t)", guard, "q = 100 / t"]
    body = ", ".join(literals[place] for place in order)
    program = nlog.parse(
        "input table n(t: int)\ninput table skip(t: int)\ninput table good(t: int)\n"
        f"output table quotient(q: int)\nquotient(q) :- {body}.\n"
    )
    engine = nlog.Engine(program)
    with engine.transaction() as tx:
        tx.insert("skip", (0,))
        tx.insert("good", (5,))
    with engine.transaction() as tx:
        tx.insert("n", (0,), (5,))
    assert set(engine["quotient"]) == {(20,)}
