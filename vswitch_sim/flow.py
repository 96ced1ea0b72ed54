"""Actions, flows, buckets and flow updates: what a controller tells a switch.

All are immutable values that check themselves when made, so a `Flow` that exists is one a switch
accepts. Their text reads like `ovs-ofctl dump-flows`.

- A flow's identity in a switch is (table, priority, match); a flow without actions drops.
- A bucket is one member of a group of type "all": a packet sent to the group visits every bucket,
  each with a copy of its own of packet and registers. Its actions are an action set (OpenFlow 1.3,
  section 5.10): one is refused whose actions would not mean the same as a list. Buckets come and
  go singly (OpenFlow 1.5, OFPGC_INSERT_BUCKET and OFPGC_REMOVE_BUCKET), so that one VIF more is one
  bucket more. A group is the buckets it has; one without buckets delivers nothing.
- A flow update is a bundle (OpenFlow 1.4): removals, then additions, all or nothing.
"""

from collections.abc import Sequence

from attrs import field, frozen

from vswitch_sim.errors import FlowError
from vswitch_sim.fields import FIELDS, OFPVID_PRESENT, Field
from vswitch_sim.match import Match

TABLE_MAX = 254
PRIORITY_MAX = 0xFFFF
WORD_MAX = 0xFFFFFFFF
# OFPP_IN_PORT: output to the port the packet came from, which a plain output never does.
IN_PORT = 0xFFFFFFF8
# OFPP_MAX: the numbers above are reserved.
PORT_MAX = 0xFFFFFF00


@frozen
class SetField:
    """Set a whole field; one the packet lacks stays lacking.

    Raises:
        FlowError: an unknown or read-only field, or a value too wide.
    """

    field: str
    value: int

    def __attrs_post_init__(self) -> None:
        known = _writable(self.field)
        if not 0 <= self.value <= known.maximum:
            raise FlowError(f"{known.name} has {known.width} bits: {self.value:#x} does not fit")
        if known.name == "vlan_vid" and not self.value & OFPVID_PRESENT:
            raise FlowError(f"vlan_vid={self.value:#x}: the value must contain 0x1000")

    def __str__(self) -> str:
        known = FIELDS[self.field]
        return f"set_field:{known.format(self.value)}->{known.action_name}"


@frozen
class Move:
    """Copy a whole field into the low bits of another, whose higher bits stay (NXAST_REG_MOVE).

    Nothing happens if the packet lacks either.

    Raises:
        FlowError: an unknown field, a read-only destination, or one narrower than the source.
    """

    source: str
    destination: str

    def __attrs_post_init__(self) -> None:
        source, destination = _known(self.source), _writable(self.destination)
        if "vlan_vid" in (source.name, destination.name):
            raise FlowError("vlan_vid cannot be moved: use SetField")
        if source.width > destination.width:
            raise FlowError(
                f"{source.name} has {source.width} bits and does not fit "
                f"{destination.name}, which has {destination.width}"
            )

    def __str__(self) -> str:
        source, destination = FIELDS[self.source], FIELDS[self.destination]
        part = "" if source.width == destination.width else f"0..{source.width - 1}"
        return f"move:{source.action_name}[]->{destination.action_name}[{part}]"


@frozen
class DecTtl:
    """Take one off `ip_ttl`; a packet whose TTL is 0 or 1 is dropped instead (`ttl_expired`)."""

    def __str__(self) -> str:
        return "dec_ttl"


@frozen
class Output:
    """Send a copy of the packet, as it is now, to a port; `IN_PORT` is the way it came."""

    port: int

    def __attrs_post_init__(self) -> None:
        if not 0 < self.port <= WORD_MAX:
            raise FlowError(f"{self}: port must be in 1..{WORD_MAX:#x}")

    def __str__(self) -> str:
        return "IN_PORT" if self.port == IN_PORT else f"output:{self.port}"


@frozen
class Resubmit:
    """Look the packet up in a table now, do what the hit says, and then go on after this."""

    table: int

    def __attrs_post_init__(self) -> None:
        if not 0 <= self.table <= TABLE_MAX:
            raise FlowError(f"{self}: table must be in 0..{TABLE_MAX}")

    def __str__(self) -> str:
        return f"resubmit(,{self.table})"


@frozen
class Group:
    """Send a copy of the packet, with a copy of its registers, to every bucket of a group."""

    group: int

    def __attrs_post_init__(self) -> None:
        if not 0 <= self.group <= WORD_MAX:
            raise FlowError(f"{self}: group must be in 0..{WORD_MAX:#x}")

    def __str__(self) -> str:
        return f"group:{self.group}"


Action = SetField | Move | DecTtl | Output | Resubmit | Group


@frozen
class Flow:
    """One flow: in `table`, packets that `match` undergo `actions`; no actions drop.

    Raises:
        FlowError: a table outside 0..254, a priority outside 0..65535, a cookie over 64 bits, or
            an action on a header field which the match does not promise. Names the flow.
    """

    table: int
    priority: int
    match: Match
    actions: tuple[Action, ...]
    cookie: int = 0

    def __attrs_post_init__(self) -> None:
        if not 0 <= self.table <= TABLE_MAX:
            raise FlowError(f"flow {self}: table must be in 0..{TABLE_MAX}")
        if not 0 <= self.priority <= PRIORITY_MAX:
            raise FlowError(f"flow {self}: priority must be in 0..{PRIORITY_MAX}")
        if not 0 <= self.cookie < 1 << 64:
            raise FlowError(f"flow {self}: cookie must have at most 64 bits")
        for action in self.actions:
            for name in _packet_fields(action):
                lacking = self.match.missing(FIELDS[name])
                if lacking:
                    raise FlowError(f"flow {self}: {action} needs {lacking} in the match")

    @property
    def identity(self) -> tuple[int, int, Match]:
        """What tells flows apart within a switch: (table, priority, match)."""
        return (self.table, self.priority, self.match)

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
        return (
            f"{cookie}table={self.table}, priority={self.priority}{comma}{self.match} "
            f"actions={format_actions(self.actions)}"
        )


@frozen
class Bucket:
    """One bucket of an "all" group; its identity is (group, bucket).

    Raises:
        FlowError: a number over 32 bits, or actions that a switch would not do in this order: an
            action set has at most one `dec_ttl`, then what sets fields, then one action at most of
            those that pass the packet on. Names the bucket.
    """

    group: int
    bucket: int
    actions: tuple[Action, ...]

    def __attrs_post_init__(self) -> None:
        if not (0 <= self.group <= WORD_MAX and 0 <= self.bucket <= WORD_MAX):
            raise FlowError(f"bucket {self}: group and bucket must be in 0..{WORD_MAX:#x}")
        ranks = [_set_rank(action) for action in self.actions]
        if ranks != sorted(ranks) or ranks.count(0) > 1 or ranks.count(2) > 1:
            raise FlowError(
                f"bucket {self}: the actions of a bucket are a set: dec_ttl once, then set_field "
                "and move, then one of output, group and resubmit; resubmit to a table does more"
            )

    @property
    def identity(self) -> tuple[int, int]:
        """What tells buckets apart within a switch: (group, bucket)."""
        return (self.group, self.bucket)

    def __str__(self) -> str:
        actions = format_actions(self.actions)
        return f"group_id={self.group},type=all,bucket=bucket_id:{self.bucket},actions={actions}"


def _as_tuple(entries: Sequence[Flow | Bucket]) -> tuple[Flow | Bucket, ...]:
    return tuple(entries)


@frozen
class FlowUpdate:
    """A bundle: everything in `remove` goes, then everything in `add` comes, all or nothing."""

    remove: tuple[Flow | Bucket, ...] = field(default=(), converter=_as_tuple)
    add: tuple[Flow | Bucket, ...] = field(default=(), converter=_as_tuple)

    def __bool__(self) -> bool:
        return bool(self.remove or self.add)


def format_actions(actions: tuple[Action, ...]) -> str:
    """Actions as `ovs-ofctl` writes them."""
    return ",".join(map(str, actions)) or "drop"


def _set_rank(action: Action) -> int:
    """When an action set does the action, whatever the order in which it was written."""
    if isinstance(action, DecTtl):
        return 0
    return 1 if isinstance(action, SetField | Move) else 2


def _packet_fields(action: Action) -> tuple[str, ...]:
    match action:
        case SetField(field=name):
            # Setting vlan_vid needs a tag to set it in.
            return ("vlan_pcp",) if name == "vlan_vid" else (name,)
        case Move(source=source, destination=destination):
            return (source, destination)
        case DecTtl():
            return ("ip_ttl",)
        case _:
            return ()


def _known(name: str) -> Field:
    if name not in FIELDS:
        raise FlowError(f"no field is named {name!r}; there are {', '.join(FIELDS)}")
    return FIELDS[name]


def _writable(name: str) -> Field:
    known = _known(name)
    if not known.writable:
        raise FlowError(f"{name} is read-only: no action may set it")
    return known
