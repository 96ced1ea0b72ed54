"""NICs with and without offloads, and what the host does where they cannot.

Segments are judged by scapy, which knows nothing of ours, and by what must hold end to end: the
far VM gets the bytes the near one sent, by whatever tunnel and NICs.
"""

import random
from ipaddress import ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Raw

from tests.vswitch_sim.outer import stt_header, stt_segment
from vswitch_sim import TopologyError
from vswitch_sim.tunnel import (
    NO_OFFLOAD,
    Nic,
    Offload,
    Send,
    Tunnel,
    TunnelEnd,
    Work,
    finish,
    partial_checksum,
)

KINDS = ("stt", "geneve", "vxlan")
NICS = {
    "all offloads": {},
    "no LRO": {"lro": False},
    "checksums": {"tso": False, "lro": False},
    "none": {"tso": False, "lro": False, "checksum": False},
}


def tunnel(kind="stt", version=4, **fields) -> Tunnel:
    base = "192.0.2." if version == 4 else "2001:db8::"
    return Tunnel(ip_address(f"{base}1"), ip_address(f"{base}2"), kind, **fields)


def payload(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def tcp_frame(size: int, version=4, flags="PA", seq=7, tag=False, **ip) -> bytes:
    ether = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
    network = IP(src="10.0.0.1", **ip) if version == 4 else IPv6(src="fd00::1", **ip)
    tcp = TCP(sport=5, dport=6, seq=seq, flags=flags, options=[("Timestamp", (1, 2))])
    return bytes((ether / Dot1Q(vlan=9) if tag else ether) / network / tcp / Raw(payload(size)))


def rebuilt(packet):
    """A packet with lengths and checksums as scapy computes them."""
    copy = packet.copy()
    for layer, names in ((IP, ("len", "chksum")), (IPv6, ("plen",)), (TCP, ("chksum",))):
        for name in names:
            if layer in copy:
                delattr(copy[layer], name)
    return bytes(copy)


@settings(max_examples=60)
@given(
    st.integers(1, 4000),
    st.integers(100, 1460),
    st.sampled_from([4, 6]),
    st.booleans(),
    st.sampled_from(["A", "PA", "FPA", "CPA"]),
    st.sampled_from([0, 7, (1 << 32) - 100]),
)
def test_a_tcp_frame_is_cut_into_what_tcp_would_have_sent(size, mss, version, tag, flags, seq):
    frame = tcp_frame(size, version, flags, seq, tag)
    offload = Offload(partial=True, mss=mss)
    work = Work()
    pieces = finish(partial_checksum(frame), offload, work)
    assert len(pieces) == max(1, -(-size // mss))
    got, whole = b"", Ether(frame)
    for n, piece in enumerate(pieces):
        one = Ether(piece)
        assert rebuilt(one) == piece
        assert one[TCP].seq == (seq + len(got)) % (1 << 32)
        last = n == len(pieces) - 1
        kept = set(flags) - (set() if last else set("FP")) - (set() if n == 0 else set("C"))
        assert set(str(one[TCP].flags)) == kept
        if version == 4:
            assert one[IP].id == whole[IP].id + n
        data = bytes(one[TCP].payload)
        assert len(data) == mss or last
        got += data
        assert piece[: 12 + 4 * tag] == frame[: 12 + 4 * tag]
        assert one[TCP].options == whole[TCP].options
    assert got == payload(size)
    assert work.bytes_checksummed >= size


@pytest.mark.parametrize("version", [4, 6])
def test_a_nic_cuts_an_stt_frame_that_it_takes_for_tcp(version):
    end = TunnelEnd(Nic(mtu=1500))
    frame = partial_checksum(tcp_frame(60_000))
    sends = end.prepare(frame, tunnel(version=version), 5, Offload(partial=True, mss=1460))
    assert len(sends) == 1
    assert end.work.packets == 1
    # Outer headers, and the checksum of the outer IPv4 header: nothing that grows with the frame.
    assert end.work.bytes_copied < 100
    assert end.work.bytes_checksummed == (20 if version == 4 else 0)
    packets = end.nic.transmit(sends[0])
    layer = IP if version == 4 else IPv6
    carried = b"".join(bytes(layer(packet)[TCP].payload) for packet in packets)
    assert [layer(packet)[TCP].seq & 0xFFFF for packet in packets] == list(
        range(0, len(carried), len(bytes(layer(packets[0])[TCP].payload)))
    )
    assert [str(layer(packet)[TCP].flags) for packet in packets[-2:]] == ["A", "PA"]
    assert carried[:18] == stt_header(5, flags=0x0E, l4_offset=34, mss=1460)
    assert carried[18:] == frame
    assert all(rebuilt(layer(packet)) == packet for packet in packets)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("near", NICS)
@pytest.mark.parametrize("far", NICS)
def test_the_far_vm_gets_what_the_near_one_sent(kind, version, near, far):
    sender = TunnelEnd(Nic(**NICS[near], mtu=1600))
    receiver = TunnelEnd(Nic(**NICS[far], mtu=1600))
    for n, (size, inner) in enumerate([(0, 4), (900, 6), (20_000, 4), (65_400, 6)]):
        right = tcp_frame(size, inner, tag=n % 2 == 0)
        frame, offload = partial_checksum(right), Offload(partial=True, mss=1400)
        packets = sender.transmit(frame, tunnel(kind, version), 9, offload)
        assert all(len(packet) <= 1600 for packet in packets)
        got = receiver.receive(packets)
        assert {(one.key, str(one.source)[-1]) for one in got} == {(9, "1")}
        vm = [one for part in got for one in finish(part.frame, part.offload, Work())]
        assert b"".join(bytes(Ether(one)[TCP].payload) for one in vm) == payload(size)
        assert all(rebuilt(Ether(one)) == one for one in vm)
        assert vm == finish(frame, offload, Work())
        if kind != "stt":
            assert all(part.offload.verified for part in got)
    assert not sender.drops
    assert not receiver.drops


@pytest.mark.parametrize("near", NICS)
@pytest.mark.parametrize("far", NICS)
def test_without_a_tunnel_the_far_vm_gets_it_too(near, far):
    sender, receiver = TunnelEnd(Nic(**NICS[near])), TunnelEnd(Nic(**NICS[far]))
    for size, version in ((0, 4), (900, 6), (20_000, 4), (65_400, 6)):
        frame = partial_checksum(tcp_frame(size, version))
        for offload in (Offload(partial=True, mss=1400), Offload(partial=True)):
            if not offload.mss and size > 1400:
                continue
            sends = sender.prepare_untunnelled(frame, offload)
            packets = [packet for send in sends for packet in sender.nic.transmit(send)]
            assert packets == finish(frame, offload, Work())
            got = receiver.accept_untunnelled(receiver.nic.receive(packets, l3=14))
            assert b"".join(bytes(Ether(one)[TCP].payload) for one, _ in got) == payload(size)
            assert all(known.verified for _, known in got)


@pytest.mark.parametrize("nic", NICS)
def test_what_has_no_checksum_to_complete_and_padding_are_left_alone(nic):
    end, partial = TunnelEnd(Nic(**NICS[nic])), Offload(partial=True)
    fragment = bytes(Ether() / IP(flags="MF") / UDP() / Raw(b"x" * 8))
    (send,) = end.prepare_untunnelled(fragment, partial)
    assert end.nic.transmit(send) == [fragment]
    right = bytes(Ether() / IP() / UDP() / Raw(b"x"))
    (send,) = end.prepare_untunnelled(partial_checksum(right) + b"padding", partial)
    assert end.nic.transmit(send)[0][: len(right)] == right


@pytest.mark.parametrize("network", [IP(), IPv6()])
def test_a_udp_checksum_that_comes_to_zero_is_sent_as_ffff(network):
    def udp(data: bytes) -> bytes:
        return bytes(Ether() / network / UDP() / Raw(data))

    # Data that adds the checksum of the rest makes the whole come to zero.
    rest = udp(b"\0\0")
    right = udp(rest[-4:-2])
    assert right[-4:-2] == b"\xff\xff"
    partial = partial_checksum(right)
    assert finish(partial, Offload(partial=True), Work()) == [right]
    end = TunnelEnd(Nic())
    (send,) = end.prepare_untunnelled(partial, Offload(partial=True))
    assert end.nic.transmit(send) == [right]


def test_an_stt_frame_no_nic_can_be_told_of_is_cut_by_the_host():
    end, far = TunnelEnd(Nic()), TunnelEnd(Nic())
    frame = b"\2" * 12 + b"\x88\xcc" + payload(65_503)
    sends = end.prepare(frame, tunnel(), 1)
    assert len(sends) == -(-65_535 // 1460)
    assert end.work.bytes_checksummed > 65_535
    (got,) = far.receive([packet for send in sends for packet in end.nic.transmit(send)])
    assert got.frame == frame
    assert end.transmit(frame + b"x", tunnel(), 1) == []
    assert end.drops == {"frame_too_big": 1}


def test_cwr_is_sent_once_by_cutting_first():
    end, far = TunnelEnd(Nic()), TunnelEnd(Nic())
    frame = partial_checksum(tcp_frame(5000, flags="CA"))
    got = far.receive(end.transmit(frame, tunnel(), 1, Offload(partial=True, mss=1000)))
    assert [str(Ether(one.frame)[TCP].flags) for one in got] == ["AC", "A", "A", "A", "A"]


def lro(packets: list[bytes], **nic) -> list[bytes]:
    return [one.packet for one in Nic(**nic).receive(packets)]


FRAME = stt_header(1) + payload(3000)


def pieces(step=1000, **fields) -> list[bytes]:
    offsets = range(0, len(FRAME), step)
    last = offsets[-1]
    return [
        stt_segment(FRAME, n, step, flags=0x18 if n == last else 0x10, **fields) for n in offsets
    ]


def test_lro_makes_one_packet_of_what_belongs_together():
    got = lro(pieces())
    assert len(got) == 1
    packet = IP(got[0])
    assert bytes(packet[TCP].payload) == FRAME
    assert packet.len == len(got[0]) == 40 + len(FRAME)
    assert packet[TCP].flags == "PA"
    remade = IP(got[0])
    del remade.chksum
    assert IP(bytes(remade)).chksum == packet.chksum


def test_lro_keeps_apart_what_must_not_be_merged():
    a, b, c, last = pieces()
    for odd in (
        pieces(tos=3)[1],
        pieces(packet_id=2)[1],
        pieces(window=9)[1],
        stt_segment(FRAME, 1000, 1000, flags=0x11),
        stt_segment(FRAME, 1000, 1000, flags=0x50),
        c,
    ):
        got = lro([a, odd, b, c, last])
        assert got[0] == a
        assert odd in got
    ports = [one for pair in zip(pieces(), pieces(port=50001), strict=True) for one in pair]
    assert sorted(map(len, lro(ports))) == [40 + len(FRAME)] * 2
    assert lro(pieces(), lro=False) == pieces()
    broken = b[:-1] + bytes([b[-1] ^ 1])
    assert [one.verified for one in Nic().receive([a, broken, b])] == [False, True]


def test_lro_stops_at_64_kib():
    stt_frame = stt_header(1) + bytes(65_517)
    packets = [stt_segment(stt_frame, n, 8000) for n in range(0, len(stt_frame), 8000)]
    assert [len(one) for one in lro(packets)] == [40 + 64_000, 40 + 1535]


@settings(max_examples=60)
@given(st.integers(0, 1 << 30))
def test_lro_changes_nothing_that_a_receiver_sees(seed):
    chance = random.Random(seed)
    packets = []
    for packet_id in range(3):
        stt_frame = stt_header(packet_id) + chance.randbytes(chance.randint(14, 400))
        step = chance.randint(20, 200)
        packets += [
            stt_segment(stt_frame, n, step, packet_id=packet_id, tos=chance.choice([0, 0, 0, 3]))
            for n in range(0, len(stt_frame), step)
        ]
    packets += chance.choices(packets, k=2)
    chance.shuffle(packets)
    if chance.random() < 0.5:
        packets.sort(key=lambda packet: packet[24:32])
    with_it, without = (TunnelEnd(Nic(lro=kind)) for kind in (True, False))
    got = [with_it.receive(packets), without.receive(packets)]
    by_key = [sorted(frames, key=lambda one: one.key) for frames in got]
    assert by_key[0] == by_key[1]


def test_bad_outer_checksums_pass_a_nic_and_are_dropped_by_name():
    for kind in KINDS:
        for nic in NICS.values():
            end, far = TunnelEnd(Nic()), TunnelEnd(Nic(**nic))
            (packet,) = end.transmit(tcp_frame(100), tunnel(kind), 1)
            assert far.receive([packet[:-1] + bytes([packet[-1] ^ 1])]) == []
            assert sum(far.drops.values()) == 1
            assert set(far.drops) <= {"bad_tcp_checksum", "bad_udp_checksum"}


def test_what_does_not_fit_the_link_is_dropped_by_name():
    end = TunnelEnd(Nic(mtu=1500))
    frame = tcp_frame(1460)
    assert end.transmit(frame, tunnel("vxlan"), 1) == []
    assert end.drops == {"too_big": 1}
    assert end.transmit(frame, tunnel("geneve"), 1, mtu=9000) == []
    assert len(end.transmit(frame, tunnel(), 1, mtu=576)) == 3


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Nic(checksum=False), "neither TSO nor LRO"),
        (lambda: Nic(tso=False).transmit(Send(FRAME, (), 0, 20, mss=10)), "cannot cut"),
        (
            lambda: Nic(tso=False, lro=False, checksum=False).transmit(
                Send(FRAME, (), 0, 20, checksum=True)
            ),
            "cannot cut packets, or compute checksums",
        ),
        (
            lambda: Nic().transmit(Send(pieces()[0][:40], (bytes(65_500),), 0, 20, mss=10)),
            "beyond 64 KiB",
        ),
    ],
)
def test_what_a_nic_cannot_do_is_refused(make, message):
    with pytest.raises(TopologyError, match=message):
        make()


def test_work_is_counted_where_it_is_done():
    offload = Offload(partial=True, mss=1400)
    frame = partial_checksum(tcp_frame(60_000))
    host, nic = {}, {}
    for kind in KINDS:
        end = TunnelEnd(Nic(mtu=1600))
        end.transmit(frame, tunnel(kind), 1, offload)
        host[kind], nic[kind] = end.work, end.nic.work
    assert host["stt"].packets == 1
    assert host["geneve"].packets == host["vxlan"].packets == -(-60_000 // 1400)
    assert host["geneve"].headers > 40 * host["stt"].headers
    assert host["geneve"].bytes_checksummed > 60_000 > 1000 * host["stt"].bytes_checksummed
    assert nic["stt"].bytes_checksummed > 60_000
    assert TunnelEnd(Nic()).work == Work()
    plain = TunnelEnd(Nic())
    assert plain.prepare_untunnelled(frame, NO_OFFLOAD)[0].head == frame
