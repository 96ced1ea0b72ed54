"""What the core can hold is exhausted: a TransactionError says what is full, and nothing happened.

Nobody fills a table of 2^32 - 1 rows here: the core is given lower capacities. Each of them is met
in every way there is, and afterwards the engine is as it was, and works.
"""

import random
import resource
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

import nlog
from nlog.engine import _core
from tests.engine.trial import contents

Make = Callable[..., nlog.Engine]


@pytest.fixture
def limited(monkeypatch: pytest.MonkeyPatch) -> Make:
    """Makes engines whose core has the given capacities."""
    original = _core.Database

    def make(text: str, **capacities: int) -> nlog.Engine:
        program = nlog.parse(text, "base")
        with monkeypatch.context() as patch:
            patch.setattr(_core, "Database", partial(original, capacities=capacities))
            return nlog.Engine(program)

    return make


GRAPH = """
input table edge(a: int, b: int)
output table two(a: int, c: int)
two(a, c) :- edge(a, b), edge(b, c).
"""
RANKED = """
input table start(a: int)
input table edge(a: int, b: int)
output table reach(a: int)
reach(a) :- start(a).
reach(b) :- reach(a), edge(a, b).
"""
TEXTS = """
input table word(w: str)
output table pair(p: str)
pair("{v}-{w}") :- word(v), word(w).
"""
LISTS = """
input table n(n: int)
output table pair(p: [int])
pair([a, b]) :- n(a), n(b).
"""


def insert(engine: nlog.Engine, table: str, *rows: tuple[Any, ...]) -> nlog.Transaction:
    with engine.transaction() as tx:
        tx.insert(table, *rows)
    return tx


def refuses(engine: nlog.Engine, table: str, rows: list[tuple[Any, ...]], text: str) -> None:
    """The rows are refused in every way to bring them in, and leave no trace."""
    before, work, profile = contents(engine), repr(engine.work), str(engine.profile.rules)
    snapshot = engine.snapshot()
    ways: list[Callable[[nlog.Transaction], None]] = [
        lambda tx: tx.insert_many(table, rows),
        lambda tx: tx.insert_columns(table, [[*column] for column in zip(*rows, strict=True)]),
    ]
    for begin in (engine.transaction, engine.what_if):
        for way in ways:
            with pytest.raises(nlog.TransactionError, match=text) as caught, begin() as tx:
                way(tx)
            assert "the transaction is rolled back" in str(caught.value)
            assert not tx.is_committed
            assert contents(engine) == before
            assert all(set(snapshot[name]) == rows for name, rows in before.items())
    assert repr(engine.work) == work
    assert str(engine.profile.rules) == profile


def chain(begin: int, end: int) -> list[tuple[int, int]]:
    return [(n, n + 1) for n in range(begin, end)]


def test_a_full_input_table(limited: Make):
    engine = limited(GRAPH, rows=4)
    insert(engine, "edge", (1, 2), (2, 3))
    refuses(engine, "edge", chain(5, 9), "table `edge` is full: it has room for 4 rows")
    assert insert(engine, "edge", (5, 6), (7, 8)).is_committed
    with engine.transaction() as tx:
        tx.delete("edge", (1, 2), (5, 6))
    assert insert(engine, "edge", (3, 4), (4, 1)).changes["two"].inserted


def test_a_full_derived_table_names_its_rules(limited: Make):
    engine = limited(GRAPH, rows=5)
    insert(engine, "edge", (1, 2), (2, 3))
    star = [(2, 4), (0, 2), (6, 2)]
    refuses(engine, "edge", star, r"table `two` is full.*\(rules at base:4\)")
    insert(engine, "edge", (2, 4))
    assert set(engine["two"]) == {(1, 3), (1, 4)}


def test_a_full_index(limited: Make):
    engine = limited(GRAPH, places=40)
    insert(engine, "edge", (1, 2))
    refuses(engine, "edge", [(7, n) for n in range(30)], "an index of table `edge` is full")
    insert(engine, "edge", *chain(10, 60))
    assert len(engine["two"]) == 49


def test_an_interner_that_is_full_of_texts(limited: Make):
    engine = limited(TEXTS, values=60)
    insert(engine, "word", ("a",), ("b",))
    refuses(engine, "word", [(str(n),) for n in range(70)], "it has seen 60 different texts")
    # What it has seen it cannot forget, but what it knows it can still use.
    with engine.transaction() as tx:
        tx.delete("word", ("a",))
    assert set(engine["pair"]) == {("b-b",)}
    assert insert(engine, "word", ("a",)).is_committed
    fresh = engine.recompute()
    assert contents(fresh) == contents(engine)
    insert(fresh, "word", *((str(n),) for n in range(70)))


def test_an_interner_that_gets_full_of_what_rules_make(limited: Make):
    engine = limited(TEXTS, values=60)
    insert(engine, "word", ("a",), ("b",))
    many = [(letter,) for letter in "cdefghij"]
    refuses(engine, "word", many, "it has seen 60 different texts.*; engine.recompute()")
    lists = limited(LISTS, values=60)
    insert(lists, "n", (1,), (2,))
    refuses(lists, "n", [(n,) for n in range(3, 12)], "60 different lists, records")


def test_a_value_that_is_too_long(limited: Make):
    engine = limited(TEXTS, elements=20)
    insert(engine, "word", ("a" * 9,))
    refuses(engine, "word", [("b",), ("c" * 21,)], "a value is too long: a text has at most 20")
    refuses(engine, "word", [("b",), ("c" * 12,)], "a value is too long")
    assert insert(engine, "word", ("b" * 8,)).is_committed


def test_a_recursion_that_is_too_deep(limited: Make):
    engine = limited(RANKED, ranks=1024)
    insert(engine, "start", (0,))
    insert(engine, "edge", *chain(0, 100))
    refuses(engine, "edge", chain(100, 900), "the recursion of `reach` is too deep.*base:5")
    insert(engine, "edge", *chain(100, 300))
    with engine.transaction() as tx:
        tx.delete("edge", (150, 151))
    assert len(engine["reach"]) == 151
    assert contents(engine) == contents(engine.recompute())


def test_rules_that_make_too_much_do_not_come(limited: Make):
    engine = limited(GRAPH, rows=10)
    insert(engine, "edge", *chain(0, 8))
    before, rules = contents(engine), engine.rules
    with pytest.raises(nlog.TransactionError, match=r"table `all` is full.*more:2"):
        engine.add_rules("output table all(a: int, b: int)\nall(a, b) :- edge(a, _), edge(b, _).",
                         "more")  # fmt: skip
    assert (contents(engine), engine.rules) == (before, rules)
    engine.add_rules("output table some(a: int)\nsome(a) :- edge(a, _).", "more")
    assert len(engine["some"]) == 8
    insert(engine, "edge", (8, 9))
    assert contents(engine) == contents(engine.recompute())


def test_rows_of_another_engine_that_do_not_fit(limited: Make):
    source = nlog.Engine(nlog.parse("input table word(w: str)\noutput table out(w: str)\n"
                                    "out(w) :- word(w)."))  # fmt: skip
    engine = limited(TEXTS, values=40)
    insert(engine, "word", ("a",))
    before = contents(engine)
    with source.transaction() as tx:
        tx.insert_many("word", [(str(n),) for n in range(50)])
    refused = pytest.raises(nlog.TransactionError, match="40 different texts")
    with refused, engine.transaction() as other:
        other.apply("word", tx.changes["out"])
    assert contents(engine) == before


def test_a_transaction_that_was_broken_off_takes_no_more(limited: Make):
    engine = limited(GRAPH, rows=4)
    with engine.transaction() as tx:
        tx.insert("edge", (1, 2))
        with pytest.raises(nlog.TransactionError, match="table `edge` is full"):
            tx.insert_many("edge", chain(5, 9))
        with pytest.raises(nlog.TransactionError, match="the transaction is rolled back"):
            tx.insert("edge", (3, 4))
    assert not tx.is_committed
    assert not engine["edge"]
    assert insert(engine, "edge", (1, 2)).is_committed


def test_the_core_says_that_it_was_broken_off():
    program = nlog.parse(GRAPH)
    engine = nlog.Engine(program)
    number = engine._layout.numbers["edge"]
    database = _core.Database(engine._plan, capacities={"rows": 2})
    with pytest.raises(_core.CapacityError) as caught:
        database.insert(number, chain(0, 3))
    assert caught.value.args == ("rows", 2, number)
    assert database.has_broken_off
    for call in (partial(database.insert, number, []), database.prepare, database.commit):
        with pytest.raises(RuntimeError, match="was broken off while rows were staged"):
            call()
    database.rollback()
    database.insert(number, [(1, 2)])
    assert database.commit() == []
    with pytest.raises(ValueError, match="there is no capacity `tables`"):
        _core.Database(engine._plan, capacities={"tables": 2})


@pytest.mark.parametrize("capacity", ["rows", "places", "values", "ranks"])
@pytest.mark.parametrize("seed", range(3))
def test_histories_go_on_as_if_the_refused_had_not_been(limited: Make, capacity: str, seed: int):
    """Beside an engine without bounds, which is given only what the other takes."""
    text = RANKED + LISTS + TEXTS.replace("pair", "texts")
    capacities = {"rows": 60, "places": 30, "values": 150, "ranks": 1024}
    order = random.Random(f"{capacity} {seed}")
    engine = limited(text, **{capacity: capacities[capacity]})
    twin = nlog.Engine(nlog.parse(text))
    refused = 0
    for step in range(30):
        is_deep = capacity == "ranks" and step % 8 == 3
        begin, size = (0, 700) if is_deep else (order.randrange(40), order.choice((1, 3, 10, 40)))
        star = [(1, n) for n in range(size)]
        changes = {
            "edge": chain(begin, begin + size) if is_deep or order.random() < 0.5 else star,
            "n": [(order.randrange(30),) for _ in range(order.randrange(8))],
            "word": [(str(order.randrange(30)),) for _ in range(order.randrange(8))],
            "start": [(0,)],
        }
        inserts = is_deep or order.random() < 0.6
        try:
            with engine.transaction() as tx:
                for table, rows in changes.items():
                    (tx.insert_many if inserts else tx.delete_many)(table, rows)
        except nlog.TransactionError:
            refused += 1
        else:
            with twin.transaction() as other:
                for table, rows in changes.items():
                    (other.insert_many if inserts else other.delete_many)(table, rows)
            for name in ("reach", "pair", "texts"):
                ours, theirs = tx.changes[name], other.changes[name]
                assert (ours.inserted, ours.deleted) == (theirs.inserted, theirs.deleted)
        assert contents(engine) == contents(twin)
    assert 0 < refused < 30


MEMORY = """
import resource
import nlog

engine = nlog.Engine(nlog.parse('''
input table n(n: int)
output table pairs(a: int, b: int)
pairs(a, b) :- n(a), n(b).
'''))
with engine.transaction() as tx:
    tx.insert("n", (1,), (2,))
before = set(engine["pairs"])
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**25, resource.RLIM_INFINITY))
try:
    with engine.transaction() as tx:
        tx.insert_many("n", [(n,) for n in range(2000)])
except nlog.TransactionError as error:
    print(error)
assert set(engine["pairs"]) == before
with engine.transaction() as tx:
    tx.insert("n", (3,))
assert len(engine["pairs"]) == 9
"""


def test_memory_that_runs_out_refuses_the_transaction():
    """In a process of its own, which may not ask for more than 32 MB."""
    assert resource.RLIMIT_AS
    done = subprocess.run(
        [sys.executable, "-c", MEMORY], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == (
        "memory ran out; the transaction is rolled back; "
        "nlog.Limits(rows=…) refuses what would take too much\n"
    )
