"""Routing policies, quality of service and routes that share packets, on packets."""

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

from nvp_state import (
    Emulation,
    Host,
    NetworkState,
    Policy,
    Port,
    Qos,
    Route,
    Router,
    RouterPort,
    StateError,
    Switch,
)

VM, GATE = "0a:00:00:00:00:01", "0e:00:00:00:00:00"


def network(*more):
    """A VM, its router, and two machines on another switch that route for it."""
    state = NetworkState()
    with state.transaction() as tx:
        tx.add(Host("h1", "192.0.2.1"), Host("h2", "192.0.2.2"))
        tx.add(Switch("s0", "acme"), Switch("s1", "acme"), Router("r0"))
        tx.add(RouterPort("r0s0", "r0", GATE, "10.0.0.1/24", "s0"))
        tx.add(RouterPort("r0s1", "r0", "0e:00:00:00:00:01", "10.0.1.1/24", "s1"))
        tx.add(Port("vm", "s0", VM, "10.0.0.10", "h1"))
        for n, name in enumerate(("left", "right"), 1):
            mac, ip = f"0a:00:00:00:01:0{n}", f"10.0.1.1{n}"
            tx.add(Port(name, "s1", mac, ip, "h2", port_security=False))
        tx.add(*more)
    return state


def sent(lab, sport=1, dport=2, to="172.16.0.9", source="10.0.0.10"):
    packet = Ether(src=VM, dst=GATE) / IP(src=source, dst=to) / UDP(sport=sport, dport=dport)
    return lab.send("vm", bytes(packet))


def ports(deliveries):
    return [it.port for it in deliveries]


LEFT = Route("r0", "172.16.0.0/16", "10.0.1.11")
RIGHT = Route("r0", "172.16.0.0/16", "10.0.1.12")


def test_routes_of_one_prefix_share_packets_and_a_flow_keeps_to_one():
    state = network(LEFT, RIGHT)
    lab = Emulation(state)
    ways = {sport: ports(sent(lab, sport=sport)) for sport in range(1, 41)}
    assert {port for way in ways.values() for port in way} == {"left", "right"}
    assert all(len(way) == 1 for way in ways.values())
    assert all(ports(sent(lab, sport=sport)) == way for sport, way in ways.items())
    with state.transaction() as tx:
        tx.remove(RIGHT)
    assert {port for sport in range(1, 41) for port in ports(sent(lab, sport=sport))} == {"left"}


def test_a_policy_goes_before_the_route():
    state = network(LEFT, Policy("r0", 10, "udp.dst == 53", "reroute", "10.0.1.12"))
    lab = Emulation(state)
    assert ports(sent(lab)) == ["left"]
    assert ports(sent(lab, dport=53)) == ["right"]
    with state.transaction() as tx:
        tx.add(Policy("r0", 20, 'inport == "r0s0" && udp.dst == {53, 54}', "drop"))
        tx.add(Policy("r0", 30, "udp.src == 7", "allow"))
    assert ports(sent(lab, dport=53)) == []
    assert ports(sent(lab, dport=53, sport=7)) == ["left"]
    assert state.warnings() == []


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"action": "reroute"}, "nexthop: `reroute` and `nexthop` go together"),
        (
            {"action": "drop", "nexthop": "10.0.1.11"},
            "nexthop: `reroute` and `nexthop` go together",
        ),
        ({"action": "fly"}, "action: 'fly' is not `allow` or `drop` or `reroute`"),
        ({"match": 'outport == "r0s1"'}, "match: `outport` is what the policy decides on"),
        ({"match": "ip4.src == $inside"}, "match: address sets and port groups are for ACLs"),
        ({"match": "ct.new && ip4"}, "match: connections are tracked elsewhere"),
        ({"match": "ip4.src = 1"}, "match: "),
    ],
)
def test_a_policy_with_a_mistake_is_refused(more, problem):
    with pytest.raises(StateError) as caught:
        Policy(**{"router": "r0", "priority": 1, "match": "ip4", "action": "drop"} | more)
    assert problem in str(caught.value)


def test_what_is_odd_about_policies_is_told():
    state = network(
        Policy("r0", 1, "ip4", "reroute", "10.9.9.9"), Policy("r0", 2, 'inport == "vm"', "drop")
    )
    codes = {(name, code) for name, code, _ in state.warnings()}
    assert ("r0:1:ip4", "policy-without-port") in codes
    assert ('r0:2:inport == "vm"', "policy-unknown-port") in codes


def test_packets_are_marked_where_a_rule_says_so():
    state = network(LEFT, Qos("s0", "from-lport", 5, "udp.dst == 2", dscp=46))
    lab = Emulation(state)
    (marked,) = sent(lab)
    (plain,) = sent(lab, dport=3)
    assert Ether(marked.frame)[IP].tos >> 2 == 46
    assert Ether(plain.frame)[IP].tos == 0
    with state.transaction() as tx:
        tx.add(Qos("s1", "to-lport", 5, 'outport == "left"', dscp=10))
    assert [Ether(it.frame)[IP].tos >> 2 for it in sent(lab, dport=3)] == [10]


def test_what_is_over_a_rate_is_dropped():
    """100 kilobits at once are 12,500 bytes, or 29 frames of 442 bytes."""
    lab = Emulation(network(LEFT, Qos("s0", "from-lport", 5, "ip4", rate=100, burst=100)))
    payload = bytes(400)
    packet = Ether(src=VM, dst=GATE) / IP(src="10.0.0.10", dst="172.16.0.9") / UDP() / payload
    passed = sum(len(lab.send("vm", bytes(packet))) for _ in range(60))
    assert 25 <= passed <= 32
    lab.run(10)
    assert len(lab.send("vm", bytes(packet))) == 1


def test_a_rule_that_does_nothing_is_refused():
    with pytest.raises(StateError, match="dscp: is missing, and so is `rate`"):
        Qos("s0", "from-lport", 5, "ip4")
