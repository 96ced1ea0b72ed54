"""Random recursions over `min` and `max` that come to an end, for programs.py.

Values start from numbers of other tables. So that no cycle betters a value for ever, each program
keeps to one of three manners: `steady` steps never better a value; `sums` of values that are not
negative do not, either; in `ascending` ones the group's key grows with every step, so that steps
may do as they like, and the longest way is found as well as the shortest.
"""

import random
from collections.abc import Sequence
from typing import Protocol

from tests.engine.shapes import TableShape

MANNERS = ("steady", "steady", "sums", "ascending", "ascending")


class Writer(Protocol):
    """What writes bodies over tables of lower levels."""

    def lower_atom(self) -> str:
        """An atom that binds variables."""

    def value(self, type_: str) -> str:
        """A bound variable, or a constant."""


class Optima:
    """One or two tables of one recursion, and their rules."""

    def __init__(self, order: random.Random, palette: Sequence[str], level: int) -> None:
        self._order = order
        self._manner = order.choice(MANNERS)
        self._key = "int" if self._manner == "ascending" else order.choice(palette)
        self._function = "min" if self._manner == "sums" else order.choice(("min", "max"))
        self.tables = [
            TableShape(f"best{number}", "output", (self._key, "int"), level)
            for number in range(order.choice((1, 1, 2)))
        ]

    def rules(self, writers: Sequence[Writer]) -> list[str]:
        """A first rule for each table, and one for each other writer."""
        rules = []
        for number, writer in enumerate(writers):
            if number < len(self.tables):
                rules.append(self._first(self.tables[number], writer))
            else:
                rules.append(self._step(self._order.choice(self.tables), writer))
        return rules

    def _head(self, table: TableShape, key: str, value: str) -> str:
        return f"{table.name}({key}, {self._function}({value}))"

    def _first(self, table: TableShape, writer: Writer) -> str:
        atom = writer.lower_atom()
        value = writer.value("int")
        if self._manner == "sums":
            value = f"{value} & 3"
        return f"{self._head(table, writer.value(self._key), value)} :- {atom}."

    def _step(self, table: TableShape, writer: Writer) -> str:
        body = [writer.lower_atom() for _ in range(self._order.choice((1, 1, 2)))]
        key = writer.value(self._key)
        source = writer.value(self._key)
        body.append(f"{self._order.choice(self.tables).name}({source}, d)")
        value = self._value(writer)
        if self._manner == "sums" and self._order.random() < 0.5:
            body.append(f"{self._order.choice(self.tables).name}({writer.value(self._key)}, e)")
            value = "d + e"
        if self._manner == "ascending":
            body.append(f"{source} < {key}")
        if self._order.random() < 0.25:
            body.append("d < 2" if self._function == "min" else "-2 <= d")
        if self._order.random() < 0.2:
            body.append(f"v = {value}")
            value = "v"
        self._order.shuffle(body)
        return f"{self._head(table, key, value)} :- {', '.join(body)}."

    def _value(self, writer: Writer) -> str:
        weight = writer.value("int")
        if self._manner == "ascending":
            return self._order.choice(["d", f"d + {weight}", f"{weight} + d", f"d - {weight}"])
        sign = "+" if self._function == "min" else "-"
        return self._order.choice(["d", f"d {sign} 1", f"d {sign} ({weight} & 1)"])
