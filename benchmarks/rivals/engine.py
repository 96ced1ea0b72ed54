"""nlog itself, through its public face."""

from collections.abc import Collection, Mapping

import nlog
from benchmarks.job import Change, Facts, Row, Workload
from benchmarks.rivals.driver import CannotError, run


class Engine:
    """An engine that runs a workload's rules."""

    def __init__(self, workload: Workload) -> None:
        self._workload = workload
        try:
            self._engine = nlog.Engine(nlog.parse(workload.source, name=workload.name))
        except nlog.RuleError as error:
            raise CannotError(f"not there yet: {error.diagnostics[0].message}") from None
        self._changes: nlog.Changes | None = None
        self.is_watched = False

    def full(self, facts: Mapping[str, Facts]) -> None:
        """One transaction with all facts, a column at a time."""
        with self._engine.transaction() as tx:
            for name, some in facts.items():
                tx.insert_columns(name, some.by_column())

    def commit(self, changes: tuple[Change, ...]) -> None:
        """One transaction."""
        with self._engine.transaction() as tx:
            for change in changes:
                (tx.insert if change.inserted else tx.delete)(change.table, change.row)
        self._changes = tx.changes

    def changed(self) -> int:
        """What the last transaction tells; whoever holds that has the next one copy it."""
        if self._changes is None:
            return 0
        told, self._changes = self._changes, None
        return sum(len(delta.inserted) + len(delta.deleted) for delta in told.values())

    def tables(self) -> Mapping[str, Collection[Row]]:
        """The derived tables."""
        return {name: self._engine[name] for name in self._workload.derived}


if __name__ == "__main__":
    run(Engine)
