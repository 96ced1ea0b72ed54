"""Walking the pipeline: from a flow key to what happens to every packet with that key.

`walk` is a pure function of tables, groups and key: it neither sees the frame nor changes a
counter. Its result says which copies of the packet leave by which port with which fields changed,
what was dropped and why, and holds the whole walk as a tree. The caches keep the first two
(`cache`), `ofproto/trace` shows the tree (`trace`): there is one account of what a switch does.

Semantics are Open vSwitch's: a walk starts in table 0; a miss drops; `Resubmit` looks up the
packet as it is now, and what that changes stays changed for the actions after it; a bucket works
on a copy. A plain output to the port the packet came from is suppressed. A walk that nests deeper
than 64 or does more than 4,096 resubmits and group actions is dropped whole, as a loop would be;
a bucket nests, and a resubmit does unless it goes to a later table.

Cost: one table lookup a resubmit; copying a packet for a bucket copies one integer.
"""

from collections.abc import Callable, Mapping

from attrs import define, field, frozen

from vswitch_sim.fields import FIELDS, PACKET_FIELDS, PACKET_MASK, PRESENCE
from vswitch_sim.flow import (
    IN_PORT,
    Action,
    Bucket,
    DecTtl,
    Group,
    Move,
    Output,
    Resubmit,
    SetField,
)
from vswitch_sim.table import FlowEntry

DEPTH_MAX = 64
STEPS_MAX = 4096

_IN_PORT_FIELD = FIELDS["in_port"]
_TUN_ID = FIELDS["tun_id"]
_TTL = FIELDS["ip_ttl"]

Lookup = Callable[[int, int], FlowEntry | None]
Groups = Mapping[int, Mapping[int, Bucket]]


@frozen
class Copy:
    """One copy of the packet that leaves: its port, tunnel key and changed header fields."""

    port: int
    tun_id: int
    changes: tuple[tuple[str, int], ...]


@define(eq=False)
class Step:
    """One action done; `note` says what was odd, and nested lookups and buckets are inside."""

    action: Action
    note: str = ""
    visits: list["Visit | BucketVisit"] = field(factory=list)


@define(eq=False)
class Visit:
    """One table passed: the entry that hit (None: a miss), and what its actions did."""

    table: int
    key_before: int
    entry: FlowEntry | None
    steps: list[Step] = field(factory=list)
    key_after: int = 0


@define(eq=False)
class BucketVisit:
    """One bucket passed, with a copy of its own of the packet."""

    bucket: Bucket
    steps: list[Step] = field(factory=list)


@frozen
class Walk:
    """The outcome of a walk.

    Attributes:
        copies: what leaves the switch, in order.
        drops: the name of every drop on the way.
        lookups: (table, flow key, entry hit or None), in order.
        groups: the groups that were visited.
        root: the same as a tree.
    """

    copies: tuple[Copy, ...]
    drops: tuple[str, ...]
    lookups: tuple[tuple[int, int, FlowEntry | None], ...]
    groups: frozenset[int]
    root: Visit


class _Abandoned(Exception):  # noqa: N818  # no error: the packet loops, and is dropped
    """The walk went over a limit; the message is the drop counter."""


class _Expired(Exception):  # noqa: N818  # no error: the rest of an action list is skipped
    """The TTL ran out: the actions after this one are not done."""


def walk(lookup: Lookup, groups: Groups, key: int) -> Walk:
    """Walk the pipeline from table 0.

    Args:
        lookup: (table, flow key) to the entry that hits, or None.
        groups: group number to bucket number to bucket.
        key: the packet's flow key, with `in_port` and `tun_id`.
    """
    walker = _Walker(lookup, groups, key)
    root = Visit(0, key, lookup(0, key))
    try:
        walker.visit(root, 0)
    except _Abandoned as limit:
        walker.copies.clear()
        walker.drops = [str(limit)]
    if not walker.copies and not walker.drops:
        walker.drops.append("no_output")
    return Walk(
        tuple(walker.copies),
        tuple(walker.drops),
        tuple(walker.lookups),
        frozenset(walker.groups_visited),
        root,
    )


class _Walker:
    def __init__(self, lookup: Lookup, groups: Groups, key: int) -> None:
        self.lookup = lookup
        self.groups = groups
        self.original = key
        self.copies: list[Copy] = []
        self.drops: list[str] = []
        self.lookups: list[tuple[int, int, FlowEntry | None]] = []
        self.groups_visited: set[int] = set()
        self.steps_done = 0
        self.table = 0

    def visit(self, visit: Visit, depth: int) -> int:
        entry = visit.entry
        visit.key_after = visit.key_before
        self.lookups.append((visit.table, visit.key_before, entry))
        if entry is None:
            self.drops.append("table_miss")
            return visit.key_before
        if not entry.flow.actions:
            self.drops.append("drop_flow")
        visit.key_after = self.run(entry.flow.actions, visit.key_before, visit.steps, depth)
        return visit.key_after

    def run(self, actions: tuple[Action, ...], key: int, steps: list[Step], depth: int) -> int:
        for action in actions:
            step = Step(action)
            steps.append(step)
            try:
                key = self.do(step, key, depth)
            except _Expired:
                break
        return key

    def do(self, step: Step, key: int, depth: int) -> int:
        match step.action:
            case SetField(field=name, value=value):
                return self.set_field(step, name, value, key)
            case Output(port=port):
                self.output(step, port, key)
            case Resubmit(table=table):
                self.count_step(step, depth)
                nested = Visit(table, key, self.lookup(table, key))
                step.visits.append(nested)
                here, self.table = self.table, table
                key = self.visit(nested, depth + (table <= here))
                self.table = here
                return key
            case Group(group=group):
                self.count_step(step, depth)
                self.flood(step, group, key, depth + 1)
            case Move(source=source, destination=destination):
                known = FIELDS[source]
                if known.presence and not known.presence & key:
                    step.note = f"the packet has no {source}"
                    return key
                kept = FIELDS[destination].of(key) & ~known.maximum
                return self.set_field(step, destination, kept | known.of(key), key)
            case DecTtl():
                return self.decrement_ttl(step, key)
        return key

    def set_field(self, step: Step, name: str, value: int, key: int) -> int:
        known = FIELDS[name]
        needed = PRESENCE["vlan"] if name == "vlan_vid" else known.presence
        if needed and not needed & key:
            step.note = f"the packet has no {name}"
            return key
        return key & ~known.key_mask | value << known.shift

    def output(self, step: Step, port: int, key: int) -> None:
        in_port = _IN_PORT_FIELD.of(key)
        if port == IN_PORT:
            port = in_port
        elif port == in_port:
            step.note = "skipped: the packet came from this port"
            self.drops.append("output_to_in_port")
            return
        changed = (key ^ self.original) & PACKET_MASK
        changes = tuple(
            (known.name, known.of(key)) for known in PACKET_FIELDS if changed & known.key_mask
        )
        self.copies.append(Copy(port, _TUN_ID.of(key), changes))

    def flood(self, step: Step, group: int, key: int, depth: int) -> None:
        self.groups_visited.add(group)
        buckets = self.groups.get(group)
        if not buckets:
            step.note = "the group has no buckets"
            self.drops.append("group_without_buckets")
            return
        for number in sorted(buckets):
            visit = BucketVisit(buckets[number])
            step.visits.append(visit)
            self.run(visit.bucket.actions, key, visit.steps, depth)

    def decrement_ttl(self, step: Step, key: int) -> int:
        if not key & _TTL.presence:
            step.note = "the packet has no ip_ttl"
            return key
        if _TTL.of(key) <= 1:
            step.note = "dropped: the TTL has run out"
            self.drops.append("ttl_expired")
            raise _Expired
        return key - (1 << _TTL.shift)

    def count_step(self, step: Step, depth: int) -> None:
        self.steps_done += 1
        if depth >= DEPTH_MAX:
            step.note = f"dropped: nested deeper than {DEPTH_MAX}"
            raise _Abandoned("nested_too_deep")
        if self.steps_done > STEPS_MAX:
            step.note = f"dropped: over {STEPS_MAX} resubmits and group actions"
            raise _Abandoned("too_many_steps")
