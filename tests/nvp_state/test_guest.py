"""Guests: what VMs with a small IP stack get through, in both directions."""

from attrs import evolve

from nvp_state import Acl, Emulation, Port
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
