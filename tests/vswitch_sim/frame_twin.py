"""Frames read and written the obvious way: the twin of the datapath's core.

A frame is read into a table of places, (byte, bytes, shift, bits) a field, which both reading a
value and writing one go by. A checksum is said to cover ranges of bytes, and is worked out from all
of them, before and after: arithmetic modulo 0xFFFF, where the core works by the difference.

The facts are those of the RFCs, and of Open vSwitch where these leave it open: what a frame that
contradicts itself is.
"""

from attrs import define, field

from vswitch_sim.datapath import _core

LAYOUT = _core.layout()
TAGS = (0x8100, 0x88A8)
READ_ONLY = {"eth_type", "ip_proto", "ip_frag", "tcp_flags", "inner_tag"}
METADATA = ("recirc_id", "in_port", "tun_id", "ct_state", "ct_mark", "ct_zone", "ct_label")
Place = tuple[int, int, int, int]


def number(frame: bytes, at: int, size: int) -> int:
    return int.from_bytes(frame[at : at + size], "big")


@define
class Sum:
    """A checksum: where it lies, which bytes it covers, and whose it is."""

    at: int
    covers: list[range]
    layer: str


@define
class Reading:
    fields: dict[str, int] = field(factory=dict)
    places: dict[str, Place] = field(factory=dict)
    sums: list[Sum] = field(factory=list)
    l3: int = 0
    l4: int = 0
    end: int = 0

    def take(self, frame: bytes, name: str, at: int, size: int, shift=0, bits=None) -> int:
        bits = 8 * size if bits is None else bits
        self.places[name] = (at, size, shift, bits)
        self.fields[name] = number(frame, at, size) >> shift & (1 << bits) - 1
        return self.fields[name]


def read(frame: bytes) -> Reading | None:
    if len(frame) < 14:
        return None
    reading = Reading()
    reading.take(frame, "eth_dst", 0, 6)
    reading.take(frame, "eth_src", 6, 6)
    at = 12
    for tag in ("outer", "inner"):
        if number(frame, at, 2) in TAGS and len(frame) >= at + 6:
            if tag == "outer":
                reading.take(frame, "vlan_vid", at + 2, 2, 0, 12)
                reading.take(frame, "vlan_pcp", at + 2, 2, 13, 3)
                reading.fields["vlan_vid"] |= 0x1000
            else:
                reading.fields["inner_tag"] = number(frame, at + 2, 2) | 0x1000
            at += 4
        else:
            break
    eth_type = number(frame, at, 2)
    at += 2
    if eth_type < 0x600:
        snap = len(frame) >= at + 8 and frame[at : at + 6] == b"\xaa\xaa\x03\0\0\0"
        eth_type = number(frame, at + 6, 2) if snap else 0
        eth_type = eth_type if eth_type >= 0x600 else 0x5FF
        at += 8 if snap else 0
    reading.fields["eth_type"] = eth_type
    if eth_type in (0x0806, 0x8035):
        read_arp(reading, frame, at)
    elif eth_type == 0x0800:
        read_ipv4(reading, frame, at)
    elif eth_type == 0x86DD:
        read_ipv6(reading, frame, at)
    return reading


def read_arp(reading: Reading, frame: bytes, at: int) -> None:
    if len(frame) < at + 28 or frame[at : at + 6] != b"\0\1\x08\0\6\4":
        return
    reading.l3 = at
    if reading.take(frame, "arp_op", at + 6, 2) > 255:
        reading.fields["arp_op"] = 0
    reading.take(frame, "arp_sha", at + 8, 6)
    reading.take(frame, "arp_spa", at + 14, 4)
    reading.take(frame, "arp_tha", at + 18, 6)
    reading.take(frame, "arp_tpa", at + 24, 4)


def read_ipv4(reading: Reading, frame: bytes, at: int) -> None:
    left = len(frame) - at
    header, total = 4 * (number(frame, at, 1) & 15), number(frame, at + 2, 2)
    if left < 20 or not 20 <= header <= total <= left or left - total > 0xFFFF:
        return
    reading.l3, reading.end = at, at + total
    reading.take(frame, "ip_dscp", at + 1, 1, 2, 6)
    reading.take(frame, "ip_ecn", at + 1, 1, 0, 2)
    reading.take(frame, "ip_ttl", at + 8, 1)
    reading.take(frame, "ip_proto", at + 9, 1)
    reading.take(frame, "ipv4_src", at + 12, 4)
    reading.take(frame, "ipv4_dst", at + 16, 4)
    reading.sums.append(Sum(at + 10, [range(at, at + header)], "ipv4"))
    flags = number(frame, at + 6, 2)
    reading.fields["ip_frag"] = 3 if flags & 0x1FFF else 1 if flags & 0x3FFF else 0
    if reading.fields["ip_frag"] != 3:
        read_l4(reading, frame, at + header, [range(at + 12, at + 20)])


def read_ipv6(reading: Reading, frame: bytes, at: int) -> None:
    left = len(frame) - at
    total = 40 + number(frame, at + 4, 2)
    if left < 40 or total > left or left - total > 0xFFFF:
        return
    reading.l3, reading.end = at, at + total
    reading.take(frame, "ipv6_src", at + 8, 16)
    reading.take(frame, "ipv6_dst", at + 24, 16)
    kind, place, fragment = frame[at + 6], at + 40, 0
    pseudo = [range(at + 8, at + 40)]
    others = {
        "ipv6_label": (at, 4, 0, 20),
        "ip_dscp": (at, 4, 22, 6),
        "ip_ecn": (at, 4, 20, 2),
        "ip_ttl": (at + 7, 1, 0, 8),
    }
    reading.places |= others
    while kind in (0, 43, 44, 51, 60):
        if place + 8 > reading.end:
            return
        size = {44: 8, 51: 4 * (frame[place + 1] + 2)}.get(kind, 8 * (frame[place + 1] + 1))
        if kind == 44:
            fragment = 1 if number(frame, place + 2, 2) else fragment
            if number(frame, place + 2, 2) >= 8:
                fragment = 3
                break
        if kind == 43 and frame[place + 3]:
            pseudo = [range(at + 8, at + 24)]
        if place + size > reading.end:
            return
        kind, place = frame[place], place + size
    for name, where in others.items():
        reading.take(frame, name, *where)
    reading.fields |= {"ip_proto": kind, "ip_frag": fragment}
    if fragment != 3:
        read_l4(reading, frame, place, pseudo)


def read_l4(reading: Reading, frame: bytes, at: int, pseudo: list[range]) -> None:
    reading.l4 = at
    proto, left, message = reading.fields["ip_proto"], reading.end - at, range(at, reading.end)
    if proto == 6 and left >= 20 and 20 <= 4 * (frame[at + 12] >> 4) <= left:
        reading.take(frame, "tcp_src", at, 2)
        reading.take(frame, "tcp_dst", at + 2, 2)
        reading.fields["tcp_flags"] = number(frame, at + 12, 2) & 0xFFF
        reading.sums.append(Sum(at + 16, [*pseudo, message], "tcp"))
    elif proto == 17 and left >= 8:
        reading.take(frame, "udp_src", at, 2)
        reading.take(frame, "udp_dst", at + 2, 2)
        reading.sums.append(Sum(at + 6, [*pseudo, message], "udp"))
    elif proto == 132 and left >= 12:
        # Read, but never written.
        reading.fields["sctp_src"] = number(frame, at, 2)
        reading.fields["sctp_dst"] = number(frame, at + 2, 2)
    elif proto == 1 and left >= 8:
        reading.take(frame, "icmpv4_type", at, 1)
        reading.take(frame, "icmpv4_code", at + 1, 1)
        reading.sums.append(Sum(at + 2, [message], "icmpv4"))
    elif proto == 58 and left >= 8:
        reading.take(frame, "icmpv6_type", at, 1)
        reading.take(frame, "icmpv6_code", at + 1, 1)
        covers = [*pseudo, message] if "ipv6_src" in reading.fields else [message]
        reading.sums.append(Sum(at + 2, covers, "icmpv6"))
        if frame[at] in (135, 136) and frame[at + 1] == 0 and left >= 24:
            read_nd(reading, frame, at + 8)


def read_nd(reading: Reading, frame: bytes, at: int) -> None:
    found: dict[str, int] = {}
    place = at + 16
    while reading.end - place >= 8:
        kind, size = frame[place], 8 * frame[place + 1]
        if not 0 < size <= reading.end - place:
            break
        name = {1: "nd_sll", 2: "nd_tll"}.get(kind)
        if name and size == 8:
            if name in found and number(frame, found[name], 6):
                return
            found[name] = place + 2
        place += size
    reading.take(frame, "nd_target", at, 16)
    for name, where in found.items():
        reading.take(frame, name, where, 6)


def key_of(frame: bytes, metadata: dict[str, int]) -> int:
    """The key of a frame."""
    reading = read(frame)
    fields = metadata | (reading.fields if reading else {})
    return sum(value << LAYOUT[name][0] for name, value in fields.items())


def write(frame: bytes, value: int, mask: int) -> bytes:
    """The frame with the bits of a key's mask set, as far as it has them."""
    reading = read(frame)
    out = bytearray(frame)
    for name, (at, size, shift, bits) in reading.places.items() if reading else ():
        low, width = LAYOUT[name]
        chosen = mask >> low & (1 << min(bits, width)) - 1
        new = number(out, at, size) & ~(chosen << shift) | (value >> low & chosen) << shift
        out[at : at + size] = new.to_bytes(size, "big")
    for checksum in reading.sums if reading else ():
        mend(frame, out, checksum)
    return bytes(out)


def mend(before: bytes, after: bytearray, checksum: Sum) -> None:
    at = checksum.at
    old = number(before, at, 2)
    if covered(before, checksum) == covered(after, checksum):
        return
    if checksum.layer == "udp" and old == 0:
        return
    new = (old + total(covered(before, checksum)) - total(covered(after, checksum))) % 0xFFFF
    after[at : at + 2] = new.to_bytes(2, "big")
    nothing = checksum.layer == "icmpv4" and not any(covered(after, checksum))
    if new == 0 and (checksum.layer == "udp" or nothing):
        after[at : at + 2] = b"\xff\xff"


def covered(frame: bytes, checksum: Sum) -> bytes:
    """The bytes a checksum covers; its own are zero."""
    hole = (checksum.at, checksum.at + 1)
    parts = (
        bytes(0 if place in hole else frame[place] for place in part) for part in checksum.covers
    )
    return b"".join(part + b"\0" * (len(part) % 2) for part in parts)


def total(words: bytes) -> int:
    return sum(number(words, place, 2) for place in range(0, len(words), 2))


def push_vlan(frame: bytes, tpid: int, tci: int) -> bytes:
    return frame[:12] + tpid.to_bytes(2, "big") + (tci & 0xEFFF).to_bytes(2, "big") + frame[12:]


def pop_vlan(frame: bytes) -> bytes:
    tagged = number(frame, 12, 2) in TAGS and len(frame) >= 18
    return frame[:12] + frame[16:] if tagged else frame
