"""Traces across the network: every table a frame passes on every host, and the rule behind it.

A switch can tell which flow a frame hits; the engines can tell which rule made the flow, and which
universal flow it was made of. Here the two are put together, from the VIF where the frame enters
to all the VIFs where copies come out, tunnels included.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from vswitch_sim import Bucket, Fabric, Flow, Trace, TraceAction, TraceTable

if TYPE_CHECKING:
    from nvp_state.agent import Agent
    from nvp_state.network import NetworkState

Row = tuple[Any, ...]

# The limits of the fabric: beyond them a frame loops.
TUNNELS_MAX = 16
HOPS_MAX = 20_000


@frozen
class Step:
    """A table or bucket that a frame passed.

    Attributes:
        depth: how deep it is nested in resubmits and groups.
        stage: the table's name in the rules, its number if it has none, or the bucket.
        entry: the flow or bucket that hit; None is a miss, which drops.
        rules: where the rules stand that made it, `file:line`: the physical program's, then,
            where there is one, the logical program's.
    """

    depth: int
    stage: str
    entry: Flow | Bucket | None
    rules: tuple[str, ...]

    def __str__(self) -> str:
        indent = "  " * self.depth
        if self.entry is None:
            return f"{indent}{self.stage}: no flow matches: drop"
        what = str(self.entry) if isinstance(self.entry, Bucket) else _flow_text(self.entry)
        return f"{indent}{self.stage}: {what}  [{' via '.join(reversed(self.rules))}]"


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
                yield f"  {step}"
            for reason in hop.trace.drops:
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
            steps = tuple(self._steps(here, trace))
            hops.append(Hop(here, switch.ports[number].name, steps, trace, tuple(lost)))
        return NetworkTrace(tuple(hops), tuple(ports))

    def _joined(self, here: str, there: str) -> bool:
        nodes = (self._fabric.hosts[host].node for host in (here, there))
        return self._fabric.underlay.path_mtu(*nodes) > 0

    def _steps(self, host: str, trace: Trace) -> Iterator[Step]:
        if trace.root is not None:
            yield from self._table(host, trace.root, 0)

    def _table(self, host: str, table: TraceTable, depth: int) -> Iterator[Step]:
        names = self._state.physical.engine["stage"].where(number=table.table)
        stage = next((name for name, _ in names), f"table {table.table}")
        rules = () if table.flow is None else self._rules(host, table.flow)
        yield Step(depth, stage, table.flow, rules)
        yield from self._actions(host, table.actions, depth + 1)

    def _actions(self, host: str, actions: tuple[TraceAction, ...], depth: int) -> Iterator[Step]:
        for action in actions:
            for table in action.tables:
                yield from self._table(host, table, depth)
            for visit in action.buckets:
                yield Step(depth, "bucket", visit.bucket, self._rules(host, visit.bucket))
                yield from self._actions(host, visit.actions, depth + 1)

    def _rules(self, host: str, entry: Flow | Bucket) -> tuple[str, ...]:
        """The physical rule behind an entry, and the logical rule behind what that was made of."""
        table = "physical_flow" if isinstance(entry, Flow) else "physical_bucket"
        row = (host, *self._agents[host].row_of(entry))
        derivation = self._state.physical.engine.explain(table, row)
        assert derivation.rule is not None
        universal = (
            self._state.logical.rule_of(source.table, source.row)
            for source in derivation.inputs()
            if source.table in {"universal_flow", "universal_bucket"}
        )
        return (_short(derivation.rule.name), *map(_short, universal))


def _short(rule: str) -> str:
    """A rule's place without the folders of its file."""
    return rule.rsplit("/", 1)[-1]


def _flow_text(flow: Flow) -> str:
    actions = ",".join(str(action) for action in flow.actions) or "drop"
    return f"priority {flow.priority} {flow.match or 'any'} -> {actions}"
