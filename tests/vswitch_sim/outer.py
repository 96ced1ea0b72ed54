"""Outer packets by hand, field by field: a twin of the encapsulations, no code in common.

Whatever a field can say, `stt_segment` can write: so tests forge what no honest sender sends.
"""

import struct
from ipaddress import ip_address


def sum16(data: bytes) -> int:
    """The Internet checksum, as RFC 1071 describes it."""
    total = 0
    for n in range(0, len(data), 2):
        total += (data[n] << 8) + (data[n + 1] if n + 1 < len(data) else 0)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ip_packet(source: str, destination: str, protocol: int, payload: bytes, tos: int = 0) -> bytes:
    """An IPv4 or IPv6 packet; a TCP (6) or UDP (17) checksum that is zero is filled in."""
    here, there = ip_address(source).packed, ip_address(destination).packed
    place = 16 if protocol == 6 else 6
    if payload[place : place + 2] == b"\0\0":
        pseudo = here + there + struct.pack("!II", len(payload), protocol)
        checksum = sum16(pseudo + payload) or (0xFFFF if protocol == 17 else 0)
        payload = payload[:place] + checksum.to_bytes(2, "big") + payload[place + 2 :]
    if len(here) == 16:
        head = struct.pack("!IHBB", 6 << 28 | tos << 20, len(payload), protocol, 64)
        return head + here + there + payload
    head = struct.pack("!BBHHHBBH", 0x45, tos, 20 + len(payload), 0, 0x4000, 64, protocol, 0)
    checksum = sum16(head + here + there)
    return head[:10] + checksum.to_bytes(2, "big") + here + there + payload


def stt_header(
    context_id: int = 0,
    *,
    version: int = 0,
    flags: int = 0,
    l4_offset: int = 0,
    reserved: int = 0,
    mss: int = 0,
    vlan: int = 0,
    padding: int = 0,
) -> bytes:
    first = struct.pack("!BBBBHH", version, flags, l4_offset, reserved, mss, vlan)
    return first + struct.pack("!QH", context_id, padding)


def stt_segment(
    stt_frame: bytes,
    offset: int = 0,
    size: int | None = None,
    *,
    source: str = "192.0.2.1",
    destination: str = "192.0.2.2",
    port: int = 50000,
    to_port: int = 7471,
    packet_id: int = 1,
    length: int | None = None,
    flags: int = 0x10,
    window: int = 0,
    urgent: int = 0,
    options: bytes = b"",
    tos: int = 0,
) -> bytes:
    """The segment of an STT frame with `size` bytes from `offset` on."""
    size = len(stt_frame) - offset if size is None else size
    length = len(stt_frame) if length is None else length
    words = 5 + len(options) // 4
    ports = struct.pack("!HHHHI", port, to_port, length, offset, packet_id)
    rest = struct.pack("!BBHHH", words << 4, flags, window, 0, urgent)
    data = stt_frame[offset : offset + size]
    return ip_packet(source, destination, 6, ports + rest + options + data, tos)
