"""Every workload, tiny: all rivals find the same rows after every commit, and so does the oracle.

What a rival says of itself is not believed here: the naive evaluator, which shares no code with
any of them, computes what each table holds after each commit.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

import nlog
from benchmarks import compiling, contest, job, networks, sizes, workloads
from benchmarks.contest import Contest, DisagreementError, Result, Terms
from benchmarks.job import Row, Workload
from benchmarks.sizes import Entry
from benchmarks.workloads import WORKLOADS
from nlog.engine import reference

SCALE, OPERATIONS = 0.001, 2
LIMIT_S = 240
# Rivals whose language lacks what a workload needs; each must say so.
CANNOT = {
    ("duckdb", "points-to"),
    ("pydatalog", "points-to"),
}
BATCHES = ("duckdb", "clingo", "pydatalog")
BATCH_OPERATIONS = 1


def expected(workload: Workload) -> list[Mapping[str, object]]:
    """What the derived tables hold before the first commit, and after each."""
    program = nlog.parse(workload.source)
    inputs: dict[str, set[Row]] = {name: set(rows) for name, rows in workload.facts.items()}
    states = []
    for commit in [None, *workload.commits]:
        for change in commit.changes if commit else ():
            assert (change.row in inputs[change.table]) != change.inserted
            (inputs[change.table].add if change.inserted else inputs[change.table].remove)(
                change.row
            )
        tables = reference.evaluate(program, inputs)
        states.append(job.tables_answer({name: tables[name] for name in workload.derived}))
    return states


def states(answer: contest.Answer) -> list[Mapping[str, object]]:
    return [answer["full"], *(commit["tables"] for commit in answer["commits"])]


def scale(name: str) -> float:
    return 0.0003 if name == "points-to" else SCALE


def answers(name: str, rivals: Iterable[str], operations: int, folder: Path) -> dict:
    workload = workloads.make(name, scale(name), operations, seed=1)
    job.write(workload, folder)
    found = {rival: contest.turn(rival, name, folder, "each", LIMIT_S) for rival in rivals}
    for rival, answer in found.items():
        assert ("cannot" in answer) == ((rival, name) in CANNOT), (rival, answer)
    return {rival: answer for rival, answer in found.items() if "cannot" not in answer}


@pytest.mark.parametrize("name", WORKLOADS)
def test_engine_floor_and_oracle_agree_after_every_commit(name: str, tmp_path: Path):
    workload = workloads.make(name, scale(name), OPERATIONS, seed=1)
    found = answers(name, ("floor", "engine"), OPERATIONS, tmp_path)
    floor = states(found["floor"])
    assert len(floor) == len(workload.commits) + 1
    if "engine" in found:
        assert states(found["engine"]) == floor
        assert floor == expected(workload)
        changed = {
            rival: [commit["changed"] for commit in answer["commits"]]
            for rival, answer in found.items()
        }
        assert changed["engine"] == changed["floor"]
        assert any(changed["floor"]) == (name != "closure-ways-round")


@pytest.mark.parametrize("name", WORKLOADS)
def test_rivals_agree_with_the_floor_after_every_commit(name: str, tmp_path: Path):
    found = answers(name, ("floor", *BATCHES), BATCH_OPERATIONS, tmp_path)
    assert len(found) > 1
    for answer in found.values():
        assert states(answer) == states(found["floor"])


def test_components_connect_what_pairs_connect(tmp_path: Path):
    """Two programs of the floor find which switches a host needs, each in its own way."""
    found = []
    for name in ("nvp-routers", "nvp-components"):
        folder = tmp_path / name
        folder.mkdir()
        job.write(workloads.make(name, 0.02, 20, seed=1), folder)
        tables = states(contest.turn("floor", name, folder, "each", LIMIT_S))
        found.append([{table: state[table] for table in networks.FLOWS} for state in tables])
    assert found[0] == found[1]
    assert found[0][0] != found[0][-1]


def test_workloads_are_made_by_their_seed():
    for name in WORKLOADS:
        one, same, other = (workloads.make(name, SCALE, OPERATIONS, seed) for seed in (1, 1, 2))
        assert one == same
        if name not in ("closure-chain", "closure-cycle", "closure-ways-round"):
            assert (one.facts, one.commits) != (other.facts, other.commits)


def test_a_rival_that_differs_is_an_error():
    workload = workloads.describe("nvp")

    def result(rows: int) -> Result:
        tables = {name: {"rows": rows, "sum": "0"} for name in workload.derived}
        return Result(answers=[{"full": tables, "end": tables, "commits": []}])

    contest.compare(workload, {"floor": result(3), "engine": result(3)})
    with pytest.raises(DisagreementError, match="engine has"):
        contest.compare(workload, {"floor": result(3), "engine": result(4)})


def test_a_contest_measures_every_kind_of_commit():
    contests: list[Contest] = []
    terms = Terms(rounds=2, operations=2, seed=1, limit_s=LIMIT_S)
    contest.hold(Entry("nvp", SCALE, ("floor", "engine")), terms, str, contests.append)
    told = contests[0].as_json()
    assert told["derived"] > 0
    for rival in ("floor", "engine"):
        assert len(told["rivals"][rival]["full_s_by_round"]) == 2
        assert {"move-vm", "remove-port", "allow-switch"} < set(told["rivals"][rival]["commits"])


def test_the_sum_of_rows_knows_no_order_and_sees_every_value():
    rows = [(1, 2), (2, 1), (3, 3)]
    assert job.row_sum(rows) == job.row_sum(reversed(rows))
    assert job.row_sum(rows) != job.row_sum([(2, 1), (2, 1), (3, 3)])
    assert job.row_sum([(1, 2)]) != job.row_sum([(1, 2, 0)])


def test_the_program_that_is_compiled_has_as_many_rules_as_it_says():
    assert len(nlog.parse(compiling.source(20)).rules) == 20


def test_each_rival_is_measured_beside_floor_and_engine_at_a_size_it_finishes():
    entries = sizes.entries("nvp", 1.0, contest.RIVALS)
    assert [entry.scale for entry in entries] == [1.0, 0.1, 0.02]
    for entry in entries:
        assert entry.rivals[:2] == ("floor", "engine")
    rivals = [rival for entry in entries for rival in entry.rivals[2:]]
    assert sorted(rivals) == sorted(contest.RIVALS[2:])
    assert [entry.scale for entry in sizes.entries("nvp", 0.001, contest.RIVALS)] == [0.001]
    assert sizes.entries("nvp", 1.0, ["duckdb", "pydatalog"]) == [
        Entry("nvp", 1.0, ("duckdb",)),
        Entry("nvp", 0.02, ("pydatalog",)),
    ]


def test_a_slow_rival_has_fewer_rounds():
    contests: list[Contest] = []
    terms = Terms(rounds=3, operations=1, seed=1, limit_s=LIMIT_S, patience_s=0)
    contest.hold(Entry("nvp", SCALE, ("floor",)), terms, str, contests.append)
    assert len(contests[0].results["floor"].answers) == 1
