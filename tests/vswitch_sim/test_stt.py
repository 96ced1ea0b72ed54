"""STT there and back, in any order and with any damage; scapy judges the outer headers."""

import random
from collections import Counter
from ipaddress import IPv4Address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Raw

from tests.vswitch_sim.frames import Spec, specs
from vswitch_sim import TopologyError
from vswitch_sim.stt import (
    FRAME_BYTES_MAX,
    STT_HEADER_BYTES,
    Reassembler,
    SttFrame,
    encapsulate,
)

A, B = IPv4Address("192.0.2.1"), IPv4Address("192.0.2.2")
CONTEXT = 0x0123456789ABCDEF
SMALL = b"\x02" * 12 + b"\x88\xcc" + bytes(range(100))


def segments(frame: bytes, packet_id: int = 1, mtu: int = 68) -> list[bytes]:
    return encapsulate(frame, CONTEXT, A, B, packet_id=packet_id, mtu=mtu)


@settings(max_examples=150, deadline=None)
@given(specs(), st.integers(0, (1 << 32) - 1), st.sampled_from([68, 69, 100, 576, 1500]))
def test_segments_are_what_the_draft_says(spec: Spec, packet_id: int, mtu: int):
    frame = spec.build()
    packets = segments(frame, packet_id, mtu)
    carried = b""
    for n, packet in enumerate(packets):
        outer = IP(packet)
        tcp = outer[TCP]
        assert (outer.src, outer.dst, outer.flags, outer.len) == (str(A), str(B), "DF", len(packet))
        assert len(packet) == mtu or n == len(packets) - 1
        assert len(packet) <= mtu
        assert tcp.dport == 7471
        assert 49152 <= tcp.sport == IP(packets[0])[TCP].sport
        assert tcp.seq & 0xFFFF == len(carried)
        assert tcp.ack == packet_id
        assert tcp.flags == ("PA" if n == len(packets) - 1 else "A")
        rebuilt = outer.copy()
        del rebuilt.chksum, rebuilt[TCP].chksum
        assert bytes(rebuilt) == packet
        carried += bytes(tcp.payload)
    assert all(IP(packet)[TCP].seq >> 16 == len(carried) for packet in packets)
    header, inner = carried[:STT_HEADER_BYTES], carried[STT_HEADER_BYTES:]
    ipv4 = "ipv4_src" in spec.fields
    tcp_inside = "tcp_src" in spec.fields
    verified = ("tcp_src" in spec.fields or "udp_src" in spec.fields) and not spec.fragment
    if "udp_src" in spec.fields and not spec.udp_checksum:
        verified = False
    assert header[:2] == bytes([0, verified | ipv4 << 2 | tcp_inside << 3])
    assert header[2:6] == bytes(4)
    assert header[8:18] == CONTEXT.to_bytes(8, "big") + bytes(2)
    tag = int.from_bytes(header[6:8], "big")
    if spec.fields["vlan_vid"]:
        assert tag == spec.fields["vlan_pcp"] << 13 | spec.fields["vlan_vid"]
        assert inner == frame[:12] + frame[16:]
    else:
        assert tag == 0
        assert inner == frame


def test_a_damaged_inner_checksum_is_not_called_verified():
    frame = bytearray(bytes(Ether() / IP() / UDP() / Raw(b"payload")))
    assert segments(bytes(frame), mtu=1500)[0][41] & 1
    frame[-1] ^= 1
    assert not segments(bytes(frame), mtu=1500)[0][41] & 1


def test_a_tag_with_dei_stays_in_the_frame_and_no_bit_is_lost():
    frame = bytes(Ether() / Dot1Q(vlan=5, prio=3, dei=1) / Raw(b"x" * 50))
    (packet,) = segments(frame, mtu=1500)
    assert packet[46:48] == bytes(2)
    got = Reassembler().receive(packet)
    assert got is not None
    assert got.frame == frame


def test_fragments_of_one_packet_take_one_path():
    ports = set()
    for flags, offset in (("MF", 0), (0, 100)):
        frame = bytes(Ether(dst=B.packed + A.packed[:2]) / IP(flags=flags, frag=offset) / UDP())
        ports.add(segments(frame)[0][20:22])
    assert len(ports) == 1


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(st.integers(14, 200), st.sampled_from([68, 75, 100])), max_size=4),
    st.integers(0, 1 << 30),
)
def test_any_order_with_repeats_delivers_every_frame_once(frames, seed):
    chance = random.Random(seed)
    sent, packets = [], []
    for packet_id, (size, mtu) in enumerate(frames):
        frame = chance.randbytes(size)
        source = chance.choice([A, B])
        sent.append(SttFrame(source, B, packet_id, frame))
        # Frames of different hosts may share a packet ID.
        packets += encapsulate(frame, packet_id, source, B, packet_id=packet_id, mtu=mtu)
        if chance.random() < 0.5:
            other = IPv4Address("192.0.2.9")
            packets += encapsulate(frame, 77, other, B, packet_id=packet_id, mtu=mtu)
            sent.append(SttFrame(other, B, 77, frame))
    packets += chance.choices(packets, k=3) if packets else []
    chance.shuffle(packets)
    reassembler = Reassembler()
    got = [frame for packet in packets if (frame := reassembler.receive(packet)) is not None]
    assert Counter(got) == Counter(sent)
    assert reassembler.n_partial == 0
    repeats = sum(reassembler.drops.values())
    assert repeats == (3 if packets else 0)
    assert set(reassembler.drops) <= {"duplicate_segment", "late_segment"}


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 1 << 30), st.integers(1, 6))
def test_damage_and_loss_deliver_a_frame_whole_or_not_at_all(seed, n_damaged):
    chance = random.Random(seed)
    frames = {packet_id: chance.randbytes(chance.randint(14, 150)) for packet_id in (1, 2, 3)}
    packets = [p for packet_id, frame in frames.items() for p in segments(frame, packet_id)]
    chance.shuffle(packets)
    for place in chance.sample(range(len(packets)), min(n_damaged, len(packets))):
        packet = bytearray(packets[place])
        if chance.random() < 0.3:
            del packet[chance.randrange(len(packet)) :]
        else:
            packet[chance.randrange(len(packet))] ^= 1 << chance.randrange(8)
        packets[place] = bytes(packet)
    reassembler = Reassembler()
    got = [frame for packet in packets if (frame := reassembler.receive(packet)) is not None]
    assert {frame.frame for frame in got} <= set(frames.values())
    assert len(got) == len({frame.frame for frame in got})
    assert len(got) < 3
    assert sum(reassembler.drops.values()) >= 1


@given(st.binary(max_size=120))
def test_any_bytes_are_a_counted_drop(packet: bytes):
    reassembler = Reassembler()
    assert reassembler.receive(packet) is None
    assert sum(reassembler.drops.values()) == 1


def resealed(packet: bytes, **changes: object) -> bytes:
    """The packet with scapy's TCP or IP fields changed and right checksums."""
    outer = IP(packet)
    for name, value in changes.items():
        setattr(outer if name in ("flags", "frag", "proto", "ihl") else outer[TCP], name, value)
    del outer.chksum, outer[TCP].chksum, outer.len
    return bytes(outer)


def with_payload(packet: bytes, payload: bytes) -> bytes:
    outer = IP(packet)
    outer[TCP].remove_payload()
    return resealed(bytes(outer / Raw(payload)))


WHOLE = segments(SMALL, mtu=1500)[0]
FIRST, SECOND, *REST = segments(SMALL, mtu=80)
PAYLOAD = bytes(IP(WHOLE)[TCP].payload)


@pytest.mark.parametrize(
    ("packets", "drop"),
    [
        ([b""], "not_stt"),
        ([resealed(WHOLE, dport=80)], "not_stt"),
        ([resealed(WHOLE, flags="MF")], "not_stt"),
        ([WHOLE[:8] + b"\1" + WHOLE[9:]], "bad_ip_checksum"),
        ([WHOLE[:-1] + b"\0"], "bad_tcp_checksum"),
        ([resealed(WHOLE, seq=IP(WHOLE)[TCP].seq + 1)], "bad_segment"),
        ([resealed(WHOLE, seq=IP(WHOLE)[TCP].seq & 0xFFFF)], "bad_segment"),
        ([with_payload(WHOLE, b"")], "bad_segment"),
        ([with_payload(WHOLE, b"\1" + PAYLOAD[1:])], "bad_stt_header"),
        ([with_payload(WHOLE, b"\0\2" + PAYLOAD[2:])], "bad_stt_header"),
        ([WHOLE, WHOLE], "late_segment"),
        ([FIRST, FIRST], "duplicate_segment"),
        ([FIRST, with_payload(FIRST, bytes(40)), SECOND, *REST], "overlap_conflict"),
        ([FIRST, resealed(SECOND, seq=IP(SECOND)[TCP].seq - (1 << 16))], "overlap_conflict"),
    ],
)
def test_bad_input_has_its_counter(packets, drop):
    reassembler = Reassembler()
    got = [frame for packet in packets if (frame := reassembler.receive(packet)) is not None]
    assert got in ([], [SttFrame(A, B, CONTEXT, SMALL)])
    assert reassembler.drops[drop] == 1
    if drop == "overlap_conflict":
        assert not got


def test_segments_that_overlap_and_agree_are_put_together():
    reassembler = Reassembler()
    at_20 = resealed(with_payload(FIRST, PAYLOAD[20:60]), seq=IP(FIRST)[TCP].seq + 20)
    assert [reassembler.receive(packet) for packet in (at_20, FIRST, SECOND)] == [None] * 3
    got = [reassembler.receive(packet) for packet in REST]
    assert got[-1] == SttFrame(A, B, CONTEXT, SMALL)


def test_memory_is_bounded():
    reassembler = Reassembler(partial_bytes_max=300, finished_max=1)
    firsts = [segments(SMALL, packet_id, 80)[0] for packet_id in range(5)]
    assert [reassembler.receive(packet) for packet in firsts] == [None] * 5
    assert reassembler.n_partial == 2
    assert reassembler.drops["evicted"] == 3
    rest = segments(SMALL, 4, 80)[1:]
    assert [reassembler.receive(packet) is not None for packet in rest] == [False, False, True]


def test_the_largest_frame_goes_through_and_a_larger_one_is_refused():
    frame = random.Random(1).randbytes(FRAME_BYTES_MAX)
    packets = encapsulate(frame, 1, A, B, packet_id=1, mtu=9000)
    reassembler = Reassembler()
    got = [reassembler.receive(packet) for packet in packets][-1]
    assert got is not None
    assert got.frame == frame
    with pytest.raises(TopologyError, match="frames of 14 to 65517 bytes, not 65518"):
        encapsulate(frame + b"x", 1, A, B, packet_id=1, mtu=9000)


@pytest.mark.parametrize(
    ("frame", "context_id", "packet_id", "mtu", "message"),
    [
        (b"x" * 13, 0, 0, 1500, "not 13"),
        (SMALL, 0, 0, 67, "an MTU of 67 bytes is below 68"),
        (SMALL, 1 << 64, 0, 1500, "too wide"),
        (SMALL, 0, 1 << 32, 1500, "too wide"),
    ],
)
def test_arguments_out_of_range_are_refused(frame, context_id, packet_id, mtu, message):
    with pytest.raises(TopologyError, match=message):
        encapsulate(frame, context_id, A, B, packet_id=packet_id, mtu=mtu)
