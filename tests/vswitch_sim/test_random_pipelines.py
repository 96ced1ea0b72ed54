"""Cached = uncached: a switch and one that keeps no megaflows, side by side, under random updates.

All features together: bundles that replace flows, groups of all types, ports that go up and down,
meters, connection tracking and NAT, learning, timeouts, a controller that answers. What leaves,
what is dropped, and every counter of every flow, group and bucket must be the same after each
step: with megaflows counters are attributed from theirs, without each packet is counted where it
passes.
"""

from itertools import combinations, product

import pytest

from tests.vswitch_sim.random_pipelines import FRAMES, PORTS, Chooser, distinct
from vswitch_sim import (
    OFPVID_PRESENT,
    Bucket,
    Entry,
    FlowError,
    FlowUpdate,
    GroupType,
    MeterBand,
    Switch,
)
from vswitch_sim.fields import TAG_BITS, TAG_MASK, TAG_SHIFT

SEEDS = range(25)
STEPS = 120
PACKETS_A_STEP = 8
# Of answers to answers.
ANSWERS_MAX = 3


class Pair:
    """The two switches, and what both hold."""

    def __init__(self, chooser: Chooser) -> None:
        self.chooser = chooser
        self.cached = Switch("hv1")
        self.uncached = Switch("hv1", megaflows_max=0)
        self.n_packets = 0
        self.n_answers = 0
        for switch in (self.cached, self.uncached):
            for port in PORTS:
                switch.add_port(port, f"p{port}")
        self.apply(FlowUpdate(add=chooser.entries(20)))

    def entries(self) -> list[Entry]:
        switch = self.cached
        return [*switch.flows(), *switch.groups(), *switch.buckets(), *switch.meters()]

    def apply(self, update: FlowUpdate) -> None:
        refused = []
        for switch in (self.cached, self.uncached):
            try:
                switch.apply(update)
            except FlowError as error:
                refused.append(str(error))
        assert len(set(refused)) <= 1
        assert len(refused) in (0, 2)

    def update(self) -> None:
        """Replace some entries by some others."""
        rng = self.chooser.rng
        typed = [entry for entry in self.entries() if not isinstance(entry, MeterBand)]
        gone = rng.sample(typed, min(len(typed), rng.choice((0, 1, 1, 2, 10))))
        new: list[Entry] = [self.chooser.flow() for _ in range(rng.choice((0, 1, 1, 2, 10)))]
        if rng.random() < 0.3:
            new.append(self.chooser.bucket(rng.choice((1, 2)), "ff", rng.randrange(3)))
        if rng.random() < 0.1:
            new.append(GroupType(rng.choice((1, 2)), rng.choice(("all", "select", "ff"))))
        # A group of no type said is there as one of type "all", and cannot be removed.
        gone = [entry for entry in gone if not isinstance(entry, GroupType)]
        new = distinct(new)
        there = {(type(entry), entry.identity): entry for entry in typed}
        for entry in new:
            old = there.get((type(entry), entry.identity))
            if old is not None and old not in gone and not isinstance(old, GroupType):
                gone.append(old)
        self.apply(FlowUpdate(gone, new))

    def step(self) -> None:
        rng = self.chooser.rng
        draw = rng.random()
        now_s = self.cached.now_s + (rng.choice((0.5, 1, 3, 12)) if rng.random() < 0.3 else 0)
        if draw < 0.5:
            self.update()
        elif draw < 0.65:
            port, is_up = rng.choice(PORTS), rng.random() < 0.5
            for switch in (self.cached, self.uncached):
                switch.set_port_up(port, is_up)
        elif draw < 0.7:
            for switch in (self.cached, self.uncached):
                switch.remove_port(3)
                switch.add_port(3, "p3")
        packets = [(rng.choice(PORTS), self.chooser.frame()) for _ in range(PACKETS_A_STEP)]
        # The same again, some of which hit what the first made.
        self.send([*packets, *rng.sample(packets, 4)], now_s, batch=rng.random() < 0.3)

    def send(self, packets: list[tuple[int, bytes]], now_s: float, *, batch: bool) -> None:
        self.n_packets += len(packets)
        expected = [self.uncached.process(port, frame, 0, now_s) for port, frame in packets]
        if batch:
            in_ports, frames = [port for port, _ in packets], [frame for _, frame in packets]
            left = self.cached.process_batch(in_ports, frames, now_s)
            assert left == [
                (place, egress.port, egress.tun_id, egress.frame)
                for place, egresses in enumerate(expected)
                for egress in egresses
            ]
        else:
            sent = [self.cached.process(port, frame, 0, now_s) for port, frame in packets]
            assert sent == expected
        assert self.cached.packet_ins() == self.uncached.packet_ins()
        for _ in range(ANSWERS_MAX):
            self.answer()
        assert self.cached.waiting() == self.uncached.waiting()

    def answer(self) -> None:
        """Put the frame back with its addresses swapped; perhaps only after another update."""
        waiting = self.cached.waiting()
        assert waiting == self.uncached.waiting()
        if waiting and self.chooser.rng.random() < 0.2:
            self.update()
        for asked in waiting:
            frame = asked.frame[6:12] + asked.frame[:6] + asked.frame[12:]
            sent = [it.resume(asked, frame) for it in (self.cached, self.uncached)]
            assert sent[0] == sent[1]
            self.n_answers += 1
        assert self.cached.packet_ins() == self.uncached.packet_ins()

    def check(self) -> None:
        assert self.cached.drops == self.uncached.drops
        assert self.cached.flows() == self.uncached.flows()
        assert self.cached.groups() == self.uncached.groups()
        for port in PORTS:
            assert self.cached.port_statistics(port) == self.uncached.port_statistics(port)


@pytest.mark.parametrize("seed", SEEDS)
def test_cached_is_uncached(seed: int):
    pair = Pair(Chooser(seed))
    for _ in range(STEPS):
        pair.step()
        pair.check()
    assert pair.n_packets == STEPS * (PACKETS_A_STEP + 4)
    assert pair.cached.cache.hits > pair.n_packets // 10
    assert pair.uncached.cache.hits == 0
    check_disjoint(pair.cached)


def check_disjoint(switch: Switch) -> None:
    """Of one version; one that outlives an update may overlap those that read less after it."""
    switch.advance(switch.now_s + 20)
    assert switch.cache.megaflows == 0
    version = switch._slow.tables.versions.current
    for in_port, frame in product(PORTS, FRAMES):
        switch.process(in_port, frame)
    if switch._slow.tables.versions.current == version:
        covered = [told(it.key, it.mask) for it in switch._slow.datapath.megaflows()]
        for (one, one_mask), (other, other_mask) in combinations(covered, 2):
            assert (one ^ other) & one_mask & other_mask


def told(key: int, mask: int) -> tuple[int, int]:
    """Key and mask, with what they imply: a tag that has any bit is there."""
    for shift in (0, TAG_BITS):
        if key & mask & TAG_MASK << shift:
            present = OFPVID_PRESENT << TAG_SHIFT << shift
            key, mask = key | present, mask | present
    return key, mask


def test_answers_come_up():
    pair = Pair(Chooser(2))
    for _ in range(STEPS):
        pair.step()
    assert pair.n_answers > 20


def test_there_are_enough_cases():
    assert len(SEEDS) * STEPS * (PACKETS_A_STEP + 4) >= 20_000
    assert any(isinstance(entry, Bucket) for entry in Chooser(0).entries(20))
