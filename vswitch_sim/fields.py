"""The fields a flow can match and set, and the flow key that holds all of them.

A *flow key* is one Python integer: every field of a packet side by side, each at its own fixed
`shift`. A match is then two integers, and asking whether it covers a packet is
`key & mask == value`: one machine loop over some thirty words, whatever the number of fields.

The low KEY_BITS bits are the datapath's part, laid out by `datapath/core/key.h`. Above them stand
what only the pipeline knows: `metadata` and the registers, with reg0 highest, so that `xreg0` is
reg0 and reg1 read as one number, and `xxreg0` reg0 to reg3, as in Open vSwitch. `conj_id`, highest
of all, is 0 but while a table looks for what a conjunctive match comes to.

As there, a field of a header that the packet lacks is zero, fields that no packet has together
share a place, and a match that names a field must name what tells that the packet has it
(`needs`). `ip_frag` tells fragments, and a later one shows zeros for its ports; OFPVID_PRESENT
(0x1000) in `vlan_vid` tells a tag.

Names, widths and prerequisites are those of OpenFlow 1.5 (section 7.2.3.8, OXM) and ovs-fields(7).

Invariants: `FIELDS` lists the fields in the order in which `ovs-ofctl` prints them.
"""

from collections.abc import Mapping
from types import MappingProxyType

from attrs import frozen

from vswitch_sim.datapath._core import KEY_BYTES, layout

OFPVID_PRESENT = 0x1000
KEY_BITS = KEY_BYTES * 8
N_REGISTERS = 16

# All of (field, value, mask), of which a packet must have each.
Condition = tuple[tuple[str, int, int], ...]


@frozen
class Field:
    """One field of the flow key.

    Attributes:
        name: the OXM name, such as `eth_dst`.
        width: in bits.
        shift: where the field begins in the flow key, in bits from its low end.
        needs: the header it belongs to, a name in `CONDITIONS`; "" for what every packet has.
        writable: "" if no action may set it, "ct" if only within a commit to connection tracking.
        match_name: how `ovs-ofctl dump-flows` names it in a match.
        action_name: how it names it in a set-field action.
        register_name: how it names it in a move, load, or learn.
        form: how values print, a name in `values`.
    """

    name: str
    width: int
    shift: int
    needs: str
    writable: str
    match_name: str
    action_name: str
    register_name: str
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
    def conditions(self) -> tuple[Condition, ...]:
        """Of which a match must promise one, to name this field."""
        return CONDITIONS[self.needs]

    @property
    def in_datapath(self) -> bool:
        """Whether the datapath knows it, or only the pipeline."""
        return self.shift < KEY_BITS

    def of(self, key: int) -> int:
        """The field's value in a flow key; 0 if the packet lacks the field."""
        return (key >> self.shift) & self.maximum

    def put(self, key: int, value: int) -> int:
        """The flow key with this field's value in it."""
        return key & ~self.key_mask | value << self.shift


def _either(*above: tuple[str, int, int]) -> tuple[Condition, ...]:
    return ((("eth_type", 0x0800, 0xFFFF), *above), (("eth_type", 0x86DD, 0xFFFF), *above))


_ICMPV6 = (("eth_type", 0x86DD, 0xFFFF), ("ip_proto", 58, 0xFF))

CONDITIONS: Mapping[str, tuple[Condition, ...]] = {
    "": ((),),
    "vlan": ((("vlan_vid", OFPVID_PRESENT, OFPVID_PRESENT),),),
    "arp": ((("eth_type", 0x0806, 0xFFFF),), (("eth_type", 0x8035, 0xFFFF),)),
    "ip": _either(),
    "ipv4": ((("eth_type", 0x0800, 0xFFFF),),),
    "ipv6": ((("eth_type", 0x86DD, 0xFFFF),),),
    "tcp": _either(("ip_proto", 6, 0xFF)),
    "udp": _either(("ip_proto", 17, 0xFF)),
    "sctp": _either(("ip_proto", 132, 0xFF)),
    "icmpv4": ((("eth_type", 0x0800, 0xFFFF), ("ip_proto", 1, 0xFF)),),
    "icmpv6": (_ICMPV6,),
    "nd": ((*_ICMPV6, ("icmpv6_type", 135, 0xFF)), (*_ICMPV6, ("icmpv6_type", 136, 0xFF))),
    "nd_sll": ((*_ICMPV6, ("icmpv6_type", 135, 0xFF)),),
    "nd_tll": ((*_ICMPV6, ("icmpv6_type", 136, 0xFF)),),
}

# What belongs to the layer above IP, and is lacking in a later fragment.
L4_NEEDS = frozenset({"tcp", "udp", "sctp", "icmpv4", "icmpv6", "nd", "nd_sll", "nd_tll"})

# name, needs, writable, names in a match, in set-field, and in a move ("" stands for `name`), form
_ROWS: tuple[tuple[str, str, str, str, str, str, str], ...] = (
    ("recirc_id", "", "", "", "", "", "hex"),
    ("conj_id", "", "", "", "", "NXM_NX_CONJ_ID", "number"),
    ("ct_state", "", "", "", "", "NXM_NX_CT_STATE", "ct_state"),
    ("ct_zone", "", "", "", "", "NXM_NX_CT_ZONE", "number"),
    ("ct_mark", "", "ct", "", "", "NXM_NX_CT_MARK", "hex"),
    ("ct_label", "", "ct", "", "", "NXM_NX_CT_LABEL", "hex"),
    *((f"reg{n}", "", "yes", "", "", f"NXM_NX_REG{n}", "hex") for n in range(N_REGISTERS)),
    *((f"xreg{n}", "", "yes", "", "", f"OXM_OF_PKT_REG{n}", "hex") for n in range(8)),
    *((f"xxreg{n}", "", "yes", "", "", f"NXM_NX_XXREG{n}", "hex") for n in range(4)),
    ("tun_id", "", "yes", "", "", "NXM_NX_TUN_ID", "hex"),
    ("metadata", "", "yes", "", "", "OXM_OF_METADATA", "hex"),
    ("in_port", "", "yes", "", "", "OXM_OF_IN_PORT", "number"),
    ("vlan_vid", "", "yes", "", "", "OXM_OF_VLAN_VID", "hex"),
    ("vlan_pcp", "vlan", "yes", "", "", "OXM_OF_VLAN_PCP", "number"),
    ("eth_src", "", "yes", "dl_src", "", "NXM_OF_ETH_SRC", "mac"),
    ("eth_dst", "", "yes", "dl_dst", "", "NXM_OF_ETH_DST", "mac"),
    ("eth_type", "", "", "dl_type", "", "NXM_OF_ETH_TYPE", "eth_type"),
    ("ipv4_src", "ipv4", "yes", "nw_src", "ip_src", "NXM_OF_IP_SRC", "ip"),
    ("ipv4_dst", "ipv4", "yes", "nw_dst", "ip_dst", "NXM_OF_IP_DST", "ip"),
    ("ipv6_src", "ipv6", "yes", "", "", "NXM_NX_IPV6_SRC", "ipv6"),
    ("ipv6_dst", "ipv6", "yes", "", "", "NXM_NX_IPV6_DST", "ipv6"),
    ("ipv6_label", "ipv6", "yes", "", "", "NXM_NX_IPV6_LABEL", "label"),
    ("arp_spa", "arp", "yes", "", "", "NXM_OF_ARP_SPA", "ip"),
    ("arp_tpa", "arp", "yes", "", "", "NXM_OF_ARP_TPA", "ip"),
    ("ip_proto", "ip", "", "nw_proto", "nw_proto", "NXM_OF_IP_PROTO", "number"),
    ("arp_op", "arp", "yes", "", "", "NXM_OF_ARP_OP", "number"),
    ("arp_sha", "arp", "yes", "", "", "NXM_NX_ARP_SHA", "mac"),
    ("arp_tha", "arp", "yes", "", "", "NXM_NX_ARP_THA", "mac"),
    ("ip_dscp", "ip", "yes", "nw_tos", "", "OXM_OF_IP_DSCP", "number"),
    ("ip_ecn", "ip", "yes", "nw_ecn", "nw_ecn", "NXM_NX_IP_ECN", "number"),
    ("ip_ttl", "ip", "yes", "nw_ttl", "nw_ttl", "NXM_NX_IP_TTL", "number"),
    ("ip_frag", "ip", "", "nw_frag", "ip_frag", "NXM_NX_IP_FRAG", "frag"),
    ("tcp_src", "tcp", "yes", "tp_src", "", "NXM_OF_TCP_SRC", "number"),
    ("tcp_dst", "tcp", "yes", "tp_dst", "", "NXM_OF_TCP_DST", "number"),
    ("udp_src", "udp", "yes", "tp_src", "", "NXM_OF_UDP_SRC", "number"),
    ("udp_dst", "udp", "yes", "tp_dst", "", "NXM_OF_UDP_DST", "number"),
    ("sctp_src", "sctp", "", "tp_src", "", "OXM_OF_SCTP_SRC", "number"),
    ("sctp_dst", "sctp", "", "tp_dst", "", "OXM_OF_SCTP_DST", "number"),
    ("icmpv4_type", "icmpv4", "yes", "icmp_type", "icmp_type", "NXM_OF_ICMP_TYPE", "number"),
    ("icmpv4_code", "icmpv4", "yes", "icmp_code", "icmp_code", "NXM_OF_ICMP_CODE", "number"),
    ("icmpv6_type", "icmpv6", "yes", "icmp_type", "", "NXM_NX_ICMPV6_TYPE", "number"),
    ("icmpv6_code", "icmpv6", "yes", "icmp_code", "", "NXM_NX_ICMPV6_CODE", "number"),
    ("nd_target", "nd", "yes", "", "", "NXM_NX_ND_TARGET", "ipv6"),
    ("nd_sll", "nd_sll", "yes", "", "", "NXM_NX_ND_SLL", "mac"),
    ("nd_tll", "nd_tll", "yes", "", "", "NXM_NX_ND_TLL", "mac"),
    ("tcp_flags", "tcp", "", "", "", "NXM_NX_TCP_FLAGS", "tcp_flags"),
)

# Fields narrower than their places.
_WIDTHS = {
    **dict.fromkeys(("icmpv4_type", "icmpv4_code", "icmpv6_type", "icmpv6_code"), 8),
    "ip_frag": 2,
}


def _places() -> dict[str, tuple[int, int]]:
    places = dict(layout())
    for count, bits, name in ((16, 32, "reg"), (8, 64, "xreg"), (4, 128, "xxreg")):
        places |= {f"{name}{n}": (KEY_BITS + bits * (count - 1 - n), bits) for n in range(count)}
    places["metadata"] = (KEY_BITS + 32 * N_REGISTERS, 64)
    places["conj_id"] = (KEY_BITS + 32 * N_REGISTERS + 64, 32)
    return places


def _lay_out() -> dict[str, Field]:
    places = _places()
    fields = {}
    for name, needs, writable, match_name, action_name, register_name, form in _ROWS:
        shift, width = places[name]
        names = (match_name or name, action_name or name, register_name or name)
        width = _WIDTHS.get(name, width)
        fields[name] = Field(name, width, shift, needs, writable, *names, form)
    return fields


_FIELDS = _lay_out()

FIELDS: Mapping[str, Field] = MappingProxyType(_FIELDS)

REGISTERS: tuple[Field, ...] = (
    *(FIELDS[f"reg{n}"] for n in range(N_REGISTERS)),
    FIELDS["metadata"],
    FIELDS["tun_id"],
)

# Those that overlap no other field of every packet: what a key is told in.
PLAIN_FIELDS: tuple[Field, ...] = tuple(
    field for field in FIELDS.values() if not field.name.startswith("x")
)

DATAPATH_MASK = (1 << KEY_BITS) - 1
PIPELINE_MASK = ((1 << (32 * N_REGISTERS + 64 + 32)) - 1) << KEY_BITS
CONNTRACK_MASK = sum(
    FIELDS[name].key_mask for name in ("ct_state", "ct_zone", "ct_mark", "ct_label")
)
# The outermost tag (VID, presence, PCP) and the one behind it, which lies `TAG_BITS` above.
TAG_BITS = 16
TAG_SHIFT = FIELDS["vlan_vid"].shift
TAG_MASK = FIELDS["vlan_vid"].key_mask | FIELDS["vlan_pcp"].key_mask
INNER_TAG_MASK = TAG_MASK << TAG_BITS


def known_field(name: str) -> str:
    """The name, if a field has it; what is wrong with it otherwise.

    Returns:
        "" if there is such a field, or the text of the error.
    """
    return "" if name in FIELDS else f"no field is named {name!r}; there are {', '.join(FIELDS)}"


def has_layer(key: int, needs: str) -> tuple[bool, int]:
    """Whether the packet of a flow key has a header, and the bits of the key that say so."""
    read = 0
    for condition in CONDITIONS[needs]:
        for name, value, mask in condition:
            field = FIELDS[name]
            read |= mask << field.shift
            if (key >> field.shift) & mask != value:
                break
        else:
            if needs not in L4_NEEDS:
                return True, read
            later = 2 << FIELDS["ip_frag"].shift
            return not key & later, read | later
    return False, read


_PRESENT = OFPVID_PRESENT << TAG_SHIFT
_L4_MASK = sum(FIELDS[name].key_mask for name in ("tcp_src", "tcp_dst", "tcp_flags"))
_L4_MASK |= FIELDS["nd_target"].key_mask
_ETHERNET = ("eth_dst", "eth_src", "eth_type", "recirc_id", "in_port", "tun_id")
_BELOW_IP = sum(FIELDS[name].key_mask for name in _ETHERNET)
_BELOW_IP |= CONNTRACK_MASK | TAG_MASK | INNER_TAG_MASK


def widened(key: int, mask: int) -> int:
    """A mask without bits that others of it tell already.

    Fields of headers that a packet lacks are zero. So of a tag that is not there only its absence
    need count; nothing above IP in a later fragment; nothing above Ethernet in what is neither IP
    nor ARP. The mask must have `eth_type`, and `ip_frag` for IP.
    """
    for shift in (0, TAG_BITS):
        if mask & TAG_MASK << shift and not key & _PRESENT << shift:
            mask = mask & ~(TAG_MASK << shift) | _PRESENT << shift
    if has_layer(key, "ip")[0]:
        return mask & ~_L4_MASK if FIELDS["ip_frag"].of(key) & 2 else mask
    return mask if has_layer(key, "arp")[0] else mask & _BELOW_IP
