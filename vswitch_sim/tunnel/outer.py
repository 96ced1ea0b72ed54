"""The outer IP header, version 4 or 6, and what a tunnel is: two ends, and how they mark packets.

Outer packets carry DF and no IPv4 options or IPv6 extension headers; received ones may have IPv4
options. Reading never raises: a packet that is not what a tunnel sends is the name of a drop.

Cost: one pass over 20 or 40 bytes.
"""

import struct
from ipaddress import IPv4Address, IPv6Address

from attrs import frozen

from vswitch_sim.checksum import internet_checksum
from vswitch_sim.errors import TopologyError
from vswitch_sim.tunnel.work import Work

Address = IPv4Address | IPv6Address

IPV4_BYTES, IPV6_BYTES = 20, 40
PACKET_BYTES_MAX = 0xFFFF
# RFC 791 and RFC 8200: what every link carries.
MTU_MIN = {4: 68, 6: 1280}
DYNAMIC_PORT_MIN = 49152

_TTL = 64
_DONT_FRAGMENT = 0x4000
_IPV4 = struct.Struct("!BBHHHBBH4s4s")
_IPV6 = struct.Struct("!IHBB16s16s")


@frozen
class Tunnel:
    """A tunnel between two hosts.

    Attributes:
        source: the near end.
        destination: the far end, of the same IP version.
        kind: `stt`, `geneve` or `vxlan`.
        dscp: of outer packets, 0..63 (the pipe model of RFC 2983); None copies the frame's, and
            takes it back at the far end (the uniform model).
        ecn: copy the frame's ECN to the outer header (RFC 6040, normal mode); if not, outer
            packets are Not-ECT (compatibility mode).
        udp_checksum: whether Geneve and VXLAN packets carry one, or zero.
    """

    source: Address
    destination: Address
    kind: str = "stt"
    dscp: int | None = 0
    ecn: bool = True
    udp_checksum: bool = True

    def __attrs_post_init__(self) -> None:
        if self.kind not in ("stt", "geneve", "vxlan"):
            raise TopologyError(f"a tunnel is stt, geneve or vxlan, not {self.kind}")
        if self.source.version != self.destination.version:
            raise TopologyError(
                f"a tunnel from {self.source} to {self.destination} mixes IP versions"
            )
        if self.dscp is not None and not 0 <= self.dscp < 64:
            raise TopologyError(f"DSCP {self.dscp} is not in 0..63; None copies the frame's")

    @property
    def ip_bytes(self) -> int:
        """The size of its outer IP header."""
        return IPV4_BYTES if self.source.version == 4 else IPV6_BYTES


def check_mtu(tunnel: Tunnel, mtu: int) -> None:
    """Raise a TopologyError if no such MTU can be."""
    least = MTU_MIN[tunnel.source.version]
    if mtu < least:
        raise TopologyError(
            f"an MTU of {mtu} bytes is below {least}, the least of IPv{tunnel.source.version}"
        )


def source_port(flow_hash: int) -> int:
    """A port of the dynamic range, by the hash of a flow."""
    return DYNAMIC_PORT_MIN + flow_hash % (0x10000 - DYNAMIC_PORT_MIN)


def ip_header(tunnel: Tunnel, protocol: int, length: int, tos: int, flow_hash: int) -> bytes:
    """The outer header before `length` bytes; a length beyond 16 bits is left 0, to be cut."""
    source, destination = tunnel.source.packed, tunnel.destination.packed
    if tunnel.source.version == 6:
        # RFC 6438: equal-cost paths may be chosen by the flow label.
        first = 6 << 28 | tos << 20 | flow_hash & 0xFFFFF
        length = length if length <= PACKET_BYTES_MAX else 0
        return _IPV6.pack(first, length, protocol, _TTL, source, destination)
    total_bytes = length + IPV4_BYTES if length + IPV4_BYTES <= PACKET_BYTES_MAX else 0
    fields = (0x45, tos, total_bytes, 0, _DONT_FRAGMENT, _TTL, protocol)
    checksum = internet_checksum(_IPV4.pack(*fields, 0, source, destination))
    return _IPV4.pack(*fields, checksum, source, destination)


def pseudo_header(source: bytes, destination: bytes, protocol: int, length: int) -> bytes:
    """What a TCP or UDP checksum covers beside the segment (RFC 793; RFC 8200, section 8.1)."""
    if len(source) == 4:
        return struct.pack("!4s4sHH", source, destination, protocol, length)
    return struct.pack("!16s16sII", source, destination, length, protocol)


@frozen
class Outer:
    """An outer IP header that was read: addresses, DSCP and ECN, and where its payload lies."""

    source: bytes
    destination: bytes
    protocol: int
    tos: int
    l4: int
    end: int

    def checksum_is_right(self, packet: bytes, work: Work) -> bool:
        """Whether the TCP or UDP checksum, in the payload, agrees with all it covers."""
        length = self.end - self.l4
        pseudo = pseudo_header(self.source, self.destination, self.protocol, length)
        return work.checksum(pseudo, packet[self.l4 : self.end]) == 0


def read_outer(packet: bytes) -> Outer | str:
    """The outer header of a packet, or the name of the drop."""
    if len(packet) >= IPV4_BYTES and packet[0] >> 4 == 4:
        _, tos, total, _, fragment, _, protocol, _, source, destination = _IPV4.unpack_from(packet)
        l4 = 4 * (packet[0] & 0xF)
        if not IPV4_BYTES <= l4 <= total <= len(packet):
            return "bad_ip_header"
        if internet_checksum(packet[:l4]) != 0:
            return "bad_ip_checksum"
        if fragment & 0x3FFF:
            return "outer_fragment"
        return Outer(source, destination, protocol, tos, l4, total)
    if len(packet) >= IPV6_BYTES and packet[0] >> 4 == 6:
        first, length, protocol, _, source, destination = _IPV6.unpack_from(packet)
        if IPV6_BYTES + length > len(packet):
            return "bad_ip_header"
        if protocol == 44:
            return "outer_fragment"
        tos = first >> 20 & 0xFF
        return Outer(source, destination, protocol, tos, IPV6_BYTES, IPV6_BYTES + length)
    return "bad_ip_header"
