"""The C++ core, which runs plans: tables, rules and transactions. See nlog/plan.py.

Tables and columns are numbers, as in the plan. Rows come and go as nlog/types.py shows them. They
may also come as other sequences, with ints for mac and ip4, `ipaddress` objects, and mappings for
records.

Any thread may call anything; one call runs at a time, and `prepare` lets other Python threads run.
On the main thread it lets signal handlers run, ten times a second; while it runs, these may
call what reads tables, and get a RuntimeError from all else. A Python function that rules call
gets one from everything.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, final

from nlog.plan import Plan, StartPlan

class EvaluationError(Exception):
    """A function failed for rows that a commit would have left in place.

    `args` are the number of the rule and a text such as `division by zero: 5 / 0`; `__cause__` is
    the exception of a Python function, if one raised it.
    """

class KeyConflictError(Exception):
    """A commit would have left rows of one key in a table.

    `args` are a list of (table, row, row), the older row first, and whether there are more. For
    each row that came and disagrees with another there is one.
    """

class ConstraintError(Exception):
    """A commit would have left rows in constraint tables; `args[0]` has these rows by table."""

class LimitError(Exception):
    """A commit would have gone beyond a limit.

    `args` are "rows" or "seconds", the table that it had made grow most, and by how many rows.
    """

class CapacityError(Exception):
    """Something is full; whatever was under way has not happened.

    `args` are what is full, how much it holds, and the number of its table, or None:

        rows        rows of a table, those included that go with the running transaction
        places      places in an index, which rows that share a key take, in powers of two
        texts       different texts and bytes that this database has seen
        tuples      different values of parts, and ip6 addresses, that it has seen
        elements    bytes of a text, or elements of a list
        ranks       levels on which rows of a recursion rest on each other; its first table
    """

class RowError(Exception):
    """A row does not fit its table.

    `args` are the row, the number of the column (-1: the row as a whole) and a text such as
    `'10.0.0' is not an ip4 address such as 10.0.0.1`.
    """

@final
class Work:
    """Counters of what the last commit that succeeded did."""

    @property
    def rows_read(self) -> int:
        """Rows visited: by look-ups, in whatever view, and to start from."""
    @property
    def probes(self) -> int:
        """Look-ups by hash that rules' bodies asked for."""
    @property
    def derived(self) -> int:
        """Rows derived, counted before duplicates are found."""
    @property
    def retracted(self) -> int:
        """Derivations taken back; in recursive strata, only those that rows rested on."""
    @property
    def checked(self) -> int:
        """Rows of recursive strata for which another derivation was sought, each time."""
    @property
    def rederived(self) -> int:
        """Rows of recursive strata that were taken away and found to hold in the end."""
    @property
    def inserted(self) -> int:
        """Rows of all tables, inputs included, that are there and were not."""
    @property
    def deleted(self) -> int:
        """Rows of all tables, inputs included, that were there and are not."""
    @property
    def by_rule(self) -> dict[int, tuple[int, int, int]]:
        """Of each rule that ran, by number: rows read, derived and retracted."""
    @property
    def costs(self) -> dict[int, tuple[float, int, int, int, int]]:
        """Of each rule that ran: seconds, rows read, look-ups, rows derived and retracted.

        The time of a stratum is shared out among its rules by the rows that each read and derived.
        """

@final
class Delta:
    """What one commit changed in one table; stays readable after later commits."""

    @property
    def inserted_count(self) -> int: ...
    @property
    def deleted_count(self) -> int: ...
    def inserted(self) -> list[tuple[Any, ...]]: ...
    def deleted(self) -> list[tuple[Any, ...]]: ...

@final
class Snapshot:
    """The tables as one commit left them; reads as those of Database."""

    def size(self, table: int) -> int: ...
    def contains(self, table: int, row: Sequence[Any]) -> bool: ...
    def rows(self, table: int, where: Mapping[int, Any]) -> list[tuple[Any, ...]]: ...

@final
class Database:
    """The tables of a plan. Reads show the last committed state, whatever is staged.

    `capacities` lowers what the core can hold, by the names that CapacityError has; texts and
    tuples are `values` together. Unless it `evaluates`, the rules wait for the first transaction.

    Raises:
        ValueError: the plan makes no sense.
        EvaluationError, ConstraintError, LimitError: as `prepare`, when all inputs are empty.
        CapacityError, MemoryError: any method may, and has done nothing then.
        BaseException: what a signal handler raised while the rules ran.
    """

    def __init__(
        self,
        plan: Plan,
        rows_max: int | None = None,
        seconds_max: float | None = None,
        capacities: Mapping[str, int] = ...,
        evaluates: bool = True,
    ) -> None: ...
    def insert(self, table: int, rows: Iterable[Sequence[Any]]) -> None:
        """Stages rows of an input table; the last call for a row wins.

        Raises:
            RowError: a row does not fit; none of this call is staged.
            ValueError: the table is not an input.
            RuntimeError: the transaction is prepared.
            CapacityError, MemoryError: there is no room.
            BaseException: what `rows` or a signal handler raised. If `has_broken_off` says so, rows
                were being staged: the whole transaction is forgotten, and wants a rollback.
        """
    def delete(self, table: int, rows: Iterable[Sequence[Any]]) -> None:
        """Stages that rows of an input table go; raises as `insert` does."""
    def put(self, table: int, rows: Iterable[Sequence[Any]]) -> None:
        """Stages rows in place of those with the same key; raises as `insert` does."""
    def remove(self, table: int, keys: Iterable[Sequence[Any]]) -> None:
        """Stages that the rows with these keys go.

        Raises:
            RowError: a key does not fit; columns are counted among those of the key.
            ValueError: the table is not an input, or has no key.
        """
    def apply(self, table: int, delta: Delta) -> None:
        """Stages what a delta, of this or another database, changed; its deletions first.

        Raises:
            ValueError: the table is not an input, or its columns have other types.
        """
    def insert_columns(self, table: int, columns: Sequence[Any]) -> None:
        """Stages rows by their columns: sequences of values, or one-dimensional buffers of numbers.

        Raises:
            RowError: they make no rows of the table; instead of the row it has the place of the
                value in its column, or -1.
            ValueError: the table is not an input.
        """
    def change_program(self, during: Plan, after: Plan) -> None:
        """Stages another program: see nlog/transition.py.

        Raises:
            ValueError: the plans make no sense, or do not fit what is there.
            RuntimeError: something is staged already.
        """
    def has_drifted(self) -> bool:
        """Whether sizes of tables, with what is staged, are far from those planned for."""
    def replan(self, plan: Plan) -> None:
        """Goes over to another plan of the same rules; what is staged stays staged.

        Raises:
            ValueError: the plan makes no sense, or is of other rules.
            RuntimeError: the transaction is prepared, or changes the program.
        """
    def rows_per_key(self, table: int, columns: Sequence[int]) -> float:
        """About how many stored rows, staged ones too, agree in the columns (ascending)."""
    def prepare(self) -> list[tuple[int, Delta]]:
        """Works out what follows from what is staged; the output tables that `publish` will change.

        Raises:
            EvaluationError: a rule failed; everything staged is forgotten.
            CapacityError, MemoryError: there is no room; likewise.
            BaseException: what a signal handler raised, such as KeyboardInterrupt; likewise.
            RuntimeError: the transaction is prepared already.
        """
    def publish(self) -> None:
        """Makes what was prepared visible; RuntimeError if nothing was."""
    def commit(self) -> list[tuple[int, Delta]]:
        """`prepare` and `publish` in one; raises as `prepare` does."""
    def rollback(self) -> None:
        """Forgets what is staged or prepared."""
    @property
    def commit_count(self) -> int:
        """How many transactions were published."""
    @property
    def has_broken_off(self) -> bool:
        """Whether the transaction was broken off while rows were staged, and not rolled back."""
    def size(self, table: int) -> int: ...
    def contains(self, table: int, row: Sequence[Any]) -> bool:
        """Whether the table holds the row.

        Raises:
            RowError: no row of the table looks like this.
        """
    def rows(self, table: int, where: Mapping[int, Any]) -> list[tuple[Any, ...]]:
        """The rows that have the given values in the given columns.

        Reads by an index if one is on given columns only, else the whole table.

        Raises:
            RowError: a value does not fit its column; `args[0]` is `where`.
        """
    def snapshot(self) -> Snapshot:
        """The last committed state, which stays as it is while commits go on."""
    def add_index(self, table: int, columns: Sequence[int]) -> int:
        """The number of the index on the columns (ascending), made if there was none."""
    def derivations(
        self, check: StartPlan, row: Sequence[Any], limit: int
    ) -> list[list[tuple[int, tuple[Any, ...]]]]:
        """At most `limit` ways in which a check plan derives a row.

        Each is a list of (table, row), one for each positive atom of the body, by position. Signal
        handlers run meanwhile, as in `prepare`.
        """
    @property
    def profile(self) -> Work:
        """What all commits did since the program last changed."""
    def bytes(self, table: int) -> int:
        """The memory that a table and its indexes hold; IndexError if there is no such table."""
    @property
    def work(self) -> Work: ...

def publish_all(databases: tuple[Database, ...]) -> None:
    """Makes what was prepared in each database visible, in one step that no signal interrupts.

    RuntimeError, and nothing is published, if one of them has nothing prepared.
    """

def functions() -> list[str]:
    """The names of the functions that calls and tests may name."""
