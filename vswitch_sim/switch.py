"""The switch: ports, flow tables, groups, a cache, and frames that pass through.

    switch = Switch("hv1")
    switch.add_port(1, "web-1")
    switch.apply(FlowUpdate(add=(Flow(0, 100, Match.of(in_port=1), (Output(2),)),)))
    switch.process(1, frame)          # -> (Egress(port=2, frame=b"…", tun_id=0),)
    print(switch.trace(1, frame))     # the same without a trace in counters or cache

Invariants: `apply` does all of an update or nothing of it; what `process` returns never depends
on what the cache holds; every frame that comes in leaves by a port or is counted under a name in
`drops`.
"""

from collections import Counter
from collections.abc import Mapping

from attrs import frozen

from vswitch_sim.cache import Cache, CachedWalk, CacheStatistics
from vswitch_sim.errors import FlowError, TopologyError
from vswitch_sim.fields import FIELDS
from vswitch_sim.flow import PORT_MAX, Bucket, Flow, FlowUpdate
from vswitch_sim.match import Match
from vswitch_sim.packet import Parsed, parse, rewrite
from vswitch_sim.pipeline import Copy, Walk, walk
from vswitch_sim.port import Egress, Port
from vswitch_sim.table import FlowEntry, FlowTable
from vswitch_sim.trace import Trace, trace_of

_IN_PORT_SHIFT = FIELDS["in_port"].shift
_TUN_ID = FIELDS["tun_id"]


@frozen
class FlowStatistics:
    """How many packets, and bytes of frames, hit a flow; a packet counts each time it hits."""

    n_packets: int
    n_bytes: int


class Switch:
    """A simulated OpenFlow switch that works on real frames."""

    def __init__(self, name: str) -> None:
        """A switch without ports and flows: it drops everything."""
        self.name = name
        self._ports: dict[int, Port] = {}
        self._tables: dict[int, FlowTable] = {}
        self._entries: dict[tuple[int, int, Match], FlowEntry] = {}
        self._groups: dict[int, dict[int, Bucket]] = {}
        self._cache = Cache()
        self._drops: Counter[str] = Counter()

    @property
    def ports(self) -> Mapping[int, Port]:
        """The ports by number."""
        return self._ports

    @property
    def drops(self) -> Mapping[str, int]:
        """How often each reason to drop came up, by name."""
        return self._drops

    @property
    def cache(self) -> CacheStatistics:
        """The cache's counters."""
        return self._cache.statistics

    def add_port(self, number: int, name: str, kind: str = "vif") -> Port:
        """Add a port.

        Raises:
            TopologyError: the number is taken, the name is taken by a port of this kind, or the
                number is reserved or no port number.
        """
        if not 0 < number <= PORT_MAX:
            raise TopologyError(
                f"switch {self.name}: {number} is no port number (1..{PORT_MAX:#x})"
            )
        for port in self._ports.values():
            if number == port.number or (kind, name) == (port.kind, port.name):
                raise TopologyError(
                    f"switch {self.name}: cannot add port {number} ({name}): "
                    f"port {port.number} ({port.name}) is there; remove it first"
                )
        self._ports[number] = Port(number, name, kind)
        return self._ports[number]

    def remove_port(self, number: int) -> None:
        """Remove a port; outputs to it are then dropped as `no_such_port`.

        Raises:
            TopologyError: there is no such port.
        """
        self._require_port(number)
        del self._ports[number]

    def apply(self, update: FlowUpdate) -> None:
        """Apply a bundle: removals, then additions, all or nothing.

        Raises:
            FlowError: a removed flow or bucket is not there (or is there with other actions or
                cookie), an added one is there already, or one stands in the bundle twice. Names
                it; nothing has changed.
        """
        self._check(update)
        for old in update.remove:
            if isinstance(old, Flow):
                self._remove_flow(old)
            else:
                buckets = self._groups[old.group]
                del buckets[old.bucket]
                if not buckets:
                    del self._groups[old.group]
                self._cache.group_changed(old.group)
        for new in update.add:
            if isinstance(new, Flow):
                self._add_flow(new)
            else:
                self._groups.setdefault(new.group, {})[new.bucket] = new
                self._cache.group_changed(new.group)

    def process(self, in_port: int, frame: bytes, tun_id: int = 0) -> tuple[Egress, ...]:
        """Pass one frame through the switch.

        Args:
            in_port: the port it came in by.
            frame: an Ethernet frame without its FCS; any bytes will do.
            tun_id: the tunnel key it came with, 64 bits.

        Raises:
            TopologyError: there is no port `in_port`, or `tun_id` is too wide.
        """
        parsed, key = self._admit(in_port, frame, tun_id)
        if parsed is None:
            self._drops["runt"] += 1
            return ()
        cached = self._cache.get(key)
        if cached is None:
            cached = self._cache.put(key, self._walk(key))
        for _, _, entry in cached.lookups:
            if entry is not None:
                entry.n_packets += 1
                entry.n_bytes += len(frame)
        egresses, drops = self._emit(cached, parsed, frame)
        self._drops.update(drops)
        return egresses

    def trace(self, in_port: int, frame: bytes, tun_id: int = 0) -> Trace:
        """What `process` would do with a frame, and why; changes no cache and no counter.

        Raises:
            TopologyError: there is no port `in_port`, or `tun_id` is too wide.
        """
        parsed, key = self._admit(in_port, frame, tun_id)
        if parsed is None:
            return Trace(self.name, 0, None, (), ("runt",))
        walked = self._walk(key)
        egresses, drops = self._emit(walked, parsed, frame)
        ports = tuple(self._ports[egress.port].name for egress in egresses)
        return Trace(self.name, key, trace_of(walked.root), egresses, tuple(drops), ports)

    def flows(self) -> dict[Flow, FlowStatistics]:
        """Every flow with its counters, by table, then highest rank first."""
        entries = sorted(
            self._entries.values(),
            key=lambda entry: (entry.flow.table, tuple(-part for part in entry.flow.rank)),
        )
        return {entry.flow: FlowStatistics(entry.n_packets, entry.n_bytes) for entry in entries}

    def buckets(self) -> tuple[Bucket, ...]:
        """Every bucket, by group and number."""
        return tuple(
            self._groups[group][bucket]
            for group in sorted(self._groups)
            for bucket in sorted(self._groups[group])
        )

    def _admit(self, in_port: int, frame: bytes, tun_id: int) -> tuple[Parsed | None, int]:
        self._require_port(in_port)
        if not 0 <= tun_id <= _TUN_ID.maximum:
            raise TopologyError(f"switch {self.name}: tun_id {tun_id:#x} does not fit 64 bits")
        parsed = parse(frame)
        if parsed is None:
            return None, 0
        return parsed, parsed.key | in_port << _IN_PORT_SHIFT | tun_id << _TUN_ID.shift

    def _walk(self, key: int) -> Walk:
        return walk(self._lookup, self._groups, key)

    def _lookup(self, table: int, key: int) -> FlowEntry | None:
        found = self._tables.get(table)
        return None if found is None else found.lookup(key)

    def _emit(
        self, walked: Walk | CachedWalk, parsed: Parsed, frame: bytes
    ) -> tuple[tuple[Egress, ...], list[str]]:
        drops = list(walked.drops)
        egresses = []
        rewritten: dict[tuple[tuple[str, int], ...], bytes] = {(): frame}
        for copy in walked.copies:
            if copy.port not in self._ports:
                drops.append("no_such_port")
                continue
            egresses.append(Egress(copy.port, _frame_of(copy, parsed, rewritten), copy.tun_id))
        return tuple(egresses), drops

    def _require_port(self, number: int) -> None:
        if number not in self._ports:
            there = ", ".join(f"{port.number} ({port.name})" for port in self._ports.values())
            raise TopologyError(
                f"switch {self.name} has no port {number}; it has {there or 'no ports'}"
            )

    def _check(self, update: FlowUpdate) -> None:
        removed: set[object] = set()
        for old in update.remove:
            has = self._stored(old)
            if has is None:
                raise FlowError(f"switch {self.name}: cannot remove {old}: it is not there")
            if has != old:
                raise FlowError(f"switch {self.name}: cannot remove {old}: there is {has} instead")
            if old.identity in removed:
                raise FlowError(f"switch {self.name}: the update removes {old} twice")
            removed.add(old.identity)
        added: set[object] = set()
        for new in update.add:
            if new.identity in added:
                raise FlowError(f"switch {self.name}: the update adds {new} twice")
            has = self._stored(new)
            if has is not None and new.identity not in removed:
                raise FlowError(f"switch {self.name}: cannot add {new}: there is {has} already")
            added.add(new.identity)

    def _stored(self, wanted: Flow | Bucket) -> Flow | Bucket | None:
        if isinstance(wanted, Flow):
            entry = self._entries.get(wanted.identity)
            return None if entry is None else entry.flow
        return self._groups.get(wanted.group, {}).get(wanted.bucket)

    def _remove_flow(self, flow: Flow) -> None:
        entry = self._entries.pop(flow.identity)
        table = self._tables[flow.table]
        table.remove(entry)
        if not table:
            del self._tables[flow.table]
        self._cache.flow_removed(entry)

    def _add_flow(self, flow: Flow) -> None:
        entry = FlowEntry(flow)
        self._entries[flow.identity] = entry
        self._tables.setdefault(flow.table, FlowTable()).insert(entry)
        self._cache.flow_added(entry)


def _frame_of(
    copy: Copy, parsed: Parsed, rewritten: dict[tuple[tuple[str, int], ...], bytes]
) -> bytes:
    if copy.changes not in rewritten:
        rewritten[copy.changes] = rewrite(rewritten[()], parsed, copy.changes)
    return rewritten[copy.changes]
