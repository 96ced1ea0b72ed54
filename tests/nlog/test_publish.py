"""Transactions of several engines that commit in one step, which no signal comes between."""

import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

import nlog
from nlog.engine import _core
from tests.engine.trial import contents

COPY = "input table a(n: int)\noutput table b(n: int)\nb(n) :- a(n).\n"


def engines(count: int = 2) -> list[nlog.Engine]:
    return [nlog.Engine(nlog.parse(COPY)) for _ in range(count)]


def test_prepared_transactions_are_published_together():
    first, second = engines()
    with first.transaction() as one, second.transaction() as other:
        one.insert("a", (1,))
        other.apply("a", one.prepare()["b"])
        other.prepare()
        nlog.publish(one, other)
        assert one.is_committed
        assert other.is_committed
        assert set(first["b"]) == set(second["b"]) == {(1,)}
        with pytest.raises(nlog.TransactionError, match="the transaction is committed"):
            one.insert("a", (2,))
    assert other.changes["b"].inserted == {(1,)}
    assert contents(first) == contents(second)


def test_an_exception_after_the_step_changes_nothing_any_more():
    first, second = engines()
    interrupted = pytest.raises(KeyboardInterrupt)
    with interrupted, first.transaction() as one, second.transaction() as other:
        one.insert("a", (1,))
        other.insert("a", (1,))
        one.prepare()
        other.prepare()
        nlog.publish(one, other)
        raise KeyboardInterrupt
    assert one.is_committed
    assert other.is_committed
    assert set(first["b"]) == set(second["b"]) == {(1,)}
    with first.transaction() as one:
        one.insert("a", (2,))
    assert len(first["b"]) == 2


def test_an_exception_within_the_step_is_told_by_what_the_core_did(
    monkeypatch: pytest.MonkeyPatch,
):
    """As when a signal comes right after the core's call, before anybody took note."""
    original = _core.publish_all

    def interrupted(databases: Any) -> None:
        original(databases)
        raise KeyboardInterrupt

    monkeypatch.setattr(_core, "publish_all", interrupted)
    first, second = engines()
    refused = pytest.raises(KeyboardInterrupt)
    with refused, first.transaction() as one, second.transaction() as other:
        for tx in (one, other):
            tx.insert("a", (1,))
            tx.prepare()
        nlog.publish(one, other)
    assert one.is_committed
    assert other.is_committed
    assert contents(first) == contents(second)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda one, _: one.insert("a", (1,)),
        lambda one, _: one.prepare(),
        lambda one, other: (one.prepare(), other.insert("a", (1,))),
    ],
)
def test_what_is_not_prepared_is_not_published(spoil: Callable[..., Any]):
    first, second = engines()
    refused = pytest.raises(nlog.TransactionError, match="only those that are prepared")
    with refused, first.transaction() as one, second.transaction() as other:
        spoil(one, other)
        nlog.publish(one, other)
    assert not one.is_committed
    with refused, first.what_if() as tried, second.transaction() as other:
        tried.prepare()
        other.prepare()
        nlog.publish(tried, other)
    with first.transaction() as one:
        one.insert("a", (1,))
        one.prepare()
        with pytest.raises(RuntimeError, match="no transaction that is prepared"):
            _core.publish_all((first._core, second._core))
        with pytest.raises(TypeError, match="3 is no Database"):
            _core.publish_all((first._core, 3))
        assert not first["b"]
        nlog.publish(one, one)
    assert set(first["b"]) == {(1,)}
    nlog.publish()


def test_rules_that_are_added_are_there_whatever_comes_after(monkeypatch: pytest.MonkeyPatch):
    """The engine goes on with the program that its core has gone over to."""
    (engine,) = engines(1)
    with engine.transaction() as tx:
        tx.insert("a", (1,))
    added = nlog.Transaction._settle

    def interrupted(self: nlog.Transaction, has_ended_well: bool) -> None:
        added(self, has_ended_well)
        raise KeyboardInterrupt

    monkeypatch.setattr(nlog.Transaction, "_settle", interrupted)
    with pytest.raises(KeyboardInterrupt):
        engine.add_rules("output table c(n: int)\nc(n + 1) :- a(n).", "more")
    monkeypatch.undo()
    assert set(engine["c"]) == {(2,)}
    with engine.transaction() as tx:
        tx.insert("a", (2,))
    assert contents(engine) == contents(engine.recompute())


class StopError(Exception):
    """Raised by a signal's handler."""


# Where the signal comes in a callback of the collector, Python only reports it.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_engines_agree_whenever_a_signal_comes():
    first, second = engines()

    def stop(_number: int, _frame: Any) -> None:
        raise StopError

    before = signal.signal(signal.SIGALRM, stop)
    try:
        for number in range(300):
            with suppress(StopError):
                try:
                    signal.setitimer(signal.ITIMER_REAL, 0.00002 + number * 0.000002)
                    with first.transaction() as one, second.transaction() as other:
                        one.insert("a", (number,))
                        other.insert("a", (number,))
                        one.prepare()
                        other.prepare()
                        nlog.publish(one, other)
                finally:
                    signal.setitimer(signal.ITIMER_REAL, 0)
            _free(first)
            _free(second)
            assert set(first["b"]) == set(second["b"])
    finally:
        signal.signal(signal.SIGALRM, before)
    assert first["b"]


def _free(engine: nlog.Engine) -> None:
    """Undo what a signal in the very last lines of a transaction leaves: a lock that is held."""
    with suppress(RuntimeError):
        while True:
            engine._lock.release()
    engine._open = False
    engine._core.rollback()
