"""Flows, groups, meters, and the updates that bring them: what a controller tells a switch.

All are immutable values that check themselves when made, so a `Flow` that exists is one a switch
accepts. Their text reads like `ovs-ofctl dump-flows`.

- A flow's identity in a switch is (table, priority, match); a flow without actions drops.
- A bucket is one member of a group. Buckets come and go singly (OpenFlow 1.5, OFPGC_INSERT_BUCKET
  and OFPGC_REMOVE_BUCKET), so that one VIF more is one bucket more. A group is the buckets it has;
  one without buckets delivers nothing.
- A group is of type "all", every bucket gets a copy of packet and registers, unless a `GroupType`
  says otherwise.
- A flow update is a bundle (OpenFlow 1.4): removals, then additions, all or nothing.
"""

from collections.abc import Iterable, Iterator
from typing import Literal, get_args

from attrs import field, frozen

from vswitch_sim.actions import TABLE_MAX, WORD_MAX, Action, Conjunction, format_actions
from vswitch_sim.checks import (
    is_action_set,
    lacking_layer,
    misplaced,
    stray_clause,
    unreachable,
)
from vswitch_sim.errors import FlowError
from vswitch_sim.match import Match

PRIORITY_MAX = 0xFFFF
TIMEOUT_MAX_S = 0xFFFF
GroupKind = Literal["all", "select", "ff", "indirect"]


@frozen
class Flow:
    """One flow: in `table`, packets that `match` undergo `actions`; no actions drop.

    Attributes:
        idle_timeout: the flow goes if no packet hit it for so many seconds; 0 for never.
        hard_timeout: it goes so many seconds after it came; 0 for never.

    Raises:
        FlowError: a table outside 0..254, a priority, or timeout, outside 0..65535, a cookie over
            64 bits, an action on a header which the match does not promise, or one behind that
            at which the packet stops. Names the flow.
    """

    table: int
    priority: int
    match: Match
    actions: tuple[Action, ...]
    cookie: int = 0
    idle_timeout: int = 0
    hard_timeout: int = 0

    def __attrs_post_init__(self) -> None:
        if not 0 <= self.table <= TABLE_MAX:
            raise FlowError(f"flow {self}: table must be in 0..{TABLE_MAX}")
        if not 0 <= self.priority <= PRIORITY_MAX:
            raise FlowError(f"flow {self}: priority must be in 0..{PRIORITY_MAX}")
        if not 0 <= self.cookie < 1 << 64:
            raise FlowError(f"flow {self}: cookie must have at most 64 bits")
        for timeout in (self.idle_timeout, self.hard_timeout):
            if not 0 <= timeout <= TIMEOUT_MAX_S:
                raise FlowError(f"flow {self}: timeouts must be in 0..{TIMEOUT_MAX_S} seconds")
        stray = misplaced(self.actions)
        if stray is not None:
            raise FlowError(f"flow {self}: {stray} may stand only within ct, on commit")
        early = unreachable(self.actions)
        if early is not None:
            raise FlowError(
                f"flow {self}: the packet stops at controller({early.reason}), so that nothing may "
                f"follow; what shall, goes into table {early.table}"
            )
        stray = stray_clause(self.actions)
        if stray is not None:
            raise FlowError(f"flow {self}: {stray} cannot stand with conjunction; only note can")
        lacking = lacking_layer(self.match, self.actions)
        if lacking:
            raise FlowError(f"flow {self}: {lacking} in the match")

    @property
    def identity(self) -> tuple[int, int, Match]:
        """What tells flows apart within a switch: (table, priority, match)."""
        return (self.table, self.priority, self.match)

    @property
    def clauses(self) -> tuple[Conjunction, ...]:
        """The clauses of conjunctive matches that the flow is part of, if that is all it is."""
        return tuple(it for it in self.actions if isinstance(it, Conjunction))

    @property
    def rank(self) -> tuple[int, int, int]:
        """Of the flows of a table that cover a packet, the one of highest rank is hit.

        OpenFlow leaves open which of several flows of one priority wins. Here it is the one with
        the larger mask, then value, as integers: a choice that depends on the flows alone, not
        on the order in which they came.
        """
        return (self.priority, self.match.key_mask, self.match.key_value)

    def __str__(self) -> str:
        comma = "," if self.match.fields else ""
        cookie = f"cookie={self.cookie:#x}, " if self.cookie else ""
        timeouts = "".join(f"{text}, " for text in format_timeouts(*self.timeouts))
        return (
            f"{cookie}table={self.table}, {timeouts}priority={self.priority}{comma}{self.match} "
            f"actions={format_actions(self.actions)}"
        )

    @property
    def timeouts(self) -> tuple[int, int]:
        """The idle and the hard timeout."""
        return (self.idle_timeout, self.hard_timeout)


@frozen
class Bucket:
    """One bucket of a group; its identity is (group, bucket).

    Its actions are an action set (OpenFlow 1.3, section 5.10), which has an order of its own; a
    bucket is refused unless they mean the same as the list that is written.

    Attributes:
        weight: of a "select" group, how much of the traffic it gets, beside the others.
        watch_port: of an "ff" (fast failover) or "select" group: the bucket is live while this
            port is. None: another watch decides, or it is live.
        watch_group: likewise, while a bucket of this group is live.

    Raises:
        FlowError: a number out of range, or actions that a switch would not do in this order: at
            most one each of pop_vlan, push_vlan and dec_ttl, then what sets fields, then at most
            one that passes the packet on. Names the bucket.
    """

    group: int
    bucket: int
    actions: tuple[Action, ...]
    weight: int = 1
    watch_port: int | None = None
    watch_group: int | None = None

    def __attrs_post_init__(self) -> None:
        if not (0 <= self.group <= WORD_MAX and 0 <= self.bucket <= WORD_MAX):
            raise FlowError(f"bucket {self}: group and bucket must be in 0..{WORD_MAX:#x}")
        stray = misplaced(self.actions)
        if stray is not None:
            raise FlowError(f"bucket {self}: {stray} may stand only within ct, on commit")
        if not is_action_set(self.actions):
            raise FlowError(
                f"bucket {self}: the actions of a bucket are a set: pop_vlan, push_vlan, dec_ttl, "
                "then set_field and move, then one of output, group, resubmit and ct; "
                "resubmit to a table does more"
            )
        if not 0 <= self.weight <= 0xFFFF:
            raise FlowError(f"bucket {self}: weight must be in 0..65535")
        for watched in (self.watch_port, self.watch_group):
            if watched is not None and not 0 <= watched <= WORD_MAX:
                raise FlowError(f"bucket {self}: what it watches must be in 0..{WORD_MAX:#x}")

    @property
    def identity(self) -> tuple[int, int]:
        """What tells buckets apart within a switch: (group, bucket)."""
        return (self.group, self.bucket)

    @property
    def text(self) -> str:
        """The bucket without its group, as `ovs-ofctl dump-groups` writes it."""
        weight = f"weight:{self.weight}," if self.weight != 1 else ""
        port = "" if self.watch_port is None else f"watch_port:{self.watch_port},"
        group = "" if self.watch_group is None else f"watch_group:{self.watch_group},"
        actions = format_actions(self.actions)
        return f"bucket=bucket_id:{self.bucket},{weight}{port}{group}actions={actions}"

    def __str__(self) -> str:
        return f"group_id={self.group},{self.text}"


def _as_names(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(names)


@frozen
class GroupType:
    """What a group does with its buckets.

    Attributes:
        kind: "all" gives a copy to each; "select" gives the packet to one, chosen by a hash of
            its flow, among those that are live, in proportion to their weights; "ff" (fast
            failover) to the first that is live; "indirect" to the only one it may have.
        fields: of "select", the fields to hash; none for those that make a flow what it is.
    """

    group: int
    kind: GroupKind = "all"
    fields: tuple[str, ...] = field(default=(), converter=_as_names)

    def __attrs_post_init__(self) -> None:
        if not 0 <= self.group <= WORD_MAX:
            raise FlowError(f"{self}: group must be in 0..{WORD_MAX:#x}")
        if self.kind not in get_args(GroupKind):
            raise FlowError(f"{self}: a group is of type all, select, ff or indirect")
        if self.fields and self.kind != "select":
            raise FlowError(f"{self}: only a group of type select hashes fields")
        Match.of(**dict.fromkeys(self.fields, (0, 0)))

    @property
    def identity(self) -> int:
        """What tells groups apart within a switch."""
        return self.group

    def __str__(self) -> str:
        method = f",selection_method=hash,fields({','.join(self.fields)})" if self.fields else ""
        return f"group_id={self.group},type={self.kind}{method}"


@frozen
class MeterBand:
    """A meter: packets over `rate` are dropped.

    Attributes:
        meter: its number.
        rate: per second, in `unit`.
        burst: how much may come at once, in kilobits or packets; 0 for what the datapath takes.
        unit: "kbps" or "pktps".
    """

    meter: int
    rate: int
    burst: int = 0
    unit: Literal["kbps", "pktps"] = "kbps"

    def __attrs_post_init__(self) -> None:
        if not 0 < self.meter <= WORD_MAX:
            raise FlowError(f"{self}: meter must be in 1..{WORD_MAX:#x}")
        if not (0 < self.rate <= WORD_MAX and 0 <= self.burst <= WORD_MAX):
            raise FlowError(f"{self}: rate must be in 1..{WORD_MAX:#x}, burst in 0..{WORD_MAX:#x}")
        if self.unit not in ("kbps", "pktps"):
            raise FlowError(f"{self}: a meter counts in kbps or pktps")

    @property
    def identity(self) -> int:
        """What tells meters apart within a switch."""
        return self.meter

    def __str__(self) -> str:
        burst = " burst" if self.burst else ""
        size = f" burst_size={self.burst}" if self.burst else ""
        return f"meter={self.meter} {self.unit}{burst} bands= type=drop rate={self.rate}{size}"


Entry = Flow | Bucket | GroupType | MeterBand


def _as_tuple(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    return tuple(entries)


@frozen
class FlowUpdate:
    """A bundle: everything in `remove` goes, then everything in `add` comes, all or nothing."""

    remove: tuple[Entry, ...] = field(default=(), converter=_as_tuple)
    add: tuple[Entry, ...] = field(default=(), converter=_as_tuple)

    def __bool__(self) -> bool:
        return bool(self.remove or self.add)


def format_timeouts(idle_timeout: int, hard_timeout: int) -> Iterator[str]:
    """The timeouts that a flow has, as `ovs-ofctl` writes them."""
    if idle_timeout:
        yield f"idle_timeout={idle_timeout}"
    if hard_timeout:
        yield f"hard_timeout={hard_timeout}"
