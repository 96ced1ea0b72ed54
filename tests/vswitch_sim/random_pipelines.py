"""Random flows, groups and frames over a domain so small that everything meets everything.

All that a switch can do is in here. Matches and actions are such that Open vSwitch takes them, too
(masks only where it allows them), so that the same pipelines can be put to it.
"""

import random
from collections.abc import Iterator

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import (
    ICMPv6EchoRequest,
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6NDOptDstLLAddr,
    ICMPv6NDOptSrcLLAddr,
    IPv6,
    IPv6ExtHdrFragment,
)
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Packet, Raw

from vswitch_sim import (
    FIELDS,
    FLOOD,
    IN_PORT,
    Action,
    Bucket,
    Clone,
    Conjunction,
    Controller,
    Ct,
    DecTtl,
    Entry,
    Flow,
    FlowError,
    Group,
    GroupType,
    Learn,
    LearnLoad,
    LearnMatch,
    LearnOutput,
    Match,
    Meter,
    MeterBand,
    Move,
    Nat,
    Note,
    Output,
    OutputRegister,
    PopVlan,
    PushVlan,
    Resubmit,
    SetField,
)

PORTS = (1, 2, 3)
TABLES = (0, 1, 2, 3)
GROUPS = (1, 2)
METER = 1

MACS = (0x0A0000000001, 0x0A0000000002, 0x0A0000010001)
IPV4 = (0x0A000001, 0x0A000002, 0x0A000102, 0xC0A80001)
IPV6 = (0xFE80 << 112 | 1, 0xFE80 << 112 | 2, 0x2001 << 112 | 1)
L4_PORTS = (80, 81, 443, 8080)

_BASES: tuple[dict[str, int], ...] = (
    {},
    {},
    {"eth_type": 0x0800},
    {"eth_type": 0x86DD},
    {"eth_type": 0x0806},
    {"eth_type": 0x0800, "ip_proto": 6},
    {"eth_type": 0x0800, "ip_proto": 17},
    {"eth_type": 0x0800, "ip_proto": 1},
    {"eth_type": 0x86DD, "ip_proto": 6},
    {"eth_type": 0x86DD, "ip_proto": 17},
    {"eth_type": 0x86DD, "ip_proto": 58, "icmpv6_type": 135},
    {"vlan_vid": 0x1005},
)
VALUES: dict[str, tuple[int, ...]] = {
    "in_port": PORTS,
    "tun_id": (0, 7),
    "reg0": (0, 1, 2, 3),
    "reg1": (0, 1, 80),
    "xreg1": (0, 1),
    "metadata": (0, 1),
    "eth_src": MACS,
    "eth_dst": MACS,
    "vlan_vid": (0, 0x1005, 0x1006),
    "vlan_pcp": (0, 3),
    "arp_op": (1, 2),
    "arp_spa": IPV4,
    "arp_tpa": IPV4,
    "arp_sha": MACS,
    "arp_tha": MACS,
    "ipv4_src": IPV4,
    "ipv4_dst": IPV4,
    "ipv6_src": IPV6,
    "ipv6_dst": IPV6,
    "ipv6_label": (0, 5),
    "ip_dscp": (0, 46),
    "ip_ecn": (0, 3),
    "ip_ttl": (1, 2, 64),
    "ip_frag": (0, 1, 3),
    "tcp_src": L4_PORTS,
    "tcp_dst": L4_PORTS,
    "udp_src": L4_PORTS,
    "udp_dst": L4_PORTS,
    "icmpv4_type": (0, 8),
    "icmpv4_code": (0,),
    "nd_target": IPV6,
    "nd_sll": MACS,
    "tcp_flags": (0x002, 0x010),
    "ct_state": (0x20, 0x21, 0x22, 0x2A, 0x30),
    "ct_zone": (0, 5),
    "ct_mark": (0, 1),
    "ct_label": (0, 1),
}
# Where Open vSwitch takes no mask.
_EXACT = frozenset(
    {"in_port", "vlan_pcp", "arp_op", "ip_dscp", "ip_ecn", "ip_ttl", "icmpv4_type", "icmpv4_code"}
    | {"ct_zone"}
)
_CONNECTION = frozenset({"ct_state", "ct_zone", "ct_mark", "ct_label"})


class Chooser:
    """Draws what pipelines are made of.

    Args:
        seed: what decides everything.
        connections: whether connection tracking takes part.
        slow: whether meters, learning, and what hashes or sends to the controller do.
    """

    def __init__(self, seed: int, *, connections: bool = True, slow: bool = True) -> None:
        self.rng = random.Random(seed)
        self.connections = connections
        self.slow = slow

    def match(self, within: dict[str, int] | None = None) -> Match:
        rng = self.rng
        chosen = rng.choice(_BASES) if within is None else within
        fields: dict[str, tuple[int, int]] = {
            name: (value, FIELDS[name].maximum) for name, value in chosen.items()
        }
        for name in rng.sample(sorted(VALUES), rng.choice((0, 1, 2, 3, 8))):
            if name in _CONNECTION and not self.connections:
                continue
            if name not in fields:
                self._add(fields, name)
        return Match.of(**fields)

    def _add(self, fields: dict[str, tuple[int, int]], name: str) -> None:
        rng = self.rng
        value, mask = rng.choice(VALUES[name]), FIELDS[name].maximum
        if name == "ip_frag":
            mask = rng.choice((3, 2 if value != 1 else 1))
        elif name not in _EXACT and rng.random() < 0.5:
            if FIELDS[name].form in ("ip", "ipv6"):
                mask &= mask << rng.randrange(FIELDS[name].width)
            else:
                mask &= rng.getrandbits(FIELDS[name].width)
        if name == "ct_state":
            mask &= 0x3F
        fields[name] = value & mask, mask
        try:
            Match.of(**fields)
        except FlowError:
            del fields[name]

    def change(self) -> Action:
        rng = self.rng
        kind = rng.randrange(8)
        if kind < 4:
            name = rng.choice(sorted(set(VALUES) - _CONNECTION - {"ip_frag", "tcp_flags"}))
            value, mask = rng.choice(VALUES[name]), FIELDS[name].maximum
            if name == "vlan_vid":
                return SetField(name, rng.choice((0x1005, 0x1006)))
            if rng.random() < 0.3 and name not in _EXACT:
                mask = rng.getrandbits(FIELDS[name].width) or 1
                if FIELDS[name].form == "ipv6":
                    # Open vSwitch reads a mask that begins with a digit as a prefix length.
                    mask |= 0xF << 124
            return SetField(name, value & mask, mask)
        if kind == 4:
            return rng.choice(
                (
                    Move("eth_src", "eth_dst"),
                    Move("ipv4_src", "ipv4_dst"),
                    Move("reg0", "metadata"),
                    Move("arp_spa", "reg1"),
                    Move("eth_src[0..1]", "reg0[0..1]"),
                    Move("tcp_dst", "reg1[0..15]"),
                    Move("ipv6_dst[0..31]", "reg0"),
                    Move("vlan_vid[0..2]", "reg0[0..2]"),
                    Move("reg0[0..1]", "ipv4_dst[0..1]"),
                    Move("in_port[0..1]", "reg0[0..1]"),
                    Move("ip_ttl[0..1]", "reg0[4..5]"),
                )
            )
        return rng.choice((DecTtl(), PushVlan(), PopVlan()))

    def output(self) -> Action:
        rng = self.rng
        ports = (*PORTS, *PORTS, IN_PORT, FLOOD)
        if rng.random() < 0.15:
            return OutputRegister(rng.choice(("reg0[0..1]", "in_port[0..15]", "metadata[0..1]")))
        return Output(rng.choice(ports))

    def connection(self, table: int) -> Action:
        rng = self.rng
        # Never back: a loop through connection tracking is cut by each datapath at its own depth.
        tables = [None, *(other for other in TABLES[2:] if other > table)]
        nats = (None, None, Nat(), Nat("src", "10.0.0.9"), Nat("dst", "10.0.0.2", port_min=81))
        commit = rng.random() < 0.6
        nat = rng.choice(nats)
        return Ct(
            zone=rng.choice((0, 5)),
            table=rng.choice(tables),
            commit=commit,
            force=commit and rng.random() < 0.2,
            actions=[SetField("ct_mark", 1, rng.choice((1, 3)))] if commit else [],
            nat=nat if commit or nat is None or not nat.kind else Nat(),
        )

    def action(self, table: int, depth: int = 0) -> Action:
        rng = self.rng
        draw = rng.random()
        if draw < 0.3:
            return self.output()
        if draw < 0.55:
            return self.change()
        if draw < 0.8:
            # Most often onwards: else most packets end in loops.
            later = [other for other in TABLES if other > table]
            return Resubmit(rng.choice(later or [table]) if rng.random() < 0.97 else table)
        if draw < 0.87:
            return Group(rng.choice(GROUPS))
        if draw < 0.93 and self.connections:
            return self.connection(table)
        if draw < 0.96 and depth < 2:
            return Clone(self.action(table, depth + 1) for _ in range(rng.randrange(1, 3)))
        if draw < 0.97 or not self.slow:
            return Note(b"x")
        asked = Controller("answered", rng.choice(TABLES))
        return rng.choice((Controller("asked"), asked, asked, Meter(METER), self.learn()))

    def learn(self) -> Action:
        idle, hard = self.rng.choice(((0, 0), (3, 0), (0, 3)))
        return Learn(
            self.rng.choice(TABLES[1:]),
            [
                LearnMatch("eth_dst", "eth_src"),
                LearnLoad("reg0[0..1]", "in_port[0..1]"),
                LearnOutput("in_port[0..15]"),
            ],
            priority=5,
            idle_timeout=idle,
            hard_timeout=hard,
        )

    def flow(self, cookie: int = 0) -> Flow:
        rng = self.rng
        table = rng.choice(TABLES)
        match = Match() if rng.random() < 0.25 else self.match()
        idle, hard = rng.choice(((0, 0),) * 6 + ((4, 0), (0, 4))) if self.slow else (0, 0)
        actions = tuple(self._fitting(table, match, rng.randrange(1, 5)))
        priority = rng.randrange(1, 60000)
        return Flow(table, priority, match, actions, cookie, idle, hard)

    def _fitting(self, table: int, match: Match, n_actions: int) -> Iterator[Action]:
        chosen: list[Action] = []
        for _ in range(4 * n_actions):
            action = self.action(table)
            try:
                Flow(table, 1, match, (*chosen, action))
            except FlowError:
                continue
            chosen.append(action)
            if len(chosen) == n_actions:
                break
        yield from chosen

    def entries(self, n_flows: int) -> list[Entry]:
        """Entries of a whole pipeline, each of its own identity."""
        rng = self.rng
        chosen: list[Entry] = [MeterBand(METER, 4_000_000_000)] if self.slow else []
        chosen += [self.flow(cookie) for cookie in range(1, n_flows + 1)]
        for table in TABLES:
            if rng.random() < 0.85:
                then = (Resubmit(table + 1),) if table + 1 in TABLES else ()
                chosen.append(Flow(table, 0, Match(), (*then, self.output()), 1000 + table))
        chosen += self.conjunctions()
        kinds = ("all", "ff", "indirect", *(("select",) if self.slow else ()))
        for group in GROUPS:
            if rng.random() < 0.85:
                chosen += self.group(group, rng.choice(kinds))
        return distinct(chosen)

    def conjunctions(self) -> Iterator[Flow]:
        """Conjunctive matches, each of a priority of its own: which of several wins is open."""
        rng = self.rng
        for number in range(1, rng.choice((1, 1, 3))):
            table, priority, n_clauses = rng.choice(TABLES), 60000 + number, rng.choice((2, 2, 3))
            for clause in range(1, n_clauses + 1):
                for _ in range(rng.choice((1, 2, 3))):
                    match = self.match() if rng.random() < 0.7 else Match()
                    parts = (Conjunction(number, clause, n_clauses),)
                    yield Flow(table, priority, match, parts, 2000 + number)
            match = Match.of(conj_id=number)
            actions = tuple(self._fitting(table, match, 2))
            # Of less priority, Open vSwitch would not see plain flows that match as a clause does.
            yield Flow(table, priority, match, actions, 3000 + number)

    def group(self, group: int, kind: str) -> list[Entry]:
        n_buckets = 1 if kind == "indirect" else self.rng.randrange(1, 4)
        buckets = [self.bucket(group, kind, number) for number in range(n_buckets)]
        return [GroupType(group, kind), *buckets]

    def bucket(self, group: int, kind: str, number: int) -> Bucket:
        rng = self.rng
        then: Action = Output(rng.choice(PORTS))
        if rng.random() < 0.3:
            then = Resubmit(TABLES[-1])
        actions = [then]
        if rng.random() < 0.6:
            actions.insert(0, SetField(rng.choice(("eth_dst", "eth_src")), rng.choice(MACS)))
        watch = rng.choice(PORTS) if kind == "ff" else None
        weight = rng.choice((1, 5)) if kind == "select" else 1
        return Bucket(group, number, tuple(actions), weight, watch)

    def frame(self) -> bytes:
        return self.rng.choice(FRAMES)


def distinct(chosen: list[Entry]) -> list[Entry]:
    """Of entries with one identity, the last."""
    return list({(type(entry), entry.identity): entry for entry in chosen}.values())


def _mac(value: int) -> str:
    return ":".join(f"{octet:02x}" for octet in value.to_bytes(6, "big"))


def _ip(value: int) -> str:
    return ".".join(str(octet) for octet in value.to_bytes(4, "big"))


def _ip6(value: int) -> str:
    return ":".join(f"{value >> shift & 0xFFFF:x}" for shift in range(112, -1, -16))


def _above(rng: random.Random) -> Packet:
    ports = {"sport": rng.choice(L4_PORTS), "dport": rng.choice(L4_PORTS)}
    flags = rng.choice(("S", "A", "SA", "FA", "R"))
    return rng.choice((TCP(**ports, flags=flags), TCP(**ports, flags="A"), UDP(**ports))) / b"data"


def _layer3(rng: random.Random) -> Packet:
    kind = rng.randrange(10)
    source, destination = (_ip(rng.choice(IPV4)) for _ in range(2))
    if kind == 0:
        macs = {"hwsrc": _mac(rng.choice(MACS)), "hwdst": _mac(rng.choice(MACS))}
        return ARP(op=rng.choice((1, 2)), psrc=source, pdst=destination, **macs)
    if kind == 1:
        return Raw(b"\0" * 46)
    ip = {"ttl": rng.choice((1, 2, 64)), "tos": rng.choice((0, 46 << 2, 3))}
    if kind < 6:
        whole = IP(src=source, dst=destination, **ip)
        if rng.random() < 0.15:
            whole.frag, whole.proto = 100, 6
            return whole / Raw(b"later")
        if rng.random() < 0.15:
            whole.flags = "MF"
        return whole / (ICMP(type=rng.choice((0, 8))) / b"ping" if kind == 2 else _above(rng))
    addresses = {"src": _ip6(rng.choice(IPV6)), "dst": _ip6(rng.choice(IPV6))}
    ip6 = IPv6(**addresses, fl=rng.choice((0, 5)), hlim=ip["ttl"], tc=ip["tos"])
    if kind == 6:
        target = _ip6(rng.choice(IPV6))
        option = rng.choice((ICMPv6NDOptSrcLLAddr, ICMPv6NDOptDstLLAddr))
        asks = rng.choice((ICMPv6ND_NS, ICMPv6ND_NA))(tgt=target)
        return ip6 / asks / option(lladdr=_mac(rng.choice(MACS)))
    if kind == 7:
        return ip6 / ICMPv6EchoRequest(data=b"ping")
    if kind == 8 and rng.random() < 0.5:
        return ip6 / IPv6ExtHdrFragment(offset=10, nh=6) / Raw(b"later")
    return ip6 / _above(rng)


def _frame(rng: random.Random) -> bytes:
    ether = Ether(src=_mac(rng.choice(MACS)), dst=_mac(rng.choice(MACS)), type=0x88B5)
    above = _layer3(rng)
    if not isinstance(above, Raw):
        del ether.type
    for _ in range(rng.choice((0, 0, 0, 1, 2))):
        ether /= Dot1Q(vlan=rng.choice((5, 6)), prio=rng.choice((0, 3)))
    return bytes(ether / above)


_rng = random.Random(7)
FRAMES = tuple(dict.fromkeys(_frame(_rng) for _ in range(160)))
