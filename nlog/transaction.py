"""Transactions: changes of input tables that happen together or not at all.

A transaction is open from the first line of its `with` block; rows are staged, and reads see the
last commit. It is prepared when the block ends, or when `prepare` is called within: the rules are
evaluated, and whatever can fail has failed by then. Then it is published, which cannot fail. So
what must change together with an engine, be it another engine, is done between the two:

    with first.transaction() as one, second.transaction() as other:
        one.insert("edge", ("a", "b"))
        other.apply("link", one.prepare()["reach"])
        other.prepare()
        …                                   # the last thing that can fail
        nlog.publish(one, other)

An exception anywhere in the block leaves all of them as they were, and what `publish` does is one
step, which no signal comes between. If one comes right after it, `is_committed` tells.

One transaction at a time: the engine's lock is held from the first line to the last. `what_if`
gives one that ends in a rollback, come what may.
"""

from collections.abc import Callable, Iterable, Sequence
from os import PathLike
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from nlog.changes import Changes, Delta
from nlog.compile import extend, without
from nlog.diagnostics import TransactionError
from nlog.engine import _core
from nlog.layout import Layout
from nlog.profile import Spent
from nlog.program import Program, Table
from nlog.refusals import EXHAUSTED, REFUSALS, refusal
from nlog.tables import columns_trouble, key_trouble, row_trouble, shape
from nlog.transition import Transition, transition

if TYPE_CHECKING:
    from nlog.runtime import Engine

APART = "rules come and go in a transaction of their own, one at a time"


class Transaction:
    """Changes to input tables that happen together or not at all.

    After the `with` block, `changes[table]` tells what changed in each output table.
    """

    def __init__(self, engine: "Engine", *, publishes: bool = True) -> None:
        self._engine = engine
        self._publishes = publishes
        self._state = "new"
        self._changes: Changes | None = None
        self._next: tuple[Program, Transition, Spent] | None = None
        self._writes = False
        # How many commits the engine has seen before.
        self._commits = 0

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

    def put(self, table: str, *rows: Sequence[Any]) -> None:
        """Insert rows in place of those with the same key. TransactionError if there is no key."""
        self.put_many(table, rows)

    def put_many(self, table: str, rows: Iterable[Sequence[Any]]) -> None:
        """Put any number of rows; of those with one key the last stays."""
        self._keyed(table)
        self._write(table, rows, self._engine._core.put)

    def remove(self, table: str, *keys: Any) -> None:
        """Delete the rows with these keys, if they are there.

        A key is the value of the key's column, or a tuple if there are several.
        """
        if len(self._keyed(table).key) == 1:
            keys = tuple((key,) for key in keys)
        self._write(table, keys, self._engine._core.remove, key_trouble)

    def insert_columns(self, table: str, columns: Sequence[Any]) -> None:
        """Insert rows given by their columns, in the table's order; `insert_many` of their zip.

        A column is a list, a tuple or another sequence of values, or, of bool, int, mac or ip4, a
        one-dimensional array of numbers (array.array, numpy, memoryview), which is read without a
        Python object for each. TransactionError names what does not fit.
        """
        self._write(table, columns, self._engine._core.insert_columns, columns_trouble)

    def apply(self, table: str, delta: Delta) -> None:
        """Change an input table as another table was changed, of another engine or this one.

        Deletes what `delta` deleted, inserts what it inserted, without a Python object for a row.
        TransactionError unless both tables have the same types.
        """
        declared = self._input(table)
        if not isinstance(delta, Delta):
            raise TransactionError(
                f"{delta!r} is no delta: `changes[table]` of a transaction is one; "
                "of rows, use insert and delete"
            )
        types = [[column.type for column in it.columns] for it in (delta._table, declared)]
        if types[0] != types[1]:
            raise TransactionError(
                f"a delta of `{shape(delta._table)}` does not fit `{shape(declared)}`: the columns "
                "of both must have the same types, in the same order"
            )
        if delta._delta is not None:
            self._stage(self._engine._core.apply, self._engine._layout.numbers[table], delta._delta)

    def add_rules(self, source: str | PathLike[str], name: str | None = None) -> None:
        """Add rules, as `Engine.add_rules` does; the transaction changes nothing else."""
        if not isinstance(source, str | PathLike):
            raise TypeError(f"{source!r} is neither rules as text nor the path of a file")
        if name is None:
            name = "<rules>" if isinstance(source, str) else str(source)
        self._change_program(extend(self._engine.program, source, name))

    def remove_rules(self, name: str | PathLike[str]) -> None:
        """Remove rules, as `Engine.remove_rules` does; the transaction changes nothing else."""
        name = str(name) if isinstance(name, PathLike) else name
        self._change_program(without(self._engine.program, name))

    def prepare(self) -> Changes:
        """Evaluate the rules now; what the end of the block will change.

        Nothing can be written after that, and nothing is visible before the block ends well.
        TransactionError if the transaction is refused; it is rolled back then.
        """
        if self._state != "open":
            raise TransactionError(
                f"the transaction is {self._state}: only an open one is prepared"
            )
        engine = self._engine
        self._state = "rolled back"
        if self._next is None:
            try:
                engine._replan_if_drifted()
            except EXHAUSTED as error:
                engine._core.rollback()
                raise self._refusal(error) from None
            except BaseException:
                engine._core.rollback()
                raise
        try:
            deltas = dict(engine._core.prepare())
        except REFUSALS as error:
            raise self._refusal(error) from error.__cause__
        self._state = "prepared"
        tables = _outputs(engine.program, engine._layout)
        if self._next is not None:
            program, transition, _ = self._next
            tables |= _outputs(program, transition.layout)
        self._changes = Changes(
            {name: Delta(deltas.get(number), table) for name, (number, table) in tables.items()}
        )
        return self._changes

    @property
    def changes(self) -> Changes:
        """What is changed in each output table; known once the transaction is prepared."""
        if self._changes is None:
            way_out = "; they are known when its block ends, or after `tx.prepare()`"
            raise TransactionError(
                f"the transaction is {self._state}: it has no changes"
                f"{way_out if self._state in {'new', 'open'} else ''}"
            )
        return self._changes

    @property
    def is_committed(self) -> bool:
        """Whether it is committed. That holds also if an exception came right after the commit."""
        return self._state == "committed"

    def __enter__(self) -> Self:
        self._engine._lock.acquire()
        if self._engine._open or self._state != "new":
            self._engine._lock.release()
            trouble = "is inside another of its engine, and would be part of it"
            if self._state != "new":
                trouble = f"is {self._state}, and can be used once: start one with transaction()"
            raise TransactionError(f"this transaction {trouble}")
        self._commits = self._engine._core.commit_count
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
            if kind is None and self._state == "open":
                self.prepare()
            if kind is None and self._state == "prepared" and self._publishes:
                self._engine._core.publish()
        finally:
            try:
                self._settle(kind is None)
            finally:
                self._engine._open = False
                self._engine._lock.release()

    def _settle(self, has_ended_well: bool) -> None:
        """Take note of what has become of it, which the core knows whatever came between."""
        if self._engine._core.commit_count != self._commits:
            if self._next is not None:
                self._engine._adopt(*self._next)
            self._state = "committed"
        elif has_ended_well and self._state == "prepared":
            self._engine._core.rollback()
            self._state = "tried and rolled back"
        else:
            self._roll_back()

    def _roll_back(self) -> None:
        self._engine._core.rollback()
        self._state = "rolled back"
        self._changes = None

    def _refusal(self, error: Exception) -> TransactionError:
        engine = self._engine
        lowered, names = engine._lowered, engine._layout.names
        if self._next is not None:
            step = self._next[1]
            lowered, names = step.lowered, {**names, **step.layout.names}
        when = "; the transaction is rolled back"
        return refusal(error, lowered, engine.limits, names, when)

    def _keyed(self, name: str) -> Table:
        table = self._declared(name)
        if not table.key:
            raise TransactionError(
                f"`{name}` has no key: `key` after a column's type makes it one; without, use "
                "insert and delete"
            )
        return table

    def _change_program(self, program: Program) -> None:
        """Stage another program in place of the engine's."""
        if self._state != "open" or self._writes or self._next is not None:
            what = "changes something already" if self._state == "open" else f"is {self._state}"
            raise TransactionError(f"the transaction {what}: {APART}")
        engine, core = self._engine, self._engine._core
        step = transition(engine.program, program, engine._layout.measuring(core))
        self._next = (program, step, engine._spent_so_far())
        self._stage(core.change_program, step.during, step.after)
        for number in step.emptied:
            self._stage(core.delete, number, core.rows(number, {}))
        self._stage(core.insert, step.changed, [()])

    def _declared(self, name: str) -> Table:
        try:
            return self._engine.program.table(name)
        except KeyError as error:
            raise TransactionError(*error.args) from None

    def _write(
        self,
        name: str,
        rows: Iterable[Any],
        write: Any,
        trouble: Callable[..., str] = row_trouble,
    ) -> None:
        table = self._input(name)
        try:
            self._stage(write, self._engine._layout.numbers[name], rows)
        except _core.RowError as error:
            raise TransactionError(trouble(table, *error.args)) from None

    def _stage(self, write: Callable[..., None], *arguments: Any) -> None:
        """Call the core; roll back at once if there is no room, or if it was broken off."""
        try:
            write(*arguments)
        except EXHAUSTED as error:
            self._roll_back()
            raise self._refusal(error) from None
        except BaseException:
            if self._engine._core.has_broken_off:
                self._roll_back()
            raise

    def _input(self, name: str) -> Table:
        """The table of that name, if it can be written now."""
        if self._state != "open":
            raise TransactionError(
                f"the transaction is {self._state}: rows are written inside its `with` block"
                ", before it is prepared"
            )
        if self._next is not None:
            raise TransactionError(f"the transaction changes rules: {APART}")
        table = self._declared(name)
        self._writes = True
        if table.kind != "input":
            article = "a" if table.kind == "constraint" else "an"
            raise TransactionError(
                f"`{name}` is {article} {table.kind} table: rules derive it, transactions write "
                "only input tables"
            )
        return table


def publish(*transactions: Transaction) -> None:
    """Commit prepared transactions of different engines in one step, inside their `with` blocks.

    Nothing comes between them, no signal either. TransactionError, and none is committed, if one
    is not prepared, or is a `what_if`.
    """
    for transaction in transactions:
        if transaction._state != "prepared" or not transaction._publishes:
            what = transaction._state if transaction._publishes else "a what_if"
            raise TransactionError(
                f"a transaction is {what}: only those that are prepared are published together"
            )
    _core.publish_all(tuple(transaction._engine._core for transaction in transactions))
    for transaction in transactions:
        transaction._state = "committed"


def _outputs(program: Program, layout: Layout) -> dict[str, tuple[int, Table]]:
    """The output tables by name, with their numbers."""
    return {
        name: (layout.numbers[name], table)
        for name, table in program.tables.items()
        if table.kind == "output"
    }
