"""Recursions over `min` and `max` do work for what changes, also where rows support each other.

That they are right is for the random programs (optima.py), the corpus, and the trial here of graphs
whose edges weigh nothing or bring something back. `engine.work` must not grow with the rows that a
change leaves alone.
"""

import random

import pytest

import nlog
from nlog.engine import reference

PROGRAM = """
input table edge(x: int, y: int, w: int)
input table source(x: int)
output table path(y: int, d: int)
output table label(y: int, l: int)
path(s, min(0)) :- source(s).
path(y, min(d + w)) :- path(x, d), edge(x, y, w).
label(x, min(x)) :- edge(x, _, _).
label(y, min(y)) :- edge(_, y, _).
label(y, min(l)) :- label(x, l), edge(x, y, _).
label(x, min(l)) :- label(y, l), edge(x, y, _).
"""
SIZE = 400


def grid() -> list[tuple[int, int, int]]:
    """Both ways between neighbours of a ring, and chords."""
    ring = [(i, (i + 1) % SIZE, 1) for i in range(SIZE)]
    chords = [(i, (i * 7 + 3) % SIZE, 3) for i in range(SIZE)]
    return [edge for x, y, w in ring + chords for edge in ((x, y, w), (y, x, w)) if x != y]


@pytest.fixture
def engine() -> nlog.Engine:
    engine = nlog.Engine(nlog.parse(PROGRAM))
    with engine.transaction() as tx:
        tx.insert("source", (0,))
        tx.insert_many("edge", grid())
    return engine


def test_space_is_one_row_a_group(engine: nlog.Engine):
    assert len(engine["path"]) == len(engine["label"]) == SIZE
    assert engine.work.inserted < 2 * SIZE + 2 * len(grid())


def test_an_edge_with_a_way_round_costs_little(engine: nlog.Engine):
    read = []
    for edge in random.Random(3).sample(grid(), 60):
        with engine.transaction() as tx:
            tx.delete("edge", edge)
        read.append(engine.work.rows_read)
        with engine.transaction() as tx:
            tx.insert("edge", edge)
        read.append(engine.work.rows_read)
    assert engine.recompute().work.rows_read > 8 * SIZE
    assert sorted(read)[len(read) // 2] < 100
    assert max(read) < 8 * SIZE


def test_what_is_beside_the_change_is_not_read():
    engine = nlog.Engine(nlog.parse(PROGRAM))
    chains = [(1000 * c + i, 1000 * c + i + 1, 1) for c in range(50) for i in range(20)]
    with engine.transaction() as tx:
        tx.insert_many("source", [(1000 * c,) for c in range(50)])
        tx.insert_many("edge", chains)
    with engine.transaction() as tx:
        tx.delete("edge", (7010, 7011, 1))
    assert len(tx.changes["path"].deleted) == 10
    assert not tx.changes["path"].inserted
    assert engine.work.rows_read < 400


def test_rows_do_not_support_each_other():
    engine = nlog.Engine(nlog.parse(PROGRAM))
    with engine.transaction() as tx:
        tx.insert("source", (0,))
        tx.insert("edge", (0, 1, 0), (1, 2, 0), (2, 1, 0), (2, 3, 5), (3, 1, -5))
    assert set(engine["path"]) == {(0, 0), (1, 0), (2, 0), (3, 5)}
    with engine.transaction() as tx:
        tx.delete("edge", (0, 1, 0))
    assert set(engine["path"]) == {(0, 0)}
    assert {row for row in engine["label"] if row[0] > 0} == {(1, 1), (2, 1), (3, 1)}


@pytest.mark.parametrize("seed", range(25))
def test_graphs_of_few_places_and_free_edges(seed: int):
    order = random.Random(f"optima {seed}")
    program = nlog.parse(PROGRAM)
    engine = nlog.Engine(program)
    edges: set[tuple[int, int, int]] = set()
    sources: set[tuple[int]] = set()
    for _ in range(12):
        toggled = {(order.randrange(5), order.randrange(5), order.choice((0, 0, 1))) for _ in "123"}
        moved = {(order.randrange(5),)} if order.random() < 0.4 else set()
        with engine.transaction() as tx:
            tx.delete_many("edge", toggled & edges)
            tx.insert_many("edge", toggled - edges)
            tx.delete_many("source", moved & sources)
            tx.insert_many("source", moved - sources)
        edges ^= toggled
        sources ^= moved
        expected = reference.evaluate(program, {"edge": edges, "source": sources})
        assert {name: set(engine[name]) for name in expected} == expected


def test_a_value_without_end_is_refused_and_changes_nothing(engine: nlog.Engine):
    before = set(engine["path"]), set(engine["label"])
    text = r"no least value: it gets less for ever, in the group \(\d+\); the transaction is rolled"
    with pytest.raises(nlog.TransactionError, match=text), engine.transaction() as tx:
        tx.insert("edge", (3, 200, -100))
    assert (set(engine["path"]), set(engine["label"])) == before
    with engine.transaction() as tx:
        tx.insert("edge", (3, SIZE, -100))
    assert (SIZE, -97) in engine["path"]


def test_an_explanation_follows_the_best_way(engine: nlog.Engine):
    tree = engine.explain("path", (2, 2))
    assert {leaf.row for leaf in tree.inputs()} == {(0,), (0, 1, 1), (1, 2, 1)}
