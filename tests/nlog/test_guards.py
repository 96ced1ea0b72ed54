"""Keys, constraints and limits: what a commit is refused for, and that it then leaves no trace."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import nlog
from nlog.engine import reference

TEXT = """
input table port(name: int key, switch: int, tag: int)
input table pair(a: int key, x: int, b: int key)
input table member(a: int key, b: int key)
output table busy(switch: int, tag: int)
busy(s, t) :- port(_, s, t).
busy(a, b) :- pair(a: a, b: b), not member(a, b).
constraint table two_tags(switch: int)
two_tags(s) :- busy(s, t), busy(s, u), t < u - 1.
export constraint table far(a: int, b: int)
far(a, b) :- pair(a, 2, b), member(b, a).
"""
PROGRAM = nlog.parse(TEXT, "guards.nlog")
KEYS = {"port": (0,), "pair": (0, 2), "member": (0, 1)}
WIDTHS = {"port": 3, "pair": 3, "member": 2}
VALUES = st.integers(0, 2)


@st.composite
def operations(draw: st.DrawFn):
    table = draw(st.sampled_from(sorted(KEYS)))
    verb = draw(st.sampled_from(["insert", "delete", "put", "put", "remove"]))
    width = len(KEYS[table]) if verb == "remove" else WIDTHS[table]
    return verb, table, draw(st.tuples(*[VALUES] * width))


def contents(engine: nlog.Engine) -> dict:
    return {name: frozenset(engine[name]) for name in engine.program.tables}


def apply(inputs: dict, verb: str, table: str, row: tuple) -> None:
    """What an operation does to the rows of an input table, said plainly."""
    key = KEYS[table]
    wanted = row if verb == "remove" else tuple(row[place] for place in key)
    if verb in {"put", "remove"}:
        inputs[table] = {
            other for other in inputs[table] if tuple(other[place] for place in key) != wanted
        }
    if verb in {"put", "insert"}:
        inputs[table] = inputs[table] | {row}
    if verb == "delete":
        inputs[table] = inputs[table] - {row}


@given(st.lists(st.lists(operations(), max_size=6), max_size=8))
def test_what_is_refused_and_what_is_there_is_as_in_the_reference(transactions):
    engine = nlog.Engine(PROGRAM)
    inputs: dict = {name: set() for name in KEYS}
    for transaction in transactions:
        wanted = dict(inputs)
        before = contents(engine)
        try:
            with engine.transaction() as tx:
                for verb, table, row in transaction:
                    if verb == "remove" and len(row) == 1:
                        tx.remove(table, row[0])
                    else:
                        getattr(tx, verb)(table, row)
                    apply(wanted, verb, table, row)
        except nlog.TransactionError as error:
            expected = reference.evaluate(PROGRAM, wanted)
            assert reference.is_refused(PROGRAM, expected)
            if isinstance(error, nlog.ConstraintError):
                names = ("two_tags", "far")
                assert error.rows == {name: expected[name] for name in names if expected[name]}
            assert contents(engine) == before
        else:
            inputs = wanted
            expected = reference.evaluate(PROGRAM, inputs)
            assert not reference.is_refused(PROGRAM, expected)
            assert contents(engine) == expected
    assert contents(engine.recompute()) == contents(engine)


def refused(engine: nlog.Engine, *rows: tuple, table: str = "port") -> str:
    before = contents(engine)
    with pytest.raises(nlog.TransactionError) as caught, engine.transaction() as tx:
        tx.insert(table, *rows)
    assert contents(engine) == before
    return str(caught.value)


def filled(*rows: tuple) -> nlog.Engine:
    engine = nlog.Engine(PROGRAM)
    with engine.transaction() as tx:
        tx.insert("port", *rows)
    return engine


def test_a_conflict_names_both_rows_the_older_first():
    text = refused(filled((1, 0, 0)), (1, 0, 1), (2, 0, 0), (2, 0, 1))
    assert text.splitlines() == [
        "rows have one key; the transaction is rolled back",
        "  port(1, 0, 0) and port(1, 0, 1)",
        "  port(2, 0, 0) and port(2, 0, 1)",
        "the key of `port` is `name`: `put` takes the place of the row with it",
    ]


def test_conflicts_are_shown_up_to_a_limit():
    lines = refused(filled(), *((n, 0, tag) for n in range(20) for tag in (0, 1))).splitlines()
    assert len(lines) == 13
    assert lines[-2] == "  and more"


def test_a_key_is_looked_at_when_the_transaction_ends():
    engine = filled((1, 0, 0))
    with engine.transaction() as tx:
        tx.insert("port", (1, 0, 1))
        tx.delete("port", (1, 0, 0))
    assert set(engine["port"]) == {(1, 0, 1)}


def test_a_conflict_is_found_before_a_rule_can_fail():
    engine = nlog.Engine(
        nlog.parse(
            "input table t(n: int key, m: int)\noutput table u(n: int)\n"
            "u(1 / (2 - b)) :- t(1, a), t(1, b), a < b.\n"
        )
    )
    assert "rows have one key" in refused(engine, (1, 1), (1, 2), table="t")


def test_keys_are_checked_for_what_changes_alone():
    engine = filled(*((n, 0, 0) for n in range(1000)))
    with engine.transaction() as tx:
        tx.put("port", (5, 1, 0), (2000, 1, 0))
    assert engine.work.probes < 10
    assert engine.work.rows_read < 20


def test_put_and_remove_need_a_key():
    engine = nlog.Engine(nlog.parse("input table t(n: int)\n"))
    for verb in ("put", "remove"):
        with pytest.raises(nlog.TransactionError, match="has no key"), engine.transaction() as tx:
            getattr(tx, verb)("t", (1,))


@pytest.mark.parametrize(
    ("table", "key", "text"),
    [
        ("port", "x", "key 'x' does not fit `port(name: int key, switch: int, tag: int)`: column "),
        ("pair", (1, "x"), "column `b`: 'x' is not an int"),
        ("pair", 1, "a key of table `pair` is a sequence of 2 values; this is 1"),
        ("pair", (1, 2, 3), "this one has 3"),
    ],
)
def test_a_key_that_does_not_fit_is_named(table: str, key: object, text: str):
    engine = nlog.Engine(PROGRAM)
    with pytest.raises(nlog.TransactionError) as caught, engine.transaction() as tx:
        tx.remove(table, key)
    assert text in str(caught.value)


def test_a_constraint_shows_its_rows_and_its_rules():
    engine = nlog.Engine(
        nlog.parse(
            "input table t(n: int)\nconstraint table big(n: int)\nbig(n) :- t(n), n > 9.\n",
            "big.nlog",
        )
    )
    text = refused(engine, *((n,) for n in range(30)), table="t")
    lines = text.splitlines()
    assert lines[0] == "a constraint does not hold: `big`; the transaction is rolled back"
    assert lines[1] == "  big(10)"
    assert lines[-2:] == ["  and 10 more", "`big` must be empty; its rules are at big.nlog:3"]


def test_a_constraint_can_refuse_an_engine():
    program = nlog.parse(
        "constraint table never()\nnever() :- not some(_).\ninput table some(n: int)"
    )
    with pytest.raises(nlog.ConstraintError, match="with all inputs empty") as caught:
        nlog.Engine(program)
    assert caught.value.rows == {"never": {()}}


COUNT = """
input table start(n: int)
output table count(n: int)
count(n) :- start(n).
count(n + 1) :- count(n), n % 10000 != 9999.
"""


def test_rows_are_limited_exactly():
    engine = nlog.Engine(nlog.parse(COUNT), limits=nlog.Limits(rows=12))
    assert "more than 12 rows" in refused(engine, (9989,), table="start")
    with engine.transaction() as tx:
        tx.insert("start", (9990,))
    assert len(engine["count"]) == 10
    with engine.transaction() as tx:
        tx.delete("start", (9990,))
        tx.insert("start", (19990,))
    text = refused(engine, (1,), table="start")
    assert "added most to `count`" in text
    assert engine.recompute().limits == engine.limits


@pytest.mark.parametrize("limits", [nlog.Limits(rows=1000), nlog.Limits(seconds=0.05)])
def test_a_recursion_without_end_ends_at_a_limit(limits: nlog.Limits):
    endless = COUNT.replace(", n % 10000 != 9999", "")
    engine = nlog.Engine(nlog.parse(endless), limits=limits)
    assert "the limit; it had added most to `count`" in refused(engine, (0,), table="start")
    with pytest.raises(nlog.TransactionError, match="with all inputs empty"):
        nlog.Engine(nlog.parse(endless + "count(0).\n"), limits=limits)


@pytest.mark.parametrize("value", [-1, "x", True, float("nan")])
@pytest.mark.parametrize("name", ["rows", "seconds"])
def test_a_limit_is_a_number(name: str, value: object):
    with pytest.raises(ValueError, match="a limit is a number"):
        nlog.Limits(**{name: value})
