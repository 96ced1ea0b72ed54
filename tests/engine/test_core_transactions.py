"""Transactions of the core: all or nothing, true errors, deltas that last, work in bounds."""

from collections.abc import Callable
from threading import Thread
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlog.engine import _core
from nlog.plan import Plan
from nlog.types import INT, STR
from tests.engine.core_plans import (
    Atom,
    Condition,
    Indexes,
    Layer,
    Let,
    Row,
    Rule,
    Schema,
    evaluate,
    plan_of,
    start_plan,
)
from tests.engine.core_programs import EDGE, GRAPH, NODE, OTHER, PROGRAMS, REACH, UNIT, int_value

# reach(a, d) :- edge(a, b), node(n), n < 4, d = b / n.
DIVIDE = Rule(
    REACH,
    ("a", "d"),
    (
        Atom(EDGE, ("a", "b")),
        Atom(NODE, ("n",)),
        Condition("int.lt", ("n", int_value(4))),
        Let("d", "int.floordiv", ("b", "n")),
    ),
)
# other(a, a) :- edge(a, b).
COPY = Rule(OTHER, ("a", "a"), (Atom(EDGE, ("a", "b")),))
DIVIDING = [Layer((OTHER,), (COPY,)), Layer((REACH,), (DIVIDE,))]
# reach(a, m) :- reach(a, n), edge(a, b), m = n / b; reach starts at node n: reach(n, 64).
DIVIDING_RECURSION = [
    Layer(
        (REACH,),
        (
            Rule(REACH, ("n", int_value(64)), (Atom(NODE, ("n",)),)),
            Rule(
                REACH,
                ("a", "m"),
                (
                    Atom(REACH, ("a", "n")),
                    Atom(EDGE, ("a", "b")),
                    Let("m", "int.floordiv", ("n", "b")),
                ),
            ),
        ),
        recursive=True,
    )
]


def new_database(name: str) -> _core.Database:
    return _core.Database(plan_of(GRAPH, PROGRAMS[name]))


def everything(database: _core.Database) -> dict[int, set[Row]]:
    return {table: set(database.rows(table, {})) for table in range(len(GRAPH.columns))}


def test_the_last_change_of_a_row_wins():
    database = new_database("join")
    database.insert(EDGE, [(1, 2), (1, 2), (2, 3)])
    database.delete(EDGE, [(2, 3), (7, 7)])
    database.insert(EDGE, [(2, 3)])
    database.insert(EDGE, [(3, 4)])
    database.delete(EDGE, [(3, 4)])
    assert database.size(EDGE) == 0
    ((table, delta),) = database.commit()
    assert (table, delta.inserted(), delta.deleted()) == (REACH, [(1, 3)], [])
    assert sorted(database.rows(EDGE, {})) == [(1, 2), (2, 3)]
    assert database.commit() == []
    database.insert(EDGE, [(1, 2)])
    database.delete(EDGE, [(9, 9)])
    assert database.commit() == []
    assert database.work.rows_read == 0


def test_rows_are_staged_all_or_none():
    database = new_database("join")
    with pytest.raises(_core.RowError):
        database.insert(EDGE, [(1, 2), (1, "x")])

    def broken_source():
        yield (1, 2)
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        database.insert(EDGE, broken_source())
    database.commit()
    assert database.size(EDGE) == 0


def test_only_input_tables_are_written():
    database = new_database("join")
    for table in (REACH, UNIT):
        for method in (database.insert, database.delete):
            with pytest.raises(ValueError, match="is filled by rules"):
                method(table, [])
    for method in (database.size, lambda table: database.insert(table, [])):
        with pytest.raises(IndexError, match="there is no table 99"):
            method(99)


def test_the_unit_table_starts_rules_without_atoms():
    rule = Rule(OTHER, (int_value(1), int_value(2)), (Atom(UNIT, ()), Atom(NODE, (int_value(0),))))
    fact = Rule(REACH, (int_value(3), int_value(4)), (Atom(UNIT, ()),))
    database = _core.Database(plan_of(GRAPH, [Layer((REACH,), (fact,)), Layer((OTHER,), (rule,))]))
    assert database.rows(UNIT, {}) == [()]
    assert database.rows(REACH, {}) == [(3, 4)]
    database.insert(NODE, [(0,)])
    ((table, _),) = database.commit()
    assert table == OTHER


def test_deltas_outlast_later_commits_and_the_database():
    database = _core.Database(
        plan_of(
            Schema(((STR, INT), (STR,)), inputs=(0,), outputs=(1,)),
            [Layer((1,), (Rule(1, ("s",), (Atom(0, ("s", "n")),)),))],
        )
    )
    database.insert(0, [("a", 1), ("a", 2), ("b", 1)])
    ((_, first),) = database.commit()
    database.delete(0, [("a", 1), ("b", 1)])
    database.insert(0, [("c", 1)])
    ((_, second),) = database.commit()
    for _ in range(100):
        database.insert(0, [(f"text {n}", 1) for n in range(100)])
        database.commit()
        database.delete(0, [(f"text {n}", 1) for n in range(100)])
        database.commit()
    del database
    assert (sorted(first.inserted()), first.deleted()) == ([("a",), ("b",)], [])
    assert (second.inserted(), second.deleted()) == ([("c",)], [("b",)])
    assert (first.inserted_count, second.deleted_count) == (2, 1)


@pytest.mark.parametrize("layers", [DIVIDING, DIVIDING_RECURSION])
@given(
    history=st.lists(
        st.lists(
            st.one_of(
                st.tuples(
                    st.just(EDGE), st.booleans(), st.tuples(st.integers(0, 2), st.integers(0, 2))
                ),
                st.tuples(st.just(NODE), st.booleans(), st.tuples(st.integers(0, 5))),
            ),
            max_size=5,
        ),
        max_size=8,
    )
)
def test_commits_fail_exactly_if_the_rules_do(layers, history):
    database = _core.Database(plan_of(GRAPH, layers))
    inputs: dict[int, set[Row]] = {EDGE: set(), NODE: set()}
    for batch in history:
        staged = {table: set(rows) for table, rows in inputs.items()}
        for table, is_insert, row in batch:
            (database.insert if is_insert else database.delete)(table, [row])
            (staged[table].add if is_insert else staged[table].discard)(row)
        before = everything(database)
        try:
            after = evaluate(GRAPH, layers, staged)
        except ZeroDivisionError:
            with pytest.raises(_core.EvaluationError) as caught:
                database.commit()
            assert caught.value.args[0] == 1
            assert caught.value.args[1].startswith("division by zero: ")
            assert everything(database) == before
        else:
            database.commit()
            inputs = staged
            assert everything(database) == after


def test_a_failed_commit_leaves_no_trace():
    database = _core.Database(plan_of(GRAPH, DIVIDING))
    database.insert(EDGE, [(1, 8), (2, 8), (2, 9)])
    database.insert(NODE, [(1,), (2,)])
    database.commit()
    before, work_before = everything(database), database.work.rows_read
    database.insert(NODE, [(0,)])
    database.delete(EDGE, [(1, 8)])
    with pytest.raises(_core.EvaluationError) as caught:
        database.commit()
    assert caught.value.args in [(1, f"division by zero: {edge} / 0") for edge in (8, 9)]
    assert everything(database) == before
    assert database.work.rows_read == work_before
    assert database.commit() == []
    database.delete(NODE, [(2,)])
    assert dict(database.commit())[REACH].deleted_count == 2


def test_what_never_holds_is_no_error():
    database = _core.Database(plan_of(GRAPH, DIVIDING))
    database.insert(NODE, [(0,)])
    database.commit()
    database.insert(EDGE, [(1, 8)])
    database.delete(NODE, [(0,)])
    database.insert(NODE, [(4,)])
    database.commit()
    assert database.size(REACH) == 0
    assert database.rows(OTHER, {}) == [(1, 1)]


@pytest.mark.parametrize("where", [{}, {0: 1}, {1: 2}, {0: 1, 1: 2}, {1: 2, 0: 7}, {0: 9}], ids=str)
def test_rows_are_selected(where):
    database = new_database("join")
    edges = [(a, b) for a in range(4) for b in range(4) if a != b]
    database.insert(EDGE, edges)
    database.commit()
    database.delete(EDGE, [(1, 2)])
    expected = {
        row for row in edges if all(row[column] == value for column, value in where.items())
    }
    for index in (0, 1, 2, 2):
        assert set(database.rows(EDGE, where)) == expected
        assert database.add_index(EDGE, [(0,), (1,), (0, 1)][index]) in range(3)
    with pytest.raises(IndexError, match="has no column 2"):
        database.rows(EDGE, {2: 1})
    for columns in ([1, 0], [0, 0], [2]):
        with pytest.raises(ValueError, match="an index is on ascending columns"):
            database.add_index(EDGE, columns)


def test_an_index_added_late_is_kept_up():
    database = new_database("left recursion")
    database.insert(EDGE, [(1, 2), (2, 3)])
    number = database.add_index(REACH, [1])
    assert database.add_index(REACH, [1]) == number
    database.commit()
    assert sorted(database.rows(REACH, {1: 3})) == [(1, 3), (2, 3)]
    database.delete(EDGE, [(1, 2)])
    database.commit()
    assert database.rows(REACH, {1: 3}) == [(2, 3)]


def test_derivations_name_the_rows_of_the_body():
    database = new_database("negation")
    database.insert(NODE, [(0,), (1,)])
    database.insert(EDGE, [(0, 1)])
    database.commit()
    indexes = Indexes()
    check = start_plan(PROGRAMS["negation"][0].rules[0], None, indexes)
    assert database.derivations(check, (1, 0), 9) == [[(NODE, (1,)), (NODE, (0,))]]
    assert database.derivations(check, (0, 1), 9) == []
    with pytest.raises(_core.RowError):
        database.derivations(check, (0,), 9)


def test_derivations_differ_and_are_limited():
    database = new_database("join")
    database.insert(EDGE, [(0, middle) for middle in range(1, 6)])
    database.insert(EDGE, [(middle, 9) for middle in range(1, 6)])
    database.commit()
    database.delete(EDGE, [(0, 1)])
    indexes = Indexes()
    check = start_plan(PROGRAMS["join"][0].rules[0], None, indexes)
    for columns in indexes.by_table[EDGE]:
        database.add_index(EDGE, columns)
    expected = [[(EDGE, (0, middle)), (EDGE, (middle, 9))] for middle in range(1, 6)]
    assert sorted(database.derivations(check, (0, 9), 100)) == expected
    assert len(database.derivations(check, (0, 9), 3)) == 3
    assert database.derivations(check, (0, 9), 0) == []


def test_small_changes_do_small_work():
    database = new_database("left recursion")
    chains = 1000
    database.insert(EDGE, [(3 * n + i, 3 * n + i + 1) for n in range(chains) for i in range(2)])
    database.commit()
    assert database.work.inserted == 2 * chains + 3 * chains
    database.insert(EDGE, [(2, 3)])
    database.commit()
    work = database.work
    assert (work.inserted, work.deleted, work.retracted) == (1 + 9, 0, 0)
    assert work.rows_read + work.probes < 60
    database.delete(EDGE, [(2, 3)])
    database.commit()
    work = database.work
    assert (work.inserted, work.deleted, work.rederived) == (0, 1 + 9, 0)
    assert work.rows_read + work.probes < 150
    assert sum(rows_read for rows_read, _, _ in work.by_rule.values()) == work.rows_read
    assert sum(derived for _, derived, _ in work.by_rule.values()) == work.derived == 0
    assert sum(retracted for _, _, retracted in work.by_rule.values()) == work.retracted


def test_rows_with_another_derivation_stay():
    database = new_database("left recursion")
    database.insert(EDGE, [(0, 1), (1, 3), (0, 2), (2, 3), (3, 4)])
    database.commit()
    database.delete(EDGE, [(0, 1)])
    ((_, delta),) = database.commit()
    assert delta.deleted() == [(0, 1)]
    assert database.work.checked >= 2
    assert database.work.rederived == 0


def test_rows_derived_back_carry_those_that_rest_on_them():
    """The way round leads through rows that rested on the edge, so it is found only afterwards."""
    database = new_database("left recursion")
    ring = [(n, (n + 1) % 9) for n in range(9)]
    database.insert(EDGE, [*ring, *((b, a) for a, b in ring)])
    database.commit()
    database.delete(EDGE, [(0, 1)])
    assert database.commit() == []
    assert len(database.rows(REACH, {})) == 81
    assert database.work.rederived >= 1


def spoilt(plan: Plan) -> Plan:
    return Plan(plan.tables[:2], plan.strata)


@pytest.mark.parametrize(
    ("plan", "error"),
    [
        (spoilt(plan_of(GRAPH, PROGRAMS["join"])), ValueError),
        ("not a plan", ValueError),
    ],
)
def test_what_is_no_plan_is_refused(plan, error):
    with pytest.raises(error):
        _core.Database(plan)


def test_any_thread_may_read_while_another_commits():
    database = new_database("square recursion")
    failures: list[BaseException] = []
    deltas: list[_core.Delta] = []

    def guarded(work: Callable[[int], Any]) -> Thread:
        def run():
            try:
                for step in range(150):
                    work(step)
            except BaseException as failure:  # noqa: BLE001 - the test must hear of it
                failures.append(failure)

        return Thread(target=run)

    def write(step: int) -> None:
        database.insert(EDGE, [(step % 7, (step * 3) % 7)])
        deltas.extend(delta for _, delta in database.commit())
        database.delete(EDGE, [(step % 5, (step * 3) % 7)])
        deltas.extend(delta for _, delta in database.commit())

    def read(step: int) -> None:
        rows = set(database.rows(REACH, {}))
        assert all((a, d) in rows for a, b in rows for c, d in rows if b == c)
        for delta in deltas[-5:]:
            assert len(delta.inserted()) == delta.inserted_count
        database.contains(EDGE, (step, step))

    threads = [guarded(write), guarded(read), guarded(read)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_a_source_of_rows_may_use_the_database():
    database = new_database("join")

    def rows():
        yield (1, 2)
        database.commit()
        assert database.size(EDGE) == 0
        yield (2, 3)

    database.insert(EDGE, rows())
    database.commit()
    assert database.size(EDGE) == 2
