"""Conjunctions of bit tests, and what can be done with disjunctions of them.

A `Cube` says which values some fields of a packet may have: for a field in `bits`, those that
agree with a value in the bits of a mask; for each pair in `excluded`, any but that value. Port
names are values too, with the mask EXACT. A field that a cube does not mention may be anything,
even absent.

`excluded` is for fields that OpenFlow cannot mask: they can be told from a value only by naming
all others. It is left standing while cubes are combined, since most often another condition
settles it (`ip4 && !tcp`), and is written out only at the end.

A disjunction is a list of cubes. Those made by `complement`, `between` and `outside` overlap
nowhere and nest like prefixes, so that the conjunction of many of them grows with their sum, not
their product: `tcp.dst != {22, 80, 443}` is 28 cubes, where tests of single bits would make 16³.

Cost: `product` tries all pairs; `reduce` takes, for each cube, one look-up for each set of masks in
use. An `Algebra` counts both, and gives up when a result has more than CUBES_MAX cubes or all
its work together took more than STEPS_MAX steps, which is a few seconds.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import zip_longest

from attrs import frozen

EXACT = -1
CUBES_MAX = 4096
STEPS_MAX = 2_000_000

Value = int | str
Pair = tuple[str, Value]
"""A field and a value of it."""


class TooManyCubes(Exception):  # noqa: N818 - says what there is, and is not for users
    """A disjunction has more than CUBES_MAX cubes, or it took too much work to know."""


@frozen
class Cube:
    """A conjunction of conditions on fields; see the head of this file."""

    bits: Mapping[str, tuple[Value, int]] = {}
    excluded: frozenset[Pair] = frozenset()


Cubes = list[Cube]
ANYTHING: Cubes = [Cube()]

_Index = dict[tuple[tuple[str, int], ...], dict[tuple[Value, ...], list[Cube]]]
"""Cubes by the masks they test, and by the values they test for."""


def both(one: Cube, other: Cube) -> Cube | None:
    """Return the conjunction of two cubes, or None if nothing satisfies both."""
    bits = dict(one.bits)
    for field, (value, mask) in other.bits.items():
        if field not in bits:
            bits[field] = (value, mask)
            continue
        old_value, old_mask = bits[field]
        if isinstance(value, str) or isinstance(old_value, str):
            if value != old_value:
                return None
        elif (value ^ old_value) & mask & old_mask:
            return None
        else:
            bits[field] = (value | old_value, mask | old_mask)
    excluded = one.excluded | other.excluded
    if any(bits[field][0] == value for field, value in excluded if field in bits):
        return None
    return Cube(bits, frozenset(pair for pair in excluded if pair[0] not in bits))


class Algebra:
    """Operations on disjunctions, with a bound on the work of all of them together."""

    def __init__(self) -> None:
        self._steps = 0

    def disjunction(self, operands: Iterable[Cubes]) -> Cubes:
        """Return the disjunction of disjunctions."""
        return self.reduce(cube for operand in operands for cube in operand)

    def conjunction(self, operands: Iterable[Cubes]) -> Cubes:
        """Return the conjunction of disjunctions.

        They are combined in pairs, and those again, so that no product has one large side more
        often than it must.
        """
        remaining = list(operands) or [ANYTHING]
        while len(remaining) > 1:
            pairs = zip_longest(remaining[::2], remaining[1::2], fillvalue=ANYTHING)
            remaining = [self._product(left, right) for left, right in pairs]
        return remaining[0]

    def reduce(self, cubes: Iterable[Cube]) -> Cubes:
        """Return the disjunction without cubes that another one covers; the order is kept."""
        unique = {(frozenset(cube.bits.items()), cube.excluded): cube for cube in cubes}
        if len(unique) > CUBES_MAX:
            raise TooManyCubes
        if len(unique) <= 1:
            return list(unique.values())
        index: _Index = {}
        for cube in unique.values():
            fields = sorted(cube.bits)
            masks = tuple((field, cube.bits[field][1]) for field in fields)
            values = tuple(cube.bits[field][0] for field in fields)
            index.setdefault(masks, defaultdict(list))[values].append(cube)
        self._work(len(unique) * len(index))
        return [cube for cube in unique.values() if not _is_covered(cube, index)]

    def written_out(self, cubes: Cubes, values: Mapping[str, int]) -> Cubes:
        """Return the disjunction without exclusions: each is replaced by all other values.

        `values` gives the number of values of each field that has so few that this can be done.

        Raises:
            KeyError: a value is excluded from a field that is not in `values`; its argument is the
                pair of field and value.
        """
        result: Cubes = []
        for cube in cubes:
            expanded = [Cube(cube.bits)]
            for field in sorted({field for field, _ in cube.excluded}):
                gone = {value for name, value in cube.excluded if name == field}
                if field not in values:
                    raise KeyError((field, min(gone, key=str)))
                others = [value for value in range(values[field]) if value not in gone]
                if len(expanded) * len(others) > CUBES_MAX:
                    raise TooManyCubes
                expanded = [
                    Cube({**one.bits, field: (value, values[field] - 1)})
                    for one in expanded
                    for value in others
                ]
            result += expanded
            self._work(len(expanded))
        return self.reduce(result)

    def _product(self, left: Cubes, right: Cubes) -> Cubes:
        self._work(len(left) * len(right))
        cubes = (both(one, other) for one in left for other in right)
        return self.reduce(cube for cube in cubes if cube is not None)

    def _work(self, steps: int) -> None:
        self._steps += steps
        if self._steps > STEPS_MAX:
            raise TooManyCubes


def _is_covered(cube: Cube, index: _Index) -> bool:
    """Whether another cube of the index allows all that this one allows."""
    return any(other is not cube and _excludes(other, cube) for other in _wider(cube, index))


def _wider(cube: Cube, index: _Index) -> Iterator[Cube]:
    """The cubes whose bit tests this one's imply."""
    for masks, by_values in index.items():
        values: list[Value] = []
        for field, mask in masks:
            value, own_mask = cube.bits.get(field, (0, 0))
            if isinstance(value, str):
                values.append(value)
            elif mask & ~own_mask:
                break
            else:
                values.append(value & mask)
        else:
            yield from by_values.get(tuple(values), ())


def _excludes(wide: Cube, narrow: Cube) -> bool:
    """Whether whatever `narrow` allows is free of what `wide` excludes."""
    return all(
        narrow.bits[pair[0]][0] != pair[1] if pair[0] in narrow.bits else pair in narrow.excluded
        for pair in wide.excluded
    )


def complement(field: str, value: int, mask: int) -> Cubes:
    """Return cubes for what differs from `value` in a bit of `mask`: one for each bit, disjoint.

    The first differs in the highest bit of the mask; each next one agrees there, and differs in
    the next bit.
    """
    cubes = []
    bit, above = 1 << mask.bit_length(), 0
    while bit > 1:
        bit >>= 1
        if mask & bit:
            above |= bit
            cubes.append(Cube({field: ((value ^ bit) & above, above)}))
    return cubes


def between(field: str, low: int, high: int, offset: int, width: int) -> Cubes:
    """Return the fewest prefixes that cover `low` to `high` in `width` bits from bit `offset`."""
    cubes = []
    while low <= high:
        size = low & -low or 1 << width
        while low + size - 1 > high:
            size >>= 1
        mask = ((1 << width) - size) << offset
        cubes.append(Cube({field: (low << offset, mask)} if mask else {}))
        low += size
    return cubes


def outside(field: str, values: Iterable[tuple[int, int]], offset: int, width: int) -> Cubes:
    """Return the fewest prefixes that cover what no value matches, in `width` bits from `offset`.

    Each value comes with a mask, which is that of a prefix (`is_prefix`).
    """
    full = (1 << width) - 1
    low, cubes = 0, []
    for value, mask in sorted(values):
        if value > low:
            cubes += between(field, low, value - 1, offset, width)
        low = max(low, (value | (full ^ mask)) + 1)
    return cubes + between(field, low, full, offset, width)


def is_prefix(mask: int, width: int) -> bool:
    """Whether a mask of `width` bits has its ones before its zeros."""
    zeros = ((1 << width) - 1) ^ mask
    return zeros & (zeros + 1) == 0
