"""Facts that nobody configures: what hosts, and who watches over services, report.

A report is a row of one input table, known by a key: a later one of the same key takes its place.
It may be about entities, and goes with the first of these that is removed: what comes under the
same name later is another thing.

Cost: in proportion to the reports that change.
"""

from collections.abc import Iterable, Iterator

from attrs import define, field, frozen

from nvp_state.entities import Reference
from nvp_state.facts import FactDelta, Row
from nvp_state.records import Change

ReportKey = tuple[str, ...]
"""The table, and what tells its reports apart."""


@frozen
class Report:
    """A row of an input table of one of the two programs, and what it is about."""

    program: str
    table: str
    row: Row
    about: tuple[Reference, ...] = ()


@define
class Reports:
    """The reports that hold now."""

    _held: dict[ReportKey, Report] = field(factory=dict)
    _of: dict[Reference, set[ReportKey]] = field(factory=dict)

    def held(self, key: ReportKey) -> Report | None:
        """The report of that key."""
        return self._held.get(key)

    def put(self, key: ReportKey, report: Report | None) -> None:
        """Have a report hold in the place of the one of its key; None: nothing in its place."""
        old = self._held.pop(key, None)
        for subject in old.about if old else ():
            self._of[subject].discard(key)
            if not self._of[subject]:
                del self._of[subject]
        if report is not None:
            self._held[key] = report
            for subject in report.about:
                self._of.setdefault(subject, set()).add(key)

    def ended_by(self, change: Change) -> set[ReportKey]:
        """The reports that are about something that a change removes."""
        gone = ((record.entity.kind, record.entity.key) for record in change.removed)
        return {key for subject in gone for key in self._of.get(subject, ())}

    def withdrawn(self, keys: Iterable[ReportKey]) -> Iterator[FactDelta]:
        """What the programs lose with some reports."""
        for key in keys:
            report = self._held[key]
            yield FactDelta(report.program, report.table, (), (report.row,))
