"""Cubes against the sets of points they stand for, over two fields of three bits and a name."""

from itertools import product as points_of

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nvp_state.boxes import (
    STEPS_MAX,
    Algebra,
    Cube,
    TooManyCubes,
    between,
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


@st.composite
def cubes(draw):
    bits = {}
    for field in draw(st.sets(st.sampled_from(["x", "y"]))):
        mask = draw(st.integers(1, 7))
        bits[field] = (draw(st.integers(0, 7)) & mask, mask)
    if draw(st.booleans()):
        bits["name"] = (draw(st.sampled_from(NAMES)), -1)
    if draw(st.booleans()):
        bits["n"] = (draw(st.integers(0, 3)), 3)
    pairs = st.tuples(st.just("n"), st.integers(0, 3)) | st.tuples(
        st.just("name"), st.sampled_from(NAMES)
    )
    excluded = draw(st.frozensets(pairs, max_size=2))
    return Cube(bits, frozenset(pair for pair in excluded if pair[0] not in bits))


disjunctions = st.lists(cubes(), max_size=6)


def has(cube, point):
    for field, (value, mask) in cube.bits.items():
        if point[field] != value if mask == -1 else (point[field] ^ value) & mask:
            return False
    return not any(point[field] == value for field, value in cube.excluded)


def meaning(disjunction):
    return [any(has(cube, point) for cube in disjunction) for point in POINTS]


@given(st.lists(disjunctions, max_size=3))
def test_conjunction_and_disjunction(operands):
    meanings = [meaning(operand) for operand in operands] or [[True] * len(POINTS)]
    assert meaning(Algebra().conjunction(operands)) == list(map(all, zip(*meanings, strict=True)))
    meanings = [meaning(operand) for operand in operands] or [[False] * len(POINTS)]
    assert meaning(Algebra().disjunction(operands)) == list(map(any, zip(*meanings, strict=True)))


@given(disjunctions)
def test_reduce_changes_no_meaning_and_leaves_nothing_covered(disjunction):
    reduced = Algebra().reduce(disjunction)
    assert meaning(reduced) == meaning(disjunction)
    first = [it for index, it in enumerate(disjunction) if it not in disjunction[:index]]
    assert reduced == [cube for cube in first if cube in reduced]
    points = [{index for index, it in enumerate(meaning([cube])) if it} for cube in reduced]
    for index, cube in enumerate(reduced):
        for other_index, other in enumerate(reduced):
            implied = other.bits.items() <= cube.bits.items() and other.excluded <= cube.excluded
            assert index == other_index or not implied
            if not (cube.excluded or other.excluded) and index != other_index:
                assert not points[index] <= points[other_index]


@given(disjunctions)
def test_written_out_has_the_same_meaning(disjunction):
    disjunction = [cube for cube in disjunction if all(it != "name" for it, _ in cube.excluded)]
    result = Algebra().written_out(disjunction, {"n": 4})
    assert meaning(result) == meaning(disjunction)
    assert not any(cube.excluded for cube in result)


def test_written_out_names_what_cannot_be():
    with pytest.raises(KeyError) as caught:
        Algebra().written_out([Cube({}, frozenset({("name", "p"), ("name", "q")}))], {"n": 4})
    assert caught.value.args == (("name", "p"),)


@given(st.integers(0, 7), st.integers(1, 7))
def test_complement_is_disjoint_and_complete(value, mask):
    pieces = complement("x", value & mask, mask)
    assert len(pieces) == mask.bit_count()
    for number in NUMBERS:
        point = {"x": number}
        assert sum(has(cube, point) for cube in pieces) == bool((number ^ value) & mask)


@given(st.integers(0, 7), st.integers(0, 7), st.integers(0, 2))
def test_between_is_disjoint_and_complete(low, high, offset):
    pieces = between("x", low, high, offset, 3)
    for number in NUMBERS:
        below = (1 << offset) - 1
        point = {"x": number << offset | below}
        assert sum(has(cube, point) for cube in pieces) == (low <= number <= high)


@given(st.lists(st.tuples(st.integers(0, 7), st.sampled_from([0, 4, 6, 7])), max_size=4))
def test_outside_is_disjoint_and_complete(values):
    values = [(value & mask, mask) for value, mask in values]
    pieces = outside("x", values, 0, 3)
    for number in NUMBERS:
        matched = any((number ^ value) & mask == 0 for value, mask in values)
        assert sum(has(cube, {"x": number}) for cube in pieces) == (not matched)


def test_masks_of_prefixes():
    assert [mask for mask in range(8) if is_prefix(mask, 3)] == [0, 4, 6, 7]


def test_too_many_cubes_are_refused():
    one = [Cube({"x": (value, 0xFFFF)}) for value in range(65)]
    other = [Cube({"y": (value, 0xFFFF)}) for value in range(65)]
    with pytest.raises(TooManyCubes):
        Algebra().conjunction([one, other])


def test_work_is_limited_over_all_operations():
    algebra = Algebra()
    operands = [[Cube({"x": (value, 0xFFFF)}) for value in range(100)]] * 2
    with pytest.raises(TooManyCubes):
        for _ in range(STEPS_MAX // 100**2):
            algebra.conjunction(operands)
