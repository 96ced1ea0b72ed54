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
from ipaddress import IPv4Address

from attrs import frozen

from vswitch_sim.clock import NS_PER_S
from vswitch_sim.health import Control, Session, State, read_control
from vswitch_sim.stt import FRAME_BYTES_MAX, Reassembler, SttFrame, encapsulate
from vswitch_sim.switch import Switch
from vswitch_sim.underlay import MTU_MIN, IcmpError, Underlay, read_error

# RFC 1191, section 6.3.
_MTU_AGE_NS = 600 * NS_PER_S
# What the context ID of control packets is: no logical port has this key.
_CONTROL_ID = 0


@frozen
class _PathMtu:
    mtu: int
    learnt_ns: int


class Host:
    """A hypervisor; `ip` is the end of its tunnels, `node` where its NIC stands in the underlay."""

    def __init__(
        self,
        name: str,
        ip: IPv4Address,
        node: str,
        underlay: Underlay,
        arrived: Callable[["Host", SttFrame], None],
    ) -> None:
        self.name = name
        self.ip = ip
        self.node = node
        self.switch = Switch(name)
        self.tunnels: dict[int, IPv4Address] = {}
        self.tunnel_ports: dict[IPv4Address, int] = {}
        self.sessions: dict[IPv4Address, Session] = {}
        self.drops: Counter[str] = Counter()
        self._reassembler = Reassembler()
        self._underlay = underlay
        self._arrived = arrived
        self._path_mtus: dict[IPv4Address, _PathMtu] = {}

    @property
    def all_drops(self) -> Counter[str]:
        """Every drop by name, those of the switch and of reassembly included."""
        return self.drops + Counter(self.switch.drops) + Counter(self._reassembler.drops)

    def transmit(
        self,
        remote: IPv4Address,
        frame: bytes,
        context_id: int,
        packet_id: int,
        *,
        is_background: bool = False,
    ) -> None:
        """Send a frame through the tunnel to a remote address; what cannot go is a named drop."""
        mtu = self._mtu_to(remote)
        if isinstance(mtu, str):
            self.drops[mtu] += 1
            return
        if len(frame) > FRAME_BYTES_MAX:
            self.drops["frame_too_big"] += 1
            return
        ends = self.ip, remote
        for packet in encapsulate(frame, context_id, *ends, packet_id=packet_id, mtu=mtu):
            self._underlay.send(self.node, packet, is_background=is_background)

    def receive(self, packet: bytes) -> None:
        """Take an IP packet from the NIC."""
        error = read_error(packet)
        if error is not None:
            self._learn(error)
            return
        received = self._reassembler.receive(packet)
        if received is None:
            return
        control = read_control(received.frame) if received.context_id == _CONTROL_ID else None
        if control is None:
            self._arrived(self, received)
        else:
            self._hear(received.source, control)

    def watch(self, remote: IPv4Address, session: Session) -> None:
        """Let a session tell whether the tunnel to a remote address works."""
        self.sessions[remote] = session

    def unwatch(self, remote: IPv4Address) -> None:
        """Stop the session of a tunnel, if there is one."""
        session = self.sessions.pop(remote, None)
        if session is not None:
            session.close()

    def close(self) -> None:
        """Stop all sessions."""
        for remote in [*self.sessions]:
            self.unwatch(remote)

    def is_up(self, remote: IPv4Address) -> bool:
        """Whether the tunnel to a remote address works, as far as its session knows."""
        session = self.sessions.get(remote)
        return session is not None and session.state == State.UP

    def _hear(self, remote: IPv4Address, control: Control) -> None:
        session = self.sessions.get(remote)
        if session is None:
            self.drops["unknown_session"] += 1
        else:
            session.receive(control)

    def _mtu_to(self, remote: IPv4Address) -> int | str:
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
        if error.reason != "too_big" or error.quoted[0] >> 4 != 4:
            return
        if IPv4Address(error.quoted[12:16]) != self.ip:
            return
        remote = IPv4Address(error.quoted[16:20])
        known = self._path_mtus.get(remote)
        if known is not None and MTU_MIN <= error.mtu < known.mtu:
            now_ns = self._underlay.clock.now_ns
            self._path_mtus[remote] = _PathMtu(error.mtu, now_ns)
