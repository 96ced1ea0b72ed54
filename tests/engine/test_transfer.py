"""Rows that come as deltas of another engine, or by columns: as if they had come one by one."""

import array
import random
import threading

import numpy
import pytest

import nlog
from tests.engine.programs import DOMAINS, TYPES

VALUES = DOMAINS | {
    "prefix": ("10.0.0.0/24", "2001:db8::/32", "::/0"),
    "[pair]": ((), ((0, "a"), (1, "b")), ((1, "b"),)),
    "action?": (None, *DOMAINS["action"]),
    "[[str]]": ((), ((), ("a", "b")), (("b",),)),
}
COLUMNS = {f"c{place}": type_ for place, type_ in enumerate(VALUES)}
SHAPE = ", ".join(f"{name}: {type_}" for name, type_ in COLUMNS.items())
NAMES = ", ".join(COLUMNS)
SOURCE = nlog.parse(
    f"{TYPES}\ninput table given({SHAPE})\noutput table passed({SHAPE})\n"
    f"passed({NAMES}) :- given({NAMES}).\n"
)
TARGET = nlog.parse(
    f'{TYPES}\noutput table tag(t: str)\ntag("b").\ntag("other").\n'
    f"input table taken({SHAPE})\noutput table echo({SHAPE})\necho({NAMES}) :- taken({NAMES}).\n"
)


def random_rows(order: random.Random, count: int) -> list[tuple]:
    return [tuple(order.choice(VALUES[t]) for t in COLUMNS.values()) for _ in range(count)]


def test_deltas_pass_from_engine_to_engine_as_if_decoded():
    order = random.Random(1)
    sources, target = [nlog.Engine(SOURCE) for _ in range(2)], nlog.Engine(TARGET)
    pool = random_rows(order, 30)
    for _ in range(80):
        source = order.choice(sources)
        other = sources[source is sources[0]]
        free = [row for row in pool if row not in other["given"]]
        with source.transaction() as tx:
            tx.insert_many("given", order.sample(free, min(3, len(free))))
            tx.delete_many("given", order.sample(pool, 3))
        delta = tx.changes["passed"]
        assert delta.inserted_count == len(delta.inserted)
        assert delta.deleted_count == len(delta.deleted)
        with target.transaction() as passed:
            passed.apply("taken", delta)
        assert set(target["taken"]) == set(sources[0]["passed"]) | set(sources[1]["passed"])
        assert set(target["echo"]) == set(target["taken"])
    for row in random_rows(order, 20):
        with target.transaction() as tx:
            tx.insert("taken", row)
        assert row in target["echo"]
    assert len(target._core.rows(target._layout.numbers["taken"], {})) == len(target["taken"])


def test_a_delta_passes_before_it_is_committed_and_after_its_engine_is_gone():
    source, target = nlog.Engine(SOURCE), nlog.Engine(TARGET)
    (row, other) = random_rows(random.Random(2), 2)
    with source.transaction() as one, target.transaction() as two:
        one.insert("given", row)
        two.apply("taken", one.prepare()["passed"])
        two.prepare()
    assert set(target["echo"]) == {row}
    with source.transaction() as one:
        one.insert("given", other)
        one.delete("given", row)
    delta = one.changes["passed"]
    del source, one
    with target.transaction() as two:
        two.apply("taken", delta)
    assert set(target["echo"]) == {other} - {row} | ({row} & {other})


def test_an_engine_takes_its_own_deltas():
    engine = nlog.Engine(
        nlog.parse(
            "input table a(s: str)\ninput table b(s: str)\noutput table c(s: str)\nc(s) :- a(s)."
        )
    )
    with engine.transaction() as tx:
        tx.insert("a", ("x",), ("y",))
    with engine.transaction() as copy:
        copy.apply("b", tx.changes["c"])
    assert set(engine["b"]) == {("x",), ("y",)}


def test_threads_that_pass_deltas_both_ways_get_on():
    text = "input table a(s: str)\ninput table b(s: str)\noutput table c(s: str)\nc(s) :- a(s)."
    engines = [nlog.Engine(nlog.parse(text)) for _ in range(2)]
    deltas = []
    for number, engine in enumerate(engines):
        with engine.transaction() as tx:
            tx.insert_many("a", [(f"{number}.{n}",) for n in range(300)])
        deltas.append(tx.changes["c"])

    def swap(mine: int) -> None:
        for _ in range(100):
            with engines[mine].transaction() as tx:
                tx.apply("b", deltas[1 - mine])

    threads = [threading.Thread(target=swap, args=(n,)) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert [len(engine["b"]) for engine in engines] == [300, 300]


def test_a_delta_that_does_not_fit_is_refused():
    source, target = nlog.Engine(SOURCE), nlog.Engine(TARGET)
    with source.transaction() as tx:
        tx.insert("given", random_rows(random.Random(3), 1)[0])
    delta = tx.changes["passed"]
    other = nlog.Engine(nlog.parse("input table a(n: int)\noutput table b(n: int)\nb(n) :- a(n)."))
    with (
        pytest.raises(nlog.TransactionError, match=r"`passed\(c0.*` does not fit `a\(n: int\)`"),
        other.transaction() as tx,
    ):
        tx.apply("a", delta)
    with (
        pytest.raises(nlog.TransactionError, match="`b` is an output table"),
        other.transaction() as tx,
    ):
        tx.apply("b", delta)
    with (
        pytest.raises(nlog.TransactionError, match="is no delta: `changes"),
        target.transaction() as tx,
    ):
        tx.apply("taken", {(1,)})
    with pytest.raises(nlog.TransactionError, match="the transaction is committed"):
        with target.transaction() as tx:
            pass
        tx.apply("taken", delta)
    with pytest.raises(ValueError, match="have not the same types"):
        other._core.apply(other._layout.numbers["a"], delta._delta)
    assert not other["a"]


def columns_of(rows: list[tuple]) -> list[list]:
    return [list(column) for column in zip(*rows, strict=True)]


def test_columns_are_rows():
    rows = random_rows(random.Random(4), 20)
    one, other = nlog.Engine(SOURCE), nlog.Engine(SOURCE)
    with one.transaction() as tx:
        tx.insert_many("given", rows)
    with other.transaction() as tx:
        tx.insert_columns("given", tuple(map(tuple, columns_of(rows))))
    assert set(one["passed"]) == set(other["passed"]) == set(rows)


NUMBERS = nlog.parse(
    "input table t(n: int, at: ip4, m: mac, up: bool)\noutput table u(n: int, at: ip4, m: mac)\n"
    "u(n, at, m) :- t(n, at, m, true)."
)


@pytest.mark.parametrize("code", "bhilqBHILQ")
def test_arrays_of_numbers_are_columns(code: str):
    low, high = numpy.iinfo(numpy.dtype(code)).min, min(2**63 - 1, numpy.iinfo(code).max)
    numbers = [int(low), 0, 1, int(high)]
    rest = [[0, 1, 2, 2**32 - 1], [0, 1, 2, 2**48 - 1], [True, False, True, True]]
    one, other = nlog.Engine(NUMBERS), nlog.Engine(NUMBERS)
    with one.transaction() as tx:
        tx.insert_columns("t", [array.array(code, numbers), *rest])
    with other.transaction() as tx:
        wide = numpy.array([[n, 7] for n in numbers], dtype=code)[:, 0]
        addresses, macs, flags = rest
        tx.insert_columns(
            "t",
            [wide, numpy.array(addresses, "u4"), array.array("Q", macs), numpy.array(flags)],
        )
    with nlog.Engine(NUMBERS).transaction() as rows:
        rows.insert_many("t", zip(numbers, *rest, strict=True))
    assert set(one["t"]) == set(other["t"])
    assert set(one["u"]) == set(other["u"]) == rows.changes["u"].inserted


@pytest.mark.parametrize(
    ("columns", "text"),
    [
        (5, "columns are a list or tuple, one part a column; this is 5"),
        ([[1]], "it has 4 columns, and 1 were given"),
        ([[1], [2, 3], [4], [True]], "column `at`: it has 2 values, and the first column 1"),
        ([[1], ["x"], [4], [True]], "column `at`, place 0: 'x' is not an ip4 address"),
        ([[1], "x", [4], [True]], "column `at`: a column is a list, a tuple or an array"),
        ([[1, 2**63], [1, 2], [4, 4], [True, True]], "column `n`, place 1: .* does not fit an int"),
        ([array.array("Q", [2**63]), [1], [4], [True]], "`n`, place 0: 9223372036854775808 is no"),
        ([[1], array.array("q", [-1]), [4], [True]], "`at`, place 0: -1 is no ip4, .* 0 to 429"),
        ([[1], [1], array.array("q", [2**48]), [True]], "`m`, place 0: 281474976710656 is no mac"),
        ([[1], [1], [1], array.array("b", [2])], "`up`, place 0: 2 is no bool"),
        ([array.array("d", [1.0]), [1], [4], [True]], "dimensions and format `d` has no values"),
        ([numpy.zeros((1, 1), "i8"), [1], [4], [True]], "array of 2 dimensions"),
        ([numpy.array([True]), [1], [4], [True]], "format `\\?` has no values of type int"),
        ([numpy.array([1], ">i8"), [1], [4], [True]], "format `>q`"),
    ],
)
def test_columns_that_make_no_rows_are_refused_and_stage_nothing(columns, text: str):
    engine = nlog.Engine(NUMBERS)
    with engine.transaction() as tx:
        with pytest.raises(nlog.TransactionError, match=text):
            tx.insert_columns("t", columns)
        tx.insert("t", (7, 7, 7, True))
    assert len(engine["t"]) == 1


def test_an_array_in_the_other_byte_order_and_no_rows_at_all():
    engine = nlog.Engine(NUMBERS)
    with engine.transaction() as tx:
        tx.insert_columns("t", [(), (), (), ()])
        tx.insert_columns(
            "t", [memoryview(array.array("q", [3, 2, 1]))[::-1], *[[1, 1, 1]] * 2, [True] * 3]
        )
    assert {row[0] for row in engine["t"]} == {1, 2, 3}
