"""Programs over a small graph, for the tests of the core: each has one way of going wrong at heart.

`EDGE` and `NODE` are inputs, `REACH` and `OTHER` outputs; `UNIT` is the table of the empty row.
"""

from typing import Any

from nlog.types import INT
from tests.engine.core_plans import Atom, Condition, Layer, Let, Rule, Schema, Value

EDGE, NODE, REACH, OTHER, UNIT = range(5)
GRAPH = Schema(
    columns=((INT, INT), (INT,), (INT, INT), (INT, INT), ()),
    inputs=(EDGE, NODE),
    outputs=(REACH, OTHER),
    unit=UNIT,
)


def int_value(value: int) -> Value:
    return Value(INT, value)


def atom(table: int, *terms: Any, negated: bool = False) -> Atom:
    return Atom(table, terms, negated)


CLOSURE = Layer(
    (REACH,),
    (
        Rule(REACH, ("a", "b"), (atom(EDGE, "a", "b"),)),
        Rule(REACH, ("a", "c"), (atom(REACH, "a", "b"), atom(EDGE, "b", "c"))),
    ),
    recursive=True,
)

JOIN = [Layer((REACH,), (Rule(REACH, ("a", "c"), (atom(EDGE, "a", "b"), atom(EDGE, "b", "c"))),))]
TRIANGLE = [
    Layer(
        (REACH,),
        (
            Rule(
                REACH,
                ("a", "b"),
                (atom(EDGE, "a", "b"), atom(EDGE, "b", "c"), atom(EDGE, "c", "a")),
            ),
        ),
    )
]
TWO_RULES = [
    Layer(
        (REACH,),
        (
            Rule(REACH, ("a", "b"), (atom(EDGE, "a", "b"),)),
            Rule(REACH, ("b", "a"), (atom(EDGE, "a", "b"),)),
            Rule(REACH, ("a", "a"), (atom(NODE, "a"), atom(EDGE, int_value(0), "b"))),
        ),
    )
]
NEGATION = [
    Layer(
        (REACH,),
        (
            Rule(
                REACH,
                ("a", "b"),
                (atom(NODE, "a"), atom(NODE, "b"), atom(EDGE, "a", "b", negated=True)),
            ),
        ),
    ),
    Layer(
        (OTHER,),
        (
            Rule(
                OTHER,
                ("a", "a"),
                (
                    atom(NODE, "a"),
                    atom(REACH, "a", "a", negated=True),
                    atom(EDGE, "a", int_value(0), negated=True),
                ),
            ),
        ),
    ),
]
LOOPS = [Layer((REACH,), (Rule(REACH, ("a", "a"), (atom(EDGE, "a", "a"), atom(NODE, "a"))),))]
LEFT_RECURSION = [CLOSURE]
SQUARE_RECURSION = [
    Layer(
        (REACH,),
        (
            Rule(REACH, ("a", "b"), (atom(EDGE, "a", "b"),)),
            Rule(REACH, ("a", "c"), (atom(REACH, "a", "b"), atom(REACH, "b", "c"))),
        ),
        recursive=True,
    ),
    Layer(
        (OTHER,),
        (
            Rule(
                OTHER,
                ("a", "b"),
                (atom(NODE, "a"), atom(NODE, "b"), atom(REACH, "a", "b", negated=True)),
            ),
        ),
    ),
]
GUARDED_RECURSION = [
    Layer(
        (REACH,),
        (
            Rule(REACH, ("a", "b"), (atom(EDGE, "a", "b"), atom(NODE, "a", negated=True))),
            Rule(
                REACH,
                ("a", "c"),
                (atom(REACH, "a", "b"), atom(EDGE, "b", "c"), atom(NODE, "b", negated=True)),
            ),
        ),
        recursive=True,
    )
]
MUTUAL_RECURSION = [
    Layer(
        (REACH, OTHER),
        (
            Rule(REACH, ("a", "b"), (atom(EDGE, "a", "b"),)),
            Rule(OTHER, ("a", "c"), (atom(REACH, "a", "b"), atom(EDGE, "b", "c"))),
            Rule(REACH, ("a", "c"), (atom(OTHER, "a", "b"), atom(EDGE, "b", "c"))),
            Rule(OTHER, ("b", "a"), (atom(OTHER, "a", "b"), atom(REACH, "b", "b"))),
        ),
        recursive=True,
    )
]
COMPUTED_RECURSION = [
    Layer(
        (REACH,),
        (
            Rule(REACH, ("a", int_value(0)), (atom(NODE, "a"),)),
            Rule(
                REACH,
                ("b", "m"),
                (
                    atom(REACH, "a", "n"),
                    atom(EDGE, "a", "b"),
                    Condition("int.lt", ("n", int_value(4))),
                    Let("m", "int.add", ("n", int_value(1))),
                ),
            ),
        ),
        recursive=True,
    )
]
# The rule that gives a row back comes after the one by which others rest on it.
BASES_LAST = [
    Layer(
        (REACH,),
        (
            Rule(REACH, ("a", "c"), (atom(REACH, "a", "b"), atom(EDGE, "b", "c"))),
            Rule(REACH, ("a", "a"), (atom(NODE, "a"),)),
            Rule(REACH, ("a", "a"), (atom(EDGE, "a", "a"),)),
        ),
        recursive=True,
    )
]

PROGRAMS = {
    "join": JOIN,
    "triangle": TRIANGLE,
    "two rules": TWO_RULES,
    "negation": NEGATION,
    "loops": LOOPS,
    "left recursion": LEFT_RECURSION,
    "square recursion": SQUARE_RECURSION,
    "guarded recursion": GUARDED_RECURSION,
    "mutual recursion": MUTUAL_RECURSION,
    "bases last": BASES_LAST,
    "computed recursion": COMPUTED_RECURSION,
}
