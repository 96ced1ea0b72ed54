"""Transactions in two steps, tried ones, and what others see meanwhile."""

import threading

import pytest

import nlog
from tests.engine.trial import contents

PROGRAM = """
input table edge(src: int, dst: int)
input table limit(n: int)
output table reach(src: int, dst: int)
output table share(n: int)
table degree(src: int)
reach(a, b) :- edge(a, b).
reach(a, c) :- reach(a, b), edge(b, c).
share(12 / n) :- limit(n).
degree(a) :- edge(a, _).
"""


class StopHereError(Exception):
    pass


@pytest.fixture
def engine() -> nlog.Engine:
    return new_engine()


def new_engine() -> nlog.Engine:
    engine = nlog.Engine(nlog.parse(PROGRAM, "two.nlog"))
    with engine.transaction() as tx:
        tx.insert("edge", (1, 2), (2, 3))
    return engine


def test_a_prepared_transaction_tells_its_changes_and_shows_them_at_the_end(engine: nlog.Engine):
    before, work_before = contents(engine), repr(engine.work)
    with engine.transaction() as tx:
        tx.insert("edge", (3, 4))
        changes = tx.prepare()
        assert changes is tx.changes
        assert changes["reach"].inserted == {(1, 4), (2, 4), (3, 4)}
        assert not changes["share"]
        assert contents(engine) == before
        assert repr(engine.work) == work_before
        for write in (tx.insert, tx.delete):
            with pytest.raises(nlog.TransactionError, match="is prepared: rows are written"):
                write("edge", (7, 7))
        with pytest.raises(nlog.TransactionError, match="is prepared: only an open one"):
            tx.prepare()
    assert tx.changes is changes
    assert len(engine["reach"]) == 6
    assert contents(engine) == contents(engine.recompute())


def test_what_was_prepared_is_taken_back_by_an_exception(engine: nlog.Engine):
    before, work_before = contents(engine), repr(engine.work)
    with pytest.raises(StopHereError), engine.transaction() as tx:
        tx.delete("edge", (1, 2))
        tx.prepare()
        raise StopHereError
    with pytest.raises(nlog.TransactionError, match="is rolled back: it has no changes"):
        assert tx.changes
    assert (contents(engine), repr(engine.work)) == (before, work_before)


def test_a_rule_that_fails_in_prepare_rolls_back_though_the_error_is_caught(engine: nlog.Engine):
    before = contents(engine)
    with engine.transaction() as tx:
        tx.insert("limit", (3,), (0,))
        with pytest.raises(nlog.TransactionError, match="division by zero"):
            tx.prepare()
    assert contents(engine) == before
    with engine.transaction() as tx:
        tx.insert("limit", (4,))
    assert tx.changes["share"].inserted == {(3,)}


def test_two_engines_change_together_or_not_at_all():
    first, second = new_engine(), new_engine()
    with first.transaction() as one, second.transaction() as other:
        one.insert("edge", (3, 4))
        other.insert_many("edge", one.prepare()["reach"].inserted)
    assert other.changes["reach"].inserted == {(1, 4), (2, 4), (3, 4)}
    before = contents(first), contents(second)
    with (
        pytest.raises(nlog.TransactionError, match="division by zero"),
        first.transaction() as one,
        second.transaction() as other,
    ):
        one.insert("edge", (4, 5))
        one.prepare()
        other.insert("limit", (0,))
        other.prepare()
    assert (contents(first), contents(second)) == before


def test_what_if_gives_deltas_and_leaves_no_trace(engine: nlog.Engine):
    before, work_before = contents(engine), repr(engine.work)
    with engine.what_if() as tried:
        tried.insert("edge", (3, 1))
        tried.delete("edge", (1, 2))
    assert tried.changes["reach"].inserted == {(3, 1), (2, 1)}
    assert tried.changes["reach"].deleted == {(1, 2), (1, 3)}
    assert (contents(engine), repr(engine.work)) == (before, work_before)
    with engine.transaction() as tx:
        tx.insert("edge", (3, 1))
        tx.delete("edge", (1, 2))
    for side in ("inserted", "deleted"):
        assert getattr(tx.changes["reach"], side) == getattr(tried.changes["reach"], side)
    with (
        pytest.raises(nlog.TransactionError, match="division by zero"),
        engine.what_if() as tried,
    ):
        tried.insert("limit", (0,))
    with pytest.raises(nlog.TransactionError, match="inside another"), engine.what_if():
        engine.what_if().__enter__()


def test_rows_that_come_and_go_in_one_transaction_cancel(engine: nlog.Engine):
    with engine.transaction() as tx:
        tx.insert("edge", (3, 4))
        tx.delete("edge", (3, 4), (1, 2))
        tx.insert("edge", (1, 2))
    assert not any(tx.changes.values())
    assert engine.work.derived == engine.work.retracted == engine.work.inserted == 0


def test_a_reader_in_another_thread_does_not_wait_for_an_open_transaction(engine: nlog.Engine):
    seen: list[set] = []

    def read() -> None:
        seen.append(set(engine["reach"]) | engine["edge"].where(src=3))
        assert (9, 9) not in engine["edge"]
        assert len(engine["edge"]) == 2

    def read_elsewhere() -> None:
        reader = threading.Thread(target=read)
        reader.start()
        reader.join(timeout=60)
        assert not reader.is_alive()

    with engine.transaction() as tx:
        tx.insert("edge", (3, 4), (9, 9))
        read_elsewhere()
        tx.prepare()
        read_elsewhere()
    assert seen == [{(1, 2), (1, 3), (2, 3)}] * 2


def test_a_snapshot_stays_as_it_was_while_commits_go_on(engine: nlog.Engine):
    before = contents(engine)
    first = engine.snapshot()
    with engine.transaction() as tx:
        tx.delete("edge", (1, 2))
        tx.insert("edge", (3, 1))
        within = engine.snapshot()
        tx.prepare()
        prepared = engine.snapshot()
    after = contents(engine)
    second = engine.snapshot()
    with engine.transaction() as tx:
        tx.insert("edge", (1, 2), (1, 3))
        tx.delete("edge", (3, 1))
    for snapshot, state in [(first, before), (within, before), (prepared, before), (second, after)]:
        for name, rows in state.items():
            table = snapshot[name]
            assert set(table) == rows
            assert len(table) == len(rows)
            assert table & {(1, 2), (9, 9)} == rows & {(1, 2), (9, 9)}
    assert first["reach"].where(src=1) == {(1, 2), (1, 3)}
    assert second["reach"].where(src=1) == frozenset()
    assert second["edge"].where(dst=1) == {(3, 1)}
    assert ((1, 3) in first["edge"], (1, 2) in first["edge"], (1, 9) in first["edge"]) == (
        False,
        True,
        False,
    )
    assert repr(first) == "<Snapshot: 5 tables>"
    with pytest.raises(KeyError, match="there is no table `raech`; did you mean `reach`"):
        first["raech"]


def test_the_first_snapshot_may_be_of_an_engine_that_is_about_to_change(engine: nlog.Engine):
    before = contents(engine)
    with engine.transaction() as tx:
        tx.insert("edge", (3, 1))
        tx.prepare()
        snapshot = engine.snapshot()
    with engine.transaction() as tx:
        tx.delete("edge", (1, 2))
    assert {name: frozenset(snapshot[name]) for name in before} == before


def test_a_snapshot_outlives_its_engine_and_many_commits():
    engine = new_engine()
    snapshot, kept = engine.snapshot(), engine.snapshot()
    for n in range(20_000):
        with engine.transaction() as tx:
            (tx.delete if n % 2 else tx.insert)("limit", (12,))
    with engine.transaction() as tx:
        tx.insert("limit", (1,), (2,))
    del engine
    assert (set(snapshot["limit"]), set(snapshot["share"])) == (set(), set())
    assert len(snapshot["reach"]) == 3
    del kept, snapshot
