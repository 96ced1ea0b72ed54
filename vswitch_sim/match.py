"""A match: which packets a flow covers.

A `Match` maps fields to (value, mask) pairs; a packet is covered if it agrees with each in every
bit of the mask. It is checked once, when it is made, as a switch would: widths, bits outside the
mask, prerequisites. Of `xreg0` and its like it keeps the registers they are made of. Equal matches
are equal objects: fields stand in one order, and a field whose mask is 0 is dropped.

The two integers `key_value` and `key_mask` are the same match over flow keys (see `fields`), and
are all the switch itself looks at.
"""

from collections.abc import Iterable, Iterator
from functools import reduce
from operator import or_

from attrs import field, frozen

from vswitch_sim.errors import FlowError
from vswitch_sim.fields import CONDITIONS, FIELDS, L4_NEEDS, OFPVID_PRESENT, Field, known_field
from vswitch_sim.values import format_masked

_SHORTHANDS = (
    ({"eth_type": 0x0800, "ip_proto": 6}, "tcp"),
    ({"eth_type": 0x0800, "ip_proto": 17}, "udp"),
    ({"eth_type": 0x0800, "ip_proto": 132}, "sctp"),
    ({"eth_type": 0x0800, "ip_proto": 1}, "icmp"),
    ({"eth_type": 0x86DD, "ip_proto": 6}, "tcp6"),
    ({"eth_type": 0x86DD, "ip_proto": 17}, "udp6"),
    ({"eth_type": 0x86DD, "ip_proto": 132}, "sctp6"),
    ({"eth_type": 0x86DD, "ip_proto": 58}, "icmp6"),
    ({"eth_type": 0x0800}, "ip"),
    ({"eth_type": 0x86DD}, "ipv6"),
    ({"eth_type": 0x0806}, "arp"),
    ({"eth_type": 0x8035}, "rarp"),
)
_FIRST = frozenset({"recirc_id", "conj_id", "ct_state", "ct_zone", "ct_mark", "ct_label"})
_TAG = frozenset({"vlan_vid", "vlan_pcp"})

# The bit of ip_frag that later fragments have, which show nothing above IP.
_LATER = 2

Rows = tuple[tuple[str, int, int], ...]


def _canonical(rows: Rows) -> Rows:
    given: dict[str, tuple[int, int]] = {}
    for name, value, mask in rows:
        wrong = known_field(name)
        if wrong:
            raise FlowError(wrong)
        _check(FIELDS[name], value, mask)
        for part, part_value, part_mask in _registers(name, value, mask):
            if part in given:
                raise FlowError(f"a match names {part} twice")
            given[part] = part_value, part_mask
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
            prerequisite (`tcp_dst` needs an `eth_type` of IPv4 or IPv6 and `ip_proto=6`).
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
        return self.missing_layer(wanted.needs)

    def missing_layer(self, needs: str) -> str:
        """What a match must promise so that packets have a header; "" if this one does."""
        if needs in L4_NEEDS and self.get("ip_frag")[0] & _LATER:
            return f"ip_frag=0/{_LATER}"
        lacking: list[tuple[int, str]] = []
        for condition in CONDITIONS[needs]:
            for place, (name, value, mask) in enumerate(condition):
                has_value, has_mask = self.get(name)
                if has_mask & mask != mask or has_value & mask != value:
                    text = f"{name}={value:#06x}" + ("" if mask != value else f"/{mask:#06x}")
                    lacking.append((place, text))
                    break
            else:
                return ""
        furthest = max(place for place, _ in lacking)
        return " or ".join(dict.fromkeys(text for place, text in lacking if place == furthest))

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
        return ",".join(format_rows(self.fields))


def _registers(name: str, value: int, mask: int) -> Rows:
    if not name.startswith("x"):
        return ((name, value, mask),)
    n_registers = FIELDS[name].width // 32
    first = int(name.lstrip("xreg")) * n_registers
    shifts = [32 * (n_registers - 1 - n) for n in range(n_registers)]
    return tuple(
        (f"reg{first + n}", value >> shift & 0xFFFFFFFF, mask >> shift & 0xFFFFFFFF)
        for n, shift in enumerate(shifts)
    )


def format_rows(rows: Iterable[tuple[str, int, int]]) -> Iterator[str]:
    """Fields with values and masks, in the order of `FIELDS`, as `ovs-ofctl` writes a match."""
    given = {name: (value, mask) for name, value, mask in rows}
    exact = {name: value for name, (value, mask) in given.items() if mask == FIELDS[name].maximum}
    shorthand, hidden = _shorthand(exact)
    shown = [name for name in given if name not in hidden]
    for name in (name for name in shown if name in _FIRST):
        yield _format(name, *given[name])
    if shorthand:
        yield shorthand
    for name in (name for name in shown if name not in _FIRST):
        if name == "vlan_vid" or (name == "vlan_pcp" and "vlan_vid" not in given):
            yield from _format_tag(*given.get("vlan_vid", (0, 0)), *given.get("vlan_pcp", (0, 0)))
        elif name not in _TAG:
            yield _format(name, *given[name])


def _shorthand(exact: dict[str, int]) -> tuple[str, set[str]]:
    for pattern, shorthand in _SHORTHANDS:
        if pattern.items() <= exact.items():
            return shorthand, set(pattern)
    return "", set()


def _format(name: str, value: int, mask: int) -> str:
    return f"{FIELDS[name].match_name}={format_masked(FIELDS[name], value, mask)}"


def _format_tag(vid: int, vid_mask: int, pcp: int, pcp_mask: int) -> Iterator[str]:
    exact = vid_mask in (OFPVID_PRESENT, 0x1FFF) and vid & OFPVID_PRESENT and pcp_mask in (0, 7)
    if exact and (vid_mask != OFPVID_PRESENT or pcp_mask):
        if vid_mask != OFPVID_PRESENT:
            yield f"dl_vlan={vid & 0xFFF}"
        if pcp_mask:
            yield f"dl_vlan_pcp={pcp}"
        return
    value, mask = vid | pcp << 13, vid_mask | pcp_mask << 13
    yield f"vlan_tci={value:#06x}" + ("" if mask == 0xFFFF else f"/{mask:#06x}")


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
