"""Deltas read at any time: at once, after later changes, after their engine is gone."""

import random

import pytest

import nlog
from nlog import Delta, Engine

PROGRAM = nlog.parse(
    """
    input table edge(a: int, b: int)
    output table reach(a: int, b: int)
    output table back(a: int, b: int)
    reach(a, b) :- edge(a, b).
    reach(a, c) :- reach(a, b), edge(b, c).
    back(b, a) :- edge(a, b), not edge(b, a).
    """,
    name="deltas",
)
TABLES = ("reach", "back")
Expected = tuple[Delta, set[tuple[int, ...]], set[tuple[int, ...]]]


def agrees(expected: Expected) -> bool:
    delta, inserted, deleted = expected
    return delta.inserted == inserted and delta.deleted == deleted


def change(engine: Engine, chance: random.Random) -> list[Expected]:
    """The deltas of a random transaction, and what each should say."""
    rows = {table: set(engine[table]) for table in TABLES}
    with engine.transaction() as tx:
        for _ in range(chance.randrange(6)):
            edge = (chance.randrange(5), chance.randrange(5))
            (tx.insert if chance.random() < 0.6 else tx.delete)("edge", edge)
    return [(tx.changes[t], set(engine[t]) - rows[t], rows[t] - set(engine[t])) for t in TABLES]


@pytest.mark.parametrize("seed", range(8))
def test_a_delta_says_the_same_whenever_it_is_read(seed):
    chance = random.Random(seed)
    engine = Engine(PROGRAM)
    held: list[Expected] = []
    for _ in range(60):
        held += change(engine, chance)
        chance.shuffle(held)
        for _ in range(chance.randrange(3)):
            assert agrees(held.pop())
    del engine
    assert all(map(agrees, held))


def test_a_delta_that_was_only_tried_says_what_would_have_been():
    chance = random.Random(1)
    engine = Engine(PROGRAM)
    for _ in range(40):
        change(engine, chance)
        before = {table: set(engine[table]) for table in TABLES}
        edges = [(chance.randrange(5), chance.randrange(5)) for _ in range(3)]
        with engine.what_if() as tried:
            tried.insert("edge", *edges)
        assert before == {table: set(engine[table]) for table in TABLES}
        with engine.transaction() as done:
            done.insert("edge", *edges)
        for table in TABLES:
            assert tried.changes[table].inserted == done.changes[table].inserted
            assert tried.changes[table].deleted == done.changes[table].deleted
