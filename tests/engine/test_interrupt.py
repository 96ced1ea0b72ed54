"""A commit that takes long can be stopped by a signal, and leaves nothing behind."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
