"""What the agent makes of packets, read by scapy and by tshark."""

from random import Random

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_NOP
from scapy.layers.inet6 import (
    ICMPv6EchoRequest,
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6NDOptDstLLAddr,
    ICMPv6NDOptSrcLLAddr,
    ICMPv6PacketTooBig,
    ICMPv6TimeExceeded,
    IPv6,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
)
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Raw

from nvp_state.answers import answer, parse
from tests.nvp_state import dissector
from tests.nvp_state.answers import ROUTER, V4, V6, VM, answered, made, packet_in
from tests.vswitch_sim.odd_frames import damaged

UDP4 = IP(**V4, ttl=1) / UDP(sport=1024, dport=9) / b"hello"
UDP6 = IPv6(**V6, hlim=1) / UDP(sport=1024, dport=9) / b"hello"
SYN4 = IP(**V4) / TCP(sport=1024, dport=80, seq=0xFFFFFFFF, flags="S")
SYN6 = IPv6(**V6) / TCP(sport=1024, dport=80, seq=7, flags="S")

# Each reason with a packet that it answers, and what scapy reads in the answer.
REASONS = [
    ("icmp4 3 3", UDP4),
    ("icmp4 11 0 from=10.0.0.1 ttl=254", UDP4),
    ("icmp4 3 4 from=10.0.0.1 mtu=1400", UDP4),
    ("icmp4 3 1", IP(**V4) / TCP() / Raw(b"x" * 1400)),
    ("icmp4 3 2", IP(**V4, options=[IPOption_NOP()] * 8, proto=89) / Raw(b"ospf")),
    ("icmp6 1 4", UDP6),
    ("icmp6 3 0 from=fd00::1 ttl=254", UDP6),
    ("icmp6 2 0 from=fd00::1 mtu=1400", IPv6(**V6) / TCP() / Raw(b"x" * 1440)),
    ("icmp6 1 1", IPv6(**V6) / IPv6ExtHdrHopByHop() / UDP() / b"x"),
    ("tcp_reset", SYN4),
    ("tcp_reset ttl=255", SYN6),
    ("tcp_reset", IP(**V4) / TCP(sport=1, dport=2, seq=5, ack=9, flags="PA") / b"data"),
    ("reject", SYN4),
    ("reject", SYN6),
    ("reject", UDP4),
    ("reject", UDP6),
    ("reject", IP(**V4) / ICMP()),
    ("reject", IPv6(**V6) / ICMPv6EchoRequest()),
    ("arp_request", UDP4),
    ("nd_ns", UDP6),
]


@dissector.installed
def test_tshark_finds_no_fault_with_any_answer():
    frames = [answered(reason, packet, reg0=1, reg1=2) for reason, packet in REASONS]
    tagged = Ether(src=VM, dst=ROUTER) / Dot1Q(vlan=5, prio=3)
    frames += [answered(reason, tagged / packet, reg0=1, reg1=2) for reason, packet in REASONS]
    for (reason, _), read in zip(REASONS * 2, dissector.told(frames), strict=True):
        assert dissector.faults(read) == [], reason


@pytest.mark.parametrize(("reason", "packet"), REASONS)
def test_a_tag_stays_and_padding_goes(reason: str, packet):
    plain = answered(reason, packet, reg0=1, reg1=2)
    tagged = made(
        reason, Ether(src=VM, dst=ROUTER) / Dot1Q(vlan=5, prio=3) / packet, reg0=1, reg1=2
    )
    assert tagged == plain[:12] + b"\x81\x00\x60\x05" + plain[12:]
    assert (
        made(reason, Ether(bytes(Ether(src=VM, dst=ROUTER) / packet) + b"\0" * 9), reg0=1, reg1=2)
        == plain
    )


def test_an_icmp_error_goes_back_and_quotes_the_packet():
    heard = Ether(made("icmp4 11 0 from=10.0.0.1", UDP4))
    assert (heard.src, heard.dst) == (ROUTER, VM)
    assert (heard[IP].src, heard[IP].dst, heard[IP].ttl) == ("10.0.0.1", "10.0.0.10", 255)
    assert (heard[ICMP].type, heard[ICMP].code) == (11, 0)
    assert bytes(heard[ICMP].payload) == bytes(UDP4)
    heard = Ether(made("icmp6 1 4 ttl=9", UDP6))
    assert (heard.src, heard.dst) == (ROUTER, VM)
    assert (heard[IPv6].src, heard[IPv6].dst, heard[IPv6].hlim) == ("fd01::20", "fd00::10", 9)
    assert bytes(heard[IPv6].payload)[:2] == b"\1\4"
    assert bytes(heard[IPv6].payload)[8:] == bytes(UDP6)


@pytest.mark.parametrize(
    ("reason", "packet", "length"),
    [
        ("icmp4 3 1", IP(**V4) / UDP() / Raw(b"x" * 1000), 576),
        ("icmp4 3 1", IP(**V4) / UDP() / Raw(b"x" * 520), 576),
        ("icmp4 3 1", IP(**V4) / UDP() / Raw(b"x" * 519), 575),
        ("icmp6 1 1", IPv6(**V6) / UDP() / Raw(b"x" * 1400), 1280),
        ("icmp6 1 1", IPv6(**V6) / UDP() / Raw(b"x" * 1183), 1279),
    ],
)
def test_an_icmp_error_quotes_as_much_as_it_may(reason: str, packet, length: int):
    assert len(made(reason, packet)) == 14 + length


def test_the_mtu_is_told():
    heard = Ether(made("icmp4 3 4 mtu=1400", UDP4))
    assert heard[ICMP].nexthopmtu == 1400
    assert Ether(made("icmp6 2 0 mtu=1300", UDP6))[ICMPv6PacketTooBig].mtu == 1300


@pytest.mark.parametrize(
    "packet",
    [
        IP(**V4) / ICMP(type=3, code=1) / UDP4,
        IP(**V4) / ICMP(type=11) / UDP4,
        IP(**V4) / ICMP(type=5) / UDP4,
        IP(**V4) / ICMP(type=12) / UDP4,
        IP(**V4, proto=1),
        IP(**V4, frag=3, proto=17) / Raw(b"later"),
        IP(src="10.0.0.10", dst="224.0.0.5") / UDP(),
        IP(src="10.0.0.10", dst="255.255.255.255") / UDP(),
        Ether(src=VM, dst="ff:ff:ff:ff:ff:ff") / UDP4,
        Ether(src=VM, dst="01:00:5e:00:00:05") / UDP4,
        *(
            IP(src=source, dst="10.0.1.20") / UDP()
            for source in ("0.0.0.0", "0.1.2.3", "127.0.0.1", "224.0.0.1", "240.0.0.1")
        ),
        IPv6(**V6) / ICMPv6TimeExceeded() / UDP6,
        IPv6(**V6) / ICMPv6PacketTooBig() / UDP6,
        IPv6(**V6, nh=58) / Raw(b"\x89\0"),
        IPv6(**V6, nh=58),
        IPv6(**V6) / IPv6ExtHdrHopByHop() / ICMPv6TimeExceeded() / UDP6,
        IPv6(**V6) / IPv6ExtHdrFragment(offset=3, nh=17) / Raw(b"later"),
        IPv6(src="::", dst="fd01::20") / UDP(),
        IPv6(src="ff02::1", dst="fd01::20") / UDP(),
        IPv6(src="fd00::10", dst="ff02::1") / UDP(),
        ARP(),
    ],
)
def test_there_is_no_error_about_what_rfc_1122_names(packet):
    assert made("icmp4 3 1 from=10.0.0.1", packet) is None
    assert made("icmp6 1 1 from=fd00::1", packet) is None
    assert made("reject", packet) is None


def test_what_a_group_is_sent_may_be_too_big():
    """RFC 4443, section 2.4e.3; but then the destination is no one to answer."""
    packet = IPv6(src="fd00::10", dst="ff05::5") / UDP() / Raw(b"x" * 1400)
    assert made("icmp6 2 0 mtu=1280", packet) is None
    heard = Ether(made("icmp6 2 0 mtu=1280 from=fd00::1", packet))
    assert heard[ICMPv6PacketTooBig].mtu == 1280


@pytest.mark.parametrize(
    ("segment", "seq", "ack", "flags"),
    [
        (TCP(seq=5, flags="S"), 0, 6, "RA"),
        (TCP(seq=0xFFFFFFFF, flags="S"), 0, 0, "RA"),
        (TCP(seq=5, flags="SF", options=[("MSS", 1460), ("NOP", None)]) / b"abc", 0, 10, "RA"),
        (TCP(seq=5, flags="F") / b"abc", 0, 9, "RA"),
        (TCP(seq=5, flags="") / b"abc", 0, 8, "RA"),
        (TCP(seq=5, ack=77, flags="A") / b"abc", 77, 0, "R"),
        (TCP(seq=5, ack=77, flags="SA"), 77, 0, "R"),
    ],
)
def test_a_reset_has_the_numbers_of_rfc_9293(segment, seq: int, ack: int, flags: str):
    segment.sport, segment.dport = 1024, 80
    for head in (IP(**V4), IPv6(**V6)):
        heard = Ether(made("tcp_reset", head / segment))
        assert (heard.src, heard.dst) == (ROUTER, VM)
        assert (heard.payload.src, heard.payload.dst) == (head.dst, head.src)
        assert (heard[TCP].sport, heard[TCP].dport) == (80, 1024)
        assert (heard[TCP].seq, heard[TCP].ack, heard[TCP].flags) == (seq, ack, flags)
        assert heard.getlayer(IP if head.version == 4 else IPv6).fields.get("ttl", 63) == 63


@pytest.mark.parametrize(
    "packet",
    [
        IP(**V4) / TCP(flags="R"),
        IPv6(**V6) / TCP(flags="RA"),
        IP(src="10.0.0.10", dst="224.0.0.5") / TCP(flags="S"),
        Ether(src=VM, dst="ff:ff:ff:ff:ff:ff") / SYN4,
        IP(src="0.0.0.0", dst="10.0.0.1") / TCP(flags="S"),
        IP(**V4, frag=2, proto=6) / Raw(bytes(TCP(flags="S"))),
        IP(**V4, proto=6) / Raw(b"short"),
        IP(**V4) / TCP(flags="S", dataofs=4),
        IP(**V4) / TCP(flags="S", dataofs=15),
        IP(**V4) / ICMP(type=3) / SYN4,
    ],
)
def test_what_cannot_be_reset_is_not(packet):
    assert made("tcp_reset", packet) is None
    assert made("reject", packet) is None


def test_reject_answers_as_ovn_does():
    heard = Ether(made("reject", UDP4))
    assert (heard[ICMP].type, heard[ICMP].code, heard[IP].src) == (3, 3, "10.0.1.20")
    assert Ether(made("reject", IP(**V4) / ICMP()))[ICMP].code == 1
    assert bytes(Ether(made("reject", UDP6)).payload.payload)[:2] == b"\1\4"
    echo = IPv6(**V6) / ICMPv6EchoRequest()
    assert bytes(Ether(made("reject", echo)).payload.payload)[:2] == b"\1\1"
    assert Ether(made("reject", SYN4))[TCP].flags == "RA"


SOLICIT = IPv6(src="fd00::10", dst="ff02::1:ff00:1", hlim=255) / ICMPv6ND_NS(tgt="fd00::1")
SLL = ICMPv6NDOptSrcLLAddr(lladdr=VM)


def test_a_solicitation_is_answered():
    solicitation = Ether(src=VM, dst="33:33:ff:00:00:01") / SOLICIT / SLL
    for words, router in (("", 0), (" router", 1)):
        heard = Ether(made(f"nd_na mac={ROUTER}{words}", solicitation))
        assert (heard.src, heard.dst) == (ROUTER, VM)
        assert (heard[IPv6].src, heard[IPv6].dst, heard[IPv6].hlim) == ("fd00::1", "fd00::10", 255)
        told = heard[ICMPv6ND_NA]
        assert (told.R, told.S, told.O, told.tgt) == (router, 1, 1, "fd00::1")
        assert heard[ICMPv6NDOptDstLLAddr].lladdr == ROUTER


def test_who_asks_whether_an_address_is_free_is_told_before_all():
    probe = SOLICIT.copy()
    probe.src = "::"
    heard = Ether(made(f"nd_na mac={ROUTER}", Ether(src=VM, dst="33:33:ff:00:00:01") / probe))
    assert (heard.src, heard.dst) == (ROUTER, "33:33:00:00:00:01")
    assert (heard[IPv6].dst, heard[ICMPv6ND_NA].S) == ("ff02::1", 0)


@pytest.mark.parametrize(
    "packet",
    [
        IPv6(src="fd00::10", dst="ff02::1:ff00:1", hlim=64) / ICMPv6ND_NS(tgt="fd00::1"),
        IPv6(src="fd00::10", dst="ff02::1:ff00:1", hlim=255) / ICMPv6ND_NS(tgt="fd00::1", code=1),
        IPv6(src="fd00::10", dst="ff02::1:ff00:1", hlim=255) / ICMPv6ND_NS(tgt="ff02::1"),
        IPv6(src="fd00::10", dst="fd00::1", hlim=255) / ICMPv6ND_NA(tgt="fd00::1"),
        UDP4,
        UDP6,
    ],
)
def test_what_solicits_nothing_is_not_advertised_to(packet):
    assert made(f"nd_na mac={ROUTER}", packet) is None


def test_a_packet_makes_room_for_the_question():
    heard = Ether(made("arp_request", UDP4, reg0=0x0A000114, reg1=0x0A000101))
    assert (heard.src, heard.dst) == (VM, "ff:ff:ff:ff:ff:ff")
    asked = heard[ARP]
    assert (asked.op, asked.hwsrc, asked.psrc) == (1, VM, "10.0.1.1")
    assert (asked.hwdst, asked.pdst) == ("00:00:00:00:00:00", "10.0.1.20")
    registers = {"xxreg0": 0xFD01 << 112 | 0x123456, "xxreg1": 0xFE80 << 112 | 1}
    heard = Ether(made("nd_ns", UDP6, **registers))
    assert (heard.src, heard.dst) == (VM, "33:33:ff:12:34:56")
    assert (heard[IPv6].src, heard[IPv6].dst) == ("fe80::1", "ff02::1:ff12:3456")
    assert (heard[IPv6].hlim, heard[ICMPv6ND_NS].tgt) == (255, "fd01::12:3456")
    assert heard[ICMPv6NDOptSrcLLAddr].lladdr == VM


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("", "no agent answers by '': there are icmp4, "),
        ("icpm4 3 1", "did you mean `icmp4`"),
        ("icmp4", "the type is missing"),
        ("icmp4 3", "the code is missing"),
        ("icmp4 8 0", "type 8 of ICMPv4 is no error; 3, 11, 12 are"),
        ("icmp6 3 256", "'256' is not a number from 0 to 255"),
        ("icmp4 3 1 from=fd00::1", "from: 'fd00::1' is not an IPv4 address"),
        ("icmp4 3 1 2", "'2' is unknown"),
        ("icmp4 3 1 form=10.0.0.1", "'form=' is unknown; did you mean `from=`"),
        ("icmp4 3 1 ttl=1 ttl=2", "ttl is said twice"),
        ("tcp_reset ttl=-1", "ttl: '-1' is not a number"),
        ("reject 1", "'1' is unknown"),
        ("nd_na", "mac= is missing"),
        ("nd_na mac=ff:ff:ff:ff:ff:ff", "multicast"),
        ("nd_na mac=0a:00:00:00:00:01 rooter", "did you mean `router`"),
    ],
)
def test_what_is_no_reason_says_why(reason: str, words: str):
    with pytest.raises(ValueError) as refused:
        parse(reason)
    assert words in str(refused.value)


@pytest.mark.parametrize("seed", range(8))
def test_broken_packets_are_survived(seed: int):
    random = Random(seed)
    reasons = [*dict.fromkeys(reason for reason, _ in REASONS), f"nd_na mac={ROUTER} router"]
    for _ in range(150):
        frame = damaged(random)
        for reason in reasons:
            made_of_it = answer(packet_in(reason, frame, reg0=random.getrandbits(32)))
            assert made_of_it is None or len(made_of_it) >= 42
