"""Random conversations between two sides of a switch, for connection tracking to make sense of.

Each packet is made of what came before: ends that open, answer, send, close, reset and repeat, now
and then out of window or with flags that cannot be; queries and their answers; and ICMP errors from
either end, or from a router, about a packet that passed. A side answers to what it saw, so
that addresses which were rewritten are used as rewritten.
"""

from random import Random

from attrs import Factory, define
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import (
    ICMPv6DestUnreach,
    ICMPv6EchoReply,
    ICMPv6EchoRequest,
    ICMPv6TimeExceeded,
    IPv6,
)
from scapy.layers.l2 import Ether
from scapy.packet import Packet, Raw

FORCED_TTL = 77
PORT_OF = {"client": 1, "server": 2}
OTHER = {"client": "server", "server": "client"}


@define
class Talk:
    """Packets between two ends, as either side sees it: (own address, other's address, ports)."""

    random: Random
    version: int
    kind: str
    addresses: dict[str, tuple[str, str]]
    ports: dict[str, tuple[int, int]]
    sequence: dict[str, int]
    sent: dict[str, int] = Factory(lambda: {"client": 0, "server": 0})
    seen: dict[str, bytes] = Factory(dict)
    scales: bool = True
    # Whether a connection may begin again between ends that have one, closed or forced.
    reopens: bool = True
    # Whether there are ICMP errors.
    fails: bool = True
    closed: bool = False

    def next(self) -> tuple[str, bytes]:
        """Who sends, and the frame."""
        side = "client" if self.random.random() < 0.55 else "server"
        if side == "server" and not self.seen.get("server"):
            side = "client"
        if self.fails and self.random.random() < 0.12 and self.seen.get(side):
            return side, self._error(side)
        payload = {"tcp": self._tcp, "udp": self._udp, "icmp": self._icmp, "other": self._other}
        frame = bytes(self._ip(side) / payload[self.kind](side))
        if self.random.random() < 0.03:
            frame = frame[:-1] + bytes([frame[-1] ^ 0x55])
        return side, frame

    def saw(self, side: str, frame: bytes) -> None:
        """A frame reached a side: it answers to the addresses there from now on."""
        ip = Ether(frame)[IP if self.version == 4 else IPv6]
        if ip.src == ip.dst:
            return
        if self.kind != "other" and (ICMP in ip and ip[ICMP].type in (3, 11)):
            return
        if any(layer in ip for layer in (ICMPv6DestUnreach, ICMPv6TimeExceeded)):
            return
        self.seen[side] = frame
        self.addresses[side] = (ip.dst, ip.src)
        for layer in (TCP, UDP):
            if layer in ip:
                self.ports[side] = (ip[layer].dport, ip[layer].sport)
        if self.kind == "icmp":
            echo = ip[ICMP] if self.version == 4 else ip.payload
            self.ports[side] = (echo.id, echo.id)

    def _ip(self, side: str, source: str = "") -> Packet:
        own, other = self.addresses[side]
        ttl = FORCED_TTL if self.reopens and self.random.random() < 0.03 else 64
        frame = Ether(dst="0a:00:00:00:00:01", src="0a:00:00:00:00:02")
        proto = (
            {} if self.kind != "other" or source else {"proto" if self.version == 4 else "nh": 89}
        )
        if self.version == 4:
            return frame / IP(src=source or own, dst=other, ttl=ttl, **proto)
        return frame / IPv6(src=source or own, dst=other, hlim=ttl, **proto)

    def _tcp(self, side: str) -> Packet:
        random = self.random
        own, other = self.ports[side]
        answered = self.sent[OTHER[side]]
        flags = random.choices(
            ["S" if not answered else "SA", "A", "PA", "FA", "R", "RA", "S", "", "SF", "F"],
            [3 if self.sent[side] < 2 else 0.3, 4, 5, 1.2, 0.3, 0.3, 0.3, 0.1, 0.1, 0.1],
        )[0]
        if self.closed and flags == "S" and not self.reopens:
            flags = "A"
        self.closed = self.closed or "R" in flags or "F" in flags
        data = b"x" * random.choice((0, 1, 100)) if "P" in flags else b""
        stray = random.choices((0, 1, -1, 5000, -5000, 100000, 1 << 31), (30, 1, 1, 1, 1, 1, 1))[0]
        segment = TCP(
            sport=own,
            dport=other,
            flags=flags,
            seq=(self.sequence[side] + self.sent[side] + stray) % (1 << 32),
            ack=(self.sequence[OTHER[side]] + answered) % (1 << 32) if "A" in flags else 0,
            window=random.choice((0, 10, 1000, 65535)),
            options=[("WScale", random.choice((0, 2, 7)))] if "S" in flags and self.scales else [],
        )
        if not stray and random.random() < 0.9:
            self.sent[side] += len(data) + ("S" in flags) + ("F" in flags)
        return segment / Raw(data)

    def _udp(self, side: str) -> Packet:
        own, other = self.ports[side]
        return UDP(sport=own, dport=other) / Raw(b"data")

    def _icmp(self, side: str) -> Packet:
        number, _ = self.ports[side]
        answers = side == "server" or self.random.random() < 0.1
        if self.version == 6:
            return (ICMPv6EchoReply if answers else ICMPv6EchoRequest)(id=number, data=b"ping")
        return ICMP(type=0 if answers else 8, id=number) / Raw(b"ping")

    def _other(self, _side: str) -> Packet:
        return Raw(b"hello")

    def _error(self, side: str) -> bytes:
        """About the last packet that a side saw, from there or from a router in between."""
        quoted = Raw(bytes(Ether(self.seen[side]).payload)[:120])
        router = self.random.random() < 0.4
        source = ("192.0.2.77" if self.version == 4 else "2001:db8::77") if router else ""
        ip = self._ip(side, source)
        if self.version == 4:
            return bytes(ip / ICMP(type=self.random.choice((3, 11)), code=1) / quoted)
        layer = self.random.choice((ICMPv6DestUnreach, ICMPv6TimeExceeded))
        return bytes(ip / layer() / quoted)


def talk(random: Random, version: int, number: int, server: tuple[str, int], **rules: bool) -> Talk:
    """A conversation of a client, by its number, with a server, by its address and port."""
    client = f"10.0.0.{number + 1}" if version == 4 else f"fd00::{number + 1}"
    kind = random.choice(("tcp", "tcp", "tcp", "udp", "icmp", "other"))
    # Two clients may have one port, so that it clashes when their addresses become one.
    port = random.choice((1000, 2000, 40000)) if kind != "icmp" else 100 + number
    ports = (port, server[1] if kind != "icmp" else port)
    start = random.choice((0, 1, 0x7FFFFFF0, 0xFFFFFFF0, 12345))
    return Talk(
        random,
        version,
        kind,
        {"client": (client, server[0]), "server": (server[0], client)},
        {"client": ports, "server": ports[::-1]},
        {"client": start, "server": random.choice((0, 5, 0xFFFFFFFF))},
        scales=random.random() < 0.7,
        **rules,
    )
