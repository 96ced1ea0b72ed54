"""Packets as OVN's expressions see them: the fields that a packet has, by OVN's names, as text.

    read(frame)        -> {"eth.src": "0a:…", "ip4.dst": "10.0.0.1", "ip.ttl": "64", …}
    microflow(packet)  -> 'eth.src == 0a:… && ip4.dst == 10.0.0.1 && …'
    kind(packet)       -> "tcp", "arp request", "icmp4 11/0", …

`read` looks at bytes by itself and shares nothing with the product. A packet has each field once
and in one form: numbers in decimal but `eth.type`, addresses in canonical text. What is not here
(payloads, checksums, IP options, the packet inside an ICMP error) OVN does not see either.
"""

import struct
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address

Packet = Mapping[str, str]

ARP, IP4, IP6 = "0x806", "0x800", "0x86dd"
TRANSPORTS = {6: "tcp", 17: "udp", 132: "sctp"}
ICMP, ICMP6 = 1, 58
RST = 4
_TAGS = {0x8100}


def read(frame: bytes) -> dict[str, str]:
    """The fields of a frame, which is whole; ValueError if it is cut short."""
    try:
        return _read(frame)
    except struct.error as error:
        raise ValueError(f"the frame is cut short: {frame.hex()}") from error


def _read(frame: bytes) -> dict[str, str]:
    packet = {"eth.src": _mac(frame[6:12]), "eth.dst": _mac(frame[:6])}
    (number,) = struct.unpack_from("!H", frame, 12)
    start = 14
    if number in _TAGS:
        tag, number = struct.unpack_from("!HH", frame, 14)
        packet |= {"vlan.vid": str(tag & 0xFFF), "vlan.pcp": str(tag >> 13)}
        start = 18
    packet["eth.type"] = hex(number)
    body = frame[start:]
    match packet["eth.type"]:
        case "0x806":
            return packet | _arp(body)
        case "0x800":
            return packet | _ip4(body)
        case "0x86dd":
            return packet | _ip6(body)
    return packet


def _arp(body: bytes) -> dict[str, str]:
    _, _, _, _, op, sha, spa, tha, tpa = struct.unpack_from("!HHBBH6s4s6s4s", body)
    return {
        "arp.op": str(op),
        "arp.sha": _mac(sha),
        "arp.spa": str(IPv4Address(spa)),
        "arp.tha": _mac(tha),
        "arp.tpa": str(IPv4Address(tpa)),
    }


def _ip4(body: bytes) -> dict[str, str]:
    header = struct.unpack_from("!BBHHHBBH4s4s", body)
    first, tos, _, _, _, ttl, proto, _, source, destination = header
    fields = {"ip4.src": str(IPv4Address(source)), "ip4.dst": str(IPv4Address(destination))}
    return fields | _ip(ttl, tos, proto) | _transport(proto, body[4 * (first & 15) :])


def _ip6(body: bytes) -> dict[str, str]:
    first, _, proto, ttl, source, destination = struct.unpack_from("!IHBB16s16s", body)
    fields = {"ip6.src": str(IPv6Address(source)), "ip6.dst": str(IPv6Address(destination))}
    return fields | _ip(ttl, first >> 20 & 0xFF, proto) | _transport(proto, body[40:])


def _ip(ttl: int, tos: int, proto: int) -> dict[str, str]:
    fields = {"ip.proto": str(proto), "ip.ttl": str(ttl)}
    return fields | ({"ip.dscp": str(tos >> 2)} if tos >> 2 else {})


def _transport(proto: int, data: bytes) -> dict[str, str]:
    if proto in TRANSPORTS:
        name = TRANSPORTS[proto]
        source, destination = struct.unpack_from("!HH", data)
        fields = {f"{name}.src": str(source), f"{name}.dst": str(destination)}
        if name == "tcp":
            fields["tcp.flags"] = str(struct.unpack_from("!H", data, 12)[0] & 0xFFF)
        return fields
    if proto not in {ICMP, ICMP6}:
        return {}
    name = "icmp4" if proto == ICMP else "icmp6"
    number, code = struct.unpack_from("!BB", data)
    fields = {f"{name}.type": str(number), f"{name}.code": str(code)}
    if name == "icmp6" and number in {135, 136} and code == 0:
        fields["nd.target"] = str(IPv6Address(data[8:24]))
        option = "nd.sll" if number == 135 else "nd.tll"
        wanted = 1 if number == 135 else 2
        at = 24
        while at + 8 <= len(data) and data[at + 1]:
            if data[at] == wanted:
                fields[option] = _mac(data[at + 2 : at + 8])
            at += 8 * data[at + 1]
    return fields


def microflow(packet: Packet) -> str:
    """A packet as `ovn-trace` wants it, but for its `inport`."""
    return " && ".join(f"{field} == {value}" for field, value in packet.items())


def kind(packet: Packet) -> str:
    """What sort of packet this is, in a word or two; ICMP with its type and code."""
    match packet["eth.type"]:
        case "0x806":
            names = {"1": "request", "2": "reply"}
            return f"arp {names.get(packet['arp.op'], packet['arp.op'])}"
        case "0x800" | "0x86dd":
            for name in ("icmp4", "icmp6"):
                if f"{name}.type" in packet:
                    return f"{name} {packet[f'{name}.type']}/{packet[f'{name}.code']}"
            proto = int(packet["ip.proto"])
            if proto == 6 and int(packet["tcp.flags"]) & RST:
                return "tcp reset"
            return TRANSPORTS.get(proto, f"ip {proto}")
    return f"ethernet {packet['eth.type']}"


def _mac(octets: bytes) -> str:
    return octets.hex(":")
