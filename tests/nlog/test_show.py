"""A row that is shown can be read again: what a table prints, as a fact of a rule file, is it."""

from hypothesis import given
from hypothesis import strategies as st

import nlog
from nlog.show import counted, show_row

DECLARATIONS = """
record point(x: int, names: [str])
output table seen(n: int, text: str, up: bool, at: mac, ip: ip4, net: prefix, p: point, l: [point])
"""
TEXTS = st.text(alphabet='ab"\\ nt\n\té\r', max_size=6)
INTS = st.integers(-3, 3)
POINTS = st.tuples(INTS, st.lists(TEXTS, max_size=2).map(tuple))
ROWS = st.tuples(
    INTS,
    TEXTS,
    st.booleans(),
    st.sampled_from(["0a:00:00:00:00:01", "ff:ff:ff:ff:ff:ff"]),
    st.sampled_from(["0.0.0.0", "10.0.0.1"]),
    st.sampled_from(["0.0.0.0/0", "10.0.0.0/8"]),
    POINTS,
    st.lists(POINTS, max_size=2).map(tuple),
)


@given(ROWS)
def test_what_is_shown_is_read_as_the_same_row(row: tuple):
    declared = nlog.parse(DECLARATIONS).tables["seen"]
    engine = nlog.Engine(nlog.parse(f"{DECLARATIONS}{show_row(declared, row)}."))
    assert set(engine["seen"]) == {row}


def test_things_are_counted_in_english():
    assert [counted(n, "rule") for n in range(3)] == ["0 rules", "1 rule", "2 rules"]
    assert [counted(n, "stratum", "strata") for n in (1, 2)] == ["1 stratum", "2 strata"]
