"""Services in an emulated network: a VM gets its lease, resolves names, is told of what fails."""

import pytest
from attrs import evolve
from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.dhcp6 import DHCP6_Advertise, DHCP6_Solicit
from scapy.layers.dns import DNS
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6ND_RA, IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from nvp_state import (
    Acl,
    DhcpOptions,
    DnsRecord,
    Emulation,
    NetworkState,
    RouterAdvertisement,
    StateError,
)
from tests.nvp_state.answers import ROUTER, VM
from tests.nvp_state.test_service_answers import (
    ASSOCIATION,
    CLIENT,
    DISCOVER,
    REQUEST,
    SOLICITATION,
    asking,
    asking6,
    question,
    told_by,
)

OTHER_VM = "0a:00:00:00:00:02"
LINK_LOCAL = "fe80::800:ff:fe00:1"
DOCUMENT = {
    "hosts": [{"name": f"h{n}", "ip": f"192.0.2.{n}"} for n in (1, 2)],
    "switches": [
        {
            "name": "s0",
            "tenant": "acme",
            "ports": [
                {"name": "a", "mac": VM, "ip": "10.0.0.10", "ip6": "fd00::10", "host": "h1"},
                {"name": "b", "mac": OTHER_VM, "ip": "10.0.0.20", "host": "h2"},
            ],
        },
        {
            "name": "s1",
            "tenant": "acme",
            "ports": [{"name": "c", "mac": OTHER_VM, "ip": "10.1.0.10", "host": "h2"}],
        },
    ],
    "routers": [
        {
            "name": "r0",
            "ports": [
                {
                    "name": "r0s0",
                    "mac": ROUTER,
                    "cidr": "10.0.0.1/24",
                    "switch": "s0",
                    "cidr6": "fd00::1/64",
                },
                {
                    "name": "r0s1",
                    "mac": "0e:00:00:00:00:02",
                    "cidr": "10.1.0.1/24",
                    "switch": "s1",
                },
            ],
        }
    ],
    "dhcp_options": [
        {
            "switch": "s0",
            "prefix": "10.0.0.0/24",
            "options": {
                "server_id": "10.0.0.1",
                "server_mac": ROUTER,
                "router": "10.0.0.1",
                "mtu": 1400,
                "dns_server": ["10.0.0.1", "10.0.0.2"],
            },
        },
        {
            "switch": "s0",
            "prefix": "fd00::/64",
            "options": {"server_id": ROUTER, "dns_server": "fd00::1"},
        },
    ],
    "dns": [
        {"switch": "s0", "name": "Web.Example", "addresses": ["10.0.0.10", "fd00::10"]},
        {"switch": "s0", "name": "db.example", "addresses": ["10.0.0.20"]},
    ],
    "router_advertisements": [{"port": "r0s0", "mtu": 1400}],
}


@pytest.fixture
def state() -> NetworkState:
    state = NetworkState()
    state.load(DOCUMENT)
    return state


@pytest.fixture
def lab(state) -> Emulation:
    return Emulation(state)


def answers(lab: Emulation, port: str, frame) -> dict[str, Ether]:
    """What comes out, by port; the trace says the same, and every frame is a good one."""
    sent = lab.send(port, bytes(frame))
    assert [it.port for it in sent] == list(lab.trace(port, bytes(frame)).ports)
    return {it.port: Ether(it.frame) for it in sent}


def to(mac: str, packet) -> Ether:
    return Ether(src=VM, dst=mac) / packet


def test_a_vm_gets_its_lease_from_its_own_host(lab):
    offered = answers(lab, "a", DISCOVER)
    assert list(offered) == ["a"]
    told = told_by(bytes(offered["a"]))
    assert (offered["a"][BOOTP].yiaddr, told["message-type"]) == ("10.0.0.10", (2,))
    assert told["router"] == ("10.0.0.1",)
    assert told["name_server"] == ("10.0.0.1", "10.0.0.2")
    assert (told["interface-mtu"], told["subnet_mask"]) == ((1400,), ("255.255.255.0",))
    granted = answers(lab, "a", REQUEST)
    assert told_by(bytes(granted["a"]))["message-type"] == (5,)
    assert lab.fabric.underlay.drops == {}
    renewed = Ether(src=VM, dst=ROUTER) / IP(src="10.0.0.10", dst="10.0.0.1")
    renewed /= UDP(sport=68, dport=67) / BOOTP(
        op=1, chaddr=bytes.fromhex(VM.replace(":", "")), ciaddr="10.0.0.10"
    )
    renewed /= DHCP(options=[("message-type", "request"), "end"])
    assert told_by(bytes(answers(lab, "a", renewed)["a"]))["message-type"] == (5,)


def test_what_the_server_leaves_alone_is_heard_by_others(lab):
    assert list(answers(lab, "a", asking(("message-type", "decline")))) == ["b"]


def test_nobody_is_served_who_does_not_ask_as_himself(lab, state):
    spoofed = DISCOVER.copy()
    spoofed.src = OTHER_VM
    assert answers(lab, "a", spoofed) == {}
    with state.transaction() as tx:
        tx.replace(evolve(state.record("port", "a").entity, port_security=False))
    assert list(answers(lab, "a", spoofed)) == ["b"]


def test_a_lease_passes_what_access_rules_drop(lab, state):
    with state.transaction() as tx:
        tx.add(Acl("s0", "to-lport", 9, "ip", "drop"))
    assert list(answers(lab, "a", DISCOVER)) == ["a"]
    assert list(answers(lab, "a", to(ROUTER, question("web.example")))) == ["a"]
    other = to(OTHER_VM, IP(src="10.0.0.10", dst="10.0.0.20") / UDP(sport=67, dport=68))
    assert answers(lab, "a", other) == {}


def test_a_vm_gets_an_ipv6_address_and_is_told_of_its_router(lab):
    solicit = asking6(DHCP6_Solicit() / CLIENT / ASSOCIATION)
    solicit[IPv6].src = LINK_LOCAL
    assert DHCP6_Advertise in answers(lab, "a", solicit)["a"]
    asked = SOLICITATION.copy()
    asked[IPv6].src = LINK_LOCAL
    advertised = answers(lab, "a", asked)["a"]
    assert (advertised.src, advertised[ICMPv6ND_RA].M) == (ROUTER, 0)


def test_a_vm_resolves_names_whatever_server_it_asks(lab):
    for asked in (question("web.example"), question("WEB.example")):
        for mac in (ROUTER, OTHER_VM):
            heard = answers(lab, "a", to(mac, asked))
            assert [it.rdata for it in heard["a"][DNS].an] == ["10.0.0.10"]
            assert (heard["a"].src, heard["a"][IP].src) == (mac, "8.8.8.8")
    asked6 = question("web.example", "AAAA", IPv6(src="fd00::10", dst="fd00::1"))
    assert [it.rdata for it in answers(lab, "a", to(ROUTER, asked6))["a"][DNS].an] == ["fd00::10"]


def test_other_questions_go_to_the_server(lab):
    head = IP(src="10.0.0.10", dst="10.0.0.20")
    for asked in (question("other.example", head=head), head / UDP(sport=53, dport=53) / DNS()):
        heard = answers(lab, "a", to(OTHER_VM, asked))
        assert bytes(heard["b"]) == bytes(to(OTHER_VM, asked))
    answer = Ether(src=OTHER_VM, dst=VM) / IP(src="10.0.0.20", dst="10.0.0.10")
    answer = answer / UDP(sport=53, dport=4000) / Raw(b"an answer")
    assert list(answers(lab, "b", answer)) == ["a"]


def test_a_name_is_forgotten_and_learnt(lab, state):
    asked = to(ROUTER, question("db.example"))
    with state.transaction() as tx:
        tx.replace(DnsRecord("s0", "db.example", ("10.0.0.21", "10.0.0.22")))
    assert answers(lab, "a", asked)["a"][DNS].ancount == 2
    with state.transaction() as tx:
        tx.remove(("dns-record", ("s0", "db.example")))
        tx.remove(("dns-record", ("s0", "web.example")))
    assert answers(lab, "a", asked) == {}


def test_a_router_answers_for_itself(lab):
    udp = IP(src="10.0.0.10", dst="10.0.0.1") / UDP(sport=4000, dport=9) / b"hello"
    heard = answers(lab, "a", to(ROUTER, udp))["a"]
    assert (heard[ICMP].type, heard[ICMP].code, heard[IP].src) == (3, 3, "10.0.0.1")
    assert bytes(heard[ICMP].payload) == bytes(udp)
    syn = IP(src="10.0.0.10", dst="10.1.0.1") / TCP(sport=4000, dport=9, seq=4, flags="S")
    heard = answers(lab, "a", to(ROUTER, syn))["a"]
    assert (heard[TCP].flags, heard[TCP].ack, heard[IP].src) == ("RA", 5, "10.1.0.1")
    expired = IP(src="10.0.0.10", dst="10.1.0.10", ttl=1) / UDP() / b"hello"
    heard = answers(lab, "a", to(ROUTER, expired))["a"]
    assert (heard[ICMP].type, heard[IP].src) == (11, "10.0.0.1")
    error = IP(src="10.0.0.10", dst="10.1.0.10", ttl=1) / ICMP(type=3, code=1) / udp
    assert answers(lab, "a", to(ROUTER, error)) == {}
    assert "dropped on h1: no answer by icmp4 11 0" in str(lab.trace("a", bytes(to(ROUTER, error))))
    assert lab.fabric.drops["no_answer"] == 1


def test_a_neighbour_is_advertised_where_it_is_sought(lab):
    seeks = IPv6(src="fd00::10", dst="ff02::1:ff00:1", hlim=255) / ICMPv6ND_NS(tgt="fd00::1")
    heard = answers(lab, "a", to("33:33:ff:00:00:01", seeks))["a"]
    assert (heard.src, heard[ICMPv6ND_NA].R) == (ROUTER, 1)


def test_a_trace_goes_on_with_the_answer(lab):
    text = str(lab.trace("a", bytes(DISCOVER)))
    assert "h1, answer by dhcp4 offer=10.0.0.10 dns_server=10.0.0.1,10.0.0.2 mtu=1400" in text
    assert 'dhcp-options "s0:10.0.0.0/24"' in text
    assert text.endswith("delivered at: a")


def test_services_come_back_from_a_document(state):
    dumped = state.dump()
    assert dumped["dns"][0]["name"] == "web.example"
    assert dumped["dhcp_options"][1]["options"] == {"dns_server": "fd00::1", "server_id": ROUTER}
    again = NetworkState()
    again.load(dumped)
    assert again.dump() == dumped
    assert state.warnings() == []


def test_what_serves_nobody_or_twice_is_warned_of(state):
    server = {"server_id": "10.0.0.1", "server_mac": ROUTER}
    with state.transaction() as tx:
        tx.add(DhcpOptions("s0", "10.0.0.0/16", server))
        tx.add(DhcpOptions("s1", "172.16.0.0/24", server))
        tx.add(RouterAdvertisement("r0s1"))
    found = {(name, code) for name, code, _ in state.warnings()}
    assert found == {
        ("a", "dhcp-ambiguous"),
        ("b", "dhcp-ambiguous"),
        ("s1:172.16.0.0/24", "dhcp-serves-nobody"),
        ("r0s1", "advertises-no-network"),
    }


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: DhcpOptions("s0", "10.0.0.0/24", {}), "options.server_mac"),
        (lambda: DhcpOptions("s0", "10.0.0.0/24", []), "is not an object of names and values"),
        (lambda: DhcpOptions("s0", "10.0.0.0/24", {"hostname": "a b"}), "hostname: 'a b'"),
        (lambda: DhcpOptions("s0", "fd00::/64", {"server_id": "10.0.0.1"}), "options.server_id"),
        (
            lambda: DhcpOptions("s0", "fd00::/64", {"server_id": ROUTER, "mtu": 1400}),
            "options.mtu: there is no option mtu",
        ),
        (lambda: DnsRecord("s0", "a..b", ("10.0.0.1",)), "'a..b' is not a domain name"),
        (lambda: DnsRecord("s0", "a.b", ()), "addresses: has none"),
        (lambda: RouterAdvertisement("r0s0", "slac"), "did you mean `slaac`"),
        (lambda: RouterAdvertisement("r0s0", mtu=1000), "from 1280 to 65535"),
    ],
)
def test_mistakes_are_named(make, words: str):
    with pytest.raises(StateError) as refused:
        make()
    assert words in str(refused.value)
