"""The referee by examples: what real OVN does with packets in a network that a person can read.

Two switches joined by a router, an access list on a port group. Each test says what a VM sends and
what comes out where. Whoever writes rules can look here what OVN does, and tests of the network
program at random stand on this harness.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6ND_NS, ICMPv6NDOptSrcLLAddr, IPv6
from scapy.layers.l2 import ARP, Ether

from tests import ovn
from tests.daemons import DaemonError
from tests.ovn import Delivered
from tests.ovn_packets import kind, microflow, read

pytestmark = ovn.installed

WEB, DB, ROUTER, FAR_SIDE = (
    "0a:00:00:00:00:01",
    "0a:00:00:00:01:01",
    "0e:00:00:00:00:01",
    "0e:00:00:00:00:02",
)
EVERYBODY = "ff:ff:ff:ff:ff:ff"
NETWORK = {
    "hosts": [{"name": "hv1", "ip": "192.0.2.1"}],
    "switches": [
        {
            "name": "front",
            "tenant": "acme",
            "ports": [
                {"name": "web", "mac": WEB, "ip": "10.0.0.10", "ip6": "fd00::10", "host": "hv1"},
                {"name": "cache", "mac": "0a:00:00:00:00:02", "ip": "10.0.0.11"},
                {
                    "name": "firewall",
                    "mac": "0a:00:00:00:00:03",
                    "ip": "10.0.0.12",
                    "port_security": False,
                    "unknown": True,
                },
                {"name": "off", "mac": "0a:00:00:00:00:04", "ip": "10.0.0.13", "enabled": False},
            ],
        },
        {
            "name": "back",
            "tenant": "acme",
            "ports": [{"name": "db", "mac": DB, "ip": "10.0.1.10", "ip6": "fd01::10"}],
        },
    ],
    "routers": [
        {
            "name": "r",
            "ports": [
                {
                    "name": "r-front",
                    "mac": ROUTER,
                    "cidr": "10.0.0.1/24",
                    "cidr6": "fd00::1/64",
                    "switch": "front",
                },
                {
                    "name": "r-back",
                    "mac": FAR_SIDE,
                    "cidr": "10.0.1.1/24",
                    "cidr6": "fd01::1/64",
                    "switch": "back",
                },
            ],
        }
    ],
    "routes": [{"router": "r", "prefix": "172.16.0.0/24", "nexthop": "10.0.0.12"}],
}
GUARDED = NETWORK | {
    "port_groups": [{"name": "stores", "ports": ["db"]}],
    "address_sets": [{"name": "fronts", "addresses": ["10.0.0.0/24"]}],
    "acls": [
        {
            "port_group": "stores",
            "direction": "to-lport",
            "priority": 20,
            "match": "outport == @stores && ip4.src == $fronts && tcp.dst == 5432",
            "action": "allow-related",
        },
        {
            "port_group": "stores",
            "direction": "to-lport",
            "priority": 10,
            "match": 'outport == "db" && ip',
            "action": "reject",
        },
    ],
}


TRACKED_ON_BOTH_SWITCHES = NETWORK | {
    "acls": [
        {
            "switch": "front",
            "direction": "to-lport",
            "priority": 1,
            "match": "ip4",
            "action": "allow-related",
        },
        {
            "switch": "back",
            "direction": "to-lport",
            "priority": 1,
            "match": "ip4",
            "action": "allow-related",
        },
        {
            "switch": "back",
            "direction": "from-lport",
            "priority": 2,
            "match": "ip4.src == 10.0.0.10",
            "action": "drop",
        },
    ]
}


WITHOUT_PORT_81 = NETWORK | {
    "acls": [
        {
            "switch": "front",
            "direction": "to-lport",
            "priority": 1,
            "match": "tcp.src == 81",
            "action": "drop",
        },
        {
            "switch": "front",
            "direction": "to-lport",
            "priority": 0,
            "match": 'outport == "cache" && tcp',
            "action": "reject",
        },
    ]
}


@pytest.fixture(scope="module")
def loaded(real_ovn):
    return real_ovn.load([NETWORK, GUARDED, TRACKED_ON_BOTH_SWITCHES, WITHOUT_PORT_81])


@pytest.fixture
def network(loaded):
    loaded[0].forget()
    return loaded[0]


@pytest.fixture
def guarded(loaded):
    loaded[1].forget()
    return loaded[1]


def ip(source="10.0.0.10", to="10.0.1.10", mac=ROUTER, by=WEB, ttl=64):
    return Ether(src=by, dst=mac) / IP(src=source, dst=to, ttl=ttl)


def arp(target, by=WEB, spa="10.0.0.10"):
    return bytes(Ether(src=by, dst=EVERYBODY) / ARP(hwsrc=by, psrc=spa, pdst=target))


def told(deliveries):
    return [(it.port, it.kind, it.eth_src, it.eth_dst, it.ttl) for it in deliveries]


def test_a_router_rewrites_both_macs_and_the_ttl(network):
    (delivered,) = network.send("web", bytes(ip() / UDP(sport=1000, dport=53)))
    assert delivered == Delivered.of(
        "db", bytes(ip(by=FAR_SIDE, mac=DB, ttl=63) / UDP(sport=1000, dport=53))
    )
    assert (delivered.eth_src, delivered.eth_dst, delivered.ttl) == (FAR_SIDE, DB, 63)


@pytest.mark.parametrize("ttl", [0, 1])
def test_a_router_tells_that_time_was_exceeded(network, ttl):
    answers = network.send("web", bytes(ip(ttl=ttl) / UDP()))
    assert told(answers) == [("web", "icmp4 11/0", ROUTER, WEB, 254)]
    assert answers[0].packet["ip4.src"] == "10.0.0.1"


@pytest.mark.parametrize(
    ("target", "answers"),
    [
        ("10.0.0.1", [("web", "arp reply", ROUTER, WEB, None)]),
        ("10.0.0.11", [("web", "arp reply", "0a:00:00:00:00:02", WEB, None)]),
        ("10.0.0.13", [("web", "arp reply", "0a:00:00:00:00:04", WEB, None)]),
        (
            "10.0.0.12",
            [
                ("cache", "arp request", WEB, EVERYBODY, None),
                ("firewall", "arp request", WEB, EVERYBODY, None),
            ],
        ),
        (
            "10.0.0.10",
            [
                ("cache", "arp request", WEB, EVERYBODY, None),
                ("firewall", "arp request", WEB, EVERYBODY, None),
            ],
        ),
    ],
    ids=["of the router", "of a VM", "of a disabled port", "of a port with unknown", "one's own"],
)
def test_addresses_are_answered_for_or_asked_of_everybody(network, target, answers):
    assert told(network.send("web", arp(target))) == answers


def test_an_arp_answer_carries_what_was_asked(network):
    (answer,) = network.send("web", arp("10.0.0.11"))
    assert {key: answer.packet[key] for key in answer.packet if key.startswith("arp.")} == {
        "arp.op": "2",
        "arp.sha": "0a:00:00:00:00:02",
        "arp.spa": "10.0.0.11",
        "arp.tha": WEB,
        "arp.tpa": "10.0.0.10",
    }


@pytest.mark.parametrize(
    ("packet", "answer"),
    [
        (ICMP(), ("web", "icmp4 0/0", ROUTER, WEB, 254)),
        (UDP(sport=9, dport=9), ("web", "icmp4 3/3", ROUTER, WEB, 254)),
        (TCP(), ("web", "tcp reset", ROUTER, WEB, 62)),
    ],
    ids=["ping", "udp", "tcp"],
)
@pytest.mark.parametrize("ttl", [1, 64])
def test_a_router_answers_for_its_own_address(network, packet, answer, ttl):
    assert told(network.send("web", bytes(ip(to="10.0.1.1", ttl=ttl) / packet))) == [answer]


def test_a_router_asks_for_an_address_that_it_does_not_know(network):
    (question,) = network.send("web", bytes(ip(to="10.0.1.77") / UDP()))
    expected = Ether(src=FAR_SIDE, dst=EVERYBODY) / ARP(
        hwsrc=FAR_SIDE, psrc="10.0.1.1", hwdst="00:00:00:00:00:00", pdst="10.0.1.77"
    )
    assert question == Delivered.of("db", bytes(expected))


def test_a_next_hop_may_be_a_vm(network):
    assert told(network.send("db", bytes(ip("10.0.1.10", "172.16.0.9", FAR_SIDE, DB) / UDP()))) == [
        ("firewall", "udp", ROUTER, "0a:00:00:00:00:03", 63)
    ]


def test_neighbours_are_discovered_and_routed_to(network):
    link = Ether(src=WEB, dst="33:33:ff:00:00:01")
    question = ICMPv6ND_NS(tgt="fd00::1") / ICMPv6NDOptSrcLLAddr(lladdr=WEB)
    asked = network.send("web", bytes(link / IPv6(src="fd00::10", dst="ff02::1:ff00:1") / question))
    assert told(asked) == [("web", "icmp6 136/0", ROUTER, WEB, 255)]
    assert asked[0].packet["nd.tll"] == ROUTER
    frame = bytes(Ether(src=WEB, dst=ROUTER) / IPv6(src="fd00::10", dst="fd01::10") / UDP())
    assert told(network.send("web", frame)) == [("db", "udp", FAR_SIDE, DB, 63)]


def test_a_group_is_allowed_a_service_and_its_answers(guarded):
    there = bytes(ip() / TCP(sport=1000, dport=5432))
    back = bytes(
        ip("10.0.1.10", "10.0.0.10", FAR_SIDE, DB) / TCP(sport=5432, dport=1000, flags="SA")
    )
    assert told(guarded.send("web", there)) == [("db", "tcp", FAR_SIDE, DB, 63)]
    assert told(guarded.send("db", back)) == [("web", "tcp", ROUTER, WEB, 63)]


def test_an_answer_to_nothing_is_invalid(guarded):
    back = bytes(
        ip("10.0.1.10", "10.0.0.10", FAR_SIDE, DB) / TCP(sport=5432, dport=1000, flags="SA")
    )
    assert guarded.send("db", back) == []


@pytest.mark.parametrize(
    ("packet", "answer"),
    [
        (TCP(sport=1000, dport=80), ("web", "tcp reset", ROUTER, WEB, 62)),
        (UDP(sport=1000, dport=80), ("web", "icmp4 3/3", ROUTER, WEB, 254)),
        (ICMP(), ("web", "icmp4 3/1", ROUTER, WEB, 254)),
    ],
    ids=["tcp", "udp", "icmp"],
)
def test_what_a_group_rejects_is_told_to_the_sender(guarded, packet, answer):
    assert told(guarded.send("web", bytes(ip() / packet))) == [answer]


def test_an_answer_passes_where_a_question_would_not(guarded):
    question = bytes(ip("10.0.1.10", "10.0.0.10", FAR_SIDE, DB) / UDP(sport=7, dport=1000))
    answer = bytes(ip() / UDP(sport=1000, dport=7))
    assert told(guarded.send("web", answer)) == [("web", "icmp4 3/3", ROUTER, WEB, 254)]
    guarded.forget()
    assert told(guarded.send("db", question)) == [("web", "udp", ROUTER, WEB, 63)]
    assert told(guarded.send("web", answer)) == [("db", "udp", FAR_SIDE, DB, 63)]


def test_a_router_port_tracks_nothing_and_has_its_rules_asked_about_answers_too(loaded):
    question = bytes(ip("10.0.1.10", "10.0.0.10", FAR_SIDE, DB) / UDP(sport=7, dport=1000))
    assert told(loaded[2].send("db", question)) == [("web", "udp", ROUTER, WEB, 63)]
    assert loaded[2].send("web", bytes(ip() / UDP(sport=1000, dport=7))) == []


def test_an_error_is_related_to_the_packet_that_it_is_about(loaded):
    loaded[2].forget()
    answers = loaded[2].send("web", bytes(ip(ttl=1) / UDP(sport=5, dport=6)))
    assert told(answers) == [("web", "icmp4 11/0", ROUTER, WEB, 254)]


def test_a_reset_comes_from_the_port_that_was_asked(loaded):
    answers = loaded[3].send("web", bytes(ip(to="10.0.0.1") / TCP(sport=1000, dport=80)))
    assert told(answers) == [("web", "tcp reset", ROUTER, WEB, 62)]
    assert (answers[0].packet["tcp.src"], answers[0].packet["tcp.dst"]) == ("80", "1000")
    assert loaded[3].send("web", bytes(ip(to="10.0.0.1") / TCP(sport=1000, dport=81))) == []


def test_a_reset_is_not_rejected(loaded):
    by, spa = "0a:00:00:00:00:02", "10.0.0.11"
    assert loaded[3].send("cache", bytes(ip(spa, "10.0.0.1", by=by) / TCP(dport=80))) == []


def test_a_guarded_port_with_an_address_sends_no_other_types(network):
    frame = bytes(Ether(src=WEB, dst=EVERYBODY, type=0x9000)) + bytes(46)
    assert network.send("web", frame) == []
    by = "0a:00:00:00:00:03"
    frame = bytes(Ether(src=by, dst=EVERYBODY, type=0x9000)) + bytes(46)
    assert [it.port for it in network.send("firewall", frame)] == ["cache", "web"]


def test_an_address_that_no_vm_has_is_asked_for_once_and_not_by_other_routers(network):
    frame = bytes(Ether(src=WEB, dst=ROUTER) / IPv6(src="fd00::10", dst="fd01::77") / UDP())
    (question,) = network.send("web", frame)
    expected = Ether(src=FAR_SIDE, dst="33:33:ff:00:00:77")
    expected /= IPv6(src="fe80::c00:ff:fe00:2", dst="ff02::1:ff00:77", hlim=255)
    expected /= ICMPv6ND_NS(tgt="fd01::77") / ICMPv6NDOptSrcLLAddr(lladdr=FAR_SIDE)
    assert question == Delivered.of("db", bytes(expected))


def test_networks_side_by_side_do_not_know_of_each_other(loaded):
    frame = bytes(ip() / TCP(sport=1000, dport=80))
    assert [told(it.send("web", frame))[0][0] for it in loaded[:2]] == ["db", "web"]


def test_what_ovn_cannot_read_is_an_error(tmp_path):
    switch = {"name": "s", "ports": [{"name": "p", "mac": WEB}]}
    acl = {"switch": "s", "direction": "to-lport", "priority": 1, "action": "drop"}
    with ovn.Ovn(tmp_path) as real, pytest.raises(DaemonError, match=r"tcp\.dst == here"):
        real.load([{"switches": [switch], "acls": [acl | {"match": "tcp.dst == here"}]}])


def test_a_frame_becomes_a_microflow():
    packet = read(bytes(ip() / UDP(sport=1000, dport=53)))
    assert kind(packet) == "udp"
    assert microflow(packet) == (
        f"eth.src == {WEB} && eth.dst == {ROUTER} && eth.type == 0x800 && ip4.src == 10.0.0.10"
        " && ip4.dst == 10.0.1.10 && ip.proto == 17 && ip.ttl == 64 && udp.src == 1000"
        " && udp.dst == 53"
    )


KILLED = """
import os, signal, sys
from pathlib import Path
from tests.ovn import Ovn

real = Ovn(Path(sys.argv[1]))
real.load([{"switches": [{"name": "s"}]}])
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_nothing_outlives_the_process_that_started_it(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", KILLED, tmp_path], capture_output=True, text=True, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    end = time.monotonic() + 10
    while running(str(tmp_path)):
        assert time.monotonic() < end
        time.sleep(0.01)


def running(text):
    """Processes that have a text in their command line."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_bytes().decode()
        except OSError:
            continue
        if text in line and process.name != str(os.getpid()):
            found.append(line)
    return found
