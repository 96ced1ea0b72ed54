"""The benchmark of the switch measures what it says: which cache hits, and a network worth hitting.

Open vSwitch's speed is not beside ours there; what can be compared on any machine is how many
megaflows the same flows and frames make in both.
"""

import random

from benchmarks.switching import (
    TUNNELS,
    VIFS,
    Frames,
    flows_of,
    measure,
    network,
    renewed,
    switch_with,
)
from tests import openvswitch
from vswitch_sim import flow_lines

FLOWS = 500


def flows(count: int) -> Frames:
    return flows_of(count, random.Random(1))


def test_each_way_is_the_one_it_is_named_after():
    few = flows(200)
    fresh = renewed(few, random.Random(2))
    switch = switch_with(network())
    exact = measure("exact", switch, few, [few, few])
    assert exact.exact_hits == 1
    megaflow = measure("megaflow", switch, few, [fresh])
    assert megaflow.megaflow_hits > 0.9
    assert megaflow.misses == 0
    pipeline = measure("pipeline", switch_with(network(), megaflows_max=0), [], [few])
    assert pipeline.misses == 1


@openvswitch.installed
def test_a_real_switch_makes_as_many_megaflows(tmp_path):
    switch = switch_with(network())
    left = 0
    with openvswitch.OpenVSwitch(tmp_path) as real:
        # None goes while others come, however slow the machine.
        real.vsctl("set", "Open_vSwitch", ".", "other_config:max-idle=600000")
        bridge = real.add_bridge("br-bench", range(1, VIFS + TUNNELS + 1))
        bridge.replace(flow_lines(network()))
        for port, frame in flows(FLOWS):
            bridge.send(port, frame)
            left += len(switch.process(port, frame))
        assert sum(map(len, bridge.sent().values())) == left
        assert len(bridge.datapath_flows()) == switch.cache.megaflows
    assert FLOWS // 2 < switch.cache.megaflows < FLOWS
