"""Points-to analysis of a made-up program: what Andersen's rules find for each variable.

A program has methods of twenty variables, most of whose assignments, loads and stores stay inside;
some go to another method of the same ten, as calls do. Objects are allocated into every fourth
variable and have eight fields. Operations: an assignment goes, one comes; an allocation goes and
one comes.
"""

import random
from collections.abc import Callable, Iterator

from benchmarks.job import Change, Commit, Row, Workload

METHODS, VARIABLES, FIELDS = 10_000, 20, 8
MODULE = 10
CALLS = 0.12

TABLES = {
    "alloc": ("v", "o"),
    "assign": ("a", "b"),
    "load": ("a", "b", "f"),
    "store": ("b", "f", "v"),
}
DERIVED = {"pt": ("v", "o"), "heap": ("o", "f", "p")}
RULES = """
pt(v, o) :- alloc(v, o).
pt(a, o) :- assign(a, b), pt(b, o).
pt(a, p) :- load(a, b, f), pt(b, o), heap(o, f, p).
heap(o, f, p) :- store(b, f, v), pt(b, o), pt(v, p).
"""
WORDS = {
    "clingo": """
pt(V, O) :- alloc(V, O).
pt(A, O) :- assign(A, B), pt(B, O).
pt(A, P) :- load(A, B, F), pt(B, O), heap(O, F, P).
heap(O, F, P) :- store(B, F, V), pt(B, O), pt(V, P).
"""
}


def points_to(scale: float, operations: int, seed: int) -> Workload:
    """The analysis of a program of `scale` times ten thousand methods."""
    chance = random.Random(f"points-to {seed}")
    methods = max(2, round(METHODS * scale))

    def variable(method: int) -> int:
        return method * VARIABLES + chance.randrange(VARIABLES)

    def neighbour(method: int) -> int:
        first = method - method % MODULE
        return chance.randrange(first, min(first + MODULE, methods))

    def alloc(method: int) -> Row:
        object_of = neighbour(method) * VARIABLES // 4
        return variable(method), object_of + chance.randrange(VARIABLES // 4)

    def assign(method: int) -> Row:
        other = neighbour(method) if chance.random() < CALLS else method
        return variable(method), variable(other)

    def load(method: int) -> Row:
        return variable(method), variable(method), chance.randrange(FIELDS)

    def store(method: int) -> Row:
        return variable(method), chance.randrange(FIELDS), variable(method)

    def some(row: Callable[[int], Row], a_method: int) -> list[Row]:
        return sorted({row(method) for method in range(methods) for _ in range(a_method)})

    def replaced(table: str, row: Callable[[int], Row], count: int) -> Iterator[Commit]:
        there = list(facts[table])
        known = set(there)
        for _ in range(count):
            place = chance.randrange(len(there))
            gone = there.pop(place)
            known.remove(gone)
            yield Commit(f"remove-{table}", (Change(table, gone, inserted=False),))
            while (new := row(chance.randrange(methods))) in known:
                pass
            known.add(new)
            there.append(new)
            yield Commit(f"add-{table}", (Change(table, new, inserted=True),))

    facts = {
        "alloc": some(alloc, VARIABLES // 4),
        "assign": some(assign, VARIABLES),
        "load": some(load, VARIABLES // 4),
        "store": some(store, VARIABLES // 4),
    }
    count = operations // 10 or min(operations, 2)
    commits = [*replaced("assign", assign, count), *replaced("alloc", alloc, count)]
    return Workload("points-to", RULES, TABLES, DERIVED, facts, commits, frozenset(DERIVED), WORDS)
