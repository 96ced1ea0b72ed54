"""ECN by the table of RFC 6040, section 4.2, typed in from there, and DSCP by RFC 2983."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Raw

from vswitch_sim.tunnel.inner import read_inner
from vswitch_sim.tunnel.marking import decapsulated_ecn, outer_tos, unmarked

CODEPOINTS = {"Not-ECT": 0b00, "ECT(0)": 0b10, "ECT(1)": 0b01, "CE": 0b11, "drop": None}

# Figure 4: the arriving inner header by row, the arriving outer header by column.
FIGURE_4 = """
          Not-ECT   ECT(0)    ECT(1)    CE
Not-ECT   Not-ECT   Not-ECT   Not-ECT   drop
ECT(0)    ECT(0)    ECT(0)    ECT(1)    CE
ECT(1)    ECT(1)    ECT(1)    ECT(1)    CE
CE        CE        CE        CE        CE
"""
COLUMNS, *ROWS = [line.split() for line in FIGURE_4.strip().splitlines()]
CASES = [
    (row[0], column, going) for row in ROWS for column, going in zip(COLUMNS, row[1:], strict=True)
]


def test_the_table_is_whole():
    assert len({case[:2] for case in CASES}) == 16


@pytest.mark.parametrize(("inner", "outer", "going"), CASES)
def test_ecn_leaves_the_tunnel_as_rfc_6040_says(inner, outer, going):
    marks = CODEPOINTS[inner], CODEPOINTS[outer]
    assert decapsulated_ecn(*marks) == CODEPOINTS[going]
    for network in (IP(tos=0xB8 | marks[0]), IPv6(tc=0xB8 | marks[0])):
        for ether in (Ether(), Ether() / Dot1Q(vlan=5)):
            frame = bytes(ether / network / UDP() / Raw(b"x"))
            got = unmarked(frame, read_inner(frame), 0x28 | marks[1], uniform=False)
            if going == "drop":
                assert got is None
                continue
            assert got is not None
            expected = network.copy()
            name = "tos" if isinstance(network, IP) else "tc"
            expected.setfieldval(name, 0xB8 | CODEPOINTS[going])
            assert got == bytes(ether / expected / UDP() / Raw(b"x"))


@given(st.integers(0, 255), st.integers(0, 255))
def test_the_uniform_model_copies_out_and_back(before, outer):
    if decapsulated_ecn(before & 3, outer & 3) is None:
        return
    assert outer_tos(before, None, True) == before
    for network, name in ((IP(tos=before), "tos"), (IPv6(tc=before), "tc")):
        frame = bytes(Ether() / network / UDP())
        got = unmarked(frame, read_inner(frame), outer, uniform=True)
        after = outer & 0xFC | decapsulated_ecn(before & 3, outer & 3)
        assert got is not None
        expected = network.copy()
        expected.setfieldval(name, after)
        assert got == bytes(Ether() / expected / UDP())


@pytest.mark.parametrize("frame", [Ether() / ARP(), Ether(type=0x88CC) / Raw(b"x"), Raw(b"x" * 14)])
def test_what_is_not_ip_has_nothing_to_mark(frame):
    assert unmarked(bytes(frame), read_inner(bytes(frame)), 0xFF, uniform=True) == bytes(frame)
