"""Atoms that only ask whether there is a row: what they cost, where a projection answers them.

A twin of each program reads a table of its own in which the author has dropped the columns. The
sizes are such that a product would show: WIDE rows for each of a few keys, on both sides.
"""

import itertools
import random
from collections import Counter

import pytest

import nlog
from nlog.keys import Keys
from nlog.lower import lower
from tests.engine import trial
from tests.engine.programs import FUNCTIONS, random_program, random_row

WIDE = 200
TABLES = """
input table needs(host: int, tunnel: int)
input table flow(host: int, match: int)
input table named(id: int key, name: int)
input table mark(id: int)
input table lport(port: int, switch: int, mac: int)
output table out(host: int, match: int)
"""
ASKS = "out(h, m) :- needs(h, _), flow(h, m)."
LIVE = "output table live(host: int, match: int)\nlive(h, m) :- "


def projections(rules: str) -> list[str]:
    """The projections that positive atoms of rules read."""
    lowered = lower(nlog.parse(TABLES + rules))
    atoms = [atom for rule in lowered.rules for atom in rule.atoms if not atom.negated]
    return [atom.table for atom in atoms if atom.table.startswith("$") and "(" in atom.table]


def fill(engine: nlog.Engine, hosts: range) -> None:
    with engine.transaction() as tx:
        tx.insert_many("needs", [(host, n) for host in hosts for n in range(WIDE)])
        tx.insert_many("flow", [(host, n) for host in hosts for n in range(WIDE)])


@pytest.fixture
def engine() -> nlog.Engine:
    engine = nlog.Engine(nlog.parse(TABLES + ASKS, "base"))
    fill(engine, range(4))
    return engine


def test_a_bulk_load_derives_the_sum_and_not_the_product(engine: nlog.Engine):
    rows = 4 * WIDE
    assert set(engine["out"]) == {(h, m) for h in range(4) for m in range(WIDE)}
    assert engine.work.derived == rows + rows
    assert engine.work.rows_read <= 3 * rows


def test_a_change_of_a_row_that_is_not_the_first_derives_nothing_more(engine: nlog.Engine):
    with engine.transaction() as tx:
        tx.insert("needs", (1, WIDE))
    assert (engine.work.derived, engine.work.rows_read, engine.work.probes) == (1, 1, 0)
    with engine.transaction() as tx:
        tx.delete("needs", (1, 0))
    assert (engine.work.retracted, engine.work.rows_read, engine.work.probes) == (1, 1, 0)
    assert not tx.changes["out"]


def test_the_last_row_of_a_key_takes_the_sum_with_it(engine: nlog.Engine):
    with engine.transaction() as tx:
        tx.delete_many("needs", [(1, n) for n in range(WIDE)])
    assert tx.changes["out"].deleted == {(1, m) for m in range(WIDE)}
    assert engine.work.retracted == WIDE + WIDE
    assert engine.work.rows_read <= 3 * WIDE


def test_a_recursion_fires_once_for_each_row_that_it_asks_for():
    text = """
    input table edge(a: int, b: int)
    input table start(a: int)
    input table open(a: int, why: int)
    output table reach(a: int)
    reach(a) :- start(a).
    reach(b) :- reach(a), edge(a, b), open(b, _).
    """
    engine = nlog.Engine(nlog.parse(text))
    with engine.transaction() as tx:
        tx.insert_many("open", [(a, why) for a in range(4) for why in range(WIDE)])
        tx.insert_many("edge", [(a, a + 1) for a in range(3)])
        tx.insert("start", (0,))
    assert len(engine["reach"]) == 4
    assert engine.work.derived == 4 * WIDE + 1 + 3
    with engine.transaction() as tx:
        tx.delete_many("open", [(2, why) for why in range(1, WIDE)])
    assert not tx.changes["reach"]
    assert engine.work.retracted == WIDE - 1


@pytest.mark.parametrize(
    ("rules", "tables"),
    [
        ("out(h, m) :- needs(h, _), flow(h, m).", ["$needs(0)"]),
        ("out(h, m) :- needs(host: h), flow(h, m).", ["$needs(0)"]),
        ("out(h, m) :- needs(h, once), flow(h, m).", ["$needs(0)"]),
        ("out(h, m) :- needs(h, _), flow(h, m), not needs(m, _).", ["$needs(0)"]),
        ("out(h, m) :- flow(h, m), needs(_, _).", ["$needs()"]),
        ("out(h, h) :- flow(h, _), needs(h, _).", ["$flow(0)", "$needs(0)"]),
        ("out(h, max(m)) :- needs(h, n), flow(h, m).", ["$needs(0)"]),
        ("out(h, 1) :- mark(h), flow(_, 7).", ["$flow(1)"]),
    ],
)
def test_where_there_is_a_projection(rules: str, tables: list[str]):
    assert projections(rules) == tables


@pytest.mark.parametrize(
    "rules",
    [
        "out(h, h) :- needs(h, _).",
        "out(h, h) :- needs(h, _), not flow(h, 1).",
        "out(h, m) :- needs(h, n), flow(n, m), h != m.",
        "out(h, m) :- needs(h, n), flow(h, m), n > 3.",
        "out(h, m) :- needs(m, h), flow(h, _), mark(_).\nout(h, m) :- needs(h, h), flow(h, m).",
        "out(h, m) :- flow(h, m), named(h, _).",
        "out(h, s) :- needs(p, h), lport(p, s, _).",
        "out(h, count()) :- needs(h, n), flow(h, m).",
        "out(a, b) :- mark(a), mark(b), flow(a, _), needs(_, b).",
    ],
)
def test_where_there_is_none_but_for_what_is_asked(rules: str):
    """The only atom; a column that is read or counted; an access path; a key in what is read."""
    assert not set(projections(rules)) - {"$mark()", "$flow(0)", "$needs(1)"}


def test_an_access_path_is_not_narrowed():
    assert not projections("out(a, b) :- named(a, x), named(b, y), flow(a, c), c == x + y.")
    text = TABLES + "input table link(a: int, b: int, why: int)\n"
    lowered = lower(nlog.parse(text + "out(a, b) :- link(a, b, _), mark(a), mark(b)."))
    assert {atom.table for rule in lowered.rules for atom in rule.atoms} == {"link", "mark"}


KEYED = """
input table vif(port: int key, host: int, ofport: int)
input table port(port: int key, switch: int)
table located(host: int, switch: int, port: int)
located(h, s, p) :- vif(p, h, _), port(p, s).
table numbered(port: int, number: int)
numbered(p, n) :- located(h, s, p), n = h * 10.
table total(switch: int, ports: int, first: int)
total(s, count(), min(p)) :- located(_, s, p).
open output table policy(port: int, host: int)
policy(p, h) :- vif(p, h, _).
table two(port: int, n: int)
two(p, 1) :- port(p, _).
two(p, 2) :- port(p, _).
input table edge(a: int, b: int, cost: int)
table path(b: int, cost: int)
path(b, min(c)) :- edge(0, b, c).
path(b, min(c + d)) :- path(a, c), edge(a, b, d), d > 0.
table circle(port: int, n: int)
circle(p, n) :- circle(p, n), port(p, _).
"""


@pytest.mark.parametrize(
    ("table", "columns", "answer"),
    [
        ("vif", [0], True),
        ("vif", [1, 2], False),
        ("located", [2], True),
        ("located", [0, 1], False),
        ("numbered", [0], True),
        ("numbered", [1], False),
        ("total", [0], True),
        ("total", [1, 2], False),
        ("policy", [0], False),
        ("two", [0], False),
        ("two", [0, 1], True),
        ("path", [0], True),
        ("path", [1], False),
        ("circle", [0], False),
    ],
)
def test_which_columns_are_known_to_be_keys(table: str, columns: list[int], answer: bool):
    assert Keys(nlog.parse(KEYED)).tell_apart(table, columns) == answer


def test_what_is_called_a_key_tells_rows_apart_in_random_programs():
    claims: Counter[bool] = Counter()
    for seed in range(120):
        order = random.Random(f"keys {seed}")
        shape = random_program(order)
        program = nlog.parse(shape.text, functions=FUNCTIONS)
        keys, engine = Keys(program), nlog.Engine(program)
        with engine.transaction() as tx:
            for table in shape.inputs:
                tx.insert_many(table.name, [random_row(order, table) for _ in range(12)])
        for name, rows in trial.contents(engine).items():
            width = len(program.tables[name].columns)
            for columns in itertools.chain.from_iterable(
                itertools.combinations(range(width), size) for size in range(width)
            ):
                if keys.tell_apart(name, columns):
                    chosen = {tuple(row[place] for place in columns) for row in rows}
                    assert len(chosen) == len(rows), f"seed {seed}: {name} {columns}"
                    claims[len(rows) > 1] += 1
    assert claims[True] > 60


def test_an_explanation_has_a_row_in_place_of_the_wildcard(engine: nlog.Engine):
    tree = engine.explain("out", (2, 3))
    assert [(premise.table, premise.row[0]) for premise in tree.premises] == [
        ("needs", 2),
        ("flow", 2),
    ]
    assert all(premise.rule is None for premise in tree.premises)
    assert str(tree).startswith("out(2, 3)  [base:8]\n  needs(2, ")


def test_an_explanation_says_what_was_missing_beside_a_wildcard():
    engine = nlog.Engine(
        nlog.parse(TABLES + "out(h, m) :- needs(h, _), flow(h, m), not named(m, h).")
    )
    with engine.transaction() as tx:
        tx.insert("needs", (1, 5), (1, 6))
        tx.insert("flow", (1, 9))
    assert engine.explain("out", (1, 9)).absent == ("named(9, 1)",)


def test_a_rule_that_comes_may_read_what_others_dropped(engine: nlog.Engine):
    added = engine.add_rules(f"{LIVE}needs(h, m), flow(h, m).", "live")
    assert len(added.changes["live"].inserted) == 4 * WIDE
    assert engine.explain("live", (1, 2)).premises[0].row == (1, 2)
    engine.remove_rules("live")
    with engine.transaction() as tx:
        tx.delete_many("needs", [(1, n) for n in range(WIDE)])
    assert len(tx.changes["out"].deleted) == WIDE


def test_a_rule_that_comes_shares_the_projection_and_leaves_it_to_the_others(engine: nlog.Engine):
    engine.add_rules(f"{LIVE}flow(h, m), needs(h, _).", "live")
    assert engine.work.derived == 4 * WIDE
    engine.remove_rules("live")
    assert engine.work.retracted == 4 * WIDE
    with engine.transaction() as tx:
        tx.insert("needs", (1, WIDE))
    assert engine.work.derived == 1
