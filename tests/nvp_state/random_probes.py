"""Random frames to try a random network with, of every kind that treats itself differently.

    for port, frame in probes(random, document, 40): …      # of each of `kinds(document)`
    answer(packet)      # the frame with which a VM would answer what it got, or None

Half of what is drawn is honest; who sends, and to whom, is anybody in the network, disabled or
not. Frames are made by scapy. A kind is a function of a `Cast`; its name says what it is.
"""

from collections.abc import Callable, Iterator, Mapping
from ipaddress import IPv6Address
from itertools import chain, cycle, islice
from random import Random
from typing import Any

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import (
    ICMPv6EchoReply,
    ICMPv6EchoRequest,
    ICMPv6ND_NS,
    ICMPv6ND_RS,
    ICMPv6NDOptSrcLLAddr,
    IPv6,
)
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Packet as Layer
from scapy.packet import Raw

from tests.nvp_state.random_networks import Document
from tests.ovn_packets import Packet

EVERYBODY = "ff:ff:ff:ff:ff:ff"
STRANGER = "0a:00:00:00:00:99"
NOBODY4, NOBODY6 = "10.0.0.99", "fd00::99"
SERVICES = [22, 53, 80, 1000]
TTLS = [64, 64, 2, 1, 0]

Probe = tuple[str, bytes]
Kind = Callable[["Cast"], Probe]


class Cast:
    """Who plays: the ports of a network, one of them as the sender `me`, another as `you`."""

    def __init__(self, random: Random, document: Document) -> None:
        self.random = random
        self.switches = [switch for switch in document["switches"] if switch["ports"]]
        ports = [port for router in document.get("routers", ()) for port in router["ports"]]
        self.gates = ports
        self.far = [port for switch in self.switches for port in switch["ports"]]
        switch = random.choice(self.switches)
        self.near = switch["ports"]
        self.me = random.choice(self.near)
        self.you = random.choice(self.near)
        gates = [port for port in ports if port.get("switch") == switch["name"]]
        self.gate = random.choice(gates) if gates else None

    def probe(self, layers: Layer, to: str, by: str | None = None) -> Probe:
        """A frame that `me` sends to a MAC."""
        return self.me["name"], bytes(Ether(src=by or self.me["mac"], dst=to) / layers)

    def ip(self, to: str, source: str | None = None, ttl: int = 64) -> Layer:
        """An IPv4 packet of `me`'s with something in it."""
        own = self.me.get("ip", NOBODY4)
        return IP(src=source or own, dst=to, ttl=ttl) / self.payload()

    def ip6(self, to: str, source: str | None = None, ttl: int = 64) -> Layer:
        """An IPv6 packet of `me`'s with something in it."""
        own = self.me.get("ip6", NOBODY6)
        return IPv6(src=source or own, dst=to, hlim=ttl) / self.payload(six=True)

    def payload(self, six: bool = False) -> Layer:
        """What an IP packet carries."""
        random = self.random
        ports = {"sport": random.choice([1000, 2000]), "dport": random.choice(SERVICES)}
        echo = ICMPv6EchoRequest() if six else ICMP()
        return random.choice(
            [UDP(**ports), UDP(**ports), TCP(**ports), TCP(**ports), echo, TCP(**ports, flags="A")]
        )

    def arp(self, target: str, **more: Any) -> Layer:
        """An ARP request of `me`'s."""
        own = {"hwsrc": self.me["mac"], "psrc": self.me.get("ip", NOBODY4)}
        return ARP(**(own | {"pdst": target} | more))

    def gate_address(self, field: str = "cidr") -> str:
        """The address of the near end of a router, if there is one."""
        address = self.gate.get(field) if self.gate else None
        return str(address).partition("/")[0] if address else (NOBODY6 if "6" in field else NOBODY4)

    def gate_mac(self) -> str:
        """Its MAC."""
        return self.gate["mac"] if self.gate else STRANGER

    def any_gate_address(self) -> str:
        """The address of any router port in the network."""
        if not self.gates:
            return NOBODY4
        return str(self.random.choice(self.gates)["cidr"]).partition("/")[0]


def unicast(cast: Cast) -> Probe:
    return cast.probe(cast.ip(cast.you.get("ip", NOBODY4)), cast.you["mac"])


def unicast_low_ttl(cast: Cast) -> Probe:
    ttl = cast.random.choice([0, 1])
    return cast.probe(cast.ip(cast.you.get("ip", NOBODY4), ttl=ttl), cast.you["mac"])


def wrong_ip(cast: Cast) -> Probe:
    return cast.probe(cast.ip("10.0.7.7"), cast.you["mac"])


def broadcast(cast: Cast) -> Probe:
    to = cast.random.choice(["255.255.255.255", "10.0.0.255", cast.you.get("ip", NOBODY4)])
    return cast.probe(cast.ip(to), EVERYBODY)


def multicast(cast: Cast) -> Probe:
    to = cast.random.choice(["224.0.0.9", "239.1.1.1", cast.you.get("ip", NOBODY4)])
    return cast.probe(cast.ip(to), "01:00:5e:00:00:09")


def arp_known(cast: Cast) -> Probe:
    return cast.probe(cast.arp(cast.you.get("ip", NOBODY4)), EVERYBODY)


def arp_any(cast: Cast) -> Probe:
    target = cast.random.choice(cast.far).get("ip", NOBODY4)
    return cast.probe(cast.arp(target), EVERYBODY)


def arp_unknown(cast: Cast) -> Probe:
    return cast.probe(cast.arp(NOBODY4), EVERYBODY)


def arp_own(cast: Cast) -> Probe:
    return cast.probe(cast.arp(cast.me.get("ip", NOBODY4)), EVERYBODY)


def arp_gate(cast: Cast) -> Probe:
    return cast.probe(cast.arp(cast.gate_address()), EVERYBODY)


def arp_unicast(cast: Cast) -> Probe:
    target = cast.random.choice([cast.you.get("ip", NOBODY4), NOBODY4, cast.gate_address()])
    return cast.probe(cast.arp(target), cast.you["mac"])


def arp_probe(cast: Cast) -> Probe:
    return cast.probe(cast.arp(cast.you.get("ip", NOBODY4), psrc="0.0.0.0"), EVERYBODY)


def arp_reply(cast: Cast) -> Probe:
    to = cast.random.choice([cast.you["mac"], EVERYBODY, cast.gate_mac()])
    target = cast.you.get("ip", NOBODY4)
    return cast.probe(cast.arp(target, op=2, hwdst=cast.you["mac"]), to)


def arp_spoofed(cast: Cast) -> Probe:
    lie = cast.random.choice([{"hwsrc": STRANGER}, {"psrc": "10.0.0.1"}, {"psrc": "10.0.1.11"}])
    return cast.probe(cast.arp(cast.you.get("ip", NOBODY4), **lie), EVERYBODY)


def spoofed_mac(cast: Cast) -> Probe:
    by = cast.random.choice([STRANGER, cast.you["mac"], cast.gate_mac(), "01:00:00:00:00:01"])
    return cast.probe(cast.ip(cast.you.get("ip", NOBODY4)), cast.you["mac"], by)


def spoofed_ip(cast: Cast) -> Probe:
    source = cast.random.choice(["10.0.0.77", cast.you.get("ip", NOBODY4), "0.0.0.0"])
    return cast.probe(cast.ip(cast.you.get("ip", NOBODY4), source), cast.you["mac"])


def unknown_mac(cast: Cast) -> Probe:
    return cast.probe(cast.ip(cast.you.get("ip", NOBODY4)), STRANGER)


def own_mac(cast: Cast) -> Probe:
    return cast.probe(cast.ip(cast.me.get("ip", NOBODY4)), cast.me["mac"])


def dhcp(cast: Cast) -> Probe:
    layers = IP(src="0.0.0.0", dst="255.255.255.255") / UDP(sport=68, dport=67)
    return cast.probe(layers, EVERYBODY)


def other_type(cast: Cast) -> Probe:
    to = cast.random.choice([cast.you["mac"], EVERYBODY])
    frame = Ether(src=cast.me["mac"], dst=to, type=0x9000) / Raw(b"hello")
    return cast.me["name"], bytes(frame)


def tagged(cast: Cast) -> Probe:
    return cast.probe(Dot1Q(vlan=5) / cast.ip(cast.you.get("ip", NOBODY4)), cast.you["mac"])


def other_protocol(cast: Cast) -> Probe:
    own = cast.me.get("ip", NOBODY4)
    target = cast.random.choice(cast.near)
    layers = IP(src=own, dst=target.get("ip", NOBODY4), proto=47) / Raw(b"gre?")
    return cast.probe(layers, target["mac"])


SWITCHED: list[Kind] = [
    *(unicast, unicast, unicast, unicast_low_ttl, wrong_ip, broadcast, multicast, arp_known),
    *(arp_known, arp_any, arp_unknown, arp_own, arp_unicast, arp_probe, arp_reply, arp_spoofed),
    *(spoofed_mac, spoofed_ip, unknown_mac, own_mac, dhcp, other_type, tagged, other_protocol),
]


def routed(cast: Cast) -> Probe:
    target = cast.random.choice(cast.far).get("ip", NOBODY4)
    return cast.probe(cast.ip(target), cast.gate_mac())


def routed_any_ttl(cast: Cast) -> Probe:
    target = cast.random.choice(cast.far).get("ip", NOBODY4)
    return cast.probe(cast.ip(target, ttl=cast.random.choice(TTLS)), cast.gate_mac())


def hairpin(cast: Cast) -> Probe:
    own = cast.me.get("ip", NOBODY4)
    return cast.probe(cast.ip(own, ttl=cast.random.choice([64, 2])), cast.gate_mac())


def to_router(cast: Cast) -> Probe:
    to = cast.random.choice([cast.gate_address(), cast.any_gate_address()])
    ttl = cast.random.choice([64, 64, 1])
    return cast.probe(cast.ip(to, ttl=ttl), cast.gate_mac())


def ping_router(cast: Cast) -> Probe:
    own, to = cast.me.get("ip", NOBODY4), cast.any_gate_address()
    ttl = cast.random.choice(TTLS)
    return cast.probe(IP(src=own, dst=to, ttl=ttl) / ICMP(), cast.gate_mac())


def protocol_to_router(cast: Cast) -> Probe:
    layers = IP(src=cast.me.get("ip", NOBODY4), dst=cast.any_gate_address(), proto=47) / Raw(b"gre")
    return cast.probe(layers, cast.gate_mac())


def routed_to_nobody(cast: Cast) -> Probe:
    to = f"10.0.{cast.random.randrange(3)}.{cast.random.choice([99, 9, 255])}"
    return cast.probe(cast.ip(to), cast.gate_mac())


def routed_far(cast: Cast) -> Probe:
    to = cast.random.choice(["172.16.0.9", "172.16.1.9", "172.16.1.77", "99.9.9.9", "192.168.0.2"])
    ttl = cast.random.choice([64, 64, 64, 1])
    return cast.probe(cast.ip(to, ttl=ttl), cast.gate_mac())


def routed_odd_source(cast: Cast) -> Probe:
    sources = [cast.gate_address(), "127.0.0.1", "224.0.0.1", "10.0.0.255", "0.0.0.0", "10.0.1.11"]
    target = cast.random.choice(cast.far).get("ip", NOBODY4)
    return cast.probe(cast.ip(target, cast.random.choice(sources)), cast.gate_mac())


def routed_by_broadcast(cast: Cast) -> Probe:
    target = cast.random.choice(cast.far).get("ip", NOBODY4)
    return cast.probe(cast.ip(target), cast.random.choice([EVERYBODY, "01:00:5e:00:00:09"]))


def wrong_gate(cast: Cast) -> Probe:
    target = cast.random.choice(cast.far).get("ip", NOBODY4)
    return cast.probe(cast.ip(target), cast.random.choice(cast.gates)["mac"])


ROUTED: list[Kind] = [
    *(routed, routed, routed, routed_any_ttl, routed_any_ttl, hairpin, to_router, ping_router),
    *(protocol_to_router, routed_to_nobody, routed_far, routed_far, routed_odd_source),
    *(routed_by_broadcast, wrong_gate, arp_gate),
]


def unicast6(cast: Cast) -> Probe:
    source = cast.random.choice([None, None, NOBODY6])
    return cast.probe(cast.ip6(cast.you.get("ip6", NOBODY6), source), cast.you["mac"])


def multicast6(cast: Cast) -> Probe:
    return cast.probe(cast.ip6("ff02::1"), "33:33:00:00:00:01")


def solicited(cast: Cast) -> Probe:
    known = [port.get("ip6", NOBODY6) for port in cast.near]
    target = cast.random.choice([*known, NOBODY6, cast.gate_address("cidr6")])
    group = f"33:33:ff:{_last_octets(target)}"
    own = cast.me.get("ip6", NOBODY6)
    question = ICMPv6ND_NS(tgt=target) / ICMPv6NDOptSrcLLAddr(lladdr=cast.me["mac"])
    to = f"ff02::1:ff{_last_octets(target)[:2]}:{_last_octets(target)[3:].replace(':', '')}"
    return cast.probe(IPv6(src=own, dst=to, hlim=255) / question, group)


def routers_solicited(cast: Cast) -> Probe:
    own = cast.me.get("ip6", NOBODY6)
    return cast.probe(IPv6(src=own, dst="ff02::2", hlim=255) / ICMPv6ND_RS(), "33:33:00:00:00:02")


SWITCHED6: list[Kind] = [unicast6, multicast6, solicited, solicited, routers_solicited]


def routed6(cast: Cast) -> Probe:
    target = cast.random.choice(cast.far).get("ip6", NOBODY6)
    return cast.probe(cast.ip6(target, ttl=cast.random.choice([64, *TTLS])), cast.gate_mac())


def to_router6(cast: Cast) -> Probe:
    addresses = [port["cidr6"] for port in cast.gates if port.get("cidr6")] or [NOBODY6]
    to = cast.random.choice(addresses).partition("/")[0]
    return cast.probe(cast.ip6(to, ttl=cast.random.choice([64, 64, 1])), cast.gate_mac())


def routed_far6(cast: Cast) -> Probe:
    to = cast.random.choice(["fd77::9", "fd77:1::9", "2001:db8::1", "fd01::99"])
    return cast.probe(cast.ip6(to), cast.gate_mac())


ROUTED6: list[Kind] = [routed6, routed6, to_router6, routed_far6]


def kinds(document: Document) -> list[Kind]:
    """The kinds of frames that tell something about a network; some more than once."""
    routers = bool(document.get("routers"))
    everybody = [port for switch in document["switches"] for port in switch.get("ports", ())]
    six = any("ip6" in port for port in everybody)
    found = list(SWITCHED)
    found += ROUTED if routers else []
    found += SWITCHED6 if six else []
    found += ROUTED6 if six and routers else []
    return found


def schedule(random: Random, document: Document, count: int) -> list[Kind]:
    """`count` kinds in random order: each once before any comes again."""
    every = kinds(document)
    once = list(dict.fromkeys(every))
    for order in (once, every):
        random.shuffle(order)
    return list(islice(chain(once, cycle(every)), count))


def probes(random: Random, document: Document, count: int) -> Iterator[Probe]:
    """Frames, each with the port that sends it, of the kinds of a `schedule`."""
    for kind in schedule(random, document, count):
        yield kind(Cast(random, document))


def answer(packet: Packet) -> bytes | None:
    """The answer of the VM that got `packet`: to an echo request, TCP or UDP sent to it alone."""
    family = "ip6" if "ip6.src" in packet else "ip4"
    if int(packet["eth.dst"][:2], 16) & 1 or f"{family}.src" not in packet:
        return None
    layer = _answered(packet)
    if layer is None:
        return None
    source, to = packet[f"{family}.dst"], packet[f"{family}.src"]
    network = IPv6(src=source, dst=to) if family == "ip6" else IP(src=source, dst=to)
    return bytes(Ether(src=packet["eth.dst"], dst=packet["eth.src"]) / network / layer)


def _answered(packet: Packet) -> Layer | None:
    if packet.get("icmp4.type") == "8":
        return ICMP(type=0)
    if packet.get("icmp6.type") == "128":
        return ICMPv6EchoReply()
    ports = _turned(packet)
    if "udp.src" in packet:
        return UDP(**ports)
    if "tcp.src" in packet and not int(packet["tcp.flags"]) & 4:
        return TCP(**ports, flags="SA" if packet["tcp.flags"] == "2" else "A")
    return None


def _turned(packet: Mapping[str, str]) -> dict[str, int]:
    for name in ("tcp", "udp"):
        if f"{name}.src" in packet:
            return {"sport": int(packet[f"{name}.dst"]), "dport": int(packet[f"{name}.src"])}
    return {}


def _last_octets(address: str) -> str:
    return IPv6Address(address).packed[-3:].hex(":")
