"""Explanations: derivations that a person can read, and that exist and are found for every row.

That each step of a derivation follows by its rule is seen for random programs in
tests/engine/test_random.py; here are the shapes that a search could drown in.
"""

import itertools
import random
import signal
from collections.abc import Iterator

import pytest
from attrs import evolve

import nlog
from nlog import explain as explanations
from nlog.engine import reference
from tests.engine.programs import FUNCTIONS, random_program, random_row
from tests.engine.trial import check_derivation, contents

REACH = """
input table edge(a: int, b: int)
input table blocked(n: int)
table open(a: int, b: int)
output table reach(a: int, b: int)
open(a, b) :- edge(a, b), not blocked(b).
reach(a, b) :- open(a, b).
reach(a, c) :- reach(a, b), reach(b, c).
"""
LEFT = """
input table edge(a: int, b: int)
output table reach(a: int, b: int)
reach(a, c) :- reach(a, b), edge(b, c).
reach(a, b) :- edge(a, b).
"""


def engine_of(text: str, edges) -> nlog.Engine:
    engine = nlog.Engine(nlog.parse(text, "reach.nlog"))
    with engine.transaction() as tx:
        tx.insert_many("edge", edges)
    return engine


def explained(engine: nlog.Engine, table: str, row: tuple) -> nlog.Derivation:
    tree = engine.explain(table, row)
    check_derivation(engine.program, contents(engine), tree)
    return tree


def test_a_derivation_reads_from_the_row_to_the_inputs():
    engine = engine_of(REACH, [(1, 2), (2, 3)])
    assert str(engine.explain("reach", (1, 3))).splitlines() == [
        "reach(1, 3)  [reach.nlog:8]",
        "  reach(1, 2)  [reach.nlog:7]",
        "    open(1, 2)  [reach.nlog:6]",
        "      no blocked(2)",
        "      edge(1, 2)  [input]",
        "  reach(2, 3)  [reach.nlog:7]",
        "    open(2, 3)  [reach.nlog:6]",
        "      no blocked(3)",
        "      edge(2, 3)  [input]",
    ]


def test_an_input_row_explains_itself():
    tree = engine_of(REACH, [(1, 2)]).explain("edge", (1, 2))
    assert (tree.table, tree.row, tree.rule, tree.premises) == ("edge", (1, 2), None, ())
    assert [leaf.row for leaf in tree.inputs()] == [(1, 2)]


def test_what_is_not_there_has_no_explanation():
    engine = engine_of(REACH, [(1, 2)])
    with pytest.raises(LookupError, match=r"reach\(2, 1\) is not there"):
        engine.explain("reach", (2, 1))
    with pytest.raises(TypeError, match=r"does not fit `reach\(a: int, b: int\)`: .* 2 values"):
        engine.explain("reach", ("x",))
    with pytest.raises(TypeError, match=r"`reach\(.*\)`: column `b`: 'x' is not an int"):
        engine.explain("reach", (1, "x"))
    with pytest.raises(KeyError, match=r"no table `raech`.*did you mean `reach`"):
        engine.explain("raech", (1, 2))


def test_rows_are_shown_as_in_a_rule_and_as_the_table_holds_them():
    engine = nlog.Engine(
        nlog.parse(
            "record field(name: str, bits: [int])\n"
            "input table seen(at: mac, text: str, what: field, up: bool)\n"
            "output table known(text: str)\nknown(t) :- seen(text: t).\n",
            "seen.nlog",
        )
    )
    given = (0x0A0000000001, 'a "b"', {"bits": [1, -2], "name": "x"}, True)
    shown = 'seen(0a:00:00:00:00:01, "a \\"b\\"", field("x", [1, -2]), true)  [input]'
    with engine.transaction() as tx:
        tx.insert("seen", given)
    assert str(engine.explain("seen", given)) == shown
    tree = engine.explain("known", ('a "b"',))
    assert str(tree).splitlines()[1] == f"  {shown}"
    assert repr(tree) == '<Derivation of known("a \\"b\\""): 2 rows>'
    with pytest.raises(LookupError, match=r'^known\("a"\) is not there$'):
        engine.explain("known", ("a",))


def test_an_explanation_follows_the_rows_through_later_transactions():
    engine = engine_of(REACH, [(1, 2), (2, 3), (1, 3)])
    assert len(list(engine.explain("reach", (1, 3)).inputs())) == 1
    with engine.transaction() as tx:
        tx.delete("edge", (1, 3))
    assert len(list(explained(engine, "reach", (1, 3)).inputs())) == 2
    with engine.transaction() as tx:
        tx.insert("blocked", (2,))
    with pytest.raises(LookupError):
        engine.explain("reach", (1, 3))


def test_facts_and_absences_are_leaves():
    engine = nlog.Engine(
        nlog.parse(
            "input table down()\ntable known(n: int)\noutput table up(n: int)\n"
            "known(1).\nup(n) :- known(n), not down().\n",
            "up.nlog",
        )
    )
    assert str(engine.explain("up", (1,))).splitlines() == [
        "up(1)  [up.nlog:5]",
        "  no down()",
        "  known(1)  [up.nlog:4]",
    ]
    assert not list(engine.explain("up", (1,)).inputs())


@pytest.mark.parametrize("text", [REACH, LEFT])
def test_where_everything_reaches_everything(text: str):
    """Every row has thousands of derivations, most of which lead around in circles."""
    engine = engine_of(text, itertools.permutations(range(12), 2))
    with engine.transaction() as tx:
        tx.delete_many("edge", [(0, n) for n in range(2, 12)])
    for end in (0, 7, 11):
        tree = explained(engine, "reach", (0, end))
        assert next(leaf.row for leaf in tree.inputs()) == (0, 1)


def test_a_row_with_more_derivations_than_are_read_at_first():
    """One source, one sink, and a hundred ways between, of which the least leads to the source."""
    middle = range(2, 100)
    circles = [(n, 1) for n in middle] + [(1, n) for n in middle]
    engine = engine_of(LEFT, [*circles, (0, 99)])
    assert len(explained(engine, "reach", (0, 1)).premises) == 2


def test_a_derivation_may_be_deep():
    length = 10_000
    engine = engine_of(
        LEFT.replace("reach(a, b) :- edge(a, b)", "reach(a, b) :- edge(a, b), a == 0"),
        [(n, n + 1) for n in range(length)],
    )
    tree = engine.explain("reach", (0, length))
    assert tree.is_smallest
    assert tree.size == length
    assert len(list(tree.inputs())) == length
    assert len(str(tree).splitlines()) == 2 * length
    assert repr(tree) == f"<Derivation of reach(0, {length}): {2 * length} rows>"
    assert tree == engine.explain("reach", (0, length))
    assert tree != tree.premises[0]


def smallest_sizes(engine: nlog.Engine) -> dict[tuple[str, tuple], int]:
    """The size of a smallest derivation of every row, by trying everything until nothing improves.

    It shares the naive evaluator's joins with nothing that the engine runs.
    """
    program, tables = engine.program, contents(engine)
    sizes = {(name, row): 0 for name in tables for row in tables[name] if is_input(program, name)}
    bodies = [body for rule in program.rules for body in all_bodies(rule, tables)]
    before = None
    while before != (before := dict(sizes)):
        for head, premises in bodies:
            if all(premise in sizes for premise in premises):
                size = 1 + sum(sizes[premise] for premise in premises)
                sizes[head] = min(size, sizes.get(head, size))
    return sizes


def is_input(program, name: str) -> bool:
    return program.tables[name].kind == "input"


def all_bodies(rule, tables) -> Iterator[tuple[tuple[str, tuple], list[tuple[str, tuple]]]]:
    """Every row that a rule derives, with the rows of its positive atoms, each way."""
    positive = [atom for atom in rule.atoms if not atom.negated]
    rest = [literal for literal in rule.body if literal not in positive]
    own = [evolve(atom, table=f"+{i}") for i, atom in enumerate(positive)]
    alone = evolve(rule, body=(*own, *rest))
    only = dict(tables)
    for rows in itertools.product(*(sorted(tables[a.table], key=repr) for a in positive)):
        premises = [(atom.table, row) for atom, row in zip(positive, rows, strict=True)]
        only |= {f"+{i}": {row} for i, row in enumerate(rows)}
        for row in reference._derive(alone, only):
            if row in tables[rule.head]:
                yield (rule.head, row), premises


def test_derivations_are_smallest():
    tried = deep = 0
    for seed in range(100):
        order = random.Random(seed)
        written = random_program(order, plain=seed % 2 == 0)
        program = nlog.parse(written.text, functions=FUNCTIONS)
        if not all(map(can_be_tried, program.rules)):
            continue
        engine = nlog.Engine(program)
        with engine.transaction() as tx:
            for table in written.inputs:
                tx.insert_many(table.name, [random_row(order, table) for _ in range(4)])
        if sum(map(len, contents(engine).values())) > 60:
            continue
        sizes = smallest_sizes(engine)
        for (name, row), size in sizes.items():
            tree = engine.explain(name, row)
            assert tree.is_smallest
            assert tree.size == size, f"seed {seed}: {tree}"
            tried += 1
            deep += size > 3
    assert tried > 400
    assert deep > 5


SHORTEST = """
input table link(a: int, b: int, cost: int)
output table path(b: int, cost: int)
path(0, min(0)).
path(b, min(c + d)) :- path(a, c), link(a, b, d).
"""


def test_of_equally_good_ways_the_one_of_the_fewest_steps_is_shown():
    order = random.Random(5)
    sizes_seen = set()
    for _ in range(30):
        engine = nlog.Engine(nlog.parse(SHORTEST))
        with engine.transaction() as tx:
            tx.insert_many("link", [[order.randrange(1, 5) for _ in "abc"] for _ in range(8)])
            tx.insert_many(
                "link", [(0, order.randrange(1, 5), order.randrange(1, 6)) for _ in "ab"]
            )
        for (name, row), size in smallest_sizes(engine).items():
            assert engine.explain(name, row).size == size
            sizes_seen.add(size)
    assert max(sizes_seen) > 3


def can_be_tried(rule) -> bool:
    """Whether each body derives one row by itself, and there are not too many."""
    least = [aggregate.function in {"min", "max"} for aggregate in rule.aggregates]
    return least in ([], [True]) and len(rule.atoms) <= 3


def test_the_smallest_is_found_behind_the_bodies_read_first(monkeypatch):
    monkeypatch.setattr(explanations, "BODIES_FIRST", 2)
    order = random.Random(3)
    for _ in range(20):
        engine = engine_of(REACH, [(order.randrange(6), order.randrange(6)) for _ in range(9)])
        sizes = smallest_sizes(engine)
        for name, row in sizes:
            tree = explained(engine, name, row)
            assert tree.is_smallest
            assert tree.size == sizes[name, row]


def test_a_search_that_is_given_up_says_so(monkeypatch):
    engine = engine_of(REACH, [(n, n + 1) for n in range(30)])
    assert engine.explain("reach", (0, 30)).is_smallest
    monkeypatch.setattr(explanations, "BODIES_MAX", 100)
    tree = explained(engine, "reach", (0, 30))
    assert not tree.is_smallest
    assert tree.size >= 59
    assert explained(engine, "reach", (0, 1)).is_smallest


def test_a_part_that_comes_again_is_drawn_once():
    engine = nlog.Engine(
        nlog.parse(
            "input table a(n: int)\ntable b(n: int)\noutput table c(n: int)\n"
            "b(n) :- a(n).\nc(n + m) :- b(n), b(m).\n",
            "twice.nlog",
        )
    )
    with engine.transaction() as tx:
        tx.insert("a", (1,))
    tree = engine.explain("c", (2,))
    assert tree.size == 3
    assert str(tree).splitlines() == [
        "c(2)  [twice.nlog:5]",
        "  b(1)  [twice.nlog:4]",
        "    a(1)  [input]",
        "  b(1)  [twice.nlog:4, as above]",
    ]


def test_what_is_absent_is_shown_with_the_values_that_are_known():
    engine = nlog.Engine(
        nlog.parse(
            "input table a(n: int, m: int)\ninput table gone(n: int, what: str, m: int)\n"
            "output table left(n: int)\n"
            'left(n) :- a(n, m), not gone(n, "x\\n", _), k = 3, not gone(m, _, k).\n',
            "left.nlog",
        )
    )
    with engine.transaction() as tx:
        tx.insert("a", (1, 2))
        tx.insert("gone", (1, "x", 1))
    assert engine.explain("left", (1,)).absent == ('gone(1, "x\\n", _)', "gone(2, _, 3)")


def test_of_rows_with_the_least_value_the_one_nearest_to_the_inputs_is_shown():
    engine = nlog.Engine(
        nlog.parse(
            "input table far(n: int)\ninput table near(n: int)\ntable a(n: int, via: str)\n"
            "table b(n: int)\noutput table least(n: int)\nb(n) :- far(n).\n"
            'a(n, "b") :- b(n).\na(n, "c") :- near(n).\nleast(min(n)) :- a(n, _).\n'
        )
    )
    with engine.transaction() as tx:
        tx.insert("far", (1,))
    assert engine.explain("least", (1,)).size == 3
    with engine.transaction() as tx:
        tx.insert("near", (1,))
    tree = explained(engine, "least", (1,))
    assert tree.size == 2
    assert [leaf.table for leaf in tree.inputs()] == ["near"]


def test_rules_that_came_while_the_engine_ran_are_explained():
    engine = nlog.Engine(
        nlog.parse(
            "input table edge(a: int, b: int)\noutput table reach(a: int, b: int)\n"
            "reach(a, b) :- edge(a, b).\n",
            "base",
        )
    )
    with engine.transaction() as tx:
        tx.insert("edge", (1, 2), (2, 3))
    assert engine.explain("reach", (1, 2)).size == 1
    engine.add_rules("table mid(a: int)\nmid(b) :- reach(_, b), edge(b, _).\n", "mid")
    engine.add_rules(
        "output table end(a: int)\nend(b) :- reach(_, b), not edge(b, _).\n",
        "end",
    )
    assert str(engine.explain("end", (3,))).splitlines() == [
        "end(3)  [end:2]",
        "  no edge(3, _)",
        "  reach(2, 3)  [base:3]",
        "    edge(2, 3)  [input]",
    ]
    engine.remove_rules("mid")
    assert engine.explain("end", (3,)).size == 2


def test_an_explanation_can_be_interrupted():
    """One rule and row with more ways to be derived than can be read before the signal comes."""
    rule = "input table a(n: int)\noutput table b()\nb() :- a(x), a(y), a(z), x + y + z < 0.\n"
    engine = nlog.Engine(nlog.parse(rule + "input table c()\nb() :- c().\n"))
    with engine.transaction() as tx:
        tx.insert_many("a", [(n,) for n in range(200)])
        tx.insert("c", ())

    def interrupt(_number, _frame) -> None:
        with pytest.raises(RuntimeError, match="can only read"):
            engine._core.rollback()
        assert len(engine["a"]) == 200
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    try:
        with pytest.raises(KeyboardInterrupt):
            while True:
                engine.explain("b", ())
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert engine.explain("b", ()).size == 1
