"""Actions: what a flow or a bucket does to a packet.

All are immutable values that check themselves when made. Their text is what `ovs-ofctl` prints.
What connection tracking and learning take besides stands in `connection` and `learn`.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Union

from attrs import field, frozen

from vswitch_sim.errors import FlowError
from vswitch_sim.fields import FIELDS, OFPVID_PRESENT, Field, known_field
from vswitch_sim.subfield import Subfield, as_subfield
from vswitch_sim.values import format_value

if TYPE_CHECKING:
    from vswitch_sim.connection import Ct
    from vswitch_sim.learn import Learn

TABLE_MAX = 254
WORD_MAX = 0xFFFFFFFF
CLAUSES_MAX = 64
# OFPP_MAX: the numbers above are reserved.
PORT_MAX = 0xFFFFFF00
# OFPP_IN_PORT: output to the port the packet came from, which a plain output never does.
IN_PORT = 0xFFFFFFF8
# OFPP_FLOOD and OFPP_ALL: every port but the one the packet came from.
FLOOD = 0xFFFFFFFB
ALL = 0xFFFFFFFC
_PORT_NAMES = {IN_PORT: "IN_PORT", FLOOD: "FLOOD", ALL: "ALL"}


@frozen
class SetField:
    """Set a field, or the bits of it that `mask` has; one the packet lacks stays lacking.

    `SetField.part("reg0[0..15]", 7)` sets part of a field.

    Raises:
        FlowError: an unknown or read-only field, a value too wide, or bits outside the mask.
    """

    field: str
    value: int
    mask: int = -1

    def __attrs_post_init__(self) -> None:
        known = _writable(self.field)
        if not 0 <= self.value <= known.maximum or not -1 <= self.mask <= known.maximum:
            raise FlowError(f"{known.name} has {known.width} bits: {self.value:#x} does not fit")
        if self.value & ~self.bits:
            raise FlowError(f"{known.name}={self.value:#x}/{self.mask:#x}: bits outside the mask")
        if known.name == "vlan_vid" and self.is_whole and not self.value & OFPVID_PRESENT:
            raise FlowError(f"vlan_vid={self.value:#x}: the value must contain 0x1000")

    @classmethod
    def part(cls, destination: "str | Subfield", value: int) -> "SetField":
        """Set part of a field; raises FlowError as the class does."""
        part = Subfield.of(destination)
        if not 0 <= value < 1 << part.n_bits:
            raise FlowError(f"{part} has {part.n_bits} bits: {value:#x} does not fit")
        mask = -1 if part.is_whole else part.key_mask >> part.field.shift
        return cls(part.name, value << part.low, mask)

    @property
    def bits(self) -> int:
        """The bits of the field that are set."""
        return FIELDS[self.field].maximum if self.mask == -1 else self.mask

    @property
    def is_whole(self) -> bool:
        """Whether all of the field is set."""
        return self.bits == FIELDS[self.field].maximum

    def __str__(self) -> str:
        known = FIELDS[self.field]
        value, mask = format_value(known, self.value), format_value(known, self.bits)
        # Open vSwitch writes these unlike it does in a match.
        if known.form == "number":
            mask = f"{self.bits:#x}"
        elif known.form == "label":
            value, mask = f"{self.value:#x}", f"{self.bits:#x}"
        elif known.name == "vlan_vid" and self.is_whole:
            value = str(self.value)
        text = value if self.is_whole else f"{value}/{mask}"
        return f"set_field:{text}->{known.action_name}"


def _fitting(destination: "str | Subfield", action: "Move") -> Subfield:
    part, source = Subfield.of(destination), action.source
    if isinstance(destination, str) and "[" not in destination and source.n_bits < part.n_bits:
        part = Subfield(part.name, n_bits=source.n_bits)
    return part


@frozen
class Move:
    """Copy a field, or part of one, into another (NXAST_REG_MOVE).

    `Move("reg0[0..15]", "reg1[16..31]")`; a whole field moves into the low bits of one that is
    wider. Nothing happens if the packet lacks either.

    Raises:
        FlowError: an unknown field, a read-only destination, or parts of different sizes.
    """

    source: Subfield = field(converter=as_subfield)
    given: "str | Subfield" = field(alias="destination", eq=False, repr=False)
    destination: Subfield = field(init=False)

    @destination.default
    def _default_destination(self) -> Subfield:
        return _fitting(self.given, self)

    def __attrs_post_init__(self) -> None:
        source, destination = self.source, self.destination
        _writable(destination.name)
        if destination.name == "vlan_vid" and destination.low + destination.n_bits > 12:
            raise FlowError(f"{self} writes more than a VLAN ID: move to vlan_vid[0..11]")
        if source.n_bits > destination.n_bits:
            raise FlowError(
                f"{source.name} has {source.n_bits} bits and does not fit "
                f"{destination.name}, which has {destination.n_bits}"
            )
        if source.n_bits < destination.n_bits:
            raise FlowError(f"{self}: {source.n_bits} bits do not fill {destination.n_bits}")

    def __str__(self) -> str:
        return f"move:{self.source}->{self.destination}"


@frozen
class PushVlan:
    """Add an outermost tag, of VLAN 0 and priority 0."""

    tpid: int = 0x8100

    def __attrs_post_init__(self) -> None:
        if self.tpid not in (0x8100, 0x88A8):
            raise FlowError(f"{self}: the type of a tag is 0x8100 or 0x88a8")

    def __str__(self) -> str:
        return f"push_vlan:{self.tpid:#06x}"


@frozen
class PopVlan:
    """Take the outermost tag away, if there is one."""

    def __str__(self) -> str:
        return "pop_vlan"


@frozen
class CtClear:
    """Be as if connection tracking had not seen the packet."""

    def __str__(self) -> str:
        return "ct_clear"


@frozen
class DecTtl:
    """Take one off `ip_ttl`; a packet whose TTL is 0 or 1 is dropped instead (`ttl_expired`)."""

    def __str__(self) -> str:
        return "dec_ttl"


@frozen
class Output:
    """Send a copy of the packet, as it is now, to a port.

    `IN_PORT` is the way it came, `FLOOD` and `ALL` are all other ports.
    """

    port: int

    def __attrs_post_init__(self) -> None:
        if not 0 < self.port <= WORD_MAX:
            raise FlowError(f"{self}: port must be in 1..{WORD_MAX:#x}")
        if self.port > PORT_MAX and self.port not in _PORT_NAMES:
            raise FlowError(f"{self}: of the reserved ports there are IN_PORT, FLOOD and ALL")

    def __str__(self) -> str:
        return _PORT_NAMES.get(self.port, f"output:{self.port}")


@frozen
class OutputRegister:
    """Send a copy to the port whose number stands in a field, or part of one."""

    source: Subfield = field(converter=as_subfield)

    def __attrs_post_init__(self) -> None:
        if self.source.n_bits > 32:
            raise FlowError(f"{self}: a port number has at most 32 bits")

    def port_of(self, key: int) -> int:
        """The port for a packet; reserved ones have their numbers of 16 bits in OpenFlow 1.0."""
        port = self.source.of_key(key)
        return port | 0xFFFF0000 if self.source.n_bits <= 16 and port >= 0xFF00 else port

    def __str__(self) -> str:
        return f"output:{self.source}"


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
    """Send copies of the packet, each with its registers, to buckets of a group."""

    group: int

    def __attrs_post_init__(self) -> None:
        if not 0 <= self.group <= WORD_MAX:
            raise FlowError(f"{self}: group must be in 0..{WORD_MAX:#x}")

    def __str__(self) -> str:
        return f"group:{self.group}"


@frozen
class Meter:
    """Drop the packet, copies to come included, if it is over a meter's rate."""

    meter: int

    def __attrs_post_init__(self) -> None:
        if not 0 < self.meter <= WORD_MAX:
            raise FlowError(f"{self}: meter must be in 1..{WORD_MAX:#x}")

    def __str__(self) -> str:
        return f"meter:{self.meter}"


@frozen
class Controller:
    """Send a copy to the controller, with a reason for it to read.

    With a `table`, the packet stops here, so that this must be the last action of a list: the
    controller makes a new frame of it, which goes on in that table with the same metadata and
    registers, and `in_port` 0 (see `Switch.resume`).
    """

    reason: str = "action"
    table: int | None = None

    def __attrs_post_init__(self) -> None:
        if self.table is not None and not 0 <= self.table <= TABLE_MAX:
            raise FlowError(f"controller({self.reason}): table must be in 0..{TABLE_MAX}")

    def __str__(self) -> str:
        # Open vSwitch has a closed list of reasons; what is ours goes as data of the user's.
        userdata = f"userdata={self.reason.encode().hex('.')}"
        if self.table is None:
            return f"controller({userdata})"
        return f"set_field:0->in_port,controller({userdata},pause),resubmit(,{self.table})"


def _as_actions(actions: Iterable["Action"]) -> tuple["Action", ...]:
    return tuple(actions)


@frozen
class Clone:
    """Do actions to a copy of the packet."""

    actions: tuple["Action", ...] = field(converter=_as_actions)

    def __str__(self) -> str:
        return f"clone({format_actions(self.actions)})"


@frozen
class Conjunction:
    """The flow is one way to meet a clause of a conjunctive match, and nothing else.

    A packet that meets, by flows of one priority, clauses 1 to `clauses` of the conjunction
    `number`, is looked up again with that number as its `conj_id` (ovs-actions(7)).
    """

    number: int
    clause: int
    clauses: int

    def __attrs_post_init__(self) -> None:
        if not 0 <= self.number <= WORD_MAX:
            raise FlowError(f"{self}: the number must be in 0..{WORD_MAX:#x}")
        if not 2 <= self.clauses <= CLAUSES_MAX:
            raise FlowError(f"{self}: a conjunction has 2..{CLAUSES_MAX} clauses")
        if not 1 <= self.clause <= self.clauses:
            raise FlowError(f"{self}: the clause must be in 1..{self.clauses}")

    def __str__(self) -> str:
        return f"conjunction({self.number},{self.clause}/{self.clauses})"


@frozen
class Note:
    """Nothing; bytes for whoever reads the flow."""

    content: bytes

    def __str__(self) -> str:
        # OVS pads the action to a multiple of 8 bytes, 10 of which are its header.
        n_bytes = 6 + -(-max(0, len(self.content) - 6) // 8) * 8
        return "note:" + self.content.ljust(n_bytes, b"\0").hex(".")


Action = Union[
    SetField,
    Move,
    PushVlan,
    PopVlan,
    CtClear,
    DecTtl,
    Output,
    OutputRegister,
    Resubmit,
    Group,
    Meter,
    Controller,
    Clone,
    Conjunction,
    Note,
    "Ct",
    "Learn",
]


def format_actions(actions: tuple[Action, ...]) -> str:
    """Actions as `ovs-ofctl` writes them."""
    return ",".join(map(str, actions)) or "drop"


def _writable(name: str) -> Field:
    wrong = known_field(name)
    if wrong:
        raise FlowError(wrong)
    known = FIELDS[name]
    if not known.writable:
        raise FlowError(f"{name} is read-only: no action may set it")
    return known
