"""pathway, a streaming framework over differential dataflow: incremental, as the engine is.

One stream carries the rows of all input tables, told apart by a number, so that a commit is one
logical time whatever tables it changes. Each commit also sends a mark, a number; the highest of
these and of the (negative) sizes of all derived tables is told when the time is over, and that is
when all tables are up to date: what a commit takes is measured to there. Output rows are not handed
to Python when time is measured, which would cost a call each; they are when what the tables hold is
to be compared (`is_watched`).

Its rules are those of `nvp`, with `ports` as the join that two of them share. Recursive workloads
are left out: `pw.iterate` computes a fixed point in rounds that each hold a version of every table
in it, and is not made for single commits.

Nothing leaves the machine: no license key and no monitoring server are set, and the variables that
could name them are cleared before the import.
"""

import os
import queue
import sys
import threading
from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

for _name in ("PATHWAY_LICENSE_KEY", "PATHWAY_MONITORING_SERVER", "PATHWAY_DETAILED_METRICS_DIR"):
    os.environ.pop(_name, None)
os.environ.setdefault("PATHWAY_THREADS", str(os.cpu_count() or 1))

import pathway as pw  # noqa: E402 reads the environment

from benchmarks.job import Change, Facts, Row, Workload  # noqa: E402 after the environment is set
from benchmarks.rivals.driver import CannotError, run  # noqa: E402 after the environment is set

COLUMNS = ("c0", "c1", "c2")
MARK = -1


class Event(pw.Schema):  # type: ignore[misc]  # pathway ships no types
    """A row of an input table, or a mark."""

    table: int = pw.column_definition(primary_key=True)
    c0: int = pw.column_definition(primary_key=True)
    c1: int = pw.column_definition(primary_key=True)
    c2: int = pw.column_definition(primary_key=True)


class Stream(pw.io.python.ConnectorSubject):  # type: ignore[misc]  # the same
    """Sends batches of changes, each as one commit, until it is handed None."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: queue.SimpleQueue[list[tuple[int, Row, bool]] | None] = queue.SimpleQueue()

    def run(self) -> None:
        """Called by pathway in a thread of its own."""
        while (batch := self.batches.get()) is not None:
            for table, row, inserted in batch:
                values = dict(zip(COLUMNS, (*row, 0, 0), strict=False))
                if inserted:
                    self.next(table=table, **values)
                else:  # pathway reads this source, to see whether rows are ever deleted
                    self.delete(table=table, **values)
            self.commit()


class Dataflow:
    """A running dataflow of a workload."""

    def __init__(self, workload: Workload) -> None:
        if workload.name != "nvp":
            raise CannotError("recursion by rounds (pw.iterate) is not made for single commits")
        self._numbers = {name: number for number, name in enumerate(workload.tables)}
        self._stream = Stream()
        self._ready: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
        self._marks = self._mark = self._told = 0
        self._changed = 0
        self._derived = workload.derived
        self._outputs = workload.outputs
        self._found: dict[str, Counter[Row]] = {name: Counter() for name in workload.derived}
        self.is_watched = sys.argv[3:4] != ["times"]
        events = pw.io.python.read(self._stream, schema=Event, autocommit_duration_ms=None)
        tables = nvp({name: self._input(events, name, workload) for name in workload.tables})
        marks = events.filter(events.table == MARK)
        self._tell(self._rows(tables, marks) if self.is_watched else sums(tables, marks))
        threading.Thread(target=self._run, daemon=True).start()

    def full(self, facts: Mapping[str, Facts]) -> None:
        """One commit with all facts."""
        rows = ((name, row) for name, some in facts.items() for row in some.rows())
        self._send([(self._numbers[name], row, True) for name, row in rows])

    def commit(self, changes: tuple[Change, ...]) -> None:
        """One commit."""
        self._changed = 0
        self._send([(self._numbers[c.table], c.row, c.inserted) for c in changes])

    def changed(self) -> int:
        """Counted while rows are watched; else not known."""
        return self._changed if self.is_watched else -1

    def tables(self) -> Mapping[str, Collection[Row]]:
        """What the changes told so far come to."""
        for name, rows in self._found.items():
            if any(count not in (0, 1) for count in rows.values()):
                raise RuntimeError(f"{name} has a row twice")
        return {
            name: [row for row, count in rows.items() if count]
            for name, rows in self._found.items()
        }

    def _input(self, events: pw.Table, name: str, workload: Workload) -> pw.Table:
        rows = events.filter(events.table == self._numbers[name])
        columns = zip(workload.tables[name], COLUMNS, strict=False)
        return rows.select(**{column: rows[place] for column, place in columns})

    def _rows(self, tables: Mapping[str, pw.Table], marks: pw.Table) -> pw.Table:
        """All rows of all derived tables, and the marks, with the number of the table of each."""
        parts = [marks.select(table=MARK, c0=marks.c0, c1=0, c2=0, c3=0)]
        for number, table in enumerate(tables.values()):
            values = {f"c{place}": 0 for place in range(4)}
            values |= {f"c{at}": table[column] for at, column in enumerate(table.column_names())}
            parts.append(table.select(table=number, **values))
        return pw.Table.concat_reindex(*parts)

    def _tell(self, table: pw.Table) -> None:
        """Says when a time is over at which the mark that was sent last has come."""
        names = list(self._found)
        widths = {name: len(columns) for name, columns in self._derived.items()}

        def on_change(
            key: Any,  # noqa: ARG001 named by pathway
            row: dict[str, int],
            time: int,  # noqa: ARG001 named by pathway
            is_addition: bool,
        ) -> None:
            if row["table"] == MARK:
                self._mark = max(self._mark, row["c0"])
                return
            name = names[row["table"]]
            values = tuple(row[f"c{place}"] for place in range(widths[name]))
            self._found[name][values] += 1 if is_addition else -1
            self._changed += name in self._outputs

        def on_time_end(time: int) -> None:  # noqa: ARG001 named by pathway
            if self._mark == self._marks and self._marks > self._told:
                self._told = self._marks
                self._ready.put(None)

        pw.io.subscribe(table, on_change, on_time_end=on_time_end)

    def _run(self) -> None:
        try:
            pw.run(monitoring_level=pw.MonitoringLevel.NONE, default_logging=False)
        except BaseException as error:  # noqa: BLE001 handed to whoever waits
            self._ready.put(error)

    def _send(self, batch: list[tuple[int, Row, bool]]) -> None:
        self._marks += 1
        self._stream.batches.put([*batch, (MARK, (self._marks,), True)])
        if (error := self._ready.get()) is not None:
            raise error


def sums(tables: Mapping[str, pw.Table], marks: pw.Table) -> pw.Table:
    """One row that changes when a mark comes and all tables are up to date: its number is last."""
    parts = [marks.reduce(c0=pw.reducers.max(marks.c0))]
    parts += [table.reduce(c0=-pw.reducers.count()) for table in tables.values()]
    return pw.Table.concat_reindex(*parts).reduce(table=MARK, c0=pw.reducers.max(pw.this.c0))


def distinct(table: pw.Table) -> pw.Table:
    """The different rows of a table."""
    columns = [table[name] for name in table.column_names()]
    return table.groupby(*columns).reduce(*columns)


def nvp(given: Mapping[str, pw.Table]) -> dict[str, pw.Table]:
    """The derived tables of the network workload."""
    ls, lport, vif, rport, allowed = given.values()
    others = rport.copy()
    ports = lport.join(vif, lport.p == vif.p).select(lport.p, lport.s, lport.mac, vif.h)
    host_ls = distinct(ports.select(ports.h, ports.s))
    same = ls.select(s=ls.s, t=ls.s)
    linked = rport.join(others, rport.r == others.r).select(s=rport.s, t=others.s)
    conn = distinct(pw.Table.concat_reindex(same, linked))
    needs = distinct(host_ls.join(conn, host_ls.s == conn.s).select(host_ls.h, s=conn.t))
    pairs = needs.join(host_ls, needs.s == host_ls.s).select(a=needs.h, b=host_ls.h)
    flows = needs.join(ports, needs.s == ports.s).select(
        needs.h, needs.s, ports.mac, ports.p, g=ports.h
    )
    local, remote = flows.filter(flows.h == flows.g), flows.filter(flows.h != flows.g)
    known = needs.join_left(allowed, needs.s == allowed.s).select(
        needs.h, needs.s, permitted=allowed.s
    )
    denied = known.filter(known.permitted.is_none())
    return {
        "host_ls": host_ls,
        "conn": conn,
        "needs": needs,
        "tunnel": distinct(pairs.filter(pairs.a != pairs.b)),
        "l2flow": distinct(local.select(local.h, local.s, local.mac, local.p)),
        "l2remote": distinct(remote.select(remote.h, remote.s, remote.mac, remote.g)),
        "drop_flow": denied.select(denied.h, denied.s),
    }


if __name__ == "__main__":
    run(Dataflow)
    sys.stdout.flush()
    os._exit(0)  # the dataflow's threads would go on
