"""A hypervisor in the fabric: its switch, its NIC, and the ends of its tunnels.

The host does what lies between a switch's tunnel port and the underlay: frames become STT
segments that fit the path, segments become frames again, and each tunnel's health is watched. It
takes its path's MTU from the routes when it first sends there, as path MTU discovery would have
found it, lowers it when an ICMP error says so (RFC 1191, RFC 8201), and forgets it after ten
minutes.

Invariants: every tunnel has one session if health is watched, and none if not; an error about a
packet that this host did not send changes nothing.
"""

from collections import Counter
from collections.abc import Callable

from attrs import frozen

from vswitch_sim.clock import NS_PER_S
from vswitch_sim.health import Control, Session, State, read_control
from vswitch_sim.packet_in import PacketIn
from vswitch_sim.switch import Switch
from vswitch_sim.tunnel import Nic, Tunnel, TunnelEnd, TunnelFrame
from vswitch_sim.underlay import MTU_MAX, MTU_MIN, IcmpError, IpAddress, Underlay, read_error
from vswitch_sim.underlay.addresses import destination, source

# RFC 1191, section 6.3.
_MTU_AGE_NS = 600 * NS_PER_S
# What the context ID of control packets is: no logical port has this key.
_CONTROL_ID = 0


def _no_answer(_: PacketIn) -> None:
    return None


@frozen
class _PathMtu:
    mtu: int
    learnt_ns: int


class Host:
    """A hypervisor; `ip` is the end of its tunnels, `node` where its NIC stands in the underlay.

    `answer` is its controller: what makes a new frame of a packet that the switch stopped for one,
    or None to drop it.
    """

    def __init__(
        self,
        name: str,
        ip: IpAddress,
        node: str,
        underlay: Underlay,
        arrived: Callable[["Host", TunnelFrame], None],
        first_packet_id: int,
    ) -> None:
        self.name = name
        self.ip = ip
        self.node = node
        self.switch = Switch(name)
        self.answer: Callable[[PacketIn], bytes | None] = _no_answer
        self.tunnels: dict[int, IpAddress] = {}
        self.tunnel_ports: dict[IpAddress, int] = {}
        self.sessions: dict[IpAddress, Session] = {}
        self.drops: Counter[str] = Counter()
        # The underlay's links have the last word on what is too big.
        self._end = TunnelEnd(Nic(mtu=MTU_MAX), first_packet_id=first_packet_id)
        self._underlay = underlay
        self._arrived = arrived
        self._path_mtus: dict[IpAddress, _PathMtu] = {}

    @property
    def all_drops(self) -> Counter[str]:
        """Every drop by name, those of the switch and of the tunnels' end included."""
        return self.drops + Counter(self.switch.drops) + self._end.drops

    @property
    def packet_id(self) -> int:
        """The STT packet ID that was used last."""
        return self._end.packet_id

    def transmit(
        self, remote: IpAddress, frame: bytes, context_id: int, *, is_background: bool = False
    ) -> None:
        """Send a frame through the tunnel to a remote address; what cannot go is a named drop."""
        mtu = self._mtu_to(remote)
        if isinstance(mtu, str):
            self.drops[mtu] += 1
            return
        tunnel = Tunnel(self.ip, remote)
        for packet in self._end.transmit(frame, tunnel, context_id, mtu=mtu):
            self._underlay.send(self.node, packet, is_background=is_background)

    def receive(self, packet: bytes) -> None:
        """Take an IP packet from the NIC."""
        error = read_error(packet)
        if error is not None:
            self._learn(error)
            return
        for received in self._end.receive([packet], self._underlay.clock.now_s):
            control = read_control(received.frame) if received.key == _CONTROL_ID else None
            if control is None:
                self._arrived(self, received)
            else:
                self._hear(received.source, control)

    def watch(self, remote: IpAddress, session: Session) -> None:
        """Let a session tell whether the tunnel to a remote address works."""
        self.sessions[remote] = session

    def unwatch(self, remote: IpAddress) -> None:
        """Stop the session of a tunnel, if there is one."""
        session = self.sessions.pop(remote, None)
        if session is not None:
            session.close()

    def close(self) -> None:
        """Stop all sessions."""
        for remote in [*self.sessions]:
            self.unwatch(remote)

    def is_up(self, remote: IpAddress) -> bool:
        """Whether the tunnel to a remote address works, as far as its session knows."""
        session = self.sessions.get(remote)
        return session is not None and session.state == State.UP

    def _hear(self, remote: IpAddress, control: Control) -> None:
        session = self.sessions.get(remote)
        if session is None:
            self.drops["unknown_session"] += 1
        else:
            session.receive(control)

    def _mtu_to(self, remote: IpAddress) -> int | str:
        """The largest outer packet to an address, or the name of the drop if there is no way."""
        node = self._underlay.node_of(remote)
        if node is None:
            return "unknown_host"
        known = self._path_mtus.get(remote)
        now_ns = self._underlay.clock.now_ns
        if known is None or now_ns - known.learnt_ns >= _MTU_AGE_NS:
            mtu = self._underlay.path_mtu(self.node, node)
            if mtu == 0:
                return "no_route"
            known = self._path_mtus[remote] = _PathMtu(mtu, now_ns)
        return known.mtu

    def _learn(self, error: IcmpError) -> None:
        if error.reason != "too_big" or source(error.quoted) != self.ip:
            return
        remote = destination(error.quoted)
        known = self._path_mtus.get(remote)
        if known is not None and MTU_MIN <= error.mtu < known.mtu:
            self._path_mtus[remote] = _PathMtu(error.mtu, self._underlay.clock.now_ns)
