"""Falsified plans are refused by a clear error or run, and never bring the process down.

By the hundred (falsified.py), and each kind of mistake by itself, with the place that is named.
"""

import random
import re
from collections import Counter
from typing import Any

import pytest
from attrs import evolve

import nlog
from nlog import plan as p
from nlog import types as t
from nlog.engine import _core
from nlog.planner import plan
from nlog.transition import Transition
from tests.nlog import boundary
from tests.nlog.falsified import replaced, spots, transitions, visit

PROGRAM = """
input table edge(a: int, b: int, name: str)
output table reach(a: int, b: int)
output table named(text: str)
reach(a, b) :- edge(a, b, _).
reach(a, c) :- reach(a, b), edge(b, c, _).
named("{n} {a + 1}") :- edge(a, b, n), reach(b, a).
"""


@pytest.mark.parametrize("seed", range(8))
def test_nothing_but_answers_and_clear_refusals(seed: int):
    order = random.Random(f"falsified {seed}")
    answers: Counter[str] = Counter()
    for _ in range(25):
        answers += visit(order)
    assert answers["plan refused"] > 5
    assert answers["change refused"] > 5
    assert answers["commit"] > 5, answers


def sound() -> p.Plan:
    whole, _ = plan(nlog.parse(PROGRAM))
    return whole


REACH = ("strata", 0, "rules", 1)
NAMED = ("strata", 1, "rules", 0)


def first(whole: p.Plan, rule: tuple[Any, ...], kind: type) -> tuple[Any, ...]:
    """The way to the first step of a kind in the first delta plan of a rule."""
    steps = whole.strata[rule[1]].rules[rule[3]].deltas[0].pipeline.steps
    place = next(place for place, step in enumerate(steps) if isinstance(step, kind))
    return (*rule, "deltas", 0, "pipeline", "steps", place)


def refused(whole: Any) -> str:
    with pytest.raises(ValueError, match=r".") as caught:
        _core.Database(whole)
    return str(caught.value)


@pytest.mark.parametrize(
    ("path", "value", "place", "text"),
    [
        (("tables",), "x", "tables", "'x' is no tuple"),
        (("tables", 1, "columns", 0), 3, "tables[1].columns[0]", "3 is no type"),
        (
            ("tables", 1, "columns", 0),
            t.TREE,
            "tables[1].columns[0]",
            "values of rows are no trees",
        ),
        (("tables", 0, "kind"), "big", "tables[0]", "`big` is no kind of table"),
        (("tables", 0, "name"), "\ud800", "tables[0].name", "has no UTF-8 form"),
        (("tables", 0, "key"), (9,), "tables[0]", "the key of a table is not on columns of it"),
        (("tables", 0, "indexes"), ((1, 0),), "tables[0]", "an index is not on ascending columns"),
        (("strata", 0, "recursive"), 1, "strata[0].recursive", "1 is neither True nor False"),
        (("strata", 0, "recursive"), False, "strata[0]", "is not complete"),
        (("strata", 0, "tables"), (), "strata[0]", "a stratum is of one table, or recursive"),
        ((*REACH, "head"), -1, "strata[0].rules[1].head", "-1 is no number from 0 to 4294967295"),
        ((*REACH, "head"), 2**80, "strata[0].rules[1].head", "is no number from 0 to 4294967295"),
        ((*REACH, "check"), None, "strata[0].rules[1]", "a recursive rule needs a check plan"),
        ((*REACH, "deltas"), (), "strata[0].rules[1]", "there is no delta plan"),
        (
            (*REACH, "deltas", 0, "pipeline", "registers"),
            2**31,
            "strata[0].rules[1].deltas[0].pipeline",
            "there are 2147483648 registers, of which 3 are written",
        ),
        (
            (*REACH, "deltas", 1, "position"),
            0,
            "strata[0].rules[1].deltas[1]",
            "it is not of the same atoms as the first delta plan",
        ),
        (
            (*REACH, "deltas", 0, "loads", 0),
            (9, 0),
            "strata[0].rules[1].deltas[0]",
            "there is no column 9",
        ),
        (
            (*REACH, "deltas", 0, "loads", 0),
            (0, 0, 0),
            "strata[0].rules[1].deltas[0].loads[0]",
            "(0, 0, 0) is no pair of a column and a register",
        ),
        (
            (*REACH, "deltas", 0, "pipeline", "head"),
            (0, 9),
            "strata[0].rules[1].deltas[0].pipeline.head",
            "register 9 is read before it is written",
        ),
    ],
)
def test_a_refusal_names_the_place(path: tuple[Any, ...], value: Any, place: str, text: str):
    error = refused(replaced(sound(), path, value))
    assert error.startswith((f"{place}: ", f"{place}.")), error
    assert text in error


def test_what_is_no_plan_is_said_to_be_none():
    assert refused("not a plan") == "'not a plan' has no `tables`"
    assert "is no step of a pipeline" in refused(
        replaced(sound(), first(sound(), REACH, p.Lookup), "a step")
    )


def test_types_are_those_of_columns_and_functions():
    whole = sound()
    call = first(whole, NAMED, p.Call)
    found = {step.function for step in whole.strata[1].rules[0].deltas[0].pipeline.steps
             if isinstance(step, p.Call)}  # fmt: skip
    assert found == {"int.add", "str.of_int", "str.concat"}
    error = refused(replaced(whole, (*call, "function"), "str.len"))
    assert re.search(r"steps\[\d\]: function `str.len` makes no int of \(int, int\)", error)
    assert "makes no str of (int, int)" in refused(replaced(whole, (*call, "type"), t.STR))
    delta = whole.strata[1].rules[0].deltas[0]
    other = evolve(delta, loads=((2, 0), *delta.loads[1:]))
    error = refused(replaced(whole, (*NAMED, "deltas", 0), other))
    assert "strata[1].rules[0].deltas[0]" in error
    assert re.search(r"of type str, and the column is of type int|makes no|written twice", error)
    columns = replaced(whole, ("tables", 1, "columns", 0), t.STR)
    assert "and the column is of type" in refused(columns)


def test_a_plan_of_other_tables_takes_no_place():
    whole = sound()
    database = _core.Database(whole)
    database.insert(1, [(1, 2, "a")])
    database.commit()
    for wrong in (
        replaced(whole, ("tables", 1, "columns", 2), t.MAC),
        replaced(whole, ("tables", 1, "kind"), "internal"),
        replaced(whole, ("tables", 1, "key"), (0,)),
        replaced(whole, ("tables",), whole.tables[:-1]),
    ):
        for call in (
            lambda w=wrong: database.replan(w),
            lambda w=wrong: database.change_program(w, w),
        ):
            with pytest.raises(ValueError, match="table"):
                call()
    assert database.rows(1, {}) == [(1, 2, "a")]
    assert database.rows(2, {}) == [(1, 2)]


def test_a_tree_of_calls_cannot_evaluate_itself():
    chosen = "input table e(a: int)\noutput table o(a: int)\no(if a > 0 then 1 else 2) :- e(a)."
    whole, _ = plan(nlog.parse(chosen))
    path = next(
        path
        for path, spot in spots(whole)
        if isinstance(spot, p.Constant) and spot.type == t.TREE and path[3] == 0
    )
    itself = (1, _core.functions().index("tree.evaluate"), t.describe(t.INT), (0, 0))
    assert "a tree of calls evaluates a tree" in refused(replaced(whole, (*path, "value"), itself))


class LongTuple(tuple[Any, ...]):
    """Says that it has more than it has."""

    __slots__ = ()

    def __len__(self) -> int:
        return super().__len__() + 1000


def test_a_tuple_is_as_long_as_it_is():
    whole = sound()
    database = _core.Database(replaced(whole, ("tables",), LongTuple(whole.tables)))
    assert database.size(len(whole.tables) - 1) == 0


def test_no_more_look_ups_than_the_stack_has_room_for():
    database = _core.Database(sound())
    database.insert(1, [(1, 1, "a")])
    database.commit()
    rule = sound().strata[0].rules[1]
    assert rule.check is not None
    steps = rule.check.pipeline.steps
    look_up = next(step for step in steps if isinstance(step, p.Lookup))
    again = evolve(look_up, loads=(), checks=look_up.loads + look_up.checks)
    for times in (100, 200_000):
        check = replaced(rule.check, ("pipeline", "steps"), (*steps, *[again] * times))
        if times == 100:
            assert len(database.derivations(check, (1, 1), 5)) == 1
        else:
            with pytest.raises(ValueError, match="look-ups, and 4096 at most are run"):
                database.derivations(check, (1, 1), 5)


def change() -> tuple[_core.Database, Transition]:
    first, _ = plan(nlog.parse(boundary.PROGRAM))
    return _core.Database(first), transitions()[0]


def test_the_index_of_a_key_stays_through_a_change():
    database, there = change()
    keyed = next(number for number, table in enumerate(there.after.tables) if len(table.key) == 2)
    indexes = there.after.tables[keyed].indexes
    without = tuple(index for index in indexes if index != there.after.tables[keyed].key)
    with pytest.raises(ValueError, match=r"^tables\[3\]: .* no index on the key of the table"):
        database.change_program(
            there.during, replaced(there.after, ("tables", keyed, "indexes"), without)
        )
    database.insert(keyed, [(1, "a", "x"), (1, "b", "x")])
    with pytest.raises(_core.KeyConflictError):
        database.commit()


def test_tables_of_a_change_that_is_rolled_back_are_gone():
    database, there = change()
    last = len(there.during.tables) - 1
    snapshot = database.snapshot()
    database.change_program(there.during, there.after)
    assert database.size(last) == 0
    database.rollback()
    for call in (
        lambda: database.size(last),
        lambda: database.rows(last, {}),
        lambda: database.insert(last, [()]),
        lambda: snapshot.size(last),
    ):
        with pytest.raises(IndexError, match=f"there is no table {last}"):
            call()


def test_a_check_is_compiled_again_for_other_indexes():
    """What a change adds is gone when that is rolled back, and with it what was compiled for it."""
    database, there = change()
    table = next(number for number, table in enumerate(there.during.tables) if table.columns)
    columns = (0, 1)
    index = len(there.during.tables[table].indexes)
    indexed = (*there.during.tables[table].indexes, columns)
    step = p.Lookup(table, index, columns, (), (), 0)
    loads = tuple((column, column) for column in columns)
    check = p.StartPlan(table, -1, False, loads, (), p.Pipeline(2, (), (step,), ()))
    row = (True, 5, "a", 1, "10.0.0.1", "::1", "10.0.0.0/8", b"ab")
    database.insert(table, [row])
    database.commit()
    database.change_program(
        replaced(there.during, ("tables", table, "indexes"), indexed), there.after
    )
    assert len(database.derivations(check, row, 5)) == 1
    database.rollback()
    with pytest.raises(ValueError, match=f"table {table} has no index {index}"):
        database.derivations(check, row, 5)
