"""The symbols of match expressions: fields and predicates, as ovn-sb(5) has them.

A field says which bits of which field of the switch (OXM name, OpenFlow 1.3.5 section 7.2.3.7, or
Open vSwitch's) it is, what can be asked of it, and what a packet must be for it to exist. A
predicate is short for an expression.

What can be asked follows from what Open vSwitch can mask (ovs-fields(7)):

    ordinal   any bits can be masked: all relations, masks, ranges and parts
    nominal   the value as a whole or not at all: `==`; other relations only by naming each value
    text      a port name: `==`

Not here are OVN's registers and marks, which are its own business: an access rule has none to ask.
"""

from attrs import frozen

from vswitch_sim import FIELDS as OXM

ORDINAL, NOMINAL, TEXT = "ordinal", "nominal", "text"


@frozen
class Field:
    """A field of match expressions: `width` bits of the OpenFlow field `oxm`, from bit `offset`."""

    oxm: str
    width: int
    level: str = ORDINAL
    requires: str = ""
    offset: int = 0


def _arp(name: str) -> dict[str, Field]:
    return {
        f"{name}.op": Field("arp_op", 16, NOMINAL, name),
        f"{name}.spa": Field("arp_spa", 32, requires=name),
        f"{name}.tpa": Field("arp_tpa", 32, requires=name),
        f"{name}.sha": Field("arp_sha", 48, requires=name),
        f"{name}.tha": Field("arp_tha", 48, requires=name),
    }


def _ports(name: str) -> dict[str, Field]:
    return {f"{name}.{end}": Field(f"{name}_{end}", 16, requires=name) for end in ("src", "dst")}


def _states() -> dict[str, Field]:
    bits = {"new": 0, "est": 1, "rel": 2, "rpl": 3, "inv": 4, "snat": 6, "dnat": 7}
    return {
        "ct.trk": Field("ct_state", 1, offset=5),
        **{
            f"ct.{name}": Field("ct_state", 1, ORDINAL, "ct.trk", bit) for name, bit in bits.items()
        },
    }


FIELDS = {
    "inport": Field("inport", 0, TEXT),
    "outport": Field("outport", 0, TEXT),
    **_states(),
    "eth.src": Field("eth_src", 48),
    "eth.dst": Field("eth_dst", 48),
    "eth.mcast": Field("eth_dst", 1, offset=40),
    "eth.type": Field("eth_type", 16, NOMINAL),
    "vlan.present": Field("vlan_vid", 1, offset=12),
    "vlan.vid": Field("vlan_vid", 12, requires="vlan.present"),
    "vlan.pcp": Field("vlan_pcp", 3, NOMINAL, "vlan.present"),
    "ip.proto": Field("ip_proto", 8, NOMINAL, "ip"),
    "ip.dscp": Field("ip_dscp", 6, NOMINAL, "ip"),
    "ip.ecn": Field("ip_ecn", 2, NOMINAL, "ip"),
    "ip.ttl": Field("ip_ttl", 8, NOMINAL, "ip"),
    "ip.frag": Field("ip_frag", 2, requires="ip"),
    "ip.is_frag": Field("ip_frag", 1, requires="ip"),
    "ip.later_frag": Field("ip_frag", 1, requires="ip", offset=1),
    "ip4.src": Field("ipv4_src", 32, requires="ip4"),
    "ip4.dst": Field("ipv4_dst", 32, requires="ip4"),
    "ip6.src": Field("ipv6_src", 128, requires="ip6"),
    "ip6.dst": Field("ipv6_dst", 128, requires="ip6"),
    "ip6.label": Field("ipv6_label", 20, requires="ip6"),
    **_ports("tcp"),
    "tcp.flags": Field("tcp_flags", 12, requires="tcp"),
    **_ports("udp"),
    **_ports("sctp"),
    "icmp4.type": Field("icmpv4_type", 8, NOMINAL, "icmp4"),
    "icmp4.code": Field("icmpv4_code", 8, NOMINAL, "icmp4"),
    "icmp6.type": Field("icmpv6_type", 8, NOMINAL, "icmp6"),
    "icmp6.code": Field("icmpv6_code", 8, NOMINAL, "icmp6"),
    "nd.target": Field("nd_target", 128, requires="nd"),
    "nd.sll": Field("nd_sll", 48, requires="nd_ns"),
    "nd.tll": Field("nd_tll", 48, requires="nd_na"),
    **_arp("arp"),
    **_arp("rarp"),
}

_ND = "icmp6 && icmp6.code == 0 && ip.ttl == 255 && icmp6.type =="
_MLD = "icmp6 && ip6.src == fe80::/10 && icmp6.type == {130, 131, 132}"

PREDICATES = {
    "eth.bcast": "eth.dst == ff:ff:ff:ff:ff:ff",
    "eth.mcastv6": "eth.dst == 33:33:00:00:00:00/ff:ff:00:00:00:00",
    "ip": "ip4 || ip6",
    "ip4": "eth.type == 0x800",
    "ip6": "eth.type == 0x86dd",
    "arp": "eth.type == 0x806",
    "rarp": "eth.type == 0x8035",
    "ip.first_frag": "ip && ip.is_frag && !ip.later_frag",
    "ip4.src_mcast": "ip4 && ip4.src == 224.0.0.0/4",
    "ip4.mcast": "ip4 && eth.mcast && ip4.dst == 224.0.0.0/4",
    "ip6.mcast": "ip6 && eth.mcastv6 && ip6.dst == ff00::/8",
    "tcp": "ip && ip.proto == 6",
    "udp": "ip && ip.proto == 17",
    "sctp": "ip && ip.proto == 132",
    "igmp": "ip4 && ip.proto == 2",
    "icmp4": "ip4 && ip.proto == 1",
    "icmp6": "ip6 && ip.proto == 58",
    "icmp": "icmp4 || icmp6",
    "nd": f"{_ND} {{135, 136}}",
    "nd_ns": f"{_ND} 135",
    "nd_na": f"{_ND} 136",
    "nd_rs": f"{_ND} 133",
    "nd_ra": f"{_ND} 134",
    "mldv1": _MLD,
    "mldv2": "icmp6 && ip6.dst == ff02::16 && icmp6.type == 143",
}
"""Each names what its fields require, so that `!` gives the complement."""

OXM_WIDTHS = {
    name: OXM[name].width for name in dict.fromkeys(it.oxm for it in FIELDS.values()) if name in OXM
}
"""The OpenFlow fields in use and their bits, in the order in which terms list them."""

WRITTEN_OUT_WIDTH_MAX = 8
"""Nominal fields of so few bits can be told from a value by naming all others."""
