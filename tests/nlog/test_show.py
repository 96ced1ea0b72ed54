"""A row that is shown can be read again: what a table prints, as a fact of a rule file, is it."""

from hypothesis import given
from hypothesis import strategies as st

import nlog
from nlog.engine import reference
from nlog.show import counted, show_row, show_value

DECLARATIONS = """
record point(x: int, names: [str])
union action = drop | output(port: int) | say(text: str, to: [int?])
output table seen(n: int, text: str, up: bool, at: mac, ip: ip4, net: prefix, p: point, l: [point],
    six: ip6, raw: bytes, tag: str?, do: action)
"""
CASES = nlog.parse(DECLARATIONS).cases
TEXTS = st.text(alphabet='ab"\\ nt\n\té\r{}', max_size=6)
INTS = st.integers(-3, 3)
POINTS = st.tuples(INTS, st.lists(TEXTS, max_size=2).map(tuple))
ROWS = st.tuples(
    INTS,
    TEXTS,
    st.booleans(),
    st.sampled_from(["0a:00:00:00:00:01", "ff:ff:ff:ff:ff:ff"]),
    st.sampled_from(["0.0.0.0", "10.0.0.1"]),
    st.sampled_from(["0.0.0.0/0", "10.0.0.0/8", "::/0", "2001:db8::/32", "::ffff:10.0.0.0/104"]),
    POINTS,
    st.lists(POINTS, max_size=2).map(tuple),
    st.sampled_from(["::", "::1", "2001:db8::1", "1:2:3:4:5:6:7:8", "::ffff:10.0.0.1"]),
    st.binary(max_size=3),
    st.none() | TEXTS,
    st.one_of(
        st.just(CASES["drop"]()),
        st.builds(CASES["output"], INTS),
        st.builds(CASES["say"], TEXTS, st.lists(st.none() | INTS, max_size=2).map(tuple)),
    ),
)


@given(ROWS)
def test_what_is_shown_is_read_as_the_same_row(row: tuple):
    declared = nlog.parse(DECLARATIONS).tables["seen"]
    engine = nlog.Engine(nlog.parse(f"{DECLARATIONS}{show_row(declared, row)}."))
    assert set(engine["seen"]) == {row}


def test_things_are_counted_in_english():
    assert [counted(n, "rule") for n in range(3)] == ["0 rules", "1 rule", "2 rules"]
    assert [counted(n, "stratum", "strata") for n in (1, 2)] == ["1 stratum", "2 strata"]


@given(ROWS)
def test_the_text_of_a_value_is_what_is_shown(row: tuple):
    declarations = DECLARATIONS.replace("output table", "input table")
    program = nlog.parse(
        f"{declarations}output table text(p: str, l: str, tag: str, do: str)\n"
        "text(str(p), str(l), str(tag), str(do)) :- seen(p: p, l: l, tag: tag, do: do)."
    )
    engine = nlog.Engine(program)
    with engine.transaction() as tx:
        tx.insert("seen", row)
    columns = program.tables["seen"].columns
    shown = (show_value(row[place], columns[place].type) for place in (6, 7, 10, 11))
    assert set(engine["text"]) == {tuple(shown)}
    assert reference.evaluate(program, {"seen": [row]})["text"] == set(engine["text"])
