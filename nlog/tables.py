"""Tables as their readers see them: read-only sets of rows.

A read shows one commit, whole: the tables of an engine show the last, those of a snapshot the last
when it was taken. It waits for no transaction that is open, only while the core works one out.

A snapshot costs nothing to take. While it lives, each commit keeps the rows that it changes, once
for all snapshots; reading one puts them together with the present content (core/snapshot.h).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from nlog.diagnostics import suggest
from nlog.engine import _core
from nlog.program import Program, Table
from nlog.show import counted

Row = tuple[Any, ...]


class TableView(AbstractSet[Row]):
    """A table as a read-only set of rows."""

    def __init__(self, core: _core.Database | _core.Snapshot, table: Table, number: int) -> None:
        self._core = core
        self._declared = table
        self._number = number

    @classmethod
    def _from_iterable(cls, it: Iterable[Any]) -> AbstractSet[Any]:
        return frozenset(it)

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns, in the order of a row's values."""
        return tuple(column.name for column in self._declared.columns)

    def __len__(self) -> int:
        return self._core.size(self._number)

    def __contains__(self, row: object) -> bool:
        if not isinstance(row, Sequence) or isinstance(row, str):
            return False
        try:
            return self._core.contains(self._number, row)
        except _core.RowError:
            return False

    def __iter__(self) -> Iterator[Row]:
        return iter(self._core.rows(self._number, {}))

    def where(self, **columns: Any) -> frozenset[Row]:
        """The rows whose columns have the given values. TypeError names an unknown column."""
        wanted: dict[int, Any] = {}
        for name, value in columns.items():
            place = self._declared.position(name)
            if place is None:
                hint = suggest(name, self.columns)
                text = f"table `{self._declared.name}` has no column `{name}`"
                raise TypeError("; ".join([text, *hint]))
            wanted[place] = value
        try:
            return frozenset(self._core.rows(self._number, wanted))
        except _core.RowError as error:
            _, place, text = error.args
            column = self._declared.columns[place]
            raise TypeError(f"column `{column.name}: {column.type}`: {text}") from None

    def __repr__(self) -> str:
        return f"<table {self._declared.name}: {counted(len(self), 'row')}>"


class Snapshot:
    """All tables as one commit left them: `snapshot[table]` reads as the engine does.

    It stays as it is, whatever is committed, for as long as it is kept.
    """

    def __init__(self, core: _core.Snapshot, program: Program, numbers: Mapping[str, int]) -> None:
        self._core = core
        self._numbers = numbers
        self.program = program

    def __getitem__(self, table: str) -> TableView:
        """The table of that name, read-only; KeyError if there was none."""
        declared = self.program.table(table)
        return TableView(self._core, declared, self._numbers[table])

    def __repr__(self) -> str:
        return f"<Snapshot: {counted(len(self.program.tables), 'table')}>"


def row_trouble(table: Table, row: object, column: int, text: str) -> str:
    """Why a row cannot be one of the table's: a text for errors."""
    place = "" if column < 0 else f"column `{table.columns[column].name}`: "
    return f"row {row!r} does not fit `{shape(table)}`: {place}{text}"


def key_trouble(table: Table, key: Any, column: int, text: str) -> str:
    """Why a tuple of values cannot be the key of a row: a text for errors."""
    place = "" if column < 0 else f"column `{table.columns[table.key[column]].name}`: "
    shown = key[0] if len(table.key) == 1 else key
    return f"key {shown!r} does not fit `{shape(table)}`: {place}{text}"


def columns_trouble(table: Table, place: int, column: int, text: str) -> str:
    """Why columns make no rows of the table: a text for errors."""
    name = "" if column < 0 else f"column `{table.columns[column].name}`"
    at = "" if place < 0 else f", place {place}"
    return f"columns do not fit `{shape(table)}`: {name}{at}{': ' if name else ''}{text}"


def shape(table: Table) -> str:
    """A table as it is declared, without its kind."""
    columns = (
        f"{column.name}: {column.type}{' key' * (place in table.key)}"
        for place, column in enumerate(table.columns)
    )
    return f"{table.name}({', '.join(columns)})"
