"""The engine: a program kept true while its input tables change.

`Engine` compiles a program into a plan once, and hands rows and plans to the core; everything
between is the core's. Writing goes through one transaction at a time, all or nothing
(transaction.py); reading shows the last commit (tables.py).

An engine may be used from several threads. A lock is held from a transaction's first line to its
last, and by `explain` and `recompute`; reading a table waits for none of them, only, at most, while
the core evaluates or reads.

Cost: a commit is paid by the rows that it changes and the rows that they join with, not by what
the tables hold. `recompute` is the yardstick for that, and the oracle of tests.
"""

from collections.abc import Sequence
from os import PathLike
from threading import RLock
from typing import Any

from nlog.diagnostics import Diagnostic
from nlog.engine import _core
from nlog.explain import Derivation, Explainer
from nlog.idle import never_holding
from nlog.lower import lower
from nlog.planner import plan, replan
from nlog.profile import Profile, Spent, profile, spent
from nlog.program import Program, Table
from nlog.refusals import EXHAUSTED, NO_LIMITS, REFUSALS, Limits, refusal
from nlog.show import counted, show_row
from nlog.tables import Snapshot, TableView, row_trouble
from nlog.transaction import Transaction
from nlog.transition import Transition

Row = tuple[Any, ...]
Work = _core.Work


class Engine:
    """An incremental evaluator of one program.

    `engine[table]` reads a table, `engine.transaction()` changes input tables. TransactionError
    if a commit with all inputs empty would be refused. Rules are planned again before a commit when
    the sizes of tables have changed by far; not if `replans` is false.
    """

    def __init__(
        self, program: Program, limits: Limits = NO_LIMITS, *, replans: bool = True
    ) -> None:
        if not isinstance(program, Program):
            text = f"{program!r} is no Program: nlog.load(path) and nlog.parse(text) make one"
            raise TypeError(text)
        if not isinstance(limits, Limits):
            raise TypeError(f"{limits!r} are no limits: nlog.Limits(rows=…, seconds=…) makes some")
        self._begin(program, limits, replans=replans, evaluates=True)

    def _begin(self, program: Program, limits: Limits, *, replans: bool, evaluates: bool) -> None:
        """Set everything up; rules wait for the first transaction unless it `evaluates` them."""
        self.program = program
        self.limits = limits
        self.replans = replans
        self._lowered = lower(program)
        self._plan, self._layout = plan(program)
        ask = limits.rows, limits.seconds
        try:
            self._core = _core.Database(self._plan, *ask, evaluates=evaluates)
        except REFUSALS as error:
            when = ", with all inputs empty"
            raise refusal(
                error, self._lowered, limits, self._layout.names, when
            ) from error.__cause__
        self._lock = RLock()
        self._open = False
        self._explainer: Explainer | None = None
        self._spent: Spent = {}
        self._warnings: tuple[Diagnostic, ...] | None = None

    def __getitem__(self, table: str) -> TableView:
        """The table of that name, read-only; KeyError if there is none."""
        declared = self.program.table(table)
        return TableView(self._core, declared, self._layout.numbers[table])

    def __repr__(self) -> str:
        program = self.program
        tables, rules = counted(len(program.tables), "table"), counted(len(program.rules), "rule")
        return f"<Engine: {tables}, {rules}>"

    def transaction(self) -> Transaction:
        """A transaction, to be used in a `with` statement; committed when that ends well."""
        return Transaction(self)

    def what_if(self) -> Transaction:
        """A transaction that is never committed: its `changes` are those that it would make.

        It costs what the transaction costs, and leaves everything as it was, `work` too.
        """
        return Transaction(self, publishes=False)

    @property
    def rules(self) -> tuple[str, ...]:
        """The names of the files and texts that the program is made of, as `remove_rules` takes."""
        return tuple(unit.name for unit in self.program.units)

    def add_rules(self, source: str | PathLike[str], name: str | None = None) -> Transaction:
        """Add rules while the engine runs: a text, or a file given as a Path.

        It is a transaction, and returned for its `changes`: all tables become what the whole
        program says, at the cost of what the new rules derive. `name` is the file's path, or
        `<rules>`, if it is not given. RuleError if the whole program has mistakes, TransactionError
        if a rule fails or the name is taken; nothing has changed then.
        """
        with self.transaction() as tx:
            tx.add_rules(source, name)
        return tx

    def remove_rules(self, name: str | PathLike[str]) -> Transaction:
        """Remove what `rules` names, with its tables and their rows; as `add_rules` otherwise.

        Rules of a file that was added without a name are named by its path.
        """
        with self.transaction() as tx:
            tx.remove_rules(name)
        return tx

    def snapshot(self) -> Snapshot:
        """The tables as the last commit left them, to be read while later ones go on."""
        return Snapshot(self._core.snapshot(), self.program, self._layout.numbers)

    @property
    def work(self) -> Work:
        """What the last commit did: rows read, derived, retracted and so on, and look-ups."""
        return self._core.work

    @property
    def profile(self) -> Profile:
        """What each rule has cost in all commits so far, and what each table holds."""
        with self._lock:
            names = self._layout.names
            return profile(self.program, self._lowered, self._plan, names, self._core, self._spent)

    @property
    def warnings(self) -> tuple[Diagnostic, ...]:
        """What is no mistake, but looks like one: `program.warnings`, and rules that never hold."""
        with self._lock:
            if self._warnings is None:
                idle = never_holding(self.program, self.__getitem__)
                self._warnings = (*self.program.warnings, *idle)
            return self._warnings

    def recompute(self) -> "Engine":
        """A new engine, computed from this one's input rows and nothing else."""
        fresh = Engine.__new__(Engine)
        fresh._begin(self.program, self.limits, replans=self.replans, evaluates=False)
        with self._lock, fresh.transaction() as tx:
            for table in self.program.tables.values():
                if table.kind == "input":
                    tx.insert_many(table.name, self[table.name])
        return fresh

    def explain(self, table: str, row: Sequence[Any]) -> Derivation:
        """Why `row` is in `table`: a smallest derivation, from the input rows by rules.

        KeyError if there is no such table, TypeError if the row does not fit it, LookupError if the
        row is not in it, TransactionError if there is no room for the search. Costs nothing until
        it is called, then indexes that stay.
        """
        declared = self.program.table(table)
        with self._lock:
            found = self._committed(declared, row)
            if found is None:
                raise LookupError(f"{show_row(declared, row)} is not there")
            if self._explainer is None:
                self._explainer = Explainer(self.program, self._lowered, self._layout, self._core)
            try:
                return self._explainer.explain(table, found)
            except EXHAUSTED as error:
                raise refusal(error, self._lowered, self.limits, self._layout.names, "") from None

    def _committed(self, table: Table, row: Sequence[Any]) -> Row | None:
        """The row as the table holds it, in canonical form; None if it is not there."""
        number = self._layout.numbers[table.name]
        try:
            is_there = self._core.contains(number, row)
        except _core.RowError as error:
            raise TypeError(row_trouble(table, *error.args)) from None
        return self._core.rows(number, dict(enumerate(row)))[0] if is_there else None

    def _spent_so_far(self) -> Spent:
        """What rules have cost, which the core forgets when the program changes."""
        return spent(self.program, self._lowered, self._core.profile, self._spent)

    def _adopt(self, program: Program, transition: Transition, earlier: Spent) -> None:
        """Take note of the program that the core has gone over to; rules had cost `earlier`."""
        self.program, self._lowered = program, transition.lowered
        self._spent = spent(program, transition.lowered, self._core.work, earlier)
        self._plan, self._layout = transition.after, transition.layout
        self._explainer = self._warnings = None

    def _replan_if_drifted(self) -> None:
        """Plan the rules again if sizes have drifted, for what is staged, too.

        This is safe at any moment at which no rule runs: what the core keeps beside rows does not
        depend on the order of joins.
        """
        if self.replans and self._core.has_drifted():
            plan, layout = replan(self._lowered, self._layout, self._core)
            self._core.replan(plan)
            self._plan, self._layout, self._explainer = plan, layout, None
