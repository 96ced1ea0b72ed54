"""Tenants' own flow tables: what they do to packets, and that they do it to nobody else's.

Two twins that share no code with the rules: one passes frames through tables as they are written,
and one computes the same network without a hostile tenant's tables.
"""

import random

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Raw

from nvp_state import (
    Acl,
    Emulation,
    Host,
    LoadBalancer,
    LogicalFlow,
    Pipeline,
    Port,
    Router,
    RouterPort,
    StateError,
    Switch,
)
from nvp_state.steps import Steps, steps_of
from tests.rules.office import mac, state_of

HOSTS = [Host("h0", "192.0.2.1"), Host("h1", "192.0.2.2")]
PORTS = ["a", "b", "c"]
LAN = [
    *HOSTS,
    Switch("lan", "acme"),
    *(Port(it, "lan", mac(n), f"10.0.0.{n}", host=f"h{n % 2}") for n, it in enumerate("abc", 1)),
]


def flow(table, priority, match, actions, pipeline="p"):
    return LogicalFlow(pipeline, table, priority, match, actions)


def lab_of(*entities, base=LAN):
    return Emulation(state_of(*base, *entities))


def sent(lab, source, packet):
    return [(it.port, Ether(it.frame)) for it in lab.send(source, bytes(packet))]


def udp(source, target, port=53, ttl=64):
    ends = {"src": f"10.0.0.{source}", "dst": f"10.0.0.{target}", "ttl": ttl}
    return Ether(src=mac(source), dst=mac(target)) / IP(**ends) / UDP(sport=9, dport=port)


def test_packets_pass_the_tables_and_go_on():
    lab = lab_of(
        Pipeline("p", "acme", switches=["lan"]),
        flow(0, 5, "arp", "next;"),
        flow(0, 4, 'inport == "a" && udp', "ip.dscp = 46; next(7);"),
        flow(0, 3, "udp.dst == {53, 67}", "next;"),
        flow(7, 1, "udp.dst == 53", "udp.dst = 5353; ip.ttl--; next;"),
        flow(7, 0, "1", "next;"),
    )
    ((port, packet),) = sent(lab, "a", udp(1, 2))
    assert (port, packet[UDP].dport, packet[IP].ttl, packet[IP].tos >> 2) == ("b", 5353, 63, 46)
    ((port, packet),) = sent(lab, "a", udp(1, 2, 99))
    assert (port, packet[UDP].dport, packet[IP].ttl, packet[IP].tos >> 2) == ("b", 99, 64, 46)
    ((port, packet),) = sent(lab, "b", udp(2, 3))
    assert (port, packet[UDP].dport, packet[IP].tos) == ("c", 5353, 0)
    assert sent(lab, "b", udp(2, 3, 99)) == []  # no flow of table 0 matches
    assert sent(lab, "b", udp(2, 3, ttl=1)) == []
    ask = Ether(src=mac(1), dst="ff:ff:ff:ff:ff:ff")
    ((port, packet),) = sent(lab, "a", ask / ARP(hwsrc=mac(1), psrc="10.0.0.1", pdst="10.0.0.2"))
    assert (port, packet[ARP].hwsrc) == ("a", mac(2))


def test_a_flow_outputs_to_a_port_on_another_host_or_switch_of_the_tenant():
    to_c = f'eth.dst = {mac(3)}; ip4.dst = 10.0.0.3; outport = "c";'
    other = [Switch("wan", "acme"), Port("d", "wan", mac(4), host="h1", port_security=False)]
    lab = lab_of(
        *other,
        Pipeline("p", "acme", switches=["lan"]),
        flow(0, 2, "ip4 && udp.dst == 53", f"{to_c} output;"),
        flow(0, 1, "udp.dst == 67", 'outport = "d"; output;'),
        flow(0, 0, "udp.dst == 68", 'outport = "nobody"; output;'),
    )
    ((port, packet),) = sent(lab, "a", udp(1, 2))
    assert (port, packet.dst, packet[IP].dst) == ("c", mac(3), "10.0.0.3")
    assert [port for port, _ in sent(lab, "a", udp(1, 2, 67))] == ["d"]
    assert sent(lab, "a", udp(1, 2, 68)) == []
    assert [it[1] for it in lab.state.warnings()] == ["pipeline-foreign-output"]


QUARANTINE = """
universal_flow(s, "", n, 50, from, []) :-
    logical_port("a", s, _, _), from_port("a", from), stage("in_policy", n).
"""


@pytest.mark.parametrize("target", ["c", "d"])
def test_what_a_tenant_outputs_passes_access_rules_policies_and_no_load_balancer(target):
    everything = [
        *(it for it in LAN if it.key != "c"),
        Port("c", "lan", mac(3), "10.0.0.3", host="h1", port_security=False),
        Switch("wan", "acme"),
        Port("d", "wan", mac(4), host="h1", port_security=False),
        Pipeline("p", "acme", switches=["lan"]),
        flow(0, 1, "udp", f'outport = "{target}"; output;'),
        flow(0, 0, "1", "next;"),
        Acl("lan", "from-lport", 5, "udp.dst == 67", "drop"),
        Acl("lan", "from-lport", 4, "ip4", "allow-related"),
        Acl("lan", "to-lport", 5, "udp.dst == 68", "drop"),
        LoadBalancer("lb", "10.0.0.2:53", ["10.0.0.3:1053"], "udp", switches=["lan"]),
    ]
    lab = lab_of(base=everything)
    ((port, packet),) = sent(lab, "a", udp(1, 2))
    assert (port, packet[IP].dst, packet[UDP].dport) == (target, "10.0.0.2", 53)
    assert sent(lab, "a", udp(1, 2, 67)) == []
    assert [it for it, _ in sent(lab, "a", udp(1, 2, 68))] == (["d"] if target == "d" else [])
    lab.state.add_rules(QUARANTINE, "quarantine")
    assert sent(lab, "a", udp(1, 2)) == []
    assert [it for it, _ in sent(lab, "b", udp(2, 1))] == [target]


def test_at_egress_it_is_known_where_packets_go():
    lab = lab_of(
        Pipeline("p", "acme", "egress", ["lan"]),
        flow(0, 2, 'outport == "b" && inport == "a"', "drop;"),
        flow(0, 1, 'inport == "a" && udp', "udp.dst = 1; next;"),
        flow(0, 0, "1", "next;"),
    )
    assert sent(lab, "a", udp(1, 2)) == []
    assert [(port, it[UDP].dport) for port, it in sent(lab, "a", udp(1, 3))] == [("c", 1)]
    assert [(port, it[UDP].dport) for port, it in sent(lab, "c", udp(3, 2))] == [("b", 53)]


def test_a_trace_names_the_tables():
    flows = [flow(0, 0, "1", "next;"), flow(3, 0, "ip4", "drop;")]
    lab = lab_of(Pipeline("p", "acme", switches=["lan"]), *flows)
    told = str(lab.trace("a", bytes(udp(1, 2))))
    assert "in_own_3" in told
    assert 'logical-flow "p:3:0:ip4"' in told or "tenant.nlog" in told


@pytest.mark.parametrize(
    ("text", "match", "steps"),
    [
        ("next;", "1", Steps((), "next")),
        (" next ( 3 ) ; ", "1", Steps((), "next", 3)),
        ("drop;", "1", Steps((), "drop")),
        ('outport = "x y"; output;', "1", Steps((), "output", port="x y")),
        ("ip.ttl--; next;", "ip", Steps((("", 0),), "next")),
        ("tcp.src=80; next;", "tcp.dst == 5", Steps((("tcp_src", 80),), "next")),
        ("eth.src = 0a:00:00:00:00:01; next;", "1", Steps((("eth_src", 0x0A0000000001),), "next")),
        ("ip6.src = ::1; next;", "ip6", Steps((("ipv6_src", 1),), "next")),
    ],
)
def test_actions_are_read(text, match, steps):
    assert steps_of(text, match) == steps


@pytest.mark.parametrize(
    ("match", "actions", "said"),
    [
        ("1", "", "actions: is empty"),
        ("1", "next", "actions: `next` does not end with `;`"),
        ("1", "next;;", "actions: has no action between two `;`"),
        ("1", "nxt;", "actions: `nxt;` is no end: the last is `next;`, `drop;` or `output;`"),
        ("1", "nxt; drop;", "actions: `nxt` is no action; did you mean `next`?"),
        ("1", "drop; next;", "actions: `drop;` is the end: nothing can follow it"),
        ("1", "next(32);", "actions: next(32): the tables are 0 to 31"),
        ("1", "next(2);", "actions: next(2) leads back; tables are passed in their order"),
        ("1", "output;", 'actions: `outport = "…";` and `output;` go together'),
        ("1", 'outport = "a"; next;', 'actions: `outport = "…";` and `output;` go together'),
        ("1", "outport = a; output;", "actions: `outport` is a port's name in double quotes"),
        ("ip", "ip.ttl = 1; drop;", "actions: `drop;` stands alone"),
        ("1", "reg0 = 1; next;", "actions: `reg0` cannot be set; eth.src,"),
        ("1", "metadata = 1; next;", "actions: `metadata` cannot be set"),
        (
            "ip",
            "ip4.src = 10.0.0.1; next;",
            "actions: `ip4.src = 10.0.0.1` needs a match that says",
        ),
        ("1", "ip.ttl--; next;", "actions: `ip.ttl--` needs a match that says `ip`"),
        ("ip4", "ip4.src = 10.0.0.0/8; next;", "actions: `ip4.src` is set to one value"),
        ("tcp", "tcp.dst = {1, 2}; next;", "actions: `tcp.dst` is set to one value"),
        ("reg0 == 1", "next;", "match: there is no field or predicate `reg0`"),
        ("ct.est", "next;", "match: connections are tracked elsewhere"),
        ("ip4.src == $set", "next;", "match: address sets and port groups are for ACLs"),
    ],
)
def test_flows_that_are_none_are_refused(match, actions, said):
    with pytest.raises(StateError) as refused:
        flow(2, 0, match, actions)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("entities", "said"),
    [
        ([Switch("s", "globex"), Pipeline("p", "acme", switches=["s"])], "is acme's, and switch"),
        (
            [Pipeline("p", "acme", switches=["lan"]), Pipeline("q", "acme", switches=["lan"])],
            'has two pipelines at one stage, "p" and "q"',
        ),
        ([Pipeline("p", "acme"), flow(0, 0, 'outport == "a"', "next;")], "is not known yet"),
        (
            [Pipeline("p", "acme", "egress"), flow(0, 0, "1", 'outport = "a"; output;')],
            "output at ingress",
        ),
    ],
)
def test_pipelines_where_they_cannot_be_are_refused(entities, said):
    with pytest.raises(StateError, match=said):
        state_of(*LAN, *entities)


MATCHES = [
    ("1", lambda _, __: True),
    ("ip4", lambda it, _: IP in it),
    ("udp", lambda it, _: UDP in it),
    ("tcp && tcp.dst != 80", lambda it, _: TCP in it and it[TCP].dport != 80),
    ("udp.dst == {53, 67}", lambda it, _: UDP in it and it[UDP].dport in {53, 67}),
    ("ip4.dst == 10.0.0.2/31", lambda it, _: IP in it and it[IP].dst[-1] in "23"),
    ('inport == {"a", "b"} && ip', lambda it, port: port in {"a", "b"} and IP in it),
    (
        "ip.ttl == 2 || ip.dscp == 9",
        lambda it, _: IP in it and (it[IP].ttl == 2 or it[IP].tos == 36),
    ),
]
CHANGES = [
    ("udp.dst = 67", "udp", lambda it: it[UDP].__setattr__("dport", 67)),
    ("ip.ttl = 2", "ip", lambda it: it[IP].__setattr__("ttl", 2)),
    ("ip.dscp = 9", "ip", lambda it: it[IP].__setattr__("tos", 36)),
    ("ip4.dst = 10.0.0.3", "ip4", lambda it: it[IP].__setattr__("dst", "10.0.0.3")),
    (f"eth.dst = {mac(3)}", "", lambda it: it.__setattr__("dst", mac(3))),
]
ENDS = ["next;", "next;", "next;", "drop;", 'outport = "b"; output;', "jump"]


def random_table(rng):
    """Flows, and by table what a twin knows of them: priority, test, changes, end."""
    flows, twin = [], {}
    for number in rng.sample(range(8), rng.choice([1, 2, 3])):
        chosen = rng.sample(MATCHES, rng.choice([2, 3])) + MATCHES[:1] * (rng.random() < 0.7)
        for priority, (match, test) in enumerate(dict(chosen).items()):
            changes = [it for it in rng.sample(CHANGES, 2) if it[1] in match and rng.random() < 0.6]
            end = rng.choice(ENDS)
            if end == "jump":
                end = f"next({rng.randint(number + 1, 8)});"
            if end == "drop;":
                changes = []
            order = 0 if match == "1" else priority + 1
            actions = "".join(f"{it[0]}; " for it in changes) + end
            flows.append(flow(number, order, match, actions))
            twin.setdefault(number, []).append((order, test, [it[2] for it in changes], end))
    return flows, twin


def passed(twin, packet, source):
    """Where a frame goes by the tables, "" for behind them, and how; or None."""
    it, number = Ether(bytes(packet)), min(twin)
    while number != "":
        hits = [row for row in twin.get(number, ()) if row[1](it, source)]
        if not hits:
            return None
        _, _, changes, end = max(hits, key=lambda row: row[0])
        for change in changes:
            change(it)
        if end == "drop;":
            return None
        if "output" in end:
            return "b", it
        later = [other for other in twin if other > number]
        number = int(end[5:-2]) if "(" in end else min(later, default="")
    return "", it


def test_random_tables_do_what_a_twin_does():
    rng, outcomes = random.Random(3), []
    free = [*HOSTS, Switch("lan", "acme")] + [
        Port(it, "lan", mac(n), host=f"h{n % 2}", port_security=False)
        for n, it in enumerate(PORTS, 1)
    ]
    state = state_of(*free)
    lab = Emulation(state)
    for _ in range(40):
        flows, twin = random_table(rng)
        with state.transaction() as tx:
            tx.become([*free, Pipeline("p", "acme", switches=["lan"]), *flows])
        for _ in range(12):
            source, target = rng.sample([1, 2, 3], 2)
            ip = IP(src=f"10.0.0.{source}", dst=f"10.0.0.{target}", ttl=rng.choice([2, 64]))
            load = rng.choice([UDP(sport=9, dport=53), UDP(sport=9, dport=5), TCP(dport=80), TCP()])
            packet = Ether(src=mac(source), dst=mac(target)) / ip / load / Raw(b"x" * 20)
            name = PORTS[source - 1]
            outcome = passed(twin, packet, name)
            wanted = []
            if outcome is not None:
                port, changed = outcome
                port = port or PORTS[int(changed.dst[-1]) - 1]
                wanted = [(port, fields_of(changed))] if port != name else []
            got = [(port, fields_of(it)) for port, it in sent(lab, name, packet)]
            assert got == wanted, (flows, packet)
            outcomes.append(bool(wanted))
    assert 100 < sum(outcomes) < 400


def fields_of(it):
    end = it[UDP] if UDP in it else it[TCP]
    return (
        it.src,
        it.dst,
        it[IP].src,
        it[IP].dst,
        it[IP].ttl,
        it[IP].tos,
        end.dport,
        bytes(end.payload),
    )


VICTIM = [
    Switch("v0", "acme"),
    Switch("v1", "acme"),
    Port("va", "v0", mac(21), "10.0.0.1", host="h0"),
    Port("vb", "v0", mac(22), "10.0.0.2", host="h1"),
    Port("vc", "v1", mac(23), "10.0.1.3", host="h0", unknown=True, port_security=False),
    Router("vr", "acme"),
    RouterPort("vr0", "vr", mac(300), "10.0.0.9/24", "v0"),
    RouterPort("vr1", "vr", mac(301), "10.0.1.9/24", "v1"),
]
MALLORY = [
    Switch("m0", "mallory"),
    Switch("m1", "mallory"),
    Port("ma", "m0", mac(1), "10.0.0.1", host="h0", port_security=False),
    Port("mb", "m0", mac(2), "10.0.0.2", host="h1", port_security=False, unknown=True),
    Port("mc", "m1", mac(3), "10.0.1.3", host="h1", port_security=False),
]
NAMES = ["va", "vb", "vc", "vr0", "vr1", "ma", "mb", "mc", "nobody"]


def hostile(rng):
    """Any tables that the language lets one write, about anybody's ports and addresses."""
    entities = [Pipeline("in", "mallory", switches=["m0", "m1"])]
    entities += [Pipeline("out", "mallory", "egress", rng.choice([["m0"], ["m0", "m1"]]))]
    starts = [flow(0, 0, "1", "next;", "in"), flow(0, 0, "1", "next;", "out")]
    found = {it.key: it for it in starts if rng.random() < 0.8}
    for _ in range(8):
        pipeline, name = rng.choice(["in", "in", "out"]), rng.choice(NAMES)
        match = rng.choice(["1", "ip4", "arp", "udp", f'inport == "{name}"', "eth.dst == 0/0"][:5])
        if pipeline == "out" and rng.random() < 0.5:
            match = f'outport == "{rng.choice(NAMES)}"'
        number = rng.randrange(4)
        actions = rng.choice(["next;", f"next({number + rng.randint(1, 3)});", "drop;"])
        if pipeline == "in" and rng.random() < 0.5:
            actions = f'outport = "{rng.choice(NAMES)}"; output;'
        if actions != "drop;" and rng.random() < 0.5:
            actions = f"eth.dst = {mac(rng.choice([1, 2, 3, 21, 22]))}; {actions}"
        it = flow(number, rng.randrange(3), match, actions, pipeline)
        found[it.key] = it
    return entities + list(found.values())


def rows_of(state, datapaths):
    engine = state.logical.engine
    tables = ("universal_flow", "universal_bucket", "universal_group", "datapath_link")
    return {(name, row) for name in tables for row in engine[name] if row[0] in datapaths}


def ip(source, target, address):
    ends = {"src": address, "dst": "10.0.0.2"}
    return Ether(src=mac(source), dst=mac(target)) / IP(**ends) / UDP(sport=9, dport=53)


def test_a_hostile_table_reaches_no_other_tenant():
    rng, base = random.Random(5), [*HOSTS, *VICTIM, *MALLORY]
    state = state_of(*base)
    lab, before = Emulation(state), rows_of(state, {"v0", "v1", "vr"})
    heard = sent(lab, "va", ip(21, 22, "10.0.0.1"))
    assert [port for port, _ in heard] == ["vb"]
    keys = {row[1] for row in state.logical.engine["datapath"] if row[0] in {"m0", "m1"}}
    ports = {row[2] for row in state.logical.engine["port_binding"] if row[1] in {"m0", "m1"}}
    deliveries = 0
    for _ in range(40):
        with state.transaction() as tx:
            tx.become([*base, *hostile(rng)])
        assert rows_of(state, {"v0", "v1", "vr"}) == before
        for _, row in rows_of(state, {"m0", "m1"}):
            for action in row[5] if len(row) == 6 else ():
                match type(action).__name__, getattr(action, "field", ""):
                    case "SetField", "metadata":
                        assert action.value in keys
                    case "SetField", "reg15":
                        assert action.value in ports
        for source in ("ma", "mb", "mc"):
            for target in (1, 2, 21, 22, 23):
                own = state.get("port", source)
                got = sent(lab, source, ip(PORTS.index(source[1]) + 1, target, own.ip))
                deliveries += len(got)
                assert {port for port, _ in got} <= {"ma", "mb", "mc"}
        assert sent(lab, "va", ip(21, 22, "10.0.0.1")) == heard
    assert deliveries > 40


def test_a_trace_names_no_flow_that_a_packet_has_not_met():
    flows = [flow(0, 5, "udp.dst == 85", "drop;"), flow(0, 0, "1", "next;")]
    lab = lab_of(Pipeline("p", "acme", switches=["lan"]), *flows)
    assert "udp.dst == 85" not in str(lab.trace("a", bytes(udp(1, 2, 82))))
    told = " ".join(str(lab.trace("a", bytes(udp(1, 2, 85)))).split())
    assert 'dropped on h1 in in_own_0 because of logical-flow "p:0:5:udp.dst == 85"' in told
