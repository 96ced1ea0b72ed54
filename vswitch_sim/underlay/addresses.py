"""The few fields of an IP packet that a router looks at, for both versions of IP.

Headers are read where they stand; nothing beyond them matters to the underlay. Every packet here
may not be fragmented on the way: IPv6 knows no other, IPv4 senders set DF.
"""

import struct
import zlib
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address

from vswitch_sim.checksum import updated_checksum

IpAddress = IPv4Address | IPv6Address

IPV4_HEADER_BYTES = 20
IPV6_HEADER_BYTES = 40
_ICMP, _ICMPV6 = 1, 58
_ICMP_ERRORS = frozenset((3, 4, 5, 11, 12))


def version(packet: bytes) -> int:
    """4 or 6; 0 for bytes that hold no whole IP header."""
    if len(packet) >= IPV4_HEADER_BYTES and packet[0] >> 4 == 4:
        return 4
    return 6 if len(packet) >= IPV6_HEADER_BYTES and packet[0] >> 4 == 6 else 0


def source(packet: bytes) -> IpAddress:
    """The sender's address."""
    if packet[0] >> 4 == 4:
        return IPv4Address(packet[12:16])
    return IPv6Address(packet[8:24])


def destination(packet: bytes) -> IpAddress:
    """The receiver's address."""
    if packet[0] >> 4 == 4:
        return IPv4Address(packet[16:20])
    return IPv6Address(packet[24:40])


def hop_limit(packet: bytes) -> int:
    """The TTL, or hop limit."""
    return packet[8] if packet[0] >> 4 == 4 else packet[7]


def with_hop_limit_decremented(packet: bytes) -> bytes:
    """The packet one hop on; the TTL must be above 0."""
    out = bytearray(packet)
    if packet[0] >> 4 == 6:
        out[7] -= 1
        return bytes(out)
    before = packet[8:10]
    out[8] -= 1
    checksum = updated_checksum(int.from_bytes(packet[10:12], "big"), before, bytes(out[8:10]))
    out[10:12] = checksum.to_bytes(2, "big")
    return bytes(out)


def flow_hash(packet: bytes) -> int:
    """A hash of addresses, protocol and the ports behind an option-free header (RFC 2991)."""
    if packet[0] >> 4 == 4:
        return zlib.crc32(packet[9:10] + packet[12:24])
    return zlib.crc32(packet[6:7] + packet[8:44])


def is_icmp_error(packet: bytes) -> bool:
    """Whether the packet is an ICMP error, of which no router may complain (RFC 1122)."""
    if packet[0] >> 4 == 4:
        header_bytes = (packet[0] & 0xF) * 4
        kind: Sequence[int] = packet[header_bytes : header_bytes + 1]
        return packet[9] == _ICMP and bool(kind) and kind[0] in _ICMP_ERRORS
    kind = packet[IPV6_HEADER_BYTES : IPV6_HEADER_BYTES + 1]
    return packet[6] == _ICMPV6 and bool(kind) and kind[0] < 128


def ipv4_header(
    sender: IPv4Address, receiver: IPv4Address, protocol: int, payload_bytes: int, ttl: int
) -> bytes:
    """An IPv4 header with DF set (RFC 791), its checksum still zero."""
    total_bytes = IPV4_HEADER_BYTES + payload_bytes
    ends = sender.packed, receiver.packed
    return struct.pack("!BBHHHBBH4s4s", 0x45, 0, total_bytes, 0, 0x4000, ttl, protocol, 0, *ends)


def ipv6_header(
    sender: IPv6Address, receiver: IPv6Address, protocol: int, payload_bytes: int, ttl: int
) -> bytes:
    """An IPv6 header (RFC 8200)."""
    ends = sender.packed, receiver.packed
    return struct.pack("!IHBB16s16s", 6 << 28, payload_bytes, protocol, ttl, *ends)
