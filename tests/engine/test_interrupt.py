"""A commit, or the reading in of rows, can be stopped by a signal, and leaves nothing behind."""

import itertools
import signal
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

import nlog

ENDLESS = """
input table start(n: int)
output table count(n: int)
count(n) :- start(n).
count(n + 1) :- count(n).
"""


@contextmanager
def alarm(handler: Callable[[], Any]) -> Iterator[None]:
    """Run `handler` as that of a signal which comes soon."""
    before = signal.signal(signal.SIGALRM, lambda _number, _frame: handler())
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_an_endless_commit_is_interrupted_and_rolled_back():
    engine = nlog.Engine(nlog.parse(ENDLESS))
    heard = []

    def interrupt() -> None:
        heard.append(len(engine["count"]))
        raise KeyboardInterrupt

    with alarm(interrupt), pytest.raises(KeyboardInterrupt), engine.transaction() as tx:
        tx.insert("start", (0,))
    assert heard == [0]
    assert not engine["start"]
    assert not engine["count"]
    with engine.transaction() as tx:
        tx.insert("start", (2**63 - 3,))
        tx.delete("start", (2**63 - 3,))
    assert not engine["count"]


def test_an_engine_that_would_never_be_made_is_interrupted():
    program = nlog.parse("output table count(n: int)\ncount(0).\ncount(n + 1) :- count(n).\n")

    def interrupt() -> None:
        raise KeyboardInterrupt

    with alarm(interrupt), pytest.raises(KeyboardInterrupt):
        nlog.Engine(program)


def test_a_handler_reads_the_last_commit_and_can_change_nothing():
    engine = nlog.Engine(nlog.parse(ENDLESS))
    core = engine._core
    number = engine._layout.numbers["start"]
    refused = []

    def meddle() -> None:
        assert not engine["start"].where(n=0)
        for change in (
            lambda: core.insert(number, [(7,)]),
            lambda: core.delete(number, [(0,)]),
            core.commit,
            core.rollback,
            lambda: core.add_index(number, [0]),
        ):
            with pytest.raises(
                RuntimeError, match="within a commit or an explanation can only read"
            ):
                change()
            refused.append(change)
        with pytest.raises(nlog.TransactionError, match="inside another"), engine.transaction():
            pass
        raise KeyboardInterrupt

    with alarm(meddle), pytest.raises(KeyboardInterrupt), engine.transaction() as tx:
        tx.insert("start", (0,))
    assert len(refused) == 5
    assert not engine["start"]
    assert not engine["count"]


READINGS: dict[str, Callable[[nlog.Transaction], None]] = {
    "rows without end": lambda tx: tx.insert_many("edge", itertools.repeat((1, 2))),
    "deleted rows without end": lambda tx: tx.delete_many("edge", itertools.repeat((1, 2))),
    "rows put without end": lambda tx: tx.put_many("keyed", itertools.repeat((1, 2))),
    "a column without end": lambda tx: tx.insert_columns("edge", [range(2**62), range(2**62)]),
}
EDGES = """
input table edge(a: int, b: int)
input table keyed(a: int key, b: int)
output table back(a: int, b: int)
back(b, a) :- edge(a, b).
"""


@pytest.mark.parametrize("reading", READINGS)
def test_the_reading_in_of_rows_is_interrupted(reading: str):
    engine = nlog.Engine(nlog.parse(EDGES))
    with engine.transaction() as tx:
        tx.insert("edge", (7, 8))

    def interrupt() -> None:
        raise KeyboardInterrupt

    with alarm(interrupt), pytest.raises(KeyboardInterrupt), engine.transaction() as tx:
        tx.insert("edge", (5, 6))
        READINGS[reading](tx)
    assert set(engine["edge"]) == {(7, 8)}
    with engine.transaction() as tx:
        tx.insert("edge", (5, 6))
    assert set(engine["back"]) == {(8, 7), (6, 5)}


class StopError(Exception):
    """Raised by a signal's handler."""


@pytest.mark.parametrize("seconds", [0.0005, 0.002, 0.004, 0.006, 0.008, 0.01, 0.015, 0.02, 0.04])
def test_rows_are_staged_all_or_none_whenever_a_signal_comes(seconds: float):
    """Whoever catches it within the block finds nothing staged of the call, or a rollback."""
    engine = nlog.Engine(nlog.parse(EDGES))
    rows = [(n, n) for n in range(40_000)]
    columns = [array("q", range(40_000))] * 2
    calls: list[Callable[[nlog.Transaction], None]] = [
        lambda tx: tx.insert_many("edge", rows),
        lambda tx: tx.insert_columns("edge", columns),
    ]

    def stop(_number: int, _frame: Any) -> None:
        raise StopError

    before = signal.signal(signal.SIGALRM, stop)
    try:
        for call in calls:
            done = False
            with suppress(nlog.TransactionError), engine.transaction() as tx:
                tx.insert("edge", (-1, -1))
                signal.setitimer(signal.ITIMER_REAL, seconds)
                try:
                    call(tx)
                    done = True
                    signal.setitimer(signal.ITIMER_REAL, 0)
                except StopError:
                    pass
            size = len(engine["edge"])
            assert size in ((0, 1) if not done else (0, 40_001))
            assert len(engine["back"]) == size
            with engine.transaction() as tx:
                tx.delete_many("edge", [(-1, -1), *rows])
            assert not engine["edge"]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
