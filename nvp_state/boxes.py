"""Conjunctions of conditions on fields, and what can be done with disjunctions of them.

A `Box` says which values some fields of a packet may have. For a field in `bits` these are several
tests, of which one must hold: the bits of a mask agree with a value. Port names are values too,
with the mask EXACT. For each pair in `excluded` the field has any value but that. A field that a
box does not mention may be anything, even absent.

What a named set has (of addresses, or of ports) is not known here, and may change; so a condition
that names some stands in `sets` as it is, beside all others. A field may have several of those.

`excluded` is for fields that OpenFlow cannot mask: they can be told from a value only by naming
all others. It is left standing while boxes are combined, since most often another condition
settles it (`ip4 && !tcp`), and is written out only at the end.

Fields stay apart: four sources and five destinations are one box, where single conjunctions would
be twenty. A disjunction is a list of boxes; those that differ in one field only are made one. The
tests made by `complement`, `between` and `outside` overlap nowhere and nest like prefixes, so that
the conjunction of many of them on a field grows with their sum, not their product.

Cost: `conjunction` tries all pairs of boxes, and of tests on a field of both; `disjunction` looks
at each box once for each field, and at all pairs for those that others cover. An `Algebra` counts
it all, and gives up when a result has more than TESTS_MAX tests or all its work together took more
than STEPS_MAX steps, which is a few seconds.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import zip_longest

from attrs import frozen

EXACT = -1
TESTS_MAX = 4096
STEPS_MAX = 2_000_000
_MERGES_MAX = 4

Value = int | str
Pair = tuple[str, Value]
"""A field and a value of it."""

Test = tuple[Value, int]
"""A value and a mask."""


@frozen
class NamedSet:
    """What an address set `$name` or a port group `@name` has, or all but that."""

    name: str
    inside: bool = True


Choice = frozenset[Test | NamedSet]
Tests = frozenset[Test]


class TooManyTests(Exception):  # noqa: N818 - says what there is, and is not for users
    """A disjunction has more than TESTS_MAX tests, or it took too much work to know."""


@frozen
class Box:
    """A conjunction of conditions on fields; see the head of this file."""

    bits: Mapping[str, Tests] = {}
    excluded: frozenset[Pair] = frozenset()
    sets: frozenset[tuple[str, Choice]] = frozenset()

    @property
    def identity(self) -> tuple[object, ...]:
        """Equal for equal boxes, and hashable."""
        return frozenset(self.bits.items()), self.excluded, self.sets

    def choices(self, field: str) -> list[Choice]:
        """What is asked of a field, which must meet each."""
        known = self.bits.get(field)
        first: list[Choice] = [] if known is None else [frozenset(known)]
        return first + [choice for name, choice in self.sets if name == field]

    def without(self, field: str) -> "Box":
        """The box with nothing asked of a field but what is excluded."""
        bits = {name: tests for name, tests in self.bits.items() if name != field}
        sets = frozenset(pair for pair in self.sets if pair[0] != field)
        return Box(bits, self.excluded, sets)


Boxes = list[Box]
ANYTHING: Boxes = [Box()]


def box_of(field: str, choice: Iterable[Test | NamedSet]) -> Boxes:
    """Return a disjunction by which a field meets one of some tests, or is in one of some sets."""
    wanted = frozenset(choice)
    if any(not isinstance(it, NamedSet) and it[1] == 0 for it in wanted):
        return ANYTHING
    if any(isinstance(it, NamedSet) for it in wanted):
        return [Box(sets=frozenset({(field, wanted)}))]
    tests = least(it for it in wanted if not isinstance(it, NamedSet))
    return [Box({field: tests})] if tests else []


class Algebra:
    """Operations on disjunctions, with a bound on the work of all of them together."""

    def __init__(self) -> None:
        self._steps = 0

    def disjunction(self, operands: Iterable[Boxes]) -> Boxes:
        """Return the disjunction of disjunctions."""
        return self.reduce(box for operand in operands for box in operand)

    def conjunction(self, operands: Iterable[Boxes]) -> Boxes:
        """Return the conjunction of disjunctions.

        They are combined in pairs, and those again, so that no product has one large side more
        often than it must.
        """
        remaining = list(operands) or [ANYTHING]
        while len(remaining) > 1:
            pairs = zip_longest(remaining[::2], remaining[1::2], fillvalue=ANYTHING)
            remaining = [self._product(left, right) for left, right in pairs]
        return remaining[0]

    def reduce(self, boxes: Iterable[Box]) -> Boxes:
        """Return the disjunction in fewer boxes: merged, and without those that others cover."""
        unique = list({box.identity: box for box in boxes}.values())
        for _ in range(_MERGES_MAX):
            before = len(unique)
            for field in sorted({name for box in unique for name in _fields(box)}):
                unique = self._merged(unique, field)
            if len(unique) == before:
                break
        if sum(map(_size, unique)) > TESTS_MAX:
            raise TooManyTests
        return self.uncovered(unique)

    def uncovered(self, boxes: Boxes) -> Boxes:
        """Return the boxes, which are distinct, without those that others cover."""
        self._work(len(boxes) ** 2)
        return [
            box
            for box in boxes
            if not any(other is not box and _covers(other, box) for other in boxes)
        ]

    def both(self, one: Box, other: Box) -> Box | None:
        """Return the conjunction of two boxes, or None if nothing satisfies both."""
        bits = dict(one.bits)
        for field, tests in other.bits.items():
            met = self._intersection(bits[field], tests) if field in bits else tests
            if not met:
                return None
            bits[field] = met
        excluded = one.excluded | other.excluded
        for field in {field for field, _ in excluded if field in bits}:
            left = frozenset(test for test in bits[field] if (field, test[0]) not in excluded)
            if not left:
                return None
            bits[field] = left
        remaining = frozenset(pair for pair in excluded if pair[0] not in bits)
        return Box(bits, remaining, one.sets | other.sets)

    def written_out(self, boxes: Boxes, values: Mapping[str, int]) -> Boxes:
        """Return the disjunction without exclusions: each is replaced by all other values.

        `values` gives the number of values of each field that has so few that this can be done.

        Raises:
            KeyError: a value is excluded from a field that is not in `values`; its argument is the
                pair of field and value.
        """
        result: Boxes = []
        for box in boxes:
            bits = dict(box.bits)
            for field in sorted({field for field, _ in box.excluded}):
                gone = {value for name, value in box.excluded if name == field}
                if field not in values:
                    raise KeyError((field, min(gone, key=str)))
                full = values[field] - 1
                bits[field] = frozenset((it, full) for it in range(full + 1) if it not in gone)
            result.append(Box(bits, sets=box.sets))
        return self.reduce(box for box in result if all(box.bits.values()))

    def _product(self, left: Boxes, right: Boxes) -> Boxes:
        self._work(len(left) * len(right))
        boxes = (self.both(one, other) for one in left for other in right)
        return self.reduce(box for box in boxes if box is not None)

    def _intersection(self, one: Tests, other: Tests) -> Tests:
        if one == other:
            return one
        self._work(len(one) * len(other))
        met = (_both_tests(left, right) for left in one for right in other)
        return least(test for test in met if test is not None)

    def _merged(self, boxes: Boxes, field: str) -> Boxes:
        """The boxes, of which those are one that differ in what they ask of a field only."""
        self._work(len(boxes))
        groups: dict[object, list[Box]] = {}
        for number, box in enumerate(boxes):
            alone = len(box.choices(field)) != 1
            groups.setdefault(number if alone else box.without(field).identity, []).append(box)
        merged: Boxes = []
        for same in groups.values():
            if len(same) == 1:
                merged += same
                continue
            asked = box_of(field, (it for box in same for it in box.choices(field)[0]))[0]
            rest = same[0].without(field)
            bits = {**rest.bits, **asked.bits}
            merged.append(Box(bits, rest.excluded, rest.sets | asked.sets))
        return merged

    def _work(self, steps: int) -> None:
        self._steps += steps
        if self._steps > STEPS_MAX:
            raise TooManyTests


def least(tests: Iterable[Test]) -> Tests:
    """The tests without those that others cover."""
    every = frozenset(tests)
    return frozenset(test for test in every if not _is_covered(test, every, strictly=True))


def _fields(box: Box) -> Iterator[str]:
    yield from box.bits
    for field, _ in box.sets:
        yield field


def _size(box: Box) -> int:
    return 1 + sum(map(len, box.bits.values())) + sum(len(choice) for _, choice in box.sets)


def _both_tests(one: Test, other: Test) -> Test | None:
    (value, mask), (other_value, other_mask) = one, other
    if isinstance(value, str) or isinstance(other_value, str):
        return one if value == other_value else None
    if (value ^ other_value) & mask & other_mask:
        return None
    return value | other_value, mask | other_mask


@lru_cache(maxsize=4096)
def _by_mask(tests: Tests) -> Mapping[int, set[Value]]:
    index: dict[int, set[Value]] = defaultdict(set)
    for value, mask in tests:
        index[mask].add(value)
    return index


def _is_covered(test: Test, others: Tests, *, strictly: bool = False) -> bool:
    """Whether one of others allows all that a test allows, or with `strictly` that and more."""
    value, mask = test
    if isinstance(value, str):
        return not strictly and test in others
    return any(
        wide & ~mask == 0 and value & wide in values and not (strictly and wide == mask)
        for wide, values in _by_mask(others).items()
    )


def _covers(wide: Box, narrow: Box) -> bool:
    """Whether a box allows all that another one allows."""
    for field, tests in wide.bits.items():
        there = narrow.bits.get(field)
        if there is None or not all(_is_covered(test, tests) for test in there):
            return False
    for field, choice in wide.sets:
        if not any(asked <= choice for asked in narrow.choices(field)):
            return False
    return all(
        all(value != pair[1] for value, _ in narrow.bits[pair[0]])
        if pair[0] in narrow.bits
        else pair in narrow.excluded
        for pair in wide.excluded
    )


def complement(value: int, mask: int) -> Tests:
    """Return tests for what differs from `value` in a bit of `mask`: one for each bit, disjoint.

    The first differs in the highest bit of the mask; each next one agrees there, and differs in
    the next bit.
    """
    tests = set()
    bit, above = 1 << mask.bit_length(), 0
    while bit > 1:
        bit >>= 1
        if mask & bit:
            above |= bit
            tests.add(((value ^ bit) & above, above))
    return frozenset(tests)


def between(low: int, high: int, offset: int, width: int) -> Tests:
    """Return the fewest prefixes that cover `low` to `high` in `width` bits from bit `offset`."""
    tests = set()
    while low <= high:
        size = low & -low or 1 << width
        while low + size - 1 > high:
            size >>= 1
        tests.add((low << offset, ((1 << width) - size) << offset))
        low += size
    return frozenset(tests)


def outside(values: Iterable[Test], offset: int, width: int) -> Tests:
    """Return the fewest prefixes that cover what no value matches, in `width` bits from `offset`.

    Each value comes with a mask, which is that of a prefix (`is_prefix`).
    """
    full = (1 << width) - 1
    low, tests = 0, frozenset[Test]()
    for value, mask in sorted((it, mask) for it, mask in values if isinstance(it, int)):
        if value > low:
            tests |= between(low, value - 1, offset, width)
        low = max(low, (value | (full ^ mask)) + 1)
    return tests | between(low, full, offset, width)


def is_prefix(mask: int, width: int) -> bool:
    """Whether a mask of `width` bits has its ones before its zeros."""
    zeros = ((1 << width) - 1) ^ mask
    return zeros & (zeros + 1) == 0
