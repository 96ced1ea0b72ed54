"""Putting STT segments back together, by (source, destination, source port, packet ID).

Segments may come in any order, interleaved, repeated, overlapping, late or never; a frame is
delivered once and whole, or not at all. What two segments say differently about a byte, or about
the length, condemns the frame. A frame that was finished (delivered, condemned, timed out or
evicted) is remembered, so that what comes late of it starts nothing.

Bad input is a named counter in `drops`, never an exception. Time is what the caller says it is.

Invariants: the bytes held, with an allowance for each gap, stay below a limit, and so do the
frames remembered; a frame that is not complete `timeout_s` after its first segment is given up.
Never twice, then, means: unless more than `finished_max` other frames finished, or `timeout_s`
passed, since; no packet lives that long, and the packet ID may stand for another frame by then.

Cost: linear in the bytes; a segment that continues the last one costs a comparison.
"""

from bisect import bisect_left, bisect_right
from collections import Counter, OrderedDict
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address

from attrs import define, field, frozen

from vswitch_sim.tunnel.inner import (
    ETHERNET_BYTES,
    NO_OFFLOAD,
    TCP,
    Inner,
    Offload,
    read_inner,
)
from vswitch_sim.tunnel.marking import stronger, unmarked
from vswitch_sim.tunnel.outer import Address, read_outer
from vswitch_sim.tunnel.stt import (
    CHECKSUM_PARTIAL,
    CHECKSUM_VERIFIED,
    IPV4_INSIDE,
    STT_HEADER,
    STT_HEADER_BYTES,
    STT_PORT,
    TCP_HEADER_BYTES,
    TCP_INSIDE,
    TCP_LIKE,
    tagged,
)
from vswitch_sim.tunnel.work import Work

# Source, destination, source port, packet ID: what the segments of one frame share.
FrameId = tuple[bytes, bytes, int, int]

_STT_FRAME_BYTES_MIN = STT_HEADER_BYTES + ETHERNET_BYTES
# What a frame or a piece of one takes beside its bytes, generously.
_OVERHEAD_BYTES = 128


@frozen
class TunnelFrame:
    """A frame that came by a tunnel: from where to where, its key, its bytes and its offload.

    Attributes:
        source: the far end.
        destination: the near end.
        key: the 64-bit context ID of STT, or the 24-bit VNI of Geneve and VXLAN.
        frame: an Ethernet frame.
        offload: what is known of its checksum; call `finish` before giving it to a VIF that
            takes neither partial checksums nor frames beyond its MTU.
    """

    source: Address
    destination: Address
    key: int
    frame: bytes
    offload: Offload = NO_OFFLOAD


def address(packed: bytes) -> Address:
    """The address of 4 or 16 bytes."""
    return IPv4Address(packed) if len(packed) == 4 else IPv6Address(packed)


@frozen
class _Segment:
    frame_id: FrameId
    length: int
    offset: int
    data: memoryview
    tos: int


def _read_segment(packet: bytes, work: Work, verified: bool) -> _Segment | str:
    """A segment, or the name of the drop."""
    outer = read_outer(packet)
    if isinstance(outer, str):
        return outer
    if outer.protocol != TCP or outer.end - outer.l4 < TCP_HEADER_BYTES:
        return "not_stt"
    port, to_port, length, offset, packet_id, data_offset, *_ = TCP_LIKE.unpack_from(
        packet, outer.l4
    )
    header_bytes = 4 * (data_offset >> 4)
    if to_port != STT_PORT or not TCP_HEADER_BYTES <= header_bytes <= outer.end - outer.l4:
        return "not_stt"
    work.headers += 2
    if not verified and not outer.checksum_is_right(packet, work):
        return "bad_tcp_checksum"
    data = memoryview(packet)[outer.l4 + header_bytes : outer.end]
    if not data or offset + len(data) > length or length < _STT_FRAME_BYTES_MIN:
        return "bad_segment"
    frame_id = (outer.source, outer.destination, port, packet_id)
    return _Segment(frame_id, length, offset, data, outer.tos)


@define(eq=False)
class _Partial:
    """A frame some of whose segments have come; `starts[i]..ends[i]` are the bytes it has."""

    began_s: float
    data: bytearray
    starts: list[int] = field(factory=list)
    ends: list[int] = field(factory=list)
    tos: int = 0
    ecn: int = 0
    any_yet: bool = False

    @property
    def cost_bytes(self) -> int:
        return len(self.data) + _OVERHEAD_BYTES * (1 + len(self.starts))

    @property
    def complete(self) -> bool:
        return self.starts == [0] and self.ends[0] == len(self.data)

    def agrees(self, segment: _Segment) -> bool:
        """Whether a segment claims nothing else about bytes already here."""
        if segment.length != len(self.data):
            return False
        first, last = segment.offset, segment.offset + len(segment.data)
        for n in range(bisect_right(self.ends, first), len(self.starts)):
            start, end = max(self.starts[n], first), min(self.ends[n], last)
            if start >= end:
                break
            if self.data[start:end] != segment.data[start - first : end - first]:
                return False
        return True

    def has(self, segment: _Segment) -> bool:
        """Whether all bytes of a segment are here."""
        n = bisect_right(self.starts, segment.offset) - 1
        return n >= 0 and segment.offset + len(segment.data) <= self.ends[n]

    def add(self, segment: _Segment) -> None:
        first, last = segment.offset, segment.offset + len(segment.data)
        self.data[first:last] = segment.data
        # Pieces that touch or overlap the new one become part of it.
        low, high = bisect_left(self.ends, first), bisect_right(self.starts, last)
        if low < high:
            first, last = min(first, self.starts[low]), max(last, self.ends[high - 1])
        self.starts[low:high] = [first]
        self.ends[low:high] = [last]

    def mark(self, segment: _Segment) -> None:
        ecn = segment.tos & 3
        self.ecn = stronger(self.ecn, ecn) if self.any_yet else ecn
        self.any_yet = True
        if segment.offset == 0:
            self.tos = segment.tos


class Reassembler:
    """Reassembles the STT frames of one receiving host.

    Drop counters: `bad_ip_header`, `bad_ip_checksum`, `outer_fragment`, `not_stt`,
    `bad_tcp_checksum`, `bad_segment` (empty, out of its frame, or of a frame too short),
    `duplicate_segment`, `late_segment` (of a finished frame), `overlap_conflict`,
    `unknown_version`, `bad_flags` (checksum both verified and partial), `bad_offload` (a partial
    checksum whose place the frame contradicts), `ecn_drop` (RFC 6040), `timed_out` and `evicted`
    (frames given up, for want of a segment or of room).
    """

    def __init__(
        self,
        partial_bytes_max: int = 4 << 20,
        finished_max: int = 65_536,
        timeout_s: float = 30.0,
        *,
        uniform: bool = False,
    ) -> None:
        """A reassembler with nothing in it.

        Args:
            partial_bytes_max: how much it holds of frames that are not complete, in bytes.
            finished_max: how many finished frames it remembers.
            timeout_s: how long it waits for the rest of a frame, and remembers a finished one.
            uniform: whether the outer DSCP replaces the frame's (RFC 2983).
        """
        self._partial_bytes_max = partial_bytes_max
        self._finished_max = finished_max
        self._timeout_s = timeout_s
        self._uniform = uniform
        self._now_s = float("-inf")
        self._partial_bytes = 0
        self._partials: OrderedDict[FrameId, _Partial] = OrderedDict()
        self._finished: OrderedDict[FrameId, float] = OrderedDict()
        self._drops: Counter[str] = Counter()

    @property
    def drops(self) -> Mapping[str, int]:
        """How often each reason to drop came up, by name."""
        return self._drops

    @property
    def n_partial(self) -> int:
        """How many frames wait for segments."""
        return len(self._partials)

    @property
    def partial_bytes(self) -> int:
        """What they take, in bytes."""
        return self._partial_bytes

    def receive(
        self, packet: bytes, now_s: float = 0.0, *, verified: bool = False, work: Work | None = None
    ) -> TunnelFrame | None:
        """Take one outer packet; the frame it completes, or None.

        Args:
            packet: from its IP header on; a segment, or several that a NIC coalesced.
            now_s: the time, in seconds since any moment. It never runs back: an earlier time is
                taken for the latest one seen.
            verified: whether the NIC found the TCP checksum right.
            work: where the host's operations are counted.
        """
        self.expire(now_s)
        work = work or Work()
        received = self._take(_read_segment(packet, work, verified), work)
        if isinstance(received, str):
            self._drops[received] += 1
            return None
        return received

    def expire(self, now_s: float) -> None:
        """Give up what has waited too long, and forget what finished long ago."""
        self._now_s = max(self._now_s, now_s)
        horizon_s = self._now_s - self._timeout_s
        while self._partials:
            frame_id, partial = next(iter(self._partials.items()))
            if partial.began_s > horizon_s:
                break
            self._drops["timed_out"] += 1
            self._finish(frame_id)
        while self._finished and next(iter(self._finished.values())) <= horizon_s:
            self._finished.popitem(last=False)

    def _take(self, segment: _Segment | str, work: Work) -> TunnelFrame | str | None:
        """The frame a segment completes, None if it completes none, or the name of the drop."""
        if isinstance(segment, str):
            return segment
        if segment.frame_id in self._finished:
            return "late_segment"
        if len(segment.data) == segment.length and segment.frame_id not in self._partials:
            self._finish(segment.frame_id)
            return _decapsulate(segment, segment.data, segment.tos, self._uniform, work)
        partial = self._merge(segment, work)
        if isinstance(partial, str):
            return partial
        if not partial.complete:
            self._make_room()
            return None
        self._finish(segment.frame_id)
        tos = partial.tos & 0xFC | partial.ecn
        return _decapsulate(segment, memoryview(partial.data), tos, self._uniform, work)

    def _merge(self, segment: _Segment, work: Work) -> _Partial | str:
        """The frame a segment was added to, or the name of the drop."""
        partial = self._partials.get(segment.frame_id)
        if partial is None:
            partial = _Partial(self._now_s, bytearray(segment.length))
            self._partials[segment.frame_id] = partial
            self._partial_bytes += partial.cost_bytes
        elif not partial.agrees(segment):
            self._finish(segment.frame_id)
            return "overlap_conflict"
        partial.mark(segment)
        if partial.has(segment):
            return "duplicate_segment"
        before = partial.cost_bytes
        partial.add(segment)
        self._partial_bytes += partial.cost_bytes - before
        work.bytes_copied += len(segment.data)
        return partial

    def _make_room(self) -> None:
        while self._partial_bytes > self._partial_bytes_max:
            self._drops["evicted"] += 1
            self._finish(next(iter(self._partials)))

    def _finish(self, frame_id: FrameId) -> None:
        partial = self._partials.pop(frame_id, None)
        if partial is not None:
            self._partial_bytes -= partial.cost_bytes
        self._finished[frame_id] = self._now_s
        if len(self._finished) > self._finished_max:
            self._finished.popitem(last=False)


def _decapsulate(
    last: _Segment, stt_frame: memoryview, tos: int, uniform: bool, work: Work
) -> TunnelFrame | str:
    """The frame of a complete STT frame, or the name of the drop.

    Args:
        last: the segment that completed it.
        stt_frame: all of it.
        tos: DSCP of its first segment and ECN of all.
        uniform: whether DSCP is copied back.
        work: where the host's operations are counted.
    """
    version, flags, l4_offset, _, mss, tci, context_id, _ = STT_HEADER.unpack_from(stt_frame)
    work.headers += 2
    if version != 0:
        return "unknown_version"
    if flags & CHECKSUM_VERIFIED and flags & CHECKSUM_PARTIAL:
        return "bad_flags"
    body = stt_frame[STT_HEADER_BYTES:]
    whole = tagged(body, tci)
    inner = read_inner(whole)
    offload = Offload(verified=bool(flags & CHECKSUM_VERIFIED))
    if flags & CHECKSUM_PARTIAL:
        place = l4_offset + len(whole) - len(body)
        if not _is_at(inner, place, flags):
            return "bad_offload"
        offload = Offload(partial=True, mss=mss if inner.protocol == TCP else 0)
    frame = unmarked(whole, inner, tos, uniform)
    if frame is None:
        return "ecn_drop"
    source, destination = address(last.frame_id[0]), address(last.frame_id[1])
    return TunnelFrame(source, destination, context_id, frame, offload)


def _is_at(inner: Inner, place: int, flags: int) -> bool:
    """Whether a frame has the TCP or UDP header that an STT header says it has."""
    return (
        inner.l4 == place > 0
        and not inner.fragment
        and (inner.version == 4) == bool(flags & IPV4_INSIDE)
        and (inner.protocol == TCP) == bool(flags & TCP_INSIDE)
    )
