"""Stateless Transport Tunneling: an Ethernet frame in a header that looks like TCP.

STT (draft-davie-stt-08) lets a NIC's TCP segmentation offload cut up to 64 KiB of tunnelled frame
into packets. There is no connection and no state on the sending side:

    outer IP | TCP-like header, 20 bytes | STT header, 18 bytes, first segment only | frame

In the TCP-like header the destination port is 7471; the source port is a hash of the inner flow,
so that equal-cost paths are used; the upper half of the sequence number is the length of the STT
frame (STT header and inner frame, in bytes) and the lower half this segment's offset in it; the
acknowledgement number is the packet ID, one for each frame. The TCP checksum is a real one, the
window and urgent pointer are zero, ACK is set on every segment and PSH on the last.

The outermost 802.1Q tag of the frame moves into the STT header and back. The header has its V
flag where a tag has its DEI bit, so a tag with DEI set stays in the frame, and no bit is lost.

Fields that help with offloading (L4 offset, segment size, the IPv4 and TCP flags) are zero unless
the frame's checksum is partial, as section 3.1.1 asks. Where the former Open vSwitch
implementation differs, docs/decisions/0018-stt-draft-and-ovs.md says what is sent and accepted.

`prepare` and `encapsulate` are pure. Cost: a header; `encapsulate` cuts in software, in one pass.
"""

import struct

from vswitch_sim.errors import TopologyError
from vswitch_sim.tunnel.inner import (
    CWR,
    ETHERNET_BYTES,
    NO_OFFLOAD,
    TCP,
    Inner,
    Offload,
    flow_hash,
    read_inner,
)
from vswitch_sim.tunnel.marking import outer_tos
from vswitch_sim.tunnel.outer import Tunnel, check_mtu, ip_header, source_port
from vswitch_sim.tunnel.segmentation import Buffer, Send, segment_tcp
from vswitch_sim.tunnel.work import Work

STT_PORT = 7471
STT_HEADER_BYTES = 18
TCP_HEADER_BYTES = 20
STT_FRAME_BYTES_MAX = 0xFFFF
FRAME_BYTES_MAX = STT_FRAME_BYTES_MAX - STT_HEADER_BYTES

CHECKSUM_VERIFIED = 0x01
CHECKSUM_PARTIAL = 0x02
IPV4_INSIDE = 0x04
TCP_INSIDE = 0x08
V_FLAG = 0x1000

TCP_LIKE = struct.Struct("!HHHHIBBHHH")
STT_HEADER = struct.Struct("!BBBBHHQH")
_ACK, _PSH = 0x10, 0x08
_L4_OFFSET_MAX = 0xFF
_DOT1Q = b"\x81\x00"


def can_offload(frame: bytes, inner: Inner, offload: Offload) -> bool:
    """Whether an STT frame may carry this frame as it is, its offload left to be done.

    Not with a partial checksum outside TCP and UDP over IP, more than one VLAN tag, layer 4 more
    than 255 bytes away, or beyond 64 KiB; and not to be cut with CWR set (draft, section 3.1).
    """
    if not offload.partial:
        return True
    tag_bytes = len(frame) - sum(map(len, _untagged(frame)[0]))
    offset = inner.l4 - tag_bytes
    if not inner.l4 or inner.fragment or offset > _L4_OFFSET_MAX or len(frame) > FRAME_BYTES_MAX:
        return False
    if inner.l3 - tag_bytes != ETHERNET_BYTES:
        return False
    cwr = inner.protocol == TCP and frame[inner.l4 + 13] & CWR
    return not (offload.mss and cwr)


def prepare(
    frame: bytes,
    context_id: int,
    tunnel: Tunnel,
    *,
    packet_id: int,
    mtu: int,
    offload: Offload = NO_OFFLOAD,
    work: Work | None = None,
) -> Send:
    """One STT frame, for a NIC to cut by the TCP-like header.

    Args:
        frame: an Ethernet frame without its FCS, 14 to 65,517 bytes.
        context_id: 64 bits, the tunnel key.
        tunnel: the two ends.
        packet_id: 32 bits, not used for another frame between these hosts for a while.
        mtu: the largest outer packet, in bytes, at least 68 (IPv4) or 1280 (IPv6).
        offload: what is known of the frame; see `can_offload`.
        work: where header operations are counted.

    Raises:
        TopologyError: an argument outside these limits; the message names it.
    """
    work = work or Work()
    inner = read_inner(frame)
    _check(frame, context_id, packet_id)
    check_mtu(tunnel, mtu)
    if not can_offload(frame, inner, offload):
        raise TopologyError("STT cannot offload this frame; call finish() before encapsulating it")
    body, tci = _untagged(frame)
    stt_header = STT_HEADER.pack(
        0, *_offload_fields(inner, offload, 4 * bool(tci)), tci, context_id, 0
    )
    stt_bytes = STT_HEADER_BYTES + sum(map(len, body))
    flow = flow_hash(frame, inner)
    tcp = TCP_LIKE.pack(
        *(source_port(flow), STT_PORT, stt_bytes, 0, packet_id, 5 << 4, _ACK | _PSH, 0, 0, 0)
    )
    tos = outer_tos(inner.tos(frame), tunnel.dscp, tunnel.ecn)
    ip = ip_header(tunnel, TCP, TCP_HEADER_BYTES + stt_bytes, tos, flow)
    # The frame's headers were read, three were written.
    work.headers += 4
    work.bytes_copied += len(ip) + TCP_HEADER_BYTES + STT_HEADER_BYTES
    work.bytes_checksummed += len(ip) if tunnel.source.version == 4 else 0
    mss = mtu - len(ip) - TCP_HEADER_BYTES
    return Send(ip + tcp, (stt_header, *body), 0, len(ip), mss, checksum=True)


def encapsulate(
    frame: bytes,
    context_id: int,
    tunnel: Tunnel,
    *,
    packet_id: int,
    mtu: int,
    offload: Offload = NO_OFFLOAD,
    work: Work | None = None,
) -> list[bytes]:
    """The outer packets that carry a frame, in order of offset, cut in software.

    Arguments and errors are those of `prepare`.
    """
    work = work or Work()
    ids = {"packet_id": packet_id, "mtu": mtu}
    return segment_tcp(prepare(frame, context_id, tunnel, **ids, offload=offload, work=work), work)


def _check(frame: bytes, context_id: int, packet_id: int) -> None:
    if not ETHERNET_BYTES <= len(frame) <= FRAME_BYTES_MAX:
        raise TopologyError(
            f"STT carries frames of {ETHERNET_BYTES} to {FRAME_BYTES_MAX} bytes, not {len(frame)}"
        )
    if not 0 <= context_id < 1 << 64 or not 0 <= packet_id < 1 << 32:
        raise TopologyError(
            f"context ID {context_id:#x} or packet ID {packet_id:#x} is too wide (64, 32 bits)"
        )


def _untagged(frame: bytes) -> tuple[tuple[Buffer, ...], int]:
    """The frame without the tag that moves into the header, in parts, and the header's field."""
    if frame[12:14] == _DOT1Q and len(frame) >= ETHERNET_BYTES + 4:
        tci = int.from_bytes(frame[14:16], "big")
        if not tci & V_FLAG:
            return (frame[:12], memoryview(frame)[16:]), tci | V_FLAG
    return (frame,), 0


def _offload_fields(inner: Inner, offload: Offload, tag_bytes: int) -> tuple[int, int, int, int]:
    """Flags, L4 offset, the reserved octet, and the segment size."""
    if not offload.partial:
        return CHECKSUM_VERIFIED if offload.verified else 0, 0, 0, 0
    flags = CHECKSUM_PARTIAL | (IPV4_INSIDE if inner.version == 4 else 0)
    flags |= TCP_INSIDE if inner.protocol == TCP else 0
    return flags, inner.l4 - tag_bytes, 0, offload.mss


def tagged(body: Buffer, tci: int) -> bytes:
    """The frame of an STT frame: with its tag back in place, if the header has one.

    Open vSwitch takes any field that is not zero for a tag; the draft asks for the V flag.
    """
    if not tci:
        return bytes(body)
    tag = _DOT1Q + (tci & ~V_FLAG).to_bytes(2, "big")
    return b"".join((body[:12], tag, body[12:]))
