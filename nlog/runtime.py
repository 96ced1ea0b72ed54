"""The engine: a program kept true while its input tables change.

`Engine` compiles a program into a plan once, and hands rows and plans to the core; everything
between is the core's. Writing goes through one transaction at a time, all or nothing; reading
shows the last commit. An engine may be used from several threads: a lock is held from a
transaction's first line to its commit, and while a table is read.

Cost: a commit is paid by the rows that it changes and the rows that they join with, not by what
the tables hold. `recompute` is the yardstick for that, and the oracle of tests.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from threading import RLock
from types import TracebackType
from typing import Any, Self

from attrs import define, field

from nlog.diagnostics import TransactionError, suggest
from nlog.engine import _core
from nlog.explain import Derivation, Explainer
from nlog.lower import lower
from nlog.planner import plan
from nlog.program import Program, Table
from nlog.show import counted, show_row

Row = tuple[Any, ...]
Work = _core.Work


class Engine:
    """An incremental evaluator of one program.

    `engine[table]` reads a table, `engine.transaction()` changes input tables. TransactionError
    if a rule fails as it is, with all inputs empty.
    """

    def __init__(self, program: Program) -> None:
        if not isinstance(program, Program):
            text = f"{program!r} is no Program: nlog.load(path) and nlog.parse(text) make one"
            raise TypeError(text)
        self.program = program
        compiled, self._layout = plan(program)
        try:
            self._core = _core.Database(compiled)
        except _core.EvaluationError as error:
            raise TransactionError(f"{_failure(program, error)}, with all inputs empty") from None
        self._lock = RLock()
        self._open = False
        self._explainer: Explainer | None = None

    def __getitem__(self, table: str) -> "TableView":
        """The table of that name, read-only; KeyError if there is none."""
        return TableView(self, self._table(table, KeyError))

    def __repr__(self) -> str:
        program = self.program
        tables, rules = counted(len(program.tables), "table"), counted(len(program.rules), "rule")
        return f"<Engine: {tables}, {rules}>"

    def transaction(self) -> "Transaction":
        """A transaction, to be used in a `with` statement; committed when that ends well."""
        return Transaction(self)

    @property
    def work(self) -> Work:
        """What the last commit did: rows read, derived, retracted and so on, and look-ups."""
        return self._core.work

    def recompute(self) -> "Engine":
        """A new engine, computed from this one's input rows and nothing else."""
        fresh = Engine(self.program)
        with self._lock, fresh.transaction() as tx:
            for table in self.program.tables.values():
                if table.kind == "input":
                    tx.insert_many(table.name, self[table.name])
        return fresh

    def explain(self, table: str, row: Sequence[Any]) -> Derivation:
        """Why `row` is in `table`: the rule and the rows it came from, down to input rows.

        KeyError if there is no such table, TypeError if the row does not fit it, LookupError if the
        row is not in it. Costs nothing until it is called, then indexes that stay.
        """
        declared = self._table(table, KeyError)
        with self._lock:
            found = self._committed(declared, row)
            if found is None:
                raise LookupError(f"{show_row(declared, row)} is not there")
            if self._explainer is None:
                self._explainer = Explainer(lower(self.program), self._layout, self._core)
            return self._explainer.explain(table, found)

    def _committed(self, table: Table, row: Sequence[Any]) -> Row | None:
        """The row as the table holds it, in canonical form; None if it is not there."""
        number = self._layout.numbers[table.name]
        try:
            is_there = self._core.contains(number, row)
        except _core.RowError as error:
            raise TypeError(_row_trouble(table, *error.args)) from None
        return self._core.rows(number, dict(enumerate(row)))[0] if is_there else None

    def _table(self, name: str, error: type[Exception]) -> Table:
        table = self.program.tables.get(name)
        if table is None:
            hint = suggest(name, self.program.tables)
            raise error("; ".join([f"there is no table `{name}`", *hint]))
        return table


class Transaction:
    """Changes to input tables that happen together or not at all.

    After the `with` block, `changes[table]` tells what changed in each output table.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._state = "new"
        self._changes: Changes | None = None

    def insert(self, table: str, *rows: Sequence[Any]) -> None:
        """Insert rows; those that are there already change nothing."""
        self.insert_many(table, rows)

    def insert_many(self, table: str, rows: Iterable[Sequence[Any]]) -> None:
        """Insert any number of rows. TransactionError names a row that does not fit."""
        self._write(table, rows, self._engine._core.insert)

    def delete(self, table: str, *rows: Sequence[Any]) -> None:
        """Delete rows; those that are not there change nothing."""
        self.delete_many(table, rows)

    def delete_many(self, table: str, rows: Iterable[Sequence[Any]]) -> None:
        """Delete any number of rows. TransactionError names a row that does not fit."""
        self._write(table, rows, self._engine._core.delete)

    @property
    def changes(self) -> "Changes":
        """What the commit changed in each output table; known when the `with` block has ended."""
        if self._changes is None:
            raise TransactionError(f"the transaction is {self._state}: it has no changes")
        return self._changes

    def __enter__(self) -> Self:
        self._engine._lock.acquire()
        if self._engine._open or self._state != "new":
            self._engine._lock.release()
            trouble = "is inside another of its engine, and would be part of it"
            if self._state != "new":
                trouble = f"is {self._state}, and can be used once: start one with transaction()"
            raise TransactionError(f"this transaction {trouble}")
        self._engine._open = True
        self._state = "open"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._commit()
            else:
                self._engine._core.rollback()
                self._state = "rolled back"
        finally:
            self._engine._open = False
            self._engine._lock.release()

    def _commit(self) -> None:
        self._state = "rolled back"
        engine = self._engine
        try:
            deltas = dict(engine._core.commit())
        except _core.EvaluationError as error:
            text = f"{_failure(engine.program, error)}; the transaction is rolled back"
            raise TransactionError(text) from None
        self._state = "committed"
        names = engine._layout.numbers
        self._changes = Changes(
            {
                table.name: Delta(deltas.get(names[table.name]))
                for table in engine.program.tables.values()
                if table.kind == "output"
            }
        )

    def _write(self, name: str, rows: Iterable[Sequence[Any]], write: Any) -> None:
        if self._state != "open":
            raise TransactionError(
                f"the transaction is {self._state}: rows are written inside its `with` block"
            )
        table = self._engine._table(name, TransactionError)
        if table.kind != "input":
            raise TransactionError(
                f"`{name}` is an {table.kind} table: rules derive it, transactions write only "
                "input tables"
            )
        try:
            write(self._engine._layout.numbers[name], rows)
        except _core.RowError as error:
            raise TransactionError(_row_trouble(table, *error.args)) from None


@define(repr=False, eq=False)
class Delta:
    """What one commit changed in one table; rows are decoded when they are read."""

    _delta: _core.Delta | None = field(alias="delta")
    _inserted: frozenset[Row] | None = field(default=None, init=False)
    _deleted: frozenset[Row] | None = field(default=None, init=False)

    def __repr__(self) -> str:
        if self._delta is None:
            return "Delta(+0, -0)"
        return f"Delta(+{self._delta.inserted_count}, -{self._delta.deleted_count})"

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


class TableView(AbstractSet[Row]):
    """A table as a read-only set of rows, always of the last commit."""

    def __init__(self, engine: Engine, table: Table) -> None:
        self._engine = engine
        self._declared = table
        self._number = engine._layout.numbers[table.name]

    @classmethod
    def _from_iterable(cls, it: Iterable[Any]) -> AbstractSet[Any]:
        return frozenset(it)

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns, in the order of a row's values."""
        return tuple(column.name for column in self._declared.columns)

    def __len__(self) -> int:
        with self._engine._lock:
            return self._engine._core.size(self._number)

    def __contains__(self, row: object) -> bool:
        if not isinstance(row, Sequence) or isinstance(row, str):
            return False
        with self._engine._lock:
            try:
                return self._engine._core.contains(self._number, row)
            except _core.RowError:
                return False

    def __iter__(self) -> Iterator[Row]:
        with self._engine._lock:
            return iter(self._engine._core.rows(self._number, {}))

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
        with self._engine._lock:
            try:
                return frozenset(self._engine._core.rows(self._number, wanted))
            except _core.RowError as error:
                _, place, text = error.args
                column = self._declared.columns[place]
                raise TypeError(f"column `{column.name}: {column.type}`: {text}") from None

    def __repr__(self) -> str:
        return f"<table {self._declared.name}: {counted(len(self), 'row')}>"


def _failure(program: Program, error: _core.EvaluationError) -> str:
    number, text = error.args
    rule = program.rules[number]
    return f"rule of `{rule.head}` at {rule.name}: {text}"


def _row_trouble(table: Table, row: object, column: int, text: str) -> str:
    shape = ", ".join(f"{column.name}: {column.type}" for column in table.columns)
    place = "" if column < 0 else f"column `{table.columns[column].name}`: "
    return f"row {row!r} does not fit `{table.name}({shape})`: {place}{text}"
