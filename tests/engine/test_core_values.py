"""Values of many parts and both families of addresses in the core, against Python's own.

`ipaddress` judges addresses and prefixes, tuples and `sorted` the order, slices of `str`, `bytes`
and tuples the slices; the oracle's functions stand beside them, to be judged as well.
"""

import ipaddress
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nlog.engine import _core
from nlog.engine.reference_functions import FUNCTIONS
from nlog.types import (
    BOOL,
    BYTES,
    INT,
    IP4,
    IP6,
    MAC,
    PREFIX,
    STR,
    List,
    Optional,
    Record,
    Scalar,
    Type,
    Union,
    case_class,
)
from tests.engine.core_plans import Schema, plan_of
from tests.engine.test_core_functions import call

GROUPS = st.sampled_from([0, 0, 0, 1, 0xDB8, 0xFFFF])
IP6S = st.one_of(
    st.integers(0, 2**128 - 1),
    st.lists(GROUPS, min_size=8, max_size=8).map(
        lambda groups: sum(group << 16 * place for place, group in enumerate(groups))
    ),
    st.integers(0, 2**32 - 1).map(lambda number: 0xFFFF << 32 | number),
).map(ipaddress.IPv6Address)
PREFIXES6 = st.tuples(IP6S, st.integers(0, 128)).map(
    lambda pair: ipaddress.IPv6Network(pair, strict=False)
)
PREFIXES4 = st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 32)).map(
    lambda pair: ipaddress.IPv4Network(pair, strict=False)
)
TEXTS = st.text(st.sampled_from("aé€𝄞b"), max_size=5)
SMALL = st.integers(-2, 2)


def canonical(address: ipaddress.IPv6Address) -> str:
    mapped = address.ipv4_mapped
    return f"::ffff:{mapped}" if mapped else str(address)


def canonical_prefix(prefix: Any) -> str:
    if prefix.version == 4:
        return str(prefix)
    return f"{canonical(prefix.network_address)}/{prefix.prefixlen}"


def roundtrip(type_: Type, value: Any) -> Any:
    """How a table shows a value that was inserted."""
    database = _core.Database(plan_of(Schema(((type_,),), inputs=(0,), outputs=()), []))
    database.insert(0, [(value,)])
    database.commit()
    ((shown,),) = database.rows(0, {})
    assert database.contains(0, (value,))
    assert database.contains(0, (shown,))
    return shown


@given(IP6S)
def test_ip6_is_read_in_every_form_and_shown_in_one(address):
    high, low = divmod(int(address), 2**32)
    dotted = f"{ipaddress.IPv6Address(high << 32).exploded[:29]}:{ipaddress.IPv4Address(low)}"
    for form in (address, str(address), address.exploded, str(address).upper(), dotted):
        assert roundtrip(IP6, form) == canonical(address)


@pytest.mark.parametrize(
    "text",
    ["", ":", ":::", "1", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1::2::3", "::12345", "::g",
     "1:2:3:4:5:6:7::8", ":1:2:3:4:5:6:7", "1.2.3.4::", "::1.2.3", "::1.2.3.4:5", "fe80::1%eth0",
     "::1 ", "1:2:3:4:5:6:7:1.2.3.4"],
)  # fmt: skip
def test_what_is_no_ip6_is_refused(text):
    with pytest.raises(_core.RowError, match="is not an ip6 address such as 2001:db8::1"):
        roundtrip(IP6, text)


@given(st.text(st.sampled_from("01f:."), max_size=12))
def test_texts_are_ip6_if_ipaddress_thinks_so(text):
    try:
        expected = canonical(ipaddress.IPv6Address(text))
    except ValueError:
        with pytest.raises(_core.RowError):
            roundtrip(IP6, text)
    else:
        assert roundtrip(IP6, text) == expected


@given(PREFIXES4 | PREFIXES6, PREFIXES4 | PREFIXES6, IP6S)
def test_prefixes_of_both_families_are_those_of_ipaddress(prefix, other, address):
    text, other_text = canonical_prefix(prefix), canonical_prefix(other)
    assert roundtrip(PREFIX, prefix) == text
    assert call("prefix.length", (PREFIX,), INT, text) == prefix.prefixlen
    assert call("prefix.family", (PREFIX,), INT, text) == prefix.version
    assert call("str.of_prefix", (PREFIX,), STR, text) == text
    has_ip6 = prefix.version == 6 and address in prefix
    assert call("prefix.has_ip6", (PREFIX, IP6), BOOL, text, address) is has_ip6
    has_other = prefix.version == other.version and other.subnet_of(prefix)
    assert call("prefix.has_prefix", (PREFIX, PREFIX), BOOL, text, other_text) is has_other
    assert FUNCTIONS["prefix.has_prefix"](text, other_text) is has_other
    given_type = {"given": PREFIX}
    ours, theirs = ((p.version, int(p.network_address), p.prefixlen) for p in (prefix, other))
    less = call("value.lt", (PREFIX, PREFIX), BOOL, text, other_text, **given_type)
    assert less is (ours < theirs)


@given(IP6S, st.integers(-1, 130))
def test_prefixes_of_ip6_are_made(address, length):
    if 0 <= length <= 128:
        expected = canonical_prefix(ipaddress.IPv6Network((address, length), strict=False))
        assert call("prefix.of_ip6", (IP6, INT), PREFIX, address, length) == expected
        network = call("prefix.network6", (PREFIX,), IP6, expected)
        assert network == expected.rpartition("/")[0]
    else:
        with pytest.raises(ArithmeticError, match=f"{length} is not a prefix length of ip6"):
            call("prefix.of_ip6", (IP6, INT), PREFIX, address, length)


@given(PREFIXES4)
def test_the_parts_of_a_prefix_of_ip4(prefix):
    text = str(prefix)
    broadcast = call("prefix.broadcast", (PREFIX,), IP4, text)
    assert broadcast == str(prefix.broadcast_address)


@given(IP6S)
def test_halves_make_an_ip6(address):
    high = call("ip6.high", (IP6,), INT, address)
    low = call("ip6.low", (IP6,), INT, address)
    assert (high % 2**64 << 64 | low % 2**64) == int(address)
    assert call("ip6.of_halves", (INT, INT), IP6, high, low) == canonical(address)
    assert call("bytes.of_ip6", (IP6,), BYTES, address) == address.packed


@given(st.binary(max_size=4), st.binary(max_size=4), st.integers(-1, 5), st.integers(-1, 5))
def test_bytes_are_those_of_python(left, right, begin, end):
    assert roundtrip(BYTES, left) == roundtrip(BYTES, left.hex()) == left
    assert call("bytes.concat", (BYTES, BYTES), BYTES, left, right) == left + right
    assert call("bytes.lt", (BYTES, BYTES), BOOL, left, right) is (left < right)
    assert call("bytes.len", (BYTES,), INT, left) == len(left)
    assert call("str.of_bytes", (BYTES,), STR, left) == left.hex()
    cut = left[max(begin, 0) : max(end, 0)]
    assert call("bytes.slice", (BYTES, INT, INT), BYTES, left, begin, end) == cut


@given(TEXTS, TEXTS, st.integers(-1, 5), st.integers(-1, 5))
def test_texts_are_taken_apart_as_by_python(text, part, begin, end):
    cut = text[max(begin, 0) : max(end, 0)]
    assert call("str.slice", (STR, INT, INT), STR, text, begin, end) == cut
    assert call("str.has", (STR, STR), BOOL, text, part) is (part in text)
    assert call("str.starts_with", (STR, STR), BOOL, text, part) is text.startswith(part)
    assert call("str.ends_with", (STR, STR), BOOL, text, part) is text.endswith(part)
    assert call("bytes.of_str", (STR,), BYTES, text) == text.encode()
    if part:
        parts = call("str.split", (STR, STR), List(STR), text, part)
        assert parts == tuple(text.split(part))
        assert call("str.join", (List(STR), STR), STR, parts, part) == text


@given(st.lists(SMALL, max_size=5), st.integers(-1, 5), st.integers(-1, 5))
def test_lists_are_taken_apart_and_sorted_as_by_python(items, begin, end):
    ints = List(INT)
    cut = tuple(items[max(begin, 0) : max(end, 0)])
    assert call("list.slice", (ints, INT, INT), ints, items, begin, end) == cut
    assert call("list.sort", (ints,), ints, items, given=ints) == tuple(sorted(items))
    if items:
        assert call("list.first", (ints,), INT, items) == items[0]
        assert call("list.last", (ints,), INT, items) == items[-1]


ACTION = Union(
    "action", (Record("drop", ()), Record("send", (("to", INT), ("why", Optional(STR)))))
)
DROP, SEND = case_class(ACTION, "drop"), case_class(ACTION, "send")
PAIR = Record("pair", (("left", INT), ("right", BYTES)))
LEAVES: dict[Type, st.SearchStrategy[Any]] = {
    BOOL: st.booleans(),
    INT: st.sampled_from([-(2**63), -1, 0, 1]),
    STR: st.sampled_from(["", "a", "é", "€", "𝄞", "\uffff"]),
    BYTES: st.sampled_from([b"", b"\x00", b"\xff", b"\x00\xff"]),
    MAC: st.sampled_from(["00:00:00:00:00:01", "ff:00:00:00:00:00"]),
    IP4: st.sampled_from(["2.0.0.0", "10.0.0.0"]),
    IP6: st.sampled_from(["::", "::2", "::10", "ff::"]),
    PREFIX: st.sampled_from(["9.0.0.0/8", "10.0.0.0/8", "10.0.0.0/9", "9::/16", "10::/17"]),
}  # fmt: skip
VALUES: dict[Type, st.SearchStrategy[Any]] = {
    **LEAVES,
    PAIR: st.tuples(LEAVES[INT], LEAVES[BYTES]),
    ACTION: st.just(DROP()) | st.builds(SEND, LEAVES[INT], st.none() | LEAVES[STR]),
}
for inner in list(VALUES):
    VALUES[List(inner)] = st.lists(VALUES[inner], max_size=2).map(tuple)
    VALUES[Optional(inner)] = st.none() | VALUES[inner]


def key(value: Any, type_: Type) -> Any:
    """What Python orders as the language orders a value."""
    if isinstance(type_, List):
        return [key(part, type_.element) for part in value]
    if isinstance(type_, Optional):
        return [] if value is None else [key(value, type_.element)]
    if isinstance(value, SEND):
        return (1, value.to, [] if value.why is None else [value.why])
    if isinstance(value, DROP):
        return (0,)
    assert isinstance(type_, Scalar | Record)
    if type_ == PREFIX:
        network = ipaddress.ip_network(value)
        return network.version, network
    return ipaddress.ip_address(value) if type_ in {IP4, IP6} else value


@pytest.mark.parametrize("type_", VALUES, ids=str)
@settings(max_examples=20)
@given(data=st.data())
def test_every_type_has_an_order(type_, data):
    left, right = data.draw(VALUES[type_]), data.draw(VALUES[type_])
    expected = key(left, type_) < key(right, type_)
    assert call("value.lt", (type_, type_), BOOL, left, right, given=type_) is expected
    assert call("value.le", (type_, type_), BOOL, right, left, given=type_) is not expected
    assert FUNCTIONS["value.lt"](left, right, type_) is expected
    shown = call("value.show", (type_,), STR, left, given=type_)
    assert FUNCTIONS["value.show"](left, type_) == shown


def test_a_case_is_a_class_of_its_own():
    assert SEND(1, why=None) == SEND(to=1, why=None)
    assert SEND(1, None) != DROP()
    assert repr(SEND(1, "x")) == "send(to=1, why='x')"
    with pytest.raises(AttributeError, match="immutable"):
        DROP().to = 1
    for arguments in ((), (1,), (1, 2, 3)):
        with pytest.raises(TypeError, match=r"send\(\) takes to, why"):
            SEND(*arguments)
    match SEND(1, "x"):
        case SEND(to, why):
            assert (to, why) == (1, "x")


@pytest.mark.parametrize(
    ("type_", "value", "text"),
    [
        (ACTION, {"send": [1]}, r"\[1\] is not a record send \(to, why\)"),
        (ACTION, {"send": {"to": 1, "why": 2}}, "field `why` of send: 2 is not a str"),
        (ACTION, {"end": []}, r"is not one of union action \(drop, send\)"),
        (ACTION, (0,), r"is not one of union action \(drop, send\)"),
        (BYTES, "0af", "is not bytes, or their hexadecimal digits"),
        (BYTES, 5, "is not bytes"),
        (Optional(INT), "x", "'x' is not an int"),
        (PREFIX, "::1", "write ::1/128 for this one address"),
        (PREFIX, "::1/64", "has bits set beyond its length; write ::/64"),
        (PREFIX, "::/129", "is not a prefix such as 10.0.0.0/24 or 2001:db8::/32"),
    ],
)
def test_a_value_that_does_not_fit_is_refused(type_, value, text):
    with pytest.raises(_core.RowError) as caught:
        roundtrip(type_, value)
    assert re.search(text, caught.value.args[2])


def test_values_come_as_json_has_them():
    assert roundtrip(ACTION, {"send": {"to": 1, "why": None}}) == SEND(1, None)
    assert roundtrip(ACTION, {"drop": []}) == DROP()
    assert roundtrip(Optional(List(INT)), [1]) == (1,)
