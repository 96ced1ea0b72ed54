"""Stateless Transport Tunneling: an Ethernet frame in a header that looks like TCP.

STT (draft-davie-stt-08) lets a NIC's TCP segmentation offload cut up to 64 KiB
of tunnelled frame into packets. There is no connection and no state on the sending side:

    outer IPv4 | TCP-like header, 20 bytes | STT header, 18 bytes, first segment only | frame

In the TCP-like header the destination port is 7471; the source port is a hash of the inner flow,
so that equal-cost paths are used; the upper half of the sequence number is the length of the STT
frame (STT header and inner frame, in bytes) and the lower half this segment's offset in it; the
acknowledgement number is the packet ID, one for each frame. The TCP checksum is a real one.

The outermost 802.1Q tag of the frame moves into the STT header and back. The header has its V
flag where a tag has its DEI bit, so a tag with DEI set stays in the frame, and no bit is lost.

`encapsulate` is pure. A `Reassembler` takes segments in any order, interleaved, repeated, and
never delivers a frame twice, in part, or with bytes two segments disagree about. It remembers
the frames it has finished, so that a repeated segment starts nothing; memory is bounded in both
directions. Bad input is a named counter in `drops`, never an exception.

Cost: linear in the bytes, a constant number of passes.
"""

import struct
import zlib
from collections import Counter, OrderedDict
from collections.abc import Mapping
from ipaddress import IPv4Address

from attrs import define, frozen

from vswitch_sim.checksum import internet_checksum
from vswitch_sim.errors import TopologyError
from vswitch_sim.fields import FIELDS
from vswitch_sim.packet import ETHERNET_BYTES, ETHERTYPE_VLAN, Parsed, parse
from vswitch_sim.underlay import MTU_MIN

STT_PORT = 7471
STT_HEADER_BYTES = 18
OUTER_HEADER_BYTES = 40
# RFC 791: every link carries 68 bytes.
FRAME_BYTES_MAX = 0xFFFF - STT_HEADER_BYTES

CHECKSUM_VERIFIED = 0x01
CHECKSUM_PARTIAL = 0x02
IPV4_INSIDE = 0x04
TCP_INSIDE = 0x08

_V_FLAG = 0x1000
_TTL = 64
_DONT_FRAGMENT = 0x4000
_ACK, _PSH = 0x10, 0x08
_DYNAMIC_PORT_MIN = 49152
_IP = struct.Struct("!BBHHHBBH4s4s")
_TCP = struct.Struct("!HHHHIBBHHH")
_STT = struct.Struct("!BBBBHHQH")
_PSEUDO = struct.Struct("!4s4sBBH")

_HASHED_L3 = sum(
    FIELDS[name].key_mask
    for name in ("eth_src", "eth_dst", "eth_type", "vlan_vid", "ipv6_src", "ipv6_dst", "ip_proto")
)
_HASHED_L4 = FIELDS["tcp_src"].key_mask | FIELDS["tcp_dst"].key_mask


# Source, destination, source port, packet ID: what the segments of one frame share.
FrameId = tuple[bytes, bytes, int, int]


@frozen
class SttFrame:
    """A tunnelled frame: between which hosts, under which 64-bit context ID, and its bytes."""

    source: IPv4Address
    destination: IPv4Address
    context_id: int
    frame: bytes


def encapsulate(
    frame: bytes,
    context_id: int,
    source_ip: IPv4Address,
    destination_ip: IPv4Address,
    *,
    packet_id: int,
    mtu: int,
) -> list[bytes]:
    """The outer IPv4 packets that carry a frame, in order of offset.

    Args:
        frame: an Ethernet frame without its FCS, 14 to 65,517 bytes.
        context_id: 64 bits, the tunnel key.
        source_ip: outer source.
        destination_ip: outer destination.
        packet_id: 32 bits, not used for another frame between these hosts for a while.
        mtu: the largest outer IPv4 packet, in bytes, at least 68.

    Raises:
        TopologyError: an argument outside these limits; the message names it.
    """
    parsed = parse(frame)
    if parsed is None or len(frame) > FRAME_BYTES_MAX:
        raise TopologyError(
            f"STT carries frames of {ETHERNET_BYTES} to {FRAME_BYTES_MAX} bytes, not {len(frame)}"
        )
    if mtu < MTU_MIN:
        raise TopologyError(f"an MTU of {mtu} bytes is below {MTU_MIN}, the least of IPv4")
    if not 0 <= context_id < 1 << 64 or not 0 <= packet_id < 1 << 32:
        raise TopologyError(
            f"context ID {context_id:#x} or packet ID {packet_id:#x} is too wide (64, 32 bits)"
        )
    body, tci = _strip_tag(frame)
    header = _STT.pack(0, _flags(frame, parsed), 0, 0, 0, tci, context_id, 0)
    stt_frame = header + body
    source_port = _DYNAMIC_PORT_MIN + _flow_hash(parsed) % (0x10000 - _DYNAMIC_PORT_MIN)
    frame_id = (source_ip.packed, destination_ip.packed, source_port, packet_id)
    room_bytes = mtu - OUTER_HEADER_BYTES
    return [
        _packet(frame_id, stt_frame, offset, room_bytes)
        for offset in range(0, len(stt_frame), room_bytes)
    ]


def _packet(frame_id: FrameId, stt_frame: bytes, offset: int, room_bytes: int) -> bytes:
    source, destination, source_port, packet_id = frame_id
    data = stt_frame[offset : offset + room_bytes]
    flags = _ACK | _PSH if offset + len(data) == len(stt_frame) else _ACK
    ports = (source_port, STT_PORT)
    sequence = (len(stt_frame), offset)
    tcp = bytearray(_TCP.pack(*ports, *sequence, packet_id, 5 << 4, flags, 0xFFFF, 0, 0))
    pseudo = _PSEUDO.pack(source, destination, 0, 6, len(tcp) + len(data))
    tcp[16:18] = internet_checksum(pseudo, tcp, data).to_bytes(2, "big")
    total_bytes = OUTER_HEADER_BYTES + len(data)
    ip = bytearray(
        _IP.pack(0x45, 0, total_bytes, 0, _DONT_FRAGMENT, _TTL, 6, 0, source, destination)
    )
    ip[10:12] = internet_checksum(ip).to_bytes(2, "big")
    return bytes(ip + tcp + data)


def _strip_tag(frame: bytes) -> tuple[bytes, int]:
    if len(frame) >= ETHERNET_BYTES + 4 and int.from_bytes(frame[12:14], "big") == ETHERTYPE_VLAN:
        tci = int.from_bytes(frame[14:16], "big")
        if not tci & _V_FLAG:
            return frame[:12] + frame[16:], tci | _V_FLAG
    return frame, 0


def _restore_tag(body: bytes, tci: int) -> bytes:
    if not tci & _V_FLAG:
        return body
    return body[:12] + struct.pack("!HH", ETHERTYPE_VLAN, tci & ~_V_FLAG) + body[12:]


def _flags(frame: bytes, parsed: Parsed) -> int:
    flags = IPV4_INSIDE if parsed.is_ipv4 else 0
    if parsed.is_ipv4 and parsed.is_tcp:
        flags |= TCP_INSIDE
    return flags | CHECKSUM_VERIFIED if _checksum_is_right(frame, parsed) else flags


def _checksum_is_right(frame: bytes, parsed: Parsed) -> bool:
    tcp, udp = parsed.is_tcp, parsed.is_udp
    if parsed.is_fragment or not parsed.is_ipv4 or not (tcp or udp):
        return False
    data = frame[parsed.l4 : parsed.end]
    if udp and data[6:8] == b"\0\0":
        return False
    addresses = frame[parsed.l3 + 12 : parsed.l3 + 20]
    pseudo = struct.pack("!8sBBH", addresses, 0, 6 if tcp else 17, len(data))
    return internet_checksum(pseudo, data) == 0


def _flow_hash(parsed: Parsed) -> int:
    # All fragments of a packet hash alike, though only the first has ports.
    mask = _HASHED_L3 if parsed.is_fragment else _HASHED_L3 | _HASHED_L4
    hashed = parsed.key & mask
    return zlib.crc32(hashed.to_bytes((hashed.bit_length() + 7) // 8, "big"))


@frozen
class _Segment:
    frame_id: FrameId
    length: int
    offset: int
    data: bytes


@define(eq=False)
class _Partial:
    data: bytearray
    # 1 for each byte received.
    received: bytearray

    def agrees(self, segment: _Segment) -> bool:
        """Whether a segment claims nothing else about bytes already received."""
        if segment.length != len(self.data):
            return False
        part = slice(segment.offset, segment.offset + len(segment.data))
        return all(
            not have or old == new
            for have, old, new in zip(
                self.received[part], self.data[part], segment.data, strict=True
            )
        )

    def add(self, segment: _Segment) -> None:
        part = slice(segment.offset, segment.offset + len(segment.data))
        self.data[part] = segment.data
        self.received[part] = b"\1" * len(segment.data)


class Reassembler:
    """Puts STT segments back together, by (source, destination, source port, packet ID).

    Drop counters: `not_stt`, `bad_ip_checksum`, `bad_tcp_checksum`, `bad_segment` (offset or
    length out of range), `duplicate_segment`, `late_segment` (of a finished frame),
    `overlap_conflict`, `bad_stt_header` (unknown version, or checksum left to us to fill in) and
    `evicted` (frames given up to make room).
    """

    def __init__(self, partial_bytes_max: int = 4 << 20, finished_max: int = 65_536) -> None:
        """A reassembler that holds that many bytes of unfinished, and IDs of finished, frames."""
        self._partial_bytes_max = partial_bytes_max
        self._finished_max = finished_max
        self._partial_bytes = 0
        self._partials: OrderedDict[FrameId, _Partial] = OrderedDict()
        self._finished: OrderedDict[FrameId, None] = OrderedDict()
        self._drops: Counter[str] = Counter()

    @property
    def drops(self) -> Mapping[str, int]:
        """How often each reason to drop came up, by name."""
        return self._drops

    @property
    def n_partial(self) -> int:
        """How many frames wait for segments."""
        return len(self._partials)

    def receive(self, packet: bytes) -> SttFrame | None:
        """Take one outer IPv4 packet; the frame it completes, or None."""
        segment = _read_segment(packet)
        if isinstance(segment, str):
            self._drops[segment] += 1
            return None
        if segment.frame_id in self._finished:
            self._drops["late_segment"] += 1
            return None
        complete = self._merge(segment)
        if complete is None:
            return None
        return self._decapsulate(segment.frame_id, complete)

    def _merge(self, segment: _Segment) -> bytes | None:
        """Add a segment to its frame; the whole STT frame once it is complete."""
        if len(segment.data) == segment.length and segment.frame_id not in self._partials:
            self._finish(segment.frame_id)
            return segment.data
        partial = self._partials.get(segment.frame_id)
        if partial is None:
            self._make_room(segment.length)
            partial = _Partial(bytearray(segment.length), bytearray(segment.length))
            self._partials[segment.frame_id] = partial
        part = slice(segment.offset, segment.offset + len(segment.data))
        if any(partial.received[part]) or segment.length != len(partial.data):
            if not partial.agrees(segment):
                self._drops["overlap_conflict"] += 1
                self._finish(segment.frame_id)
                return None
            if all(partial.received[part]):
                self._drops["duplicate_segment"] += 1
                return None
        partial.add(segment)
        if not all(partial.received):
            return None
        self._finish(segment.frame_id)
        return bytes(partial.data)

    def _decapsulate(self, frame_id: FrameId, stt_frame: bytes) -> SttFrame | None:
        version, flags, _, _, _, tci, context_id, _ = _STT.unpack_from(stt_frame)
        if version != 0 or flags & CHECKSUM_PARTIAL:
            self._drops["bad_stt_header"] += 1
            return None
        frame = _restore_tag(stt_frame[STT_HEADER_BYTES:], tci)
        return SttFrame(IPv4Address(frame_id[0]), IPv4Address(frame_id[1]), context_id, frame)

    def _finish(self, frame_id: FrameId) -> None:
        partial = self._partials.pop(frame_id, None)
        if partial is not None:
            self._partial_bytes -= len(partial.data)
        self._finished[frame_id] = None
        if len(self._finished) > self._finished_max:
            self._finished.popitem(last=False)

    def _make_room(self, length: int) -> None:
        self._partial_bytes += length
        while self._partials and self._partial_bytes > self._partial_bytes_max:
            _, evicted = self._partials.popitem(last=False)
            self._partial_bytes -= len(evicted.data)
            self._drops["evicted"] += 1


def _read_segment(packet: bytes) -> _Segment | str:
    """The segment in an outer IPv4 packet, or the name of what is wrong with it."""
    if len(packet) < OUTER_HEADER_BYTES or packet[0] >> 4 != 4:
        return "not_stt"
    _, _, total_bytes, _, fragment, _, proto, _, source, destination = _IP.unpack_from(packet)
    ip_bytes = (packet[0] & 0xF) * 4
    if proto != 6 or fragment & 0x3FFF or ip_bytes < _IP.size:
        return "not_stt"
    if not ip_bytes + _TCP.size <= total_bytes <= len(packet):
        return "not_stt"
    source_port, port, length, offset, packet_id, data_offset, *_ = _TCP.unpack_from(
        packet, ip_bytes
    )
    if port != STT_PORT or data_offset >> 4 != 5:
        return "not_stt"
    if internet_checksum(packet[:ip_bytes]):
        return "bad_ip_checksum"
    pseudo = _PSEUDO.pack(source, destination, 0, 6, total_bytes - ip_bytes)
    if internet_checksum(pseudo, packet[ip_bytes:total_bytes]):
        return "bad_tcp_checksum"
    data = packet[ip_bytes + _TCP.size : total_bytes]
    if not data or offset + len(data) > length or length < STT_HEADER_BYTES + ETHERNET_BYTES:
        return "bad_segment"
    return _Segment((source, destination, source_port, packet_id), length, offset, data)
