"""A match: which packets a flow covers.

A `Match` maps fields to (value, mask) pairs; a packet is covered if it agrees with every named
field in every bit of the mask. Prerequisites see to it that it has the header; a field that it
lacks all the same is zero (see `fields`). It is checked once, when it is made, as a switch would:
widths, bits outside the mask, prerequisites. Equal matches are equal objects: fields stand in
one order, and a field whose mask is 0 is dropped.

The two integers `key_value` and `key_mask` are the same match over flow keys (see `fields`), and
are all the switch itself looks at.
"""

from collections.abc import Iterable, Iterator
from functools import reduce
from operator import or_

from attrs import field, frozen

from vswitch_sim.errors import FlowError
from vswitch_sim.fields import FIELDS, OFPVID_PRESENT, Field

_SHORTHANDS = (
    ({"eth_type": 0x0800, "ip_proto": 6}, "tcp"),
    ({"eth_type": 0x0800, "ip_proto": 17}, "udp"),
    ({"eth_type": 0x0800, "ip_proto": 1}, "icmp"),
    ({"eth_type": 0x0800}, "ip"),
    ({"eth_type": 0x0806}, "arp"),
)


Rows = tuple[tuple[str, int, int], ...]


def _canonical(rows: Rows) -> Rows:
    given: dict[str, tuple[int, int]] = {}
    for name, value, mask in rows:
        if name not in FIELDS:
            raise FlowError(f"no field is named {name!r}; there are {', '.join(FIELDS)}")
        if name in given:
            raise FlowError(f"a match names {name} twice")
        _check(FIELDS[name], value, mask)
        given[name] = value, mask
    return tuple((name, *given[name]) for name in FIELDS if name in given and given[name][1])


@frozen
class Match:
    """Fields with the values and masks a packet must have; `Match()` covers every packet.

    `Match.of` is the handy way to make one. Iterates over field names; `match["eth_dst"]` is a
    (value, mask) pair.

    Attributes:
        fields: (name, value, mask) triples, in the order of `FIELDS` whatever order was given.
        key_value: what a flow key must be under `key_mask`.
        key_mask: the bits of the flow key that count.

    Raises:
        FlowError: an unknown field, a value too wide, bits outside the mask, or a missing
            prerequisite (`tcp_dst` needs `eth_type=0x0800` and `ip_proto=6`).
    """

    fields: Rows = field(default=(), converter=_canonical)
    key_value: int = field(init=False, eq=False, repr=False)
    key_mask: int = field(init=False, eq=False, repr=False)

    @key_value.default
    def _default_key_value(self) -> int:
        return _joined(value << FIELDS[name].shift for name, value, _ in self.fields)

    @key_mask.default
    def _default_key_mask(self) -> int:
        return _joined(mask << FIELDS[name].shift for name, _, mask in self.fields)

    def __attrs_post_init__(self) -> None:
        for name in self:
            lacking = self.missing(FIELDS[name])
            if lacking:
                raise FlowError(f"a match on {name} needs {lacking} in the same match")

    @classmethod
    def of(cls, **fields: int | tuple[int, int]) -> "Match":
        """A match of the named fields, each an exact value or a (value, mask) pair.

        Raises:
            FlowError: as the class does.
        """
        return cls(
            tuple(
                (name, *given)
                if isinstance(given, tuple)
                else (name, given, FIELDS[name].maximum if name in FIELDS else 0)
                for name, given in fields.items()
            )
        )

    def covers(self, key: int) -> bool:
        """Whether the packet with this flow key matches."""
        return key & self.key_mask == self.key_value

    def missing(self, wanted: Field) -> str:
        """The first prerequisite of a field that this match does not promise, or ""."""
        for name, value, mask in wanted.prerequisites:
            has_value, has_mask = self.get(name)
            if has_mask & mask != mask or has_value & mask != value:
                return f"{name}={value:#06x}" + ("" if mask != value else f"/{mask:#06x}")
        return ""

    def get(self, name: str) -> tuple[int, int]:
        """The (value, mask) of a field; (0, 0) if the match does not name it."""
        return next(((value, mask) for has, value, mask in self.fields if has == name), (0, 0))

    def __getitem__(self, name: str) -> tuple[int, int]:
        if name not in self:
            raise KeyError(name)
        return self.get(name)

    def __contains__(self, name: object) -> bool:
        return any(has == name for has, _, _ in self.fields)

    def __iter__(self) -> Iterator[str]:
        return (name for name, _, _ in self.fields)

    def __len__(self) -> int:
        return len(self.fields)

    def __str__(self) -> str:
        """The match as `ovs-ofctl dump-flows` writes it; empty if it covers everything."""
        exact = {name: value for name, value, mask in self.fields if mask == FIELDS[name].maximum}
        shown = []
        hidden: set[str] = set()
        for pattern, shorthand in _SHORTHANDS:
            if pattern.items() <= exact.items():
                shown.append(shorthand)
                hidden = set(pattern)
                break
        shown.extend(
            f"{FIELDS[name].match_name}={_format(FIELDS[name], value, mask)}"
            for name, value, mask in self.fields
            if name not in hidden
        )
        return ",".join(shown)


def _joined(parts: Iterable[int]) -> int:
    return reduce(or_, parts, 0)


def _check(known: Field, value: int, mask: int) -> None:
    if not 0 <= value <= known.maximum or not 0 <= mask <= known.maximum:
        raise FlowError(
            f"{known.name} has {known.width} bits: {value:#x} with mask {mask:#x} does not fit"
        )
    if value & ~mask:
        raise FlowError(f"{known.name}={value:#x}/{mask:#x}: the value has bits outside the mask")
    if known.name == "vlan_vid" and mask & OFPVID_PRESENT and 0 < value < OFPVID_PRESENT:
        raise FlowError(
            f"vlan_vid={value:#x} can match no packet: add OFPVID_PRESENT, "
            f"{value | OFPVID_PRESENT:#x}"
        )


def _format(known: Field, value: int, mask: int) -> str:
    text = known.format(value)
    if mask == known.maximum:
        return text
    if known.form == "ip":
        ones = mask.bit_count()
        if mask == (known.maximum << (32 - ones)) & known.maximum:
            return f"{text}/{ones}"
        return f"{text}/{known.format(mask)}"
    if known.form == "number":
        return f"{value:#x}/{mask:#x}"
    return f"{text}/{known.format(mask)}"
