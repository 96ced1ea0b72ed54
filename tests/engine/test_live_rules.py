"""Rules that come and go while an engine runs: the engine is what it would be had they been there.

Random programs are cut into units, which are added and removed in any order between transactions.
After each step every table equals what the naive evaluator and a recomputation make of the program
as it is then, and the step announced exactly what changed. So strata merge and fall apart, tables
join recursions and leave them, and rules come back.
"""

import random
from collections.abc import Callable, Iterator
from functools import partial

import pytest

import nlog
from nlog.engine import reference
from tests.engine.programs import TYPES, RandomProgram, random_program, random_row
from tests.engine.trial import State, contents

STEPS = 14


@pytest.mark.parametrize("seed", range(60))
def test_rules_come_and_go(seed: int):
    order = random.Random(seed)
    program = random_program(order)
    base = "\n".join([*(f"export {line}" for line in TYPES.splitlines()), *_declarations(program)])
    units = {f"unit {i}": "\n".join(rules) for i, rules in enumerate(_cut(order, program))}
    engine = nlog.Engine(nlog.parse(base, "base"))
    inputs: State = {table.name: frozenset() for table in program.inputs}
    state = contents(engine)
    for _ in range(STEPS):
        kept = engine.snapshot()
        there = engine.rules[1:]
        away = [name for name in units if name not in there]
        dice = order.random()
        if dice < 0.45 and away:
            name = order.choice(away)
            tx = _or_refused(partial(engine.add_rules, units[name], name), engine)
        elif dice < 0.7 and there:
            name = order.choice(there)
            tx = _or_refused(partial(engine.remove_rules, name), engine)
        else:
            with engine.transaction() as tx:
                for _ in range(order.randint(1, 8)):
                    table = order.choice(program.inputs)
                    row = random_row(order, table)
                    write = order.random() < 0.7
                    (tx.insert if write else tx.delete)(table.name, row)
                    rows = inputs[table.name]
                    inputs[table.name] = rows | {row} if write else rows - {row}
        before, state = state, contents(engine)
        assert state == reference.evaluate(engine.program, inputs)
        for name, delta in tx.changes.items():
            assert delta.inserted == state[name] - before[name]
            assert delta.deleted == before[name] - state[name]
        assert all(frozenset(kept[name]) == rows for name, rows in before.items())
    assert contents(engine.recompute()) == state
    while there := engine.rules[1:]:
        for name in there:
            _or_refused(partial(engine.remove_rules, name), engine)
        if engine.rules[1:] == there:
            return
    assert all(not engine[table.name] for table in program.tables if table.kind != "input")


def _or_refused(change: Callable[[], nlog.Transaction], engine: nlog.Engine) -> nlog.Transaction:
    """What `change` gives, or a transaction of nothing if it takes a recursion apart."""
    try:
        return change()
    except nlog.RuleError as error:
        assert {d.slug for d in error.diagnostics} == {"unstratified-aggregate"}
        with engine.transaction() as tx:
            return tx


def _declarations(program: RandomProgram) -> Iterator[str]:
    for table in program.tables:
        modifiers = {"input": "", "output": "open ", "internal": "export open "}
        yield modifiers[table.kind] + table.declaration()


def _cut(order: random.Random, program: RandomProgram) -> list[list[str]]:
    """The rules in a few heaps."""
    heaps: list[list[str]] = [[] for _ in range(order.randint(1, 5))]
    for rule in program.rules:
        order.choice(heaps).append(rule)
    return [heap for heap in heaps if heap]
