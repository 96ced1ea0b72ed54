"""DSCP and ECN between inner and outer headers.

DSCP by RFC 2983: the *pipe* model gives outer packets a value of their own and leaves the frame's
alone; the *uniform* model copies it out, and back in at the far end. Of an STT frame the first
segment's counts (draft-davie-stt-08, section 3.3.1).

ECN by RFC 6040: out by section 4.1, back by the table of section 4.2, which drops a frame marked
CE on its way whose transport does not know ECN. An STT frame was marked if any of its segments
was (section 3.3.1 of the draft).
"""

from vswitch_sim.checksum import updated_checksum
from vswitch_sim.tunnel.inner import Inner

NOT_ECT, ECT_1, ECT_0, CE = 0, 1, 2, 3

# By the frame's ECN, then the outer packet's; None drops. RFC 6040, figure 4.
_DECAPSULATED: dict[int, dict[int, int | None]] = {
    NOT_ECT: {NOT_ECT: NOT_ECT, ECT_0: NOT_ECT, ECT_1: NOT_ECT, CE: None},
    ECT_0: {NOT_ECT: ECT_0, ECT_0: ECT_0, ECT_1: ECT_1, CE: CE},
    ECT_1: {NOT_ECT: ECT_1, ECT_0: ECT_1, ECT_1: ECT_1, CE: CE},
    CE: {NOT_ECT: CE, ECT_0: CE, ECT_1: CE, CE: CE},
}
# What several outer packets say together: the strongest of them.
_STRENGTH = {NOT_ECT: 0, ECT_0: 1, ECT_1: 2, CE: 3}


def outer_tos(inner_tos: int, dscp: int | None, ecn: bool) -> int:
    """The octet of an outer header; see `Tunnel` for the choices."""
    marked = inner_tos & 3 if ecn else NOT_ECT
    return (inner_tos & 0xFC if dscp is None else dscp << 2) | marked


def decapsulated_ecn(inner: int, outer: int) -> int | None:
    """The ECN field a frame goes on with, or None if it must be dropped."""
    return _DECAPSULATED[inner][outer]


def stronger(a: int, b: int) -> int:
    """The ECN field of a frame whose segments came with these two."""
    return max(a, b, key=_STRENGTH.__getitem__)


def unmarked(frame: bytes, inner: Inner, outer: int, uniform: bool) -> bytes | None:
    """The frame as it leaves the tunnel, or None if RFC 6040 drops it.

    Args:
        frame: as it was tunnelled.
        inner: its headers.
        outer: the octet with DSCP and ECN of the outer header.
        uniform: whether DSCP is copied back.
    """
    if not inner.version:
        return frame
    before = inner.tos(frame)
    ecn = decapsulated_ecn(before & 3, outer & 3)
    if ecn is None:
        return None
    after = (outer if uniform else before) & 0xFC | ecn
    return frame if after == before else _with_tos(frame, inner, after)


def _with_tos(frame: bytes, inner: Inner, tos: int) -> bytes:
    out = bytearray(frame)
    l3 = inner.l3
    if inner.version == 6:
        out[l3] = out[l3] & 0xF0 | tos >> 4
        out[l3 + 1] = out[l3 + 1] & 0x0F | tos << 4 & 0xF0
        return bytes(out)
    out[l3 + 1] = tos
    checksum = int.from_bytes(frame[l3 + 10 : l3 + 12], "big")
    checksum = updated_checksum(checksum, frame[l3 : l3 + 2], bytes(out[l3 : l3 + 2]))
    out[l3 + 10 : l3 + 12] = checksum.to_bytes(2, "big")
    return bytes(out)
