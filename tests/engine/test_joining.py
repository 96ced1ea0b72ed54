"""Live rules that put recursions together and take them apart, over rows that rest on each other.

What a row of a recursion keeps is a rank, and elsewhere a count (nlog/engine/core/transition.h):
both must be made right when a rule joins tables into one recursion or parts them, or else a later
deletion leaves rows that only rest on each other, or takes away what still holds.
"""

import random

import pytest

import nlog
from nlog.engine import reference
from tests.engine.trial import contents

# Strata one on the other, ranked and counted ones by turns, which TIE makes one recursion.
TOWER = """
input table seed(a: int)
input table edge(a: int, b: int)
input table tie(a: int)
input table block(a: int)
open output table low(a: int)
open output table middle(a: int)
open output table walk(a: int, b: int)
open output table high(a: int)
output table lone(a: int)
low(a) :- seed(a).
middle(a) :- low(a).
middle(b) :- low(a), edge(a, b), not block(b).
walk(a, b) :- middle(a), edge(a, b).
walk(a, c) :- walk(a, b), edge(b, c).
high(b) :- walk(_, b).
high(a) :- walk(a, a).
lone(a) :- low(a), not high(a).
"""
UNTIED = TOWER.replace("lone(a) :- low(a), not high(a).\n", "")
TIE = "low(a) :- high(a), tie(a)."
HALF_TIE = "walk(a, b) :- high(a), tie(b), edge(a, b)."
NODES = 5


def loaded(source: str, *rows: tuple[str, tuple[int, ...]]) -> nlog.Engine:
    engine = nlog.Engine(nlog.parse(source, "base"))
    with engine.transaction() as tx:
        for table, row in rows:
            tx.insert(table, row)
    return engine


def test_rows_that_only_rest_on_each_other_go():
    """All that the cycle through every stratum holds up, without the seed that began it."""
    ring = [("edge", (n, (n + 1) % NODES)) for n in range(NODES)]
    engine = loaded(UNTIED, ("seed", (0,)), *ring, *(("tie", (n,)) for n in range(NODES)))
    engine.add_rules(TIE, "tie")
    assert len(engine["low"]) == NODES
    with engine.transaction() as tx:
        tx.delete("seed", (0,))
    assert not any(engine[name] for name in ("low", "middle", "walk", "high"))


def test_rows_that_are_derived_twice_stay_when_rules_go():
    engine = loaded(UNTIED, ("seed", (0,)), ("edge", (0, 1)), ("edge", (1, 0)), ("tie", (0,)))
    for _ in range(3):
        engine.add_rules(TIE, "tie")
        with engine.transaction() as tx:
            tx.delete("seed", (0,))
        assert not engine["low"]
        with engine.transaction() as tx:
            tx.insert("seed", (0,))
        engine.remove_rules("tie")
        assert set(engine["low"]) == {(0,)}
        assert set(engine["middle"]) == set(engine["high"]) == {(0,), (1,)}
        assert contents(engine) == contents(engine.recompute())


@pytest.mark.parametrize("seed", range(12))
def test_recursions_that_are_joined_and_parted(seed: int):
    """One row at a time comes or goes, and rules with them; some changes of rules are refused."""
    order = random.Random(f"joining {seed}")
    engine = loaded(UNTIED if seed % 3 else TOWER)
    heaps = {"tie": TIE, "half": HALF_TIE} if seed % 3 else {"half": HALF_TIE}
    arities = {"seed": 1, "edge": 2, "tie": 1, "block": 1}
    inputs: dict[str, set[tuple[int, ...]]] = {name: set() for name in arities}
    for round_ in range(60):
        table = order.choice(("seed", "edge", "edge", "edge", "tie", "tie", "block"))
        row = tuple(order.randrange(NODES) for _ in range(arities[table]))
        if inputs[table] and order.random() < 0.5:
            row = order.choice(sorted(inputs[table]))
        inputs[table] ^= {row}
        with engine.transaction() as tx:
            (tx.insert if row in inputs[table] else tx.delete)(table, row)
        if round_ % 3 == 2:
            name = order.choice(sorted(heaps))
            if name in engine.rules:
                engine.remove_rules(name)
            elif inputs["seed"] and order.random() < 0.2:
                with pytest.raises(nlog.TransactionError, match="division by zero"):
                    engine.add_rules(f"{heaps[name]}\nlow(1 / (a - a)) :- seed(a).", name)
            else:
                engine.add_rules(heaps[name], name)
        assert contents(engine) == reference.evaluate(engine.program, inputs)
