"""Parsing and rewriting against scapy, and against bytes that mean nothing."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vswitch_sim.frames import IPS, MACS, Spec, specs
from vswitch_sim import FIELDS
from vswitch_sim.checksum import internet_checksum, updated_checksum
from vswitch_sim.fields import PACKET_FIELDS, PRESENCE
from vswitch_sim.packet import parse, rewrite

NEW_VALUES = {
    **dict.fromkeys(("eth_src", "eth_dst", "arp_sha", "arp_tha"), MACS),
    **dict.fromkeys(("ipv4_src", "ipv4_dst", "arp_spa", "arp_tpa"), (*IPS, 0xFFFFFFFF, 0)),
    **dict.fromkeys(("tcp_src", "tcp_dst", "udp_src", "udp_dst"), (0, 1, 0x50, 0xFFFF)),
    "arp_op": (1, 2),
    "vlan_vid": (0x1000, 0x1FFF, 0x1005),
    "vlan_pcp": (0, 7),
    "ip_dscp": (0, 63),
    "ip_ecn": (0, 3),
    "ip_ttl": (0, 1, 255),
    "icmpv4_type": (0, 8),
    "icmpv4_code": (0, 255),
}


@settings(max_examples=300, deadline=None)
@given(specs())
def test_parse_reads_what_scapy_wrote(spec: Spec):
    parsed = parse(spec.build())
    assert parsed is not None
    assert {field.name: field.of(parsed.key) for field in PACKET_FIELDS} == {
        field.name: spec.fields.get(field.name, 0) for field in PACKET_FIELDS
    }
    for layer, bit in PRESENCE.items():
        members = [name for name, field in FIELDS.items() if field.layer == layer]
        assert bool(parsed.key & bit) == any(name in spec.fields for name in members)


@settings(max_examples=300, deadline=None)
@given(specs(), st.data())
def test_rewrite_gives_the_frame_scapy_builds_from_the_new_values(spec: Spec, data: st.DataObject):
    can_change = [name for name in spec.fields if name in NEW_VALUES]
    if not spec.fields["vlan_vid"]:
        can_change.remove("vlan_vid")
    names = data.draw(st.lists(st.sampled_from(can_change), unique=True))
    changes = {name: data.draw(st.sampled_from(NEW_VALUES[name])) for name in names}
    frame = spec.build()
    parsed = parse(frame)
    assert parsed is not None
    assert rewrite(frame, parsed, changes.items()) == spec.with_fields(changes).build()


@settings(max_examples=300, deadline=None)
@given(specs(), st.integers(0, 80), st.lists(st.tuples(st.integers(0, 79), st.integers(0, 255))))
def test_damaged_frames_are_read_as_far_as_they_make_sense(spec: Spec, length, damage):
    frame = bytearray(spec.build()[:length])
    for place, value in damage:
        if place < len(frame):
            frame[place] = value
    parsed = parse(bytes(frame))
    assert (parsed is None) == (len(frame) < 14)
    if parsed is not None:
        present = [
            (field.name, 1)
            for field in PACKET_FIELDS
            if field.writable and field.layer not in ("", "vlan") and field.presence & parsed.key
        ]
        assert len(rewrite(bytes(frame), parsed, present)) == len(frame)


@given(st.binary(max_size=200))
def test_any_bytes_parse(frame: bytes):
    assert (parse(frame) is None) == (len(frame) < 14)


def test_a_header_cut_short_leaves_its_fields_out():
    spec = Spec(
        "tcp",
        {
            "eth_dst": 1,
            "eth_src": 2,
            "eth_type": 0x0800,
            "vlan_vid": 0,
            "ipv4_src": 1,
            "ipv4_dst": 2,
            "ip_proto": 6,
            "ip_dscp": 0,
            "ip_ecn": 0,
            "ip_ttl": 9,
            "tcp_src": 5,
            "tcp_dst": 80,
            "tcp_flags": 2,
        },
    )
    frame = spec.build()
    whole = parse(frame)
    assert whole is not None
    assert whole.key & PRESENCE["tcp"]
    # The IPv4 total length now says more than there is: nothing above Ethernet can be trusted.
    for length in range(14, len(frame)):
        cut = parse(frame[:length])
        assert cut is not None
        assert not cut.key & (PRESENCE["ipv4"] | PRESENCE["tcp"])
    # Padding after the packet is no part of it.
    padded = parse(frame + b"\0" * 20)
    assert padded is not None
    assert (padded.key, padded.end) == (whole.key, len(frame))


@given(st.binary(min_size=2, max_size=40), st.data())
def test_updated_checksum_equals_the_checksum_of_the_new_data(data: bytes, draw: st.DataObject):
    """Up to the two ways of writing zero."""
    data = data[: len(data) // 2 * 2]
    place = draw.draw(st.integers(0, len(data) // 2 - 1)) * 2
    word = draw.draw(st.binary(min_size=2, max_size=2))
    changed = data[:place] + word + data[place + 2 :]
    updated = updated_checksum(internet_checksum(data), data[place : place + 2], word)
    assert updated % 0xFFFF == internet_checksum(changed) % 0xFFFF


@given(st.lists(st.binary(max_size=30).filter(lambda part: len(part) % 2 == 0)), st.binary())
def test_checksum_adds_up_sixteen_bit_words(parts: list[bytes], last: bytes):
    data = b"".join(parts) + last + b"\0" * (len(last) % 2)
    total = sum(data[place] << 8 | data[place + 1] for place in range(0, len(data), 2))
    while total > 0xFFFF:
        total = (total >> 16) + (total & 0xFFFF)
    assert internet_checksum(*parts, last) == ~total & 0xFFFF
