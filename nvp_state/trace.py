"""Traces across the network: every table a frame passes on every host, and the rule behind it.

A switch can tell which flow a frame hits; the engines can tell which rule made the flow, and which
entities it rests on. Here the two are put together, from the VIF where the frame enters to all the
VIFs where copies come out, tunnels included.
"""

import re
from collections import deque
from collections.abc import Iterator, Mapping
from textwrap import wrap
from typing import TYPE_CHECKING

from attrs import field, frozen

from nvp_state.names import Names
from nvp_state.origin import Origin, origin_of
from vswitch_sim import Bucket, Fabric, Flow, Trace, TraceAction, TraceTable

if TYPE_CHECKING:
    from nvp_state.agent import Agent
    from nvp_state.network import NetworkState

# The limits of the fabric: beyond them a frame loops.
TUNNELS_MAX = 16
HOPS_MAX = 20_000

LINE_COLUMNS_MAX = 96

# Drops of one copy, which its step shows by itself. The others are of the frame as a whole.
_SHOWN_BY_STEPS = frozenset(
    ("drop_flow", "group_without_buckets", "output_to_in_port", "table_miss", "ttl_expired")
)


@frozen
class Step:
    """A table or bucket that a frame passed.

    Attributes:
        depth: how deep it is nested in resubmits and groups.
        stage: the table's name in the rules, its number if it has none, or the bucket.
        entry: the flow or bucket that hit; None is a miss, which drops.
        text: the entry as a person reads it, with names behind the keys.
        notes: what was odd about its actions, such as an output that was skipped.
        origin: the rules that made the entry, and what they rest on.
    """

    depth: int
    stage: str
    entry: Flow | Bucket | None
    text: str
    notes: tuple[str, ...]
    origin: Origin

    @property
    def rules(self) -> tuple[str, ...]:
        """Where the rules stand, `file:line`: the physical program's, then the logical one's."""
        return self.origin.rules

    @property
    def because(self) -> tuple[str, ...]:
        """What the rules rest on, such as `acl "s0:to-lport:100:tcp"`."""
        return self.origin.because

    def lines(self, margin: str = "") -> Iterator[str]:
        """The step as text; the lines of its text are at most 96 columns wide if words allow."""
        indent = margin + "  " * self.depth
        yield from _wrapped(f"{self.stage}: {self.text}", indent)
        for note in self.notes:
            yield from _wrapped(f"note: {note}", indent + "    ")
        if self.entry is not None:
            yield from _wrapped(str(self.origin), indent + "    ")

    def __str__(self) -> str:
        return "\n".join(self.lines())


@frozen
class Hop:
    """One switch on the way: the host, the port by which the frame came, and the steps there.

    `lost` names the hosts to which copies leave that the underlay has no route to.
    """

    host: str
    in_port: str
    steps: tuple[Step, ...]
    trace: Trace = field(repr=False)
    lost: tuple[str, ...] = ()

    @property
    def drops(self) -> tuple[str, ...]:
        """The names of the drops of the frame as a whole, such as `runt`; a step shows its own."""
        return tuple(drop for drop in self.trace.drops if drop not in _SHOWN_BY_STEPS)


@frozen
class NetworkTrace:
    """All hops, and the names of the logical ports where copies of the frame come out."""

    hops: tuple[Hop, ...]
    ports: tuple[str, ...]

    def lines(self) -> Iterator[str]:
        """The trace as text, a line each."""
        for hop in self.hops:
            yield f"{hop.host}, in by {hop.in_port}:"
            for step in hop.steps:
                yield from step.lines("  ")
            for reason in hop.drops:
                yield f"  dropped: {reason}"
            for host in hop.lost:
                yield f"  lost: the underlay has no route to {host}"
        yield f"delivered at: {', '.join(self.ports) or 'no port'}"

    def __str__(self) -> str:
        return "\n".join(self.lines())


class Tracer:
    """Traces frames through a fabric whose flows a state computed."""

    def __init__(
        self, state: "NetworkState", fabric: Fabric, agents: Mapping[str, "Agent"]
    ) -> None:
        self._state = state
        self._fabric = fabric
        self._agents = agents

    def trace(self, host: str, in_port: int, frame: bytes) -> NetworkTrace:
        """Follow a frame from a switch's port to every VIF."""
        names = Names(self._state)
        hops: list[Hop] = []
        ports: list[str] = []
        waiting = deque([(host, in_port, frame, 0, 0)])
        while waiting and len(hops) < HOPS_MAX:
            here, number, arrived, tun_id, tunnels = waiting.popleft()
            switch = self._fabric.switch(here)
            trace = switch.trace(number, arrived, tun_id)
            lost: list[str] = []
            for egress in trace.egress:
                beyond = self._fabric.far_end(here, egress.port)
                if beyond is None:
                    if switch.ports[egress.port].kind == "vif":
                        ports.append(switch.ports[egress.port].name)
                elif not self._joined(here, beyond[0]):
                    lost.append(beyond[0])
                elif tunnels < TUNNELS_MAX:
                    waiting.append((*beyond, egress.frame, egress.tun_id, tunnels + 1))
            steps = tuple(self._steps(here, trace, names))
            hops.append(Hop(here, switch.ports[number].name, steps, trace, tuple(lost)))
        return NetworkTrace(tuple(hops), tuple(ports))

    def _joined(self, here: str, there: str) -> bool:
        nodes = (self._fabric.hosts[host].node for host in (here, there))
        return self._fabric.underlay.path_mtu(*nodes) > 0

    def _steps(self, host: str, trace: Trace, names: Names) -> Iterator[Step]:
        for each in trace.passes:
            yield from self._table(host, each.root, 0, names)

    def _table(self, host: str, table: TraceTable, depth: int, names: Names) -> Iterator[Step]:
        stage = names.stages.get(table.table, f"table {table.table}")
        if table.flow is None:
            yield Step(depth, stage, None, "no flow matches: drop", (), Origin())
            return
        text = names.flow(host, table.flow)
        yield self._step(host, depth, stage, table.flow, text, table.actions)
        yield from self._actions(host, table.actions, depth + 1, names)

    def _actions(
        self, host: str, actions: tuple[TraceAction, ...], depth: int, names: Names
    ) -> Iterator[Step]:
        for action in actions:
            for table in action.tables:
                yield from self._table(host, table, depth, names)
            for visit in action.buckets:
                text = names.bucket(host, visit.bucket)
                yield self._step(host, depth, "bucket", visit.bucket, text, visit.actions)
                yield from self._actions(host, visit.actions, depth + 1, names)
            yield from self._actions(host, action.actions, depth, names)

    def _step(
        self,
        host: str,
        depth: int,
        stage: str,
        entry: Flow | Bucket,
        text: str,
        actions: tuple[TraceAction, ...],
    ) -> Step:
        notes = tuple(f"{done.action}: {done.note}" for done in actions if done.note)
        table = "physical_flow" if isinstance(entry, Flow) else "physical_bucket"
        origin = origin_of(self._state, host, table, self._agents[host].row_of(entry))
        return Step(depth, stage, entry, text, notes, origin)


def _wrapped(text: str, indent: str) -> list[str]:
    """Lines that break at blanks, but not between a thing and its name."""
    lines = wrap(
        re.sub(r' (?=[("])', "\N{NO-BREAK SPACE}", text),
        LINE_COLUMNS_MAX,
        initial_indent=indent,
        subsequent_indent=indent + "    ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace("\N{NO-BREAK SPACE}", " ") for line in lines]
