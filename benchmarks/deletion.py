"""What it costs to take one edge from a recursive table, and to put it back.

    .venv/bin/python benchmarks/deletion.py [--nodes 2000] [--edges 6000] [--deletions 10]

Closures of several graphs, by rules of several forms. From each, single edges are deleted and
inserted again, a transaction each; counters (the same on every machine) and times are medians
and, in brackets, the most. `changed` counts the rows of the closure that truly go; `load` is the
computation from nothing, and `ratio` how many deletions fit in it. Forms that are cubic in the
nodes run on smaller graphs. What is random comes from the seed, which is printed.
"""

import argparse
import math
import random
import statistics
import time
from collections.abc import Callable, Iterable, Sequence

from attrs import frozen
from rich.console import Console
from rich.table import Table

import nlog

Edges = list[tuple[int, int]]

FORMS = {
    "left": "reach(a, b) :- edge(a, b).\nreach(a, c) :- reach(a, b), edge(b, c).\n",
    "right": "reach(a, b) :- edge(a, b).\nreach(a, c) :- edge(a, b), reach(b, c).\n",
    "non-linear": "reach(a, b) :- edge(a, b).\nreach(a, c) :- reach(a, b), reach(b, c).\n",
    "mutual": "odd(a, b) :- edge(a, b).\nodd(a, c) :- even(a, b), edge(b, c).\n"
    "even(a, c) :- odd(a, b), edge(b, c).\nreach(a, b) :- odd(a, b).\nreach(a, b) :- even(a, b).\n",
}
TABLES = """
input table edge(a: int, b: int)
output table reach(a: int, b: int)
"""
MUTUAL_TABLES = "table odd(a: int, b: int)\ntable even(a: int, b: int)\n"


def random_graph(nodes: int, edges: int, chance: random.Random) -> Edges:
    """So many distinct edges between any two nodes."""
    found: dict[tuple[int, int], None] = {}
    while len(found) < edges:
        found[chance.randrange(nodes), chance.randrange(nodes)] = None
    return list(found)


def chain(nodes: int) -> Edges:
    """0 → 1 → … → nodes - 1."""
    return [(n, n + 1) for n in range(nodes - 1)]


def cycle(nodes: int) -> Edges:
    """A chain whose end leads to its beginning."""
    return [*chain(nodes), (nodes - 1, 0)]


def bypassed(nodes: int) -> Edges:
    """A cycle with a way round each edge, over a node of its own, for every tenth edge."""
    ways = [(n, nodes + n) for n in range(0, nodes, 10)]
    return [*cycle(nodes), *ways, *((nodes + n, (n + 1) % nodes) for n in range(0, nodes, 10))]


def chords(nodes: int, chance: random.Random) -> Edges:
    """A cycle, and half as many edges across it."""
    return list(dict.fromkeys([*cycle(nodes), *random_graph(nodes, nodes // 2, chance)]))


def two_way(nodes: int) -> Edges:
    """A cycle that can be walked in both directions: the only other way round is the long one."""
    return [*cycle(nodes), *((b, a) for a, b in cycle(nodes))]


def two_chains(nodes: int) -> Edges:
    """A third of the nodes one after the other, and twice as many another way to the same end."""
    third = nodes // 3
    return [
        *chain(third),
        (0, third),
        *((n, n + 1) for n in range(third, nodes - 1)),
        (nodes - 1, third - 1),
    ]


def grid(side: int) -> Edges:
    """A square, in which edges lead right and down."""
    right = [(n, n + 1) for n in range(side * side) if (n + 1) % side]
    return [*right, *((n, n + side) for n in range(side * (side - 1)))]


def tree(nodes: int) -> Edges:
    """Each node's parent is the one with half its number."""
    return [(n // 2, n) for n in range(2, nodes)]


@frozen
class Case:
    """A graph, the form of the rules, and from which edges to choose."""

    name: str
    form: str
    edges: Edges
    chosen: Sequence[tuple[int, int]]


def cases(nodes: int, edges: int, seed: int) -> Iterable[Case]:
    """Graphs of the given size for linear rules; smaller ones where there is more to do."""

    def case(name: str, form: str, graph: Edges, chosen: Edges | None = None) -> Case:
        return Case(name, form, graph, chosen or graph)

    def chance(size: int) -> random.Random:
        return random.Random(f"{seed} {size}")

    half, small = nodes // 2, nodes // 10
    side = 2 * math.isqrt(nodes) // 3
    for form in ("left", "right"):
        yield case(f"random, {nodes}", form, random_graph(nodes, edges, chance(edges)))
        yield case(f"sparse random, {nodes}", form, random_graph(nodes, edges // 2, chance(edges)))
        yield case(f"chain, {half}", form, chain(half))
        yield case(f"two chains, {half}", form, two_chains(half))
        yield case(f"cycle, {half}", form, cycle(half))
        yield case(f"cycle with ways round, {half}", form, bypassed(half), cycle(half)[::10])
        yield case(f"cycle with chords, {half}", form, chords(half, chance(half)))
        yield case(f"cycle both ways, {half // 2}", form, two_way(half // 2))
        yield case(f"grid, {side * side}", form, grid(side))
        yield case(f"tree, {5 * nodes}", form, tree(5 * nodes))
    yield case(f"random, {half}", "mutual", random_graph(half, edges // 2, chance(half)))
    yield case(f"cycle with ways round, {half}", "mutual", bypassed(half), cycle(half)[::10])
    yield case(f"random, {small}", "non-linear", random_graph(small, edges // 10, chance(small)))
    yield case(f"chain, {small}", "non-linear", chain(small))
    yield case(f"cycle with ways round, {small}", "non-linear", bypassed(small), cycle(small)[::10])
    yield case(f"tree, {5 * nodes}", "non-linear", tree(5 * nodes))


def middle(values: Sequence[float], show: Callable[[float], str]) -> str:
    """The median, and the most."""
    return f"{show(statistics.median(values))} [{show(max(values))}]"


def measure(case: Case, deletions: int, seed: int) -> list[str]:
    """The cells of the case's row."""
    tables = TABLES + (MUTUAL_TABLES if case.form == "mutual" else "")
    engine = nlog.Engine(nlog.parse(tables + FORMS[case.form]))
    begin = time.perf_counter()
    with engine.transaction() as tx:
        tx.insert_many("edge", case.edges)
    load_s = time.perf_counter() - begin
    changed, reads, checked, rederived, delete_s, insert_s = [], [], [], [], [], []
    chance = random.Random(f"{seed} {case.name}")
    for edge in chance.sample(list(case.chosen), min(deletions, len(case.chosen))):
        begin = time.perf_counter()
        with engine.transaction() as tx:
            tx.delete("edge", edge)
        delete_s.append(time.perf_counter() - begin)
        changed.append(len(tx.changes["reach"].deleted))
        reads.append(engine.work.rows_read + engine.work.probes)
        checked.append(engine.work.checked)
        rederived.append(engine.work.rederived)
        begin = time.perf_counter()
        with engine.transaction() as tx:
            tx.insert("edge", edge)
        insert_s.append(time.perf_counter() - begin)
    return [
        case.name,
        case.form,
        f"{len(engine['reach']):,}",
        *(middle(v, "{:,.0f}".format) for v in (changed, reads, checked, rederived)),
        middle(delete_s, lambda s: f"{s * 1e3:,.2f}"),
        middle(insert_s, lambda s: f"{s * 1e3:,.2f}"),
        f"{load_s * 1e3:,.0f}",
        f"{load_s / statistics.median(delete_s):,.1f}",
    ]


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    for name, default in (("nodes", 2000), ("edges", 6000), ("deletions", 10)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    console = Console(width=200)
    console.print(f"seed {options.seed}, {options.deletions} edges each, times in milliseconds")
    counters = ("changed", "read + look-ups", "checked", "rederived")
    table = Table("graph, nodes", "rules", "rows", *counters, "delete", "insert", "load", "ratio")
    for case in cases(options.nodes, options.edges, options.seed):
        with console.status(f"{case.name}, {case.form}"):
            table.add_row(*measure(case, options.deletions, options.seed))
    console.print(table)


if __name__ == "__main__":
    main()
