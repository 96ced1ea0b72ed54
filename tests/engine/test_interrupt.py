"""A commit that takes long can be stopped by a signal, and leaves nothing behind."""

import signal

import pytest

import nlog

ENDLESS = """
input table start(n: int)
output table count(n: int)
count(n) :- start(n).
count(n + 1) :- count(n).
"""


def test_an_endless_commit_is_interrupted_and_rolled_back():
    engine = nlog.Engine(nlog.parse(ENDLESS))

    def interrupt(_number, _frame):
        heard.append(len(engine["count"]))
        raise KeyboardInterrupt

    heard = []
    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        with pytest.raises(KeyboardInterrupt), engine.transaction() as tx:
            tx.insert("start", (0,))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert heard == [0]
    assert not engine["start"]
    assert not engine["count"]
    with engine.transaction() as tx:
        tx.insert("start", (2**63 - 3,))
        tx.delete("start", (2**63 - 3,))
    assert not engine["count"]
