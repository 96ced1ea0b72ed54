"""A network interface card, with and without offloads.

What it knows is Ethernet, IPv4, IPv6, TCP and UDP, as cards did that were built before tunnels:

* checksum: it fills in, and verifies, the checksum of the TCP or UDP header next to the IP header;
* TSO: it cuts a large TCP packet into segments;
* LRO: it coalesces TCP segments that came one after the other and continue each other.

It knows nothing of STT, which is the point: an STT frame is to it one large TCP packet. What it
does is counted in its own `work`, not in the host's.

LRO merges segments of one connection with one acknowledgement number (draft-davie-stt-08, section
3.2, asks for that), one DSCP and ECN field, and right checksums, in order and up to the segment
with PSH or 64 KiB; what does not fit is passed on as it came, and nothing overtakes within a
connection.

Cost: one pass over the bytes.
"""

from collections import Counter
from collections.abc import Iterable, Mapping

from attrs import define, frozen

from vswitch_sim.checksum import internet_checksum
from vswitch_sim.errors import TopologyError
from vswitch_sim.tunnel.inner import TCP, UDP
from vswitch_sim.tunnel.outer import PACKET_BYTES_MAX, Outer, read_outer
from vswitch_sim.tunnel.segmentation import Send, segment_tcp
from vswitch_sim.tunnel.udp import packet as one_packet
from vswitch_sim.tunnel.work import Work

_ACK, _PSH = 0x10, 0x08


@frozen
class Received:
    """What a NIC hands up: a packet, coalesced or not, and whether it verified its checksum."""

    packet: bytes
    verified: bool = False


@define(eq=False)
class _Run:
    """Segments of one connection that continue each other, so far."""

    common: tuple[object, ...]
    outer: Outer
    parts: list[bytes]
    following: int
    ip_bytes: int


class Nic:
    """A NIC with some offloads. Drop counter: `too_big`, for a packet beyond the MTU."""

    def __init__(
        self, *, tso: bool = True, lro: bool = True, checksum: bool = True, mtu: int = 1500
    ) -> None:
        """A NIC.

        Args:
            tso: whether it cuts large TCP packets.
            lro: whether it coalesces TCP segments.
            checksum: whether it computes and verifies TCP and UDP checksums.
            mtu: the largest IP packet it sends, in bytes.

        Raises:
            TopologyError: TSO or LRO without checksums, which no card can do.
        """
        if (tso or lro) and not checksum:
            raise TopologyError("a NIC without checksum offload has neither TSO nor LRO")
        self.tso = tso
        self.lro = lro
        self.checksum = checksum
        self.mtu = mtu
        self.work = Work()
        self._drops: Counter[str] = Counter()

    @property
    def drops(self) -> Mapping[str, int]:
        """How often each reason to drop came up, by name."""
        return self._drops

    def transmit(self, send: Send) -> list[bytes]:
        """The packets that leave, in order.

        Raises:
            TopologyError: the host asks for an offload this NIC does not have.
        """
        if (send.mss and not self.tso) or (send.checksum and not self.checksum):
            raise TopologyError("this NIC cannot cut packets, or compute checksums, for its host")
        if send.mss and not send.fits_ip:
            raise TopologyError("a packet beyond 64 KiB cannot be described to a NIC")
        packets = segment_tcp(send, self.work) if send.mss else [one_packet(send, self.work)]
        self.work.packets += len(packets)
        sent = [packet for packet in packets if len(packet) - send.l3 <= self.mtu]
        self._drops["too_big"] += len(packets) - len(sent)
        return sent

    def receive(self, packets: Iterable[bytes], l3: int = 0) -> list[Received]:
        """What the host gets of packets that came in one batch; nothing of a run stays behind.

        Args:
            packets: as they came; damaged ones are passed on, unverified.
            l3: where in each of them the IP header begins, in bytes.
        """
        out: list[Received] = []
        runs: dict[tuple[object, ...], _Run] = {}
        for packet in packets:
            self.work.packets += 1
            outer = self._verified(packet[l3:])
            if outer is None:
                out.append(Received(packet))
                continue
            if not self.lro or outer.protocol != TCP:
                out.append(Received(packet, verified=True))
                continue
            connection = (outer.source, outer.destination, packet[l3 + outer.l4 :][:4])
            self._coalesce(connection, packet, l3, outer, runs, out)
        out += [_close(run, l3) for run in runs.values()]
        return out

    def _verified(self, packet: bytes) -> Outer | None:
        """The IP header of a packet whose TCP or UDP checksum is right."""
        outer = read_outer(packet) if self.checksum else ""
        if isinstance(outer, str):
            return None
        data = packet[outer.l4 : outer.end]
        if outer.protocol == UDP:
            if len(data) < 8 or data[6:8] == b"\0\0":
                return None
        elif outer.protocol != TCP or len(data) < 20 or not 5 <= data[12] >> 4 <= len(data) // 4:
            return None
        return outer if outer.checksum_is_right(packet, self.work) else None

    def _coalesce(
        self,
        connection: tuple[object, ...],
        packet: bytes,
        l3: int,
        outer: Outer,
        runs: dict[tuple[object, ...], _Run],
        out: list[Received],
    ) -> None:
        l4 = l3 + outer.l4
        start, end = l4 + 4 * (packet[l4 + 12] >> 4), l3 + outer.end
        sequence = int.from_bytes(packet[l4 + 4 : l4 + 8], "big")
        flags = packet[l4 + 13]
        # Acknowledgement, reserved bits, window, urgent pointer and options; TTL, DSCP and ECN.
        ttl = packet[l3 + 8] if len(outer.source) == 4 else packet[l3 + 7]
        tcp = packet[l4 + 8 : l4 + 13] + packet[l4 + 14 : l4 + 16] + packet[l4 + 18 : start]
        common = (outer.tos, outer.l4, ttl, tcp, packet[:l3])
        plain = flags & ~_PSH == _ACK and start < end
        run = runs.get(connection)
        if run is not None:
            following = run.common == common and run.following == sequence
            if plain and following and run.ip_bytes + end - start <= PACKET_BYTES_MAX:
                run.parts.append(packet[start:end])
                run.ip_bytes += end - start
            else:
                out.append(_close(runs.pop(connection), l3))
                run = None
        if run is None:
            if not plain:
                out.append(Received(packet, verified=True))
                return
            run = runs[connection] = _Run(common, outer, [packet[:end]], 0, outer.end)
        run.following = sequence + end - start & 0xFFFFFFFF
        if flags & _PSH:
            if len(run.parts) > 1:
                head = bytearray(run.parts[0])
                head[l4 + 13] |= _PSH
                run.parts[0] = bytes(head)
            out.append(_close(runs.pop(connection), l3))


def _close(run: _Run, l3: int) -> Received:
    """One packet of a run; its TCP checksum is not right, but known to have been."""
    if len(run.parts) == 1:
        return Received(run.parts[0], verified=True)
    head = bytearray(run.parts[0])
    if len(run.outer.source) == 16:
        head[l3 + 4 : l3 + 6] = (run.ip_bytes - 40).to_bytes(2, "big")
    else:
        head[l3 + 2 : l3 + 4] = run.ip_bytes.to_bytes(2, "big")
        head[l3 + 10 : l3 + 12] = b"\0\0"
        checksum = internet_checksum(head[l3 : l3 + run.outer.l4])
        head[l3 + 10 : l3 + 12] = checksum.to_bytes(2, "big")
    return Received(b"".join((head, *run.parts[1:])), verified=True)
