"""Random networks and random frames over domains so small that everything collides.

All is drawn from a `random.Random`, whose seed hypothesis picks and shows when something fails. A
network is a list of entities. Frames are made by scapy: about half are honest, the others are
spoofed, cut short or malformed. `assert_explained` sends them and compares what comes out, and
what some traces say, with the oracle.
"""

from collections import Counter

from attrs import evolve
from hypothesis import Phase, settings
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6ND_NS, IPv6
from scapy.layers.l2 import ARP, Dot1AD, Dot1Q, Ether
from scapy.packet import Raw

from nvp_state import Acl, ExpressionError, Host, Port, Switch
from nvp_state.expression import normalise
from tests.nvp_state.oracle import Choices, Oracle

HOSTS = ["h0", "h1", "h2", "h3"]
SWITCHES = ["s0", "s1", "s2"]
PORTS = ["p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7"]
MACS = ["0a:00:00:00:00:01", "0a:00:00:00:00:02", "0a:00:00:00:00:03", "0a:00:00:00:00:04"]
IPS = ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
GROUPS = ["ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01"]
STRANGERS = ["0a:00:00:00:00:09", "02:00:00:00:00:00"]
UNDERLAY_IPS = ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.5"]

# An access rule of more flows than this makes a test slow and no better.
FLOWS_MAX = 70

SEEDED = settings(phases=[Phase.explicit, Phase.reuse, Phase.generate])  # a seed has no shrinks
randoms = st.randoms(use_true_random=True)


def a_host(random):
    return Host(random.choice(HOSTS), random.choice(UNDERLAY_IPS))


def a_switch(random):
    return Switch(random.choice(SWITCHES), random.choice(["acme", "globex"]))


def a_port(random, name, switch_names=SWITCHES, host_names=HOSTS):
    """A port, most of which can talk to others; those that get unknown MACs are seldom guarded."""
    unknown = random.random() < 0.3
    return Port(
        name,
        switch=random.choice([*switch_names, *switch_names[:1]]),
        mac=random.choice(MACS),
        ip=random.choice([*IPS, None]),
        host=random.choice([*host_names, *host_names, None]),
        port_security=random.random() < (0.3 if unknown else 0.75),
        enabled=random.random() < 0.85,
        unknown=unknown,
    )


_TERMS = [
    "ip4", "arp", "tcp", "udp", "icmp4", "ip6", "ip", "1", "0", "eth.mcast", "eth.bcast",
    'inport == "p0"', 'inport == {"p1", "p2"}', 'inport == "elsewhere"',
    "ip4.src == 10.0.0.1", "ip4.dst == 10.0.0.2/31", "ip4.dst != 10.0.0.3", "ip4.mcast",
    "ip4.src != {10.0.0.1, 10.0.0.2}", "tcp.dst == 80", "tcp.dst == {22, 443}", "tcp.dst != 80",
    "22 <= tcp.dst < 443", "udp.dst <= 67", "1000 < udp.src", "eth.src == 0a:00:00:00:00:01",
    "eth.dst == 0a:00:00:00:00:02", "eth.src != 0a:00:00:00:00:02", "ip.proto == 47",
    "ip.ttl < 3", "ip.dscp != 0", "arp.op == 1", "arp.tpa == 10.0.0.1",
    "arp.sha != 0a:00:00:00:00:01",
    "icmp4.type == 8", "eth.type == 0x9000", "eth.src == 0a:00:00:00:00:00/ff:ff:ff:ff:ff:fe",
]  # fmt: skip
_EGRESS_TERMS = ['outport == "p0"', 'outport == {"p0", "p1", "p2"}', 'outport == "p3"']


def an_acl(random, switch_names=SWITCHES):
    """An access rule with any kind of condition, as far as flows can express it."""
    direction = random.choice(["from-lport", "to-lport"])
    terms = _TERMS + _EGRESS_TERMS * 4 * (direction == "to-lport")
    conditions = random.sample(terms, random.choice([1, 1, 2, 2, 3]))
    plain = f"({random.choice(conditions)})"
    conditions = [f"!({it})" if random.random() < 0.3 else f"({it})" for it in conditions]
    match = random.choice([" && ", " && ", " || "]).join(conditions)
    place = random.choice(switch_names), direction, random.choice([0, 1, 1, 32767])
    action = random.choice(["allow", "drop"])
    try:
        few = len(normalise(match)) <= FLOWS_MAX
    except ExpressionError:
        few = False
    return Acl(*place, match if few else plain, action)


def an_entity(random):
    """Any entity, most often a port."""
    make = random.choice([a_host, a_switch, an_acl, an_acl, None, None, None])
    return make(random) if make else a_port(random, random.choice(PORTS))


def a_network(random):
    """A network: nothing twice, and everything that is referred to."""
    host_names = HOSTS[: random.randint(1, len(HOSTS))]
    switch_names = SWITCHES[: random.choice([1, 1, 2, 2, 3])]
    members = [Host(name, ip) for name, ip in zip(host_names, UNDERLAY_IPS, strict=False)]
    members += [Switch(name, "acme") for name in switch_names]
    for name in PORTS[: random.randint(3, len(PORTS))]:
        members.append(a_port(random, name, switch_names, host_names))
    rules = [an_acl(random, switch_names) for _ in range(random.choice([0, 0, 1, 2, 3]))]
    contrary = {"allow": "drop", "drop": "allow"}
    for rule in rules[:2]:
        match = random.choice(["1", "ip4", "eth.dst == 0a:00:00:00:00:02", "arp.op == 1"])
        rules.append(evolve(rule, match=match, action=contrary[rule.action]))
    return [*members, *{rule.key: rule for rule in rules}.values()]


def a_frame(random, port, others):
    """The bytes of a frame such as the VM at `port` sends to `others`, or should never send."""
    it = {
        "src": random.choice([*MACS, STRANGERS[0], "01:00:00:00:00:01"]),
        "dst": random.choice([*MACS, *MACS, *MACS, *GROUPS, *GROUPS, *STRANGERS]),
        "sha": random.choice(MACS),
        "spa": random.choice([*IPS, "0.0.0.0"]),
        "tpa": random.choice([*IPS, *IPS, "255.255.255.255", "224.0.0.9", "239.1.1.1"]),
        "port": random.choice([22, 80, 443, 67, 68, 1001]),
        "ttl": random.choice([64, 1, 2]),
    }
    if random.random() < 0.75:
        it |= {"src": port.mac, "sha": port.mac, "spa": port.ip or it["spa"]}
    if random.random() < 0.5:
        other = random.choice(others)
        it |= {"dst": other.mac, "tpa": other.ip or it["tpa"]}
    link = Ether(src=it["src"], dst=it["dst"])
    if random.random() < 0.05:
        link /= random.choice([Dot1Q, Dot1Q, Dot1AD])(vlan=random.choice([0, 5]))
    frame = bytes(link / random.choice(_FORMS)(it))
    return frame[: random.choice([10, 14, 16, 30, 40])] if random.random() < 0.05 else frame


def _ip4(it, **changes):
    return IP(**({"src": it["spa"], "dst": it["tpa"], "ttl": it["ttl"]} | changes))


_FORMS = [
    lambda it: ARP(op=1, hwsrc=it["sha"], psrc=it["spa"], pdst=it["tpa"]),
    lambda it: ARP(op=2, hwsrc=it["sha"], psrc=it["spa"], hwdst=it["dst"], pdst=it["tpa"]),
    lambda it: _ip4(it) / TCP(sport=1001, dport=it["port"]) / Raw(b"x" * 9),
    lambda it: _ip4(it) / TCP(sport=it["port"], dport=80),
    lambda it: _ip4(it, tos=0xB8) / UDP(sport=it["port"], dport=67),
    lambda _: IP(src="0.0.0.0", dst="255.255.255.255") / UDP(sport=68, dport=67),
    lambda it: _ip4(it) / ICMP(type=8 if it["ttl"] == 1 else 0),
    lambda it: _ip4(it, proto=47) / Raw(b"gre?"),
    lambda it: _ip4(it, frag=3, proto=6) / Raw(b"\0\x50" * 20),
    lambda it: _ip4(it, ihl=3, proto=17) / Raw(bytes(8)),
    lambda _: IPv6(src="fe80::1", dst="ff02::1") / ICMPv6ND_NS(tgt="fe80::2"),
    lambda _: Raw(b"of type 0x9000"),
    lambda it: ARP(hwtype=6, hwsrc=it["sha"], psrc=it["spa"]),
]


def assert_explained(random, lab, network, count):
    """Each frame comes out where and how the oracle says, once, and traces say so too.

    Returns how many frames came out at none, one and more ports.
    """
    oracle, choices = Oracle(network), Choices()
    senders = sorted(name for name, port in oracle.ports.items() if port.host is not None)
    outcomes = Counter()
    for _ in range(count if senders else 0):
        source = random.choice(senders)
        frame = a_frame(random, oracle.ports[source], list(oracle.ports.values()))
        expected = oracle.outcomes(source, frame)
        traced = lab.trace(source, frame).ports if random.random() < 0.3 else None
        deliveries = lab.send(source, frame)
        delivered = tuple(sorted((delivery.port, delivery.frame) for delivery in deliveries))
        about = f"{source} sends {frame.hex()}: {delivered} instead of {expected}"
        assert choices.explain(oracle.ports[source].switch, expected, delivered), about
        assert traced in {None, tuple(delivery.port for delivery in deliveries)}, about
        outcomes[min(len(delivered), 2)] += 1
    return outcomes
