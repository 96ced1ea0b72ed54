"""Cutting large TCP packets into segments, and finishing what was left to be offloaded.

`segment_tcp` is what a NIC with TSO does and what software (GSO) does where no NIC can: it knows
headers of Ethernet, IP and TCP and nothing of tunnels. So the same function cuts a VM's TCP frame
by its own header and an STT frame by its TCP-like one. What it costs is counted in the `Work` of
whoever calls it.

Every segment has all headers, the sequence number of its first byte, an IPv4 identification one
above the last, FIN and PSH only at the end and CWR only at the start, and its own checksums.

Cost: one pass over the payload to copy and one to sum it, and a few header operations a segment.
"""

from collections.abc import Sequence

from attrs import frozen

from vswitch_sim.tunnel.inner import CHECKSUM_PLACE, TCP, UDP, Offload, complete, read_inner
from vswitch_sim.tunnel.outer import PACKET_BYTES_MAX, pseudo_header
from vswitch_sim.tunnel.work import Work

_FIN, _PSH, _CWR = 0x01, 0x08, 0x80
Buffer = bytes | memoryview


@frozen
class Send:
    """What a host hands to its NIC: one packet, or one large TCP packet to be cut.

    Attributes:
        head: all headers, up to and with the one the NIC knows: TCP or UDP.
        payload: what follows, in parts that nobody had to copy together.
        l3: where in `head` the IP header begins, in bytes.
        l4: where the TCP or UDP header begins.
        mss: the most payload of a segment, in bytes; 0 for a packet that is not to be cut.
        checksum: whether the NIC is to compute the TCP or UDP checksum.
    """

    head: bytes
    payload: Sequence[Buffer]
    l3: int = 0
    l4: int = 0
    mss: int = 0
    checksum: bool = False

    @property
    def payload_bytes(self) -> int:
        """How long the payload is."""
        return sum(map(len, self.payload))

    @property
    def fits_ip(self) -> bool:
        """Whether its IP header can say how long it is, uncut, as a NIC must be told."""
        ip_bytes = len(self.head) - self.l3 + self.payload_bytes
        return ip_bytes - (40 if self.head[self.l3] >> 4 == 6 else 0) <= PACKET_BYTES_MAX


def segment_tcp(send: Send, work: Work) -> list[bytes]:
    """The packets of a large send, in order, each with at most `mss` bytes of payload."""
    payload = b"".join(send.payload)
    step = send.mss or max(1, len(payload))
    sequence = int.from_bytes(send.head[send.l4 + 4 : send.l4 + 8], "big")
    flags = send.head[send.l4 + 13]
    packets = []
    for n, offset in enumerate(range(0, max(1, len(payload)), step)):
        piece = payload[offset : offset + step]
        head = bytearray(send.head)
        head[send.l4 + 4 : send.l4 + 8] = (sequence + offset & 0xFFFFFFFF).to_bytes(4, "big")
        kept = flags if offset + len(piece) == len(payload) else flags & ~(_FIN | _PSH)
        head[send.l4 + 13] = kept if n == 0 else kept & ~_CWR
        _set_length(head, send.l3, len(piece), n, work)
        fill_checksum(head, piece, send.l3, send.l4, work)
        work.headers += 2
        work.bytes_copied += len(head) + len(piece)
        packets.append(bytes(head) + piece)
    return packets


def _set_length(head: bytearray, l3: int, payload_bytes: int, n: int, work: Work) -> None:
    ip_bytes = len(head) - l3 + payload_bytes
    if head[l3] >> 4 == 6:
        head[l3 + 4 : l3 + 6] = (ip_bytes - 40).to_bytes(2, "big")
        return
    identification = int.from_bytes(head[l3 + 4 : l3 + 6], "big") + n & 0xFFFF
    head[l3 + 2 : l3 + 6] = ip_bytes.to_bytes(2, "big") + identification.to_bytes(2, "big")
    head[l3 + 10 : l3 + 12] = b"\0\0"
    checksum = work.checksum(head[l3 : l3 + 4 * (head[l3] & 0xF)])
    head[l3 + 10 : l3 + 12] = checksum.to_bytes(2, "big")


def fill_checksum(head: bytearray, payload: Buffer, l3: int, l4: int, work: Work) -> None:
    """Write the TCP or UDP checksum of a packet into its head, which ends with that header."""
    addresses = head[l3 + 12 : l3 + 20] if head[l3] >> 4 == 4 else head[l3 + 8 : l3 + 40]
    half = len(addresses) // 2
    protocol = TCP if len(head) - l4 >= 20 else UDP
    place = l4 + CHECKSUM_PLACE[protocol]
    head[place : place + 2] = b"\0\0"
    length = len(head) - l4 + len(payload)
    pseudo = pseudo_header(bytes(addresses[:half]), bytes(addresses[half:]), protocol, length)
    checksum = work.checksum(pseudo, head[l4:], bytes(payload))
    if checksum == 0 and protocol == UDP:
        checksum = 0xFFFF
    head[place : place + 2] = checksum.to_bytes(2, "big")


def large_send(frame: bytes, offload: Offload) -> Send | None:
    """A TCP frame that is to be cut, as a NIC is told of it; None if it is not to be cut."""
    inner = read_inner(frame)
    if not offload.mss or not inner.l4 or inner.fragment or inner.protocol != TCP:
        return None
    start = inner.payload(frame)
    if inner.end - start <= offload.mss:
        return None
    payload = memoryview(frame)[start : inner.end]
    return Send(frame[:start], (payload,), inner.l3, inner.l4, offload.mss, checksum=True)


def finish(frame: bytes, offload: Offload, work: Work) -> list[bytes]:
    """The frames for somebody without offload: cut to size, with complete checksums.

    A frame whose checksum cannot be completed, for want of a whole TCP or UDP packet in it, is
    left as it is.
    """
    if not offload.partial:
        return [frame]
    send = large_send(frame, offload)
    if send is not None:
        work.headers += 1
        return segment_tcp(send, work)
    inner = read_inner(frame)
    if not inner.l4 or inner.fragment:
        return [frame]
    return [complete(frame, inner, work)]
