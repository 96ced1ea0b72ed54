"""Aggregates do small work for small changes, and say what they are made of.

That they are right is for the random programs, the corpus and tests/core/test_aggregation.cc; here
`engine.work` must not grow with the rows that a change leaves alone.
"""

import pytest

import nlog

LARGE = 2000

PROGRAM = """
input table port(switch: str, name: int, tag: int)
output table ports(switch: str, n: int, total: int)
output table extremes(switch: str, low: int, high: int)
output table tags(switch: str, n: int)
output table all_tags(tags: [int])
ports(s, count(), sum(t)) :- port(s, n, t).
extremes(s, min(n), max(n)) :- port(s, n, _).
tags(s, count(t)) :- port(s, _, t).
all_tags(set(t)) :- port(_, _, t).
"""


@pytest.fixture
def engine() -> nlog.Engine:
    """Two switches of many ports with few tags."""
    engine = nlog.Engine(nlog.parse(PROGRAM))
    with engine.transaction() as tx:
        rows = [(switch, name, name % 7) for switch in ("s0", "s1") for name in range(LARGE)]
        tx.insert_many("port", rows)
    return engine


def only(table: nlog.TableView) -> tuple:
    (row,) = table
    return row


def test_a_row_costs_what_it_changes(engine: nlog.Engine):
    with engine.transaction() as tx:
        tx.insert("port", ("s0", LARGE, 3))
    assert engine.work.rows_read < 60
    assert tx.changes["ports"].inserted == {("s0", LARGE + 1, sum(i % 7 for i in range(LARGE)) + 3)}
    assert tx.changes["extremes"].inserted == {("s0", 0, LARGE)}
    assert not tx.changes["tags"]
    with engine.transaction() as tx:
        tx.delete("port", ("s1", 5, 5))
    assert engine.work.rows_read < 60
    assert engine.work.inserted == 2, "the group of `ports`, and its row"
    assert not tx.changes["extremes"]


def test_a_group_is_read_again_only_if_its_extreme_goes(engine: nlog.Engine):
    with engine.transaction() as tx:
        tx.delete("port", ("s0", 0, 0))
    assert LARGE < engine.work.rows_read < LARGE * 1.2
    assert tx.changes["extremes"].inserted == {("s0", 1, LARGE - 1)}
    with engine.transaction() as tx:
        tx.delete("port", ("s0", 1, 1))
        tx.insert("port", ("s0", -1, 1))
    assert engine.work.rows_read < 60, "a better one came in its place"
    assert tx.changes["extremes"].inserted == {("s0", -1, LARGE - 1)}


def test_a_sum_may_pass_through_what_does_not_fit():
    engine = nlog.Engine(
        nlog.parse("input table n(n: int)\noutput table total(n: int)\ntotal(sum(n)) :- n(n).\n")
    )
    most = 2**63 - 1
    with engine.transaction() as tx:
        tx.insert("n", (most,), (most - 1,), (-most,))
    assert only(engine["total"]) == (most - 1,)
    with (
        pytest.raises(nlog.TransactionError, match=r"integer overflow in a sum, in the group \(\)"),
        engine.transaction() as tx,
    ):
        tx.delete("n", (-most,))
    assert only(engine["total"]) == (most - 1,)
    with engine.transaction() as tx:
        tx.delete("n", (most,), (most - 1,), (-most,))
    assert not engine["total"]


def test_wildcards_and_computed_variables_tell_no_bindings_apart():
    engine = nlog.Engine(
        nlog.parse(
            "input table e(a: int, b: int)\noutput table n(some: int, all: [int])\n"
            "n(count(), list(h)) :- e(a, _), h = a / 2.\n"
        )
    )
    with engine.transaction() as tx:
        tx.insert("e", (0, 1), (0, 2), (1, 1), (2, 1))
    assert only(engine["n"]) == (3, (0, 0, 1))


def test_an_explanation_shows_the_rows_behind_a_value(engine: nlog.Engine):
    lowest = engine.explain("extremes", ("s0", 0, LARGE - 1))
    assert [leaf.row for leaf in lowest.inputs()] == [
        ("s0", 0, 0),
        ("s0", LARGE - 1, (LARGE - 1) % 7),
    ]
    assert len(lowest.premises) == 2
    assert lowest.rule is not None
    assert lowest.rule.number == 1
    total = engine.explain("ports", next(row for row in engine["ports"] if row[0] == "s1"))
    assert 50 <= len(total.premises) <= LARGE
    assert {leaf.row[0] for leaf in total.inputs()} == {"s1"}


def test_several_rules_of_one_head_aggregate_each_for_itself():
    engine = nlog.Engine(
        nlog.parse(
            "input table a(n: int)\ninput table b(n: int)\noutput table least(n: int)\n"
            "least(min(n)) :- a(n).\nleast(min(n)) :- b(n).\nleast(9).\n"
        )
    )
    with engine.transaction() as tx:
        tx.insert("a", (1,), (2,))
        tx.insert("b", (1,), (3,))
    assert set(engine["least"]) == {(1,), (9,)}
    with engine.transaction() as tx:
        tx.delete("a", (1,))
    assert set(engine["least"]) == {(1,), (2,), (9,)}


@pytest.mark.parametrize(
    ("type_", "values"),
    [("int", [-(2**62), -5, -1, 0, 3, 2**40]), ("str", ["z", "a", "", "m", "b", "y"])],
)
def test_several_values_leave_a_list_at_once(type_: str, values: list):
    """Values in their own order, which is that of the core's words for none of these types."""
    engine = nlog.Engine(
        nlog.parse(
            f"input table e(v: {type_}, n: int)\noutput table all(some: [{type_}])\n"
            f"output table each(some: [{type_}])\n"
            "all(list(v)) :- e(v, n).\neach(set(v)) :- e(v, _).\n"
        )
    )
    with engine.transaction() as tx:
        tx.insert_many("e", [(value, n) for value in values for n in (1, 2)])
    for gone in (values[:2], values[3:5], values[5:], values[2:3]):
        with engine.transaction() as tx:
            tx.delete_many("e", [(value, 1) for value in gone])
        with engine.transaction() as tx:
            tx.delete_many("e", [(value, 2) for value in gone])
        left = sorted({v for v, _ in engine["e"]})
        twice = sorted(v for v, _ in engine["e"])
        assert set(engine["each"]) == ({(tuple(left),)} if left else set())
        assert set(engine["all"]) == ({(tuple(twice),)} if twice else set())
