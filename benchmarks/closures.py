"""The transitive closure of four graphs, and single edges that go and come.

- `closure-random`: 2,000 nodes, 6,000 edges at random; any edge goes, and one that was not there
  comes.
- `closure-chain`, `closure-cycle`: 2,000 nodes in a row or a ring; an edge goes, which halves them
  at some place, and comes again. An operation changes up to half of all rows, so there are few.
- `closure-ways-round`: a ring of 2,000 nodes with an edge to the next and to the next but one: when
  an edge goes, each node still reaches each, and no row changes.
"""

import random
from collections.abc import Iterator

from benchmarks.job import Change, Commit, Row, Workload

NODES, EDGES = 2000, 6000

RULES = """
reach(a, b) :- edge(a, b).
reach(a, c) :- reach(a, b), edge(b, c).
"""
WORDS = {
    "clingo": "reach(A, B) :- edge(A, B).\nreach(A, C) :- reach(A, B), edge(B, C).\n",
    "sql": """
CREATE TABLE reach AS WITH RECURSIVE path(a, b) AS (
  SELECT a, b FROM edge UNION SELECT path.a, edge.b FROM path JOIN edge ON edge.a = path.b
) SELECT a, b FROM path
""",
    "pydatalog": "reach(A, C) <= reach(A, B) & edge(B, C)\nreach(A, B) <= edge(A, B)\n",
}


def closure_random(scale: float, operations: int, seed: int) -> Workload:
    """Edges at random."""
    chance = random.Random(f"closure-random {seed}")
    nodes = max(6, round(NODES * scale))
    edges = _random_edges(nodes, max(12, round(EDGES * scale)), chance)
    return _workload("closure-random", edges, list(_replacements(nodes, edges, operations, chance)))


def closure_chain(scale: float, operations: int, seed: int) -> Workload:
    """A row."""
    nodes = max(6, round(NODES * scale))
    edges: list[Row] = [(node, node + 1) for node in range(nodes - 1)]
    return _broken("closure-chain", edges, operations // 100, seed)


def closure_cycle(scale: float, operations: int, seed: int) -> Workload:
    """A ring."""
    nodes = max(6, round(NODES * scale))
    edges: list[Row] = [(node, (node + 1) % nodes) for node in range(nodes)]
    return _broken("closure-cycle", edges, operations // 100, seed)


def closure_ways_round(scale: float, operations: int, seed: int) -> Workload:
    """A ring in which every edge can be gone round."""
    nodes = max(6, round(NODES * scale))
    edges: list[Row] = [(node, (node + step) % nodes) for node in range(nodes) for step in (1, 2)]
    return _broken("closure-ways-round", edges, operations // 100, seed)


def _random_edges(nodes: int, count: int, chance: random.Random) -> list[Row]:
    edges: set[Row] = set()
    while len(edges) < count:
        edges.add(_any_edge(nodes, chance))
    return sorted(edges)


def _replacements(
    nodes: int, edges: list[Row], count: int, chance: random.Random
) -> Iterator[Commit]:
    there, known = list(edges), set(edges)
    for _ in range(count // 10 or min(count, 2)):
        gone = there.pop(chance.randrange(len(there)))
        known.remove(gone)
        yield Commit("remove-edge", (Change("edge", gone, inserted=False),))
        while (new := _any_edge(nodes, chance)) in known:
            pass
        known.add(new)
        there.append(new)
        yield Commit("add-edge", (Change("edge", new, inserted=True),))


def _any_edge(nodes: int, chance: random.Random) -> Row:
    return chance.randrange(nodes), chance.randrange(nodes)


def _broken(name: str, edges: list[Row], operations: int, seed: int) -> Workload:
    chance = random.Random(f"{name} {seed}")
    commits = []
    for _ in range(max(1, operations)):
        edge = chance.choice(edges)
        commits.append(Commit("remove-edge", (Change("edge", edge, inserted=False),)))
        commits.append(Commit("add-edge", (Change("edge", edge, inserted=True),)))
    return _workload(name, edges, commits)


def _workload(name: str, edges: list[Row], commits: list[Commit]) -> Workload:
    tables = {"edge": ("a", "b")}
    derived = {"reach": ("a", "b")}
    return Workload(
        name, RULES, tables, derived, {"edge": edges}, commits, frozenset(derived), WORDS
    )
