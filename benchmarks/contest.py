"""A contest: one workload at one size, and the rivals that can do it, in turns.

Each turn of a rival is a process of its own, so that none profits from or suffers by another, and
memory is told apart; rounds alternate (A B C A B C …), so that what else the machine does meets
all; a slow rival has fewer of them. The first round also sums up what the tables hold, outside of
all timing; a rival that differs from the first that answered is a `DisagreementError`.
"""

import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from attrs import Factory, define, frozen

from benchmarks import job, workloads
from benchmarks.floor.build import built
from benchmarks.job import Workload
from benchmarks.sizes import Entry

Answer = dict[str, Any]

RIVALS = ("floor", "engine", "duckdb", "pathway", "clingo", "pydatalog")


class DisagreementError(Exception):
    """Two rivals do not find the same rows."""


@frozen
class Kind:
    """What one rival took for one kind of commit: medians, and the rows that one changed."""

    us: float
    us_p90: float
    changed: float


@define
class Result:
    """The turns of one rival in one contest."""

    cannot: str | None = None
    answers: list[Answer] = Factory(list)
    spent_s: float = 0

    @property
    def timed(self) -> list[Answer]:
        """The answers whose times mean something."""
        return [answer for answer in self.answers if not answer.get("watched")]

    @property
    def full_s(self) -> float:
        """The full evaluation: the median of the rounds."""
        return statistics.median([float(answer["full_s"]) for answer in self.timed])

    @property
    def bytes(self) -> int:
        """The most memory, all commits included."""
        return min(int(answer["bytes"]) for answer in self.timed)

    @property
    def full_bytes(self) -> int:
        """The most memory until everything was derived."""
        return min(int(answer["full_bytes"]) for answer in self.timed)

    def kinds(self) -> dict[str, Kind]:
        """By kind of commit, over all rounds."""
        commits: dict[str, list[Answer]] = {}
        for answer in self.timed:
            for commit in answer["commits"]:
                commits.setdefault(commit["kind"], []).append(commit)
        return {kind: _kind(some) for kind, some in commits.items()}


def _kind(commits: list[Answer]) -> Kind:
    times = sorted(commit["us"] for commit in commits)
    changed = statistics.median(commit["changed"] for commit in commits)
    return Kind(statistics.median(times), times[len(times) * 9 // 10], changed)


@define
class Contest:
    """A workload at a size, and what its rivals took."""

    workload: str
    scale: float
    facts: int
    results: dict[str, Result] = Factory(dict)

    @property
    def derived(self) -> int:
        """The derived rows of the full evaluation."""
        for result in self.results.values():
            for answer in result.answers:
                if "full" in answer:
                    return sum(table["rows"] for table in answer["full"].values())
        return 0

    def ratio(self, rival: str, base: str = "floor") -> float | None:
        """How much longer the full evaluation takes a rival; None if one has no answer."""
        one, other = self.results.get(rival), self.results.get(base)
        if one is None or other is None or not one.answers or not other.answers:
            return None
        return one.full_s / other.full_s

    def as_json(self) -> Answer:
        """All that was measured."""
        return {
            "workload": self.workload,
            "scale": self.scale,
            "facts": self.facts,
            "derived": self.derived,
            "rivals": {name: _json(result) for name, result in self.results.items()},
        }


def _json(result: Result) -> Answer:
    if result.cannot is not None or not result.answers:
        return {"cannot": result.cannot or "stopped before its first round"}
    return {
        "full_s": result.full_s,
        "full_s_by_round": [answer["full_s"] for answer in result.timed],
        "full_bytes": result.full_bytes,
        "bytes": result.bytes,
        "commits": {
            name: {"us": kind.us, "us_p90": kind.us_p90, "changed": kind.changed}
            for name, kind in result.kinds().items()
        },
    }


@frozen
class Terms:
    """What holds for every contest of a run."""

    rounds: int
    operations: int
    seed: int
    limit_s: float
    # A rival whose turns took longer than this, all in all, has no more of them.
    patience_s: float = math.inf


def hold(
    entry: Entry,
    terms: Terms,
    progress: Callable[[str], None],
    contest_made: Callable[[Contest], None],
) -> None:
    """Runs a contest; `contest_made` gets it before its first round, and it fills as rounds end."""
    name = entry.workload
    workload = workloads.make(name, entry.scale, terms.operations, terms.seed)
    contest = Contest(name, entry.scale, sum(map(len, workload.facts.values())))
    contest.results = {rival: Result() for rival in entry.rivals}
    contest_made(contest)
    with tempfile.TemporaryDirectory(prefix="nlog-bench-") as folder:
        job.write(workload, Path(folder))
        for number in range(terms.rounds):
            mode = "sums" if number == 0 else "times"
            for rival, result in contest.results.items():
                if result.cannot is None and result.spent_s <= terms.patience_s:
                    progress(f"{name}@{entry.scale:g}: {rival}, round {number + 1}")
                    take(result, rival, name, Path(folder), mode, terms.limit_s)
            compare(workload, contest.results)


def take(
    result: Result, rival: str, workload: str, folder: Path, mode: str, limit_s: float
) -> None:
    """Lets a rival have its turn, and another one if it was watched."""
    begin = time.monotonic()
    answer = turn(rival, workload, folder, mode, limit_s)
    result.spent_s += time.monotonic() - begin
    result.cannot = answer.get("cannot")
    if result.cannot is None:
        result.answers.append(answer)
        if answer.get("watched"):
            take(result, rival, workload, folder, "times", limit_s)


def turn(rival: str, workload: str, folder: Path, mode: str, limit_s: float) -> Answer:
    """One turn of a rival, in a process of its own."""
    files = [str(folder / "facts.bin"), str(folder / "script.txt")]
    if rival == "floor":
        command = [str(built()), workload, *files, mode]
    else:
        module = f"benchmarks.rivals.{rival}"
        command = [sys.executable, "-m", module, workload, str(folder), mode]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C is ours alone, and ends the process below
    )
    try:
        told, trouble = process.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        return {"cannot": f"no answer within {limit_s:g} s"}
    finally:
        process.kill()
        process.wait()
    if process.returncode:
        last = (trouble.strip().splitlines() or [f"ended with {process.returncode}"])[-1]
        return {"cannot": last}
    answer: Answer = json.loads(told)
    return answer


def compare(workload: Workload, results: Mapping[str, Result]) -> None:
    """DisagreementError if rivals differ in what they derived, in full or at the end."""
    for at in ("full", "end"):
        found = {
            name: result.answers[0][at]
            for name, result in results.items()
            if result.answers and (at == "full" or result.answers[0]["commits"])
        }
        first, *others = found or [""]
        for other in others:
            for table in workload.derived:
                if found[first][table] != found[other][table]:
                    raise DisagreementError(
                        f"{workload.name}, table {table}: {first} has {found[first][table]}, "
                        f"{other} has {found[other][table]}"
                    )
