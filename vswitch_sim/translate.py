"""Walking the pipeline: from a flow key to what happens to every packet of its megaflow.

`translate` is a pure function of one version of the tables, and a key: it neither sees the frame
nor changes a counter. A walk goes down a decision tree: each step reads bits of the key, which go
into the mask, unless the walk itself wrote them. So packets that agree in the mask take the same
walk, and the megaflows of one version are disjoint. What it finds is a `Walk`; the datapath gets
its mask and actions, revalidation all that it depends on, and a trace shows its tree: there is
one account of what a switch does.

Semantics are Open vSwitch's: a walk starts in table 0; a miss drops; `Resubmit` looks up the
packet as it is now, and what that changes stays changed for the actions after it; a bucket works
on a copy. A plain output to the port the packet came from is suppressed. A walk that nests deeper
than 64 or does more than 4,096 resubmits and group actions is dropped whole, as a loop would be;
a bucket nests, and a resubmit does unless it goes to a later table.
As there, `recirc_id`, `in_port`, `eth_type` and the fragment bits of IP always count: they say
what the other bits of a key mean.

Cost: one table lookup a resubmit; copying a packet for a bucket copies a few integers.
"""

import sys
from collections.abc import Callable

from vswitch_sim.actions import (
    ALL,
    FLOOD,
    IN_PORT,
    Action,
    Clone,
    Controller,
    CtClear,
    DecTtl,
    Group,
    Meter,
    Move,
    Note,
    Output,
    OutputRegister,
    PopVlan,
    PushVlan,
    Resubmit,
    SetField,
)
from vswitch_sim.buckets import chosen
from vswitch_sim.connection import Ct
from vswitch_sim.errors import FlowError
from vswitch_sim.fields import DATAPATH_MASK, FIELDS, PIPELINE_MASK, has_layer, widened
from vswitch_sim.learn import Learn
from vswitch_sim.subject import (
    DatapathAction,
    Subject,
    clone_depth,
    commit,
    ends_somewhere,
    finished,
    splice,
    tag_of,
)
from vswitch_sim.tables import View
from vswitch_sim.tracking import connection_of
from vswitch_sim.walk import BucketVisit, FrozenState, LookUp, Step, Visit, Walk

DEPTH_MAX = 64
STEPS_MAX = 4096
# Of tables and buckets within each other, whether that counts as depth or not. Open vSwitch would
# go on to 64 times the number of tables; a level is three calls here, and five in a trace.
LEVELS_MAX = 1024
sys.setrecursionlimit(max(sys.getrecursionlimit(), 10 * LEVELS_MAX))
# What the datapath takes.
CLONE_DEPTH_MAX = 16

_IN_PORT = FIELDS["in_port"]
_TTL = FIELDS["ip_ttl"]
_ALWAYS = FIELDS["recirc_id"].key_mask | _IN_PORT.key_mask | FIELDS["eth_type"].key_mask
_START = FrozenState(0)


class _Abandoned(Exception):  # noqa: N818  # no error: the packet loops, and is dropped
    """The walk went over a limit; the message is the drop counter."""


class _Ended(Exception):  # noqa: N818  # no error: the rest of an action list is skipped
    """The actions after this one are not done."""


def translate(
    view: View, key: int, recirc_id: Callable[[FrozenState], int], state: FrozenState = _START
) -> Walk:
    """Walk the pipeline.

    Args:
        view: the tables.
        key: the packet's flow key, as the datapath has it.
        recirc_id: gives a number to a state that a packet comes back in.
        state: where to begin, and with which registers.
    """
    own = PIPELINE_MASK
    key = key & DATAPATH_MASK | state.pipeline
    if state.in_port != -1:
        own |= _IN_PORT.key_mask
        key = _IN_PORT.put(key, state.in_port)
    return _Walker(view, Subject(key, own), state.table, recirc_id).walk()


class _Walker:
    def __init__(
        self, view: View, subject: Subject, table: int, recirc_id: Callable[[FrozenState], int]
    ) -> None:
        self._view = view
        self._recirc_id = recirc_id
        self._subject = subject
        self._given = subject.key
        always = _ALWAYS
        if has_layer(subject.key, "ip")[0]:
            always |= FIELDS["ip_frag"].key_mask
        self._walk = Walk(always, Visit(table, subject.key, None))
        self._out: list[DatapathAction] = []
        self._n_steps = 0
        # The table at hand, and how many tables and branches are under way.
        self._table = table
        self._level = 0

    def walk(self) -> Walk:
        walk = self._walk
        try:
            self._visit(walk.root, self._subject, 0)
            walk.actions = finished(self._out)
            if clone_depth(walk.actions) > CLONE_DEPTH_MAX:
                raise _Abandoned("nested_too_deep")
        except _Abandoned as limit:
            walk.states.clear()
            walk.learned.clear()
            walk.actions = (("drop", str(limit)),)
        if not ends_somewhere(walk.actions):
            walk.actions = (*walk.actions, ("drop", "no_output"))
        walk.read &= DATAPATH_MASK
        walk.mask = widened(self._given, walk.read)
        return walk

    def _read(self, subject: Subject, bits: int) -> None:
        self._walk.read |= subject.origin(bits)

    def _has(self, subject: Subject, needs: str) -> bool:
        there, read = has_layer(subject.key, needs)
        self._read(subject, read)
        return there

    def _drop(self, name: str) -> None:
        self._out.append(("drop", name))

    def _visit(self, visit: Visit, subject: Subject, depth: int) -> None:
        key = subject.key
        found = self._view.lookup(visit.table, key)
        visit.entry, visit.met = found.entry, found.met
        self._read(subject, found.read)
        given = ~subject.known
        self._walk.lookups.append(LookUp(visit.table, key, subject.own, given, found))
        self._walk.met.extend(found.met)
        if visit.entry is None:
            self._drop("table_miss")
        else:
            self._walk.entries.append(visit.entry)
            if not visit.entry.flow.actions:
                self._drop("drop_flow")
            self._run(visit.entry.flow.actions, subject, visit.steps, depth)
        visit.key_after = subject.key

    def _run(
        self, actions: tuple[Action, ...], subject: Subject, steps: list[Step], depth: int
    ) -> None:
        self._level += 1
        if self._level > LEVELS_MAX:
            raise _Abandoned("nested_too_deep")
        for action in actions:
            step = Step(action)
            steps.append(step)
            try:
                self._do(step, subject, depth)
            except _Ended:
                break
        self._level -= 1

    def _do(self, step: Step, subject: Subject, depth: int) -> None:
        match step.action:
            case Output(port=port):
                self._output(step, port, subject)
            case OutputRegister() as action:
                self._read(subject, action.source.key_mask)
                self._output(step, action.port_of(subject.key), subject)
            case Resubmit(table=table):
                self._count_step(step, depth)
                nested = Visit(table, subject.key, None)
                step.visits.append(nested)
                here, self._table = self._table, table
                self._visit(nested, subject, depth + (table <= here))
                self._table = here
            case Group(group=group):
                self._count_step(step, depth)
                self._group(step, group, subject, depth + 1)
            case Clone(actions=actions):
                self._branch(actions, subject, step.steps, depth)
            case Controller() as action:
                self._controller(step, action, subject)
            case Meter(meter=meter):
                self._out.append(("meter", meter))
            case Ct() as action:
                self._track(step, action, subject)
            case CtClear():
                self._out.append(("ct_clear",))
                subject.forget_connection()
            case Learn() as action:
                self._learn(step, action, subject)
            case Note():
                pass
            case _:
                self._change(step, subject)

    def _change(self, step: Step, subject: Subject) -> None:
        """Do an action that only changes the packet."""
        match step.action:
            case SetField(field=name, value=value) as action:
                self._write(step, subject, name, value, action.bits)
            case Move(source=source, destination=destination):
                if not self._has(subject, source.field.needs):
                    step.note = f"the packet has no {source.name}"
                    return
                self._read(subject, source.key_mask)
                value = source.of_key(subject.key) << destination.low
                bits = destination.key_mask >> destination.field.shift
                self._write(step, subject, destination.name, value, bits)
            case DecTtl():
                self._decrement_ttl(step, subject)
            case PushVlan(tpid=tpid):
                self._push_tag(subject, tpid)
            case PopVlan():
                subject.pop_tag()
                if self._out and self._out[-1][0] == "push_vlan":
                    self._out.pop()
                else:
                    self._out.append(("pop_vlan",))
            case action:
                raise AssertionError(f"nothing does {action}")

    def _write(self, step: Step, subject: Subject, name: str, value: int, bits: int) -> None:
        known = FIELDS[name]
        if not self._has(subject, "vlan" if name == "vlan_vid" else known.needs):
            if name != "vlan_vid" or bits != known.key_mask >> known.shift:
                step.note = f"the packet has no {name}"
                return
            # Only a bucket, which has no match, can want this.
            step.note = "a tag is pushed, since the packet has none"
            self._push_tag(subject, PushVlan().tpid)
        subject.write(known.shift, value, bits & 0xFFF if name == "vlan_vid" else bits)

    def _push_tag(self, subject: Subject, tpid: int) -> None:
        commit(self._out, subject)
        subject.push_tag()
        self._out.append(("push_vlan", tpid, tag_of(subject)))

    def _output(self, step: Step, port: int, subject: Subject) -> None:
        in_port = _IN_PORT.of(subject.key)
        self._read(subject, _IN_PORT.key_mask)
        if port in (FLOOD, ALL):
            self._walk.needs.all_ports = True
            ports = [number for number in sorted(self._view.ports) if number != in_port]
        elif port == in_port:
            step.end("skipped: the packet came from this port")
            self._drop("output_to_in_port")
            return
        else:
            ports = [in_port if port == IN_PORT else port]
        commit(self._out, subject)
        self._out.extend(("output", number) for number in ports)

    def _group(self, step: Step, number: int, subject: Subject, depth: int) -> None:
        walk = self._walk
        walk.needs.groups.add(number)
        group = self._view.group(number)
        if group is None or not group.buckets:
            step.end("the group has no buckets")
            self._drop("group_without_buckets")
            return
        walk.counts.append(group.count)
        entries, read = chosen(self._view, group, subject.key, walk.needs)
        self._read(subject, read)
        if not entries:
            step.end("the group has no live bucket")
            self._drop("no_live_bucket")
        if len(entries) > 1:
            commit(self._out, subject)
        for entry in entries:
            walk.counts.append(entry.count)
            visit = BucketVisit(entry.bucket)
            step.visits.append(visit)
            self._branch(entry.bucket.actions, subject, visit.steps, depth)

    def _branch(
        self, actions: tuple[Action, ...], subject: Subject, steps: list[Step], depth: int
    ) -> None:
        """Do actions to a copy of the packet."""
        out, self._out = self._out, []
        self._run(actions, subject.copy(), steps, depth)
        out, self._out = self._out, out
        splice(self._out, out)

    def _track(self, step: Step, action: Ct, subject: Subject) -> None:
        commit(self._out, subject)
        connection, read = connection_of(action, subject)
        self._read(subject, read)
        self._out.append(("ct", connection))
        if action.table is not None:
            in_port = _IN_PORT.of(subject.key) if subject.own & _IN_PORT.key_mask else -1
            number = self._freeze(FrozenState(action.table, subject.key & PIPELINE_MASK, in_port))
            step.note = f"a copy goes on in table {action.table} as recirc({number:#x})"
            self._out.append(("recirc", number))
        subject.forget_connection()

    def _controller(self, step: Step, action: Controller, subject: Subject) -> None:
        commit(self._out, subject)
        number = 0
        if action.table is not None:
            number = self._freeze(FrozenState(action.table, subject.key & PIPELINE_MASK, 0))
            step.note = (
                f"waits for what the controller makes of it by {action.reason!r}, "
                f"which goes on in table {action.table} as recirc({number:#x})"
            )
        self._out.append(("controller", action.reason, number))

    def _freeze(self, state: FrozenState) -> int:
        self._walk.states.append(state)
        return self._recirc_id(state)

    def _learn(self, step: Step, action: Learn, subject: Subject) -> None:
        for source in action.sources:
            self._read(subject, source.key_mask)
        try:
            flow = action.flow(subject.key)
        except FlowError as error:
            step.note = f"learns nothing: {error}"
            return
        step.note = f"learns {flow}"
        self._walk.learned.append(flow)

    def _decrement_ttl(self, step: Step, subject: Subject) -> None:
        if not self._has(subject, "ip"):
            step.note = "the packet has no ip_ttl"
            return
        self._read(subject, _TTL.key_mask)
        ttl = _TTL.of(subject.key)
        if ttl <= 1:
            step.end("dropped: the TTL has run out")
            self._drop("ttl_expired")
            raise _Ended
        subject.write(_TTL.shift, ttl - 1, _TTL.maximum)

    def _count_step(self, step: Step, depth: int) -> None:
        self._n_steps += 1
        if depth >= DEPTH_MAX:
            step.end(f"dropped: nested deeper than {DEPTH_MAX}")
            raise _Abandoned("nested_too_deep")
        if self._n_steps > STEPS_MAX:
            step.end(f"dropped: over {STEPS_MAX} resubmits and group actions")
            raise _Abandoned("too_many_steps")
