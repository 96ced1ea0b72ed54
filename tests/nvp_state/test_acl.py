"""Access rules on the emulation: conversations, sets, tiers, reports, and what changes cost."""

from attrs import evolve
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6ND_NA, IPv6
from scapy.layers.l2 import ARP, Ether

from nvp_state import (
    Acl,
    AddressSet,
    Emulation,
    Host,
    Meter,
    NetworkState,
    Port,
    PortGroup,
    Router,
    RouterPort,
    Switch,
)

MACS = {"a": "0a:00:00:00:00:01", "b": "0a:00:00:00:00:02", "c": "0a:00:00:00:00:03"}
IPS = {"a": "10.0.0.1", "b": "10.0.0.2", "c": "10.0.0.3"}
HOSTS = {"a": "h0", "b": "h1", "c": "h1"}


def lab_with(*entities):
    state = NetworkState()
    with state.transaction() as tx:
        tx.add(Host("h0", "192.0.2.1"), Host("h1", "192.0.2.2"), Switch("s0", "acme"))
        tx.add(*(Port(it, "s0", MACS[it], ip=IPS[it], host=HOSTS[it]) for it in "abc"))
        tx.add(*entities)
    return state, Emulation(state)


def change(state, verb, *entities):
    with state.transaction() as tx:
        getattr(tx, verb)(*entities)


def frame(source, to, above):
    ether = Ether(src=MACS[source], dst=MACS[to])
    return bytes(ether / IP(src=IPS[source], dst=IPS[to]) / above)


def arrives(lab, source, to, above):
    return [it.port for it in lab.send(source, frame(source, to, above))] == [to]


def request(flags="S", port=80):
    return TCP(sport=1000, dport=port, flags=flags)


def reply(flags="SA", port=80):
    return TCP(sport=port, dport=1000, flags=flags)


ONLY_WEB = (
    Acl("s0", "to-lport", 20, 'outport == "b" && tcp.dst == 80', "allow-related"),
    Acl("s0", "to-lport", 10, "ip", "drop"),
)


TRACKED = Acl("s0", "from-lport", 1, "ip", "allow-related")


def test_a_conversation_passes_until_it_is_revoked():
    state, lab = lab_with(*ONLY_WEB, TRACKED)
    assert not arrives(lab, "b", "a", reply())
    assert not arrives(lab, "a", "b", request(port=22))
    assert arrives(lab, "a", "b", request())
    assert arrives(lab, "b", "a", reply())
    assert arrives(lab, "a", "b", request("A"))
    # Others have no part in it.
    assert not arrives(lab, "c", "a", reply())
    change(state, "remove", ONLY_WEB[0])
    assert arrives(lab, "b", "a", reply("A"))
    assert not arrives(lab, "a", "b", request("A"))
    # The packet that was dropped has marked the connection where b is.
    assert not arrives(lab, "b", "a", reply("A"))
    change(state, "add", ONLY_WEB[0])
    assert arrives(lab, "a", "b", request("A"))
    assert arrives(lab, "b", "a", reply("A"))


def test_what_is_about_a_connection_passes_and_other_errors_do_not():
    _, lab = lab_with(*ONLY_WEB, TRACKED)
    about = IP(src=IPS["a"], dst=IPS["b"]) / request()
    error = ICMP(type=3, code=1) / about
    assert not arrives(lab, "b", "a", error)
    assert arrives(lab, "a", "b", request())
    assert arrives(lab, "b", "a", reply())
    assert arrives(lab, "b", "a", error)


def test_without_allow_related_nothing_is_tracked():
    plain = [evolve(ONLY_WEB[0], action="allow"), ONLY_WEB[1]]
    _, lab = lab_with(*plain)
    assert arrives(lab, "a", "b", request())
    assert not arrives(lab, "b", "a", reply())


def test_stateless_rules_keep_packets_from_being_tracked():
    stateless = Acl("s0", "to-lport", 30, "tcp.dst == 80", "allow-stateless")
    related = Acl("s0", "to-lport", 20, "ip4.src == 10.0.0.3", "allow-related")
    state, lab = lab_with(stateless, related, ONLY_WEB[1])
    assert arrives(lab, "a", "b", request())
    assert not arrives(lab, "b", "a", reply())
    change(state, "remove", stateless)
    change(state, "add", evolve(stateless, action="allow"))
    # Where there is an ACL allow-related, allow is one, too.
    assert arrives(lab, "a", "b", request())
    assert arrives(lab, "b", "a", reply())


def test_tiers_are_asked_one_after_the_other_and_the_first_verdict_counts():
    outer = Acl("s0", "to-lport", 1, "tcp.dst == 22", "drop")
    inner = Acl("s0", "to-lport", 9, "tcp", "allow", tier=2)
    last = Acl("s0", "to-lport", 5, "ip", "drop", tier=3)
    state, lab = lab_with(outer, inner, last)
    assert not arrives(lab, "a", "b", request(port=22))
    assert arrives(lab, "a", "b", request())
    assert not arrives(lab, "a", "b", UDP(dport=80))
    change(state, "remove", last)
    assert arrives(lab, "a", "b", UDP(dport=80))


def test_neighbour_discovery_passes_whatever_rules_say_and_arp_does_not():
    for direction in ("from-lport", "to-lport"):
        state, lab = lab_with(Acl("s0", direction, 9, "1", "drop"))
        ports = (evolve(it, ip6=f"fd00::{it.name}") for it in state.entities("port"))
        change(state, "replace", *ports)
        ether = Ether(src=MACS["a"], dst=MACS["b"])
        tells = IPv6(src="fd00::a", dst="fd00::b", hlim=255) / ICMPv6ND_NA(tgt="fd00::a", R=0)
        assert [it.port for it in lab.send("a", bytes(ether / tells))] == ["b"]
        told = ARP(op=2, hwsrc=MACS["a"], psrc=IPS["a"], hwdst=MACS["b"], pdst=IPS["b"])
        assert lab.send("a", bytes(ether / told)) == []


def test_of_one_priority_what_denies_decides():
    wide = "ip4"
    narrow = "ip4.src == 10.0.0.1 && tcp.dst == {80, 81} && ip4.dst == {10.0.0.2, 10.0.0.9}"
    for denies in ("drop", "reject"):
        for allowed, denied in ((wide, narrow), (narrow, wide)):
            for allows in ("allow", "allow-related", "allow-stateless"):
                passing = Acl("s0", "to-lport", 5, allowed, allows)
                _, lab = lab_with(passing, Acl("s0", "to-lport", 5, denied, denies))
                assert "b" not in [it.port for it in lab.send("a", frame("a", "b", request()))]


def test_who_is_rejected_is_told():
    for direction in ("from-lport", "to-lport"):
        _, lab = lab_with(Acl("s0", direction, 5, "tcp.dst == 80 || udp", "reject"))
        (told,) = lab.send("a", frame("a", "b", request()))
        heard = Ether(told.frame)
        assert (told.port, heard.src, heard.dst) == ("a", MACS["b"], MACS["a"])
        assert heard[TCP].flags == "RA"
        (told,) = lab.send("a", frame("a", "b", UDP(dport=5)))
        heard = Ether(told.frame)
        assert (told.port, heard[ICMP].type, heard[ICMP].code) == ("a", 3, 3)
        assert arrives(lab, "a", "b", request(port=81))


def test_rules_of_a_port_group_are_asked_on_each_switch_of_its_ports():
    other = (Switch("s1", "acme"), Port("d", "s1", MACS["a"], ip="10.0.1.1", host="h0"))
    mate = Port("e", "s1", MACS["b"], ip="10.0.1.2", host="h1")
    group = PortGroup("g", ("b", "e"))
    rule = Acl(None, "to-lport", 5, "outport == @g && ip4", "drop", port_group="g")
    state, lab = lab_with(*other, mate, group, rule)
    ether = Ether(src=MACS["a"], dst=MACS["b"])
    far = bytes(ether / IP(src="10.0.1.1", dst="10.0.1.2") / request())
    assert not arrives(lab, "a", "b", request())
    assert arrives(lab, "a", "c", request())
    assert lab.send("d", far) == []
    change(state, "replace", PortGroup("g", ("b",)))
    assert [it.port for it in lab.send("d", far)] == ["e"]


def test_a_group_s_addresses_are_sets():
    rules = (
        PortGroup("g", ("a",)),
        Acl("s0", "to-lport", 9, "ip4.src == $g_ip4", "allow"),
        Acl("s0", "to-lport", 5, "ip4.src != {$g_ip4, $more}", "drop"),
        AddressSet("more", ("10.0.0.32/27", "fd00::/8")),
    )
    state, lab = lab_with(*rules)
    assert arrives(lab, "a", "b", request())
    assert not arrives(lab, "c", "b", request())
    change(state, "replace", AddressSet("more", ("10.0.0.3", "10.0.0.0/31")))
    assert arrives(lab, "c", "b", request())


def test_rules_without_ports_are_asked_where_routers_are_too():
    router = (
        Router("r"),
        RouterPort("r0", "r", "0e:00:00:00:00:01", "10.0.0.254/24", "s0"),
        RouterPort("r1", "r", "0e:00:00:00:00:02", "10.0.1.254/24", "s1"),
        Switch("s1", "acme"),
        Port("d", "s1", "0a:00:00:00:00:09", ip="10.0.1.1", host="h1"),
    )
    away = bytes(
        Ether(src=MACS["a"], dst="0e:00:00:00:00:01") / IP(src=IPS["a"], dst="10.0.1.1") / request()
    )
    state, lab = lab_with(*router)
    assert [it.port for it in lab.send("a", away)] == ["d"]
    for switch, direction in (("s0", "from-lport"), ("s0", "to-lport"), ("s1", "from-lport")):
        rule = Acl(switch, direction, 5, "tcp.dst == 80", "drop")
        change(state, "add", rule)
        assert lab.send("a", away) == []
        change(state, "remove", rule)
    assert [it.port for it in lab.send("a", away)] == ["d"]


def test_what_is_logged_is_reported_as_far_as_the_meter_lets_it():
    logged = {"log": True, "name": "web", "severity": "notice"}
    rule = Acl("s0", "from-lport", 5, "tcp.dst == 80", "drop", **logged)
    state, lab = lab_with(rule)
    switch = lab.fabric.switch("h0")
    for _ in range(3):
        lab.send("a", frame("a", "b", request()))
    told = [it.reason for it in switch.packet_ins()]
    assert told == ["acl name=web verdict=drop severity=notice direction=from-lport"] * 3
    change(state, "add", Meter("few", 1, burst=1))
    change(state, "replace", evolve(rule, meter="few"))
    for _ in range(3):
        assert lab.send("a", frame("a", "b", request())) == []
    assert len(switch.packet_ins()) == 1


def n_flows(state, stage_number):
    return sum(getattr(it, "table", None) == stage_number for it in state.flows("h0"))


def test_sets_side_by_side_take_flows_in_proportion_to_their_sum():
    sets = (
        AddressSet("from", tuple(f"10.1.0.{n}" for n in range(60))),
        AddressSet("to", tuple(f"10.2.0.{n}" for n in range(40))),
    )
    rule = Acl("s0", "to-lport", 5, "ip4.src == $from && ip4.dst == $to && tcp", "drop")
    state, _ = lab_with(*sets, rule)
    others = n_flows(lab_with(*sets)[0], 46)
    assert n_flows(state, 46) - others == 60 + 40 + 1


def test_a_change_of_a_set_costs_what_it_changes():
    def work(size):
        big = AddressSet("big", tuple(f"10.{n >> 8}.{n & 255}.0/24" for n in range(size)))
        rules = [
            Acl("s0", "to-lport", 5, "ip4.src == $big && tcp.dst == {80, 81}", "drop"),
            Acl("s0", "to-lport", 6, 'outport == "b" && ip4.src != $big && udp', "drop"),
        ]
        state, _ = lab_with(big, *rules)
        change(state, "replace", AddressSet("big", (*big.addresses, "192.0.2.7")))
        counted = state.logical.engine.work
        return counted.rows_read + counted.derived + counted.retracted

    small, large = work(20), work(400)
    assert large < 2 * small


def test_a_change_of_a_group_costs_what_it_changes():
    def work(size):
        names = [f"p{n}" for n in range(size)]
        ports = [
            Port(name, "s0", f"0a:00:00:01:{n >> 8:02x}:{n & 255:02x}", host="h0")
            for n, name in enumerate(names)
        ]
        rule = Acl("s0", "to-lport", 5, "outport == @g && ip4.src == {10.0.0.1, 10.0.0.9}", "drop")
        state, _ = lab_with(*ports, PortGroup("g", tuple(names)), rule)
        change(state, "replace", PortGroup("g", (*names, "a")))
        counted = state.logical.engine.work
        return counted.rows_read + counted.derived + counted.retracted

    assert work(200) < 2 * work(10)


def test_odd_rules_are_warned_of():
    rules = (
        Acl("s0", "to-lport", 1, "ip4.src == $nobody", "drop"),
        Acl("s0", "to-lport", 2, "inport == @nobody", "drop"),
        Acl("s0", "to-lport", 3, "ct.est", "drop"),
        PortGroup("empty"),
        Acl(None, "to-lport", 4, "ip", "drop", port_group="empty"),
    )
    state, _ = lab_with(*rules)
    assert {(it[0].partition(":")[0], it[1]) for it in state.warnings()} == {
        ("s0", "acl-unknown-address-set"),
        ("s0", "acl-unknown-port-group"),
        ("s0", "acl-never-tracked"),
        ("@empty", "acl-nowhere"),
    }
