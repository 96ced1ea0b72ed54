"""Boxes against the sets of points they stand for, over two fields of three bits and two names."""

from itertools import product as points_of

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvp_state.boxes import (
    STEPS_MAX,
    Algebra,
    Box,
    NamedSet,
    TooManyTests,
    between,
    box_of,
    complement,
    is_prefix,
    outside,
)

NUMBERS = range(8)
NAMES = ("p", "q")
POINTS = [
    {"x": x, "y": y, "n": n, "name": name}
    for x, y, n, name in points_of(NUMBERS, NUMBERS, range(4), NAMES)
]
# What named sets have, of numbers.
SETS = {"$low": {0, 1, 2}, "$odd": {1, 3, 5, 7}}


def some_tests(field, width):
    full = (1 << width) - 1
    masks = st.integers(1, full) if field in {"x", "y"} else st.just(full)
    return st.builds(lambda value, mask: (value & mask, mask), st.integers(0, full), masks)


@st.composite
def boxes(draw):
    bits, sets = {}, set()
    for field in draw(st.sets(st.sampled_from(["x", "y"]))):
        bits[field] = draw(st.frozensets(some_tests(field, 3), min_size=1, max_size=3))
        if draw(st.booleans()):
            named = NamedSet(draw(st.sampled_from(sorted(SETS))), draw(st.booleans()))
            sets.add((field, frozenset({named, draw(some_tests(field, 3))})))
    if draw(st.booleans()):
        bits["name"] = draw(
            st.frozensets(st.sampled_from(NAMES).map(lambda it: (it, -1)), min_size=1)
        )
    if draw(st.booleans()):
        bits["n"] = draw(st.frozensets(some_tests("n", 2), min_size=1, max_size=3))
    pairs = st.tuples(st.just("n"), st.integers(0, 3)) | st.tuples(
        st.just("name"), st.sampled_from(NAMES)
    )
    excluded = draw(st.frozensets(pairs, max_size=2))
    excluded = frozenset(pair for pair in excluded if pair[0] not in bits)
    return Box(bits, excluded, frozenset(sets))


disjunctions = st.lists(boxes(), max_size=6)


def meets(value, test):
    if isinstance(test, NamedSet):
        return (value in SETS[test.name]) == test.inside
    wanted, mask = test
    return value == wanted if mask == -1 else (value ^ wanted) & mask == 0


def has(box, point):
    return all(
        any(meets(point[field], test) for test in tests)
        for field, tests in [*box.bits.items(), *box.sets]
    ) and not any(point[field] == value for field, value in box.excluded)


def meaning(disjunction):
    return [any(has(box, point) for box in disjunction) for point in POINTS]


@given(st.lists(disjunctions, max_size=3))
def test_conjunction_and_disjunction(operands):
    meanings = [meaning(operand) for operand in operands] or [[True] * len(POINTS)]
    assert meaning(Algebra().conjunction(operands)) == list(map(all, zip(*meanings, strict=True)))
    meanings = [meaning(operand) for operand in operands] or [[False] * len(POINTS)]
    assert meaning(Algebra().disjunction(operands)) == list(map(any, zip(*meanings, strict=True)))


@given(disjunctions)
def test_reduce_changes_no_meaning_and_leaves_no_box_twice(disjunction):
    reduced = Algebra().reduce(disjunction)
    assert meaning(reduced) == meaning(disjunction)
    assert len(reduced) <= len(disjunction)
    assert len({box.identity for box in reduced}) == len(reduced)


@given(disjunctions)
def test_written_out_has_the_same_meaning(disjunction):
    disjunction = [box for box in disjunction if all(it != "name" for it, _ in box.excluded)]
    result = Algebra().written_out(disjunction, {"n": 4})
    assert meaning(result) == meaning(disjunction)
    assert not any(box.excluded for box in result)


def test_written_out_names_what_cannot_be():
    with pytest.raises(KeyError) as caught:
        Algebra().written_out([Box({}, frozenset({("name", "p"), ("name", "q")}))], {"n": 4})
    assert caught.value.args == (("name", "p"),)


def test_what_differs_in_one_field_is_one_box():
    grid = [box_of("x", [(x, 7)]) for x in range(4)]
    rows = [Algebra().conjunction([box, box_of("y", [(1, 7)])]) for box in grid]
    (merged,) = Algebra().disjunction(rows)
    assert merged == Box({"x": frozenset((x, 7) for x in range(4)), "y": frozenset({(1, 7)})})
    (named,) = Algebra().disjunction([*grid, box_of("x", [NamedSet("$low")])])
    assert named.choices("x") == [frozenset([*((x, 7) for x in range(4)), NamedSet("$low")])]


def hits(tests, number):
    return sum((number ^ value) & mask == 0 for value, mask in tests)


@given(st.integers(0, 7), st.integers(1, 7))
def test_complement_is_disjoint_and_complete(value, mask):
    pieces = complement(value & mask, mask)
    assert len(pieces) == mask.bit_count()
    for number in NUMBERS:
        assert hits(pieces, number) == bool((number ^ value) & mask)


@given(st.integers(0, 7), st.integers(0, 7), st.integers(0, 2))
def test_between_is_disjoint_and_complete(low, high, offset):
    pieces = between(low, high, offset, 3)
    for number in NUMBERS:
        below = (1 << offset) - 1
        assert hits(pieces, number << offset | below) == (low <= number <= high)


@given(st.lists(st.tuples(st.integers(0, 7), st.sampled_from([0, 4, 6, 7])), max_size=4))
def test_outside_is_disjoint_and_complete(values):
    values = [(value & mask, mask) for value, mask in values]
    pieces = outside(values, 0, 3)
    for number in NUMBERS:
        assert hits(pieces, number) == (not hits(values, number))


def test_masks_of_prefixes():
    assert [mask for mask in range(8) if is_prefix(mask, 3)] == [0, 4, 6, 7]


def test_too_many_tests_are_refused():
    apart = [Box({"x": frozenset({(n, 0xFFFF)}), "y": frozenset({(n, 0xFFFF)})}) for n in range(65)]
    other = [Box({"z": frozenset({(n, 0xFFFF)}), "w": frozenset({(n, 0xFFFF)})}) for n in range(65)]
    with pytest.raises(TooManyTests):
        Algebra().conjunction([apart, other])


def test_work_is_limited_over_all_operations():
    algebra = Algebra()
    operands = [box_of("x", [(value, 0xFFFF) for value in range(n, n + 100)]) for n in (0, 1)]
    with pytest.raises(TooManyTests):
        for _ in range(STEPS_MAX // 100**2):
            algebra.conjunction(operands)
