"""What small changes cost: the cases of test_incremental.py, a program and a change each.

Every case stands in two worlds. Both hold the part that the change touches, of one size; beside it
lies a rest that the change leaves alone, a hundred times as large in one world as in the other. A
change is a list of steps, of which each is one transaction. `most` bounds the work of any of them:
rows read, look-ups, rows derived and retracted, and rows of recursions that were checked.
"""

from collections.abc import Callable, Iterator
from itertools import chain, pairwise
from typing import Any, Literal

from attrs import frozen

Row = tuple[Any, ...]
Facts = dict[str, list[Row]]
Item = Literal["aggregates", "optima", "negation", "recursion", "live rules"]


@frozen
class Rows:
    """A transaction: rows that go and rows that come, by table."""

    delete: Facts
    insert: Facts


@frozen
class Rules:
    """Rules that come, named "live", or that go, if there is no text."""

    text: str


Step = Rows | Rules


@frozen
class Case:
    """A program, the rows of a world of some size, and what changes."""

    item: Item
    name: str
    program: str
    world: Callable[[int], Facts]
    steps: tuple[Step, ...]
    most: int

    def __str__(self) -> str:
        return f"{self.item}: {self.name}"


def there_and_back(table: str, *rows: Row) -> tuple[Step, Step]:
    """Rows go, and come again."""
    return Rows({table: [*rows]}, {}), Rows({}, {table: [*rows]})


def back_and_there(table: str, *rows: Row) -> tuple[Step, Step]:
    """Rows come, and go again."""
    return Rows({}, {table: [*rows]}), Rows({table: [*rows]}, {})


def ring(first: int, length: int) -> list[Row]:
    """The edges of a cycle of numbered nodes."""
    nodes = [*range(first, first + length), first]
    return [*pairwise(nodes)]


def both_ways(edges: list[Row]) -> list[Row]:
    return [*edges, *((b, a) for a, b in edges)]


def rings(count: int, length: int) -> list[Row]:
    """Cycles of their own, far from the nodes below 1000."""
    return [*chain.from_iterable(ring(1000 * n, length) for n in range(1, count + 1))]


GROUPS = """
input table part(g: int, x: int, y: int)
output table whole(g: int, v: {type})
whole(g, {function}) :- part(g, x, _).
"""
FUNCTIONS = {
    "count()": "int",
    "count(x)": "int",
    "sum(x)": "int",
    "min(x)": "int",
    "max(x)": "int",
    "any(x)": "int",
    "list(x)": "[int]",
    "set(x)": "[int]",
}
OWN_GROUP = [(0, x, y) for x in range(5) for y in (1, 2)]
# A value that is new, a value that is there, one that goes, and both ends of the group.
OF_A_GROUP = (
    *back_and_there("part", (0, 9, 1)),
    *back_and_there("part", (0, 3, 3)),
    *there_and_back("part", (0, 2, 1), (0, 2, 2)),
    *there_and_back("part", (0, 0, 1), (0, 0, 2)),
    *there_and_back("part", (0, 4, 1), (0, 4, 2)),
)
# Neither end of a group of numbers from 0 on.
IN_THE_MIDDLE = (
    *back_and_there("part", (0, 2, 7)),
    *there_and_back("part", (0, 3, 1), (0, 3, 2)),
)


def aggregates() -> Iterator[Case]:
    """Each aggregate, beside other groups and in a group of any size."""

    def beside(size: int) -> Facts:
        return {"part": [*OWN_GROUP, *((g, x, 1) for g in range(1, size) for x in (1, 2, 3))]}

    def within(size: int) -> Facts:
        return {"part": [*OWN_GROUP, *((0, x, 1) for x in range(5, 5 + size))]}

    for function, type_ in FUNCTIONS.items():
        program = GROUPS.format(function=function, type=type_)
        name = f"{function} beside other groups"
        yield Case("aggregates", name, program, beside, OF_A_GROUP, 60)
        yield Case("aggregates", f"{function} in its group", program, within, IN_THE_MIDDLE, 25)
    several = """
input table part(g: int, x: int, y: int)
output table whole(g: int, n: int, low: int, high: int, all: [int])
output table most(n: int)
whole(g, count(), min(x), max(y), set(x)) :- part(g, x, y).
most(max(n)) :- whole(_, n, _, _, _).
"""
    yield Case("aggregates", "several in a head, and one of them", several, beside, OF_A_GROUP, 90)


COMPONENTS = """
input table edge(a: int, b: int)
output table label(a: int, least: int)
label(a, min(a)) :- edge(a, _).
label(b, min(l)) :- label(a, l), edge(a, b).
"""
PATHS = """
input table edge(a: int, b: int, w: int)
input table source(s: int)
output table path(s: int, a: int, d: int)
path(s, s, min(0)) :- source(s).
path(s, b, min(d + w)) :- path(s, a, d), edge(a, b, w).
"""
DEPTHS = """
input table edge(a: int, b: int)
output table depth(a: int, d: int)
depth(a, max(0)) :- edge(a, _).
depth(b, max(d + 1)) :- depth(a, d), edge(a, b).
"""


def optima() -> Iterator[Case]:
    """Monotone `min` and `max` through recursion, beside other components."""
    own = both_ways([*ring(0, 8), (0, 4)])
    tail = both_ways([(7, 8), (8, 9)])

    def components(size: int) -> Facts:
        return {"edge": [*own, *tail, *both_ways(rings(size, 6))]}

    def weighted(size: int) -> Facts:
        edges = [*own, *tail, *both_ways(rings(size, 6))]
        sources = [(1000 * n,) for n in range(size + 1)]
        return {"edge": [(a, b, 1 + a % 2) for a, b in edges], "source": sources}

    def layers(size: int) -> Facts:
        chains = [[1000 * n + place for place in range(9)] for n in range(size + 1)]
        edges = [edge for nodes in chains for edge in pairwise(nodes)]
        return {"edge": [*edges, (0, 2), (2, 5)]}

    way_round = there_and_back("edge", *both_ways([(2, 3)]))
    split = there_and_back("edge", *both_ways([(7, 8)]))
    steps = (*way_round, *split)
    yield Case("optima", "components", COMPONENTS, components, steps, 500)
    paths = tuple(
        Rows(
            *(
                {t: [(a, b, 1 + a % 2) for a, b in rows] for t, rows in side.items()}
                for side in sides
            )
        )
        for sides in ((step.delete, step.insert) for step in steps if isinstance(step, Rows))
    )
    yield Case("optima", "shortest paths", PATHS, weighted, paths, 250)
    deeper = (*there_and_back("edge", (3, 4)), *there_and_back("edge", (0, 2)))
    yield Case("optima", "longest ways", DEPTHS, layers, deeper, 250)


UNUSED = """
input table node(a: int)
input table use(a: int, b: int)
output table free(a: int)
output table taken(a: int)
free(a) :- node(a), not use(a, _).
taken(a) :- node(a), not free(a).
"""
CUT_OFF = """
input table node(a: int)
input table edge(a: int, b: int)
input table closed(a: int)
input table root(a: int)
output table reached(a: int)
output table cut(a: int)
reached(a) :- root(a).
reached(b) :- reached(a), edge(a, b), not closed(b).
cut(a) :- node(a), not reached(a).
"""


def negation() -> Iterator[Case]:
    """Stratified negation: with a wildcard, twice over, above a recursion and below it."""

    def uses(size: int) -> Facts:
        node = [(a,) for a in range(size + 8)]
        use = [(0, 1), (0, 2), (1, 1), *((a, 5) for a in range(4, size + 8, 2))]
        return {"node": node, "use": use}

    def network(size: int) -> Facts:
        away = rings(size, 6)
        own = [*ring(0, 8), (0, 4)]
        nodes = sorted({(a,) for a, _ in [*own, *away]})
        roots = [(0,), *((1000 * n,) for n in range(1, size, 2))]
        return {"node": nodes, "edge": [*own, *away], "root": roots, "closed": []}

    steps = (
        *there_and_back("use", (0, 1)),
        *there_and_back("use", (1, 1)),
        *back_and_there("use", (2, 1)),
    )
    yield Case("negation", "with a wildcard, and of a negation", UNUSED, uses, steps, 20)
    steps = (
        *there_and_back("edge", (4, 5)),
        *there_and_back("edge", (3, 4)),
        *back_and_there("closed", (2,)),
        *back_and_there("closed", (6,)),
        *there_and_back("root", (0,)),
    )
    yield Case("negation", "above a recursion and below it", CUT_OFF, network, steps, 250)


CLOSURE = """
input table edge(a: int, b: int)
output table reach(a: int, b: int)
reach(a, b) :- edge(a, b).
"""
FORMS = {
    "left": "reach(a, c) :- reach(a, b), edge(b, c).",
    "right": "reach(a, c) :- edge(a, b), reach(b, c).",
    "non-linear": "reach(a, c) :- reach(a, b), reach(b, c).",
}
MUTUAL = """
input table edge(a: int, b: int)
output table odd(a: int, b: int)
output table even(a: int, b: int)
odd(a, b) :- edge(a, b).
even(a, c) :- odd(a, b), edge(b, c).
odd(a, c) :- even(a, b), edge(b, c).
"""
GENERATIONS = """
input table parent(a: int, b: int)
output table cousins(a: int, b: int)
cousins(a, b) :- parent(a, c), parent(b, c).
cousins(a, b) :- parent(a, c), cousins(c, d), parent(b, d).
"""


def recursion() -> Iterator[Case]:
    """Linear, non-linear and mutual recursion: an edge of a cycle goes, with another way round."""
    own = [*ring(0, 8), (0, 20), (20, 1)]

    def cycles(size: int) -> Facts:
        return {"edge": [*own, *rings(size, 5)]}

    def families(size: int) -> Facts:
        trees = [
            [(base + n, base + n // 2) for n in range(2, 12)] for base in range(0, 100 * size, 100)
        ]
        return {"parent": [*chain.from_iterable(trees), (11, 4)]}

    way_round = there_and_back("edge", (0, 1))
    for form, rule in FORMS.items():
        program = CLOSURE + rule
        most = 1200 if form == "non-linear" else 250
        yield Case("recursion", f"{form}, a way round", program, cycles, way_round, most)
        truly = there_and_back("edge", (3, 4))
        most = 6000 if form == "non-linear" else 1200
        yield Case("recursion", f"{form}, no way round", program, cycles, truly, most)
    yield Case("recursion", "mutual, a way round", MUTUAL, cycles, way_round, 1000)
    steps = (*there_and_back("parent", (11, 4)), *there_and_back("parent", (11, 5)))
    yield Case("recursion", "of three atoms", GENERATIONS, families, steps, 400)


LIVE = """
input table edge(a: int, b: int)
input table few(a: int, b: int)
open output table reach(a: int, b: int)
open output table known(a: int)
known(a) :- edge(a, _).
reach(a, b) :- edge(a, b).
reach(a, c) :- reach(a, b), edge(b, c).
"""
LIVE_RULES = {
    "a join": "output table hit(a: int)\nhit(a) :- few(a, b), reach(a, b).",
    "a negation": "output table miss(a: int)\nmiss(a) :- few(a, b), not reach(a, b).",
    "aggregates": "output table n(a: int, n: int, m: int)\nn(a, count(), max(b)) :- few(a, b).",
    "a rule of a table that is there": "known(a + b) :- few(a, b).",
    "a rule of a recursion": "reach(a, c) :- reach(a, b), few(b, c).",
    "a recursion over it": "output table far(a: int)\nfar(a) :- few(a, _).\n"
    "far(b) :- far(a), reach(a, b).",
    "an optimum over it": "output table low(a: int, n: int)\nlow(a, min(b)) :- few(a, b).\n"
    "low(b, min(n)) :- low(a, n), reach(a, b).",
    "a rule that derives what is there": "reach(a, b) :- few(a, b), edge(a, b).",
}


def live_rules() -> Iterator[Case]:
    """Rules that come and go over few rows, beside many rows of all the tables they read."""

    def world(size: int) -> Facts:
        return {"edge": [*ring(0, 6), *rings(size, 5)], "few": [(0, 1), (2, 0), (5, 9), (3, 90)]}

    for name, text in LIVE_RULES.items():
        yield Case("live rules", name, LIVE, world, (Rules(text), Rules("")), 250)


CASES = (*aggregates(), *optima(), *negation(), *recursion(), *live_rules())
