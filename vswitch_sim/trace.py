"""A trace: every table a packet passed, and why, as `ofproto/trace` of Open vSwitch tells it.

`Trace` is plain immutable data for programs (a controller joins `TraceTable.flow.cookie` with the
rule that made the flow) and prints itself for people. Tables nest as their resubmits did, and
buckets nest in the group action that reached them. A packet that comes back from connection
tracking makes another *pass*.
"""

from collections.abc import Iterator, Mapping

from attrs import frozen

from vswitch_sim.actions import Action, format_actions
from vswitch_sim.fields import FIELDS, REGISTERS
from vswitch_sim.flow import Bucket, Flow
from vswitch_sim.packet_in import PacketIn
from vswitch_sim.port import Egress
from vswitch_sim.subject import DatapathAction
from vswitch_sim.text import format_datapath_actions, format_key, format_megaflow
from vswitch_sim.values import format_value
from vswitch_sim.walk import BucketVisit, Step, Visit, Walk


@frozen
class TraceAction:
    """One action done; `note` says what was odd about it ("" if nothing).

    A copy ended with it if it `ends`. What it led to is in `tables` and `buckets`, and in
    `actions` what a clone did.
    """

    action: Action
    note: str
    ends: bool
    tables: tuple["TraceTable", ...]
    buckets: tuple["TraceBucket", ...]
    actions: tuple["TraceAction", ...] = ()


@frozen
class TraceTable:
    """One table passed.

    Attributes:
        table: its number.
        flow: the flow that hit; None is a miss, which drops.
        clauses: if it did so as a conjunctive match, the flows that met the clauses.
        registers: the registers, metadata and tun_id that are not zero, when its actions were
            done.
        actions: what was done, in order.
    """

    table: int
    flow: Flow | None
    registers: Mapping[str, int]
    actions: tuple[TraceAction, ...]
    clauses: tuple[Flow, ...] = ()


@frozen
class TraceBucket:
    """One bucket passed."""

    bucket: Bucket
    actions: tuple[TraceAction, ...]


@frozen
class TracePass:
    """One pass through the pipeline.

    Attributes:
        recirc_id: 0 for a packet that is new, else the number it comes back under.
        key: its flow key.
        root: the first table and all below it.
        mask: the bits of the key that count: what its megaflow would be.
        actions: what the datapath is told to do.
    """

    recirc_id: int
    key: int
    root: TraceTable
    mask: int
    actions: tuple[DatapathAction, ...]


@frozen
class Trace:
    """What a switch does with a frame.

    Attributes:
        switch: the switch's name.
        passes: through the pipeline; none if the frame was too short to be looked up.
        egress: what leaves, as `Switch.process` returns it.
        drops: the name of every drop.
        port_names: the names of the ports of `egress`.
        waiting: what the controller is asked to answer; `Switch.trace_resumed` goes on with that.
    """

    switch: str
    passes: tuple[TracePass, ...]
    egress: tuple[Egress, ...]
    drops: tuple[str, ...]
    port_names: tuple[str, ...] = ()
    waiting: tuple[PacketIn, ...] = ()

    @property
    def root(self) -> TraceTable | None:
        """Table 0 and all below it; None if the frame was too short."""
        return self.passes[0].root if self.passes else None

    @property
    def tables(self) -> tuple[TraceTable, ...]:
        """Every table passed, in order of passing."""
        return tuple(table for each in self.passes for table in _tables(each.root))

    @property
    def flows(self) -> tuple[Flow, ...]:
        """Every flow hit, in order."""
        return tuple(table.flow for table in self.tables if table.flow is not None)

    def lines(self) -> tuple[str, ...]:
        """The trace as text, a line each."""
        out: list[str] = []
        for each in self.passes:
            out.extend(self._pass_lines(each))
        sent = [
            f"{egress.port} ({name})" + (f" tun_id={egress.tun_id:#x}" if egress.tun_id else "")
            for egress, name in zip(self.egress, self.port_names, strict=True)
        ]
        out.append(f"Output: {', '.join(sent) or 'none'}")
        if self.drops:
            out.append(f"Drops: {', '.join(self.drops)}")
        return tuple(out)

    def _pass_lines(self, each: TracePass) -> Iterator[str]:
        if each.recirc_id:
            yield f"recirc({each.recirc_id:#x})"
            yield ""
        name = f'bridge("{self.switch}")'
        yield f"Flow: {format_key(each.key)}"
        yield ""
        yield name
        yield "-" * len(name)
        yield from _table_lines(each.root, 0)
        yield ""
        yield f"Megaflow: {format_megaflow(each.key, each.mask)}"
        yield f"Datapath actions: {format_datapath_actions(each.actions, each.key)}"
        yield ""

    def __str__(self) -> str:
        return "\n".join(self.lines())


def pass_of(recirc_id: int, walk: Walk) -> TracePass:
    """The immutable form of a walk."""
    root = walk.root
    return TracePass(recirc_id, root.key_before, _table(root), walk.mask, walk.actions)


def _table(visit: Visit) -> TraceTable:
    registers = {
        known.name: value for known in REGISTERS if (value := known.of(visit.key_after)) != 0
    }
    flow = None if visit.entry is None else visit.entry.flow
    clauses = tuple(entry.flow for entry in visit.met)
    return TraceTable(visit.table, flow, registers, _actions(visit.steps), clauses)


def _actions(steps: list[Step]) -> tuple[TraceAction, ...]:
    return tuple(
        TraceAction(
            step.action,
            step.note,
            step.ends,
            tuple(_table(visit) for visit in step.visits if isinstance(visit, Visit)),
            tuple(
                TraceBucket(visit.bucket, _actions(visit.steps))
                for visit in step.visits
                if isinstance(visit, BucketVisit)
            ),
            _actions(step.steps),
        )
        for step in steps
    )


def _tables(table: TraceTable) -> Iterator[TraceTable]:
    yield table
    yield from _tables_within(table.actions)


def _tables_within(actions: tuple[TraceAction, ...]) -> Iterator[TraceTable]:
    for action in actions:
        for table in action.tables:
            yield from _tables(table)
        for bucket in action.buckets:
            yield from _tables_within(bucket.actions)
        yield from _tables_within(action.actions)


def _table_lines(table: TraceTable, depth: int) -> Iterator[str]:
    margin = "    " * depth
    if table.flow is None:
        yield f"{margin}{table.table:2}. No match."
        yield f"{margin}    drop"
        return
    covered = str(table.flow.match)
    comma = f"{covered}, " if covered else ""
    cookie = f", cookie {table.flow.cookie:#x}" if table.flow.cookie else ""
    yield f"{margin}{table.table:2}. {comma}priority {table.flow.priority}{cookie}"
    for clause in table.clauses:
        parts = format_actions(clause.actions)
        yield f"{margin}     -> {clause.match}, priority {clause.priority}, {parts}"
    yield from _action_lines(table.actions, depth + 1)
    if not table.flow.actions:
        yield f"{margin}    drop"
    if table.registers:
        shown = (
            f"{name}={format_value(FIELDS[name], value)}" for name, value in table.registers.items()
        )
        yield f"{margin}    => {','.join(shown)}"


def _action_lines(actions: tuple[TraceAction, ...], depth: int) -> Iterator[str]:
    margin = "    " * depth
    for action in actions:
        note = f"    >> {action.note}" if action.note else ""
        yield f"{margin}{action.action}{note}"
        for table in action.tables:
            yield from _table_lines(table, depth)
        for bucket in action.buckets:
            yield f"{margin} bucket {bucket.bucket.bucket}"
            yield from _action_lines(bucket.actions, depth + 1)
        yield from _action_lines(action.actions, depth + 1)
