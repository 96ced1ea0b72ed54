"""DHCP, DHCPv6, DNS and router advertisements, read by scapy and by tshark."""

from random import Random

import pytest
from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.dhcp6 import (
    DUID_LL,
    DHCP6_Advertise,
    DHCP6_Confirm,
    DHCP6_Decline,
    DHCP6_InfoRequest,
    DHCP6_Rebind,
    DHCP6_Release,
    DHCP6_Renew,
    DHCP6_Reply,
    DHCP6_Request,
    DHCP6_Solicit,
    DHCP6OptClientId,
    DHCP6OptDNSServers,
    DHCP6OptIA_NA,
    DHCP6OptIAAddress,
    DHCP6OptServerId,
    DHCP6OptStatusCode,
)
from scapy.layers.dns import DNS, DNSQR, DNSRROPT
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import (
    ICMPv6ND_RA,
    ICMPv6ND_RS,
    ICMPv6NDOptDNSSL,
    ICMPv6NDOptMTU,
    ICMPv6NDOptPrefixInfo,
    ICMPv6NDOptRDNSS,
    ICMPv6NDOptSrcLLAddr,
    IPv6,
)
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from nvp_state.answers import answer, parse
from nvp_state.dhcp_options import CODES4, CODES6, encoded4, encoded6
from tests.nvp_state import dissector
from tests.nvp_state.answers import ROUTER, V4, V6, VM, answered, made, packet_in

LEASE = f"dhcp4 offer=10.0.0.10 server_id=10.0.0.1 server_mac={ROUTER}"
OPTIONS = (
    "netmask=255.255.255.0 router=10.0.0.1 dns_server=10.0.0.2,10.0.0.3 lease_time=600 mtu=1400 "
    "domain_name=example domain_search_list=a.example,b.example ntp_server=10.0.0.4 "
    "classless_static_route=10.1.0.0/16,10.0.0.7,0.0.0.0/0,10.0.0.1 ip_forward_enable=true"
)
CHADDR = bytes.fromhex(VM.replace(":", "")) + bytes(10)


def asking(*options, source: str = "0.0.0.0", **fields):
    client = {"op": 1, "chaddr": CHADDR, "xid": 0x12345678, **fields}
    head = Ether(src=VM, dst="ff:ff:ff:ff:ff:ff") / IP(src=source, dst="255.255.255.255")
    return head / UDP(sport=68, dport=67) / BOOTP(**client) / DHCP(options=[*options, "end"])


def told_by(frame: bytes) -> dict[str, object]:
    return {it[0]: it[1:] for it in Ether(frame)[DHCP].options if isinstance(it, tuple)}


DISCOVER = asking(("message-type", "discover"))
REQUEST = asking(
    ("message-type", "request"), ("requested_addr", "10.0.0.10"), ("server_id", "10.0.0.1")
)


def test_a_lease_is_offered_and_granted():
    for asked, kind in ((DISCOVER, 2), (REQUEST, 5)):
        heard = Ether(made(f"{LEASE} {OPTIONS}", asked))
        assert (heard.src, heard.dst) == (ROUTER, VM)
        assert (heard[IP].src, heard[IP].dst) == ("10.0.0.1", "10.0.0.10")
        assert (heard[UDP].sport, heard[UDP].dport) == (67, 68)
        message = heard[BOOTP]
        assert (message.op, message.xid, message.yiaddr) == (2, 0x12345678, "10.0.0.10")
        assert (message.chaddr, message.siaddr) == (CHADDR, "0.0.0.0")
        told = told_by(bytes(heard))
        assert told["message-type"] == (kind,)
        assert told["server_id"] == ("10.0.0.1",)
        assert told["subnet_mask"] == ("255.255.255.0",)
        assert told["name_server"] == ("10.0.0.2", "10.0.0.3")
        assert told["lease_time"] == (600,)
        assert len(bytes(message)) >= 300


@dissector.installed
def test_tshark_reads_every_option():
    (read,) = dissector.told([answered(f"{LEASE} {OPTIONS}", DISCOVER)], "dhcp.option.type")
    assert dissector.faults(read) == []
    names = [word.split("=")[0] for word in OPTIONS.split()]
    assert {str(CODES4[name]) for name in names} <= set(read["dhcp.option.type"])


@dissector.installed
@pytest.mark.parametrize(
    ("field", "option", "values"),
    [
        ("dhcp.option.router", "router=10.0.0.1", ["10.0.0.1"]),
        ("dhcp.option.subnet_mask", "netmask=255.255.0.0", ["255.255.0.0"]),
        ("dhcp.option.ip_address_lease_time", "lease_time=77", ["77"]),
        ("dhcp.option.ip_address_lease_time", "", ["3600"]),
        ("dhcp.option.interface_mtu", "mtu=1400", ["1400"]),
        ("dhcp.option.domain_name", "domain_name=acme.example", ["acme.example"]),
        ("dhcp.option.hostname", "hostname=web-1", ["web-1"]),
        ("dhcp.option.ntp_server", "ntp_server=10.0.0.4", ["10.0.0.4"]),
        ("dhcp.ip.server", "next_server=10.0.0.9", ["10.0.0.9"]),
        ("dhcp.option.dhcp_server_id", "", ["10.0.0.1"]),
        ("dhcp.option.broadcast_address", "broadcast_address=10.0.0.255", ["10.0.0.255"]),
    ],
)
def test_tshark_reads_the_value(field: str, option: str, values: list[str]):
    (read,) = dissector.told([answered(f"{LEASE} {option}", DISCOVER)], field)
    assert dissector.faults(read) == []
    assert read[field] == values


EVERYBODY = "255.255.255.255"
HAS_IT = {"ciaddr": "10.0.0.10", "source": "10.0.0.10"}
requests = ("message-type", "request")


@pytest.mark.parametrize(
    ("asked", "kind", "destination", "address"),
    [
        (asking(requests, ("requested_addr", "10.0.0.11")), 6, EVERYBODY, "0.0.0.0"),
        (asking(requests), 6, EVERYBODY, "0.0.0.0"),
        (asking(requests, **HAS_IT), 5, "10.0.0.10", "10.0.0.10"),
        (asking(("message-type", "discover"), flags=0x8000), 2, EVERYBODY, "10.0.0.10"),
        (asking(("message-type", "inform"), **HAS_IT), 5, "10.0.0.10", "0.0.0.0"),
    ],
)
def test_replies_go_where_rfc_2131_says(asked, kind: int, destination: str, address: str):
    heard = Ether(made(f"{LEASE} {OPTIONS}", asked))
    assert told_by(bytes(heard))["message-type"] == (kind,)
    assert (heard.dst, heard[IP].dst, heard[BOOTP].yiaddr) == (VM, destination, address)
    told = told_by(bytes(heard))
    assert ("lease_time" in told) == (address != "0.0.0.0")
    assert ("router" in told) == (kind != 6)


@pytest.mark.parametrize(
    "asked",
    [
        asking(("message-type", "release")),
        asking(("message-type", "decline"), ("requested_addr", "10.0.0.10")),
        asking(("message-type", "request"), ("server_id", "10.0.0.99")),
        asking(("message-type", "offer")),
        asking(("message-type", "discover"), op=2),
        asking(("message-type", "discover"), hlen=16),
        asking(),
        IP(**V4) / UDP(sport=68, dport=67),
        IP(**V4) / UDP(sport=68, dport=67) / Raw(b"short"),
        IPv6(**V6) / UDP(sport=68, dport=67) / BOOTP(op=1) / DHCP(options=["end"]),
    ],
)
def test_what_a_server_leaves_alone_goes_on_as_it_is(asked):
    frame = bytes(asked if isinstance(asked, Ether) else Ether(src=VM, dst=ROUTER) / asked)
    assert answer(packet_in(LEASE, frame)) == frame


SERVER6 = f"dhcp6 server_id={ROUTER} offer=fd00::10"
CLIENT = DHCP6OptClientId(duid=DUID_LL(lladdr=VM))
SERVER = DHCP6OptServerId(duid=DUID_LL(lladdr=ROUTER))
OTHER = DHCP6OptServerId(duid=DUID_LL(lladdr="0e:00:00:00:00:99"))
ASSOCIATION = DHCP6OptIA_NA(iaid=7)


def has(address: str):
    return DHCP6OptIA_NA(ianaopts=[DHCP6OptIAAddress(addr=address)])


def asking6(message):
    head = Ether(src=VM, dst="33:33:00:01:00:02") / IPv6(src="fe80::10", dst="ff02::1:2")
    return head / UDP(sport=546, dport=547) / message


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        (DHCP6_Solicit(trid=9) / CLIENT / ASSOCIATION, DHCP6_Advertise),
        (DHCP6_Request(trid=9) / CLIENT / SERVER / ASSOCIATION, DHCP6_Reply),
        (DHCP6_Renew(trid=9) / CLIENT / SERVER / ASSOCIATION, DHCP6_Reply),
        (DHCP6_Rebind(trid=9) / CLIENT / ASSOCIATION, DHCP6_Reply),
    ],
)
def test_an_address_is_granted(message, kind):
    words = f"{SERVER6} dns_server=fd00::2,fd00::3 domain_search=a.example"
    heard = Ether(made(words, asking6(message)))
    assert (heard.src, heard.dst) == (ROUTER, VM)
    assert (heard[IPv6].src, heard[IPv6].dst) == ("fe80::c00:ff:fe00:1", "fe80::10")
    assert (heard[UDP].sport, heard[UDP].dport) == (547, 546)
    assert heard[kind].trid == 9
    assert bytes(heard[DHCP6OptClientId].duid) == bytes(CLIENT.duid)
    assert bytes(heard[DHCP6OptServerId].duid) == bytes(SERVER.duid)
    lease = heard[DHCP6OptIA_NA]
    assert (lease.iaid, lease.ianaopts[0].addr) == (7, "fd00::10")
    assert lease.ianaopts[0].validlft == 0xFFFFFFFF
    assert heard[DHCP6OptDNSServers].dnsservers == ["fd00::2", "fd00::3"]


@pytest.mark.parametrize(
    ("message", "status"),
    [
        (DHCP6_Release() / CLIENT / SERVER / ASSOCIATION, 0),
        (DHCP6_Decline() / CLIENT / SERVER / ASSOCIATION, 0),
        (DHCP6_Confirm() / CLIENT / has("fd00::10"), 0),
        (DHCP6_Confirm() / CLIENT / has("fd00::9"), 4),
    ],
)
def test_others_are_told_a_status(message, status: int):
    heard = Ether(made(SERVER6, asking6(message)))
    assert heard[DHCP6OptStatusCode].statuscode == status
    assert DHCP6OptIA_NA not in heard


def test_who_asks_for_options_alone_gets_those():
    words = f"dhcp6 server_id={ROUTER} dns_server=fd00::2"
    heard = Ether(made(words, asking6(DHCP6_InfoRequest(trid=3))))
    assert heard[DHCP6OptDNSServers].dnsservers == ["fd00::2"]
    assert DHCP6OptIA_NA not in heard
    solicit = asking6(DHCP6_Solicit() / CLIENT / ASSOCIATION)
    assert made(words, solicit) == bytes(solicit)


@pytest.mark.parametrize(
    "message",
    [
        DHCP6_Solicit() / ASSOCIATION,
        DHCP6_Solicit() / CLIENT,
        DHCP6_Solicit() / CLIENT / SERVER / ASSOCIATION,
        DHCP6_Request() / CLIENT / ASSOCIATION,
        DHCP6_Request() / CLIENT / OTHER / ASSOCIATION,
        DHCP6_Rebind() / CLIENT / SERVER / ASSOCIATION,
        DHCP6_Advertise() / CLIENT / SERVER / ASSOCIATION,
        Raw(b""),
        Raw(b"\1"),
    ],
)
def test_what_a_dhcpv6_server_leaves_alone_goes_on_as_it_is(message):
    assert made(SERVER6, asking6(message)) == bytes(asking6(message))


NAMES = "dns web.example=10.0.0.10,10.0.0.11,fd00::10 db.example=10.0.0.20"


def question(name: str, kind: str = "A", head=None, **fields):
    asked = DNS(id=77, rd=1, qd=DNSQR(qname=name, qtype=kind), **fields)
    return (head or IP(src="10.0.0.10", dst="8.8.8.8")) / UDP(sport=4000, dport=53) / asked


@pytest.mark.parametrize(
    ("name", "kind", "values"),
    [
        ("web.example", "A", ["10.0.0.10", "10.0.0.11"]),
        ("WEB.Example.", "A", ["10.0.0.10", "10.0.0.11"]),
        ("web.example", "AAAA", ["fd00::10"]),
        ("web.example", "ALL", ["10.0.0.10", "10.0.0.11", "fd00::10"]),
        ("20.0.0.10.in-addr.arpa", "PTR", [b"db.example."]),
        (f"0.1.{'0.' * 28}d.f.ip6.arpa", "PTR", [b"web.example."]),
    ],
)
def test_a_name_is_resolved(name: str, kind: str, values: list):
    for head in (IP(src="10.0.0.10", dst="8.8.8.8"), IPv6(src="fd00::10", dst="fd00::53")):
        heard = Ether(made(NAMES, question(name, kind, head)))
        assert (heard.src, heard.dst) == (ROUTER, VM)
        assert (heard.payload.src, heard.payload.dst) == (head.dst, head.src)
        assert (heard[UDP].sport, heard[UDP].dport) == (53, 4000)
        told = heard[DNS]
        assert (told.id, told.qr, told.rd, told.rcode, told.arcount) == (77, 1, 1, 0, 0)
        assert [it.rdata for it in told.an] == values
        assert told.qd[0].qname.lower() == name.lower().removesuffix(".").encode() + b"."


@dissector.installed
def test_tshark_reads_names_leases_and_advertisements():
    words = f"{SERVER6} dns_server=fd00::2 domain_search=a.example,b.example"
    frames = [
        made(NAMES, question("web.example", "ALL")),
        made(NAMES, question("20.0.0.10.in-addr.arpa", "PTR")),
        made(words, asking6(DHCP6_Solicit() / CLIENT / ASSOCIATION)),
        made(SERVER6, asking6(DHCP6_Release() / CLIENT / SERVER / ASSOCIATION)),
        made(ADVERTISED, SOLICITATION),
    ]
    fields = ["dns.a", "dns.aaaa", "dns.ptr.domain_name", "dhcpv6.iaaddr.ip", "dhcpv6.dns_server"]
    fields += ["icmpv6.opt.prefix", "icmpv6.opt.mtu", "icmpv6.nd.ra.router_lifetime"]
    read = dissector.told(frames, *fields, "dhcpv6.search_list_entry", "icmpv6.opt.rdnss")
    assert [dissector.faults(it) for it in read] == [[]] * len(frames)
    assert read[0]["dns.a"] == ["10.0.0.10", "10.0.0.11"]
    assert read[0]["dns.aaaa"] == ["fd00::10"]
    assert read[1]["dns.ptr.domain_name"] == ["db.example"]
    assert read[2]["dhcpv6.iaaddr.ip"] == ["fd00::10"]
    assert read[2]["dhcpv6.dns_server"] == ["fd00::2"]
    assert read[2]["dhcpv6.search_list_entry"] == ["a.example.", "b.example."]
    assert read[4]["icmpv6.opt.prefix"] == ["fd00::", "fd01::"]
    assert read[4]["icmpv6.opt.mtu"] == ["1400"]
    assert read[4]["icmpv6.nd.ra.router_lifetime"] == ["65535"]
    assert read[4]["icmpv6.opt.rdnss"] == ["fd00::53"]


@pytest.mark.parametrize(
    "asked",
    [
        question("other.example"),
        question("db.example", "AAAA"),
        question("web.example", "MX"),
        question("web.example", qr=1),
        question("web.example", opcode=2),
        IP(**V4) / UDP(dport=53) / DNS(qd=[]),
        IP(**V4) / UDP(dport=53) / DNS(qd=[DNSQR(qname="web.example"), DNSQR(qname="db.example")]),
        IP(**V4) / UDP(dport=53) / Raw(b"\0" * 5),
        IP(**V4) / UDP(dport=53),
    ],
)
def test_another_question_goes_on_as_it_is(asked):
    frame = bytes(Ether(src=VM, dst=ROUTER) / asked)
    assert answer(packet_in(NAMES, frame)) == frame


def test_a_question_with_options_is_answered_without():
    asked = question("db.example", ar=DNSRROPT())
    assert Ether(made(NAMES, asked))[DNS].arcount == 0


def test_a_reply_that_is_too_long_says_so():
    addresses = ",".join(f"10.0.1.{n}" for n in range(1, 60))
    heard = Ether(made(f"dns many.example={addresses}", question("many.example")))
    assert heard[DNS].tc == 1
    assert 0 < heard[DNS].ancount < 59
    assert len(bytes(heard[DNS])) <= 512


ADVERTISED = (
    f"ra mac={ROUTER} mode=slaac prefix=fd00::/64,fd01::/64 mtu=1400 dns_server=fd00::53 "
    "domain_search=a.example"
)
SOLICITATION = (
    Ether(src=VM, dst="33:33:00:00:00:02")
    / IPv6(src="fe80::10", dst="ff02::2", hlim=255)
    / ICMPv6ND_RS()
    / ICMPv6NDOptSrcLLAddr(lladdr=VM)
)


@pytest.mark.parametrize(
    ("mode", "managed", "other", "autonomous"),
    [("slaac", 0, 0, 1), ("dhcpv6_stateful", 1, 0, 0), ("dhcpv6_stateless", 0, 1, 1)],
)
def test_a_router_tells_of_its_network(mode: str, managed: int, other: int, autonomous: int):
    heard = Ether(made(ADVERTISED.replace("slaac", mode), SOLICITATION))
    assert (heard.src, heard.dst) == (ROUTER, VM)
    assert (heard[IPv6].src, heard[IPv6].dst) == ("fe80::c00:ff:fe00:1", "fe80::10")
    told = heard[ICMPv6ND_RA]
    assert (told.M, told.O, told.routerlifetime, told.chlim) == (managed, other, 0xFFFF, 255)
    assert (heard[IPv6].hlim, heard[ICMPv6NDOptSrcLLAddr].lladdr) == (255, ROUTER)
    assert heard[ICMPv6NDOptMTU].mtu == 1400
    prefix = heard[ICMPv6NDOptPrefixInfo]
    assert (prefix.prefix, prefix.prefixlen, prefix.L, prefix.A) == ("fd00::", 64, 1, autonomous)
    assert heard[ICMPv6NDOptRDNSS].dns == ["fd00::53"]
    assert heard[ICMPv6NDOptDNSSL].searchlist == ["a.example."]


def test_who_has_no_address_yet_is_told_with_all():
    asked = Ether(src=VM, dst="33:33:00:00:00:02") / IPv6(src="::", dst="ff02::2", hlim=255)
    heard = Ether(made(f"ra mac={ROUTER} mode=slaac", asked / ICMPv6ND_RS()))
    assert (heard.dst, heard[IPv6].dst) == ("33:33:00:00:00:01", "ff02::1")
    assert ICMPv6NDOptPrefixInfo not in heard
    for hop_limit, code in ((64, 0), (255, 1)):
        asked[IPv6].hlim = hop_limit
        assert made(f"ra mac={ROUTER} mode=slaac", asked / ICMPv6ND_RS(code=code)) is None


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("dhcp4", "offer= is missing"),
        (f"{LEASE} ruoter=10.0.0.1", "there is no option ruoter; did you mean `router`"),
        (f"{LEASE} router=10.0.0", "'10.0.0' is not an IPv4 address"),
        (f"{LEASE} mtu=65536", "'65536' is not a number from 0 to 65535"),
        (f"{LEASE} ip_forward_enable=1", "'1' is neither true nor false"),
        (f"{LEASE} domain_search_list=a..b", "'a..b' is not a domain name"),
        (f"{LEASE} classless_static_route=10.0.0.0/8", "is not prefix,router"),
        (f"{LEASE} classless_static_route=10.0.0.1/8,10.0.0.1", "'10.0.0.1/8' is not a prefix"),
        (f"{LEASE} hostname={'x' * 256}", "takes 256 bytes; 1 to 255 fit"),
        (f"{LEASE} stray", "'stray' is unknown"),
        ("dhcp6 server_id=10.0.0.1", "is not a MAC address"),
        (f"{SERVER6} router=10.0.0.1", "there is no option router"),
        (f"{SERVER6} dns_server=10.0.0.1", "'10.0.0.1' is not an IPv6 address"),
        ("dns web=10.0.0", "'10.0.0' is not an IPv4 address"),
        ("dns we$b=10.0.0.1", "'we$b' is not a domain name"),
        (f"dns {'a.' * 128}a=10.0.0.1", "too long for a domain name"),
        (f"ra mac={ROUTER}", "mode= is missing"),
        (f"ra mac={ROUTER} mode=salac", "did you mean `slaac`"),
        (f"ra mac={ROUTER} mode=slaac prefix=fd00::1/64", "bits are set behind the prefix"),
    ],
)
def test_what_is_no_service_says_why(reason: str, words: str):
    with pytest.raises(ValueError) as refused:
        parse(reason)
    assert words in str(refused.value)


def test_every_option_has_a_value():
    """Its name, a value that it takes, and one that it does not."""
    values = ("10.0.0.1", "fd00::1", "7", "true", "a.example", "10.0.0.0/8,10.0.0.1")
    for names, encoded in ((CODES4, encoded4), (CODES6, encoded6)):
        for name in names:
            taken = []
            for value in values:
                try:
                    taken.append(encoded(name, value))
                except ValueError:
                    continue
            assert taken, name


ASKED = [DISCOVER, REQUEST, asking6(DHCP6_Solicit() / CLIENT / ASSOCIATION), SOLICITATION]
ASKED += [Ether(src=VM) / question("web.example", "AAAA", IPv6(**V6))]
ASKED += [asking6(DHCP6_Confirm() / CLIENT / ASSOCIATION), Ether(src=VM) / question("web.example")]
ASKED += [Ether(src=VM) / question("20.0.0.10.in-addr.arpa", "PTR", ar=DNSRROPT())]


@pytest.mark.parametrize("seed", range(6))
def test_broken_questions_are_survived(seed: int):
    random = Random(seed)
    for _ in range(120):
        frame = bytearray(bytes(random.choice(ASKED)))
        for _ in range(random.choice((1, 1, 2, 5))):
            frame[random.randrange(14, len(frame))] = random.getrandbits(8)
        if random.random() < 0.3:
            del frame[random.randrange(14, len(frame)) :]
        for reason in (f"{LEASE} {OPTIONS}", SERVER6, NAMES):
            assert answer(packet_in(reason, bytes(frame))) is not None
        answer(packet_in(ADVERTISED, bytes(frame)))
