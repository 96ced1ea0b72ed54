"""Runts, and checksums; `test_datapath_frames` has what is read of frames."""

from hypothesis import given
from hypothesis import strategies as st

from vswitch_sim.checksum import internet_checksum, updated_checksum
from vswitch_sim.datapath._core import parse


@given(st.binary(max_size=60))
def test_any_bytes_parse(frame: bytes):
    assert (parse(frame) is None) == (len(frame) < 14)


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
