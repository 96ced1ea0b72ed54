"""Proof that a rollback is exact: what comes after it is what would have come without it.

Two engines run one history of commits. Before each, one of them also has a transaction that changes
much and then does not commit, refused in one of the ways below. Afterwards both must hold the same
rows, and the next commit must announce the same and, by its counters, have done the very same work:
which rows are read and derived depends on all that is kept beside rows, counts of derivations,
ranks, groups and indexes. Nor may bytes grow, however many transactions are refused.

What is proved elsewhere: a rollback after a failure at each allocation and at each question whether
to go on (tests/core/), in random histories (test_random.py), and of several engines at once
(tests/nlog/test_transactions.py).
"""

import random
import signal
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import pytest

import nlog
from tests.engine.trial import GivingUpError, contents

PROGRAM = """
input table edge(a: int, b: int)
input table weight(a: int key, w: int)
input table over(n: int)
input table start(n: int)
open output table reach(a: int, b: int)
output table odd(a: int, b: int)
output table path(a: int, d: int)
output table cut(a: int)
output table degree(a: int, n: int, all: [int])
output table share(n: int)
output table called(n: int)
table count(n: int)
constraint table looped(a: int)
reach(a, b) :- edge(a, b).
reach(a, c) :- reach(a, b), edge(b, c).
odd(a, b) :- reach(a, b), not reach(b, a).
path(a, min(w)) :- weight(a, w).
path(b, min(d + 1)) :- path(a, d), edge(a, b).
cut(a) :- edge(a, _), not path(a, _).
degree(a, count(), set(b)) :- edge(a, b).
share(12 / n) :- over(n), reach(_, _).
called(tried(n)) :- over(n), cut(_).
count(n) :- start(n).
count(n + 1) :- count(n).
looped(a) :- edge(a, a), over(7).
"""
LIVE = """
output table bad(n: int)
reach(b, a) :- edge(a, b).
bad(tried(5)) :- reach(_, _), not cut(-1).
"""
NODES, COMMITS = 7, 12
NONE = nlog.Limits()
Edit = Callable[[nlog.Transaction], None]
Refusal = Callable[[nlog.Engine, Edit], None]


@nlog.function
def tried(n: int) -> int:
    """A number, unless a rule asks about one that fails or about one that is interrupted."""
    if n == 8:
        signal.raise_signal(signal.SIGALRM)
    return {1: 1, 2: 2, 3: 3, 7: 7}[n]


def committing(*rows: tuple[str, tuple[int, ...]]) -> Refusal:
    """What is refused for some rows that it inserts."""

    def refused(engine: nlog.Engine, edit: Edit) -> None:
        with engine.transaction() as tx:
            edit(tx)
            for table, row in rows:
                tx.insert(table, row)

    return refused


def in_the_block(engine: nlog.Engine, edit: Edit) -> None:
    with engine.transaction() as tx:
        edit(tx)
        raise GivingUpError


def after_prepare(engine: nlog.Engine, edit: Edit) -> None:
    with engine.transaction() as tx:
        edit(tx)
        assert set(tx.prepare()) == set(OUTPUTS)
        raise GivingUpError


def by_what_if(engine: nlog.Engine, edit: Edit) -> None:
    with engine.what_if() as tx:
        edit(tx)
    assert set(tx.changes) == set(OUTPUTS)


def by_a_row_that_does_not_fit(engine: nlog.Engine, edit: Edit) -> None:
    with engine.transaction() as tx:
        edit(tx)
        tx.insert_many("edge", [(8, 9), ("nine", 9)])


def by_an_interrupt_in_a_recursion(engine: nlog.Engine, edit: Edit) -> None:
    with engine.transaction() as tx:
        edit(tx)
        tx.insert("start", (0,))
        signal.setitimer(signal.ITIMER_REAL, 0.02)


def by_rules_that_fail(engine: nlog.Engine, _edit: Edit) -> None:
    engine.add_rules(LIVE, "live")


OUTPUTS = ("reach", "odd", "path", "cut", "degree", "share", "called")
ROWS = nlog.Limits(rows=3000)
REFUSALS: dict[str, tuple[Refusal, type[BaseException] | None, nlog.Limits]] = {
    "an exception in its block": (in_the_block, GivingUpError, NONE),
    "an exception after prepare": (after_prepare, GivingUpError, NONE),
    "being tried only": (by_what_if, None, NONE),
    "a row that does not fit": (by_a_row_that_does_not_fit, nlog.TransactionError, NONE),
    "a rule high above others": (committing(("over", (0,))), nlog.TransactionError, NONE),
    "a function": (committing(("over", (6,))), nlog.TransactionError, NONE),
    "an interrupt in a function": (committing(("over", (8,))), KeyboardInterrupt, NONE),
    "an interrupt in a recursion": (by_an_interrupt_in_a_recursion, KeyboardInterrupt, NONE),
    "a limit of rows": (committing(("start", (0,))), nlog.TransactionError, ROWS),
    "a key": (committing(("weight", (8, 1)), ("weight", (8, 2))), nlog.TransactionError, NONE),
    "a constraint": (
        committing(("over", (7,)), ("edge", (3, 3))),
        nlog.ConstraintError,
        NONE,
    ),
    "rules that fail": (by_rules_that_fail, nlog.TransactionError, NONE),
}


def random_edit(order: random.Random) -> Edit:
    """Edges, weights and shares that come and go."""
    edges = [(order.randrange(NODES), order.randrange(NODES)) for _ in range(order.randint(1, 8))]
    gone = [(order.randrange(NODES), order.randrange(NODES)) for _ in range(order.randint(0, 12))]
    weights = [(order.randrange(NODES), order.randrange(9)) for _ in range(order.randint(0, 3))]
    removed = [order.randrange(NODES) for _ in range(order.randint(0, 2))]
    over = [(order.choice((1, 2, 3)),)]

    def edit(tx: nlog.Transaction) -> None:
        tx.delete_many("edge", gone)
        tx.insert_many("edge", edges)
        tx.remove("weight", *removed)
        tx.put_many("weight", weights)
        (tx.insert_many if len(edges) % 2 else tx.delete_many)("over", over)

    return edit


def started(limits: nlog.Limits) -> nlog.Engine:
    engine = nlog.Engine(nlog.parse(PROGRAM, "base", [tried]), limits)
    with engine.transaction() as tx:
        tx.insert("edge", (60, 61))
    return engine


def counters(engine: nlog.Engine) -> dict[int, tuple[int, ...]]:
    """The work of the last commit, rule by rule, and of all of them under -1."""
    work = engine.work
    found: dict[int, tuple[int, ...]] = {rule: cost[1:] for rule, cost in work.costs.items()}
    found[-1] = (work.checked, work.rederived, work.inserted, work.deleted)
    return found


def announced(changes: nlog.Changes) -> dict[str, tuple[Any, Any]]:
    return {name: (delta.inserted, delta.deleted) for name, delta in changes.items()}


@pytest.fixture(autouse=True)
def interrupting() -> Iterator[None]:
    """Have SIGALRM interrupt, as Ctrl-C does."""

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("way", REFUSALS)
def test_what_comes_after_a_rollback_is_what_would_have_come_without_it(way: str):
    refusal, error, limits = REFUSALS[way]
    order = random.Random(way)
    twin, engine = started(limits), started(limits)
    for _ in range(COMMITS):
        before, work, snapshot = contents(engine), counters(engine), engine.snapshot()
        with pytest.raises(error) if error else nullcontext():
            refusal(engine, random_edit(order))
        assert contents(engine) == before
        assert counters(engine) == work
        assert {name: frozenset(snapshot[name]) for name in before} == before
        edit = random_edit(order)
        changes = []
        for one in (twin, engine):
            with one.transaction() as tx:
                edit(tx)
            assert set(tx.changes) == set(OUTPUTS)
            changes.append(announced(tx.changes))
        assert changes[0] == changes[1]
        assert contents(engine) == contents(twin)
        assert counters(engine) == counters(twin)
    assert contents(engine) == contents(engine.recompute())


def bytes_of(engine: nlog.Engine) -> int:
    return sum(table.bytes for table in engine.profile.tables)


@pytest.mark.parametrize("way", [way for way in REFUSALS if "interrupt in a rec" not in way])
def test_refused_transactions_leave_no_bytes_behind(way: str):
    refusal, error, limits = REFUSALS[way]
    edit = random_edit(random.Random(way))
    engine = started(limits)
    measured = []
    for _ in range(12):
        with pytest.raises(error) if error else nullcontext():
            refusal(engine, edit)
        measured.append(bytes_of(engine))
    assert len(set(measured[1:])) == 1
