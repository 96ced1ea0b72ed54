"""The switch: ports, flow tables, groups, meters, caches, and frames that pass through.

    switch = Switch("hv1")
    switch.add_port(1, "web-1")
    switch.apply(FlowUpdate(add=(Flow(0, 100, Match.of(in_port=1), (Output(2),)),)))
    switch.process(1, frame)          # -> (Egress(port=2, frame=b"…", tun_id=0),)
    print(switch.trace(1, frame))     # the same without a trace in counters or cache

A frame goes through the datapath, in C++; what that does not know it asks the slow path, once for
every megaflow (see `slowpath`). Time is simulated: it is what `process` or `advance` was last told.

Invariants: `apply` does all of an update or nothing of it, and a packet sees all or nothing of it,
whatever threads they are in; what `process` returns never depends on what the caches hold; every
frame that comes in leaves by a port or is counted under a name in `drops`.
"""

from collections import deque
from collections.abc import Mapping, Sequence

from attrs import evolve, frozen

from vswitch_sim.actions import PORT_MAX
from vswitch_sim.dump import dump_flows, dump_groups, dump_megaflows
from vswitch_sim.errors import TopologyError
from vswitch_sim.fields import FIELDS
from vswitch_sim.flow import Bucket, Flow, FlowUpdate, GroupType, MeterBand
from vswitch_sim.port import Egress, Port
from vswitch_sim.slowpath import SlowPath
from vswitch_sim.statistics import (
    CacheStatistics,
    FlowStatistics,
    GroupStatistics,
    PortStatistics,
)
from vswitch_sim.trace import Trace
from vswitch_sim.tracing import Tracer

MEGAFLOWS_MAX = 200_000
PACKET_INS_MAX = 1_000

_TUN_ID = FIELDS["tun_id"]


@frozen
class PacketIn:
    """A copy that went to the controller: why, the port it came in by, and the frame."""

    reason: str
    in_port: int
    frame: bytes


class Switch:
    """A simulated OpenFlow switch that works on real frames."""

    def __init__(self, name: str, *, megaflows_max: int = MEGAFLOWS_MAX) -> None:
        """A switch without ports and flows: it drops everything."""
        self.name = name
        self._slow = SlowPath(name, megaflows_max)
        self._packet_ins: deque[PacketIn] = deque(maxlen=PACKET_INS_MAX)

    @property
    def ports(self) -> Mapping[int, Port]:
        """The ports by number."""
        return self._slow.ports

    @property
    def drops(self) -> Mapping[str, int]:
        """How often each reason to drop came up, by name."""
        return self._slow.datapath.drops

    @property
    def cache(self) -> CacheStatistics:
        """The caches' counters."""
        counters = self._slow.datapath.counters
        return CacheStatistics(
            exact_hits=counters["exact_hits"],
            megaflow_hits=counters["megaflow_hits"],
            misses=counters["misses"],
            exact_entries=counters["exact_entries"],
            megaflows=counters["megaflows"],
            masks=counters["masks"],
            invalidated=self._slow.n_invalidated,
        )

    @property
    def now_s(self) -> float:
        """The time, in seconds, that the switch was last told."""
        return self._slow.now_s

    def add_port(self, number: int, name: str, kind: str = "vif") -> Port:
        """Add a port, which is up.

        Raises:
            TopologyError: the number is taken, the name is taken by a port of this kind, or the
                number is reserved or no port number.
        """
        if not 0 < number <= PORT_MAX:
            raise TopologyError(
                f"switch {self.name}: {number} is no port number (1..{PORT_MAX:#x})"
            )
        for port in self.ports.values():
            if number == port.number or (kind, name) == (port.kind, port.name):
                raise TopologyError(
                    f"switch {self.name}: cannot add port {number} ({name}): "
                    f"port {port.number} ({port.name}) is there; remove it first"
                )
        port = Port(number, name, kind)
        self._slow.set_ports({**self.ports, number: port}, number, comes_or_goes=True)
        return port

    def remove_port(self, number: int) -> None:
        """Remove a port; outputs to it are then dropped as `no_such_port`.

        Raises:
            TopologyError: there is no such port.
        """
        self._require_port(number)
        left = {has: port for has, port in self.ports.items() if has != number}
        self._slow.set_ports(left, number, comes_or_goes=True)

    def set_port_up(self, number: int, is_up: bool) -> None:
        """Say whether a port is up, which fast failover groups go by.

        Raises:
            TopologyError: there is no such port.
        """
        self._require_port(number)
        port = evolve(self.ports[number], is_up=is_up)
        self._slow.set_ports({**self.ports, number: port}, number, comes_or_goes=False)

    def apply(self, update: FlowUpdate) -> None:
        """Apply a bundle: removals, then additions, all or nothing, at once for every packet.

        Raises:
            FlowError: what is removed is not there (or is there with other actions, cookie, …),
                what is added is there already, one stands in the bundle twice, a group of type
                "indirect" would have two buckets, or flows would use a meter that is not there.
                Names it; nothing has changed.
        """
        self._slow.apply(update)

    def process(
        self, in_port: int, frame: bytes, tun_id: int = 0, now_s: float | None = None
    ) -> tuple[Egress, ...]:
        """Pass one frame through the switch.

        Args:
            in_port: the port it came in by.
            frame: an Ethernet frame without its FCS; any bytes will do.
            tun_id: the tunnel key it came with, 64 bits.
            now_s: the time; as it was if left out.

        Raises:
            TopologyError: there is no port `in_port`, `tun_id` is too wide, or time goes back.
        """
        self._admit(in_port, tun_id)
        with self._slow.packets(now_s) as time_s:
            outcome = self._slow.datapath.process(in_port, frame, tun_id, time_s)
        self._packet_ins.extend(PacketIn(*copy) for copy in outcome.controller)
        return tuple(Egress(port, left, key) for port, key, left in outcome.egress)

    def process_batch(
        self, in_ports: Sequence[int], frames: Sequence[bytes], now_s: float | None = None
    ) -> list[tuple[int, int, int, bytes]]:
        """Pass many frames, one after the other; faster than to `process` each.

        Returns:
            (place in the batch, port, tun_id, frame) of each that leaves, in order.

        Raises:
            TopologyError: there is no such port, or time goes back.
        """
        for in_port in set(in_ports):
            self._require_port(in_port)
        with self._slow.packets(now_s) as time_s:
            egress, controller = self._slow.datapath.process_batch(in_ports, frames, time_s)
        self._packet_ins.extend(PacketIn(*copy) for copy in controller)
        return egress

    def advance(self, now_s: float) -> None:
        """Let time pass: flows and megaflows that timed out go.

        Raises:
            TopologyError: time goes back.
        """
        with self._slow.packets(now_s):
            pass

    def packet_ins(self) -> list[PacketIn]:
        """The copies that went to the controller since this was last asked, the last 1,000."""
        taken = list(self._packet_ins)
        self._packet_ins.clear()
        return taken

    def trace(
        self, in_port: int, frame: bytes, tun_id: int = 0, ct_states: Sequence[int] = ()
    ) -> Trace:
        """What `process` would do with a frame, and why; changes no cache and no counter.

        Args:
            in_port: the port it came in by.
            frame: an Ethernet frame without its FCS; any bytes will do.
            tun_id: the tunnel key it came with, 64 bits.
            ct_states: the `ct_state` with which it comes back from connection tracking, each time
                it does; new connections if left out.

        Raises:
            TopologyError: there is no port `in_port`, or `tun_id` is too wide.
        """
        self._admit(in_port, tun_id)
        with self._slow.tables.versions.reading() as version:
            view = self._slow.view(version)
            tracer = Tracer(view, ct_states)
            outcome = tracer.run(in_port, frame, tun_id)
        egresses = tuple(Egress(port, left, key) for port, key, left in outcome.egress)
        names = tuple(view.ports[egress.port].name for egress in egresses)
        return Trace(self.name, tuple(tracer.passes), egresses, tuple(outcome.drops), names)

    def flows(self) -> dict[Flow, FlowStatistics]:
        """Every flow with its counters, by table, then highest rank first."""
        with self._slow.lock:
            self._slow.pull()
            entries = sorted(
                self._slow.tables.flow_entries(),
                key=lambda entry: (entry.flow.table, tuple(-part for part in entry.flow.rank)),
            )
            return {
                entry.flow: FlowStatistics(
                    entry.n_packets,
                    entry.n_bytes,
                    self.now_s - entry.created_s,
                    self.now_s - entry.used_s,
                )
                for entry in entries
            }

    def groups(self) -> dict[GroupType, GroupStatistics]:
        """Every group with its counters, by number."""
        with self._slow.lock:
            self._slow.pull()
            return {
                entry.type: GroupStatistics(
                    entry.count.n_packets,
                    entry.count.n_bytes,
                    {
                        it.bucket.bucket: (it.count.n_packets, it.count.n_bytes)
                        for it in entry.buckets
                    },
                )
                for entry in self._slow.tables.group_entries()
            }

    def buckets(self) -> tuple[Bucket, ...]:
        """Every bucket, by group and number."""
        groups = self._slow.tables.group_entries()
        return tuple(it.bucket for entry in groups for it in entry.buckets)

    def meters(self) -> tuple[MeterBand, ...]:
        """Every meter, by number."""
        return tuple(self._slow.tables.meter_bands())

    def port_statistics(self, number: int) -> PortStatistics:
        """What a port received and sent.

        Raises:
            TopologyError: there is no such port.
        """
        self._require_port(number)
        counters = self._slow.datapath.counters
        names = ("rx_packets", "rx_bytes", "tx_packets", "tx_bytes")
        return PortStatistics(*(counters[f"port_{number}_{name}"] for name in names))

    def dump_flows(self) -> str:
        """The flows as `ovs-ofctl dump-flows` lists them."""
        return dump_flows(self.flows())

    def dump_groups(self) -> str:
        """The groups as `ovs-ofctl dump-groups` lists them."""
        return dump_groups(self._slow.tables.group_entries())

    def dump_megaflows(self) -> str:
        """The megaflows as `ovs-appctl dpctl/dump-flows` lists them."""
        with self._slow.lock:
            megaflows = self._slow.datapath.megaflows()
            walks = {it.number: self._slow.records.get(it.number).walk for it in megaflows}
            return dump_megaflows(megaflows, walks, self.now_s)

    def _admit(self, in_port: int, tun_id: int) -> None:
        self._require_port(in_port)
        if not 0 <= tun_id <= _TUN_ID.maximum:
            raise TopologyError(f"switch {self.name}: tun_id {tun_id:#x} does not fit 64 bits")

    def _require_port(self, number: int) -> None:
        if number not in self.ports:
            there = ", ".join(f"{port.number} ({port.name})" for port in self.ports.values())
            raise TopologyError(
                f"switch {self.name} has no port {number}; it has {there or 'no ports'}"
            )
