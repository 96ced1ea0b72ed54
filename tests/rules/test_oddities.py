"""Every warning: a small change to a network about which nothing is odd shows it, a near miss not.

All cases pass through one state, so that each warning also has to come and go with its change; in
the end a state computed from nothing says the same.
"""

import re
from pathlib import Path

import pytest
from attrs import evolve, frozen

from nvp_state import (
    Acl,
    AddressSet,
    DhcpOptions,
    LoadBalancer,
    LogicalFlow,
    Nat,
    Pipeline,
    Policy,
    Port,
    PortGroup,
    Route,
    Router,
    RouterAdvertisement,
    RouterPort,
    Switch,
    Uplink,
)
from tests.rules.office import hosts, mac, office, state_of

OFFICE = [*office()[:1], *hosts("ext"), *office()[1:]]
BY_NAME = {entity.key: entity for entity in OFFICE}
ROOT = Path(__file__).resolve().parent.parent.parent


@frozen
class Case:
    """Entities that are in place of, or beside, those of the office: `odd` ones and near misses.

    `objects` are those that warnings of `code` then name; `others` are warnings that cannot but
    be there, too.
    """

    code: str
    objects: set[str]
    odd: list
    near: list
    others: set[str] = frozenset()


def was(name, **changes):
    return evolve(BY_NAME[name], **changes)


def port(switch="front", number=9, **fields):
    return Port("x", switch, mac(number), **({"ip": "10.0.0.9", "host": "h0"} | fields))


def to(prefix, nexthop, router="r", port=None):
    return Route(router, prefix, nexthop, port)


def r_x(cidr="10.8.0.1/24", **fields):
    return RouterPort("r-x", "r", mac(300), cidr, **fields)


def pair(here="10.8.0.1/24", there="10.8.0.2/24", here6=None, there6=None, **fields):
    """Router u, joined to r."""
    far = {"mac": mac(301), "peer": "r-x"} | fields
    return [Router("u", "acme"), r_x(here, peer="u-r", cidr6=here6),
            RouterPort("u-r", "u", cidr=there, cidr6=there6, **far)]  # fmt: skip


def nat(*fields, **more):
    return Nat("r", *fields, **more)


def balancer(name, backends=("10.0.1.10:80",), **fields):
    return LoadBalancer(name, "10.4.0.1:80", backends, **{"switches": ["front"]} | fields)


def dhcp(prefix):
    return DhcpOptions("front", prefix, {"server_id": "10.0.0.1", "server_mac": mac(257)})


def own(*flows):
    """A pipeline of front, beside a switch of another tenant."""
    theirs = [Switch("alien", "globex"), evolve(port("alien"), name="theirs")]
    return [*theirs, Pipeline("p", "acme", switches=["front"]), *flows]


NAT_LAB = Nat("t", "snat", "10.0.2.9", "10.0.2.0/24")
R_TO_T6 = was("r-t", cidr6="2001:db8:9::1/64")
T_TO_R6 = was("t-r", cidr6="2001:db8:9::2/64")
EDGE = [Router("u", "acme"),
        RouterPort("u-w", "u", mac(301), "172.16.0.2/24", "world", gateways=["h0"])]  # fmt: skip

CASES = [
    Case("duplicate-mac", {"web", "x"}, [port(number=1)], [port()]),
    Case("duplicate-mac", {"r-f", "x"}, [port(number=257)], [port(number=258)]),
    Case("duplicate-mac", {"r-t", "t-r"}, [was("t-r", mac=mac(260))], [was("t-r", mac=mac(257))]),
    Case("duplicate-ip", {"web", "x"}, [port(ip="10.0.0.10")], [port(ip="10.0.0.12")]),
    Case("duplicate-ip", {"r-f", "x"}, [port(ip="10.0.0.1")], [port(ip="10.0.0.2")]),
    Case("duplicate-ip", {"x", "web"}, [port(ip=None, ip6="2001:db8::10")],
         [port(ip=None, ip6="2001:db8::11")]),
    Case("duplicate-ip", {"r-x", "u-r"}, pair(there="10.8.0.1/24"), pair()),
    Case("duplicate-ip", {"r-x", "u-r"}, pair(None, None, "fc00::1/64", "fc00::1/64"),
         pair(None, None, "fc00::1/64", "fc00::2/64")),
    Case("duplicate-routed-ip", {"app", "x"}, [port("back", ip="10.0.0.11")],
         [port("back", ip="10.0.0.12")], {"address-off-network"}),
    Case("duplicate-routed-ip", {"app", "x"}, [port("back", ip="10.0.0.11")],
         [port("lab", ip="10.0.0.11")], {"address-off-network"}),
    Case("address-off-network", {"app"}, [was("app", ip="10.0.7.11")], [was("app", ip="10.0.0.7")]),
    Case("address-off-network", {"app"}, [was("app", ip6="2001:db8:1::1")],
         [was("app", ip6="2001:db8::7")]),
    Case("address-off-network", {"app"}, [was("app", ip6="2001:db8:1::1")],
         [was("app", ip6="fe80::7")]),
    Case("address-without-gateway", {"db"}, [was("db", ip6="2001:db8:5::1")],
         [was("db", ip6="2001:db8:5::1"), was("r-b", cidr6="2001:db8:5::2/64")]),
    Case("address-without-gateway", {"db"}, [was("db", ip6="2001:db8:5::1")],
         [Switch("island", "acme"), port("island", ip6="2001:db8:5::1")]),
    Case("guarded-without-ip", {"app"}, [was("app", ip=None)],
         [was("app", ip=None, port_security=False)]),
    Case("guarded-without-ip", {"x"}, [port(ip=None)],
         [Switch("island", "acme"), port("island", ip=None)]),
    Case("disabled-unknown", {"app"}, [was("app", enabled=False, unknown=True)],
         [was("app", enabled=False)]),
    Case("port-without-host", {"app"}, [was("app", host=None)], [was("app", host="h0")]),
    Case("router-address-reserved", {"r-b"}, [was("r-b", cidr="10.0.1.0/24")],
         [was("r-b", cidr="10.0.1.2/24")]),
    Case("router-address-reserved", {"r-b"}, [was("r-b", cidr="10.0.1.255/24")],
         pair("10.8.0.0/31", "10.8.0.1/31")),
    Case("network-of-one", {"r-b"}, [was("r-b", cidr="10.0.1.1/32")],
         [was("r-b", cidr="10.0.1.1/28")], {"address-off-network"}),
    Case("network-of-one", {"r-x"}, [r_x(None, cidr6="fc00::1/128", switch="lab")],
         [r_x(None, cidr6="fc00::1/127", switch="lab")]),
    Case("router-port-unattached", {"r-x"}, [r_x()], [r_x(switch="lab")]),
    Case("router-port-own-peer", {"r-x"}, [r_x(peer="r-x")], pair()),
    Case("router-port-half-joined", {"r-x"}, [r_x(peer="t-r")], pair()),
    Case("peer-networks-differ", {"r-x", "u-r"}, pair(there="10.8.1.2/24"), pair()),
    Case("router-on-empty-switch", {"empty"}, [Switch("empty", "acme"), r_x(switch="empty")],
         [Switch("empty", "acme"), r_x(switch="empty"), port("empty", ip="10.8.0.9")]),
    Case("router-on-empty-switch", {"empty"}, [Switch("empty", "acme"), r_x(switch="empty")],
         [Switch("empty", "acme"), r_x(switch="empty"), Router("u", "acme"),
          RouterPort("u-x", "u", mac(301), "10.8.0.2/24", "empty")]),
    Case("networks-overlap", {"r-x"}, [r_x("10.0.1.129/25", switch="lab")],
         [r_x("10.0.3.129/25", switch="lab")]),
    Case("networks-overlap", {"r-x", "r-b"}, [r_x("10.0.1.9/24", switch="lab")],
         [was("t-l", cidr="10.0.0.1/22"), r_x("10.4.1.9/24", switch="lab")]),
    Case("networks-overlap", {"r-f", "r-b"}, [was("r-b", cidr6="2001:db8::9/64")],
         [was("r-b", cidr6="2001:db8:0:1::9/64")]),
    Case("route-hidden", {"r:10.0.1.0/24:172.16.0.254"}, [to("10.0.1.0/24", "172.16.0.254")],
         [to("10.0.1.0/25", "172.16.0.254")]),
    Case("route-discarded", {"r:10.0.2.0/24:10.9.0.2"}, [to("10.0.2.0/24", "discard")],
         [to("10.0.2.0/25", "discard"), to("10.0.2.0/24", "discard", "t")], {"route-hidden"}),
    Case("route-without-port", {"r:10.5.0.0/16:10.7.0.1"}, [to("10.5.0.0/16", "10.7.0.1")],
         [to("10.5.0.0/16", "10.0.1.10")]),
    Case("nexthop-own", {"r:10.5.0.0/16:10.0.1.1"}, [to("10.5.0.0/16", "10.0.1.1")],
         [to("10.5.0.0/16", "10.0.1.10")]),
    Case("nexthop-off-network", {"r:10.5.0.0/16:10.7.0.1"},
         [to("10.5.0.0/16", "10.7.0.1", port="r-b")], [to("10.5.0.0/16", "10.0.1.10", port="r-b")]),
    Case("nexthop-unreachable", {"r:10.5.0.0/16:10.0.1.7"}, [to("10.5.0.0/16", "10.0.1.7")],
         [to("10.5.0.0/16", "10.0.1.7"), was("db", unknown=True)]),
    Case("nexthop-unreachable", {"r:fc00\\:\\:/8:2001:db8::7"}, [to("fc00::/8", "2001:db8::7")],
         [to("fc00::/8", "2001:db8::10")]),
    Case("ecmp-split", {"r"}, [to("10.5.0.0/16", "10.0.1.10"), to("10.5.0.0/16", "10.0.0.11")],
         [to("10.5.0.0/16", "10.0.0.10"), to("10.5.0.0/16", "10.0.0.11")]),
    Case("routing-loop", {"r:10.5.0.0/16:10.9.0.2"}, [to("10.5.0.0/16", "10.9.0.2")],
         [to("10.5.0.0/16", "10.9.0.2"), to("10.5.0.0/16", "discard", "t")]),
    Case("routing-loop", {"r:10.5.0.0/16:10.9.0.2"}, [to("10.5.0.0/16", "10.9.0.2")],
         [to("10.0.2.0/25", "10.9.0.2")]),
    Case("routing-loop", {"r:2001\\:db8\\:5\\:\\:/48:2001:db8:9::2"},
         [R_TO_T6, T_TO_R6, to("2001:db8:5::/48", "2001:db8:9::2"),
          to("::/0", "2001:db8:9::1", "t")],
         [R_TO_T6, T_TO_R6, to("2001:db8:5::/48", "2001:db8:9::2")]),
    Case("nat-external-off-network", {"r:snat:10.7.0.1:10.1.0.0/16"},
         [nat("snat", "10.7.0.1", "10.1.0.0/16")], [nat("snat", "172.16.0.9", "10.1.0.0/16")]),
    Case("nat-external-in-use", {"r:dnat_and_snat:172.16.0.5:10.0.0.10"},
         [port("world", ip="172.16.0.5")], [port("world", ip="172.16.0.6")]),
    Case("nat-external-in-use",
         {"r:dnat_and_snat:172.16.0.5:10.0.0.10", "u:snat:172.16.0.5:10.8.0.0/16"},
         [*EDGE, Nat("u", "snat", "172.16.0.5", "10.8.0.0/16")],
         [*EDGE, Nat("u", "snat", "172.16.0.2", "10.8.0.0/16")]),
    Case("policy-without-port", {"r:1:ip4"},
         [Policy("r", 1, "ip4", "reroute", "10.99.0.1")],
         [Policy("r", 1, "ip4", "reroute", "10.0.0.2")]),
    Case("policy-unknown-port", {'r:1:inport == "web"'},
         [Policy("r", 1, 'inport == "web"', "drop")],
         [Policy("r", 1, 'inport == "r-b"', "drop")]),
    Case("nat-overlap", {"r:dnat_and_snat:172.16.0.5:10.0.0.10", "r:dnat:172.16.0.5:10.0.0.11"},
         [nat("dnat", "172.16.0.5", "10.0.0.11")], [nat("dnat", "172.16.0.6", "10.0.0.11")]),
    Case("nat-overlap", {"r:snat:172.16.0.1:10.0.0.0/16", "r:snat:172.16.0.9:10.0.0.0/16"},
         [nat("snat", "172.16.0.9", "10.0.0.0/16")], [nat("snat", "172.16.0.9", "10.0.0.0/24")]),
    Case("nat-port-address", {"r:dnat_and_snat:172.16.0.8:10.0.1.10"},
         [nat("dnat_and_snat", "172.16.0.8", "10.0.1.10", "web", mac(400))],
         [nat("dnat_and_snat", "172.16.0.8", "10.0.1.10", "db", mac(400))]),
    Case("nat-without-gateway", {"t"}, [NAT_LAB], [NAT_LAB, was("t-l", gateways=["h1"])]),
    Case("balancer-without-backends", {"lb"}, [balancer("lb", [])], [balancer("lb")]),
    Case("balancer-without-gateway", {"lb"}, [balancer("lb", switches=[], routers=["t"])],
         [balancer("lb", switches=[], routers=["r"])]),
    Case("balancer-shared", {"lb", "lb2"}, [balancer("lb"), balancer("lb2")],
         [balancer("lb"), balancer("lb2", protocol="udp")]),
    Case("balancer-shared", {"lb", "lb2"}, [balancer("lb"), balancer("lb2")],
         [balancer("lb"), balancer("lb2", switches=["back"])]),
    Case("two-gateway-ports", {"r"}, [was("r-b", gateways=["h1"])], [was("t-l", gateways=["h1"])],
         {"nat-external-off-network"}),
    Case("gateway-without-nic", {"up"}, [was("up", gateways=["h1"])], [was("up", gateways=["h0"])]),
    Case("gateway-without-nic", {"r-w"}, [was("r-w", gateways=["h1"])],
         [was("r-w", gateways=["h1"]), was("up", gateways=["h0"])]),
    Case("gateway-without-nic", {"r:dnat_and_snat:172.16.0.8:10.0.0.11"},
         [nat("dnat_and_snat", "172.16.0.8", "10.0.0.11", "app", mac(400))],
         [nat("dnat_and_snat", "172.16.0.8", "10.0.1.10", "db", mac(400))]),
    Case("guarded-unknown", {"x"}, [port(unknown=True)],
         [port(unknown=True, port_security=False)]),
    Case("port-without-nic", {"x"}, [port("world", ip="172.16.0.9", host="h1")],
         [port("world", ip="172.16.0.9")]),
    Case("no-service-node", {"front"}, [was("front", replication="service-node")],
         [was("front", replication="service-node"), was("h1", service_node=True)]),
    Case("vlan-shared", {"up", "up2"}, [Uplink("up2", "lab", "ext", 7)],
         [Uplink("up2", "lab", "ext", 8)], {"port-without-nic"}),
    Case("vlan-shared", {"up", "up2"}, [Uplink("up2", "lab", "ext", 7)],
         [Uplink("up2", "lab", "ext")], {"port-without-nic"}),
    Case("uplink-loop", {"world"}, [Uplink("up2", "world", "ext", 7)],
         [Uplink("up2", "world", "ext", 8)]),
    Case("acl-unknown-port", {'front:to-lport:1:outport == "db"'},
         [Acl("front", "to-lport", 1, 'outport == "db"', "drop")],
         [Acl("front", "to-lport", 1, 'outport == "app"', "drop")]),
    Case("acl-never-matches", {"front:to-lport:1:tcp && udp"},
         [Acl("front", "to-lport", 1, "tcp && udp", "drop")],
         [Acl("front", "to-lport", 1, "tcp || udp", "drop")]),
    Case("acl-unknown-port-group", {"front:to-lport:1:inport == @g"},
         [Acl("front", "to-lport", 1, "inport == @g", "drop")],
         [Acl("front", "to-lport", 1, "inport == @g", "drop"), PortGroup("g", ["app"])]),
    Case("acl-unknown-address-set", {"front:to-lport:1:ip4.src == $g"},
         [Acl("front", "to-lport", 1, "ip4.src == $g", "drop")],
         [Acl("front", "to-lport", 1, "ip4.src == $g", "drop"), AddressSet("g", ["10.0.0.9"])]),
    Case("acl-nowhere", {"@g:to-lport:1:ip4"},
         [PortGroup("g"), Acl(None, "to-lport", 1, "ip4", "drop", port_group="g")],
         [PortGroup("g", ["app"]), Acl(None, "to-lport", 1, "ip4", "drop", port_group="g")]),
    Case("acl-never-tracked", {"front:to-lport:1:ct.est"},
         [Acl("front", "to-lport", 1, "ct.est", "drop")],
         [Acl("front", "to-lport", 1, "ct.est", "drop"),
          Acl("front", "to-lport", 2, "udp", "allow-related")]),
    Case("policy-unknown-port", {'r:5:inport == "t-l"'},
         [Policy("r", 5, 'inport == "t-l"', "drop")], [Policy("r", 5, 'inport == "r-f"', "drop")]),
    Case("policy-without-port", {"r:5:ip4"}, [Policy("r", 5, "ip4", "reroute", "10.77.0.1")],
         [Policy("r", 5, "ip4", "reroute", "10.0.1.10")]),
    Case("dhcp-ambiguous", {"web", "app"}, [dhcp("10.0.0.0/24"), dhcp("10.0.0.0/28")],
         [dhcp("10.0.0.8/29"), dhcp("10.0.0.0/29")], {"dhcp-serves-nobody"}),
    Case("dhcp-serves-nobody", {"front:10.0.7.0/24"}, [dhcp("10.0.7.0/24")], [dhcp("10.0.0.0/24")]),
    Case("advertises-no-network", {"r-b"}, [RouterAdvertisement("r-b")],
         [RouterAdvertisement("r-f")]),
    Case("pipeline-unknown-port", {'p:0:1:inport == "db"'},
         own(LogicalFlow("p", 0, 1, 'inport == "db"', "next;")),
         own(LogicalFlow("p", 0, 1, 'inport == "app"', "next;"))),
    Case("pipeline-foreign-output", {"p:0:1:udp"},
         own(LogicalFlow("p", 0, 1, "udp", 'outport = "theirs"; output;')),
         own(LogicalFlow("p", 0, 1, "udp", 'outport = "db"; output;'))),
    Case("pipeline-foreign-output", {"p:0:1:udp"},
         [*own(LogicalFlow("p", 0, 1, "udp", 'outport = "db"; output;')), was("db", enabled=False)],
         own(LogicalFlow("p", 0, 1, "udp", 'outport = "r-f"; output;'))),
    Case("pipeline-unknown-table", {"p:0:1:udp"}, own(LogicalFlow("p", 0, 1, "udp", "next(3);")),
         own(LogicalFlow("p", 0, 1, "udp", "next(3);"), LogicalFlow("p", 3, 1, "1", "next;"))),
    Case("pipeline-never-matches", {"p:0:1:udp && tcp"},
         own(LogicalFlow("p", 0, 1, "udp && tcp", "next;")),
         own(LogicalFlow("p", 0, 1, "udp || tcp", "next;"))),
    Case("acl-shadowed", {"front:to-lport:5:tcp.dst == 22"},
         [Acl("front", "to-lport", 9, "tcp && tcp.dst == 22", "allow")],
         [Acl("front", "to-lport", 9, "tcp.dst == 23", "allow"),
          Acl("front", "from-lport", 9, "tcp.dst == 22", "allow"),
          Acl("back", "to-lport", 9, "tcp.dst == 22", "allow"),
          Acl("front", "to-lport", 5, "tcp && tcp.dst == 22", "allow")]),
]  # fmt: skip

BY_STATE = {
    "tunnel-down",
    "flow-unknown-datapath",
    "flow-unknown-stage",
    "backend-unknown",
}  # shown by tests of their own


@pytest.fixture(scope="module")
def state():
    return state_of(*OFFICE)


def become(state, changed):
    """Make the network the office with some entities changed; its warnings by code."""
    entities = {(it.kind, it.key): it for it in OFFICE} | {(it.kind, it.key): it for it in changed}
    with state.transaction() as tx:
        tx.become(entities.values())
    found = {}
    for name, code, _ in state.warnings():
        found.setdefault(code, set()).add(name)
    return found


def test_nothing_is_odd_about_the_office(state):
    assert become(state, []) == {}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.code)
def test_the_odd_is_named_and_the_near_miss_is_not(state, case):
    found = become(state, case.odd)
    assert found[case.code] == case.objects
    assert set(found) - {case.code} <= case.others
    assert case.code not in become(state, case.near)
    assert become(state, []) == {}


def test_every_warning_is_shown():
    rules = (path.read_text("utf-8") for path in (ROOT / "nlog" / "rules").glob("*.nlog"))
    codes = re.findall(r'^warning\([^,]+,\s+"([\w-]+)"', "\n".join(rules), re.MULTILINE)
    assert set(codes) == {case.code for case in CASES} | BY_STATE
    assert len(set(codes)) >= 25


def test_what_has_come_and_gone_is_as_computed_from_nothing(state):
    for case in CASES[::9]:
        become(state, case.odd)
        for controller in (state.logical, state.physical):
            engine = controller.engine
            assert set(engine["warning"]) == set(engine.recompute()["warning"])


CHANGES = [
    was("web", ip="10.0.0.1"),
    was("r-b", cidr="10.0.0.128/25"),
    was("up", tag=9),
    was("t-r", peer=None),
    to("10.5.0.0/16", "10.9.0.2"),
    to("10.0.1.0/24", "discard"),
    nat("snat", "10.7.0.1", "10.0.0.0/16"),
    Acl("front", "to-lport", 9, "tcp && tcp.dst == 22", "allow"),
    r_x("10.0.1.129/25", switch="lab"),
]


def test_a_change_costs_the_same_beside_3_and_beside_12_other_offices():
    costs = []
    for others in (3, 12):
        beside = [it for number in range(others) for it in office(f"o{number}-")]
        networks = [it for it in [*OFFICE[:1], *beside] if it.kind == "physical-network"]
        mine = [it for it in OFFICE[1:] if it.kind != "host"]
        state = state_of(*beside, *OFFICE[:1], *hosts(*(it.name for it in networks)), *mine)
        assert state.warnings() == []
        costs.append([])
        for entity in CHANGES:
            with state.transaction() as tx:
                there = state.get(entity.kind, entity.key)
                (tx.replace if there else tx.add)(entity)
            assert state.warnings()
            costs[-1].append(work_of("warnings.nlog", state) + work_of("isolation.nlog", state))
    assert costs[0] == costs[1]


def work_of(file, state):
    """What each rule of a file did in the last commit."""
    engine = state.logical.engine
    done, rules = engine.work.by_rule, engine.program.rules
    found = [(str(rule.span), done[number]) for number, rule in enumerate(rules) if number in done]
    return sorted((place, work) for place, work in found if file in place)
