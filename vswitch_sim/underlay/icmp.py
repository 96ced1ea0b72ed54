"""ICMP errors: what a router answers when it drops a packet, and what a sender makes of it.

Three reasons have an error: a packet too big for the next link (RFC 1191, RFC 8201), a hop limit
that ran out, and a destination that cannot be reached (RFC 792, RFC 4443). An error quotes the
packet it is about from its first byte, so that the sender finds out which of its packets that was.
"""

import struct
from ipaddress import IPv4Address, IPv6Address

from attrs import frozen

from vswitch_sim.checksum import internet_checksum
from vswitch_sim.underlay import addresses
from vswitch_sim.underlay.addresses import IpAddress

TOO_BIG, TTL_EXPIRED, NO_ROUTE = "too_big", "ttl_expired", "no_route"

# Reason to (type, code), in ICMP and in ICMPv6.
_ICMP = {TOO_BIG: (3, 4), TTL_EXPIRED: (11, 0), NO_ROUTE: (3, 0)}
_ICMPV6 = {TOO_BIG: (2, 0), TTL_EXPIRED: (3, 0), NO_ROUTE: (1, 0)}
_ICMP_PROTOCOL, _ICMPV6_PROTOCOL = 1, 58
_TTL = 64
# RFC 1812, section 4.3.2.3, and RFC 4443, section 2.4: an error is no larger than this.
_ERROR_BYTES_MAX = {4: 576, 6: 1280}
_HEADER_BYTES = 8


@frozen
class IcmpError:
    """An error that reached a host.

    Attributes:
        reason: `too_big`, `ttl_expired` or `no_route`.
        reporter: the router that dropped the packet.
        quoted: the packet's first bytes, IP header included.
        mtu: for `too_big`, the largest packet that fits, in bytes; else 0.
    """

    reason: str
    reporter: IpAddress
    quoted: bytes
    mtu: int


def error_about(packet: bytes, reason: str, reporter: IpAddress, mtu: int = 0) -> bytes:
    """The ICMP error packet that `reporter`, of the packet's IP version, sends to its source."""
    sender = addresses.source(packet)
    if isinstance(reporter, IPv4Address) and isinstance(sender, IPv4Address):
        room_bytes = _ERROR_BYTES_MAX[4] - addresses.IPV4_HEADER_BYTES - _HEADER_BYTES
        body = struct.pack("!BBHHH", *_ICMP[reason], 0, 0, mtu) + packet[:room_bytes]
        body = _with_checksum(body)
        header = addresses.ipv4_header(reporter, sender, _ICMP_PROTOCOL, len(body), _TTL)
        checksum = internet_checksum(header)
        return header[:10] + checksum.to_bytes(2, "big") + header[12:] + body
    assert isinstance(reporter, IPv6Address), "reporter and packet are of one version of IP"
    assert isinstance(sender, IPv6Address), "reporter and packet are of one version of IP"
    room_bytes = _ERROR_BYTES_MAX[6] - addresses.IPV6_HEADER_BYTES - _HEADER_BYTES
    body = struct.pack("!BBHI", *_ICMPV6[reason], 0, mtu) + packet[:room_bytes]
    pseudo = struct.pack("!16s16sII", reporter.packed, sender.packed, len(body), _ICMPV6_PROTOCOL)
    body = _with_checksum(body, pseudo)
    return addresses.ipv6_header(reporter, sender, _ICMPV6_PROTOCOL, len(body), _TTL) + body


def read_error(packet: bytes) -> IcmpError | None:
    """The error in an IP packet; None if it holds none of these three, or a damaged one."""
    match addresses.version(packet):
        case 4:
            header_bytes = (packet[0] & 0xF) * 4
            known, pseudo, protocol = _ICMP, b"", packet[9]
            wanted = _ICMP_PROTOCOL
        case 6:
            header_bytes = addresses.IPV6_HEADER_BYTES
            length = len(packet) - header_bytes
            known, protocol, wanted = _ICMPV6, packet[6], _ICMPV6_PROTOCOL
            pseudo = packet[8:40] + struct.pack("!II", length, wanted)
        case _:
            return None
    body = packet[header_bytes:]
    if protocol != wanted or len(body) < _HEADER_BYTES or internet_checksum(pseudo, body):
        return None
    kind = (body[0], body[1])
    reason = next((reason for reason, has in known.items() if has == kind), None)
    if reason is None or not addresses.version(body[_HEADER_BYTES:]):
        return None
    mtu = int.from_bytes(body[6:8] if wanted == _ICMP_PROTOCOL else body[4:8], "big")
    quoted = body[_HEADER_BYTES:]
    return IcmpError(reason, addresses.source(packet), quoted, mtu if reason == TOO_BIG else 0)


def _with_checksum(body: bytes, pseudo: bytes = b"") -> bytes:
    checksum = internet_checksum(pseudo, body)
    return body[:2] + checksum.to_bytes(2, "big") + body[4:]
