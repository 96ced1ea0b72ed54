"""Whatever Python gives the engine is taken or refused by a clear error (boundary.py).

And the cases which that found, each by itself.
"""

import ipaddress
import random
from collections import Counter

import pytest

import nlog
from tests import boundary_run
from tests.engine.trial import contents
from tests.nlog.boundary import visit


@pytest.mark.parametrize("seed", range(16))
def test_nothing_but_answers_and_clear_refusals(seed: int):
    order = random.Random(f"boundary {seed}")
    answers: Counter[str] = Counter()
    for _ in range(8):
        answers += visit(order)
    assert len(answers) == 8, f"every door answers, and refuses: {answers}"


def test_the_long_run_counts_its_calls(capsys: pytest.CaptureFixture[str]):
    boundary_run.main(["--seconds", "0", "--seed", "7"])
    assert "20 plans, from seed 7: answers and clear refusals" in capsys.readouterr().out


@pytest.mark.parametrize("row", [ipaddress.ip_network("::/0"), range(2**62), range(2**31)])
def test_a_row_without_end_is_not_read(row: object):
    engine = nlog.Engine(nlog.parse("input table none()\ninput table one(n: int)\n"))
    with engine.transaction() as tx:
        tx.insert("none", ())
    for table in ("none", "one"):
        with pytest.raises(TypeError, match=f"a row of table `{table}` is a sequence of"):
            engine.explain(table, row)
        assert row not in engine[table]
        refused = pytest.raises(nlog.TransactionError, match="is a sequence of")
        with refused, engine.transaction() as tx:
            tx.insert(table, row)


def test_tables_with_keys_come_and_go():
    engine = nlog.Engine(nlog.parse("open output table seen(n: int)\n", "base"))
    for _ in range(3):
        engine.add_rules("input table port(n: int key, m: int)\nseen(n) :- port(n, _).", "ports")
        with engine.transaction() as tx:
            tx.put("port", (1, 2), (2, 2))
            tx.put("port", (1, 3))
        refused = pytest.raises(nlog.TransactionError, match="rows have one key")
        with refused, engine.transaction() as tx:
            tx.insert("port", (1, 4))
        assert contents(engine) == contents(engine.recompute())
        assert engine.remove_rules("ports").changes["seen"].deleted == {(1,), (2,)}


def test_what_is_no_name_is_said_to_be_none():
    engine = nlog.Engine(nlog.parse("input table n(n: int)\n"))
    for wrong in (3, None, ["n"], b"n"):
        with pytest.raises(TypeError, match="is no name, but a"):
            engine[wrong]
        with pytest.raises(TypeError, match="is no name, but a"):
            engine.remove_rules(wrong)
    with pytest.raises(TypeError, match="3 are no limits"):
        nlog.Engine(nlog.parse(""), 3)
    with pytest.raises(TypeError, match="3 is neither rules as text nor the path"):
        engine.add_rules(3)
    with pytest.raises(TypeError, match="the name of rules is a str, not 3"):
        engine.add_rules("", 3)


def test_what_is_not_there_is_shown_in_the_form_it_was_asked_for():
    text = "union u = one(n: int) | two\ninput table t(u: u, v: u)\n"
    engine = nlog.Engine(nlog.parse(text))
    with pytest.raises(LookupError, match=r"t\(one\(1\), two\(\)\) is not there"):
        engine.explain("t", ({"one": [1]}, {"two": {}}))
