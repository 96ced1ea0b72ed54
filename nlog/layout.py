"""The layout: what plans for one core share, and what is known of its tables.

Tables have numbers that mean the same for as long as the core lives, whatever rules come and go;
indexes exist because a plan asked for them. A measure tells a planner how many rows of a table
agree in some columns, so that it can join first what matches least.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import cache

from attrs import define, evolve, field

from nlog.engine import _core
from nlog.functions import ForeignFunction
from nlog.program import Program, Table

# How many rows of a table agree in some columns, on average; in no columns, all of them do.
Measure = Callable[[int, tuple[int, ...]], float]
# How many rows are expected to match where a table is still empty: more than a key has, and fewer
# than come of a column with a handful of values.
MATCHES_GUESSED = 16.0


def measured(core: _core.Database) -> Measure:
    """What the core's tables hold now, each question asked once."""
    return cache(core.rows_per_key)


@define
class Layout:
    """Tables by number, those of one recursion, and the indexes that plans so far ask for.

    A number means one table for as long as the core lives: `known` has all that ever were, those
    that went, too, and one that comes back gets its old number. `sizes`, of some or of no tables,
    decides where a body begins that has nothing to begin with.
    """

    numbers: dict[str, int] = field(factory=dict)
    recursions: dict[str, tuple[str, ...]] = field(factory=dict)
    indexes: dict[str, list[tuple[int, ...]]] = field(factory=dict)
    known: list[Table] = field(factory=list)
    measure: Measure | None = field(default=None, eq=False, repr=False)
    measured: int = 0
    functions: list[ForeignFunction] = field(factory=list)

    def matches(self, table: str, columns: tuple[int, ...]) -> float | None:
        """How many rows of the table are expected to have one key in `columns`; None: no idea."""
        if self.measure is None:
            return None
        number = self.numbers[table]
        if number >= self.measured or self.measure(number, ()) == 0:
            return MATCHES_GUESSED
        return self.measure(number, columns)

    def measuring(self, core: _core.Database) -> "Layout":
        """The layout for plans that know what the tables of the core hold now."""
        return evolve(self, measure=measured(core), measured=len(self.known))

    def extended(self, program: Program, renamed: Mapping[str, str] | None = None) -> "Layout":
        """A layout for a lowered program, of which some tables had other names here."""
        old = {(renamed or {}).get(name, name): name for name in self.numbers}
        layout = evolve(self, numbers={}, recursions={}, indexes={}, known=[*self.known])
        for table in program.tables.values():
            name = old.get(table.name)
            if name is not None and _same_shape(self.known[self.numbers[name]], table):
                number = self.numbers[name]
                layout.known[number] = table
                layout.indexes[table.name] = [*self.indexes.get(name, ())]
            else:
                number = layout._vacant(table, self.numbers.values())
            layout.numbers[table.name] = number
        for stratum in program.strata:
            layout.recursions.update(dict.fromkeys(stratum.tables, stratum.tables))
        return layout

    def restricted(self, program: Program) -> "Layout":
        """The layout for some of the tables, with the numbers that they have here."""
        numbers = {name: self.numbers[name] for name in program.tables}
        kept = evolve(self, numbers=numbers, recursions={}, known=[*self.known])
        kept.indexes = {name: [*self.indexes[name]] for name in numbers if name in self.indexes}
        for stratum in program.strata:
            kept.recursions.update(dict.fromkeys(stratum.tables, stratum.tables))
        return kept

    def widened(self, whole: "Layout") -> "Layout":
        """`whole`, from which this was restricted, with the indexes that were asked for since."""
        indexes = {name: [*columns] for name, columns in {**whole.indexes, **self.indexes}.items()}
        return evolve(whole, indexes=indexes)

    def _vacant(self, table: Table, taken: Iterable[int]) -> int:
        """The number that a table like this had when it went, or a new one."""
        taken = {*taken, *self.numbers.values()}
        for number, known in enumerate(self.known):
            if number not in taken and known.name == table.name and _same_shape(known, table):
                return number
        self.known.append(table)
        return len(self.known) - 1

    @property
    def names(self) -> dict[int, str]:
        """The names of the tables by number."""
        return {number: name for name, number in self.numbers.items()}

    def index(self, table: str, columns: tuple[int, ...]) -> int:
        """The number of the index of `table` on `columns`, added if need be."""
        known = self.indexes.setdefault(table, [])
        if columns not in known:
            known.append(columns)
        return known.index(columns)

    def function(self, called: ForeignFunction) -> int:
        """The number of a Python function."""
        if called not in self.functions:
            self.functions.append(called)
        return self.functions.index(called)

    def served(self, table: str, columns: tuple[int, ...]) -> tuple[int, ...]:
        """The most of `columns` that an index of `table` is on; all if it has none on any."""
        known = self.indexes.get(table, [])
        usable = [index for index in known if set(index) <= set(columns)]
        return max(usable, key=len, default=columns)


def _same_shape(one: Table, other: Table) -> bool:
    """Whether the rows of one may stand in the other, which is filled in the same way."""
    types = [tuple(column.type for column in table.columns) for table in (one, other)]
    return (one.kind, one.key) == (other.kind, other.key) and types[0] == types[1]
