"""From a frame's bytes to its flow key, and from changed fields back to bytes.

`parse` reads Ethernet, one 802.1Q tag, ARP, IPv4 with options, TCP, UDP and ICMP into the packet
part of a flow key (see `fields`), and notes where the headers lie. It never raises and never
guesses: a header that is cut short, or that contradicts itself (an IPv4 total length beyond the
frame, say), leaves its fields and those above it out of the key. Later fragments have no layer 4
fields. Bytes beyond the IPv4 total length are padding and belong to no header.

`rewrite` writes fields into a copy of the frame and updates the checksums that cover them
incrementally (RFC 1624): so it needs no payload, works on first fragments, and leaves a damaged
packet as detectably damaged as it was. A UDP checksum of zero (none) stays zero.

The key depends on headers only, never on the payload or the length of the frame: two frames with
one key get one treatment, which is what makes the cache of `cache` right.

Cost: parsing is a dozen integer operations and one `struct` read a header.
"""

import struct
from collections.abc import Iterable

from attrs import frozen

from vswitch_sim.checksum import updated_checksum
from vswitch_sim.fields import FIELDS, OFPVID_PRESENT, PRESENCE

ETHERNET_BYTES = 14
ETHERTYPE_VLAN = 0x8100
ETHERTYPE_IPV4 = 0x0800
ETHERTYPE_ARP = 0x0806
# OFP_DL_TYPE_NOT_ETH_TYPE of OpenFlow 1.0: the frame carries a length, not a type (IEEE 802.3).
NOT_AN_ETHERTYPE = 0x05FF

_SHIFT = {name: field.shift for name, field in FIELDS.items()}
_IPV4 = struct.Struct("!BBHHHBBHII")
_ARP = struct.Struct("!HHBBH6sI6sI")
_ARP_IPV4_OVER_ETHERNET = (1, ETHERTYPE_IPV4, 6, 4)
_FRAGMENT_OFFSET = 0x1FFF
_FRAGMENTED = 0x3FFF


@frozen
class Parsed:
    """A frame's flow key and where its headers lie.

    Attributes:
        key: the packet fields' part of the flow key, with presence bits.
        l3: offset of the ARP or IPv4 header in bytes; 0 if it has none.
        l4: offset of the TCP, UDP or ICMP header in bytes; 0 if it has none.
        end: where the IPv4 packet ends in bytes; 0 without an IPv4 header.
        fragment: whether this is a fragment of an IPv4 packet, first or later.
    """

    key: int
    l3: int = 0
    l4: int = 0
    end: int = 0
    fragment: bool = False


def parse(frame: bytes) -> Parsed | None:
    """Read a frame's headers; None if it is a runt, shorter than an Ethernet header."""
    if len(frame) < ETHERNET_BYTES:
        return None
    key = int.from_bytes(frame[:6], "big") << _SHIFT["eth_dst"]
    key |= int.from_bytes(frame[6:12], "big") << _SHIFT["eth_src"]
    eth_type = frame[12] << 8 | frame[13]
    l3 = ETHERNET_BYTES
    if eth_type == ETHERTYPE_VLAN and len(frame) >= ETHERNET_BYTES + 4:
        tci = frame[14] << 8 | frame[15]
        key |= (tci & 0xFFF | OFPVID_PRESENT) << _SHIFT["vlan_vid"]
        key |= tci >> 13 << _SHIFT["vlan_pcp"]
        eth_type = frame[16] << 8 | frame[17]
        l3 += 4
    if eth_type < 0x600:
        eth_type = NOT_AN_ETHERTYPE
    key |= eth_type << _SHIFT["eth_type"]
    if eth_type == ETHERTYPE_IPV4:
        return _parse_ipv4(frame, l3, key)
    if eth_type == ETHERTYPE_ARP:
        return _parse_arp(frame, l3, key)
    return Parsed(key)


def _parse_arp(frame: bytes, l3: int, key: int) -> Parsed:
    if len(frame) < l3 + _ARP.size:
        return Parsed(key)
    *form, op, sha, spa, tha, tpa = _ARP.unpack_from(frame, l3)
    if tuple(form) != _ARP_IPV4_OVER_ETHERNET:
        return Parsed(key)
    key |= PRESENCE["arp"]
    key |= op << _SHIFT["arp_op"] | spa << _SHIFT["arp_spa"] | tpa << _SHIFT["arp_tpa"]
    key |= int.from_bytes(sha, "big") << _SHIFT["arp_sha"]
    key |= int.from_bytes(tha, "big") << _SHIFT["arp_tha"]
    return Parsed(key, l3)


def _parse_ipv4(frame: bytes, l3: int, key: int) -> Parsed:
    if len(frame) < l3 + _IPV4.size:
        return Parsed(key)
    first, tos, total_bytes, _, flags, ttl, proto, _, source, destination = _IPV4.unpack_from(
        frame, l3
    )
    header_bytes = (first & 0xF) * 4
    end = l3 + total_bytes
    if first >> 4 != 4 or not _IPV4.size <= header_bytes <= total_bytes or end > len(frame):
        return Parsed(key)
    key |= PRESENCE["ipv4"]
    key |= source << _SHIFT["ipv4_src"] | destination << _SHIFT["ipv4_dst"]
    key |= proto << _SHIFT["ip_proto"] | ttl << _SHIFT["ip_ttl"]
    key |= tos >> 2 << _SHIFT["ip_dscp"] | (tos & 3) << _SHIFT["ip_ecn"]
    fragment = bool(flags & _FRAGMENTED)
    l4 = l3 + header_bytes
    l4_key = 0 if flags & _FRAGMENT_OFFSET else _l4_key(frame, l4, end, proto)
    return Parsed(key | l4_key, l3, l4 if l4_key else 0, end, fragment)


def _l4_key(frame: bytes, l4: int, end: int, proto: int) -> int:
    room_bytes = end - l4
    source: int
    destination: int
    if proto == 6 and room_bytes >= 20:
        source, destination = struct.unpack_from("!HH", frame, l4)
        flags = (frame[l4 + 12] & 0xF) << 8 | frame[l4 + 13]
        key = PRESENCE["tcp"] | flags << _SHIFT["tcp_flags"]
        return key | source << _SHIFT["tcp_src"] | destination << _SHIFT["tcp_dst"]
    if proto == 17 and room_bytes >= 8:
        source, destination = struct.unpack_from("!HH", frame, l4)
        return PRESENCE["udp"] | source << _SHIFT["udp_src"] | destination << _SHIFT["udp_dst"]
    if proto == 1 and room_bytes >= 8:
        kind, code = frame[l4], frame[l4 + 1]
        return PRESENCE["icmpv4"] | kind << _SHIFT["icmpv4_type"] | code << _SHIFT["icmpv4_code"]
    return 0


# Where a field begins, in bytes from the start of its header, and its length in bytes.
_ETHERNET_PLACE = {"eth_dst": (0, 6), "eth_src": (6, 6)}
_ARP_PLACE = {
    "arp_op": (6, 2),
    "arp_sha": (8, 6),
    "arp_spa": (14, 4),
    "arp_tha": (18, 6),
    "arp_tpa": (24, 4),
}
_ADDRESS_PLACE = {"ipv4_src": (12, 4), "ipv4_dst": (16, 4)}
_L4_PLACE = {
    "tcp_src": (0, 2),
    "tcp_dst": (2, 2),
    "udp_src": (0, 2),
    "udp_dst": (2, 2),
    "icmpv4_type": (0, 1),
    "icmpv4_code": (1, 1),
}
_L4_CHECKSUM_PLACE = {"tcp": 16, "udp": 6, "icmpv4": 2}


def rewrite(frame: bytes, parsed: Parsed, changes: Iterable[tuple[str, int]]) -> bytes:
    """The frame with fields set to new values and the checksums that cover them updated.

    Args:
        frame: the frame `parsed` was read from.
        parsed: where its headers lie.
        changes: (field name, value) pairs; the frame must have each of the fields.
    """
    out = bytearray(frame)
    for name, value in changes:
        if name in _ETHERNET_PLACE:
            offset, size = _ETHERNET_PLACE[name]
            out[offset : offset + size] = value.to_bytes(size, "big")
        elif name in _ARP_PLACE:
            offset, size = _ARP_PLACE[name]
            out[parsed.l3 + offset : parsed.l3 + offset + size] = value.to_bytes(size, "big")
        elif name in _ADDRESS_PLACE:
            _write_address(out, parsed, name, value)
        elif name in _L4_PLACE:
            _write_l4(out, parsed, name, value)
        elif name == "vlan_vid":
            out[14] = out[14] & 0xF0 | value >> 8 & 0x0F
            out[15] = value & 0xFF
        elif name == "vlan_pcp":
            out[14] = out[14] & 0x1F | value << 5
        else:
            _write_ipv4_octet(out, parsed.l3, name, value)
    return bytes(out)


def _write_ipv4_octet(out: bytearray, l3: int, name: str, value: int) -> None:
    match name:
        case "ip_ttl":
            place, octet = 8, value
        case "ip_dscp":
            place, octet = 1, value << 2 | out[l3 + 1] & 3
        case "ip_ecn":
            place, octet = 1, out[l3 + 1] & 0xFC | value
        case _:
            raise AssertionError(f"no writer for field {name}")
    word = l3 + place - place % 2
    before = bytes(out[word : word + 2])
    out[l3 + place] = octet
    _update(out, l3 + 10, before, bytes(out[word : word + 2]))


def _write_address(out: bytearray, parsed: Parsed, name: str, value: int) -> None:
    offset, size = _ADDRESS_PLACE[name]
    place = parsed.l3 + offset
    before, after = bytes(out[place : place + size]), value.to_bytes(size, "big")
    out[place : place + size] = after
    _update(out, parsed.l3 + 10, before, after)
    layer = _l4_layer(parsed.key)
    if layer in ("tcp", "udp"):
        _update_l4(out, parsed, layer, before, after)


def _write_l4(out: bytearray, parsed: Parsed, name: str, value: int) -> None:
    offset, size = _L4_PLACE[name]
    word = parsed.l4 + offset - offset % 2
    before = bytes(out[word : word + 2])
    out[parsed.l4 + offset : parsed.l4 + offset + size] = value.to_bytes(size, "big")
    _update_l4(out, parsed, FIELDS[name].layer, before, bytes(out[word : word + 2]))


def _l4_layer(key: int) -> str:
    return next((layer for layer in _L4_CHECKSUM_PLACE if key & PRESENCE[layer]), "")


def _update_l4(out: bytearray, parsed: Parsed, layer: str, before: bytes, after: bytes) -> None:
    place = parsed.l4 + _L4_CHECKSUM_PLACE[layer]
    if layer == "udp" and out[place : place + 2] == b"\0\0":
        return
    _update(out, place, before, after)
    if out[place : place + 2] != b"\0\0":
        return
    # One's complement has two zeros. UDP reserves this one; and data of nothing but zeros, which
    # only ICMP can have for want of a pseudo header, adds up to the other.
    if layer == "udp" or (layer == "icmpv4" and not any(out[parsed.l4 : parsed.end])):
        out[place : place + 2] = b"\xff\xff"


def _update(out: bytearray, place: int, before: bytes, after: bytes) -> None:
    checksum = int.from_bytes(out[place : place + 2], "big")
    out[place : place + 2] = updated_checksum(checksum, before, after).to_bytes(2, "big")
