"""What a transaction changed: the rows of each output table that came, and those that went.

A `Delta` is the change of one table, `Changes` those of all output tables. Rows stay words of the
core until somebody reads them, so that a change nobody looks at costs no Python object.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from attrs import define, field

from nlog.diagnostics import suggest
from nlog.engine import _core
from nlog.program import Table

Row = tuple[Any, ...]


@define(repr=False, eq=False)
class Delta:
    """What one commit changed in one table; rows are decoded when they are read."""

    _delta: _core.Delta | None = field(alias="delta")
    _table: Table = field(alias="table")
    _inserted: frozenset[Row] | None = field(default=None, init=False)
    _deleted: frozenset[Row] | None = field(default=None, init=False)

    def __repr__(self) -> str:
        return f"Delta(+{self.inserted_count}, -{self.deleted_count})"

    @property
    def inserted_count(self) -> int:
        """How many rows were not there before; nothing is decoded to tell."""
        return self._delta.inserted_count if self._delta else 0

    @property
    def deleted_count(self) -> int:
        """How many rows are there no more; nothing is decoded to tell."""
        return self._delta.deleted_count if self._delta else 0

    @property
    def inserted(self) -> frozenset[Row]:
        """The rows that were not there before."""
        if self._inserted is None:
            self._inserted = frozenset(self._delta.inserted() if self._delta else ())
        return self._inserted

    @property
    def deleted(self) -> frozenset[Row]:
        """The rows that are there no more."""
        if self._deleted is None:
            self._deleted = frozenset(self._delta.deleted() if self._delta else ())
        return self._deleted

    def __bool__(self) -> bool:
        """Whether anything changed."""
        return self._delta is not None


class Changes(Mapping[str, Delta]):
    """The deltas of one commit by output table, empty ones included."""

    def __init__(self, deltas: dict[str, Delta]) -> None:
        self._deltas = deltas

    def __getitem__(self, table: str) -> Delta:
        if table not in self._deltas:
            hint = suggest(table, self._deltas)
            raise KeyError("; ".join([f"there is no output table `{table}`", *hint]))
        return self._deltas[table]

    def __iter__(self) -> Iterator[str]:
        return iter(self._deltas)

    def __len__(self) -> int:
        return len(self._deltas)

    def __repr__(self) -> str:
        changed = ", ".join(f"{name}: {delta!r}" for name, delta in self.items() if delta)
        return f"<Changes {changed or 'of nothing'}>"
