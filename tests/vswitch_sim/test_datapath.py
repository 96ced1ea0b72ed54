"""The datapath against a twin without caches, and what its interface promises."""

import gc
import weakref
from fractions import Fraction
from random import Random

import pytest

from tests.vswitch_sim import datapath_twin, frame_twin
from tests.vswitch_sim.datapath_twin import Twin
from tests.vswitch_sim.frame_twin import LAYOUT
from tests.vswitch_sim.odd_frames import KINDS, damaged
from tests.vswitch_sim.test_datapath_frames import WRITABLE, mask_of
from vswitch_sim.datapath import _core

TCP = KINDS[5]
UDP = KINDS[7]
EVERYTHING = (1 << 8 * _core.KEY_BYTES) - 1
FIELDS = ["in_port", "tun_id", "eth_type", "ip_proto", "tcp_dst", "ipv4_dst", "vlan_vid", "ip_ttl"]


def key_with(**fields: int) -> int:
    return sum(value << LAYOUT[name][0] for name, value in fields.items())


def set_field(name: str, value: int) -> tuple:
    return ("set", key_with(**{name: value}), mask_of(name))


class Slow:
    """A slow path that answers every packet with one list of actions, and counts."""

    def __init__(self, actions: list, mask: int = mask_of("eth_type"), keep: bool = True):
        self.actions, self.mask, self.keep = actions, mask, keep
        self.asked: list[tuple[int, int, bytes]] = []

    def __call__(self, number: int, key: int, frame: bytes):
        self.asked.append((number, key, frame))
        return self.mask, self.actions, self.keep


def datapath_with(slow, ports=(1, 2, 3), **limits) -> _core.Datapath:
    datapath = _core.Datapath(slow, **limits)
    for port in ports:
        datapath.add_port(port)
    return datapath


def random_actions(random: Random, depth: int = 0) -> list:
    actions: list[tuple] = []
    for _ in range(random.randrange(5)):
        match random.randrange(10):
            case 0 | 1 | 2:
                actions.append(("output", random.randrange(1, 5)))
            case 3:
                mask = mask_of(random.choice([*WRITABLE, "tun_id", "in_port", "ct_mark"]))
                mask &= random.choice((EVERYTHING, random.getrandbits(8 * _core.KEY_BYTES)))
                actions.append(("set", random.getrandbits(8 * _core.KEY_BYTES) & mask, mask))
            case 4:
                actions.append(("push_vlan", random.choice((0x8100, 0x88A8)), random.randrange(9)))
            case 5:
                actions.append(("pop_vlan",))
            case 6 if depth < 2:
                actions.append(("clone", random_actions(random, depth + 1)))
            case 7:
                actions.append(("recirc", random.randrange(1, 4)))
            case 8:
                actions.append(("drop", random.choice("ab")))
            case 9:
                actions.append(("controller", random.choice("ab"), random.randrange(3)))
    return actions


def random_rules(random: Random) -> list:
    rules = []
    for _ in range(random.randrange(8)):
        names = random.sample([*FIELDS, "recirc_id"], random.randrange(1, 4))
        key = frame_twin.key_of(random.choice(KINDS), {})
        for name in set(names) & {"in_port", "tun_id", "recirc_id"}:
            key |= key_with(**{name: random.randrange(3)})
        mask = mask_of(*names)
        if random.random() < 0.3:
            mask &= random.getrandbits(8 * _core.KEY_BYTES)
        rules.append((key & mask, mask, random_actions(random)))
    return rules


@pytest.mark.parametrize("seed", range(25))
def test_what_is_cached_is_what_the_rules_say(seed: int):
    """However rules, ports and limits change, and whatever frames come."""
    random = Random(seed)
    twin = Twin(random_rules(random), {1, 2, 3})
    limit = random.choice((0, 1, 3, 100))

    def translate(_number, key, _frame):
        mask, actions = datapath_twin.translate(twin.rules, key)
        return mask, actions, random.random() < 0.9

    datapath = datapath_with(translate, megaflows_max=limit, exact_max=random.choice((0, 4, 8192)))
    pool = [damaged(random) for _ in range(12)]
    for now in range(120):
        match random.randrange(12):
            case 0:
                twin.rules = random_rules(random)
                datapath.remove([flow.number for flow in datapath.megaflows()])
            case 1:
                datapath.expire(now, random.randrange(10))
            case 2:
                twin.ports ^= {3}
                (datapath.add_port if 3 in twin.ports else datapath.remove_port)(3)
        in_port, tun_id, frame = random.randrange(3), random.randrange(3), random.choice(pool)
        recirc_id = random.choice((0, 0, 1, 2))
        twin.process(in_port, frame, tun_id, recirc_id)
        outcome = datapath.process(in_port, frame, tun_id, now, recirc_id)
        assert outcome.egress == twin.egress
        assert outcome.controller == twin.controller
        assert outcome.drops == twin.drops
        assert len(datapath.megaflows()) <= limit


def test_a_batch_is_its_frames_one_after_the_other():
    random = Random(5)
    n_controller = 0
    for _ in range(20):
        rules = random_rules(random)

        def translate(_number, key, _frame, rules=rules):
            return *datapath_twin.translate(rules, key), True

        single, batch = datapath_with(translate), datapath_with(translate)
        frames = [damaged(random) for _ in range(100)]
        ports = [random.randrange(3) for _ in frames]
        outcomes = [single.process(*one, 0, 1.0) for one in zip(ports, frames, strict=True)]
        egress = [(place, *copy) for place, one in enumerate(outcomes) for copy in one.egress]
        controller = [copy for one in outcomes for copy in one.controller]
        n_controller += len(controller)
        assert batch.process_batch(ports, frames, 1.0) == (egress, controller)
        assert batch.counters == single.counters
        assert batch.drops == single.drops
    assert n_controller > 20


def test_the_slow_path_is_asked_once_for_all_packets_that_agree():
    slow = Slow([("output", 2)])
    datapath = datapath_with(slow)
    for now, frame in enumerate((TCP, TCP, UDP, TCP)):
        assert datapath.process(1, frame, 0, now).egress == [(2, 0, frame)]
    ((number, key, frame),) = slow.asked
    assert (key, frame) == (_core.parse(TCP).key | key_with(in_port=1), TCP)
    (megaflow,) = datapath.megaflows()
    assert (megaflow.number, megaflow.mask) == (number, mask_of("eth_type"))
    assert megaflow.key == key_with(eth_type=0x0800)
    assert (megaflow.n_packets, megaflow.n_bytes) == (4, 3 * len(TCP) + len(UDP))
    assert megaflow.used_s == 3.0
    counters = datapath.counters
    assert (counters["misses"], counters["exact_hits"], counters["megaflow_hits"]) == (1, 2, 1)
    assert (counters["port_1_rx_packets"], counters["port_2_tx_bytes"]) == (4, megaflow.n_bytes)
    assert datapath.trace_lookup(key).number == number
    assert datapath.trace_lookup(key_with(eth_type=0x0806)) is None
    assert datapath.counters == counters


def test_what_went_is_found_no_more_and_tells_what_it_had_counted():
    slow = Slow([("output", 2)])
    datapath = datapath_with(slow)
    datapath.process(1, TCP, 0, 1)
    datapath.process(1, TCP, 0, 2)
    number = slow.asked[0][0]
    (gone,) = datapath.remove([number, number, 12345])
    assert (gone.number, gone.n_packets) == (number, 2)
    assert datapath.megaflows() == []
    datapath.process(1, TCP, 0, 3)
    assert len(slow.asked) == 2
    assert slow.asked[1][0] != number
    assert datapath.expire(12.9, 10) == []
    assert [flow.number for flow in datapath.expire(13, 10)] == [slow.asked[1][0]]


def test_without_room_actions_are_done_but_not_kept():
    slow = Slow([("output", 2)])
    datapath = datapath_with(slow, megaflows_max=0)
    for now in range(3):
        assert datapath.process(1, TCP, 0, now).egress == [(2, 0, TCP)]
    assert len(slow.asked) == 3
    assert datapath.counters["megaflows_refused"] == 3


def test_an_upcall_may_do_what_it_likes():
    """Remove what is being done, pass another packet, and answer all the same."""

    def translate(number, key, _frame):
        if key & mask_of("recirc_id"):
            datapath.remove([flow.number for flow in datapath.megaflows()])
            datapath.remove_port(3)
            if number < 10:
                outcomes.append(datapath.process(2, UDP, 0, 0.0))
            return mask_of("recirc_id"), [("output", 2)], True
        clone = ("clone", [("recirc", number)])
        return EVERYTHING, [("output", 3), clone, ("output", 3), ("output", 1)], True

    outcomes: list = []
    datapath = datapath_with(translate)
    outcome = datapath.process(1, TCP, 0, 0.0)
    assert outcome.egress == [(3, 0, TCP), (2, 0, TCP), (1, 0, TCP)]
    assert outcome.drops == ["no_such_port"]
    assert all(one.egress == [(2, 0, UDP), (1, 0, UDP)] for one in outcomes)
    assert len(outcomes) > 3


def test_what_an_upcall_raises_leaves_nothing_of_the_packet():
    def translate(_number, key, _frame):
        if key & mask_of("recirc_id"):
            raise LookupError("no")
        return mask_of("recirc_id"), [("output", 2), ("drop", "x"), ("recirc", 1)], True

    datapath = datapath_with(translate)
    before = None
    for _ in range(3):
        with pytest.raises(LookupError):
            datapath.process(1, TCP, 0, 1.0)
        with pytest.raises(LookupError):
            datapath.process_batch([1, 1], [TCP, UDP], 1.0)
        counts = {name: n for name, n in datapath.counters.items() if "masks" not in name}
        before = before or counts
        assert {**counts, "exact_entries": 0} == {**before, "exact_entries": 0}
    assert (datapath.megaflows()[0].n_packets, datapath.drops) == (0, {})


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (None, "mask, actions, keep"),
        ((0, [], 1), "keep a megaflow is a bool"),
        ((-1, [], True), "a mask has from 0"),
        ((1 << 8 * _core.KEY_BYTES, [], True), "a mask has from 0"),
        (("m", [], True), "a mask is an int"),
        ((0, 5, True), "a list or a tuple"),
        ((0, ["output"], True), "begins with its name"),
        ((0, [("outptu", 1)], True), "there are clone, controller"),
        ((0, [("output",)], True), "output has 1 arguments"),
        ((0, [("output", -1)], True), "a port is from 0"),
        ((0, [("output", "1")], True), "a port is an int"),
        ((0, [("push_vlan", 0x0800, 1)], True), "TPID"),
        ((0, [("drop", 1)], True), "a reason is a str"),
        ((0, [("controller", "a")], True), "controller has 2 arguments"),
        ((0, [("controller", "a", 1 << 32)], True), "a recirc_id"),
        ((0, [("ct", {"zone": 1 << 16})], True), "a zone"),
        ((0, [("ct", {"alg": "ftp"})], True), "alg"),
        ((0, [("ct", {"comit": True})], True), "no argument 'comit'"),
        ((0, [("ct", {"force": True})], True), "without a commit"),
        ((0, [("ct", {"nat": {"address_min": "10.0.0.1"}})], True), "say source"),
        ((0, [("ct", {"nat": {"source": True, "address_min": "10.0.0"}})], True), "no address"),
        ((0, [("ct", {"mark": (1 << 32, 0)})], True), "32 bits"),
    ],
)
def test_a_translation_that_makes_no_sense_is_refused_by_name(answer, words):
    datapath = datapath_with(lambda *_: answer)
    with pytest.raises((ValueError, TypeError), match=words):
        datapath.process(1, TCP, 0, 0.0)
    assert datapath.megaflows() == []


def test_arguments_that_make_no_sense_are_refused_by_name():
    datapath = datapath_with(Slow([]))
    datapath.process(1, TCP, 0, 5.0)
    for call, words in [
        (lambda: datapath.process(1, TCP, 0, 4.0), "time does not go back"),
        (lambda: datapath.process(1, TCP, 0, float("nan")), "now_s"),
        (lambda: datapath.process(-1, TCP, 0, 5.0), "a port"),
        (lambda: datapath.process(1, TCP, 1 << 64, 5.0), "a tun_id"),
        (lambda: datapath.process(1, bytearray(TCP), 0, 5.0), "a frame is bytes"),
        (lambda: datapath.process(1, TCP, 0, 5.0, -1), "a recirc_id"),
        (lambda: datapath.process_batch([1], [], 5.0), "1 in_ports for 0 frames"),
        (lambda: datapath.expire(5.0, -1), "idle_s"),
        (lambda: datapath.set_meter(1, "mbps", 1, 1), "kbps or pktps"),
        (lambda: datapath.trace_lookup(-1), "a key"),
        (lambda: _core.Datapath(5), "translate is a function"),
    ]:
        with pytest.raises((ValueError, TypeError), match=words):
            call()


@pytest.mark.parametrize("unit", ["pktps", "kbps"])
def test_a_meter_is_a_bucket_of_tokens(unit: str):
    """Against one in fractions, at random times; what is over the rate takes nothing."""
    random = Random(9)
    for rate, burst in ((1, 1), (7, 3), (50, 0), (1000, 20)):
        datapath = datapath_with(Slow([("meter", 5), ("output", 2)]))
        datapath.set_meter(5, unit, rate, burst)
        now, full = Fraction(0), Fraction(burst or rate)
        tokens = full
        for _ in range(300):
            waited = Fraction(random.randrange(1000), 1000 * rate) * random.choice((1, 1, 5))
            waited = Fraction(round(waited * 10**9), 10**9)
            frame = random.choice((TCP, UDP.ljust(1000, b"\0")))
            now, tokens = now + waited, min(full, tokens + waited * rate)
            wanted = 1 if unit == "pktps" else Fraction(8 * len(frame), 1000)
            passes = wanted <= tokens
            tokens -= wanted if passes else 0
            outcome = datapath.process(1, frame, 0, float(now))
            assert outcome.drops == ([] if passes else ["meter"])
            assert len(outcome.egress) == passes
        datapath.remove_meter(5)
        assert datapath.process(1, TCP, 0, float(now)).drops == []


def test_a_loop_of_recirculations_ends():
    datapath = datapath_with(Slow([("recirc", 1)]))
    assert datapath.process(1, TCP, 0, 0).drops == ["recirculation_limit"]
    twice = [("clone", [("recirc", 1)]), ("recirc", 2)]
    datapath = datapath_with(Slow(twice))
    assert set(datapath.process(1, TCP, 0, 0).drops) == {"recirculation_limit"}
    assert datapath.counters["recirculations"] == 1024


def test_a_frame_that_nothing_wrote_is_the_frame_that_came():
    datapath = datapath_with(Slow([set_field("tun_id", 7), ("output", 2)]))
    ((_, tun_id, frame),) = datapath.process(1, TCP, 0, 0.0).egress
    assert (tun_id, frame is TCP) == (7, True)


def test_a_datapath_that_its_slow_path_holds_is_collected():
    class Switch:
        def __init__(self):
            self.datapath = _core.Datapath(self.translate)

        def translate(self, number, key, frame):
            raise AssertionError

    switch = Switch()
    reference = weakref.ref(switch)
    del switch
    gc.collect()
    assert reference() is None
