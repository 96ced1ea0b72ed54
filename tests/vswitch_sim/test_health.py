"""BFD sessions over a wire that loses what it likes; control packets as scapy reads them."""

import random
from functools import partial
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.contrib.bfd import BFD
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

from vswitch_sim.clock import Clock
from vswitch_sim.health import Control, Diagnostic, Session, State, control_frame, read_control


class Wire:
    """Two sessions, and what lies between them."""

    def __init__(self, interval_s: float = 0.3, delay_s: float = 0.001, seed: int = 0) -> None:
        self.clock = Clock()
        self.cut = [False, False]
        self.said: list[tuple[float, int, bool]] = []
        self.sent_s: list[list[float]] = [[], []]
        rng = random.Random(seed)
        self.delay_s = delay_s
        self.ends = [
            Session(
                self.clock,
                rng,
                end + 1,
                partial(self.carry, end),
                partial(self.hear, end),
                interval_s,
            )
            for end in (0, 1)
        ]

    def carry(self, end: int, frame: bytes) -> None:
        self.sent_s[end].append(self.clock.now_s)
        if not self.cut[end]:
            control = read_control(frame)
            assert control is not None
            self.clock.after(self.delay_s, lambda: self.ends[1 - end].receive(control))

    def hear(self, end: int, up: bool) -> None:
        self.said.append((self.clock.now_s, end, up))

    @property
    def up(self) -> list[bool]:
        return [session.state == State.UP for session in self.ends]


def test_a_session_comes_up_in_a_few_round_trips_and_stays():
    wire = Wire()
    wire.clock.run_for(0.1)
    assert wire.up == [True, True]
    wire.clock.run_for(60)
    assert [(end, up) for _, end, up in wire.said] in (
        [(0, True), (1, True)],
        [(1, True), (0, True)],
    )


def test_both_ends_notice_a_cut_in_either_direction_within_four_intervals():
    for direction in (0, 1):
        wire = Wire()
        wire.clock.run_for(10)
        wire.cut[direction] = True
        cut_s = wire.clock.now_s
        wire.clock.run_for(4 * 0.3)
        assert wire.up == [False, False]
        assert [up for _, _, up in wire.said] == [True, True, False, False]
        assert all(time_s - cut_s <= 4 * 0.3 for time_s, _, up in wire.said if not up)
        wire.cut[direction] = False
        wire.clock.run_for(1.1)
        assert wire.up == [True, True]


def test_a_session_that_is_not_up_sends_once_a_second_at_most():
    wire = Wire()
    wire.cut = [True, True]
    wire.clock.run_for(30)
    assert wire.said == [(3.0, 0, False), (3.0, 1, False)]
    for times in wire.sent_s:
        gaps = [later - earlier for earlier, later in pairwise(times)]
        assert all(0.75 <= gap <= 1.0 for gap in gaps)
        assert len({round(gap, 6) for gap in gaps}) > 10


def test_a_closed_session_says_nothing_more():
    wire = Wire()
    wire.clock.run_for(5)
    sent = len(wire.sent_s[0])
    wire.ends[0].close()
    wire.clock.run_for(5)
    assert len(wire.sent_s[0]) == sent
    assert wire.up[1] is False


cuts = st.lists(st.tuples(st.floats(0.01, 3), st.booleans(), st.booleans()), max_size=12)


@settings(max_examples=50, deadline=None)
@given(cuts, st.integers(0, 1000))
def test_whatever_is_cut_both_ends_agree_when_it_has_been_quiet_for_long(cuts, seed):
    wire = Wire(seed=seed)
    for seconds, *cut in [*cuts, (0.01, False, False)]:
        wire.cut = list(cut)
        wire.clock.run_for(seconds)
    wire.clock.run_for(5)
    assert wire.up == [True, True]
    for end in (0, 1):
        heard = [up for _, at, up in wire.said if at == end]
        assert heard == [
            up for place, up in enumerate(heard) if place == 0 or up != heard[place - 1]
        ]
        assert heard[-1] is True


def test_scapy_reads_the_control_packet():
    control = Control(State.UP, Diagnostic.NONE, 3, 7, 9, 300_000, 200_000)
    frame = Ether(control_frame(control))
    assert (frame[IP].ttl, frame[UDP].dport) == (255, 3784)
    bfd = frame[BFD]
    assert (bfd.version, bfd.diag, bfd.sta, bfd.detect_mult, bfd.len) == (1, 0, 3, 3, 24)
    assert (bfd.my_discriminator, bfd.your_discriminator) == (7, 9)
    assert (bfd.min_tx_interval, bfd.min_rx_interval) == (300_000, 200_000)
    checksum = frame[IP].chksum
    del frame[IP].chksum
    assert Ether(bytes(frame))[IP].chksum == checksum


@given(st.integers(0, 65), st.integers(1, 255))
def test_a_damaged_control_packet_is_none_or_well_formed(place, flip):
    control = Control(State.INIT, Diagnostic.TIME_EXPIRED, 3, 7, 9, 300_000, 300_000)
    frame = bytearray(control_frame(control))
    assert read_control(bytes(frame)) == control
    frame[place] ^= flip
    read = read_control(bytes(frame))
    assert read is None or (read.mine and read.multiplier)
    assert read_control(bytes(frame[:place])) is None
