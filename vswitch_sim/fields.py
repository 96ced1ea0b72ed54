"""The fields a flow can match and set, and the flow key that holds all of them.

A *flow key* is one Python integer: every field of a packet side by side, each at its own fixed
`shift`. A match is then two integers, and asking whether it covers a packet is
`key & mask == value`: one machine loop over some twenty words, whatever the number of fields.

Fields of a header the packet lacks are zero in its key, as in Open vSwitch: `tcp_dst=0` hits a
later fragment, whose `ip_proto` promises a TCP header that is not there. What an action may write
is another matter: every header layer has a *presence bit* in the key beside the fields. That of a
VLAN tag is OpenFlow's own, OFPVID_PRESENT (0x1000) in `vlan_vid`.

Names, widths and prerequisites are those of OpenFlow 1.3 (section 7.2.3.7, OXM), with Open
vSwitch's `reg0` to `reg15`, `tun_id` and `ip_ttl` (its `nw_ttl`) besides.

Invariants: shifts do not overlap; `FIELDS` lists the fields in the order in which they print.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from attrs import frozen

OFPVID_PRESENT = 0x1000

# Layers with a presence bit of their own, in key order.
_LAYERS = ("arp", "ipv4", "tcp", "udp", "icmpv4")

Prerequisite = tuple[str, int, int]


@frozen
class Field:
    """One field of the flow key.

    Attributes:
        name: the OXM name, such as `eth_dst`.
        width: in bits.
        shift: where the field begins in the flow key, in bits from its low end.
        layer: the header it belongs to (`arp`, `ipv4`, `tcp`, `udp`, `icmpv4`, `vlan`), or ""
            for what every packet has.
        prerequisites: (field, value, mask) triples a match must contain to name this field.
        writable: whether an action may set it.
        match_name: how `ovs-ofctl dump-flows` names it in a match.
        action_name: how it names it in an action.
        form: how values print: `number`, `hex`, `mac` or `ip`.
    """

    name: str
    width: int
    shift: int
    layer: str
    prerequisites: tuple[Prerequisite, ...]
    writable: bool
    match_name: str
    action_name: str
    form: str

    @property
    def maximum(self) -> int:
        """The largest value, which is also the mask of an exact match."""
        return (1 << self.width) - 1

    @property
    def key_mask(self) -> int:
        """The field's bits in the flow key."""
        return self.maximum << self.shift

    @property
    def presence(self) -> int:
        """The key bit that says a packet has this field; 0 where every packet has it."""
        return PRESENCE.get(self.layer, 0)

    def of(self, key: int) -> int:
        """The field's value in a flow key; 0 if the packet lacks the field."""
        return (key >> self.shift) & self.maximum

    def format(self, value: int) -> str:
        """The value as `ovs-ofctl` prints it."""
        match self.form:
            case "mac":
                return ":".join(f"{octet:02x}" for octet in value.to_bytes(6, "big"))
            case "ip":
                return ".".join(str(octet) for octet in value.to_bytes(4, "big"))
            case "hex":
                return f"{value:#x}"
            case _:
                return str(value)


_ARP = (("eth_type", 0x0806, 0xFFFF),)
_IP = (("eth_type", 0x0800, 0xFFFF),)
_TCP = (*_IP, ("ip_proto", 6, 0xFF))
_UDP = (*_IP, ("ip_proto", 17, 0xFF))
_ICMP = (*_IP, ("ip_proto", 1, 0xFF))
_VLAN = (("vlan_vid", OFPVID_PRESENT, OFPVID_PRESENT),)
_NEEDS = {"arp": _ARP, "ipv4": _IP, "tcp": _TCP, "udp": _UDP, "icmpv4": _ICMP, "vlan": _VLAN}

# name, width, layer, writable, name in a match, name in an action, form
_ROWS: tuple[tuple[str, int, str, bool, str, str, str], ...] = (
    *((f"reg{n}", 32, "", True, f"reg{n}", f"reg{n}", "hex") for n in range(16)),
    ("metadata", 64, "", True, "metadata", "metadata", "hex"),
    ("tun_id", 64, "", True, "tun_id", "tun_id", "hex"),
    ("in_port", 32, "", True, "in_port", "in_port", "number"),
    ("vlan_vid", 13, "", True, "vlan_vid", "vlan_vid", "hex"),
    ("vlan_pcp", 3, "vlan", True, "vlan_pcp", "vlan_pcp", "number"),
    ("eth_src", 48, "", True, "dl_src", "eth_src", "mac"),
    ("eth_dst", 48, "", True, "dl_dst", "eth_dst", "mac"),
    ("eth_type", 16, "", False, "dl_type", "eth_type", "hex"),
    ("arp_spa", 32, "arp", True, "arp_spa", "arp_spa", "ip"),
    ("arp_tpa", 32, "arp", True, "arp_tpa", "arp_tpa", "ip"),
    ("arp_op", 16, "arp", True, "arp_op", "arp_op", "number"),
    ("arp_sha", 48, "arp", True, "arp_sha", "arp_sha", "mac"),
    ("arp_tha", 48, "arp", True, "arp_tha", "arp_tha", "mac"),
    ("ipv4_src", 32, "ipv4", True, "nw_src", "ip_src", "ip"),
    ("ipv4_dst", 32, "ipv4", True, "nw_dst", "ip_dst", "ip"),
    ("ip_proto", 8, "ipv4", False, "nw_proto", "nw_proto", "number"),
    ("ip_dscp", 6, "ipv4", True, "ip_dscp", "ip_dscp", "number"),
    ("ip_ecn", 2, "ipv4", True, "nw_ecn", "nw_ecn", "number"),
    ("ip_ttl", 8, "ipv4", True, "nw_ttl", "nw_ttl", "number"),
    ("tcp_src", 16, "tcp", True, "tp_src", "tcp_src", "number"),
    ("tcp_dst", 16, "tcp", True, "tp_dst", "tcp_dst", "number"),
    ("tcp_flags", 12, "tcp", False, "tcp_flags", "tcp_flags", "hex"),
    ("udp_src", 16, "udp", True, "tp_src", "udp_src", "number"),
    ("udp_dst", 16, "udp", True, "tp_dst", "udp_dst", "number"),
    ("icmpv4_type", 8, "icmpv4", True, "icmp_type", "icmp_type", "number"),
    ("icmpv4_code", 8, "icmpv4", True, "icmp_code", "icmp_code", "number"),
)


def _lay_out() -> tuple[dict[str, Field], dict[str, int]]:
    fields: dict[str, Field] = {}
    shift = 0
    for name, width, layer, writable, match_name, action_name, form in _ROWS:
        needs = _NEEDS.get(layer, ())
        fields[name] = Field(
            name, width, shift, layer, needs, writable, match_name, action_name, form
        )
        shift += width
    presence = {layer: 1 << (shift + place) for place, layer in enumerate(_LAYERS)}
    presence["vlan"] = OFPVID_PRESENT << fields["vlan_vid"].shift
    return fields, presence


_FIELDS, PRESENCE = _lay_out()

FIELDS: Mapping[str, Field] = MappingProxyType(_FIELDS)

REGISTERS: tuple[Field, ...] = (
    *(FIELDS[f"reg{n}"] for n in range(16)),
    FIELDS["metadata"],
    FIELDS["tun_id"],
)

# What lives in the frame's bytes; the other fields live only in the key.
PACKET_FIELDS: tuple[Field, ...] = tuple(
    field for field in FIELDS.values() if field not in REGISTERS and field.name != "in_port"
)


def key_mask(fields: Iterable[Field]) -> int:
    """The bits of all the given fields together."""
    mask = 0
    for field in fields:
        mask |= field.key_mask
    return mask


PACKET_MASK = key_mask(PACKET_FIELDS)


def format_key(key: int) -> str:
    """A flow key as text: its non-zero fields and the header fields that are present."""
    shown = []
    for field in FIELDS.values():
        value = field.of(key)
        present = bool(field.presence & key)
        if value or present or field.name in ("in_port", "eth_src", "eth_dst", "eth_type"):
            shown.append(f"{field.action_name}={field.format(value)}")
    return ",".join(shown)
