"""One host's end of its tunnels: what stands between its switch and its NIC.

    end = TunnelEnd(Nic(mtu=1500))
    packets = end.transmit(frame, Tunnel(here, there, "stt"), 0x2a, Offload(partial=True, mss=1400))
    [TunnelFrame(…)] = far.receive(packets, now_s=0.0)

Sending, it does in software what the NIC cannot do for this kind of tunnel, and no more:

* STT: a frame of up to 64 KiB goes to a NIC with TSO as one large packet; without TSO the packets
  are cut here. What STT cannot carry with its offload undone is finished first.
* Geneve, VXLAN: a TCP frame beyond its segment size is cut by its own header first, and the inner
  checksums are computed, since the NIC does not look behind the outer header.
* No tunnel (`*_untunnelled`, the yardstick): a NIC with TSO cuts the frame by its own header.

`prepare` and `accept` are the host's part of `transmit` and `receive`, for those who measure.

Invariants: packet IDs of an end count up; all work of the host is in `work`, of the NIC in
`nic.work`; bad packets are named drops, never exceptions.
"""

from collections import Counter
from collections.abc import Iterable

from attrs import evolve

from vswitch_sim.tunnel import stt, udp
from vswitch_sim.tunnel.inner import NO_OFFLOAD, Offload, read_inner, verify
from vswitch_sim.tunnel.nic import Nic, Received
from vswitch_sim.tunnel.outer import Tunnel
from vswitch_sim.tunnel.reassembly import Reassembler, TunnelFrame
from vswitch_sim.tunnel.segmentation import Send, finish, large_send, segment_tcp
from vswitch_sim.tunnel.work import Work

_UDP_PROTOCOL = 17


class TunnelEnd:
    """The tunnels of a host, over one NIC."""

    def __init__(
        self,
        nic: Nic,
        *,
        reassembler: Reassembler | None = None,
        uniform: bool = False,
        zero_checksum_ipv6: bool = False,
        first_packet_id: int = 0,
    ) -> None:
        """An end without tunnels; they come with each frame.

        Args:
            nic: what it sends and receives by.
            reassembler: of STT; one with the usual limits if left out.
            uniform: whether received frames take the outer DSCP (RFC 2983).
            zero_checksum_ipv6: accept Geneve and VXLAN over IPv6 without a UDP checksum.
            first_packet_id: 32 bits; the STT packet ID before the first one used.
        """
        self.nic = nic
        self.reassembler = reassembler or Reassembler(uniform=uniform)
        self.work = Work()
        self._uniform = uniform
        self._zero_checksum_ipv6 = zero_checksum_ipv6
        self._packet_id = first_packet_id
        self._drops: Counter[str] = Counter()

    @property
    def packet_id(self) -> int:
        """The STT packet ID that was used last."""
        return self._packet_id

    @property
    def drops(self) -> Counter[str]:
        """Every drop by name: of the tunnels, the reassembler and the NIC.

        The tunnels' own are `frame_too_big`, and those of `udp.decapsulate`.
        """
        total = self._drops + Counter(self.reassembler.drops)
        total.update(self.nic.drops)
        return +total

    def transmit(
        self,
        frame: bytes,
        tunnel: Tunnel,
        key: int,
        offload: Offload = NO_OFFLOAD,
        mtu: int | None = None,
    ) -> list[bytes]:
        """The packets that leave the NIC for a frame, in order.

        Args:
            frame: an Ethernet frame without its FCS.
            tunnel: where to, and how.
            key: the context ID (64 bits) of STT, or the VNI (24 bits) of Geneve and VXLAN.
            offload: what the VM left to be done.
            mtu: of the path, in bytes, if it is less than the NIC's.

        Raises:
            TopologyError: the key or the MTU is out of range, or the frame is a runt.
        """
        sends = self.prepare(frame, tunnel, key, offload, mtu)
        return [packet for send in sends for packet in self.nic.transmit(send)]

    def prepare(
        self,
        frame: bytes,
        tunnel: Tunnel,
        key: int,
        offload: Offload = NO_OFFLOAD,
        mtu: int | None = None,
    ) -> list[Send]:
        """What the host hands to the NIC for a frame; arguments are those of `transmit`."""
        mtu = self.nic.mtu if mtu is None else min(mtu, self.nic.mtu)
        if tunnel.kind == "stt":
            sends = self._prepare_stt(frame, tunnel, key, offload, mtu)
        else:
            sends = self._prepare_udp(frame, tunnel, key, offload)
        self.work.packets += len(sends)
        return sends

    def receive(self, packets: Iterable[bytes], now_s: float = 0.0) -> list[TunnelFrame]:
        """The frames that a batch of packets completes, in order.

        Args:
            packets: outer packets, as they came to the NIC.
            now_s: the time, for `Reassembler.receive`.
        """
        return self.accept(self.nic.receive(packets), now_s)

    def accept(self, received: Iterable[Received], now_s: float = 0.0) -> list[TunnelFrame]:
        """The frames that the host makes of what its NIC hands up."""
        frames = []
        for one in received:
            self.work.packets += 1
            frame = self._accept(one, now_s)
            if frame is not None:
                frames.append(frame)
        return frames

    def prepare_untunnelled(self, frame: bytes, offload: Offload) -> list[Send]:
        """What the host hands to the NIC for a frame that needs no tunnel."""
        self.work.headers += 1
        send = large_send(frame, offload) if self.nic.tso else None
        if send is not None:
            sends = [send]
        elif offload.partial and not offload.mss and self.nic.checksum:
            sends = [_summed_by_nic(frame)]
        else:
            sends = [Send(one, (), 14) for one in finish(frame, offload, self.work)]
        self.work.packets += len(sends)
        return sends

    def accept_untunnelled(self, received: Iterable[Received]) -> list[tuple[bytes, Offload]]:
        """Frames that came without a tunnel, their checksums verified by the NIC or here."""
        frames = []
        for one in received:
            self.work.packets += 1
            self.work.headers += 1
            known = Offload(verified=True) if one.verified else self._verify(one.packet)
            frames.append((one.packet, known))
        return frames

    def _prepare_stt(
        self, frame: bytes, tunnel: Tunnel, key: int, offload: Offload, mtu: int
    ) -> list[Send]:
        if not stt.can_offload(frame, read_inner(frame), offload):
            frames, offload = finish(frame, offload, self.work), NO_OFFLOAD
        else:
            frames = [frame]
        sends = []
        for one in frames:
            if len(one) > stt.FRAME_BYTES_MAX:
                self._drops["frame_too_big"] += 1
                continue
            self._packet_id = self._packet_id + 1 & 0xFFFFFFFF
            ids = {"packet_id": self._packet_id, "mtu": mtu}
            send = stt.prepare(one, key, tunnel, **ids, offload=offload, work=self.work)
            if self.nic.tso and send.fits_ip:
                sends.append(send)
            elif self.nic.checksum and send.payload_bytes <= send.mss:
                sends.append(evolve(send, mss=0))
            else:
                packets = segment_tcp(send, self.work)
                sends += [Send(packet, (), 0, send.l4) for packet in packets]
        return sends

    def _prepare_udp(self, frame: bytes, tunnel: Tunnel, key: int, offload: Offload) -> list[Send]:
        sends = []
        for one in finish(frame, offload, self.work):
            if len(one) > udp.frame_bytes_max(tunnel):
                self._drops["frame_too_big"] += 1
                continue
            send = udp.prepare(one, key, tunnel, work=self.work)
            if send.checksum and not self.nic.checksum:
                send = Send(udp.packet(send, self.work), (), 0, send.l4)
            sends.append(send)
        return sends

    def _accept(self, one: Received, now_s: float) -> TunnelFrame | None:
        packet, known = one.packet, one.verified
        if not _is_udp(packet):
            return self.reassembler.receive(packet, now_s, verified=known, work=self.work)
        frame = udp.decapsulate(
            packet,
            verified=known,
            uniform=self._uniform,
            zero_checksum_ipv6=self._zero_checksum_ipv6,
            work=self.work,
        )
        if isinstance(frame, str):
            self._drops[frame] += 1
            return None
        # Somebody has to look at the checksum behind the tunnel's header, and the NIC does not.
        return evolve(frame, offload=self._verify(frame.frame))

    def _verify(self, frame: bytes) -> Offload:
        return verify(frame, read_inner(frame), self.work)


def _summed_by_nic(frame: bytes) -> Send:
    inner = read_inner(frame)
    if not inner.l4 or inner.fragment:
        return Send(frame, (), 14)
    start = inner.payload(frame)
    payload = (memoryview(frame)[start : inner.end],)
    return Send(frame[:start], payload, inner.l3, inner.l4, checksum=True)


def _is_udp(packet: bytes) -> bool:
    place = 6 if packet[:1] and packet[0] >> 4 == 6 else 9
    return len(packet) > place and packet[place] == _UDP_PROTOCOL
