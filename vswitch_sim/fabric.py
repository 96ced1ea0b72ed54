"""The fabric: hosts with a switch each, tunnels between them, and the underlay beneath.

    fabric = Fabric(Underlay.star(["hv1", "hv2"]))
    fabric.add_host("hv1", "192.0.2.1")
    fabric.add_host("hv2", "192.0.2.2")
    fabric.add_vif("hv1", 1, "web-1")
    fabric.add_tunnel("hv1", 100, "192.0.2.2")
    …
    fabric.send("hv1", 1, frame)      # -> [Delivery("hv2", 1, "db-1", b"…"), …]

A frame passes a switch in no time; copies that leave by a tunnel travel the underlay as STT
segments, as long as that takes, and pass the switch at the other end. `inject` starts a frame and
returns, `run` lets time pass; `send` does both, until every copy has reached a VIF or been
dropped under a name in `drops`.

A packet that a switch stops for its controller is put to the host's `answer`, there and then, and
what that makes of it passes the switch in its stead.

With `health_interval_s` every tunnel is watched by a BFD session (`health`), and who listens hears
of each that comes up or goes down.

Invariants: a packet ID is never used twice, whatever hosts come and go; the order of deliveries
depends on flows, frames, the underlay and its seed alone.
"""

import random
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from ipaddress import ip_address

from attrs import define, field, frozen

from vswitch_sim.capture import AtLink, AtVif, Capture, CaptureWriter
from vswitch_sim.errors import TopologyError
from vswitch_sim.health import Session
from vswitch_sim.host import Host
from vswitch_sim.packet_in import PacketIn
from vswitch_sim.port import Egress
from vswitch_sim.switch import Switch
from vswitch_sim.tunnel import TunnelFrame, Work, finish
from vswitch_sim.underlay import Crossing, IpAddress, Underlay

# A frame that has passed this many tunnels is in a loop; so is one that made so many copies, or is
# an answer to an answer to … so many.
TUNNEL_HOPS_MAX = 16
ANSWERS_MAX = 16
TRANSMISSIONS_MAX = 20_000
# How many frames in tunnels the fabric knows the past of.
_REMEMBERED_MAX = 65_536


@frozen
class Delivery:
    """A frame that reached a VIF: the host, the port and its name, the bytes, and when."""

    host: str
    port_number: int
    port_name: str
    frame: bytes
    time_s: float = field(default=0.0, eq=False)


@frozen
class TunnelHealth:
    """The tunnel from a host to the address of another came up, or went down."""

    host: str
    remote: str
    up: bool
    time_s: float = field(default=0.0, eq=False)


@define(eq=False)
class _Journey:
    """A frame that came in by a VIF, and all copies of it.

    `transmissions` counts those that went through tunnels, or were answered.
    """

    transmissions: int = 0


@frozen(eq=False)
class _Passage:
    """One copy: the journey it is of, how many tunnels it has passed, how many answers made it."""

    journey: _Journey
    tunnels: int = 0
    answers: int = 0


class Fabric:
    """Hosts, their switches, and the frames between them."""

    def __init__(
        self, underlay: Underlay, *, health_interval_s: float | None = None, seed: int = 0
    ) -> None:
        """A fabric without hosts.

        Args:
            underlay: what joins the hosts; its clock is the fabric's.
            health_interval_s: how often the ends of a tunnel tell each other that they live, in
                seconds; None to watch no tunnel.
            seed: of the jitter of that.
        """
        self.underlay = underlay
        self.clock = underlay.clock
        self.on_delivery: list[Callable[[Delivery], None]] = []
        self.on_health: list[Callable[[TunnelHealth], None]] = []
        self._health_interval_s = health_interval_s
        self._random = random.Random(seed)
        self._hosts: dict[str, Host] = {}
        self._first_packet_id = 0
        self._discriminator = 0
        self._passages: OrderedDict[tuple[IpAddress, int], _Passage] = OrderedDict()
        self._drops: Counter[str] = Counter()
        self._captures: list[Capture] = []
        underlay.taps.append(self._tap)

    @property
    def hosts(self) -> Mapping[str, Host]:
        """The hosts by name."""
        return self._hosts

    @property
    def drops(self) -> Counter[str]:
        """Every drop by name: of the fabric, the switches, the reassemblers and the underlay.

        The fabric's own are `unknown_host` (no host has a tunnel's remote address),
        `unknown_tunnel` (the receiver has no tunnel back), `unknown_session` (a health packet of a
        tunnel that is not watched), `no_route`, `frame_too_big`, `no_answer` (a host's controller
        made nothing of a packet) and `loop`.
        """
        total = Counter(self._drops)
        total.update(self.underlay.drops)
        for host in self._hosts.values():
            total.update(host.all_drops)
        return total

    def switch(self, host: str) -> Switch:
        """A host's switch."""
        return self._host(host).switch

    def add_host(self, name: str, ip: str, node: str | None = None) -> Switch:
        """Add a host with an empty switch, which is returned.

        Args:
            name: the host.
            ip: its NIC's IPv4 or IPv6 address, the end of its tunnels.
            node: the underlay node it stands at; its own name if left out.

        Raises:
            TopologyError: the name, the address or the node is taken, or there is no such node.
        """
        address = _address(f"host {name}", ip)
        node = name if node is None else node
        if node not in self.underlay:
            raise TopologyError(f"host {name}: the underlay has no node {node}; add it first")
        for host in self._hosts.values():
            if name == host.name or address == host.ip or node == host.node:
                raise TopologyError(
                    f"cannot add host {name} ({ip} at {node}): "
                    f"host {host.name} ({host.ip} at {host.node}) is there"
                )
        host = Host(name, address, node, self.underlay, self._arrive, self._first_packet_id)
        self.underlay.attach(node, address, host.receive)
        self._hosts[name] = host
        return host.switch

    def remove_host(self, name: str) -> None:
        """Remove a host with all it has but its drops; tunnels to it then lead nowhere."""
        host = self._host(name)
        host.close()
        self._drops.update(host.all_drops)
        # One that comes in its place uses no packet ID that is still remembered somewhere.
        self._first_packet_id = max(self._first_packet_id, host.packet_id)
        self.underlay.detach(host.ip)
        del self._hosts[name]

    def readdress(self, ips: Mapping[str, str]) -> None:
        """Give hosts new NIC addresses, all at once, so that two may swap theirs.

        Tunnels to an old address lead nowhere until they are made anew.

        Raises:
            TopologyError: there is no such host, or two hosts would have one address.
        """
        wanted = {host.name: host.ip for host in self._hosts.values()}
        for name, ip in ips.items():
            wanted[self._host(name).name] = _address(f"host {name}", ip)
        if len({*wanted.values()}) < len(wanted):
            raise TopologyError(f"cannot readdress {', '.join(ips)}: two hosts would share an IP")
        for name in ips:
            self.underlay.detach(self._hosts[name].ip)
        for name in ips:
            host = self._hosts[name]
            host.ip = wanted[name]
            self.underlay.attach(host.node, host.ip, host.receive)

    def far_end(self, host: str, port_number: int) -> tuple[str, int] | None:
        """Where a tunnel port leads: the host beyond and its port back; None if nowhere."""
        here = self._host(host)
        remote = here.tunnels.get(port_number)
        there = next((other for other in self._hosts.values() if other.ip == remote), None)
        number = None if there is None else there.tunnel_ports.get(here.ip)
        return None if there is None or number is None else (there.name, number)

    def add_vif(self, host: str, port_number: int, name: str) -> None:
        """Attach a VIF to a host's switch; see `Switch.add_port` for errors."""
        self._host(host).switch.add_port(port_number, name, "vif")

    def remove_vif(self, host: str, port_number: int) -> None:
        """Detach a VIF."""
        self._remove_port(host, port_number, "vif")

    def add_tunnel(self, host: str, port_number: int, remote_ip: str) -> None:
        """Give a switch an STT tunnel port to the host with address `remote_ip`.

        Raises:
            TopologyError: the port is taken, or the host has a tunnel to this address already.
        """
        end = self._host(host)
        address = _address(f"tunnel of host {host}", remote_ip)
        if address.version != end.ip.version:
            raise TopologyError(f"host {host}: a tunnel from {end.ip} to {address} mixes versions")
        if address in end.tunnel_ports:
            number = end.tunnel_ports[address]
            raise TopologyError(f"host {host}: port {number} is a tunnel to {address} already")
        end.switch.add_port(port_number, f"stt-{address}", "tunnel")
        end.tunnels[port_number] = address
        end.tunnel_ports[address] = port_number
        if self._health_interval_s is not None:
            end.watch(address, self._session(end, address, self._health_interval_s))

    def remove_tunnel(self, host: str, port_number: int) -> None:
        """Take a tunnel port away."""
        self._remove_port(host, port_number, "tunnel")
        end = self._host(host)
        address = end.tunnels.pop(port_number)
        del end.tunnel_ports[address]
        end.unwatch(address)

    def is_up(self, host: str, port_number: int) -> bool:
        """Whether a tunnel works, as far as its session knows; False if it is not watched."""
        end = self._host(host)
        remote = end.tunnels.get(port_number)
        return remote is not None and end.is_up(remote)

    def inject(self, host: str, in_port: int, frame: bytes) -> None:
        """Put a frame into a host's switch by a port, now; what comes of it takes its time.

        Raises:
            TopologyError: there is no such host or port.
        """
        end = self._host(host)
        self._capture_vif(end, in_port, frame, is_sent=True)
        self._pass(end, in_port, frame, 0, _Passage(_Journey()))

    def run(self, seconds: float) -> None:
        """Let time pass. ValueError if it is negative."""
        self.clock.run_for(seconds)

    def settle(self) -> None:
        """Let time pass until no tenant's frame is under way."""
        self.clock.run_while(self.underlay.is_busy)

    def send(self, host: str, in_port: int, frame: bytes) -> list[Delivery]:
        """Put a frame into a host's switch by a port, and carry it until all copies are home.

        What is under way already comes home before.

        Raises:
            TopologyError: there is no such host or port.
        """
        self._host(host)
        with self.listening() as deliveries:
            self.inject(host, in_port, frame)
        return deliveries

    @contextmanager
    def listening(self) -> Iterator[list[Delivery]]:
        """The deliveries of what is injected in a `with` block, complete when that ends.

        What is under way already comes home before.
        """
        self.settle()
        deliveries: list[Delivery] = []
        self.on_delivery.insert(0, deliveries.append)
        try:
            yield deliveries
            self.settle()
        finally:
            self.on_delivery.remove(deliveries.append)

    @contextmanager
    def capture(self, path: str, *points: AtVif | AtLink) -> Iterator[None]:
        """Record frames in a pcapng file while the `with` block runs.

        Args:
            path: the file, which is replaced.
            points: where; if none is named, every NIC, as it sends.

        Raises:
            TopologyError: there is no such VIF or link.
            OSError: the file cannot be written.
        """
        for point in points:
            self._require_point(point)
        with CaptureWriter(path) as writer:
            capture = Capture(writer, frozenset(points))
            self._captures.append(capture)
            try:
                yield
            finally:
                self._captures.remove(capture)

    def _pass(self, here: Host, in_port: int, frame: bytes, tun_id: int, passage: _Passage) -> None:
        """Let a frame pass a switch, and send its copies on their ways."""
        left = here.switch.process(in_port, frame, tun_id, self.clock.now_s)
        waiting = deque((packet_in, passage) for packet_in in here.switch.waiting())
        self._forward(here, left, passage)
        while waiting:
            packet_in, asking = waiting.popleft()
            answer = self._answer(here, packet_in, asking)
            if answer is not None:
                answered = _Passage(asking.journey, asking.tunnels, asking.answers + 1)
                left = here.switch.resume(packet_in, answer, self.clock.now_s)
                waiting.extend((it, answered) for it in here.switch.waiting())
                self._forward(here, left, answered)

    def _answer(self, here: Host, packet_in: PacketIn, passage: _Passage) -> bytes | None:
        """What a host's controller makes of a packet; None, and a drop, if there is to be none."""
        passage.journey.transmissions += 1
        if passage.answers >= ANSWERS_MAX or passage.journey.transmissions > TRANSMISSIONS_MAX:
            self._drops["loop"] += 1
            return None
        answer = here.answer(packet_in)
        if answer is None:
            self._drops["no_answer"] += 1
        return answer

    def _forward(self, here: Host, left: Iterable[Egress], passage: _Passage) -> None:
        """Send what leaves a switch on its way: to a VIF, or into a tunnel."""
        for egress in left:
            remote = here.tunnels.get(egress.port)
            if remote is None:
                self._deliver(here, egress.port, egress.frame)
                continue
            passage.journey.transmissions += 1
            if (
                passage.tunnels >= TUNNEL_HOPS_MAX
                or passage.journey.transmissions > TRANSMISSIONS_MAX
            ):
                self._drops["loop"] += 1
                continue
            following = _Passage(passage.journey, passage.tunnels + 1, passage.answers)
            self._passages[here.ip, here.packet_id + 1 & 0xFFFFFFFF] = following
            if len(self._passages) > _REMEMBERED_MAX:
                self._passages.popitem(last=False)
            here.transmit(remote, egress.frame, egress.tun_id)

    def _arrive(self, there: Host, received: TunnelFrame) -> None:
        passage = self._passages.pop((received.source, received.packet_id), None)
        number = there.tunnel_ports.get(received.source)
        if number is None:
            self._drops["unknown_tunnel"] += 1
            return
        passage = _Passage(_Journey(), 1) if passage is None else passage
        for frame in finish(received.frame, received.offload, Work()):
            self._pass(there, number, frame, received.key, passage)

    def _deliver(self, host: Host, number: int, frame: bytes) -> None:
        port = host.switch.ports[number]
        self._capture_vif(host, number, frame, is_sent=False)
        delivery = Delivery(host.name, number, port.name, frame, self.clock.now_s)
        for listener in [*self.on_delivery]:
            listener(delivery)

    def _session(self, end: Host, remote: IpAddress, interval_s: float) -> Session:
        def transmit(frame: bytes) -> None:
            end.transmit(remote, frame, 0, is_background=True)

        def changed(up: bool) -> None:  # a callback's one argument
            health = TunnelHealth(end.name, str(remote), up, self.clock.now_s)
            for listener in [*self.on_health]:
                listener(health)

        self._discriminator += 1
        return Session(self.clock, self._random, self._discriminator, transmit, changed, interval_s)

    def _tap(self, crossing: Crossing) -> None:
        if self._captures:
            hosts = {host.node: host.name for host in self._hosts.values()}
            for capture in self._captures:
                capture.crossed(crossing, hosts.get(crossing.sender, ""), self.clock.now_ns)

    def _capture_vif(self, host: Host, number: int, frame: bytes, *, is_sent: bool) -> None:
        port = host.switch.ports.get(number)
        if port is not None:
            for capture in self._captures:
                capture.passed(
                    AtVif(host.name, number), port.name, frame, is_sent, self.clock.now_ns
                )

    def _require_point(self, point: AtVif | AtLink) -> None:
        if isinstance(point, AtLink):
            self.underlay.topology.link(point.a, point.b)
        elif point.port_number not in self._host(point.host).switch.ports:
            raise TopologyError(f"host {point.host} has no port {point.port_number} to capture at")

    def _remove_port(self, host: str, port_number: int, kind: str) -> None:
        switch = self._host(host).switch
        port = switch.ports.get(port_number)
        if port is not None and port.kind != kind:
            raise TopologyError(f"host {host}: port {port_number} ({port.name}) is no {kind}")
        switch.remove_port(port_number)

    def _host(self, name: str) -> Host:
        if name not in self._hosts:
            raise TopologyError(
                f"there is no host {name}; there are {', '.join(self._hosts) or 'none'}"
            )
        return self._hosts[name]


def _address(what: str, ip: str) -> IpAddress:
    try:
        return ip_address(ip)
    except ValueError as error:
        raise TopologyError(f"{what}: {ip!r} is no IP address") from error
