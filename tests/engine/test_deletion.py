"""What it costs to take an edge from a recursive table: work counters, against what truly changes.

Graphs in which an edge has a way round, so that little or nothing changes when it goes, though very
much depended on it. `FORMS` are the ways to write the closure. Each graph comes in two sizes, and
the work must grow no faster than the rows that rested on the edge; the result is compared with a
search by breadth.
"""

import random
from collections import defaultdict
from collections.abc import Callable, Iterable
from itertools import pairwise

import pytest

import nlog

FORMS = {
    "left": "reach(a, c) :- reach(a, b), edge(b, c).",
    "right": "reach(a, c) :- edge(a, b), reach(b, c).",
    "both": "reach(a, c) :- reach(a, b), edge(b, c).\nreach(a, c) :- edge(a, b), reach(b, c).",
    "non-linear": "reach(a, c) :- reach(a, b), reach(b, c).",
}
LINEAR = ("left", "right", "both")
CLOSURE = """
input table edge(a: int, b: int)
output table reach(a: int, b: int)
reach(a, b) :- edge(a, b).
"""
MUTUAL = """
input table edge(a: int, b: int)
input table blocked(a: int)
output table odd(a: int, b: int)
output table even(a: int, b: int)
output table uneven(a: int, b: int)
odd(a, b) :- edge(a, b), not blocked(b).
even(a, c) :- odd(a, b), edge(b, c), not blocked(c).
odd(a, c) :- even(a, b), edge(b, c), not blocked(c).
uneven(a, b) :- odd(a, b), not even(a, b).
"""
TWO_KINDS = """
input table start(a: int)
input table edge(a: int, b: int, kind: int)
output table reach(a: int)
reach(a) :- start(a).
reach(b) :- reach(a), edge(a, b, 1).
reach(b) :- reach(a), edge(a, b, 2).
"""

Edge = tuple[int, int]
Edges = list[Edge]


def reachable(edges: Iterable[Edge]) -> set[Edge]:
    successors = defaultdict(list)
    for a, b in edges:
        successors[a].append(b)
    found: set[Edge] = set()
    for start in list(successors):
        rest = [start]
        while rest:
            for node in successors.get(rest.pop(), ()):
                if (start, node) not in found:
                    found.add((start, node))
                    rest.append(node)
    return found


def cycle(nodes: int) -> Edges:
    return [(node, (node + 1) % nodes) for node in range(nodes)]


def bypassed(nodes: int) -> Edges:
    """A cycle, each edge of which has a way round over a node of its own."""
    ways = [(nodes + node, node) for node in range(0, nodes, 10)]
    return [
        *cycle(nodes),
        *((node, way) for way, node in ways),
        *((way, (node + 1) % nodes) for way, node in ways),
    ]


def grid(side: int) -> Edges:
    """Steps to the right and down."""
    places = [(x, y) for x in range(side) for y in range(side)]
    right = [(side * y + x, side * y + x + 1) for x, y in places if x + 1 < side]
    return [*right, *((side * y + x, side * (y + 1) + x) for x, y in places if y + 1 < side)]


def chains(nodes: int) -> Edges:
    """Two chains from node 0 to node 1, and one on from there."""
    first = [0, *range(10, 10 + nodes), 1]
    second = [0, *range(10 + nodes, 10 + 2 * nodes), 1]
    third = [1, *range(10 + 2 * nodes, 10 + 3 * nodes)]
    return [pair for way in (first, second, third) for pair in pairwise(way)]


def closure_engine(form: str, edges: Edges) -> nlog.Engine:
    engine = nlog.Engine(nlog.parse(CLOSURE + FORMS[form]))
    with engine.transaction() as tx:
        tx.insert_many("edge", edges)
    return engine


def work_of(form: str, edges: Edges, edge: Edge) -> tuple[int, int]:
    """The rows that change when an edge goes, and the rows and look-ups it takes."""
    engine = closure_engine(form, edges)
    before = reachable(edges)
    with engine.transaction() as tx:
        tx.delete("edge", edge)
    after = reachable(set(edges) - {edge})
    assert set(engine["reach"]) == after
    assert tx.changes["reach"].deleted == before - after
    assert not tx.changes["reach"].inserted
    return len(before - after), engine.work.rows_read + engine.work.probes


def test_a_cycle_of_a_thousand_nodes_with_ways_round():
    """A row for each of the nodes rested on the edge, and rests on the way round from now on."""
    nodes, ways = 1000, 100
    for form in ("left", "right"):
        engine = closure_engine(form, bypassed(nodes))
        assert len(engine["reach"]) == (nodes + ways) ** 2
        for edge in ((0, 1), (500, 501)):
            with engine.transaction() as tx:
                tx.delete("edge", edge)
            assert not tx.changes["reach"].deleted
            assert not tx.changes["reach"].inserted
            work = engine.work
            assert work.checked < 2.5 * (nodes + ways)
            assert work.rows_read + work.probes < 20 * (nodes + ways)
            assert work.rederived == 0
            with engine.transaction() as tx:
                tx.insert("edge", edge)
            assert engine.work.rows_read + engine.work.probes < 5 * (nodes + ways)


def test_a_square_of_the_closure_with_ways_round():
    changed, work = work_of("non-linear", bypassed(60), (20, 21))
    assert changed == 0
    assert work < 60 * 20


@pytest.mark.parametrize("form", LINEAR)
@pytest.mark.parametrize(
    ("graph", "sizes", "edge", "most"),
    [
        # Rows that rested on the edge: one for each place before it, or behind it.
        (grid, (10, 20), lambda side: (side * 5 + 4, side * 5 + 5), 60),
        # Rows that change: the first chain up to the edge times that chain from it on.
        (chains, (20, 40), lambda nodes: (10 + nodes // 2, 11 + nodes // 2), 20),
    ],
    ids=["grid", "two chains"],
)
def test_work_follows_what_rested_on_the_edge(
    form: str,
    graph: Callable[[int], Edges],
    sizes: tuple[int, int],
    edge: Callable[[int], Edge],
    most: int,
):
    for size in sizes:
        changed, work = work_of(form, graph(size), edge(size))
        assert work < most * (changed + size)


def test_chains_that_end_are_read_once():
    for form in LINEAR:
        changed, work = work_of(form, cycle(100)[:-1], (50, 51))
        assert changed == 51 * 49
        assert work < 16 * changed


@pytest.mark.parametrize("form", FORMS)
def test_dense_graphs_with_many_changes_at_once(form: str):
    order = random.Random(form)
    engine = closure_engine(form, [])
    edges: set[Edge] = set()
    for _ in range(120):
        nodes = order.choice((4, 7, 12))
        for _ in range(order.choice((1, 1, 2, 6))):
            edge = order.randrange(nodes), order.randrange(nodes)
            edges = edges - {edge} if order.random() < 0.55 else edges | {edge}
        before = set(engine["reach"])
        with engine.transaction() as tx:
            tx.delete_many("edge", set(engine["edge"]) - edges)
            tx.insert_many("edge", edges)
        after = reachable(edges)
        assert set(engine["reach"]) == after
        assert tx.changes["reach"].inserted == after - before
        assert tx.changes["reach"].deleted == before - after


def test_mutual_recursion_over_negation_and_under_it():
    """Walks by the parity of their lengths: paths in the graph of nodes with a parity each."""
    order = random.Random(3)
    engine = nlog.Engine(nlog.parse(MUTUAL))
    edges: set[Edge] = set()
    blocked: set[int] = set()
    for _ in range(150):
        edges ^= {(order.randrange(7), order.randrange(7)) for _ in range(order.choice((1, 2, 4)))}
        if order.random() < 0.3:
            blocked ^= {order.randrange(7)}
        with engine.transaction() as tx:
            tx.delete_many("edge", set(engine["edge"]) - edges)
            tx.insert_many("edge", edges)
            tx.delete_many("blocked", {(n,) for n in range(7)} - {(n,) for n in blocked})
            tx.insert_many("blocked", {(n,) for n in blocked})
        steps = {(2 * a + p, 2 * b + 1 - p) for a, b in edges if b not in blocked for p in (0, 1)}
        walks = reachable(steps)
        odd, even = (
            {(a // 2, b // 2) for a, b in walks if a % 2 == 0 and b % 2 == parity}
            for parity in (1, 0)
        )
        assert set(engine["odd"]) == odd
        assert set(engine["even"]) == even
        assert set(engine["uneven"]) == odd - even


def test_an_edge_that_no_row_rests_on_is_not_looked_into():
    """Each edge back leads to a row that ranks below the one it comes from."""
    nodes = 30
    engine = nlog.Engine(nlog.parse(TWO_KINDS))
    back = [(node, node // 2, 1) for node in range(1, nodes)]
    with engine.transaction() as tx:
        tx.insert("start", (0,))
        tx.insert_many("edge", [(node, node + 1, 1) for node in range(nodes)])
        tx.insert_many("edge", back)
    with engine.transaction() as tx:
        tx.delete_many("edge", back)
    assert len(engine["reach"]) == nodes + 1
    assert engine.work.checked == engine.work.retracted == 0


def test_a_row_in_doubt_that_two_rules_give_back_rests_on_the_first():
    """Node 2 goes before node 1, and both though a chain leads to 1: the search for it is bounded.

    The first rule gives back 1, from the chain, and the second 2, from 1. Were 1 then to rest on 2
    as the second rule derives it, the two would keep each other when the chain is cut.
    """
    chain, loops = [0, *range(10, 20), 1], range(20, 26)
    engine = nlog.Engine(nlog.parse(TWO_KINDS))
    direct = [(0, 2, 1), (3, 1, 1)]
    with engine.transaction() as tx:
        tx.insert("start", (0,))
        tx.insert_many("edge", [*direct, (0, 3, 1), (1, 2, 2), (2, 1, 2)])
        tx.insert_many("edge", [(a, b, 1) for a, b in pairwise(chain)])
        tx.insert_many("edge", [edge for node in loops for edge in ((1, node, 2), (node, 1, 2))])
    with engine.transaction() as tx:
        tx.delete_many("edge", direct)
    given_back = engine.work.rederived
    assert set(engine["reach"]) == {(node,) for node in (*chain, 2, 3, *loops)}
    with engine.transaction() as tx:
        tx.delete("edge", (chain[-2], 1, 1))
    assert set(engine["reach"]) == {(node,) for node in (*chain[:-1], 3)}
    assert given_back == 2


def test_a_commit_that_fails_after_a_deletion_leaves_what_rested_on_what():
    """The failure is in a later stratum; the commits after it rely on the ranks from before."""
    source = CLOSURE + FORMS["left"] + "\noutput table ratio(n: int)\ninput table over(n: int)\n"
    engine = nlog.Engine(nlog.parse(source + "ratio(100 / n) :- reach(0, _), over(n).\n"))
    order = random.Random(5)
    edges = {(0, 0), *cycle(6)}
    with engine.transaction() as tx:
        tx.insert_many("edge", edges)
    for _ in range(60):
        wrong = {(order.randrange(6), order.randrange(6)) for _ in range(3)}
        with pytest.raises(nlog.TransactionError), engine.transaction() as tx:
            tx.delete_many("edge", wrong - {(0, 0)})
            tx.insert("edge", (order.randrange(6), order.randrange(6)))
            tx.insert("over", (0,))
        assert set(engine["reach"]) == reachable(edges)
        edges ^= {(order.randrange(6), order.randrange(6))} - {(0, 0)}
        with engine.transaction() as tx:
            tx.delete_many("edge", set(engine["edge"]) - edges)
            tx.insert_many("edge", edges)
        assert set(engine["reach"]) == reachable(edges)
