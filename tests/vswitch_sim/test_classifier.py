"""The classifier against a list of flows, on domains so small that everything collides."""

import random

import pytest

from tests.vswitch_sim.linear import hit
from tests.vswitch_sim.random_pipelines import Chooser
from vswitch_sim import Conjunction, Flow, Match
from vswitch_sim.classifier import STAGES, Classifier, FlowEntry
from vswitch_sim.datapath._core import parse
from vswitch_sim.fields import DATAPATH_MASK, FIELDS, PIPELINE_MASK

ETH_TYPE = FIELDS["eth_type"].key_mask


def random_flows(rng: random.Random, chooser: Chooser, n_flows: int) -> list[Flow]:
    flows = {}
    for _ in range(n_flows):
        flow = Flow(0, rng.randrange(4), chooser.match(), ())
        flows[flow.identity] = flow
    return list(flows.values())


def random_key(rng: random.Random, chooser: Chooser, flows: list[Flow]) -> int:
    """A frame's key, most often nearly what some flow matches."""
    parsed = parse(chooser.frame())
    assert parsed is not None
    key = parsed.key | rng.randrange(4) << FIELDS["reg0"].shift
    if rng.random() < 0.6:
        match = rng.choice(flows).match
        key = key & ~match.key_mask | match.key_value
        for _ in range(rng.choice((0, 0, 1))):
            key ^= 1 << rng.randrange(PIPELINE_MASK.bit_length())
    return key


def best(flows: list[Flow], key: int) -> Flow | None:
    """What the linear twin hits: it is told all fields that the key has."""
    return hit(flows, {name: known.of(key) for name, known in FIELDS.items()})


def random_conjunctions(rng: random.Random, chooser: Chooser) -> list[Flow]:
    """Flows with clauses, all of which a packet may meet, and what these come to."""
    flows = []
    for number in (1, 2, 3):
        n_clauses = rng.choice((2, 2, 3))
        for clause in range(1, n_clauses + 1):
            for _ in range(rng.choice((1, 2))):
                parts = [Conjunction(number, clause, n_clauses)]
                if rng.random() < 0.3:
                    parts.append(Conjunction(4, rng.choice((1, 2)), 2))
                flows.append(Flow(0, rng.randrange(1, 5), chooser.match(), tuple(parts)))
        if rng.random() < 0.8:
            match = Match.of(conj_id=rng.choice((number, 4)))
            flows.append(Flow(0, rng.randrange(4), match, ()))
    return flows


@pytest.mark.parametrize("seed", range(40))
def test_it_finds_what_a_list_finds_and_says_which_bits_told(seed: int):
    """Any key that agrees in the bits read hits the same: so megaflows are right, and disjoint."""
    rng, chooser = random.Random(seed), Chooser(seed)
    flows = random_flows(rng, chooser, rng.choice((3, 10, 60)))
    if seed % 2:
        flows = list({it.identity: it for it in flows + random_conjunctions(rng, chooser)}.values())
    classifier = Classifier()
    classifier.insert([FlowEntry(flow) for flow in flows])
    for _ in range(60):
        key = random_key(rng, chooser, flows)
        found = classifier.lookup(0, key)
        entry = found.entry
        assert (entry and entry.flow) == best(flows, key)
        fixed = found.read | ETH_TYPE
        for _ in range(8):
            other = random_key(rng, chooser, flows)
            alike = key & fixed | other & ~fixed
            assert best(flows, alike) == (entry and entry.flow)
            assert classifier.lookup(0, alike) == found


@pytest.mark.parametrize("seed", range(20))
def test_every_version_stays_as_it_was(seed: int):
    """Flows come and go; each version that is kept answers as the list it was."""
    rng, chooser = random.Random(seed), Chooser(seed)
    classifier, there, versions = Classifier(), {}, []
    for version in range(1, 8):
        gone = rng.sample(list(there), min(len(there), rng.randrange(4)))
        for identity in gone:
            there.pop(identity).until = version
        new = {f.identity: f for f in random_flows(rng, chooser, 6) if f.identity not in there}
        entries = {identity: FlowEntry(flow, version) for identity, flow in new.items()}
        classifier.insert(entries.values())
        there |= entries
        versions.append((version, [entry.flow for entry in there.values()]))
    for version, flows in versions:
        for _ in range(20):
            key = random_key(rng, chooser, flows)
            entry = classifier.lookup(version, key).entry
            assert (entry and entry.flow) == best(flows, key)
    classifier.remove([entry for entry in list(classifier) if entry.until <= 7])
    assert {entry.flow for entry in classifier} == set(versions[-1][1])


def test_stages_are_apart_and_are_everything():
    assert sum(STAGES[:2]) + STAGES[3] == (STAGES[0] | STAGES[1] | STAGES[3])
    everything = STAGES[0] | STAGES[1] | STAGES[2] | STAGES[3]
    assert everything & DATAPATH_MASK == DATAPATH_MASK
    assert everything & PIPELINE_MASK == PIPELINE_MASK


IP = {"eth_type": 0x0800}


def bits_read(flows: list[Flow], **packet: int) -> int:
    classifier = Classifier()
    classifier.insert([FlowEntry(flow) for flow in flows])
    found = classifier.lookup(0, Match.of(**packet).key_value)
    assert found.entry is None
    return found.read


def test_a_miss_in_an_early_stage_reads_no_later_one():
    flows = [Flow(0, 1, Match.of(metadata=5, eth_dst=6, **IP, ipv4_dst=7), ())]
    assert bits_read(flows, metadata=4, eth_dst=6, **IP) == FIELDS["metadata"].key_mask
    read = bits_read(flows, metadata=5, eth_dst=7, **IP)
    assert read & FIELDS["ipv4_dst"].key_mask == 0
    assert read & FIELDS["eth_dst"].key_mask == FIELDS["eth_dst"].key_mask


def test_of_addresses_no_more_is_read_than_tells_them_apart():
    """The examples of Pfaff et al., section 5.4: 10.1.0.0/16 is told apart from 10.5.6.7 by /14."""
    address = FIELDS["ipv4_dst"]
    flows = [
        Flow(0, 1, Match.of(**IP, ipv4_dst=(0x0A010000, 0xFFFF0000)), ()),
        Flow(0, 1, Match.of(**IP, ipv4_dst=(0x0B000000, 0xFF000000)), ()),
    ]
    read = bits_read(flows, **IP, ipv4_dst=0x0A050607)
    assert address.of(read) == 0xFFFC0000
    # 192.… differs in the first bit from both.
    assert address.of(bits_read(flows, **IP, ipv4_dst=0xC0A80001)) == 0x80000000


def test_of_ports_no_more_is_read_than_tells_them_apart():
    tcp = {**IP, "ip_proto": 6}
    flows = [Flow(0, 1, Match.of(**tcp, tcp_dst=80), ())]
    read = bits_read(flows, **tcp, tcp_dst=0x8000)
    assert (FIELDS["tcp_dst"].of(read), FIELDS["tcp_src"].of(read)) == (0x8000, 0)
