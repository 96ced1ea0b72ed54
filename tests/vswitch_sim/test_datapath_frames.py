"""Reading and writing frames in C++, against scapy, a twin, and bytes that mean nothing."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vswitch_sim import frame_twin
from tests.vswitch_sim.frame_twin import LAYOUT
from tests.vswitch_sim.frames import Spec, specs
from tests.vswitch_sim.odd_frames import KINDS, damaged
from vswitch_sim.datapath import _core

WRITABLE = [
    name for name in LAYOUT if name not in frame_twin.READ_ONLY and name not in frame_twin.METADATA
]


def field(key: int, name: str) -> int:
    shift, width = LAYOUT[name]
    return key >> shift & (1 << width) - 1


def mask_of(*names: str) -> int:
    mask = 0
    for name in names:
        shift, width = LAYOUT[name]
        mask |= (1 << width) - 1 << shift
    return mask


def rewritten(frame: bytes, *actions: tuple) -> bytes:
    """What actions make of a frame."""
    datapath = _core.Datapath(lambda *_: (0, [*actions, ("output", 1)], False))
    datapath.add_port(1)
    ((_, _, sent),) = datapath.process(1, frame, 0, 0.0).egress
    return sent


@settings(max_examples=300, deadline=None)
@given(specs())
def test_parse_reads_what_scapy_wrote(spec: Spec):
    parsed = _core.parse(spec.build())
    assert parsed is not None
    for name, value in spec.fields.items():
        assert field(parsed.key, name) == value, name


def test_the_twin_reads_any_frame_alike():
    random = Random(1)
    for frame in [*KINDS, *(damaged(random) for _ in range(6000))]:
        parsed, reading = _core.parse(frame), frame_twin.read(frame)
        assert (parsed is None) == (reading is None), frame.hex()
        if parsed is not None and reading is not None:
            assert parsed.key == frame_twin.key_of(frame, {}), frame.hex()
            places = (reading.l3, reading.l4, reading.end)
            assert (parsed.l3, parsed.l4, parsed.end) == places, frame.hex()


def test_the_twin_writes_any_frame_alike():
    random = Random(2)
    for frame in [*KINDS * 20, *(damaged(random) for _ in range(3000))]:
        if len(frame) < 14:
            continue
        mask = mask_of(*random.sample(WRITABLE, random.choice((1, 1, 2, 5))))
        if random.random() < 0.3:
            mask &= random.getrandbits(8 * _core.KEY_BYTES)
        value = random.getrandbits(8 * _core.KEY_BYTES) & random.choice((mask, mask >> 3, 0))
        sent = rewritten(frame, ("set", value & mask, mask))
        assert sent == frame_twin.write(frame, value & mask, mask), (frame.hex(), hex(mask))


def test_tags_are_pushed_and_popped_as_the_twin_does():
    random = Random(3)
    for frame in [*KINDS, *(damaged(random) for _ in range(500))]:
        if len(frame) >= 14:
            tag = random.choice((0x8100, 0x88A8)), random.getrandbits(16)
            pushed = rewritten(frame, ("push_vlan", *tag))
            assert pushed == frame_twin.push_vlan(frame, *tag)
            assert rewritten(pushed, ("pop_vlan",)) == frame
            assert rewritten(frame, ("pop_vlan",)) == frame_twin.pop_vlan(frame)


@settings(max_examples=300, deadline=None)
@given(specs(), st.data())
def test_what_is_written_is_what_scapy_builds_from_the_new_values(spec: Spec, data: st.DataObject):
    can_change = [name for name in spec.fields if name in WRITABLE]
    if not spec.fields["vlan_vid"]:
        can_change.remove("vlan_vid")
    names = data.draw(st.lists(st.sampled_from(can_change), unique=True))
    changes = {}
    for name in names:
        most = {"arp_op": 255, "icmpv4_type": 255, "icmpv4_code": 255}
        values = st.integers(0, most.get(name, (1 << LAYOUT[name][1]) - 1))
        changes[name] = data.draw(st.sampled_from((0, 1)) | values)
    if "vlan_vid" in changes:
        changes["vlan_vid"] |= 0x1000
    if changes.get("icmpv4_type", 0) not in (0, 8):
        changes["icmpv4_type"] = 8
    value = sum(value << LAYOUT[name][0] for name, value in changes.items())
    sent = rewritten(spec.build(), ("set", value, mask_of(*changes)))
    assert sent == spec.with_fields(changes).build()


@given(st.binary(max_size=200))
def test_any_bytes_are_read(frame: bytes):
    assert (_core.parse(frame) is None) == (len(frame) < 14)


def test_a_header_cut_short_leaves_its_fields_zero():
    frame = KINDS[5]
    whole = _core.parse(frame)
    assert whole is not None
    assert field(whole.key, "tcp_dst") == 80
    for length in range(14, len(frame)):
        cut = _core.parse(frame[:length])
        assert cut is not None
        assert cut.key == whole.key & mask_of("eth_src", "eth_dst", "eth_type")
    padded = _core.parse(frame + b"\0" * 20)
    assert padded is not None
    assert (padded.key, padded.end) == (whole.key, len(frame))


@pytest.mark.parametrize("name", sorted(frame_twin.READ_ONLY | {"recirc_id"}))
def test_what_cannot_be_set_is_refused_by_name(name: str):
    with pytest.raises(ValueError, match=f"{name} cannot be set"):
        rewritten(KINDS[0], ("set", 0, mask_of(name)))


def test_fields_stand_apart_but_for_those_that_no_packet_has_together():
    """Bits of a key are shared only between layers that exclude each other."""
    taken: dict[int, set[str]] = {}
    for name, (shift, width) in LAYOUT.items():
        for bit in range(shift, shift + width):
            taken.setdefault(bit, set()).add(name.split("_")[0])
    alike = ({"ipv4", "ipv6", "arp"}, {"arp", "nd"}, {"tcp", "udp", "sctp", "icmpv4", "icmpv6"})
    assert all(
        len(names) == 1 or any(names <= group for group in alike) for names in taken.values()
    )
    assert max(taken) < 8 * _core.KEY_BYTES
