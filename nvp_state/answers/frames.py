"""Frames read, as far as answers need it, and put together.

A `Received` is a frame whose IP packet is whole: its length is what its header says, padding cut
off. VLAN tags belong to the link and are the answer's, too.
"""

from ipaddress import IPv4Address, IPv6Address, ip_address

from attrs import frozen
from scapy.layers.inet import IP
from scapy.layers.inet6 import (
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
)
from scapy.packet import NoPayload, Packet

from vswitch_sim import PacketIn

ARP_TYPE = 0x0806
_IP_TYPE, _IP6_TYPE = 0x0800, 0x86DD
_TAG_TYPES = (0x8100, 0x88A8)
_GROUP_BIT = 1
_IP_HEADER_BYTES, _IP6_HEADER_BYTES = 20, 40
_EXTENSIONS = (IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop, IPv6ExtHdrRouting)


@frozen
class Link:
    """A frame's head: addresses as they are written, tags, and the type of what follows."""

    destination: str
    source: str
    tags: bytes
    type: int
    n_bytes: int

    @property
    def is_to_group(self) -> bool:
        """Whether the frame is for more than one machine."""
        return bool(int(self.destination[:2], 16) & _GROUP_BIT)


@frozen(eq=False)
class Received:
    """A frame with an IP packet.

    Attributes:
        octets: the packet's.
        packet: the same, read by scapy.
        version: 4 or 6.
        protocol: that of what stands behind the IP header, and those that extend it.
        upper: what stands there.
        offset: where in the packet that begins, in bytes.
        is_later_fragment: whether that is lacking, as it came in an earlier fragment.
    """

    packet_in: PacketIn
    link: Link
    octets: bytes
    packet: Packet
    version: int
    protocol: int
    upper: Packet
    offset: int
    is_later_fragment: bool

    @property
    def source(self) -> IPv4Address | IPv6Address:
        """The packet's sender."""
        return ip_address(self.packet.src)

    @property
    def destination(self) -> IPv4Address | IPv6Address:
        """Whom the packet is for."""
        return ip_address(self.packet.dst)

    @property
    def is_to_group(self) -> bool:
        """Whether the packet is for more than one machine."""
        limited_broadcast = self.destination == IPv4Address(0xFFFFFFFF)
        return self.link.is_to_group or self.destination.is_multicast or limited_broadcast

    def answering(self, ttl: int, source: str | None = None) -> Packet:
        """The IP header of an answer, from the packet's destination if no source is said."""
        source = str(self.destination) if source is None else source
        if self.version == 4:
            return IP(src=source, dst=str(self.source), ttl=ttl, id=0, flags="DF")
        return IPv6(src=source, dst=str(self.source), hlim=ttl)

    def back(self, packet: Packet) -> bytes:
        """The frame of a packet that goes where this one came from."""
        return frame_of(self.link, packet, self.link.source, self.link.destination)


def link_of(frame: bytes) -> Link | None:
    """A frame's head; None if it is cut short."""
    end = 12
    while int.from_bytes(frame[end : end + 2], "big") in _TAG_TYPES:
        end += 4
    if len(frame) < end + 2:
        return None
    kind = int.from_bytes(frame[end : end + 2], "big")
    return Link(frame[:6].hex(":"), frame[6:12].hex(":"), frame[12:end], kind, end + 2)


def frame_of(
    link: Link, packet: Packet, destination: str, source: str, kind: int | None = None
) -> bytes:
    """A frame with the tags of another, of its type if none is said."""
    macs = bytes.fromhex((destination + source).replace(":", ""))
    return (
        macs + link.tags + (link.type if kind is None else kind).to_bytes(2, "big") + bytes(packet)
    )


def received(packet_in: PacketIn) -> Received | None:
    """The frame read; None if it holds no IP packet, or a broken one."""
    link = link_of(packet_in.frame)
    if link is None:
        return None
    octets = packet_in.frame[link.n_bytes :]
    if link.type == _IP_TYPE:
        return _received4(packet_in, link, octets)
    if link.type == _IP6_TYPE:
        return _received6(packet_in, link, octets)
    return None


def dissected(kind: type[Packet], octets: bytes) -> Packet | None:
    """Octets read as a packet of scapy's; None if it cannot read them."""
    try:
        return kind(octets)
    except Exception:  # noqa: BLE001  # scapy raises whatever a field does, given broken octets
        return None


def _received4(packet_in: PacketIn, link: Link, octets: bytes) -> Received | None:
    if len(octets) < _IP_HEADER_BYTES or octets[0] >> 4 != 4:
        return None
    offset = 4 * (octets[0] & 0xF)
    total_bytes = int.from_bytes(octets[2:4], "big")
    if not _IP_HEADER_BYTES <= offset <= total_bytes <= len(octets):
        return None
    octets = octets[:total_bytes]
    packet = dissected(IP, octets)
    if packet is None:
        return None
    later, upper = packet.frag > 0, packet.payload
    return Received(packet_in, link, octets, packet, 4, packet.proto, upper, offset, later)


def _received6(packet_in: PacketIn, link: Link, octets: bytes) -> Received | None:
    if len(octets) < _IP6_HEADER_BYTES or octets[0] >> 4 != 6:
        return None
    total_bytes = _IP6_HEADER_BYTES + int.from_bytes(octets[4:6], "big")
    if total_bytes > len(octets):
        return None
    octets = octets[:total_bytes]
    packet = dissected(IPv6, octets)
    if packet is None:
        return None
    before, later = packet, False
    while isinstance(before.payload, _EXTENSIONS):
        before = before.payload
        later = later or (isinstance(before, IPv6ExtHdrFragment) and before.offset > 0)
    upper = before.payload
    offset = total_bytes - (0 if isinstance(upper, NoPayload) else len(upper.original))
    return Received(packet_in, link, octets, packet, 6, before.nh, upper, offset, later)
