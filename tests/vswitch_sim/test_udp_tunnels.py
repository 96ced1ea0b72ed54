"""Geneve and VXLAN there and back; scapy writes and reads them too."""

from ipaddress import ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.contrib.geneve import GENEVE, GeneveOptions
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Raw

from tests.vswitch_sim.frames import Spec, specs
from tests.vswitch_sim.outer import ip_packet
from vswitch_sim import TopologyError
from vswitch_sim.tunnel import Tunnel, TunnelFrame
from vswitch_sim.tunnel.udp import decapsulate, encapsulate

SHIM = {"geneve": GENEVE, "vxlan": VXLAN}
PORT = {"geneve": 6081, "vxlan": 4789}
FRAME = bytes(Ether() / IP() / UDP() / Raw(b"payload"))
both = pytest.mark.parametrize("kind", ["geneve", "vxlan"])


def tunnel(kind, version=4, **fields) -> Tunnel:
    base = "192.0.2." if version == 4 else "2001:db8::"
    return Tunnel(ip_address(f"{base}1"), ip_address(f"{base}2"), kind, **fields)


@settings(max_examples=80)
@given(
    st.sampled_from(["geneve", "vxlan"]),
    st.sampled_from([4, 6]),
    st.booleans(),
    specs(),
    st.integers(0, (1 << 24) - 1),
)
def test_packets_are_what_the_rfcs_say(kind, version, summed, spec: Spec, vni):
    frame = spec.build()
    end = tunnel(kind, version, udp_checksum=summed)
    packet = encapsulate(frame, vni, end)
    outer = (IP if version == 4 else IPv6)(packet)
    assert (outer.src, outer.dst) == (str(end.source), str(end.destination))
    assert (outer[UDP].dport, outer[UDP].len) == (PORT[kind], len(bytes(outer[UDP])))
    assert outer[UDP].sport >= 49152
    shim = outer[SHIM[kind]]
    assert shim.vni == vni
    if kind == "geneve":
        assert (shim.version, shim.optionlen, shim.critical, shim.proto) == (0, 0, 0, 0x6558)
    else:
        assert (shim.flags, shim.reserved2) == (0x08, 0)
    assert bytes(shim)[8:] == frame
    rebuilt = outer.copy()
    if version == 4:
        del rebuilt.chksum
        assert outer.flags == "DF"
    if summed:
        del rebuilt[UDP].chksum
    else:
        assert outer[UDP].chksum == 0
    assert bytes(rebuilt) == packet
    got = decapsulate(packet, zero_checksum_ipv6=True)
    assert got == TunnelFrame(end.source, end.destination, vni, frame)


@both
def test_scapys_packets_are_read(kind):
    shim = SHIM[kind](vni=77)
    for outer in (IP(src="192.0.2.1", dst="192.0.2.2"), IPv6(src="2001:db8::1", dst="2001:db8::2")):
        packet = bytes(outer / UDP(dport=PORT[kind]) / shim / Ether(FRAME))
        got = decapsulate(packet)
        assert isinstance(got, TunnelFrame)
        assert (got.key, got.frame) == (77, FRAME)


def test_geneve_options_are_sent_and_skipped_unless_critical():
    plain, critical = (
        bytes(GeneveOptions(classid=0x102, type=kind, data=b"\x11\x22\x33\x44"))
        for kind in (0x07, 0x87)
    )
    packet = encapsulate(FRAME, 5, tunnel("geneve"), options=plain)
    shim = IP(packet)[GENEVE]
    assert (shim.optionlen, shim.critical, bytes(shim.options[0])) == (2, 0, plain)
    got = decapsulate(packet)
    assert isinstance(got, TunnelFrame)
    assert got.frame == FRAME
    packet = encapsulate(FRAME, 5, tunnel("geneve"), options=plain + critical)
    assert IP(packet)[GENEVE].critical == 1
    assert decapsulate(packet) == "critical_option"


def udp(payload: bytes, port: int = 6081, length: int | None = None, checksum: int = 0) -> bytes:
    length = 8 + len(payload) if length is None else length
    head = b"\xc0\x00" + port.to_bytes(2, "big") + length.to_bytes(2, "big")
    return ip_packet("192.0.2.1", "192.0.2.2", 17, head + checksum.to_bytes(2, "big") + payload)


GENEVE_HEAD = b"\0\0\x65\x58\0\0\5\0"


@pytest.mark.parametrize(
    ("packet", "drop"),
    [
        (b"", "bad_ip_header"),
        (udp(GENEVE_HEAD + FRAME, port=53), "not_udp_tunnel"),
        (ip_packet("192.0.2.1", "192.0.2.2", 17, bytes(7)), "not_udp_tunnel"),
        (udp(bytes(7)), "bad_udp_length"),
        (udp(GENEVE_HEAD + FRAME, length=900), "bad_udp_length"),
        (udp(GENEVE_HEAD + FRAME, checksum=1), "bad_udp_checksum"),
        (udp(b"\x40" + GENEVE_HEAD[1:] + FRAME), "unknown_version"),
        (udp(b"\0\x80" + GENEVE_HEAD[2:] + FRAME), "control_packet"),
        (udp(b"\0\x40" + GENEVE_HEAD[2:] + FRAME), "critical_option"),
        (udp(b"\x3f\0" + GENEVE_HEAD[2:] + FRAME), "bad_header"),
        (udp(b"\0\0\x08\0" + GENEVE_HEAD[4:] + FRAME), "bad_header"),
        (udp(GENEVE_HEAD + FRAME[:13]), "bad_header"),
        (udp(bytes(8) + FRAME, port=4789), "bad_header"),
        (encapsulate(FRAME, 1, tunnel("vxlan", 6, udp_checksum=False)), "zero_checksum"),
    ],
)
def test_bad_packets_are_named_drops(packet, drop):
    assert decapsulate(packet) == drop


@both
def test_congestion_on_the_way_is_not_lost(kind):
    ect = bytes(Ether() / IP(tos=2) / UDP())
    packet = encapsulate(ect, 1, tunnel(kind, udp_checksum=False))
    marked = IP(packet)
    marked.tos |= 3
    del marked.chksum
    got = decapsulate(bytes(marked))
    assert isinstance(got, TunnelFrame)
    assert Ether(got.frame)[IP].tos == 3
    unaware = IP(encapsulate(FRAME, 1, tunnel(kind, udp_checksum=False)))
    unaware.tos = 3
    del unaware.chksum
    assert decapsulate(bytes(unaware)) == "ecn_drop"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"vni": 1 << 24}, "VNI 0x1000000 is too wide"),
        ({"frame": b"x" * 13}, "cannot carry a frame of 13 bytes"),
        ({"frame": bytes(65_500)}, "cannot carry a frame of 65500 bytes"),
        ({"options": b"abc"}, "words of 4 bytes"),
        ({"options": bytes(256)}, "252 bytes at most"),
        ({"options": bytes(4), "tunnel": tunnel("vxlan")}, "VXLAN has no options"),
    ],
)
def test_arguments_out_of_range_are_refused(fields, message):
    usual = {"frame": FRAME, "vni": 1, "tunnel": tunnel("geneve")}
    with pytest.raises(TopologyError, match=message):
        encapsulate(**usual | fields)
