"""Programs that have everything at once, made of random programs for histories.py.

What a random program draws, it draws by chance: one in five hundred would have recursion with
negation and aggregates above it, Python functions, a key and a constraint. `crowded` puts a tower
of tables on a random program, one of each: a recursion over whatever the program derives, every
kind of aggregate over that, negation of it, a Python function, a second recursion that calls one
and negates what rests on the first, and a recursion over `min` or `max` beside it. What the tower's
rules join is drawn, and so is the form of its recursion. All of it comes to an end: rows have
values of the program and of `mixed`, which gives few, and values on the way to an optimum never
get better.
"""

import random
from collections.abc import Iterator

from tests.engine.programs import DOMAINS, RandomProgram, literal
from tests.engine.shapes import TableShape

FORMS = ("left", "right", "non-linear", "mutual")
VALUES = ("min(y)", "max(y)", "any(y)", "list(y)", "set(y)")


def crowded(order: random.Random, program: RandomProgram) -> RandomProgram:
    """The program with the tower on it, or as it is if it has no column to walk along."""
    wide = [table for table in program.tables if table.types]
    if not wide:
        return program
    derived = [table for table in wide if table.kind != "input"]
    first = order.choice(derived or wide)
    tower = _Tower(order, wide, first, order.choice(first.types))
    return RandomProgram((*program.tables, *tower.tables()), (*program.rules, *tower.rules()))


class _Tower:
    """The tables and rules over steps from values of one type to others of it."""

    def __init__(
        self, order: random.Random, wide: list[TableShape], first: TableShape, type_: str
    ) -> None:
        self._order = order
        self._wide = [table for table in wide if type_ in table.types]
        self._first = first
        self._type = type_
        self._level = max(table.level for table in wide)
        self._form = order.choice(FORMS)
        self._value = order.choice(VALUES)
        self._function = order.choice(("min", "max"))

    def tables(self) -> Iterator[TableShape]:
        """The tower's tables, lowest first."""
        type_ = self._type
        value = f"[{type_}]" if self._value.startswith(("list", "set")) else type_
        shapes = (
            ("walk", (type_, type_), 1),
            ("back", (type_, type_), 1),
            ("tally", (type_, "int", value), 2),
            ("absent", (type_, type_), 2),
            ("called", (type_, "int"), 3),
            ("again", (type_, "int"), 4),
            ("best", (type_, "int"), 4),
            ("total", ("int", "int"), 5),
            ("rest", (type_,), 5),
        )
        for name, types, level in shapes:
            kind = self._order.choice(("output", "output", "internal"))
            yield TableShape(name, kind, types, self._level + level)

    def rules(self) -> Iterator[str]:
        """What fills them."""
        step = "+" if self._function == "min" else "-"
        yield f"walk(x, y) :- {self._atom(self._first, 'x')}, {self._atom(self._any(), 'y')}."
        yield from self._recursion()
        yield f"tally(x, {self._count()}, {self._value}) :- walk(x, y), {self._atom_of('x')}."
        yield "absent(x, y) :- walk(x, _), walk(_, y), not walk(x, y)."
        yield f'called(x, mixed(n, "{self._order.choice("ab")}")) :- tally(x, n, _).'
        yield f"again(x, n) :- called(x, n), {self._atom_of('x')}."
        yield 'again(y, mixed(n, "b")) :- again(x, n), walk(x, y), not absent(y, x).'
        yield f"best(x, {self._function}(n)) :- called(x, n), not absent(x, x)."
        yield f"best(y, {self._function}(n {step} 1)) :- best(x, n), walk(x, y)."
        yield "total(sum(n), count()) :- again(x, n), not absent(x, _)."
        yield "rest(x) :- walk(x, _), not best(x, _)."

    def _recursion(self) -> Iterator[str]:
        beside = self._atom_of("y")
        if self._form == "left":
            yield f"walk(x, z) :- walk(x, y), {self._atom_of('y')}, {self._atom_of('z')}, y != z."
        elif self._form == "right":
            yield f"walk(x, z) :- {self._atom_of('x')}, {beside}, x != y, walk(y, z)."
        elif self._form == "non-linear":
            yield f"walk(x, z) :- walk(x, y), walk(y, z), not {self._atom_of('y', '_')}."
        else:
            yield f"walk(x, y) :- back(y, x), {beside}."
        yield f"back(y, x) :- walk(x, y), {self._atom_of('x')}."

    def _count(self) -> str:
        if self._type == "int":
            return self._order.choice(("count()", "count(y)", "sum(y)"))
        return self._order.choice(("count()", "count(y)"))

    def _any(self) -> TableShape:
        return self._order.choice(self._wide)

    def _atom_of(self, variable: str, other: str | None = None) -> str:
        return self._atom(self._any(), variable, other)

    def _atom(self, table: TableShape, variable: str, other: str | None = None) -> str:
        """An atom of which one column is the variable, and others are wildcards or constants."""
        places = [place for place, type_ in enumerate(table.types) if type_ == self._type]
        chosen = self._order.choice(places)
        terms = [
            variable
            if place == chosen
            else other or self._order.choice(("_", "_", "_", self._constant(type_)))
            for place, type_ in enumerate(table.types)
        ]
        return f"{table.name}({', '.join(terms)})"

    def _constant(self, type_: str) -> str:
        return literal(type_, self._order.choice(DOMAINS[type_]))
