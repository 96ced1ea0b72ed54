"""Whether a commit fails is decided by the rows it would leave, not by the way to them.

Maintenance passes through bindings that hold neither before nor after a commit (the new rows of
one atom with the old rows of another); an operation without a value there is no reason to fail.
So over random programs whose heads divide by whatever comes, each transaction must fail exactly
where an engine that starts from the resulting inputs fails, and otherwise lead to the same tables.
"""

import itertools
import random

import pytest

import nlog
from tests.engine.programs import TableShape, random_program, random_row
from tests.engine.trial import Row, State, contents

SEEDS = range(60)


def result(program: nlog.Program, inputs: State) -> State | None:
    """What an engine makes of inputs from nothing, or None if it fails."""
    try:
        engine = nlog.Engine(program)
        with engine.transaction() as tx:
            for table, rows in inputs.items():
                tx.insert_many(table, rows)
    except nlog.TransactionError:
        return None
    return contents(engine)


def change(order: random.Random, table: TableShape, rows: frozenset[Row]) -> frozenset[Row]:
    """Some rows more, some rows less."""
    kept = [row for row in sorted(rows) if order.random() < 0.7]
    return frozenset([*kept, *(random_row(order, table) for _ in range(order.randint(0, 2)))])


def outcomes(seed: int) -> list[bool]:
    """Compare the two ways over a history; for each transaction, whether it was committed."""
    order = random.Random(f"failures {seed}")
    shape = random_program(order, risky=True)
    program = nlog.parse(shape.text)
    inputs: State = {table.name: frozenset() for table in shape.inputs}
    state = result(program, inputs)
    if state is None:
        return []
    engine = nlog.Engine(program)
    committed = []
    for _ in range(10):
        wanted = {t.name: change(order, t, inputs[t.name]) for t in shape.inputs}
        expected = result(program, wanted)
        try:
            with engine.transaction() as tx:
                for table, rows in wanted.items():
                    tx.delete_many(table, inputs[table] - rows)
                    tx.insert_many(table, rows - inputs[table])
        except nlog.TransactionError:
            assert expected is None, "a commit failed whose outcome is sound"
        else:
            assert expected is not None, "a commit succeeded whose outcome is not sound"
            inputs, state = wanted, expected
        assert contents(engine) == state
        committed.append(expected is not None)
    return committed


@pytest.mark.parametrize("seed", SEEDS)
def test_the_way_does_not_matter(seed: int):
    outcomes(seed)


def test_both_outcomes_occur():
    found = [committed for seed in SEEDS for committed in outcomes(seed)]
    assert found.count(True) > len(SEEDS)
    assert found.count(False) > len(SEEDS)


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
