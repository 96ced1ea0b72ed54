"""Traces across the network: every table a frame passes on every host, and the rule behind it.

A switch can tell which flow a frame hits; the engines can tell which rule made the flow, and which
entities it rests on. Here the two are put together, from where the frame enters to all the ports
where copies come out, through routers, tunnels and physical networks. As text, stages in which
nothing was decided are folded into a line, and a trace that delivers nothing ends with what dropped
each copy.

Cost: an explanation of each flow and bucket that was hit, once a host.
"""

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby
from textwrap import wrap
from typing import TYPE_CHECKING

from attrs import evolve, field, frozen

from nvp_state.answers import answer
from nvp_state.names import Names
from nvp_state.origin import OLD, Origin, origin_of
from vswitch_sim import (
    Bucket,
    Controller,
    Ct,
    Fabric,
    Flow,
    PacketIn,
    Resubmit,
    SetField,
    Switch,
    Trace,
    TraceAction,
    TraceTable,
)

if TYPE_CHECKING:
    from nvp_state.agent import Agent
    from nvp_state.network import NetworkState

# The limits of the fabric: beyond them a frame loops.
LINKS_MAX = 16
ANSWERS_MAX = 16

STAMP = "stamp"
# The registers in which stages note things for each other (nlog/rules/flow.nlog).
SCRATCH = frozenset(f"reg{number}" for number in range(10))
HOPS_MAX = 20_000

LINE_COLUMNS_MAX = 96

# Drops of one copy, which its step shows by itself. The others are of the frame as a whole.
_SHOWN_BY_STEPS = frozenset(
    ("drop_flow", "group_without_buckets", "output_to_in_port", "table_miss", "ttl_expired")
)

Place = tuple[str, int]


@frozen
class Step:
    """A table or bucket that a frame passed.

    Attributes:
        depth: how deep it is nested in groups, and in resubmits that are not a flow's last action.
        stage: the table's name in the rules, its number if it has none, or the bucket.
        entry: the flow or bucket that hit; None is a miss, which drops.
        text: the entry as a person reads it, with names behind the keys.
        notes: what was odd about its actions, such as an output that was skipped.
        ends: those of them that say why a copy ended.
        origin: the rules that made the entry, and what they rest on.
    """

    depth: int
    stage: str
    entry: Flow | Bucket | None
    text: str
    notes: tuple[str, ...]
    ends: tuple[str, ...]
    origin: Origin

    @property
    def rules(self) -> tuple[str, ...]:
        """Where the rules stand, `file:line`: the physical program's, then the logical one's."""
        return self.origin.rules

    @property
    def because(self) -> tuple[str, ...]:
        """What the rules rest on, such as `acl "s0:to-lport:100:tcp"`."""
        return self.origin.because

    @property
    def passes(self) -> bool:
        """Whether nothing was decided: no flow but the stage's last hit, and it only goes on.

        That a packet gets the version of the configuration decides nothing, either, nor that what
        a stage has noted is forgotten.
        """
        entry = self.entry
        if not isinstance(entry, Flow) or self.notes or not entry.actions:
            return False
        *rest, last = entry.actions
        is_last = entry.priority <= 1 and set(entry.match) <= {"metadata", "reg12"}
        forgets = all(isinstance(it, SetField) and not it.value for it in rest)
        return isinstance(last, Resubmit) and (self.stage == STAMP or (is_last and forgets))

    @property
    def drops(self) -> bool:
        """Whether a copy ended here."""
        return self.entry is None or not self.entry.actions or bool(self.ends)

    def notes_for(self, later: "Step") -> bool:
        """Whether this notes in a register what a later step's flow goes by."""
        if self.entry is None or not isinstance(later.entry, Flow):
            return False
        return any(
            isinstance(action, SetField)
            and action.field in SCRATCH
            and action.bits & later.entry.match.get(action.field)[1]
            for action in self.entry.actions
        )

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
        context: what its context ID says, if it came by a tunnel.
    """

    host: str
    in_port: str
    steps: tuple[Step, ...]
    trace: Trace = field(repr=False)
    lost: tuple[str, ...] = ()
    reason: str = ""
    unanswered: tuple[str, ...] = ()
    context: str = ""

    @property
    def title(self) -> str:
        """Where the frame is, and where it came from."""
        if self.reason:
            return f"{self.host}, answer by {self.reason}"
        return f"{self.host}, in by {self.in_port}" + (f", {self.context}" if self.context else "")

    @property
    def drops(self) -> tuple[str, ...]:
        """Drops of the frame as a whole, such as `runt`."""
        return tuple(drop for drop in self.trace.drops if drop not in _SHOWN_BY_STEPS)

    def lines(self, *, everything: bool = False) -> Iterator[str]:
        """The hop as text; stages that only let the frame pass share a line, or not."""
        yield f"{self.title}:"
        for (folds, depth), steps in groupby(self.steps, lambda it: (it.passes, it.depth)):
            if folds and not everything:
                text = f"{', '.join(step.stage for step in steps)}: pass"
                yield from _wrapped(text, "  " + "  " * depth)
                continue
            for step in steps:
                yield from step.lines("  ")
        for reason in self.drops:
            yield f"  dropped: {reason}"
        for host in self.lost:
            yield f"  lost: the underlay has no route to {host}"


@frozen
class NetworkTrace:
    """What the network does with a frame: a hop for each switch, in order, and where it ends.

    `ports` are the logical ports at whose VIFs copies come out; of copies that leave the network,
    the physical networks, which `outside` names.
    """

    hops: tuple[Hop, ...]
    ports: tuple[str, ...]
    outside: frozenset[str] = frozenset()

    def lines(self, *, everything: bool = False) -> Iterator[str]:
        """The trace as text.

        Args:
            everything: also what each stage has done that only let the frame pass.
        """
        for hop in self.hops:
            yield from hop.lines(everything=everything)
        if self.outside.issuperset(self.ports):
            for verdict in dict.fromkeys(self._verdicts()):
                yield from _wrapped(verdict, "")
        yield f"delivered at: {', '.join(self.ports) or 'no port'}"

    def _verdicts(self) -> Iterator[str]:
        for hop in self.hops:
            for reason in hop.unanswered:
                yield f"dropped on {hop.host}: no answer by {reason}"
            for number, step in enumerate(hop.steps):
                if step.drops:
                    reason = _reason(hop.steps[:number], step)
                    yield f"dropped on {hop.host} in {step.stage}{reason}"

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
    links: int = 0
    n_answers: int = 0

    def beyond(self, host: str, in_port: int, frame: bytes, tun_id: int = 0) -> "_Arrival":
        """What leaves by a tunnel, or into a physical network, and arrives at its other end."""
        return evolve(
            self,
            host=host,
            frame=frame,
            in_port=in_port,
            tun_id=tun_id,
            answers=None,
            links=self.links + 1,
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
    """Traces frames through a fabric whose flows a state computed.

    Args:
        state: the network.
        fabric: what carries it.
        agents: those of its hosts.
        segment: the NICs that hear what one of them sends into its physical network.
        heard: whose a frame is that comes out at the VIF of a port.
    """

    def __init__(
        self,
        state: "NetworkState",
        fabric: Fabric,
        agents: Mapping[str, "Agent"],
        segment: Callable[[str, int], list[Place]],
        heard: Callable[[str, bytes], tuple[str, bytes]],
    ) -> None:
        self._state = state
        self._fabric = fabric
        self._agents = agents
        self._segment = segment
        self._heard = heard

    def trace(self, places: Iterable[Place], frame: bytes) -> NetworkTrace:
        """Follow a frame from ports of switches, (host, port number), to all where it ends.

        What agents make of it is followed, too.
        """
        teller = _Teller(self._state, self._agents)
        hops: list[Hop] = []
        ports: list[str] = []
        waiting = deque(_Arrival(host, frame, in_port) for host, in_port in places)
        while waiting and len(hops) < HOPS_MAX:
            arrival = waiting.popleft()
            switch = self._fabric.switch(arrival.host)
            trace = _passed(switch, arrival)
            lost: list[str] = []
            for egress in trace.egress:
                beyond = self._fabric.far_end(arrival.host, egress.port)
                if beyond is None:
                    if switch.ports[egress.port].kind != "vif":
                        continue
                    ports.append(self._heard(switch.ports[egress.port].name, egress.frame)[0])
                    for nic in self._segment(arrival.host, egress.port):
                        if arrival.links < LINKS_MAX:
                            waiting.append(arrival.beyond(*nic, egress.frame))
                elif not self._joined(arrival.host, beyond[0]):
                    lost.append(beyond[0])
                elif arrival.links < LINKS_MAX:
                    waiting.append(arrival.beyond(*beyond, egress.frame, egress.tun_id))
            answers = [arrival.answered(it) for it in trace.waiting]
            # In no time, so that they come before what is in tunnels.
            waiting.extendleft(reversed([it for it in answers if it is not None]))
            unanswered = tuple(
                it.reason for it, made in zip(trace.waiting, answers, strict=True) if made is None
            )
            hops.append(teller.hop(switch, arrival, trace, tuple(lost), unanswered))
        networks = {str(it.key) for it in self._state.entities("physical-network")}
        return NetworkTrace(tuple(hops), tuple(ports), frozenset(networks.intersection(ports)))

    def _joined(self, here: str, there: str) -> bool:
        nodes = (self._fabric.hosts[host].node for host in (here, there))
        return self._fabric.underlay.path_mtu(*nodes) > 0


class _Teller:
    """Tells the steps of a trace in names and reasons, each reason looked up but once."""

    def __init__(self, state: "NetworkState", agents: Mapping[str, "Agent"]) -> None:
        self.names = Names(state)
        self._state = state
        self._agents = agents
        self._origins: dict[tuple[str, Flow | Bucket], Origin] = {}

    def hop(
        self,
        switch: Switch,
        arrival: _Arrival,
        trace: Trace,
        lost: tuple[str, ...],
        unanswered: tuple[str, ...],
    ) -> Hop:
        """What a frame passed on a host."""
        return Hop(
            arrival.host,
            switch.ports[arrival.in_port].name if arrival.in_port else "",
            tuple(it for each in trace.passes for it in self._table(arrival.host, each.root, 0)),
            trace,
            lost,
            "" if arrival.answers is None else arrival.answers.reason,
            unanswered,
            self.names.context(arrival.tun_id) if arrival.tun_id else "",
        )

    def _table(self, host: str, table: TraceTable, depth: int) -> Iterator[Step]:
        stage = self.names.stages.get(table.table, f"table {table.table}")
        if table.flow is None:
            text = self.names.miss(stage, table.registers)
            yield Step(depth, stage, None, text, (), (), Origin())
            return
        text = self.names.flow(host, table.flow)
        yield self._step(host, depth, stage, table.flow, text, table.actions)
        if table.actions:
            *rest, last = table.actions
            yield from self._actions(host, rest, depth + 1)
            goes_on = isinstance(last.action, Resubmit)
            yield from self._actions(host, [last], depth if goes_on else depth + 1)

    def _actions(self, host: str, actions: Iterable[TraceAction], depth: int) -> Iterator[Step]:
        for action in actions:
            for table in action.tables:
                yield from self._table(host, table, depth)
            for visit in action.buckets:
                text = self.names.bucket(host, visit.bucket)
                yield self._step(host, depth, "bucket", visit.bucket, text, visit.actions)
                yield from self._actions(host, visit.actions, depth + 1)
            yield from self._actions(host, action.actions, depth)

    def _step(
        self,
        host: str,
        depth: int,
        stage: str,
        entry: Flow | Bucket,
        text: str,
        actions: tuple[TraceAction, ...],
    ) -> Step:
        odd = [it for it in actions if it.note and not isinstance(it.action, Controller | Ct)]
        notes, ends = (
            tuple(f"{it.action}: {it.note}" for it in some)
            for some in (odd, [it for it in odd if it.ends])
        )
        return Step(depth, stage, entry, text, notes, ends, self._origin(host, entry))

    def _origin(self, host: str, entry: Flow | Bucket) -> Origin:
        known = self._origins.get((host, entry))
        if known is None:
            table = "physical_flow" if isinstance(entry, Flow) else "physical_bucket"
            row = self._agents[host].row_of(entry)
            known = OLD if row is None else origin_of(self._state, host, table, row)
            self._origins[host, entry] = known
        return known


def _reason(before: tuple[Step, ...], step: Step) -> str:
    """Why a step drops: what it says itself, or what made the note that it goes by."""
    if step.ends or not step.because:
        return f": {', '.join(step.ends) or step.text}"
    deciding = next((it for it in reversed(before) if it.notes_for(step)), None)
    if deciding is None:
        return f" because of {', '.join(step.because)}"
    return f", as {deciding.stage} says, because of {', '.join(deciding.because)}"


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
