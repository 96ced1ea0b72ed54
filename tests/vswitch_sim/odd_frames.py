"""Frames of every kind that the datapath reads, and what becomes of them when they are damaged.

`KINDS` are built by scapy; `damaged` cuts, flips, pads and doubles bytes where the headers are.
"""

from random import Random

from scapy.layers.inet import ICMP, IP, TCP, UDP, IPerror, IPOption_NOP, TCPerror
from scapy.layers.inet6 import (
    ICMPv6EchoRequest,
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6NDOptDstLLAddr,
    ICMPv6NDOptSrcLLAddr,
    ICMPv6TimeExceeded,
    IPerror6,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
    UDPerror,
)
from scapy.layers.ipsec import AH
from scapy.layers.l2 import ARP, LLC, SNAP, Dot1AD, Dot1Q, Dot3, Ether
from scapy.layers.sctp import SCTP
from scapy.packet import Raw

ETHER = {"dst": "0a:00:00:00:00:01", "src": "0a:00:00:00:00:02"}
V4 = {"src": "10.0.0.1", "dst": "10.0.0.2"}
V6 = {"src": "fd00::1", "dst": "fd00::2", "fl": 0xABCDE, "tc": 0xB9, "hlim": 63}
SLL = ICMPv6NDOptSrcLLAddr(lladdr="0a:00:00:00:00:03")
TLL = ICMPv6NDOptDstLLAddr(lladdr="0a:00:00:00:00:04")


def _ether(payload, **fields) -> bytes:
    return bytes(Ether(**ETHER, **fields) / payload)


KINDS: list[bytes] = [
    _ether(ARP(psrc="10.0.0.1", pdst="10.0.0.2", hwsrc=ETHER["src"])),
    _ether(ARP(op=3, psrc="10.0.0.1", pdst="10.0.0.2", hwsrc=ETHER["src"]), type=0x8035),
    _ether(Raw(b"\0" * 46), type=0x88CC),
    bytes(Dot3(**ETHER) / LLC() / Raw(b"stp")),
    bytes(Dot3(**ETHER) / LLC() / SNAP(code=0x0800) / IP(**V4) / UDP(sport=1, dport=2)),
    _ether(IP(**V4, tos=0xB9, ttl=9) / TCP(sport=5, dport=80, flags=0x1FF) / b"odd"),
    _ether(IP(**V4, options=[IPOption_NOP()] * 8) / TCP(options=[("MSS", 1460)])),
    _ether(IP(**V4) / UDP(sport=5, dport=53) / b"data" / Raw(b"\1" * 30)),
    _ether(IP(**V4) / UDP(sport=5, dport=53, chksum=0) / b"data"),
    _ether(IP(**V4) / SCTP(sport=5, dport=53) / b"data"),
    _ether(IP(**V4, proto=132) / Raw(b"\0\5\0\6cut")),
    _ether(IPv6(**V6) / SCTP(sport=5, dport=53) / b"data"),
    _ether(IP(**V4) / ICMP(id=7) / b"ping"),
    _ether(IP(**V4) / ICMP(type=0, id=0, seq=0)),
    _ether(IP(**V4) / ICMP(type=3, code=1) / IPerror(**V4) / TCPerror(sport=5, dport=80)),
    _ether(IP(**V4, flags="MF") / UDP(sport=5, dport=53) / Raw(b"x" * 16)),
    _ether(IP(**V4, frag=100, proto=17) / Raw(b"y" * 24)),
    _ether(IP(**V4, proto=89) / Raw(b"ospf")),
    _ether(Dot1Q(vlan=5, prio=3) / IP(**V4) / TCP()),
    _ether(Dot1AD(vlan=7, prio=1) / Dot1Q(vlan=9, prio=6) / IP(**V4) / UDP()),
    _ether(Dot1Q(vlan=1) / Dot1Q(vlan=2) / Dot1Q(vlan=3) / IP(**V4) / UDP()),
    _ether(IPv6(**V6) / TCP(sport=5, dport=80, flags="S", options=[("WScale", 7)]) / b"odd"),
    _ether(IPv6(**V6) / UDP(sport=5, dport=53) / b"data"),
    _ether(IPv6(**V6) / ICMPv6EchoRequest(id=7, data=b"ping")),
    _ether(IPv6(**V6) / ICMPv6ND_NS(tgt="fd00::9") / SLL),
    _ether(IPv6(**V6) / ICMPv6ND_NA(tgt="fd00::9") / TLL / SLL),
    _ether(IPv6(**V6) / ICMPv6ND_NS(tgt="fd00::9") / SLL / SLL),
    _ether(IPv6(**V6) / ICMPv6TimeExceeded() / IPerror6(**V6) / UDPerror(sport=5, dport=53)),
    _ether(IPv6(**V6) / IPv6ExtHdrHopByHop() / IPv6ExtHdrDestOpt() / UDP(sport=5, dport=53)),
    _ether(IPv6(**V6) / IPv6ExtHdrRouting(addresses=["fd00::7"]) / UDP(sport=5) / b"routed"),
    _ether(IPv6(**V6) / IPv6ExtHdrRouting(addresses=["fd00::7"], segleft=0) / TCP()),
    _ether(IPv6(**V6, nh=51) / AH(icv=b"\0" * 12, nh=6) / TCP(sport=5, dport=80)),
    _ether(IPv6(**V6) / IPv6ExtHdrFragment(m=1, id=77) / UDP(sport=5, dport=53) / Raw(b"x" * 16)),
    _ether(IPv6(**V6) / IPv6ExtHdrFragment(offset=3, id=77, nh=17) / Raw(b"y" * 24)),
    _ether(IPv6(**V6, nh=1) / ICMP() / b"four in six"),
    _ether(IP(**V4, proto=58) / Raw(b"\x80\0" + b"z" * 20)),
    _ether(IP(**V4) / TCP() / b"padded") + b"\0" * 30,
]


def damaged(random: Random) -> bytes:
    """A frame of any kind, more often than not damaged."""
    frame = bytearray(random.choice(KINDS))
    for _ in range(random.choice((0, 0, 1, 1, 2, 3))):
        place = random.randrange(min(len(frame), 100)) if frame else 0
        match random.randrange(6):
            case 0:
                del frame[random.randrange(len(frame) + 1) :]
            case 1 if frame:
                frame[place] = random.randrange(256)
            case 2 if frame:
                frame[place] ^= 1 << random.randrange(8)
            case 3:
                frame += bytes(random.choice((0, 0xFF)) for _ in range(random.randrange(40)))
            case 4:
                frame[place:place] = frame[place : place + random.choice((1, 2, 4, 8))]
            case 5 if frame:
                frame[place] = random.choice((0, 1, 2, 6, 17, 132, 43, 44, 51, 58, 60, 0x45, 0xFF))
    return bytes(frame)
