"""The core against a naive twin: whatever transactions do, the tables are what the rules derive.

Domains are tiny, so that rows collide, derivations overlap and changes cancel.
"""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlog.engine import _core
from tests.engine.core_plans import (
    Atom,
    Condition,
    Layer,
    Part,
    Row,
    Rule,
    Schema,
    Tables,
    Term,
    evaluate,
    plan_of,
)
from tests.engine.core_programs import EDGE, GRAPH, NODE, OTHER, PROGRAMS, REACH, UNIT, int_value

numbers = st.integers(0, 3)
changes = st.one_of(
    st.tuples(st.just(EDGE), st.booleans(), st.tuples(numbers, numbers)),
    st.tuples(st.just(NODE), st.booleans(), st.tuples(numbers)),
)
transactions = st.lists(
    st.tuples(st.booleans(), st.lists(changes, max_size=6)), min_size=1, max_size=8
)


def contents(database: _core.Database, tables: int) -> Tables:
    found = {table: database.rows(table, {}) for table in range(tables)}
    assert all(len(rows) == len(set(rows)) for rows in found.values())
    assert all(len(rows) == database.size(table) for table, rows in found.items())
    return {table: set(rows) for table, rows in found.items()}


def stage(
    database: _core.Database, inputs: Tables, batch: Sequence[tuple[int, bool, Row]]
) -> Tables:
    """Stages changes, and gives the input tables as they will be."""
    result = {table: set(rows) for table, rows in inputs.items()}
    for table, is_insert, row in batch:
        if is_insert:
            database.insert(table, [row])
            result[table].add(row)
        else:
            database.delete(table, [row])
            result[table].discard(row)
    return result


def assert_changes(
    deltas: Sequence[tuple[int, _core.Delta]], before: Tables, after: Tables, outputs: Sequence[int]
) -> None:
    announced = dict(deltas)
    assert list(announced) == [table for table in outputs if before[table] != after[table]]
    for table, delta in announced.items():
        assert set(delta.inserted()) == after[table] - before[table]
        assert set(delta.deleted()) == before[table] - after[table]
        assert delta.inserted_count == len(delta.inserted())
        assert delta.deleted_count == len(delta.deleted())


def replay(
    schema: Schema,
    layers: Sequence[Layer],
    history: Sequence[tuple[bool, Sequence[tuple[int, bool, Row]]]],
) -> None:
    """Runs transactions, of which some are rolled back, and compares after each."""
    database = _core.Database(plan_of(schema, layers))
    inputs: Tables = {table: set() for table in schema.inputs}
    before = evaluate(schema, layers, inputs)
    for is_committed, batch in history:
        staged = stage(database, inputs, batch)
        assert contents(database, len(schema.columns)) == before
        if not is_committed:
            database.rollback()
            assert contents(database, len(schema.columns)) == before
            continue
        deltas = database.commit()
        inputs = staged
        after = evaluate(schema, layers, inputs)
        assert contents(database, len(schema.columns)) == after
        assert_changes(deltas, before, after, schema.outputs)
        changed = sum(len(before[table] ^ after[table]) for table in after)
        assert database.work.inserted + database.work.deleted == changed
        before = after


@pytest.mark.parametrize("name", PROGRAMS)
@given(history=transactions)
def test_tables_are_what_the_rules_derive(name, history):
    replay(GRAPH, PROGRAMS[name], history)


VARIABLES = ("x", "y", "z")
WIDTHS = {table: len(columns) for table, columns in enumerate(GRAPH.columns)}


def terms(variables: Sequence[str], width: int) -> st.SearchStrategy[tuple[Term, ...]]:
    term: st.SearchStrategy[Term] = st.integers(0, 1).map(int_value)
    if variables:
        term = st.one_of(st.sampled_from(variables), st.sampled_from(variables), term)
    return st.tuples(*([term] * width))


@st.composite
def atoms(draw, tables: Sequence[int], variables: Sequence[str], negated: bool = False) -> Atom:
    table = draw(st.sampled_from(tables))
    return Atom(table, draw(terms(variables, WIDTHS[table])), negated)


@st.composite
def rules(draw, head: int, below: Sequence[int], own: Sequence[int]) -> Rule:
    body: list[Part] = list(
        draw(st.lists(atoms([*below, *own], VARIABLES), min_size=1, max_size=3))
    )
    bound = sorted(
        {t for part in body if isinstance(part, Atom) for t in part.terms if isinstance(t, str)}
    )
    body += draw(st.lists(atoms(below, bound, negated=True), max_size=2))
    if len(bound) > 1 and draw(st.booleans()):
        body.append(Condition("ne", (bound[0], bound[1])))
    return Rule(head, draw(terms(bound, WIDTHS[head])), tuple(body))


@st.composite
def layers(draw, heads: Sequence[int], below: Sequence[int]) -> Layer:
    is_recursive = len(heads) > 1 or draw(st.booleans())
    own = heads if is_recursive else ()
    body = st.sampled_from(heads).flatmap(lambda head: rules(head, below, own))
    return Layer(tuple(heads), tuple(draw(st.lists(body, min_size=1, max_size=3))), is_recursive)


@st.composite
def programs(draw) -> list[Layer]:
    below = [EDGE, NODE, UNIT]
    if draw(st.booleans()):
        return [draw(layers([REACH, OTHER], below))]
    return [draw(layers([REACH], below)), draw(layers([OTHER], [*below, REACH]))]


@given(program=programs(), history=transactions)
def test_random_rules_hold_after_random_transactions(program, history):
    replay(GRAPH, program, history)
