"""Values in and out of the core: every type comes back as it went in.

What does not fit is refused with a text that says why and what would do.
"""

import ipaddress
import re
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlog.engine import _core
from nlog.types import BOOL, INT, IP4, MAC, PREFIX, STR, List, Record, Type, record_class
from tests.engine.core_plans import Schema, plan_of

ADDRESS_FOR_PREFIX = (
    "'10.0.0.1' is not a prefix such as 10.0.0.0/24 or 2001:db8::/32; "
    "write 10.0.0.1/32 for this one address"
)
PORT = Record("Port", (("name", STR), ("vlans", List(INT))))


class Other(NamedTuple):
    """A named tuple that nlog does not know."""

    first: str
    second: list[int]


def new_database(*columns: Type) -> _core.Database:
    return _core.Database(plan_of(Schema((columns,), inputs=(0,), outputs=()), []))


def store(type_: Type, value: Any) -> Any:
    """What comes back of a value."""
    database = new_database(type_)
    database.insert(0, [(value,)])
    database.commit()
    ((stored,),) = database.rows(0, {})
    assert database.contains(0, (value,))
    assert database.contains(0, (stored,))
    assert database.rows(0, {0: value}) == [(stored,)]
    return stored


def refusal(type_: Type, value: Any) -> str:
    """The text with which a value is refused."""
    database = new_database(INT, type_)
    row = (1, value)
    with pytest.raises(_core.RowError) as caught:
        database.insert(0, [row])
    refused_row, column, text = caught.value.args
    assert refused_row is row
    assert column == 1
    for read in (lambda: database.contains(0, row), lambda: database.delete(0, [row])):
        with pytest.raises(_core.RowError) as caught:
            read()
        assert caught.value.args == (row, 1, text)
    with pytest.raises(_core.RowError) as caught:
        database.rows(0, {1: value})
    assert caught.value.args[1:] == (1, text)
    return text


macs = st.integers(0, 2**48 - 1).map(lambda n: ":".join(re.findall("..", f"{n:012x}")))
ip4s = st.integers(0, 2**32 - 1).map(lambda n: str(ipaddress.IPv4Address(n)))
prefixes = st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 32)).map(
    lambda pair: str(ipaddress.IPv4Network(pair, strict=False))
)
SCALARS: list[tuple[Type, st.SearchStrategy[Any]]] = [
    (BOOL, st.booleans()),
    (INT, st.integers(-(2**63), 2**63 - 1)),
    (STR, st.text()),
    (MAC, macs),
    (IP4, ip4s),
    (PREFIX, prefixes),
]


def composed(
    parts: st.SearchStrategy[tuple[Type, Any]],
) -> st.SearchStrategy[tuple[Type, Any]]:
    """Lists and records of the parts; a list holds one value, some number of times."""
    lists = st.tuples(parts, st.integers(0, 3)).map(
        lambda drawn: (List(drawn[0][0]), (drawn[0][1],) * drawn[1])
    )
    records = st.lists(parts, min_size=1, max_size=3).map(make_record)
    return st.one_of(lists, records)


def make_record(fields: list[tuple[Type, Any]]) -> tuple[Type, Any]:
    record = Record("R", tuple((f"f{i}", type_) for i, (type_, _) in enumerate(fields)))
    return record, record_class(record)(*(value for _, value in fields))


scalars = st.one_of(*(st.tuples(st.just(type_), values) for type_, values in SCALARS))


@given(st.lists(st.recursive(scalars, composed, max_leaves=6), min_size=1, max_size=4))
def test_rows_come_back_as_they_went_in(row):
    columns = tuple(type_ for type_, _ in row)
    values = tuple(value for _, value in row)
    database = new_database(*columns)
    database.insert(0, [list(values)])
    assert database.commit() == []
    for stored in (database.rows(0, {})[0], database.rows(0, dict(enumerate(values)))[0]):
        assert stored == values
        assert type(stored) is tuple
        assert [type(value) for value in stored] == [type(value) for value in values]
    assert database.contains(0, values)


@given(st.sampled_from(SCALARS).flatmap(lambda s: st.lists(s[1].map(lambda v: (s[0], v)))))
def test_equal_values_make_equal_rows(drawn):
    values = [value for _, value in drawn]
    database = new_database(drawn[0][0] if drawn else INT)
    database.insert(0, ((value,) for value in values))
    database.commit()
    assert database.size(0) == len(set(values))
    assert {value for (value,) in database.rows(0, {})} == set(values)


@pytest.mark.parametrize(
    ("type_", "value", "stored"),
    [
        (MAC, 0x0A0000000001, "0a:00:00:00:00:01"),
        (MAC, "0A:00:00:00:00:FF", "0a:00:00:00:00:ff"),
        (IP4, 0x0A000001, "10.0.0.1"),
        (IP4, ipaddress.IPv4Address("10.0.0.1"), "10.0.0.1"),
        (PREFIX, ipaddress.IPv4Network("10.0.0.0/8"), "10.0.0.0/8"),
        (List(INT), [1, 2], (1, 2)),
        (PORT, ["p", [1]], ("p", (1,))),
        (PORT, {"vlans": (), "name": "p"}, ("p", ())),
        (PORT, MappingProxyType({"name": "p", "vlans": [3]}), ("p", (3,))),
        (PORT, Other("p", []), ("p", ())),
    ],
)
def test_other_forms_are_taken(type_, value, stored):
    assert store(type_, value) == stored


def test_records_are_named_tuples():
    port = store(PORT, ("p", [1, 2]))
    assert type(port) is record_class(PORT)
    assert (port.name, port.vlans) == ("p", (1, 2))


@pytest.mark.parametrize(
    ("type_", "value", "text"),
    [
        (BOOL, 1, "1 is not a bool, True or False"),
        (INT, True, "True is not an int"),
        (INT, 1.0, "1.0 is not an int"),
        (
            INT,
            2**63,
            f"{2**63} does not fit an int, which is {-(2**63)} to {2**63 - 1}",
        ),
        (STR, 5, "5 is not a str"),
        (STR, None, "None is not a str"),
        (STR, b"a", "b'a' is not a str"),
        (STR, "\ud800", "'\\ud800' has no UTF-8 form: it holds half of a surrogate pair"),
        (MAC, "0a-00", "'0a-00' is not a mac such as 0a:00:00:00:00:01"),
        (MAC, 2**48, f"{2**48} is not a mac, which as an int is 0 to {2**48 - 1}"),
        (MAC, False, "False is not a mac such as 0a:00:00:00:00:01"),
        (IP4, "10.0.0", "'10.0.0' is not an ip4 address such as 10.0.0.1"),
        (IP4, -1, f"-1 is not an ip4, which as an int is 0 to {2**32 - 1}"),
        (IP4, "\ud800", "'\\ud800' has no UTF-8 form: it holds half of a surrogate pair"),
        (PREFIX, "10.0.0.1/24", "'10.0.0.1/24' has bits set beyond its length; write 10.0.0.0/24"),
        (
            PREFIX,
            "10.0.0.1",
            ADDRESS_FOR_PREFIX,
        ),
        (PREFIX, 7, "7 is not a prefix such as 10.0.0.0/24 or 2001:db8::/32"),
        (List(INT), 5, "5 is not a list or tuple, as [int] asks for"),
        (List(INT), "ab", "'ab' is not a list or tuple, as [int] asks for"),
        (List(List(INT)), [[1], [2, "x"]], "element 1: element 1: 'x' is not an int"),
        (PORT, "ab", "'ab' is not a record Port (name, vlans)"),
        (PORT, ("a",), "('a',) is not a record Port (name, vlans)"),
        (
            PORT,
            {"name": "a", "vlan": []},
            "{'name': 'a', 'vlan': []} is not a record Port (name, vlans)",
        ),
        (PORT, ("a", ["b"]), "field `vlans` of Port: element 0: 'b' is not an int"),
        (INT, "x" * 200, "'" + "x" * 79 + "… is not an int"),
    ],
)
def test_refusals_name_what_is_wrong(type_, value, text):
    assert refusal(type_, value) == text


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ((1,), "a row of table `t0` is a sequence of 2 values; this one has 1"),
        ([1, 2, 3], "a row of table `t0` is a sequence of 2 values; this one has 3"),
        (7, "a row of table `t0` is a sequence of 2 values; this is 7"),
        ("ab", "a row of table `t0` is a sequence of 2 values; this is 'ab'"),
        ({0: 1, 1: 2}, "a row of table `t0` is a sequence of 2 values; this is {0: 1, 1: 2}"),
    ],
)
def test_rows_of_another_shape_are_refused(row, text):
    database = new_database(INT, INT)
    for method in (database.insert, database.delete):
        with pytest.raises(_core.RowError) as caught:
            method(0, [(1, 2), row])
        assert caught.value.args == (row, -1, text)
    with pytest.raises(_core.RowError):
        database.contains(0, row)
    database.commit()
    assert database.size(0) == 0


def test_reading_unknown_strings_finds_nothing():
    database = new_database(STR, PORT, List(STR))
    row = ("a", ("p", ()), ("b",))
    database.insert(0, [row])
    database.commit()
    assert database.contains(0, row)
    for other in (("x", *row[1:]), ("a", ("q", ()), ("b",)), ("a", ("p", (7,)), ("b",))):
        assert not database.contains(0, other)
        database.delete(0, [other])
    assert database.rows(0, {2: ["b"]}) == [row]
    assert database.rows(0, {2: ["b", "unseen"]}) == []
    database.commit()
    assert database.size(0) == 1
