"""The symbols of match expressions: fields and predicates, as ovn-sb(5) has them.

A field says which bits of which OpenFlow field (OXM name, OpenFlow 1.3.5 section 7.2.3.7) it is,
what can be asked of it, and what a packet must be for it to exist. A predicate is short for an
expression.

What can be asked follows from what Open vSwitch can mask (ovs-fields(7)):

    ordinal   any bits can be masked: all relations, masks and ranges
    nominal   the value as a whole or not at all: `==`; other relations only by naming each value
    text      a port name: `==`

Apart from OVN: this version knows the header fields of IPv4 and ARP; of IPv6 only the Ethernet
type. `ip.proto`, `tcp` and the like therefore mean IPv4.
"""

from attrs import frozen

ORDINAL, NOMINAL, TEXT = "ordinal", "nominal", "text"


@frozen
class Field:
    """A field of match expressions: `width` bits of the OpenFlow field `oxm`, from bit `offset`."""

    oxm: str
    width: int
    level: str = ORDINAL
    requires: str = ""
    offset: int = 0


FIELDS = {
    "inport": Field("inport", 0, TEXT),
    "outport": Field("outport", 0, TEXT),
    "eth.src": Field("eth_src", 48),
    "eth.dst": Field("eth_dst", 48),
    "eth.mcast": Field("eth_dst", 1, offset=40),
    "eth.type": Field("eth_type", 16, NOMINAL),
    "vlan.present": Field("vlan_vid", 1, offset=12),
    "vlan.vid": Field("vlan_vid", 12, requires="vlan.present"),
    "ip.proto": Field("ip_proto", 8, NOMINAL, "ip4"),
    "ip.dscp": Field("ip_dscp", 6, NOMINAL, "ip4"),
    "ip.ttl": Field("ip_ttl", 8, NOMINAL, "ip4"),
    "ip4.src": Field("ipv4_src", 32, requires="ip4"),
    "ip4.dst": Field("ipv4_dst", 32, requires="ip4"),
    "tcp.src": Field("tcp_src", 16, requires="tcp"),
    "tcp.dst": Field("tcp_dst", 16, requires="tcp"),
    "udp.src": Field("udp_src", 16, requires="udp"),
    "udp.dst": Field("udp_dst", 16, requires="udp"),
    "icmp4.type": Field("icmpv4_type", 8, NOMINAL, "icmp4"),
    "icmp4.code": Field("icmpv4_code", 8, NOMINAL, "icmp4"),
    "arp.op": Field("arp_op", 16, NOMINAL, "arp"),
    "arp.spa": Field("arp_spa", 32, requires="arp"),
    "arp.tpa": Field("arp_tpa", 32, requires="arp"),
    "arp.sha": Field("arp_sha", 48, requires="arp"),
    "arp.tha": Field("arp_tha", 48, requires="arp"),
}

PREDICATES = {
    "eth.bcast": "eth.dst == ff:ff:ff:ff:ff:ff",
    "ip": "ip4 || ip6",
    "ip4": "eth.type == 0x800",
    "ip6": "eth.type == 0x86dd",
    "arp": "eth.type == 0x806",
    "tcp": "ip4 && ip.proto == 6",
    "udp": "ip4 && ip.proto == 17",
    "icmp4": "ip4 && ip.proto == 1",
    "ip4.mcast": "ip4 && ip4.dst == 224.0.0.0/4",
}
"""Each names what its fields require, so that `!` gives the complement."""

OXM_WIDTHS = {
    field.oxm: 13 if field.oxm == "vlan_vid" else field.width
    for field in FIELDS.values()
    if field.width > 1
}
"""The OpenFlow fields in use and their bits, in the order in which terms list them."""

WRITTEN_OUT_WIDTH_MAX = 8
"""Nominal fields of so few bits can be told from a value by naming all others."""
