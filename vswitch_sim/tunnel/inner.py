"""The frame that is tunnelled: where its headers lie, and who is to fill its checksum in.

`read_inner` knows Ethernet, up to two VLAN tags, IPv4 with options, IPv6 with extension headers,
TCP and UDP. It never raises: what is cut short or contradicts itself is not there.

An `Offload` is what a VM's driver or a NIC says about a frame beside its bytes, as virtio-net's
header does: whether the TCP or UDP checksum was verified, or is *partial* (it covers the pseudo
header only, and whoever sends the frame on has to complete it), and into what segments a TCP frame
larger than the MTU is to be cut.

Cost: a few reads a header, whatever the size of the frame; `verify` and `complete` sum it once.
"""

import struct
import zlib

from attrs import field, frozen
from attrs.validators import ge, le

from vswitch_sim.errors import TopologyError
from vswitch_sim.tunnel.outer import pseudo_header
from vswitch_sim.tunnel.work import Work

ETHERNET_BYTES = 14
ETHERTYPE_IPV4, ETHERTYPE_IPV6 = 0x0800, 0x86DD
ETHERTYPES_VLAN = (0x8100, 0x88A8)
TCP, UDP = 6, 17
CHECKSUM_PLACE = {TCP: 16, UDP: 6}
CWR = 0x80

_VLAN_TAGS_MAX = 2
_EXTENSIONS = {0, 43, 60}
_FRAGMENT = 44


@frozen
class Offload:
    """What is known about a frame beside its bytes.

    Attributes:
        verified: its TCP or UDP checksum was found right.
        partial: its TCP or UDP checksum covers the pseudo header only.
        mss: a TCP frame is to be cut into segments with at most so many bytes of payload on its
            way to a network or VIF that cannot take it whole; 0 if not. Requires `partial`.
    """

    verified: bool = False
    partial: bool = False
    mss: int = field(default=0, validator=[ge(0), le(0xFFFF)])

    def __attrs_post_init__(self) -> None:
        if self.verified and self.partial:
            raise TopologyError("a checksum cannot be both verified and partial")
        if self.mss and not self.partial:
            raise TopologyError("segmentation offload requires a partial checksum")


NO_OFFLOAD = Offload()


@frozen
class Inner:
    """Where a frame's headers lie, in bytes from its start; 0 where there is no such header.

    Attributes:
        version: 4, 6, or 0 if the frame holds no IP packet.
        l3: of the IP header.
        l4: of a TCP or UDP header that is all there; later fragments have none.
        end: of the IP packet.
        protocol: TCP, UDP or another number of the IP header.
        fragment: whether this is a fragment, first or later.
    """

    version: int = 0
    l3: int = 0
    l4: int = 0
    end: int = 0
    protocol: int = 0
    fragment: bool = False

    def tos(self, frame: bytes) -> int:
        """The octet that holds DSCP and ECN; 0 without an IP header."""
        if self.version == 4:
            return frame[self.l3 + 1]
        return (frame[self.l3] << 4 | frame[self.l3 + 1] >> 4) & 0xFF if self.version else 0

    def addresses(self, frame: bytes) -> tuple[bytes, bytes]:
        """Source and destination."""
        first, size = (self.l3 + 12, 4) if self.version == 4 else (self.l3 + 8, 16)
        return frame[first : first + size], frame[first + size : first + 2 * size]

    def payload(self, frame: bytes) -> int:
        """Where the payload of TCP or UDP begins."""
        return self.l4 + (4 * (frame[self.l4 + 12] >> 4) if self.protocol == TCP else 8)


_NOT_IP = Inner()


def read_inner(frame: bytes) -> Inner:
    """Find the headers of a frame."""
    place = 12
    for _ in range(_VLAN_TAGS_MAX):
        if int.from_bytes(frame[place : place + 2], "big") in ETHERTYPES_VLAN:
            place += 4
    ethertype = int.from_bytes(frame[place : place + 2], "big")
    l3 = place + 2
    if ethertype == ETHERTYPE_IPV4 and len(frame) >= l3 + 20:
        return _read_ipv4(frame, l3)
    if ethertype == ETHERTYPE_IPV6 and len(frame) >= l3 + 40:
        return _read_ipv6(frame, l3)
    return _NOT_IP


def _read_ipv4(frame: bytes, l3: int) -> Inner:
    total_bytes, _, fragment = struct.unpack_from("!HHH", frame, l3 + 2)
    header_bytes = 4 * (frame[l3] & 0xF)
    end = l3 + total_bytes
    if frame[l3] >> 4 != 4 or not 20 <= header_bytes <= total_bytes or end > len(frame):
        return _NOT_IP
    later = bool(fragment & 0x1FFF)
    protocol = frame[l3 + 9]
    l4 = 0 if later else _l4(frame, l3 + header_bytes, end, protocol)
    return Inner(4, l3, l4, end, protocol, bool(fragment & 0x3FFF))


def _read_ipv6(frame: bytes, l3: int) -> Inner:
    end = l3 + 40 + int.from_bytes(frame[l3 + 4 : l3 + 6], "big")
    if frame[l3] >> 4 != 6 or end > len(frame):
        return _NOT_IP
    protocol, place = frame[l3 + 6], l3 + 40
    fragment = later = False
    while (protocol in _EXTENSIONS or protocol == _FRAGMENT) and place + 8 <= end and not later:
        if protocol == _FRAGMENT:
            bits = int.from_bytes(frame[place + 2 : place + 4], "big")
            fragment, later = bool(bits & 0xFFF9), bool(bits & 0xFFF8)
            protocol, place = frame[place], place + 8
        else:
            protocol, place = frame[place], place + 8 * (1 + frame[place + 1])
    l4 = 0 if later else _l4(frame, place, end, protocol)
    return Inner(6, l3, l4, end, protocol, fragment)


def _l4(frame: bytes, place: int, end: int, protocol: int) -> int:
    if protocol == UDP:
        return place if place + 8 <= end else 0
    if protocol == TCP and place + 20 <= end:
        header_bytes = 4 * (frame[place + 12] >> 4)
        return place if 20 <= header_bytes <= end - place else 0
    return 0


def flow_hash(frame: bytes, inner: Inner) -> int:
    """32 bits that are alike for all frames of a flow: of addresses, protocol and ports.

    All fragments of a packet hash alike, though only the first has ports.
    """
    hashed = frame[:12]
    if inner.version:
        hashed += b"".join(inner.addresses(frame)) + bytes([inner.protocol])
        if inner.l4 and not inner.fragment:
            hashed += frame[inner.l4 : inner.l4 + 4]
    return zlib.crc32(hashed)


def _pseudo(frame: bytes | bytearray, inner: Inner, length: int) -> bytes:
    return pseudo_header(*inner.addresses(bytes(frame[: inner.l4])), inner.protocol, length)


def partial_checksum(frame: bytes) -> bytes:
    """A TCP or UDP frame with its checksum replaced by one of the pseudo header only.

    Raises:
        TopologyError: the frame has no such checksum.
    """
    inner = read_inner(frame)
    if not inner.l4 or inner.fragment:
        raise TopologyError("only a whole TCP or UDP packet can have a partial checksum")
    out = bytearray(frame)
    place = inner.l4 + CHECKSUM_PLACE[inner.protocol]
    seed = ~Work().checksum(_pseudo(frame, inner, inner.end - inner.l4)) & 0xFFFF
    out[place : place + 2] = seed.to_bytes(2, "big")
    return bytes(out)


def verify(frame: bytes, inner: Inner, work: Work) -> Offload:
    """`verified` if the frame has a TCP or UDP checksum and it is right."""
    if not inner.l4 or inner.fragment:
        return NO_OFFLOAD
    data = frame[inner.l4 : inner.end]
    if inner.protocol == UDP and data[6:8] == b"\0\0":
        return NO_OFFLOAD
    work.headers += 1
    return Offload(verified=work.checksum(_pseudo(frame, inner, len(data)), data) == 0)


def complete(frame: bytes, inner: Inner, work: Work) -> bytes:
    """The frame with its partial TCP or UDP checksum completed.

    What the field holds counts in, as in hardware: a wrong seed makes a wrong checksum.
    """
    out = bytearray(frame)
    work.headers += 1
    place = inner.l4 + CHECKSUM_PLACE[inner.protocol]
    checksum = work.checksum(out[inner.l4 : inner.end])
    if checksum == 0 and inner.protocol == UDP:
        checksum = 0xFFFF
    out[place : place + 2] = checksum.to_bytes(2, "big")
    return bytes(out)
