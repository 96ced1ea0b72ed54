"""STT segments that come in any order, damaged, forged, late or never.

The twin (`Bytewise`) keeps a dictionary of bytes by offset for each frame; segments are written by
hand (tests/vswitch_sim/outer.py), at cuts and overlaps no sender of ours makes.
"""

import random
from collections import Counter
from ipaddress import IPv4Address, IPv6Address
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Raw

from tests.vswitch_sim.outer import ip_packet, stt_header, stt_segment
from vswitch_sim.tunnel import Reassembler, Tunnel, TunnelFrame, encapsulate, finish
from vswitch_sim.tunnel.work import Work

A, B = IPv4Address("192.0.2.1"), IPv4Address("192.0.2.2")
CONTEXT = 0x0123456789ABCDEF
INNER = b"\x02" * 12 + b"\x88\xcc" + bytes(range(100))
STT = stt_header(CONTEXT) + INNER
WHOLE = TunnelFrame(A, B, CONTEXT, INNER)


class Bytewise:
    """What a receiver should deliver, byte by byte."""

    def __init__(self):
        self.seen: dict[tuple, dict[int, int]] = {}
        self.lengths: dict[tuple, int] = {}
        self.over: set[tuple] = set()

    def receive(self, key, length, offset, data) -> bool:
        """Whether this completes a frame."""
        if key in self.over:
            return False
        seen = self.seen.setdefault(key, {})
        same = self.lengths.setdefault(key, length) == length
        if not same or any(seen.get(offset + n, octet) != octet for n, octet in enumerate(data)):
            self.over.add(key)
            return False
        seen |= {offset + n: octet for n, octet in enumerate(data)}
        if len(seen) == length:
            self.over.add(key)
            return True
        return False


@st.composite
def traffic(draw):
    """Segments of some frames: (key, length, offset, data), in the order in which they come."""
    segments = []
    for packet_id in range(draw(st.integers(1, 4))):
        source = draw(st.sampled_from(["192.0.2.1", "192.0.2.9", "2001:db8::1"]))
        port = draw(st.sampled_from([50000, 50001]))
        key = (source, port, packet_id % 2)
        body = random.Random(packet_id).randbytes(draw(st.integers(14, 40)))
        frame = stt_header(packet_id) + body
        cuts = sorted(draw(st.sets(st.integers(1, len(frame) - 1), max_size=5)))
        ends = [0, *cuts, len(frame)]
        for low, high in pairwise(ends):
            if draw(st.integers(0, 9)) == 0:
                continue
            more = draw(st.integers(0, 8)) if draw(st.booleans()) else 0
            segments.append((key, len(frame), low, frame[low : high + more]))
    repeats = draw(st.lists(st.sampled_from(segments), max_size=3)) if segments else []
    return draw(st.permutations(segments + repeats))


@settings(max_examples=300)
@given(traffic(), st.integers(0, 3))
def test_delivers_exactly_the_frames_whose_segments_all_came(segments, n_forged):
    twin, reassembler, chance = Bytewise(), Reassembler(), random.Random(len(segments))
    for place in chance.sample(range(len(segments)), min(n_forged, len(segments))):
        key, length, offset, data = segments[place]
        changed = bytearray(data)
        changed[chance.randrange(len(data))] ^= 1
        segments = [
            *segments[:place],
            (key, length, offset, bytes(changed)),
            *segments[place + 1 :],
        ]
    for key, length, offset, data in segments:
        source, port, packet_id = key
        destination = "2001:db8::2" if ":" in source else "192.0.2.2"
        ends = {"source": source, "destination": destination, "length": length}
        stt_frame = bytes(offset) + data
        packet = stt_segment(stt_frame, offset, port=port, packet_id=packet_id, **ends)
        got = reassembler.receive(packet)
        expected = twin.receive(key, length, offset, data)
        whole = bytes(twin.seen[key][n] for n in range(length)) if expected else b""
        if expected and whole[0] == 0 and whole[1] & 3 == 0:
            assert got is not None
            assert (str(got.source), str(got.destination)) == (source, destination)
            assert got.key == int.from_bytes(whole[8:16], "big")
            if whole[6:8] == b"\0\0":
                assert got.frame == whole[18:]
        elif not expected:
            assert got is None
    open_keys = {key for key in twin.seen if key not in twin.over}
    assert reassembler.n_partial == len(open_keys)
    if not open_keys:
        assert reassembler.partial_bytes == 0


@settings(max_examples=200)
@given(st.integers(0, 1 << 30), st.integers(1, 6), st.sampled_from([4, 6]))
def test_damage_and_loss_deliver_a_frame_whole_or_not_at_all(seed, n_damaged, version):
    chance = random.Random(seed)
    base = "192.0.2." if version == 4 else "2001:db8::"
    ends = {"source": f"{base}1", "destination": f"{base}2"}
    frames = {n: chance.randbytes(chance.randint(14, 150)) for n in (1, 2, 3)}
    packets = []
    for n, frame in frames.items():
        stt_frame = stt_header(n) + frame
        packets += [
            stt_segment(stt_frame, offset, 28, packet_id=n, **ends)
            for offset in range(0, len(stt_frame), 28)
        ]
    chance.shuffle(packets)
    for place in chance.sample(range(len(packets)), min(n_damaged, len(packets))):
        packet = bytearray(packets[place])
        if chance.random() < 0.3:
            del packet[chance.randrange(len(packet)) :]
        else:
            # The IPv6 header has no checksum of its own; TCP's covers its addresses and length.
            first = 8 if version == 6 else 0
            packet[chance.randrange(first, len(packet))] ^= 1 << chance.randrange(8)
        packets[place] = bytes(packet)
    reassembler = Reassembler()
    got = [frame for packet in packets if (frame := reassembler.receive(packet)) is not None]
    assert max(Counter(frame.key for frame in got).values(), default=1) == 1
    assert all(frames[frame.key] == frame.frame for frame in got)


def segments(size=40, **fields) -> list[bytes]:
    return [stt_segment(STT, offset, size, **fields) for offset in range(0, len(STT), size)]


def damaged(packet: bytes, place: int) -> bytes:
    return packet[:place] + bytes([packet[place] ^ 1]) + packet[place + 1 :]


FIRST, SECOND, *REST = segments()
TCP_FRAME = bytes(Ether() / IP() / TCP() / Raw(b"data"))
UDP6_FRAME = bytes(Ether() / IPv6() / UDP() / Raw(b"data"))


def one(frame: bytes = INNER, **fields) -> bytes:
    return stt_segment(stt_header(CONTEXT, **fields) + frame)


@pytest.mark.parametrize(
    ("packets", "drop"),
    [
        ([b""], "bad_ip_header"),
        ([b"\x45" + bytes(18)], "bad_ip_header"),
        ([b"\x60" + bytes(38)], "bad_ip_header"),
        ([FIRST[:-1]], "bad_ip_header"),
        ([b"\x46" + FIRST[1:]], "bad_ip_checksum"),
        ([damaged(FIRST, 10)], "bad_ip_checksum"),
        ([damaged(FIRST, 36)], "bad_tcp_checksum"),
        ([damaged(FIRST, 50)], "bad_tcp_checksum"),
        ([bytes(IP(src="192.0.2.1", frag=5) / bytes(30))], "outer_fragment"),
        ([bytes(IP(src="192.0.2.1", flags="MF") / TCP(dport=7471) / bytes(40))], "outer_fragment"),
        ([ip_packet("2001:db8::1", "2001:db8::2", 44, bytes(40))], "outer_fragment"),
        ([stt_segment(STT, to_port=7472)], "not_stt"),
        ([ip_packet("192.0.2.1", "192.0.2.2", 17, bytes(40))], "not_stt"),
        ([ip_packet("192.0.2.1", "192.0.2.2", 6, bytes(19))], "not_stt"),
        ([ip_packet("192.0.2.1", "192.0.2.2", 6, FIRST[20:32] + b"\x40" + FIRST[33:])], "not_stt"),
        (
            [ip_packet("192.0.2.1", "192.0.2.2", 6, FIRST[20:32] + b"\xf0" + FIRST[33:40])],
            "not_stt",
        ),
        ([stt_segment(STT, 0, 0)], "bad_segment"),
        ([stt_segment(STT, length=len(STT) - 1)], "bad_segment"),
        ([stt_segment(STT, length=0)], "bad_segment"),
        ([stt_segment(STT, 0, 31, length=31)], "bad_segment"),
        ([one(version=1)], "unknown_version"),
        ([one(TCP_FRAME, flags=0x0F, l4_offset=34)], "bad_flags"),
        ([one(TCP_FRAME, flags=0x0E, l4_offset=33)], "bad_offload"),
        ([one(TCP_FRAME, flags=0x0E)], "bad_offload"),
        ([one(TCP_FRAME, flags=0x0A, l4_offset=34)], "bad_offload"),
        ([one(TCP_FRAME, flags=0x06, l4_offset=34)], "bad_offload"),
        ([one(INNER, flags=0x0E, l4_offset=34)], "bad_offload"),
        ([one(UDP6_FRAME, flags=0x06, l4_offset=54)], "bad_offload"),
        ([stt_segment(stt_header() + bytes(Ether() / IP() / TCP()), tos=3)], "ecn_drop"),
        ([one(), one()], "late_segment"),
        ([FIRST, FIRST], "duplicate_segment"),
        ([FIRST, stt_segment(b"\1" + STT[1:], 0, 40), SECOND, *REST], "overlap_conflict"),
        ([FIRST, stt_segment(STT, 40, 40, length=len(STT) + 1)], "overlap_conflict"),
        (
            [FIRST, stt_segment(STT[:79] + b"\1" + STT[80:], 79, 9), SECOND, *REST],
            "overlap_conflict",
        ),
    ],
)
def test_bad_input_has_its_counter(packets, drop):
    reassembler = Reassembler()
    got = [frame for packet in packets if (frame := reassembler.receive(packet)) is not None]
    assert got in ([], [WHOLE])
    assert reassembler.drops[drop] == 1
    assert set(reassembler.drops) - {"late_segment"} <= {drop}
    if drop == "overlap_conflict":
        assert not got


def test_what_the_draft_says_to_ignore_on_receipt_is_ignored():
    flags, options = 0x10 | 0x02 | 0xC0, b"\1\1\1\1"
    odd = {"window": 0xFFFF, "urgent": 7, "flags": flags, "options": options}
    header = stt_header(CONTEXT, reserved=0xFF, padding=0xFFFF, flags=0xF0, l4_offset=9, mss=1400)
    assert Reassembler().receive(stt_segment(header + INNER, **odd)) == WHOLE


@pytest.mark.parametrize(("vlan", "tci"), [(0x1000, 0), (0xB005, 0xA005), (0xA005, 0xA005)])
def test_a_vlan_field_is_a_tag_with_the_v_flag_and_as_open_vswitch_sent_it(vlan, tci):
    got = Reassembler().receive(stt_segment(stt_header(CONTEXT, vlan=vlan) + INNER))
    assert got is not None
    assert got.frame == INNER[:12] + b"\x81\x00" + tci.to_bytes(2, "big") + INNER[12:]


@pytest.mark.parametrize("length", [65_495, 65_535])
def test_frames_of_both_maximum_lengths_are_accepted(length):
    stt_frame = stt_header(1) + random.Random(1).randbytes(length - 18)
    reassembler = Reassembler()
    offsets = range(0, length, 8_960)
    packets = [stt_segment(stt_frame, offset, 8_960) for offset in offsets]
    (got,) = [frame for packet in packets if (frame := reassembler.receive(packet)) is not None]
    assert got.frame == stt_frame[18:]


def test_a_frame_is_given_up_when_its_time_is_over():
    reassembler = Reassembler(timeout_s=10.0)
    assert reassembler.receive(FIRST, 100.0) is None
    assert reassembler.receive(SECOND, 109.9) is None
    assert reassembler.n_partial == 1
    reassembler.expire(110.0)
    assert (reassembler.n_partial, reassembler.partial_bytes) == (0, 0)
    assert dict(reassembler.drops) == {"timed_out": 1}
    assert [reassembler.receive(packet, 110.0) for packet in REST] == [None] * len(REST)
    assert reassembler.drops["late_segment"] == len(REST)


def test_the_clock_never_runs_back():
    reassembler = Reassembler(timeout_s=10.0)
    assert reassembler.receive(one(), 100.0) == WHOLE
    assert reassembler.receive(segments(packet_id=2)[0], 50.0) is None
    reassembler.expire(105.0)
    assert reassembler.n_partial == 1
    reassembler.expire(110.0)
    assert reassembler.n_partial == 0


def test_a_packet_id_serves_again_after_the_time():
    reassembler = Reassembler(timeout_s=10.0)
    assert reassembler.receive(one(), 0.0) == WHOLE
    assert reassembler.receive(one(), 9.9) is None
    assert reassembler.receive(one(), 10.0) == WHOLE


def test_memory_is_bounded_and_the_oldest_goes_first():
    reassembler = Reassembler(partial_bytes_max=900, finished_max=10)
    for packet_id in range(5):
        assert reassembler.receive(segments(packet_id=packet_id)[0]) is None
        assert reassembler.partial_bytes <= 900
    assert reassembler.n_partial == 2
    assert dict(reassembler.drops) == {"evicted": 3}
    got = [reassembler.receive(packet) for packet in segments(packet_id=4)[1:]]
    assert got == [None, None, WHOLE]
    assert [reassembler.receive(packet) for packet in segments(packet_id=0)[1:]] == [None] * 3
    assert reassembler.drops["late_segment"] == 3


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 120)), max_size=80))
def test_memory_is_bounded_whatever_comes(places):
    reassembler = Reassembler(partial_bytes_max=1500, finished_max=4)
    for packet_id, offset in places:
        reassembler.receive(stt_segment(STT, offset, 1, packet_id=packet_id))
        assert reassembler.partial_bytes <= 1500
    for packet_id in range(100, 200):
        reassembler.receive(stt_segment(STT, packet_id=packet_id))
    assert sum(map(len, (reassembler._finished, reassembler._partials))) <= 4 + 1500 // 128


ECN_FRAME = bytes(Ether() / Dot1Q(vlan=3) / IP(tos=0x28 | 2) / UDP() / Raw(b"data" * 30))


@pytest.mark.parametrize(
    ("marks", "ecn"),
    [
        ((2, 2, 2), 2),
        ((2, 3, 2), 3),
        ((3, 2, 2), 3),
        ((2, 2, 3), 3),
        ((2, 1, 2), 1),
        ((0, 0, 0), 2),
    ],
)
@pytest.mark.parametrize("uniform", [True, False])
def test_any_marked_segment_marks_the_frame_and_the_first_gives_the_dscp(marks, ecn, uniform):
    stt_frame = stt_header() + ECN_FRAME
    step = len(stt_frame) // 3 + 1
    packets = [
        stt_segment(stt_frame, n * step, step, tos=(0x40, 0x80, 0xC0)[n] | mark)
        for n, mark in enumerate(marks)
    ]
    for order in ((0, 1, 2), (2, 1, 0), (1, 2, 0)):
        reassembler = Reassembler(uniform=uniform)
        (got,) = [frame for n in order if (frame := reassembler.receive(packets[n])) is not None]
        inner = Ether(got.frame)[IP]
        assert inner.tos == (0x40 if uniform else 0x28) | ecn
        del inner.chksum
        assert bytes(inner) == got.frame[18:]


@pytest.mark.parametrize("tagged", [True, False])
@pytest.mark.parametrize("network", [IP(), IPv6()])
@pytest.mark.parametrize("transport", [TCP(), UDP()])
def test_a_partial_checksum_is_completed_for_a_vif(tagged, network, transport):
    ether = Ether() / Dot1Q(vlan=7) if tagged else Ether()
    right = bytes(ether / network / transport / Raw(b"some data"))
    parsed = Ether(right)
    length = len(bytes(parsed[type(transport)]))
    l4 = len(right) - length
    pseudo = ip_packet(parsed[type(network)].src, parsed[type(network)].dst, 99, b"")
    addresses = pseudo[12:20] if isinstance(network, IP) else pseudo[8:40]
    place = l4 + (16 if isinstance(transport, TCP) else 6)
    proto = 6 if isinstance(transport, TCP) else 17
    total = sum(int.from_bytes(addresses[n : n + 2], "big") for n in range(0, len(addresses), 2))
    seed = (total + proto + length - 1) % 0xFFFF + 1
    frame = right[:place] + seed.to_bytes(2, "big") + right[place + 2 :]
    flags = 2 | 4 * isinstance(network, IP) | 8 * isinstance(transport, TCP)
    body, vlan = (frame[:12] + frame[16:], 0x1007) if tagged else (frame, 0)
    header = stt_header(1, flags=flags, l4_offset=l4 - 4 * tagged, vlan=vlan)
    got = Reassembler().receive(stt_segment(header + body))
    assert got is not None
    assert (got.frame, got.offload.partial, got.offload.mss) == (frame, True, 0)
    assert finish(got.frame, got.offload, Work()) == [right]


def test_our_own_segments_come_back_together():
    for tunnel in (Tunnel(A, B), Tunnel(IPv6Address("2001:db8::1"), IPv6Address("2001:db8::2"))):
        frame = random.Random(3).randbytes(65_517)
        packets = encapsulate(frame, 7, tunnel, packet_id=9, mtu=1500)
        random.Random(4).shuffle(packets)
        reassembler = Reassembler()
        (got,) = [one for packet in packets if (one := reassembler.receive(packet)) is not None]
        assert got == TunnelFrame(tunnel.source, tunnel.destination, 7, frame)
