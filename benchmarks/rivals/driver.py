"""What the programs of all rivals share: reading a job, timing, and the answer.

A rival gives `run` a `Contestant`: `full` computes all derived tables from facts, `commit` changes
input tables and tells how many rows of output tables changed, `tables` reads. A rival that cannot
change its answer is a batch: it answers again from nothing, and only to be compared (mode `each`).
One that tells what its tables hold only by a call for each row as it comes is `watched` where they
are compared; what it took then is no figure.
"""

import json
import sys
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Protocol

from benchmarks import job, workloads
from benchmarks.job import Change, Commit, Facts, Row, Workload


class Contestant(Protocol):
    """A rival, ready to be asked about one workload."""

    def full(self, facts: Mapping[str, Facts]) -> None:
        """Computes everything. Timed."""

    def commit(self, changes: tuple[Change, ...]) -> None:
        """Changes input tables and all that follows. Timed."""

    def changed(self) -> int:
        """The rows of output tables that the last commit changed."""

    def tables(self) -> Mapping[str, Collection[Row]]:
        """What the derived tables hold."""

    @property
    def is_watched(self) -> bool:
        """Whether it takes longer than it needs to, so that its tables can be read."""


class CannotError(Exception):
    """Why a rival has no answer."""


def told_in(workload: Workload, language: str) -> str:
    """A workload's rules in a rival's language. CannotError if it has no words for them."""
    if language not in workload.words:
        raise CannotError("its language has no words for this")
    return workload.words[language]


class Batch:
    """A rival that answers from nothing each time: facts are kept here, as sets."""

    def __init__(self, solve: Callable[[Mapping[str, Collection[Row]]], Any]) -> None:
        self._solve = solve
        self._rows: dict[str, set[Row]] = {}
        self._answer: Any = None
        self.is_watched = False

    def full(self, facts: Mapping[str, Facts]) -> None:
        """Computes everything."""
        self._rows = {name: set(some.rows()) for name, some in facts.items()}
        self._answer = self._solve(self._rows)

    def commit(self, changes: tuple[Change, ...]) -> None:
        """Computes everything again."""
        for change in changes:
            rows = self._rows[change.table]
            (rows.add if change.inserted else rows.discard)(change.row)
        self._answer = self._solve(self._rows)

    def changed(self) -> int:
        """Not known to a batch."""
        return -1

    def tables(self) -> Mapping[str, Collection[Row]]:
        """What was found."""
        found: Mapping[str, Collection[Row]] = self._answer()
        return found


def run(prepare: Callable[[Workload], Contestant], *, is_batch: bool = False) -> None:
    """Answers the job of the command line."""
    name, folder, mode = sys.argv[1:4]
    workload = workloads.describe(name)
    facts = job.read_facts(Path(folder) / "facts.bin", workload.tables)
    script = job.read_script(Path(folder) / "script.txt", workload.tables)
    if is_batch and mode != "each":
        script = []
    try:
        answer = _answer(prepare(workload), facts, script, mode)
    except CannotError as error:
        answer = {"cannot": str(error)}
    print(json.dumps(answer))


def _answer(
    contestant: Contestant, facts: Mapping[str, Facts], script: list[Commit], mode: str
) -> dict[str, Any]:
    begin = time.perf_counter()
    contestant.full(facts)
    answer: dict[str, Any] = {"full_s": time.perf_counter() - begin, "full_bytes": job.bytes_max()}
    if mode != "times":
        answer["full"] = job.tables_answer(contestant.tables())
    answer["commits"] = [_commit(contestant, commit, mode) for commit in script]
    answer["bytes"] = job.bytes_max()
    answer["watched"] = contestant.is_watched
    if mode != "times":
        answer["end"] = job.tables_answer(contestant.tables())
    return answer


def _commit(contestant: Contestant, commit: Commit, mode: str) -> dict[str, Any]:
    begin = time.perf_counter()
    contestant.commit(commit.changes)
    microseconds = (time.perf_counter() - begin) * 1e6
    told = {"kind": commit.kind, "us": microseconds, "changed": contestant.changed()}
    if mode == "each":
        told["tables"] = job.tables_answer(contestant.tables())
    return told
