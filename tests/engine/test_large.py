"""Tables that grow and shrink by thousands of rows, against twins in Python that share no code.

Tiny domains (test_random.py) never fill a hash table, run a fixpoint in more than one batch, or use
a row's place again after a large deletion. Here a graph does, and the twins are a breadth-first
search, a loop and a count.
"""

import random
from collections import defaultdict

import pytest

import nlog
from tests.engine.trial import contents

PROGRAM = """
input table edge(a: int, b: int)
input table label(n: int, text: str)
output table reach(a: int, b: int)
output table dead_end(n: int)
output table two_hops(a: str, b: str)
output table apart(a: int)
reach(a, b) :- edge(a, b).
reach(a, c) :- {recursion}.
dead_end(b) :- edge(_, b), not edge(b, _).
two_hops(s, t) :- label(a, s), edge(a, b), edge(b, c), label(c, t), a != c.
apart(a) :- label(a, _), not reach(a, a).
"""
RECURSIONS = {
    "left": "reach(a, b), edge(b, c)",
    "right": "edge(a, b), reach(b, c)",
    "nonlinear": "reach(a, b), reach(b, c)",
}
NODES = 48

Edges = set[tuple[int, int]]
Labels = set[tuple[int, str]]


def reachable(edges: Edges) -> Edges:
    successors = defaultdict(list)
    for a, b in edges:
        successors[a].append(b)
    found = set()
    for start in list(successors):
        rest = list(successors[start])
        while rest:
            node = rest.pop()
            if (start, node) not in found:
                found.add((start, node))
                rest.extend(successors.get(node, ()))
    return found


def expected(edges: Edges, labels: Labels) -> dict[str, set]:
    texts = defaultdict(set)
    for node, text in labels:
        texts[node].add(text)
    reach = reachable(edges)
    sources = {a for a, _ in edges}
    return {
        "edge": edges,
        "label": labels,
        "reach": reach,
        "dead_end": {(b,) for _, b in edges if b not in sources},
        "two_hops": {
            (s, t)
            for a, b in edges
            for c in range(NODES)
            if (b, c) in edges and a != c
            for s in texts[a]
            for t in texts[c]
        },
        "apart": {(a,) for a in texts if (a, a) not in reach and texts[a]},
    }


@pytest.mark.parametrize("form", RECURSIONS)
def test_a_graph_that_grows_and_shrinks(form: str):
    engine = nlog.Engine(nlog.parse(PROGRAM.format(recursion=RECURSIONS[form])))
    order = random.Random(form)
    edges: Edges = set()
    labels: Labels = set()
    before = expected(edges, labels)
    # A wave: to a strongly connected graph and back to nothing, with single steps between.
    for size in (20, 1, 70, 1, -1, 200, 1, -1, -80, -1, 2, -150, 90, 1, -1000):
        if size > 0:
            nodes = range(NODES)
            fresh = {(order.choice(nodes), order.choice(nodes)) for _ in range(size)}
            texts = {(order.choice(nodes), f"text {order.randrange(3 * size)}") for _ in fresh}
            gone: Edges = set(order.sample(sorted(edges), min(len(edges), size // 20)))
            dropped: Labels = set(order.sample(sorted(labels), len(labels) // 4))
        else:
            fresh, texts = set(), set()
            gone = set(order.sample(sorted(edges), min(len(edges), -size)))
            dropped = set(order.sample(sorted(labels), min(len(labels), -size)))
        edges, labels = edges - gone | fresh, labels - dropped | texts
        with engine.transaction() as tx:
            tx.delete_many("edge", gone)
            tx.delete_many("label", dropped)
            tx.insert_many("edge", fresh)
            tx.insert_many("label", texts)
        after = expected(edges, labels)
        assert {name: set(rows) for name, rows in contents(engine).items()} == after
        for name in ("reach", "dead_end", "two_hops", "apart"):
            assert tx.changes[name].inserted == after[name] - before[name]
            assert tx.changes[name].deleted == before[name] - after[name]
        before = after
    assert not engine["edge"]
    assert not engine["reach"]


def test_many_rows_at_once_and_by_an_index():
    """Enough rows that every hash table has grown many times over."""
    engine = nlog.Engine(
        nlog.parse(
            "input table n(x: int, text: str)\noutput table half(x: int, text: str)\n"
            "half(x / 2, t) :- n(x, t), x % 2 == 0.\n"
        )
    )
    rows = {(x, f"text {x % 1000}") for x in range(20_000)}
    with engine.transaction() as tx:
        tx.insert_many("n", rows)
    half = {(x // 2, text) for x, text in rows if x % 2 == 0}
    assert tx.changes["half"].inserted == half
    with engine.transaction() as tx:
        tx.delete_many("n", [row for row in rows if row[0] % 3])
    assert set(engine["half"]) == {(x // 2, text) for x, text in rows if x % 6 == 0}
    assert engine["half"].where(text="text 6") == {
        row for row in engine["half"] if row[1] == "text 6"
    }
    with engine.transaction() as tx:
        tx.insert_many("n", rows)
    assert set(engine["half"]) == half


def test_a_cross_product_reads_the_rows_that_are_there_not_those_that_were():
    engine = nlog.Engine(
        nlog.parse(
            "input table p(a: int)\ninput table q(b: int)\noutput table r(a: int, b: int)\n"
            "r(a, b) :- p(a), q(b).\n"
        )
    )
    rows = [(number,) for number in range(5_000)]
    with engine.transaction() as tx:
        tx.insert_many("q", rows)
    with engine.transaction() as tx:
        tx.delete_many("q", rows[1:])
    with engine.transaction() as tx:
        tx.insert("p", (1,))
    assert engine.work.rows_read == 2
