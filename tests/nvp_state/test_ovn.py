"""Our networks beside real OVN: the same packets in, the same packets out, at the same ports.

Random networks are loaded into a private OVN and into an `Emulation`; random frames go through
both, and so do the answers of the VMs that got them. What comes out must be the same, as
`ovn_packets.read` sees it: port, MACs, TTL, and what OVN itself would answer.

`COMPARED` says which features take part. `NOT_CARRIED` is the one place for what we do not do as
OVN does it, each with a reason and for which packets (docs/decisions/0022); of these there are few.
"""

from collections import Counter
from random import Random

import pytest
from attrs import define, field

from nvp_state import Emulation, NetworkState
from tests import ovn
from tests.nvp_state.random_networks import Features, a_network
from tests.nvp_state.random_probes import answer, kinds, probes, schedule
from tests.ovn import Delivered, OvnNetwork
from tests.ovn_packets import kind, read

pytestmark = ovn.installed

NETWORKS, PROBES = {"switches": 60, "routers": 100, "everything": 150}, 40
# So many are one test: several processes share them.
AT_ONCE, SIDE_BY_SIDE = 50, 25
ANSWERED = 0.5
RST, ACK = 0x04, 0x10
SEED = 20140402

COMPARED = {
    "switches": Features.switching(ip6=True),
    "routers": Features.switching(ip6=True, routers=True),
    "everything": Features(),
}


def is_nobodys_or_everybodys(packet, _lost):
    """Nobody answers such packets with an error (RFC 1122, 3.2.2 and 4.2.3.10)."""
    return int(packet["eth.dst"][:2], 16) & 1 or packet.get("ip4.src") == "0.0.0.0"


def goes_round(_packet, lost):
    """A switch gives up a packet that is routed round and round, as Open vSwitch does."""
    return bool(lost["nested_too_deep"] or lost["too_many_steps"])


NOT_CARRIED = {
    "a packet to a group, or from nobody, is never answered with an error": (
        is_nobodys_or_everybodys
    ),
    "a routing loop ends with the packet's 64th table": goes_round,
}


def names(switch):
    return {port["name"] for port in switch["ports"]}


@define
class Comparison:
    """Both sides of one network, and what was compared so far."""

    document: dict
    theirs: OvnNetwork
    ours: Emulation
    tally: Counter = field(factory=Counter)
    differences: list[str] = field(factory=list)

    def send(self, port: str, frame: bytes) -> list[Delivered]:
        """Send a frame through both, compare, and return what OVN delivers."""
        packet = read(frame)
        theirs = self.theirs.send(port, frame)
        before = self.ours.fabric.drops
        ours = [Delivered.of(it.port, it.frame) for it in self.ours.send(port, frame)]
        same = in_order(ours) == in_order(theirs)
        reasons = [
            reason
            for reason, excepts in NOT_CARRIED.items()
            if excepts(packet, self.ours.fabric.drops - before)
        ]
        reasons = [] if same else reasons
        self.tally["compared"] += not reasons
        self.tally[f"to {min(len(theirs), 2)}"] += 1
        self.tally.update(f"needed: {reason}" for reason in reasons if not same)
        if not same and not reasons:
            self.differences.append(
                f"{kind(packet)} from {port} {packet}:\n  ours {ours}\nOVN's {theirs}\n"
                f"{self.document}"
            )
        return theirs if same else []

    def converse(self, random: Random, port: str, frame: bytes) -> None:
        """Send a frame, and what the VMs that get it answer."""
        for delivered in self.send(port, frame):
            back = answer(delivered.packet)
            if back is not None and random.random() < ANSWERED:
                self.send(delivered.port, back)


def in_order(deliveries):
    return sorted((it.port, sorted(without_needless_ack(it.packet).items())) for it in deliveries)


def without_needless_ack(packet):
    """A reset that answers an ACK acknowledges nothing (RFC 9293, 3.10.7.1); OVN's always does."""
    flags = int(packet.get("tcp.flags", 0))
    return packet | {"tcp.flags": str(flags & ~ACK)} if flags & RST else packet


def compared(real_ovn, features, numbers, rules=()):
    """What came of comparing random networks: the tally and the differences."""
    tally, differences = Counter(), []
    seeds = [f"{SEED}-{number}" for number in numbers]
    for start in range(0, len(seeds), SIDE_BY_SIDE):
        batch = seeds[start : start + SIDE_BY_SIDE]
        documents = [a_network(Random(each), features) for each in batch]
        for each, theirs in zip(batch, real_ovn.load(documents), strict=True):
            state = NetworkState(rules)
            ours = Emulation(state)
            state.load(theirs.document)
            comparison = Comparison(theirs.document, theirs, ours)
            random = Random(f"probes {each}")
            for port, frame in probes(random, theirs.document, PROBES):
                comparison.converse(random, port, frame)
            tally += comparison.tally
            differences += [f"seed {each}: {text}" for text in comparison.differences]
    return tally, differences


SHARES = [
    (what, range(first, min(first + AT_ONCE, count)))
    for what, count in NETWORKS.items()
    for first in range(0, count, AT_ONCE)
]


@pytest.mark.parametrize(("what", "numbers"), SHARES, ids=lambda it: str(it).replace("range", ""))
def test_a_network_does_what_ovn_says(real_ovn, what, numbers):
    tally, differences = compared(real_ovn, COMPARED[what], numbers)
    assert not differences, f"{len(differences)} of {tally}, such as\n{differences[0]}"
    frames = len(numbers) * PROBES
    assert tally["compared"] > 0.98 * frames, tally
    assert min(tally["to 0"], tally["to 1"]) > 0.1 * frames, tally
    assert tally["to 2"] > 0.02 * frames, tally


def test_a_difference_is_found(real_ovn, tmp_path):
    """Of a switch that a policy keeps from answering ARP."""
    policy = tmp_path / "silent.nlog"
    policy.write_text(
        'universal_flow(s, "", n, 200, [Field("eth_type", 0x0806, -1)], pass) :-\n'
        '    logical_switch(name: s), stage_flow("in_arp", n, pass).\n'
    )
    _, differences = compared(real_ovn, COMPARED["switches"], range(2), rules=[policy])
    assert any("arp request" in each for each in differences)


@pytest.mark.parametrize("features", [Features(), Features.switching()], ids=["all", "switches"])
def test_every_kind_of_frame_is_among_a_networks_probes(features):
    for number in range(20):
        document = a_network(Random(number), features)
        assert set(schedule(Random(number), document, PROBES)) == set(kinds(document))


def test_a_network_is_made_by_its_seed():
    first, second = (a_network(Random("seed"), Features()) for _ in range(2))
    assert first == second
    frames = [list(probes(Random(1), first, 40)) for _ in range(2)]
    assert frames[0] == frames[1]
