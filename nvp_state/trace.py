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

from attrs import evolve, field, frozen

from nvp_state.answers import answer
from nvp_state.names import Names
from nvp_state.origin import Origin, origin_of
from vswitch_sim import (
    Bucket,
    Controller,
    Egress,
    Fabric,
    Flow,
    PacketIn,
    Switch,
    Trace,
    TraceAction,
    TraceTable,
)

if TYPE_CHECKING:
    from nvp_state.agent import Agent
    from nvp_state.network import NetworkState

# The limits of the fabric: beyond them a frame loops.
TUNNELS_MAX = 16
ANSWERS_MAX = 16
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

    Attributes:
        in_port: "" if the host's agent made the frame.
        reason: what that made it by.
        unanswered: the reasons by which it made nothing of packets that stopped here.
        lost: the hosts to which copies leave that the underlay has no route to.
    """

    host: str
    in_port: str
    steps: tuple[Step, ...]
    trace: Trace = field(repr=False)
    lost: tuple[str, ...] = ()
    reason: str = ""
    unanswered: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """Where the frame is, and where it came from."""
        return f"{self.host}, " + (
            f"answer by {self.reason}" if self.reason else f"in by {self.in_port}"
        )

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
            yield f"{hop.title}:"
            for step in hop.steps:
                yield from step.lines("  ")
            for reason in hop.drops:
                yield f"  dropped: {reason}"
            for reason in hop.unanswered:
                yield f"  dropped: no answer by {reason}"
            for host in hop.lost:
                yield f"  lost: the underlay has no route to {host}"
        yield f"delivered at: {', '.join(self.ports) or 'no port'}"

    def __str__(self) -> str:
        return "\n".join(self.lines())


@frozen
class _Arrival:
    """A frame at a switch: by a port, or made by the agent there for a packet that it answers."""

    host: str
    frame: bytes
    in_port: int = 0
    tun_id: int = 0
    answers: PacketIn | None = None
    tunnels: int = 0
    n_answers: int = 0

    def tunnelled(self, host: str, in_port: int, egress: Egress) -> "_Arrival":
        return evolve(
            self,
            host=host,
            frame=egress.frame,
            in_port=in_port,
            tun_id=egress.tun_id,
            answers=None,
            tunnels=self.tunnels + 1,
        )

    def answered(self, packet_in: PacketIn) -> "_Arrival | None":
        made = answer(packet_in) if self.n_answers < ANSWERS_MAX else None
        if made is None:
            return None
        return evolve(self, frame=made, in_port=0, answers=packet_in, n_answers=self.n_answers + 1)


def _passed(switch: Switch, arrival: _Arrival) -> Trace:
    if arrival.answers is not None:
        return switch.trace_resumed(arrival.answers, arrival.frame)
    return switch.trace(arrival.in_port, arrival.frame, arrival.tun_id)


class Tracer:
    """Traces frames through a fabric whose flows a state computed."""

    def __init__(
        self, state: "NetworkState", fabric: Fabric, agents: Mapping[str, "Agent"]
    ) -> None:
        self._state = state
        self._fabric = fabric
        self._agents = agents

    def trace(self, host: str, in_port: int, frame: bytes) -> NetworkTrace:
        """Follow a frame from a switch's port to every VIF, and what agents make of it, too."""
        names = Names(self._state)
        hops: list[Hop] = []
        ports: list[str] = []
        waiting = deque([_Arrival(host, frame, in_port=in_port)])
        while waiting and len(hops) < HOPS_MAX:
            arrival = waiting.popleft()
            switch = self._fabric.switch(arrival.host)
            trace = _passed(switch, arrival)
            lost: list[str] = []
            for egress in trace.egress:
                beyond = self._fabric.far_end(arrival.host, egress.port)
                if beyond is None:
                    if switch.ports[egress.port].kind == "vif":
                        ports.append(switch.ports[egress.port].name)
                elif not self._joined(arrival.host, beyond[0]):
                    lost.append(beyond[0])
                elif arrival.tunnels < TUNNELS_MAX:
                    waiting.append(arrival.tunnelled(*beyond, egress))
            answers = [arrival.answered(it) for it in trace.waiting]
            # In no time, so that they come before what is in tunnels.
            waiting.extendleft(reversed([it for it in answers if it is not None]))
            hops.append(
                Hop(
                    arrival.host,
                    switch.ports[arrival.in_port].name if arrival.in_port else "",
                    tuple(self._steps(arrival.host, trace, names)),
                    trace,
                    tuple(lost),
                    "" if arrival.answers is None else arrival.answers.reason,
                    tuple(
                        it.reason
                        for it, made in zip(trace.waiting, answers, strict=True)
                        if made is None
                    ),
                )
            )
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
        notes = tuple(f"{_shown(done)}: {done.note}" for done in actions if done.note)
        table = "physical_flow" if isinstance(entry, Flow) else "physical_bucket"
        origin = origin_of(self._state, host, table, self._agents[host].row_of(entry))
        return Step(depth, stage, entry, text, notes, origin)


def _shown(done: TraceAction) -> str:
    """An action in a note, whose text repeats what a controller is asked."""
    return "controller" if isinstance(done.action, Controller) else str(done.action)


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
