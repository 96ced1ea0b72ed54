"""The functions of rules, each called by a rule of one atom, against Python's own arithmetic.

`ipaddress` judges prefixes. Results and errors both count.
"""

import ipaddress
import itertools
import operator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlog.engine import _core
from nlog.functions import FALLIBLE, OVERLOADS, Overload, fill
from nlog.types import (
    BOOL,
    BYTES,
    INT,
    IP4,
    IP6,
    MAC,
    PREFIX,
    STR,
    TREE,
    List,
    Optional,
    Record,
    Type,
    describe,
)
from tests.engine.core_plans import Atom, Layer, Let, Rule, Schema, Term, Value, plan_of

INTS = List(INT)
PAIR = Record("Pair", (("left", INT), ("right", STR)))
INT_MIN, INT_MAX = -(2**63), 2**63 - 1

ints = st.one_of(
    st.integers(INT_MIN, INT_MAX), st.integers(-70, 70), st.sampled_from([INT_MIN, INT_MAX])
)
texts = st.text(st.sampled_from("aé€𝄞b"), max_size=4)
addresses = st.one_of(st.integers(0, 2**32 - 1), st.integers(0, 3).map(lambda n: n << 30)).map(
    ipaddress.IPv4Address
)
prefixes = st.tuples(addresses, st.integers(0, 32)).map(
    lambda pair: ipaddress.IPv4Network(pair, strict=False)
)


def call(
    function: str,
    types: tuple[Type, ...],
    result: Type,
    *values: Any,
    given: Type | None = None,
    place: int | None = None,
) -> Any:
    """What a rule computes by a function of one row's columns; raises the text of its error.

    `given` is a type that is passed as well, after them, and `place` a constant.
    """
    names: tuple[Term, ...] = tuple(f"x{number}" for number in range(len(types)))
    arguments = names if given is None else (*names, Value(TREE, describe(given)))
    arguments = arguments if place is None else (*arguments, Value(INT, place))
    rule = Rule(1, ("result",), (Atom(0, names), Let("result", function, arguments, result)))
    schema = Schema((types, (result,)), inputs=(0,), outputs=(1,))
    database = _core.Database(plan_of(schema, [Layer((1,), (rule,))]))
    database.insert(0, [values])
    try:
        database.commit()
    except _core.EvaluationError as error:
        number, text = error.args
        assert number == 0
        assert database.size(0) == 0
        raise ArithmeticError(text) from None
    ((value,),) = database.rows(1, {})
    return value


def int_call(function: str, *values: int) -> Any:
    return call(function, (INT,) * len(values), INT, *values)


@pytest.mark.parametrize(
    ("function", "sign", "twin"),
    [
        ("int.add", "+", operator.add),
        ("int.sub", "-", operator.sub),
        ("int.mul", "*", operator.mul),
        ("int.floordiv", "/", operator.floordiv),
        ("int.mod", "%", operator.mod),
        ("int.and", "&", operator.and_),
        ("int.or", "|", operator.or_),
        ("int.xor", "^", operator.xor),
    ],
)
@given(left=ints, right=ints)
def test_arithmetic_is_that_of_python(function, sign, twin, left, right):
    try:
        expected = twin(left, right)
    except ZeroDivisionError:
        with pytest.raises(ArithmeticError, match="division by zero: ") as caught:
            int_call(function, left, right)
        assert str(caught.value) == f"division by zero: {left} {sign} 0"
        return
    if INT_MIN <= expected <= INT_MAX:
        assert int_call(function, left, right) == expected
    else:
        with pytest.raises(ArithmeticError) as caught:
            int_call(function, left, right)
        assert str(caught.value) == f"integer overflow: {left} {sign} {right}"


@pytest.mark.parametrize(
    ("function", "sign", "twin"),
    [("int.shl", "<<", operator.lshift), ("int.shr", ">>", operator.rshift)],
)
@given(value=ints, bits=st.integers(-2, 66))
def test_shifts_are_those_of_python(function, sign, twin, value, bits):
    if 0 <= bits <= 63 and INT_MIN <= twin(value, bits) <= INT_MAX:
        assert int_call(function, value, bits) == twin(value, bits)
        return
    with pytest.raises(ArithmeticError) as caught:
        int_call(function, value, bits)
    text = "integer overflow" if 0 <= bits <= 63 else "a shift is by 0 to 63 bits"
    assert str(caught.value) == f"{text}: {value} {sign} {bits}"


def test_negation_overflows_once():
    assert int_call("int.neg", INT_MAX) == -INT_MAX
    with pytest.raises(ArithmeticError, match=r"integer overflow: -\(-9223372036854775808\)"):
        int_call("int.neg", INT_MIN)


@given(left=ints, right=ints)
def test_ints_are_ordered(left, right):
    assert call("int.lt", (INT, INT), BOOL, left, right) is (left < right)
    assert call("int.le", (INT, INT), BOOL, left, right) is (left <= right)
    assert call("eq", (INT, INT), BOOL, left, right) is (left == right)
    assert call("ne", (INT, INT), BOOL, left, right) is (left != right)


@given(left=addresses, right=addresses)
def test_addresses_are_ordered(left, right):
    assert call("word.lt", (IP4, IP4), BOOL, left, right) is (left < right)
    assert call("word.le", (IP4, IP4), BOOL, left, right) is (left <= right)


@given(left=texts, right=texts)
def test_texts_are_ordered_by_code_points(left, right):
    assert call("str.lt", (STR, STR), BOOL, left, right) is (left < right)
    assert call("str.le", (STR, STR), BOOL, left, right) is (left <= right)
    assert call("eq", (STR, STR), BOOL, left, right) is (left == right)


@given(parts=st.lists(texts, min_size=1, max_size=4))
def test_texts_are_joined_and_measured(parts):
    joined = call("str.concat", (STR,) * len(parts), STR, *parts)
    assert joined == "".join(parts)
    assert call("str.len", (STR,), INT, joined) == len(joined)


@pytest.mark.parametrize(
    ("type_", "value", "text"),
    [
        (STR, "é", "é"),
        (BOOL, True, "true"),
        (BOOL, False, "false"),
        (INT, INT_MIN, str(INT_MIN)),
        (MAC, 0x0A0000000001, "0a:00:00:00:00:01"),
        (IP4, "10.0.0.1", "10.0.0.1"),
        (PREFIX, "10.0.0.0/8", "10.0.0.0/8"),
    ],
)
def test_values_become_text(type_, value, text):
    assert call(f"str.of_{type_}", (type_,), STR, value) == text


@given(values=st.lists(st.integers(0, 3), max_size=4), index=st.integers(-2, 5))
def test_lists_are_pythons_tuples(values, index):
    assert call("list.len", (INTS,), INT, values) == len(values)
    assert call("list.has", (INTS, INT), BOOL, values, index) is (index in values)
    assert call("list.concat", (INTS, INTS), INTS, values, [index]) == (*values, index)
    if 0 <= index < len(values):
        assert call("list.get", (INTS, INT), INT, values, index) == values[index]
    else:
        text = f"index {index} is outside a list of {len(values)} elements"
        with pytest.raises(ArithmeticError, match=text):
            call("list.get", (INTS, INT), INT, values, index)


def test_tuples_are_made_and_taken_apart():
    pair = call("tuple.make", (INT, STR), PAIR, 1, "a")
    assert pair == (1, "a")
    assert (pair.left, pair.right) == (1, "a")
    assert call("tuple.make", (INT, INT, INT), INTS, 1, 2, 1) == (1, 2, 1)
    assert call("tuple.get", (PAIR,), STR, pair, place=1) == "a"


@given(prefix=prefixes, other=prefixes, address=addresses)
def test_prefixes_are_those_of_ipaddress(prefix, other, address):
    assert call("prefix.network", (PREFIX,), IP4, prefix) == str(prefix.network_address)
    assert call("prefix.mask", (PREFIX,), IP4, prefix) == str(prefix.netmask)
    assert call("prefix.length", (PREFIX,), INT, prefix) == prefix.prefixlen
    assert call("prefix.has_ip4", (PREFIX, IP4), BOOL, prefix, address) is (address in prefix)
    has_other = other.subnet_of(prefix)
    assert call("prefix.has_prefix", (PREFIX, PREFIX), BOOL, prefix, other) is has_other


@given(address=addresses, length=st.integers(-1, 34))
def test_prefixes_are_made(address, length):
    if 0 <= length <= 32:
        expected = ipaddress.IPv4Network((address, length), strict=False)
        assert call("prefix.of", (IP4, INT), PREFIX, address, length) == str(expected)
    else:
        with pytest.raises(ArithmeticError) as caught:
            call("prefix.of", (IP4, INT), PREFIX, address, length)
        assert str(caught.value) == f"{length} is not a prefix length: those are 0 to 32"


@pytest.mark.parametrize(("type_", "bits"), [(MAC, 48), (IP4, 32)])
def test_addresses_are_bounded_ints(type_, bits):
    assert call("int.of_word", (type_,), INT, 2**bits - 1) == 2**bits - 1
    largest = call(f"{type_}.of_int", (INT,), type_, 2**bits - 1)
    assert call("int.of_word", (type_,), INT, largest) == 2**bits - 1
    for value in (-1, 2**bits):
        with pytest.raises(ArithmeticError) as caught:
            call(f"{type_}.of_int", (INT,), type_, value)
        what = "a mac" if type_ is MAC else "an ip4"
        assert str(caught.value) == f"{value} is not {what}: those are 0 to {2**bits - 1}"


def test_functions_are_listed():
    names = _core.functions()
    assert names == sorted(set(names))
    assert {"eq", "int.add", "prefix.of", "tuple.make"} <= set(names)


EXTREMES: dict[Type, list[Any]] = {
    BOOL: [False, True],
    INT: [INT_MIN, -1, 0, 1, 2, 33, 64, 2**48, INT_MAX],
    STR: ["", "é"],
    MAC: [0, 2**48 - 1],
    IP4: [0, 2**32 - 1],
    PREFIX: ["0.0.0.0/0", "255.255.255.255/32", "::/0", "::1/128"],
    INTS: [(), (0, 1)],
    IP6: ["::", "ffff::ffff"],
    BYTES: [b"", b"\xff"],
    List(STR): [(), ("", "a")],
    Optional(INT): [None, 0],
}


def fails_somewhere(overload: Overload) -> bool:
    types = tuple(fill(parameter, INT) for parameter in overload.parameters)
    types = types[::-1] if overload.swapped else types
    failed = False
    for values in itertools.product(*(EXTREMES[type_] for type_ in types)):
        try:
            given = types[0] if overload.typed else None
            call(overload.core, types, fill(overload.result, INT), *values, given=given)
        except ArithmeticError:
            failed = True
    return failed


@pytest.mark.parametrize("name", OVERLOADS)
def test_the_functions_that_can_fail_are_those_said_to(name: str):
    for overload in OVERLOADS[name]:
        assert fails_somewhere(overload) == overload.fallible, overload
        assert (overload.core in FALLIBLE) == overload.fallible
