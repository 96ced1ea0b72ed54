"""Guests: what VMs with a small IP stack get through, in both directions."""

from attrs import evolve

from nvp_state import Acl, Emulation, Port, Route, Router, RouterPort, Switch
from nvp_state.guest import Guests
from tests.nvp_state.small import ENTITIES, change, network

ADDRESSES = {"p0": "10.0.0.1", "p1": "10.0.0.2"}


def guests(*more):
    state = network(*more)
    for entity in ENTITIES:
        if isinstance(entity, Port):
            change(state, "replace", evolve(entity, ip=ADDRESSES[entity.name]))
    return Guests(Emulation(state))


def test_vms_find_each_other_and_talk():
    vms = guests()
    assert vms.resolve("p0", "p1") == "0a:00:00:00:00:02"
    assert str(vms.ping("p0", "p1")) == "answered"
    assert vms.connect("p1", "p0", 80).answered
    assert vms.connect("p1", "p0", 80, bytes(20_000)).answered


def test_who_has_more_addresses_than_are_known_answers_himself():
    vms = guests()
    state = vms._lab.state
    change(state, "replace", evolve(state.get("port", "p1"), unknown=True))
    assert vms.resolve("p0", "p1") == "0a:00:00:00:00:02"
    assert vms.ping("p0", "p1").answered
    change(state, "add", Acl("s0", "from-lport", 1, 'inport == "p1" && arp', "drop"))
    assert str(vms.ping("p0", "p1")) == "no ARP reply"


def routed(*more):
    """Guests of two networks, of which a router joins those in 10.0.0.0/24 to 10.0.1.0/24."""
    return guests(
        Switch("s1", "acme"),
        Port("q0", "s1", "0a:00:00:00:01:01", ip="10.0.1.7", host="h1"),
        Port("q1", "s1", "0a:00:00:00:01:02", ip="10.0.2.7", host="h0"),
        Router("r0"),
        RouterPort("r0s0", "r0", "0a:00:00:00:00:fe", "10.0.0.254/24", "s0"),
        RouterPort("r0s1", "r0", "0a:00:00:00:01:fe", "10.0.1.254/24", "s1"),
        *more,
    )


def test_vms_of_two_networks_talk_through_their_router():
    vms = routed()
    assert vms.gateway("p0").name == "r0s0"
    assert vms.resolve("p0", "q0") == "0a:00:00:00:00:fe"
    assert vms.resolve("q0", "p1") == "0a:00:00:00:01:fe"
    assert vms.ping("p0", "q0").answered
    assert vms.connect("q0", "p0", 80, bytes(5000)).answered
    assert vms.resolve("p0", "p1") == "0a:00:00:00:00:02"


def test_a_vm_outside_all_networks_has_no_gateway():
    vms = routed()
    assert vms.gateway("q1") is None
    assert str(vms.ping("q1", "p0")) == "no ARP reply"
    assert str(vms.ping("p0", "q1")) == "no echo reply"


def test_what_a_router_discards_does_not_come():
    assert str(routed(Route("r0", "10.0.1.7/32", "discard")).ping("p0", "q0")) == "no echo reply"


def test_how_far_it_got_is_told():
    for match, action in {
        "arp": ("no ARP reply", "no ARP reply", "no ARP reply"),
        "icmp4": ("no echo reply", "answered", "answered"),
        "icmp4.type == 0": ("no echo reply", "answered", "answered"),
        "tcp": ("answered", "no SYN+ACK", "no SYN+ACK"),
        "tcp.src == 80": ("answered", "no SYN+ACK", "no SYN+ACK"),
    }.items():
        vms = guests(Acl("s0", "to-lport", 1, match, "drop"))
        outcomes = (
            vms.ping("p0", "p1"),
            vms.connect("p0", "p1", 80),
            vms.connect("p0", "p1", 80, b"x"),
        )
        assert tuple(map(str, outcomes)) == action, match


def test_a_vm_without_an_address_or_a_host_is_no_guest():
    mac = "0a:00:00:00:00:03"
    vms = guests(Port("p2", "s0", mac, host="h0"), Port("p3", "s0", mac, ip="10.0.0.9"))
    assert set(vms.vms) == {"p0", "p1"}
