"""Explanations: derivations that a person can read, and that exist and are found for every row.

That each step of a derivation follows by its rule is seen for random programs in
tests/engine/test_random.py; here are the shapes that a search could drown in.
"""

import itertools

import pytest

import nlog
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
        "      edge(1, 2)  [input]",
        "  reach(2, 3)  [reach.nlog:7]",
        "    open(2, 3)  [reach.nlog:6]",
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
    assert str(engine.explain("up", (1,))) == "up(1)  [up.nlog:5]\n  known(1)  [up.nlog:4]"
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
    length = 1500
    engine = engine_of(
        LEFT.replace("reach(a, b) :- edge(a, b)", "reach(a, b) :- edge(a, b), a == 0"),
        [(n, n + 1) for n in range(length)],
    )
    tree = engine.explain("reach", (0, length))
    assert len(list(tree.inputs())) == length
    assert len(str(tree).splitlines()) == 2 * length
