"""Match expressions read aloud: what ovn-sb(5) says a text means for one packet.

A packet is a dict of the fields that it has, by their names in expressions, numbers for all but
`inport` and `outport`. `read(frame)` makes one from bytes; `matches(text, packet)` asks. Neither
normalises anything nor shares a line with the product: text becomes functions that look.
"""

import re
import struct
from ipaddress import IPv4Address
from operator import eq, ge, gt, le, lt, ne

RELATIONS = {"==": eq, "!=": ne, "<": lt, "<=": le, ">": gt, ">=": ge}
TURNED = {"==": "==", "!=": "!=", "<": ">", ">": "<", "<=": ">=", ">=": "<="}
TOKEN = re.compile(r'\s*("[^"]*"|[a-z][a-z0-9.]*|\d[0-9a-fx.:/]*|[<>=!]=|&&|\|\||[<>!(){},])')
NUMBER = re.compile(r"[0-9\"{]")

PREDICATES = {
    "eth.bcast": lambda it: it["eth.dst"] == 0xFFFFFFFFFFFF,
    "eth.mcast": lambda it: it["eth.dst"] >> 40 & 1 == 1,
    "ip": lambda it: it["eth.type"] in {0x800, 0x86DD},
    "ip4": lambda it: it["eth.type"] == 0x800,
    "ip6": lambda it: it["eth.type"] == 0x86DD,
    "arp": lambda it: it["eth.type"] == 0x806,
    "tcp": lambda it: it.get("ip.proto") == 6,
    "udp": lambda it: it.get("ip.proto") == 17,
    "icmp4": lambda it: it.get("ip.proto") == 1,
    "ip4.mcast": lambda it: it.get("ip4.dst", 0) >> 28 == 14 and it["eth.dst"] >> 40 & 1,
}


def matches(text, packet):
    """Whether a packet matches an expression."""
    tokens = TOKEN.findall(text)
    assert "".join(tokens) == re.sub(r"\s", "", text), text
    tree = _either(tokens)
    assert not tokens, text
    return tree(packet, False)


def _either(tokens):
    parts, operator = [_one(tokens)], None
    while tokens and tokens[0] in {"&&", "||"}:
        assert operator in {None, tokens[0]}
        operator = tokens.pop(0)
        parts.append(_one(tokens))

    def holds(packet, negated):
        every = (operator == "&&") != negated
        return (all if every else any)(part(packet, negated) for part in parts)

    return holds if operator else parts[0]


def _one(tokens):
    token = tokens.pop(0)
    if token == "!":
        inner = _one(tokens)
        return lambda packet, negated: inner(packet, not negated)
    if token == "(":
        inner = _either(tokens)
        assert tokens.pop(0) == ")"
        return inner
    if token in PREDICATES:
        return lambda packet, negated: PREDICATES[token](packet) != negated
    if not NUMBER.match(token):
        return _compared(token, tokens.pop(0), _constants(tokens))
    if not tokens or tokens[0] not in RELATIONS:
        return lambda _, negated: (token == "1") != negated
    return _range(token, tokens)


def _range(low, tokens):
    relation, field = tokens.pop(0), tokens.pop(0)
    first = _compared(field, TURNED[relation], _constants([low]))
    if not tokens or tokens[0] not in RELATIONS:
        return first
    second = _compared(field, tokens.pop(0), _constants(tokens))
    return lambda packet, negated: (
        (first(packet, True) or second(packet, True))
        if negated
        else (first(packet, False) and second(packet, False))
    )


def _compared(field, relation, constants):
    def holds(packet, negated):
        if field not in packet:
            return False
        tests = [
            RELATIONS[relation](packet[field] if mask is None else packet[field] & mask, value)
            for value, mask in constants
        ]
        return (all if relation == "!=" else any)(tests) != negated

    return holds


def _constants(tokens):
    if tokens[0] != "{":
        return [_constant(tokens.pop(0))]
    end = tokens.index("}")
    inside, tokens[: end + 1] = tokens[1:end], []
    return [_constant(token) for token in inside if token != ","]


def _constant(token):
    if token.startswith('"'):
        return token[1:-1], None
    value, _, mask = token.partition("/")
    if not mask:
        return _value(value), None
    if "." in value and "." not in mask:
        return _value(value), (0xFFFFFFFF << (32 - int(mask))) & 0xFFFFFFFF
    return _value(value), _value(mask)


def _value(token):
    if ":" in token:
        return int(token.replace(":", ""), 16)
    return int(IPv4Address(token)) if "." in token else int(token, 0)


def read(frame):
    """The packet that a frame is, or None for a runt.

    The fields of a header are there if what goes before promises it; if it is cut short or
    malformed, or in another fragment, they are 0 (ovs-fields(7) on later fragments).
    """
    if len(frame) < 14:
        return None
    packet = {"eth.dst": int.from_bytes(frame[:6]), "eth.src": int.from_bytes(frame[6:12])}
    kind, rest = int.from_bytes(frame[12:14]), frame[14:]
    if kind == 0x8100 and len(rest) >= 4:
        packet["vlan.vid"] = int.from_bytes(rest[:2]) & 0xFFF
        kind, rest = int.from_bytes(rest[2:4]), rest[4:]
    packet["eth.type"] = kind if kind >= 0x600 else 0x5FF
    names = ("arp.op", "arp.sha", "arp.spa", "arp.tha", "arp.tpa")
    if kind == 0x806:
        packet |= dict.fromkeys(names, 0)
    if kind == 0x806 and rest[:6] == bytes.fromhex("000108000604") and len(rest) >= 28:
        parts = (rest[6:8], rest[8:14], rest[14:18], rest[18:24], rest[24:28])
        packet |= {name: int.from_bytes(part) for name, part in zip(names, parts, strict=True)}
    if kind == 0x800:
        packet |= _ip4(rest)
    return packet


def _ip4(rest):
    packet = dict.fromkeys(("ip4.src", "ip4.dst", "ip.proto", "ip.ttl", "ip.dscp"), 0)
    if len(rest) < 20:
        return packet
    header_bytes, total_bytes = (rest[0] & 15) * 4, int.from_bytes(rest[2:4])
    if rest[0] >> 4 != 4 or not 20 <= header_bytes <= total_bytes <= len(rest):
        return packet
    source, destination = struct.unpack("!II", rest[12:20])
    packet = {"ip4.src": source, "ip4.dst": destination, "ip.proto": rest[9], "ip.ttl": rest[8]}
    packet["ip.dscp"] = rest[1] >> 2
    later_fragment = int.from_bytes(rest[6:8]) & 0x1FFF
    name, least_bytes = {6: ("tcp", 20), 17: ("udp", 8), 1: ("icmp4", 8)}.get(rest[9], ("", 0))
    above = rest[header_bytes:total_bytes]
    if later_fragment or len(above) < least_bytes:
        above = bytes(4)
    if name == "icmp4":
        packet |= {"icmp4.type": above[0], "icmp4.code": above[1]}
    elif name:
        ports = struct.unpack("!HH", above[:4])
        packet |= {f"{name}.src": ports[0], f"{name}.dst": ports[1]}
    return packet
