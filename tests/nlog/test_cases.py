"""One corpus, every way to evaluate it, one answer.

What the rows of each step must be stands beside its rule file (corpus.py). It must come out of
the naive evaluator; of the engine fed step by step, row by row, at once from nothing, and backwards
to where it began; and with rules and literals in any order. Wherever the engine goes, every table
also equals the naive evaluator's, and announced changes equal the difference of states.
"""

import itertools
from collections.abc import Callable

import pytest

import nlog
from nlog.engine import reference
from nlog.program import Program
from tests.nlog import corpus
from tests.nlog.corpus import Case, Rows, Step

CASES = corpus.cases()
SHUFFLES = (None, 1, 2, 3)

each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
each_order = pytest.mark.parametrize("seed", SHUFFLES, ids=lambda seed: f"order-{seed or 0}")


def contents(engine: nlog.Engine) -> Rows:
    return {name: frozenset(engine[name]) for name in engine.program.tables}


def check_rows(found: Rows, expected: Rows) -> None:
    assert {name: found[name] for name in expected} == expected


def apply(engine: nlog.Engine, delete: Rows, insert: Rows) -> None:
    """One transaction; its changes must be the difference of the states around it."""
    before = contents(engine)
    with engine.transaction() as tx:
        for table, rows in delete.items():
            tx.delete_many(table, rows)
        for table, rows in insert.items():
            tx.insert_many(table, rows)
    after = contents(engine)
    outputs = {table.name for table in engine.program.tables.values() if table.kind == "output"}
    assert set(tx.changes) == outputs
    for name in outputs:
        assert tx.changes[name].inserted == after[name] - before[name]
        assert tx.changes[name].deleted == before[name] - after[name]
        assert bool(tx.changes[name]) == (after[name] != before[name])


def move(engine: nlog.Engine, start: Rows, end: Rows) -> None:
    """Go from one state of the inputs to another in one transaction."""
    none: frozenset = frozenset()
    names = {*start, *end}
    delete = {name: start.get(name, none) - end.get(name, none) for name in names}
    insert = {name: end.get(name, none) - start.get(name, none) for name in names}
    apply(engine, delete, insert)


def step_by_step(engine: nlog.Engine, case: Case, check: Callable[[Step], None]) -> None:
    for step in case.steps:
        if step.fails is None:
            apply(engine, step.delete, step.insert)
        else:
            before = contents(engine)
            with pytest.raises(nlog.TransactionError, match=step.fails):
                apply(engine, step.delete, step.insert)
            assert contents(engine) == before
        check(step)


def row_by_row(engine: nlog.Engine, case: Case, check: Callable[[Step], None]) -> None:
    for step in case.steps:
        if step.fails is None:
            for table, rows in step.delete.items():
                for row in sorted(rows, key=repr):
                    apply(engine, {table: frozenset([row])}, {})
            for table, rows in step.insert.items():
                for row in sorted(rows, key=repr):
                    apply(engine, {}, {table: frozenset([row])})
        check(step)


def backwards(engine: nlog.Engine, case: Case, check: Callable[[Step], None]) -> None:
    """All steps at once, then back through each of them to nothing, and up again."""
    states = [step.inputs for step in case.steps]
    move(engine, {}, states[-1])
    path = [*reversed(range(len(states))), *range(len(states))]
    for here, there in itertools.pairwise(path):
        move(engine, states[here], states[there])
        check(case.steps[there])
    move(engine, states[-1], {})
    assert contents(engine) == reference.evaluate(engine.program, {})


@each_case
@each_order
def test_the_reference(case: Case, seed: int | None):
    program = corpus.program(case, seed)
    for step in case.steps:
        check_rows(reference.evaluate(program, step.inputs), step.expected)


@each_case
@each_order
def test_all_at_once(case: Case, seed: int | None):
    program = corpus.program(case, seed)
    for step in case.steps:
        engine = nlog.Engine(program)
        move(engine, {}, step.inputs)
        check_rows(contents(engine), step.expected)


@each_case
@each_order
@pytest.mark.parametrize("walk", [step_by_step, row_by_row, backwards])
def test_incrementally(case: Case, seed: int | None, walk: Callable):
    program = corpus.program(case, seed)
    engine = nlog.Engine(program)

    def check(step: Step) -> None:
        check_rows(contents(engine), step.expected)
        assert contents(engine) == reference.evaluate(program, step.inputs)

    assert contents(engine) == reference.evaluate(program, {})
    walk(engine, case, check)
    assert contents(engine.recompute()) == contents(engine)


@each_case
def test_every_row_has_an_explanation(case: Case):
    program = corpus.program(case)
    engine = nlog.Engine(program)
    for step in case.steps:
        if step.fails is None:
            apply(engine, step.delete, step.insert)
    for table in program.tables:
        for row in engine[table]:
            for leaf in engine.explain(table, row).inputs():
                assert leaf.row in engine[leaf.table]


def test_each_case_has_its_rules_and_says_what_it_is():
    assert {path.stem for path in corpus.FOLDER.glob("*.nlog")} == {case.name for case in CASES}
    for path in corpus.FOLDER.rglob("*.nlog"):
        assert path.read_text().startswith("// ")


def test_an_order_changes_the_program():
    case = next(case for case in CASES if case.name == "strata")
    assert permuted(corpus.program(case), corpus.program(case, 1))


def permuted(one: Program, other: Program) -> bool:
    heads = [rule.head for rule in one.rules], [rule.head for rule in other.rules]
    return heads[0] != heads[1] and sorted(heads[0]) == sorted(heads[1])
