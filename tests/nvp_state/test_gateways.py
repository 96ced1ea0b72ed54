"""Ways out: physical networks, gateways and their failover, NAT, and who copies broadcasts."""

import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.inet6 import (
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6NDOptDstLLAddr,
    ICMPv6NDOptSrcLLAddr,
    IPv6,
)
from scapy.layers.l2 import ARP, Dot1Q, Ether

from nvp_state import (
    Emulation,
    Host,
    LoadBalancer,
    Nat,
    NetworkState,
    PhysicalNetwork,
    Port,
    Route,
    Router,
    RouterPort,
    StateError,
    StaticMacBinding,
    Switch,
    Uplink,
)

VM, NEAR, GATE = "0a:00:00:00:00:01", "0e:00:00:00:00:01", "0e:00:00:00:00:02"
OUTSIDE, FAR = "0c:00:00:00:00:01", "203.0.113.254"
EVERYBODY = "ff:ff:ff:ff:ff:ff"


def edge(*more):
    """A VM on a host, behind a router whose way out is one of two gateways."""
    state = NetworkState()
    with state.transaction() as tx:
        tx.add(PhysicalNetwork("net"), Switch("s0", "acme"), Switch("out", "acme"))
        tx.add(Host("h1", "192.0.2.1"))
        tx.add(*(Host(f"g{n}", f"192.0.2.1{n}", networks=("net",)) for n in (1, 2)))
        tx.add(Port("vm", "s0", VM, "10.0.0.10", "h1"), Uplink("up", "out", "net"))
        tx.add(Router("r0"), RouterPort("near", "r0", NEAR, "10.0.0.1/24", "s0"))
        gates = ("g1", "g2")
        tx.add(RouterPort("gate", "r0", GATE, "203.0.113.1/24", "out", gateways=gates))
        tx.add(Route("r0", "0.0.0.0/0", FAR, "gate"))
        tx.add(StaticMacBinding("gate", FAR, OUTSIDE))
        tx.add(*more)
    return state


def udp(source, target, ttl=9, sport=5, dport=6):
    return IP(src=source, dst=target, ttl=ttl) / UDP(sport=sport, dport=dport) / b"x"


def outbound(target="198.51.100.7", **more):
    return bytes(Ether(src=VM, dst=NEAR) / udp("10.0.0.10", target, **more))


def inbound(target, source="198.51.100.7", **more):
    return bytes(Ether(src=OUTSIDE, dst=GATE) / udp(source, target, **more))


def told(deliveries):
    """Port, addresses and TTL of each packet that came out."""
    packets = [(it.port, Ether(it.frame)) for it in deliveries]
    return [(port, it[IP].src, it[IP].dst, it[IP].ttl) for port, it in packets if IP in it]


def asked(lab, address):
    """The MACs that answer for an address in the physical network."""
    request = ARP(hwsrc=OUTSIDE, psrc=FAR, pdst=address)
    deliveries = lab.send("net", bytes(Ether(src=OUTSIDE, dst=EVERYBODY) / request))
    return [Ether(it.frame).src for it in deliveries if it.port == "net"]


SNAT = Nat("r0", "snat", "203.0.113.1", "10.0.0.0/24")
DNAT = Nat("r0", "dnat", "203.0.113.10", "10.0.0.10")


def test_one_gateway_answers_for_the_router_and_for_what_it_translates():
    lab = Emulation(edge(DNAT))
    assert asked(lab, "203.0.113.1") == [GATE]
    assert asked(lab, "203.0.113.10") == [GATE]
    assert asked(lab, "203.0.113.11") == []


def test_without_nat_packets_pass_the_gateway_as_they_are():
    state = edge()
    lab = Emulation(state)
    assert told(lab.send("vm", outbound())) == [("net", "10.0.0.10", "198.51.100.7", 8)]
    assert told(lab.send("net", inbound("10.0.0.10"))) == [("vm", "198.51.100.7", "10.0.0.10", 8)]


def test_a_connection_from_inside_is_hidden_and_its_answers_find_back():
    lab = Emulation(edge(SNAT))
    (out,) = told(lab.send("vm", outbound(sport=7, dport=53)))
    assert out == ("net", "203.0.113.1", "198.51.100.7", 8)
    back = inbound("203.0.113.1", sport=53, dport=7)
    assert told(lab.send("net", back)) == [("vm", "198.51.100.7", "10.0.0.10", 8)]
    stranger = inbound("203.0.113.1", source="198.51.100.8", sport=53, dport=7)
    assert [it for it in told(lab.send("net", stranger)) if it[0] == "vm"] == []


def test_a_connection_from_outside_is_led_inside_and_its_answers_are_translated():
    lab = Emulation(edge(DNAT))
    there = inbound("203.0.113.10", sport=7, dport=80)
    assert told(lab.send("net", there)) == [("vm", "198.51.100.7", "10.0.0.10", 8)]
    (back,) = told(lab.send("vm", outbound(sport=80, dport=7)))
    assert back == ("net", "203.0.113.10", "198.51.100.7", 8)


def test_the_router_answers_pings_from_outside():
    lab = Emulation(edge())
    ping = Ether(src=OUTSIDE, dst=GATE) / IP(src=FAR, dst="203.0.113.1", ttl=1) / ICMP()
    assert told(lab.send("net", bytes(ping))) == [("net", "203.0.113.1", FAR, 254)]


def test_where_the_vm_is_its_own_external_address_needs_no_gateway():
    mac = "0d:00:00:00:00:0a"
    own = Nat("r0", "dnat_and_snat", "203.0.113.20", "10.0.0.10", "vm", "0a:d0:00:00:00:0a")
    state = edge()
    with state.transaction() as tx:
        tx.replace(Host("h1", "192.0.2.1", networks=("net",)))
        tx.add(own)
    lab = Emulation(state)
    assert mac not in asked(lab, "203.0.113.20")
    assert asked(lab, "203.0.113.20") == ["0a:d0:00:00:00:0a"]
    direct = Ether(src=OUTSIDE, dst="0a:d0:00:00:00:0a") / udp("198.51.100.7", "203.0.113.20")
    before = sent(lab)
    assert told(lab.send("net", bytes(direct))) == [("vm", "198.51.100.7", "10.0.0.10", 8)]
    (out,) = told(lab.send("vm", outbound()))
    assert out == ("net", "203.0.113.20", "198.51.100.7", 8)
    assert sent(lab) == before


def sent(lab):
    """How many packets the hosts sent through tunnels."""
    return sum(host.packet_id for host in lab.fabric.hosts.values())


def test_the_next_gateway_takes_over_when_the_first_is_not_heard_of():
    state = edge(SNAT)
    lab = Emulation(state, health_interval_s=0.1)
    lab.run(3)
    assert told(lab.send("vm", outbound()))[0][0] == "net"
    assert gateways_used(lab) == {"g1"}
    lab.fabric.underlay.fail_node("g1")
    lab.run(3)
    assert told(lab.send("vm", outbound()))[0][0] == "net"
    assert gateways_used(lab) == {"g1", "g2"}


def gateways_used(lab):
    return {
        name
        for name, host in lab.fabric.hosts.items()
        for number, port in host.switch.ports.items()
        if port.name == "net" and host.switch.port_statistics(number).tx_packets
    }


def segment(tag=None, **more):
    """Two hosts with VMs of one switch, and a physical network that one or both are in."""
    state = NetworkState()
    with state.transaction() as tx:
        tx.add(PhysicalNetwork("net"), Switch("s0", "acme"))
        for n in (1, 2):
            tx.add(Host(f"h{n}", f"192.0.2.{n}", networks=("net",)))
            tx.add(Port(f"v{n}", "s0", f"0a:00:00:00:00:0{n}", host=f"h{n}"))
        tx.add(Uplink("up", "s0", "net", tag, **more))
    return Emulation(state)


def frame(source, target):
    return bytes(Ether(src=source, dst=target, type=0x9000) / b"hello")


V1, V2 = "0a:00:00:00:00:01", "0a:00:00:00:00:02"


def ports(deliveries):
    return sorted(it.port for it in deliveries)


@pytest.mark.parametrize("gateways", [(), ("h2",)], ids=["localnet", "l2-gateway"])
def test_a_switch_reaches_into_a_physical_network(gateways):
    lab = segment(gateways=gateways)
    assert ports(lab.send("v1", frame(V1, OUTSIDE))) == ["net"]
    assert ports(lab.send("net", frame(OUTSIDE, V1))) == ["v1"]
    assert ports(lab.send("net", frame(OUTSIDE, EVERYBODY))) == ["v1", "v2"]
    assert ports(lab.send("v1", frame(V1, EVERYBODY))) == ["net", "v2"]
    assert ports(lab.send("v1", frame(V1, V2))) == (["v2"] if gateways else ["net", "v2"])


def test_a_vlan_of_the_physical_network_is_its_own():
    lab = segment(tag=7)
    (out,) = lab.send("v1", frame(V1, OUTSIDE))
    assert Ether(out.frame)[Dot1Q].vlan == 7
    assert lab.send("net", frame(OUTSIDE, V1)) == []
    tagged = bytes(Ether(src=OUTSIDE, dst=V1) / Dot1Q(vlan=7, type=0x9000) / b"hello")
    (arrived,) = lab.send("net", tagged)
    assert (arrived.port, arrived.frame) == ("v1", frame(OUTSIDE, V1))


def many(replication, nodes):
    """One VM on each of four hosts, and service nodes."""
    state = NetworkState()
    with state.transaction() as tx:
        tx.add(Switch("s0", "acme", replication=replication))
        for n in range(1, 5):
            tx.add(Host(f"h{n}", f"192.0.2.{n}"))
            tx.add(Port(f"v{n}", "s0", f"0a:00:00:00:00:0{n}", host=f"h{n}"))
        tx.add(*(Host(f"n{n}", f"192.0.2.10{n}", service_node=True) for n in range(nodes)))
    return state


def test_a_service_node_makes_the_copies():
    lab = Emulation(many("service-node", 2))
    assert ports(lab.send("v1", frame(V1, EVERYBODY))) == ["v2", "v3", "v4"]
    assert lab.fabric.hosts["h1"].packet_id % (1 << 16) == 1
    plain = Emulation(many("source", 2))
    assert ports(plain.send("v1", frame(V1, EVERYBODY))) == ["v2", "v3", "v4"]
    assert plain.fabric.hosts["h1"].packet_id % (1 << 16) == 3


def test_another_service_node_takes_over():
    state = many("service-node", 2)
    lab = Emulation(state, health_interval_s=0.1)
    lab.run(3)
    for node in ("n0", "n1"):
        lab.fabric.underlay.fail_node(node)
        lab.run(3)
        assert ports(lab.send("v1", frame(V1, EVERYBODY))) == ["v2", "v3", "v4"]
        lab.fabric.underlay.restore_node(node)
        lab.run(3)


def test_without_a_service_node_that_is_heard_of_the_source_copies():
    lab = Emulation(many("service-node", 0))
    assert ports(lab.send("v1", frame(V1, EVERYBODY))) == ["v2", "v3", "v4"]


FAR6, OWN6 = "fd99::fe", "0a:d0:00:00:00:0a"


def edge6(*more):
    """As `edge`, of IPv6, and where the VM is there is a way out, too."""
    state = edge()
    with state.transaction() as tx:
        tx.replace(Host("h1", "192.0.2.1", networks=("net",)))
        tx.replace(Port("vm", "s0", VM, host="h1", ip6="fd00::10"))
        tx.replace(RouterPort("near", "r0", NEAR, switch="s0", cidr6="fd00::1/64"))
        gates = ("g1", "g2")
        tx.replace(RouterPort("gate", "r0", GATE, switch="out", cidr6="fd99::1/64", gateways=gates))
        tx.remove(("route", ("r0", "0.0.0.0/0", FAR)), ("static-mac-binding", ("gate", FAR)))
        tx.add(Route("r0", "::/0", FAR6, "gate"), StaticMacBinding("gate", FAR6, OUTSIDE))
        tx.add(*more)
    return state


def packet6(source, target, sport=5, dport=6):
    return IPv6(src=source, dst=target, hlim=9) / UDP(sport=sport, dport=dport) / b"x"


def outbound6(target="2001:db8::7", **more):
    return bytes(Ether(src=VM, dst=NEAR) / packet6("fd00::10", target, **more))


def inbound6(target, source="2001:db8::7", to=GATE, **more):
    return bytes(Ether(src=OUTSIDE, dst=to) / packet6(source, target, **more))


def told6(deliveries):
    """Port, addresses, hop limit and ports of each packet that came out, its checksum right."""
    found = []
    for it in deliveries:
        packet = Ether(it.frame)
        if UDP in packet:
            again = packet.copy()
            del again[UDP].chksum
            assert Ether(bytes(again))[UDP].chksum == packet[UDP].chksum
            ip, ends = packet[IPv6], (packet[UDP].sport, packet[UDP].dport)
            found.append((it.port, ip.src, ip.dst, ip.hlim, *ends))
    return found


def asked6(lab, address):
    """The MACs that are told for an address in the physical network."""
    low = int.from_bytes(bytes.fromhex(address.rpartition(":")[2].zfill(6)), "big")
    group = f"ff02::1:ff00:{low:x}"
    ask = IPv6(src=FAR6, dst=group, hlim=255) / ICMPv6ND_NS(tgt=address)
    ask /= ICMPv6NDOptSrcLLAddr(lladdr=OUTSIDE)
    sent = bytes(Ether(src=OUTSIDE, dst="33:33:ff:00:00:01") / ask)
    answers = [Ether(it.frame) for it in lab.send("net", sent) if it.port == "net"]
    return [it[ICMPv6NDOptDstLLAddr].lladdr for it in answers if ICMPv6ND_NA in it]


@pytest.mark.parametrize("outside", ["fd99::1", "fd99::2"])
def test_ipv6_from_inside_is_hidden_too(outside):
    lab = Emulation(edge6(Nat("r0", "snat", outside, "fd00::/64")))
    assert asked6(lab, outside) == [GATE]
    (out,) = told6(lab.send("vm", outbound6(sport=7, dport=53)))
    assert out == ("net", outside, "2001:db8::7", 8, 7, 53)
    back = inbound6(outside, sport=53, dport=7)
    assert told6(lab.send("net", back)) == [("vm", "2001:db8::7", "fd00::10", 8, 53, 7)]
    stranger = inbound6(outside, source="2001:db8::8", sport=53, dport=7)
    assert not [it for it in told6(lab.send("net", stranger)) if it[0] == "vm"]


def test_ipv6_from_outside_is_led_inside_too():
    lab = Emulation(edge6(Nat("r0", "dnat", "fd99::10", "fd00::10")))
    assert asked6(lab, "fd99::10") == [GATE]
    assert asked6(lab, "fd99::11") == []
    there = inbound6("fd99::10", sport=7, dport=80)
    assert told6(lab.send("net", there)) == [("vm", "2001:db8::7", "fd00::10", 8, 7, 80)]
    (back,) = told6(lab.send("vm", outbound6(sport=80, dport=7)))
    assert back == ("net", "fd99::10", "2001:db8::7", 8, 80, 7)


def test_ipv6_of_a_vm_with_an_external_mac_needs_no_gateway_either():
    lab = Emulation(edge6(Nat("r0", "dnat_and_snat", "fd99::20", "fd00::10", "vm", OWN6)))
    assert asked6(lab, "fd99::20") == [OWN6]
    before = sent(lab)
    there = inbound6("fd99::20", to=OWN6)
    assert told6(lab.send("net", there)) == [("vm", "2001:db8::7", "fd00::10", 8, 5, 6)]
    (out,) = told6(lab.send("vm", outbound6()))
    assert out == ("net", "fd99::20", "2001:db8::7", 8, 5, 6)
    assert sent(lab) == before


def test_a_load_balancer_of_ipv6_at_a_router():
    shared = LoadBalancer("shop", "[fd99::30]:6", ["[fd00::10]:60"], "udp", routers=["r0"])
    lab = Emulation(edge6(shared))
    assert asked6(lab, "fd99::30") == [GATE]
    there = inbound6("fd99::30", sport=7, dport=6)
    assert told6(lab.send("net", there)) == [("vm", "2001:db8::7", "fd00::10", 8, 7, 60)]
    (back,) = told6(lab.send("vm", outbound6(sport=60, dport=7)))
    assert back == ("net", "fd99::30", "2001:db8::7", 8, 6, 7)


def test_from_inside_to_an_external_address_it_is_turned_round():
    hidden = Nat("r0", "snat", "fd99::1", "fd00::/64")
    lab = Emulation(edge6(hidden, Nat("r0", "dnat", "fd99::10", "fd00::10")))
    found = told6(lab.send("vm", outbound6("fd99::10", sport=7, dport=80)))
    assert found == [("vm", "fd99::1", "fd00::10", 7, 7, 80)]
    lab = Emulation(edge(SNAT, DNAT))
    found = told(lab.send("vm", outbound("203.0.113.10", sport=7, dport=80)))
    assert found == [("vm", "203.0.113.1", "10.0.0.10", 7)]


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        (("snat", "fd99::1", "10.0.0.0/24"), "is not of the family of fd99::1"),
        (("dnat", "203.0.113.1", "fd00::10"), "is not of the family of 203.0.113.1"),
        (("dnat", "fd99::1", "fd00::/64"), "a prefix is for `snat` only"),
    ],
)
def test_nat_rules_that_cannot_be(fields, text):
    with pytest.raises(StateError, match=text):
        Nat("r0", *fields)


def test_what_is_no_answer_to_a_hidden_machine_ends_at_the_router():
    state = edge(SNAT)
    lab = Emulation(state)
    stranger = inbound("203.0.113.1", sport=9, dport=4444)
    lie = ARP(op=2, hwsrc=OUTSIDE, psrc="203.0.113.1", pdst="203.0.113.1", hwdst=GATE)
    for _ in range(2):
        assert lab.send("net", stranger) == []
        told = [line for line in str(lab.trace("net", stranger)).splitlines() if "dropped" in line]
        assert any("rt_resolve" in line for line in told)
        lab.send("net", bytes(Ether(src=OUTSIDE, dst=GATE) / lie))
    state = edge6(Nat("r0", "snat", "fd99::1", "fd00::/64"))
    lab = Emulation(state)
    for _ in range(2):
        assert lab.send("net", inbound6("fd99::1", dport=4444)) == []
        state.report_neighbour("gate", "fd99::1", OUTSIDE)


def test_a_trace_of_what_leaves_and_comes_to_nobody_says_what_dropped_the_rest():
    state = edge()
    with state.transaction() as tx:
        tx.add(Port("pc", "s0", "0a:00:00:00:00:02", "10.0.0.11", "h1", unknown=True))
        tx.add(Uplink("near-net", "s0", "net", tag=5))
        tx.replace(Host("h1", "192.0.2.1", networks=("net",)))
    lab = Emulation(state)
    unknown = bytes(Ether(src=VM, dst="0a:00:00:00:00:77") / udp("10.0.0.10", "10.0.0.77"))
    trace = lab.trace("vm", unknown)
    assert trace.ports == ("net",)
    assert "dropped on h1 in out_security" in str(trace)
