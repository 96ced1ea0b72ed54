"""Emulation: a NetworkState carried by simulated switches, one a host, over an L3 underlay.

It listens to the state and does what a hypervisor's agents do: attach VIFs, make tunnels, install
flows. `send` puts a real frame into a VIF and tells where copies of it come out; `trace` tells
why. The frame finds its way by the flows alone.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from os import PathLike, fspath
from typing import Any

from attrs import frozen

from nvp_state.agent import Agent
from nvp_state.answers import LEARN, answer, told_by
from nvp_state.entities import Host, Port, title
from nvp_state.errors import Problem, StateError, did_you_mean
from nvp_state.network import NetworkChange, NetworkState
from nvp_state.records import Record
from nvp_state.rollout import Latency, Rollout
from nvp_state.segments import Segments
from nvp_state.trace import NetworkTrace, Tracer
from nvp_state.trunks import Trunks
from vswitch_sim import AtLink, AtVif, Fabric, PacketIn, TunnelHealth, Underlay
from vswitch_sim import Delivery as Arrival

ROUTER = "core"
GRACE_S = 1.0
NO_HOST = "is on no host; give its port a `host`"
NOT_YET = "is not there yet: an earlier change is still on its way; let time pass, with `run`"


@frozen
class Delivery:
    """A frame that came out at the VIF of logical port `port`."""

    port: str
    frame: bytes


class Emulation:
    """Simulated hosts that carry the networks of `state`, and follow it from now on.

    Args:
        state: what to carry.
        underlay: the network that joins the hosts, with a node for each host that bears its name;
            hosts that it lacks are attached to its router `core`, which is added if need be.
        health_interval_s: how often hosts ask, through each tunnel, whether it works, in seconds;
            what they find out is reported to `state`. None: they do not ask.
        latency: how long a message of the controller to a host takes, in seconds of simulated
            time, given the host's name; asked anew for each message. None: no time.
        grace_s: how long a packet can be under way at most, in simulated seconds: flows of an old
            configuration stay that long.
    """

    def __init__(
        self,
        state: NetworkState,
        underlay: Underlay | None = None,
        *,
        health_interval_s: float | None = None,
        latency: Latency | None = None,
        grace_s: float = GRACE_S,
    ) -> None:
        self.state = state
        self.fabric = Fabric(
            Underlay.star([]) if underlay is None else underlay,
            health_interval_s=health_interval_s,
        )
        self.fabric.on_health.append(self._report)
        self._agents: dict[str, Agent] = {}
        self._vifs: dict[str, tuple[str, int]] = {}
        self._changes: deque[NetworkChange] = deque()
        self._neighbours: deque[PacketIn] = deque()
        self._rollout = Rollout(self.fabric, self._agents, latency, grace_s)
        self._segments = Segments(self.fabric)
        self._trunks = Trunks()
        beyond = self._segments.beyond
        self._tracer = Tracer(state, self.fabric, self._agents, beyond, self._trunks.heard)
        stages: dict[str, int] = dict(state.physical.engine["stage"])
        self._stamp = stages["stamp"], stages["in_admission"]
        state.listen(self._follow)

    def __repr__(self) -> str:
        switches = [self.fabric.switch(host) for host in self._agents]
        vifs = sum(port.kind == "vif" for switch in switches for port in switch.ports.values())
        return f"<Emulation: {len(self._agents)} hosts, {vifs} VIFs>"

    def send(self, port: str, frame: bytes) -> list[Delivery]:
        """Send a frame from the VM at a logical port; where and how it comes out, in order.

        Args:
            port: the logical port's name; it must have a host. Or the name of a physical network:
                the frame comes from outside then.
            frame: an Ethernet frame without its FCS.

        Raises:
            StateError: there is no such port, or it is on no host.
            TypeError: the frame is not bytes.
        """
        _require_bytes(frame)
        outside = self.state.record("physical-network", port)
        if outside is None:
            deliveries = self.fabric.send(*self._location(port), self._trunks.sent(port, frame))
        else:
            with self.fabric.listening() as deliveries:
                self._segments.inject(outside.tunnel_key, frame)
        self._tell_neighbours()
        return [self._delivery(arrival) for arrival in deliveries]

    def inject(self, port: str, frame: bytes) -> None:
        """Send a frame, and do not wait for what becomes of it. Raises what `send` does."""
        _require_bytes(frame)
        self.fabric.inject(*self._location(port), self._trunks.sent(port, frame))

    @contextmanager
    def listening(self) -> Iterator[list[Delivery]]:
        """Collect what comes out while the `with` block lasts, in a list that grows."""
        deliveries: list[Delivery] = []

        def note(arrival: Arrival) -> None:
            deliveries.append(self._delivery(arrival))

        self.fabric.on_delivery.append(note)
        try:
            yield deliveries
        finally:
            self.fabric.on_delivery.remove(note)

    def trace(self, port: str, frame: bytes) -> NetworkTrace:
        """What `send` would do with a frame: each table, its flow, and the rule that made it.

        Sends nothing and changes no counter. Raises what `send` does.
        """
        _require_bytes(frame)
        outside = self.state.record("physical-network", port)
        if outside is None:
            places, frame = [self._location(port)], self._trunks.sent(port, frame)
        else:
            places = self._segments.nics(outside.tunnel_key)
        return self._tracer.trace(places, frame)

    def run(self, seconds: float) -> None:
        """Let simulated time pass: what is under way arrives, and hosts notice what is broken."""
        self.fabric.run(seconds)
        self._tell_neighbours()

    @contextmanager
    def capture(
        self,
        path: str | PathLike[str],
        *,
        ports: Iterable[str] = (),
        links: Iterable[tuple[str, str]] = (),
    ) -> Iterator[None]:
        """Record frames in a pcapng file while the `with` block runs.

        Args:
            path: the file, which is replaced.
            ports: logical ports at whose VIFs to record.
            links: links of the underlay to record, each by the nodes at its ends. Without ports
                and links, what every host's NIC sends is recorded.

        Raises:
            StateError: there is no such port, or it is on no host.
            TopologyError: there is no such link.
            OSError: the file cannot be written.
        """
        points = [AtVif(*self._location(port)) for port in ports]
        with self.fabric.capture(fspath(path), *points, *(AtLink(*link) for link in links)):
            yield

    def _delivery(self, arrival: Arrival) -> Delivery:
        return Delivery(*self._trunks.heard(arrival.port_name, arrival.frame))

    def _location(self, port: str) -> tuple[str, int]:
        require(self.state, "port", port)
        port = self._trunks.carrier(port)
        record = require(self.state, "port", port)
        assert isinstance(record.entity, Port)
        if record.entity.host is None:
            raise StateError([Problem(record.entity.title, "host", NO_HOST)])
        if port not in self._vifs:
            raise StateError([Problem(record.entity.title, "host", NOT_YET)])
        return self._vifs[port]

    def _follow(self, change: NetworkChange) -> None:
        self._changes.append(change)
        if not self._rollout.is_under_way:
            self._begin()

    def _begin(self) -> None:
        """Carry the next commit, if there is one: what comes at once, what goes at the end."""
        if not self._changes:
            return
        change = self._changes.popleft()
        entities = change.entities
        self._trunks.follow(entities)
        gone = _places([*entities.removed, *(old for old, _ in entities.replaced)])
        come = _places([*entities.added, *(new for _, new in entities.replaced)])
        vifs = _Exchange(gone - come, come - gone)
        removed = {
            (host, *row[1:]) for host, it in change.hosts.items() for row in it.tunnels_removed
        }
        added = {(host, *row[1:]) for host, it in change.hosts.items() for row in it.tunnels_added}
        tunnels = _Exchange(removed - added, added - removed)
        self._detach(vifs.first())
        self._cut(tunnels.first())
        self._renew_hosts(change)
        self._renew_nics(change)
        for place in sorted(vifs.come):
            self.fabric.add_vif(*place)
        for host, remote_ip, number in tunnels.come:
            if host in self._agents:
                self.fabric.add_tunnel(host, number, remote_ip)

        def ready() -> None:
            # A VM that moves is where it was until then.
            self._vifs.update({name: (host, number) for host, number, name in vifs.come})

        def end() -> None:
            self._detach(vifs.last())
            self._cut(tunnels.last())
            self._begin()

        self._rollout.start(change.hosts, ready, end)

    def _detach(self, places: Iterable[tuple[str, int, str]]) -> None:
        for host, number, name in places:
            if self._vifs.get(name) == (host, number):
                del self._vifs[name]
            if host in self.fabric.hosts:
                self.fabric.remove_vif(host, number)

    def _cut(self, tunnels: Iterable[tuple[str, str, int]]) -> None:
        for host, _, number in tunnels:
            if host in self.fabric.hosts:
                self.fabric.remove_tunnel(host, number)

    def _report(self, health: TunnelHealth) -> None:
        remotes = (it.name for it in self.fabric.hosts.values() if str(it.ip) == health.remote)
        for remote in remotes:
            self.state.report_tunnel(health.host, remote, up=health.up)

    def _answer(self, packet_in: PacketIn) -> bytes | None:
        if packet_in.reason == LEARN:
            self._neighbours.append(packet_in)
        return answer(packet_in)

    def _tell_neighbours(self) -> None:
        """Report what machines have told routers; not while the packet is on its way."""
        while self._neighbours:
            packet_in = self._neighbours.popleft()
            told = told_by(packet_in)
            if told is None:
                continue
            key = packet_in.registers["reg14"]
            ports: Any = self.state.logical.engine["router_port"].where(key=key)
            for port, *_ in ports:
                with suppress(StateError):
                    self.state.report_neighbour(port, *told)

    def _renew_hosts(self, change: NetworkChange) -> None:
        """Remove hosts, readdress others, make new ones: each may get the IP of one before it."""
        for host in _hosts(change.entities.removed):
            self._segments.leave(host.name, is_gone=True)
            self.fabric.remove_host(host.name)
            del self._agents[host.name]
        self.fabric.readdress(
            {
                new.entity.name: new.entity.ip
                for _, new in change.entities.replaced
                if isinstance(new.entity, Host)
            }
        )
        for host in _hosts(change.entities.added):
            if host.name not in self.fabric.underlay:
                if ROUTER not in self.fabric.underlay:
                    self.fabric.underlay.add_router(ROUTER)
                self.fabric.underlay.add_host(host.name, ROUTER)
            agent = Agent(self.fabric.add_host(host.name, host.ip), self._stamp)
            self._agents[host.name] = agent
            self._rollout.greet(agent)
            self.fabric.hosts[host.name].answer = self._answer

    def _renew_nics(self, change: NetworkChange) -> None:
        hosts = [*_hosts(change.entities.added)]
        for old, new in change.entities.replaced:
            before, after = old.entity, new.entity
            if not isinstance(before, Host) or not isinstance(after, Host):
                continue
            if before.networks != after.networks:
                self._segments.leave(after.name)
                hosts.append(after)
        for host in hosts:
            records = ((it, self.state.record("physical-network", it)) for it in host.networks)
            self._segments.join(host.name, [(it, at.tunnel_key) for it, at in records if at])


@frozen
class _Exchange:
    """What is attached to switches, as (host, …): what goes and what comes in its place.

    What has a number that is needed goes first, all else last.
    """

    gone: set[tuple[Any, ...]]
    come: set[tuple[Any, ...]]

    def first(self) -> list[tuple[Any, ...]]:
        """What must go before anything comes."""
        return sorted(it for it in self.gone if _number(it) in self._wanted())

    def last(self) -> list[tuple[Any, ...]]:
        """What may stay until the end."""
        return sorted(it for it in self.gone if _number(it) not in self._wanted())

    def _wanted(self) -> set[tuple[str, int]]:
        return {_number(it) for it in self.come}


def _number(attached: tuple[Any, ...]) -> tuple[str, int]:
    """The host, and the number of the port there."""
    return attached[0], next(it for it in attached if isinstance(it, int))


def _places(records: Iterable[Record]) -> set[tuple[Any, ...]]:
    """Where the VIFs of ports are: the host, the number there, the port."""
    return {
        (record.entity.host, record.ofport, record.entity.name)
        for record in records
        if isinstance(record.entity, Port) and record.entity.host is not None
    }


def require(state: NetworkState, kind: str, name: str) -> Record:
    """The record of that kind and name. StateError, with the nearest name, if there is none."""
    record = state.record(kind, name)
    if record is None:
        known = (str(entity.key) for entity in state.entities(kind))
        text = f"does not exist{did_you_mean(name, known)}"
        raise StateError([Problem(title(kind, name), "", text)])
    return record


def _require_bytes(frame: object) -> None:
    if not isinstance(frame, bytes):
        kind = type(frame).__name__
        raise TypeError(f"frame must be bytes, not {kind}; bytes(…) makes them of a packet")


def _hosts(records: Iterable[Record]) -> Iterator[Host]:
    return (record.entity for record in records if isinstance(record.entity, Host))
