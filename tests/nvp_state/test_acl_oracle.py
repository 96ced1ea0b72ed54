"""Random access rules and conversations against a firewall that knows no flows.

The firewall reads rules as the trees they were written from (`packets`), one packet at a time, and
remembers connections in a table for each VM, with the states that the referee's harness gives them
(`tests.ovn_connections`). Of a frame it says whether it comes out at the VM that it is sent to.
"""

from ipaddress import IPv4Address, IPv6Address, ip_network

from attrs import define, field
from hypothesis import event, given, settings
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoReply, ICMPv6EchoRequest, IPv6
from scapy.layers.l2 import Ether

from nvp_state import (
    Acl,
    AddressSet,
    Emulation,
    Host,
    NetworkState,
    Port,
    PortGroup,
    StateError,
    Switch,
)
from tests.nvp_state import packets
from tests.ovn_connections import Connections
from tests.ovn_packets import read

PORTS = packets.PORTS
MACS = dict(
    zip(PORTS, ("0a:00:00:00:00:01", "0a:00:00:00:00:02", "0a:00:00:00:00:03"), strict=True)
)
FOUR = [str(IPv4Address(it)) for it in packets.ADDRESSES[:3]]
SIX = [str(IPv6Address(it)) for it in packets.ADDRESSES6[:3]]
DENY = ("drop",)


@define
class Firewall:
    """The rules of a switch, each with the tree of its match, and what it remembers."""

    rules: list
    connections: Connections = field(factory=Connections)
    blocked: set = field(factory=set)

    def delivers(self, source, to, packet, wire):
        """Whether a packet passes, from port to port."""
        leaving = packet | {"outport": ""}
        return self.passes("from-lport", source, leaving, wire) and self.passes(
            "to-lport", to, packet, wire
        )

    def passes(self, direction, port, packet, wire):
        asked = [(acl, tree) for acl, tree in self.rules if acl.direction == direction]
        matching = [acl for acl, tree in asked if packets.matches(tree, packet)]
        stateful = any(acl.action == "allow-related" for acl, _ in self.rules)
        if not stateful or any(acl.action == "allow-stateless" for acl in matching):
            return verdict(matching) not in DENY
        state = self.connections.state(port, wire)
        connection = (port, ends(wire))
        blocked = connection in self.blocked
        if state == "inv":
            return False
        if state == "est,rpl":
            return not blocked
        if verdict(matching) in DENY:
            if state == "est":
                self.blocked.add(connection)
            return False
        if state == "new" or blocked:
            self.connections.commit(port, wire)
            self.blocked.discard(connection)
        return True


def verdict(matching):
    """What the first tier with a rule that matches decides; of one priority what denies."""
    first = [acl for acl in matching if acl.tier == min(it.tier for it in matching)]
    ranked = [(acl.priority, acl.action in DENY, acl.action) for acl in first]
    return max(ranked)[2] if ranked else "allow"


def ends(wire):
    """The connection of a packet, whichever way it goes."""
    version = "ip4" if "ip4.src" in wire else "ip6"
    source, to = (
        [wire["ip.proto"], wire[f"{version}.src"]],
        [wire["ip.proto"], wire[f"{version}.dst"]],
    )
    for layer in ("tcp", "udp"):
        if f"{layer}.src" in wire:
            source.append(wire[f"{layer}.src"])
            to.append(wire[f"{layer}.dst"])
    return frozenset({tuple(source), tuple(to)})


def a_rule(random, tree):
    """A rule that matches as a tree says, or None if no flow can."""
    place, direction = "s0", random.choice(["from-lport", "to-lport"])
    action = random.choice(
        ["allow", "drop", "drop", "allow-related", "allow-related", "allow-stateless"]
    )
    try:
        return Acl(
            place, direction, random.choice([1, 1, 2, 32767]), packets.written(tree), action,
            tier=random.choice([0, 0, 0, 2, 3]),
        )  # fmt: skip
    except StateError:
        return None


def sets():
    """The sets of `packets.SETS`, as entities."""
    yield PortGroup("pair", tuple(packets.SETS["@pair"]))
    for name, width, form in (("four", 32, IPv4Address), ("six", 128, IPv6Address)):
        prefixes = [
            str(ip_network((form(value), width - ((1 << width) - 1 - mask).bit_length())))
            for value, mask in packets.SETS[f"${name}"]
        ]
        yield AddressSet(name, tuple(prefixes))
    yield AddressSet("macs", (MACS["a"],))
    yield AddressSet("none")


def a_packet(random):
    """Who sends to whom, what is above Ethernet, and the answer to it."""
    source, to = random.sample(PORTS, 2)
    here, there = random.sample(FOUR, 2)
    head = IP(src=here, dst=there)
    back = IP(src=there, dst=here)
    echo, echoed = ICMP(type=8), ICMP(type=0)
    if random.random() < 0.4:
        here, there = random.sample(SIX, 2)
        head, back = IPv6(src=here, dst=there), IPv6(src=there, dst=here)
        echo, echoed = ICMPv6EchoRequest(), ICMPv6EchoReply()
    one, other = random.choice([79, 1000]), random.choice([80, 81, 443])
    above, answer = random.choice(
        [
            (TCP(sport=one, dport=other), TCP(sport=other, dport=one, flags="SA")),
            (TCP(sport=one, dport=other), TCP(sport=other, dport=one, flags="SA")),
            (UDP(sport=one, dport=other), UDP(sport=other, dport=one)),
            (echo, echoed),
        ]
    )
    return source, to, head / above, back / answer


def told(source, to, frame):
    """A frame as the trees know it, and as connections do."""
    wire = read(frame)
    packet = {"inport": source, "outport": to, "ip.ecn": 0, "ip.dscp": 0, "ip.frag": 0}
    packet |= {"ip6.label": 0} if "ip6.src" in wire else {}
    for name, text in wire.items():
        if name in packets.FIELDS:
            packet[name] = number(text)
    return packet, wire


def number(text):
    """The number that a field's text is."""
    if text.count(":") == 5 and "::" not in text and len(text) == 17:
        return int(text.replace(":", ""), 16)
    if ":" in text:
        return int(IPv6Address(text))
    return int(IPv4Address(text)) if "." in text else int(text, 0)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(packets.expressions, min_size=1, max_size=5),
    st.randoms(use_true_random=True),
)
def test_packets_pass_as_a_firewall_without_flows_says(trees, random):
    rules = {}
    for tree in trees:
        rule = a_rule(random, tree)
        if rule is not None:
            rules[rule.key] = (rule, tree)
    state = NetworkState()
    with state.transaction() as tx:
        tx.add(Host("h0", "192.0.2.1"), Host("h1", "192.0.2.2"), Switch("s0", "acme"), *sets())
        for number_, name in enumerate(PORTS):
            tx.add(Port(name, "s0", MACS[name], host=f"h{number_ % 2}", port_security=False))
        tx.add(*(rule for rule, _ in rules.values()))
    firewall, lab = Firewall(list(rules.values())), Emulation(state)
    known = []
    for _ in range(16):
        source, to, there, back = (
            random.choice(known) if random.random() < 0.5 and known else a_packet(random)
        )
        known += [(source, to, there, back), (to, source, back, there)]
        frame = bytes(Ether(src=MACS[source], dst=MACS[to]) / there)
        expected = firewall.delivers(source, to, *told(source, to, frame))
        found = [it.port for it in lab.send(source, frame)]
        event("passes" if expected else "does not pass")
        assert found == [to] * expected, ([rule for rule, _ in rules.values()], source, there)
