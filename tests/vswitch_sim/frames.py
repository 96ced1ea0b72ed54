"""Frames over a tiny domain, each as what it says (`Spec`) and as the bytes scapy makes of that.

A `Spec` knows which fields a switch should see, and can be changed and built again: so neither
parsing nor rewriting is judged by code of the switch.
"""

from typing import Any

from attrs import evolve, frozen
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_NOP
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Raw

MACS = (0x0A0000000001, 0x0A0000000002, 0xFFFFFFFFFFFF)
IPS = (0x0A000001, 0x0A000002, 0xC0A80001)
PORTS = (0, 80, 443)
L4 = {"tcp": 6, "udp": 17, "icmp": 1, "other": 89}


def mac_text(value: int) -> str:
    return ":".join(f"{octet:02x}" for octet in value.to_bytes(6, "big"))


def ip_text(value: int) -> str:
    return ".".join(str(octet) for octet in value.to_bytes(4, "big"))


@frozen
class Spec:
    """A frame: its kind, the switch fields it shows, and what else is in it."""

    kind: str  # arp, tcp, udp, icmp, other, raw
    fields: dict[str, int]
    payload: bytes = b""
    n_options: int = 0
    fragment: str = ""  # "", first or later
    udp_checksum: bool = True

    def with_fields(self, changes: dict[str, int]) -> "Spec":
        return evolve(self, fields={**self.fields, **changes})

    def build(self) -> bytes:
        f = self.fields
        ether = Ether(dst=mac_text(f["eth_dst"]), src=mac_text(f["eth_src"]))
        tagged = f["vlan_vid"] != 0
        if tagged:
            ether.type = 0x8100
            ether /= Dot1Q(vlan=f["vlan_vid"] & 0xFFF, prio=f["vlan_pcp"], type=f["eth_type"])
        else:
            ether.type = f["eth_type"]
        if self.kind == "arp":
            inner: Any = ARP(
                op=f["arp_op"],
                hwsrc=mac_text(f["arp_sha"]),
                hwdst=mac_text(f["arp_tha"]),
                psrc=ip_text(f["arp_spa"]),
                pdst=ip_text(f["arp_tpa"]),
            )
        elif self.kind == "raw":
            inner = Raw(self.payload)
        else:
            inner = self._ip()
        return bytes(ether / inner)

    def _ip(self) -> Any:
        f = self.fields
        ip = IP(
            src=ip_text(f["ipv4_src"]),
            dst=ip_text(f["ipv4_dst"]),
            proto=f["ip_proto"],
            tos=f["ip_dscp"] << 2 | f["ip_ecn"],
            ttl=f["ip_ttl"],
            options=[IPOption_NOP()] * (4 * self.n_options),
            flags="MF" if self.fragment == "first" else 0,
            frag=100 if self.fragment == "later" else 0,
        )
        if self.fragment == "later" or self.kind == "other":
            return ip / Raw(self.payload)
        if self.kind == "tcp":
            l4: Any = TCP(sport=f["tcp_src"], dport=f["tcp_dst"], flags=f["tcp_flags"])
        elif self.kind == "udp":
            l4 = UDP(sport=f["udp_src"], dport=f["udp_dst"])
            if not self.udp_checksum:
                l4.chksum = 0
        else:
            l4 = ICMP(type=f["icmpv4_type"], code=f["icmpv4_code"])
        return ip / l4 / Raw(self.payload)


@st.composite
def specs(draw: st.DrawFn) -> Spec:
    kind = draw(st.sampled_from(["arp", "tcp", "tcp", "udp", "icmp", "other", "raw"]))
    macs, ips, ports = st.sampled_from(MACS), st.sampled_from(IPS), st.sampled_from(PORTS)
    vlan = draw(st.sampled_from([0, 0, 0x1000, 0x1005]))
    fields = {"eth_dst": draw(macs), "eth_src": draw(macs), "vlan_vid": vlan}
    if vlan:
        fields["vlan_pcp"] = draw(st.sampled_from([0, 5]))
    payload = draw(st.sampled_from([b"", b"x", b"odd", b"\xff" * 40]))
    if kind == "raw":
        fields["eth_type"] = draw(st.sampled_from([0x88B5, 0x88CC]))
        return Spec(kind, fields, payload)
    if kind == "arp":
        fields["eth_type"] = 0x0806
        fields |= {"arp_op": draw(st.sampled_from([1, 2])), "arp_spa": draw(ips)}
        fields |= {"arp_tpa": draw(ips), "arp_sha": draw(macs), "arp_tha": draw(macs)}
        return Spec(kind, fields)
    fields["eth_type"] = 0x0800
    fields |= {"ipv4_src": draw(ips), "ipv4_dst": draw(ips), "ip_proto": L4[kind]}
    fields |= {"ip_dscp": draw(st.sampled_from([0, 46])), "ip_ecn": draw(st.sampled_from([0, 3]))}
    fields["ip_ttl"] = draw(st.sampled_from([0, 1, 2, 64]))
    fragment = draw(st.sampled_from(["", "", "", "first", "later"]))
    fields["ip_frag"] = {"": 0, "first": 1, "later": 3}[fragment]
    if fragment != "later":
        if kind in ("tcp", "udp"):
            fields |= {f"{kind}_src": draw(ports), f"{kind}_dst": draw(ports)}
        if kind == "tcp":
            fields["tcp_flags"] = draw(st.sampled_from([0x002, 0x010, 0x111]))
        if kind == "icmp":
            fields |= {"icmpv4_type": draw(st.sampled_from([0, 8])), "icmpv4_code": 0}
    return Spec(
        kind, fields, payload, draw(st.integers(0, 2)), fragment, draw(st.sampled_from([True, 0]))
    )
