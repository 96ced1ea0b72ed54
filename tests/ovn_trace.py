"""What a trace of `ovn-trace --summary` says, executed: which packets come out, and where.

    reading = Reading(packet, connections)
    reading.read(text)
    reading.outputs       # [(port, packet)]: copies as they reach VIFs, in order
    reading.crossings     # copies that go on in another datapath and must be asked about anew

The trace names each action that OVN took, in order and nested as it took them; this does to a
packet what the actions say. An action that it does not know is an error, never ignored.

Where `ovn-trace` strays from what ovn-controller (controller/pinctrl.c and physical.c of 23.03)
does with real packets, this follows the latter:

* connection state is forgotten where a packet goes through a patch port; the trace keeps it, so a
  packet that was tracked and crosses is traced anew from there (`Crossing`);
* a TCP reset has its ports turned round, TTL 63 and flags RST and ACK; so it is traced anew too,
  where it crosses;
* a router that asks for an IPv6 neighbour sends a solicitation, not the packet that it has to a
  group address: `Ovn` takes the output from that action, and it is traced anew (`Crossing`);
* what is rejected and no IP packet is dropped without an answer;
* a rejected UDP packet gives port unreachable (code 3 of ICMP, 4 of ICMPv6), not host unreachable.
"""

import re
from collections.abc import Mapping
from ipaddress import IPv6Address
from typing import NamedTuple

from attrs import define, evolve, frozen

from tests.ovn_connections import Connections
from tests.ovn_packets import ARP, ICMP, ICMP6, IP4, IP6, Packet

UNKNOWN_MAC = "00:00:00:00:00:00"
_HEADERS = ("eth.", "vlan.", "arp.", "ip.", "ip4.", "ip6.", "tcp.", "udp.", "sctp.", "icmp4.",
            "icmp6.", "nd.")  # fmt: skip
_TRANSPORT = ("tcp.", "udp.", "sctp.", "icmp4.", "icmp6.", "nd.", "ip.dscp")
_RST_ACK = "20"

_FIELD = re.compile(r"(?:[a-z]\w*\.)+[a-z]\w*|x*reg\d(?:\[[0-9.]+\])?|inport|outport")
_ASSIGNED = re.compile(r"(\S+) = (.*);")
_EXCHANGED = re.compile(r"(\S+) <-> (\S+);")
_OUTPUT = re.compile(r'/\* output to "(.*)", type "(.*)" \*/;')
_BINDING = re.compile(r"/\* MAC binding to ([0-9a-f:]{17})\. \*/;?")
_SCOPE = re.compile(
    r'(ingress|egress)\(dp="[^"]*"(?:, inport="([^"]*)")?(?:, outport="([^"]*)")?\)'
)
_TRACKED = re.compile(r"ct_next\(ct_state=([a-z|]+)")
_NO_EFFECT = re.compile(
    r"(next|output|drop|ct_next|ct_commit_nat)(\(.*\))?;"
    r"|(put_fdb|put_arp|put_nd|get_arp|get_nd|log)\(.*\);"
    r"|(clone|arp|icmp4|icmp6|tcp_reset|sctp_abort|nd_na|nd_na_router|nd_ns) \{.*\};"
    r"|/\*.*\*/;?"
)


class TraceError(Exception):
    """A trace says something that this module does not know the meaning of."""


class WrongState(Exception):
    """The trace took a packet to be in another state than it is.

    `states` are the right ones of all packets that were tracked, up to and with that one.
    """

    def __init__(self, states: list[str]) -> None:
        super().__init__(states)
        self.states = states


@frozen
class Crossing:
    """A packet that goes on in another datapath.

    It enters by `inport`, or if that is "" by what is joined with `outport`. `about` as in
    `Connections.state`.
    """

    packet: Packet
    inport: str = ""
    outport: str = ""
    about: Packet | None = None


class Node(NamedTuple):
    """A line of a trace, and the lines within its braces."""

    text: str
    nodes: list["Node"]


def parse(text: str) -> list[Node]:
    """The lines of a trace, nested; ovn-trace's own error if there is no trace in `text`."""
    top: list[Node] = []
    stack = [top]
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("#") or not stripped:
            continue
        if stripped in {"}", "};"}:
            stack.pop()
        elif stripped.endswith("{"):
            node = Node(stripped[:-1].strip(), [])
            stack[-1].append(node)
            stack.append(node.nodes)
        else:
            stack[-1].append(Node(stripped, []))
    if len(stack) != 1 or not top or not top[0].text.startswith("ingress("):
        raise TraceError(f"this is no trace: {text}")
    return top


@define
class _Scope:
    """Where in the pipelines a packet is, and what is in its fields and registers.

    `tracked` tells that the trace believes it to have a connection state, `strayed` that it is
    another packet than the trace believes, `crossing` that it just left by a patch port.
    """

    fields: dict[str, str]
    name: str = ""
    about: Packet | None = None
    zone: str = ""
    tracked: bool = False
    strayed: bool = False
    rejected: bool = False
    crossing: bool = False

    def copy(self) -> "_Scope":
        return evolve(self, fields=dict(self.fields))

    @property
    def packet(self) -> dict[str, str]:
        """The fields that are headers."""
        return {key: value for key, value in self.fields.items() if key.startswith(_HEADERS)}

    def forget(self, *prefixes: str) -> None:
        """Drop the fields that begin so."""
        self.fields = {
            key: value for key, value in self.fields.items() if not key.startswith(prefixes)
        }

    def swap(self, first: str, second: str) -> None:
        """Exchange two fields."""
        fields = self.fields
        fields[first], fields[second] = fields[second], fields[first]


class Reading:
    """One trace of `packet`, executed; `connections` is changed by what it commits."""

    def __init__(
        self, packet: Packet, connections: Connections, about: Packet | None = None
    ) -> None:
        self.outputs: list[tuple[str, dict[str, str]]] = []
        self.crossings: list[Crossing] = []
        self.states: list[str] = []
        self._connections = connections
        self._start = _Scope(dict(packet), about)

    def read(self, text: str) -> None:
        """Execute a trace.

        Raises:
            WrongState: the trace assumed another connection state than there is.
            TraceError: the trace has an action that is unknown here.
        """
        stack = [(iter(parse(text)), self._start)]
        while stack:
            nodes, scope = stack[-1]
            node = next(nodes, None)
            if node is None:
                stack.pop()
                self._leave(scope)
                continue
            inner = self._step(node, scope)
            if inner is not None:
                stack.append((iter(node.nodes), inner))

    def _step(self, node: Node, scope: _Scope) -> _Scope | None:
        """Do what a line says; the scope of the lines within it, if they are to be executed."""
        if node.nodes or node.text.startswith(("ingress(", "egress(")):
            return self._enter(node.text, scope)
        self._act(node.text, scope)
        if output := _OUTPUT.fullmatch(node.text):
            scope.crossing = output[2] == "patch"
            if not scope.crossing:
                self.outputs.append((output[1], scope.packet))
        return None

    def _enter(self, text: str, outer: _Scope) -> _Scope | None:
        scope = outer.copy()
        scope.name = name = text.partition("(")[0]
        if place := _SCOPE.match(text):
            if outer.crossing and (outer.tracked or outer.strayed):
                crossing = Crossing(scope.packet, inport=place[2], about=scope.about)
                self.crossings.append(crossing)
                return None
            scope.zone = place[2] if place[1] == "ingress" else place[3]
        elif tracked := _TRACKED.match(text):
            self._track(set(tracked[1].split("|")) - {"trk"}, scope)
        elif name in _ANSWERS_TO_IP and "ip.proto" not in scope.fields:
            return None
        elif name in _TRANSFORMATIONS:
            _TRANSFORMATIONS[name](scope)
        elif name not in {"multicast", "clone"} and not name.startswith("ct_commit_nat"):
            raise TraceError(f"{text} {{ … }} is unknown")
        scope.rejected = scope.crossing = False
        return scope

    def _leave(self, scope: _Scope) -> None:
        if scope.name == "nd_ns":
            outport = scope.fields["outport"].strip('"')
            self.crossings.append(Crossing(scope.packet, outport=outport))

    def _track(self, assumed: set[str], scope: _Scope) -> None:
        state = self._connections.state(scope.zone, scope.packet, scope.about)
        self.states.append(state)
        if set(state.split(",")) != assumed:
            raise WrongState(self.states)
        scope.tracked = True

    def _act(self, text: str, scope: _Scope) -> None:
        fields = scope.fields
        scope.rejected = text.startswith("reject {")
        if text.startswith("ct_commit {"):
            self._commit(text, scope)
        elif text == "ct_clear;":
            scope.tracked = False
        elif text == "ip.ttl--;":
            fields["ip.ttl"] = str(int(fields["ip.ttl"]) - 1)
        elif binding := _BINDING.fullmatch(text):
            fields["eth.dst"] = binding[1]
        elif text.startswith("/* No MAC binding. */"):
            fields["eth.dst"] = UNKNOWN_MAC
        elif scope.rejected or _OUTPUT.fullmatch(text) or _NO_EFFECT.fullmatch(text):
            return
        elif exchanged := _EXCHANGED.fullmatch(text):
            first, second = exchanged.groups()
            fields.setdefault(first, "")
            fields.setdefault(second, "")
            scope.swap(first, second)
        elif assigned := _ASSIGNED.fullmatch(text):
            fields[assigned[1]] = _value(assigned[2], fields)
        else:
            raise TraceError(f"{text} is unknown")

    def _commit(self, text: str, scope: _Scope) -> None:
        if "blocked = 1" in text:
            raise TraceError("a connection is blocked halfway, which is not followed here")
        self._connections.commit(scope.zone, scope.packet)


def _value(text: str, fields: Mapping[str, str]) -> str:
    if _FIELD.fullmatch(text):
        if text not in fields and text not in {"inport", "outport"}:
            raise TraceError(f"{text} is read before it is known")
        return fields.get(text, "")
    return text


def _arp(scope: _Scope) -> None:
    fields = scope.fields
    source, target = fields["ip4.src"], fields["ip4.dst"]
    scope.forget("ip.", "ip4.", *_TRANSPORT)
    scope.fields |= {"eth.type": ARP, "arp.op": "1", "arp.sha": fields["eth.src"]}
    scope.fields |= {"arp.spa": source, "arp.tha": UNKNOWN_MAC, "arp.tpa": target}


def _error(scope: _Scope) -> None:
    """An ICMP error about the packet, as yet on its way in the packet's direction."""
    scope.about = scope.packet
    old = scope.fields
    icmp, proto = ("icmp4", ICMP) if old["eth.type"] == IP4 else ("icmp6", ICMP6)
    scope.forget(*_TRANSPORT)
    unreachable, host, port = ("3", "1", "3") if icmp == "icmp4" else ("1", "1", "4")
    code = port if scope.rejected and old["ip.proto"] == "17" else host
    scope.fields |= {"ip.proto": str(proto), "ip.ttl": "255"}
    scope.fields |= {f"{icmp}.type": unreachable, f"{icmp}.code": code}
    if scope.rejected:
        _turn(scope)


def _reset(scope: _Scope) -> None:
    scope.forget("ip.dscp")
    scope.fields |= {"ip.ttl": "63", "tcp.flags": _RST_ACK}
    scope.swap("tcp.src", "tcp.dst")
    scope.strayed = True
    if scope.rejected:
        _turn(scope)


def _turn(scope: _Scope) -> None:
    family = "ip4" if scope.fields["eth.type"] == IP4 else "ip6"
    scope.swap("eth.src", "eth.dst")
    scope.swap(f"{family}.src", f"{family}.dst")


def _advertisement(scope: _Scope) -> None:
    fields = scope.fields
    scope.forget("nd.", "icmp6.", "ip.dscp")
    scope.swap("eth.src", "eth.dst")
    scope.fields |= {"ip6.dst": fields["ip6.src"], "ip6.src": fields["nd.target"]}
    scope.fields |= {"icmp6.type": "136", "icmp6.code": "0", "ip.ttl": "255"}
    scope.fields |= {"nd.target": fields["nd.target"], "nd.tll": fields["eth.dst"]}


def _solicitation(scope: _Scope) -> None:
    fields = scope.fields
    scope.forget(*_TRANSPORT)
    mac, target = fields["eth.src"], IPv6Address(fields["ip6.dst"])
    octets = bytes.fromhex(mac.replace(":", ""))
    own = bytes([octets[0] ^ 2, *octets[1:3], 0xFF, 0xFE, *octets[3:]])
    link_local = IPv6Address(bytes.fromhex("fe80000000000000") + own)
    group = IPv6Address(bytes.fromhex("ff0200000000000000000001ff") + target.packed[13:])
    scope.fields |= {
        "eth.dst": (b"\x33\x33" + group.packed[12:]).hex(":"),
        "eth.type": IP6,
        "ip6.src": str(link_local),
        "ip6.dst": str(group),
        "ip.proto": str(ICMP6),
        "ip.ttl": "255",
        "icmp6.type": "135",
        "icmp6.code": "0",
        "nd.target": str(target),
        "nd.sll": mac,
    }


_TRANSFORMATIONS = {
    "arp": _arp,
    "icmp4": _error,
    "icmp6": _error,
    "tcp_reset": _reset,
    "nd_na": _advertisement,
    "nd_ns": _solicitation,
}
_ANSWERS_TO_IP = {"icmp4", "icmp6", "tcp_reset"}
