"""What an STT sender sends; scapy judges the outer headers, a twin by hand what is forged."""

import random
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop
from scapy.layers.l2 import Dot1AD, Dot1Q, Ether
from scapy.packet import Raw

from tests.vswitch_sim.frames import Spec, specs
from vswitch_sim import TopologyError
from vswitch_sim.tunnel import (
    FRAME_BYTES_MAX,
    Offload,
    Reassembler,
    Tunnel,
    encapsulate,
    partial_checksum,
)
from vswitch_sim.tunnel.stt import STT_HEADER_BYTES

A, B = IPv4Address("192.0.2.1"), IPv4Address("192.0.2.2")
V4 = Tunnel(A, B)
V6 = Tunnel(IPv6Address("2001:db8::1"), IPv6Address("2001:db8::2"))
CONTEXT = 0x0123456789ABCDEF
SMALL = b"\x02" * 12 + b"\x88\xcc" + bytes(range(100))
TCP_FRAME = bytes(Ether() / IP() / TCP(sport=1, dport=2) / Raw(b"x" * 50))


def segments(frame: bytes, packet_id: int = 1, mtu: int = 68, tunnel=V4, **more) -> list[bytes]:
    return encapsulate(frame, CONTEXT, tunnel, packet_id=packet_id, mtu=mtu, **more)


def header_of(frame: bytes, offload: Offload, tunnel=V4) -> bytes:
    packet = segments(frame, mtu=9000, tunnel=tunnel, offload=offload)[0]
    start = tunnel.ip_bytes + 20
    return packet[start : start + STT_HEADER_BYTES]


@settings(max_examples=100)
@given(
    specs(),
    st.integers(0, (1 << 32) - 1),
    st.sampled_from([(V4, 68), (V4, 69), (V4, 100), (V4, 1500), (V6, 1280), (V6, 1500)]),
    st.integers(0, 3000),
)
def test_segments_are_what_the_draft_says(spec: Spec, packet_id: int, path, more_bytes: int):
    tunnel, mtu = path
    frame = spec.build() + bytes(more_bytes if mtu > 1000 else 0)
    packets = segments(frame, packet_id, mtu, tunnel)
    layer = IP if tunnel is V4 else IPv6
    carried, first = b"", layer(packets[0])
    for n, packet in enumerate(packets):
        outer = layer(packet)
        tcp = outer[TCP]
        ends = (str(tunnel.source), str(tunnel.destination))
        assert (outer.src, outer.dst) == ends
        if layer is IP:
            assert (outer.flags, outer.len, outer.ttl, outer.proto) == ("DF", len(packet), 64, 6)
        else:
            assert (outer.plen, outer.hlim, outer.nh) == (len(packet) - 40, 64, 6)
            assert outer.fl == first.fl
        assert len(packet) == mtu or n == len(packets) - 1
        assert len(packet) <= mtu
        assert (tcp.dport, tcp.ack, tcp.dataofs) == (7471, packet_id, 5)
        assert (tcp.window, tcp.urgptr, tcp.options) == (0, 0, [])
        assert 49152 <= tcp.sport == first[TCP].sport
        assert tcp.seq & 0xFFFF == len(carried)
        assert tcp.flags == ("PA" if n == len(packets) - 1 else "A")
        rebuilt = outer.copy()
        del rebuilt[TCP].chksum
        if layer is IP:
            del rebuilt.chksum
        assert bytes(rebuilt) == packet
        carried += bytes(tcp.payload)
    assert all(layer(packet)[TCP].seq >> 16 == len(carried) for packet in packets)
    header, inner = carried[:STT_HEADER_BYTES], carried[STT_HEADER_BYTES:]
    assert header[:6] == bytes(6)
    assert header[8:18] == CONTEXT.to_bytes(8, "big") + bytes(2)
    tag = int.from_bytes(header[6:8], "big")
    if spec.fields["vlan_vid"]:
        assert tag == spec.fields["vlan_pcp"] << 13 | spec.fields["vlan_vid"]
        assert inner == frame[:12] + frame[16:]
    else:
        assert tag == 0
        assert inner == frame


PARTIAL = Offload(partial=True)


@pytest.mark.parametrize("tunnel", [V4, V6])
@pytest.mark.parametrize(
    ("frame", "offload", "first"),
    [
        (Ether() / IP() / TCP(), Offload(), "00 00 00 00 0000"),
        (Ether() / IP() / TCP(), Offload(verified=True), "00 01 00 00 0000"),
        (Ether() / IP() / TCP(), PARTIAL, "00 0e 22 00 0000"),
        (Ether() / IP() / TCP(), Offload(partial=True, mss=1460), "00 0e 22 00 05b4"),
        (Ether() / IP(options=[b"\1\1\1\1"]) / TCP(), PARTIAL, "00 0e 26 00 0000"),
        (Ether() / Dot1Q(vlan=9) / IP() / TCP(), PARTIAL, "00 0e 22 00 0000"),
        (Ether() / IP() / UDP(), PARTIAL, "00 06 22 00 0000"),
        (Ether() / IPv6() / TCP(), PARTIAL, "00 0a 36 00 0000"),
        (Ether() / IPv6() / UDP(), PARTIAL, "00 02 36 00 0000"),
        (Ether() / IPv6() / IPv6ExtHdrHopByHop() / UDP(), PARTIAL, "00 02 3e 00 0000"),
    ],
)
def test_the_header_says_what_is_offloaded_and_is_zero_otherwise(tunnel, frame, offload, first):
    assert header_of(bytes(frame), offload, tunnel)[:6] == bytes.fromhex(first)


# A hop-by-hop header of 256 bytes: next header, length, and one option of padding.
LONG_OPTIONS = Ether() / IPv6(nh=0) / Raw(b"\x11\x1f\1\xfc" + bytes(252)) / UDP()


@pytest.mark.parametrize(
    ("frame", "offload"),
    [
        (Ether() / IP() / Raw(b"x" * 30), PARTIAL),
        (Ether() / IP(flags="MF") / UDP(), PARTIAL),
        (Ether() / IPv6() / IPv6ExtHdrFragment(m=1) / UDP(), PARTIAL),
        (Ether() / Dot1AD(vlan=1) / Dot1Q(vlan=2) / IP() / UDP(), PARTIAL),
        (Ether() / Dot1Q(vlan=1, dei=1) / IP() / UDP(), PARTIAL),
        (LONG_OPTIONS, PARTIAL),
        (Ether() / IP() / TCP(flags="CA") / Raw(b"x" * 30), Offload(partial=True, mss=10)),
    ],
)
def test_what_stt_cannot_offload_is_refused(frame, offload):
    with pytest.raises(TopologyError, match="call finish"):
        segments(bytes(frame), mtu=1500, offload=offload)


def test_a_tag_with_dei_stays_in_the_frame_and_no_bit_is_lost():
    frame = bytes(Ether() / Dot1Q(vlan=5, prio=3, dei=1) / Raw(b"x" * 50))
    (packet,) = segments(frame, mtu=1500)
    assert packet[46:48] == bytes(2)
    got = Reassembler().receive(packet)
    assert got is not None
    assert got.frame == frame


@pytest.mark.parametrize("network", [IP, IPv6])
def test_a_flow_keeps_its_port_and_flows_spread_over_many(network):
    ports = set()
    for port in range(200):
        one = Ether(src="02:00:00:00:00:01") / network() / TCP(sport=port, dport=80)
        frames = [bytes(one / Raw(b"x" * size)) for size in (0, 10)]
        pair = {segments(frame, packet_id=n)[0][20:22] for n, frame in enumerate(frames)}
        assert len(pair) == 1
        ports |= pair
    assert len(ports) > 190


@pytest.mark.parametrize(
    "fragments",
    [
        (IP(flags="MF") / UDP(), IP(frag=100, proto=17) / Raw(b"x" * 8)),
        (IPv6() / IPv6ExtHdrFragment(m=1) / UDP(), IPv6() / IPv6ExtHdrFragment(offset=9, nh=17)),
    ],
)
def test_fragments_of_one_packet_take_one_path(fragments):
    frames = [bytes(Ether(dst="02:00:00:00:00:01") / one) for one in fragments]
    assert len({segments(frame)[0][20:22] for frame in frames}) == 1


@pytest.mark.parametrize(
    ("dscp", "ecn", "outer"),
    [(0, True, 0x01), (46, True, 0xB9), (None, True, 0x29), (None, False, 0x28), (46, False, 0xB8)],
)
def test_dscp_and_ecn_of_the_outer_header(dscp, ecn, outer):
    for inner in (IP(tos=0x29), IPv6(tc=0x29)):
        for ends in (V4, V6):
            tunnel = Tunnel(ends.source, ends.destination, dscp=dscp, ecn=ecn)
            for packet in segments(bytes(Ether() / inner / Raw(b"x" * 1500)), 1, 1280, tunnel):
                assert (IP(packet).tos if ends is V4 else IPv6(packet).tc) == outer


@pytest.mark.parametrize("tunnel", [V4, V6])
def test_the_largest_frame_goes_through_and_a_larger_one_is_refused(tunnel):
    frame = random.Random(1).randbytes(FRAME_BYTES_MAX)
    packets = encapsulate(frame, 1, tunnel, packet_id=1, mtu=9000)
    reassembler = Reassembler()
    got = [reassembler.receive(packet) for packet in packets][-1]
    assert got is not None
    assert got.frame == frame
    with pytest.raises(TopologyError, match="frames of 14 to 65517 bytes, not 65518"):
        encapsulate(frame + b"x", 1, tunnel, packet_id=1, mtu=9000)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"frame": b"x" * 13}, "not 13"),
        ({"mtu": 67}, "an MTU of 67 bytes is below 68, the least of IPv4"),
        ({"mtu": 1279, "tunnel": V6}, "an MTU of 1279 bytes is below 1280, the least of IPv6"),
        ({"context_id": 1 << 64}, "too wide"),
        ({"packet_id": 1 << 32}, "too wide"),
    ],
)
def test_arguments_out_of_range_are_refused(fields, message):
    usual = {"frame": SMALL, "context_id": 0, "tunnel": V4, "packet_id": 0, "mtu": 1500}
    with pytest.raises(TopologyError, match=message):
        encapsulate(**usual | fields)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Tunnel(A, B, "gre"), "stt, geneve or vxlan, not gre"),
        (lambda: Tunnel(A, V6.destination), "mixes IP versions"),
        (lambda: Tunnel(A, B, dscp=64), "DSCP 64 is not in 0..63"),
        (lambda: Offload(verified=True, partial=True), "both verified and partial"),
        (lambda: Offload(mss=1), "requires a partial checksum"),
        (lambda: partial_checksum(SMALL), "only a whole TCP or UDP packet"),
    ],
)
def test_contradictions_are_refused(make, message):
    with pytest.raises(TopologyError, match=message):
        make()
