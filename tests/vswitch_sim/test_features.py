"""What is not in the linear twin, by example: choosing buckets, learning, time, tracking, dumps."""

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import ARP, Dot1Q, Ether

from vswitch_sim import (
    Bucket,
    Ct,
    Entry,
    Flow,
    FlowUpdate,
    Group,
    GroupType,
    Learn,
    LearnMatch,
    LearnOutput,
    Match,
    Meter,
    MeterBand,
    Output,
    PopVlan,
    PortStatistics,
    PushVlan,
    Resubmit,
    SetField,
    Switch,
    TopologyError,
)
from vswitch_sim.datapath._core import parse
from vswitch_sim.fields import FIELDS

MACS = [f"0a:00:00:00:00:{n:02x}" for n in range(6)]


def switch_with(*entries: Entry) -> Switch:
    switch = Switch("hv1")
    for port in range(1, 5):
        switch.add_port(port, f"p{port}")
    switch.apply(FlowUpdate(add=entries))
    return switch


def ports(switch: Switch, in_port: int, frame: bytes, now_s: float | None = None) -> list[int]:
    return [egress.port for egress in switch.process(in_port, frame, 0, now_s)]


def udp(source_port: int, *, source: int = 1, destination: int = 2) -> bytes:
    ether = Ether(src=MACS[source], dst=MACS[destination])
    return bytes(ether / IP(src="10.0.0.1", dst="10.0.0.2") / UDP(sport=source_port, dport=53))


def select(*weights: int, fields: tuple[str, ...] = ()) -> tuple[Entry, ...]:
    buckets = [Bucket(1, n, (Output(2 + n),), weight) for n, weight in enumerate(weights)]
    return (Flow(0, 1, Match(), (Group(1),)), GroupType(1, "select", fields), *buckets)


def test_select_keeps_a_flow_on_one_bucket_and_spreads_flows_by_weight():
    switch = switch_with(*select(1, 3))
    chosen = {port: ports(switch, 1, udp(port)) for port in range(1000, 1800)}
    assert all(ports(switch, 1, udp(port)) == chosen[port] for port in chosen)
    share = sum(left == [3] for left in chosen.values()) / len(chosen)
    assert 0.69 < share < 0.81
    assert switch.cache.misses == len(chosen)
    counted = switch.groups()[GroupType(1, "select")]
    assert counted.n_packets == 2 * len(chosen)
    assert sum(packets for packets, _ in counted.buckets.values()) == counted.n_packets


def test_a_bucket_that_goes_moves_only_the_flows_it_had():
    switch = switch_with(*select(1, 1, 1))
    before = {port: ports(switch, 1, udp(port)) for port in range(1000, 1300)}
    switch.apply(FlowUpdate(remove=[Bucket(1, 1, (Output(3),), 1)]))
    after = {port: ports(switch, 1, udp(port)) for port in before}
    assert all(after[port] == left for port, left in before.items() if left != [3])
    assert all(after[port] in ([2], [4]) for port in before)


def test_only_the_fields_that_are_hashed_count():
    switch = switch_with(*select(1, 1, fields=("eth_src",)))
    for port in range(50):
        ports(switch, 1, udp(port))
    assert switch.cache.megaflows == 1
    (megaflow,) = switch._slow.datapath.megaflows()
    assert FIELDS["eth_src"].of(megaflow.mask) == FIELDS["eth_src"].maximum
    assert FIELDS["ipv4_src"].of(megaflow.mask) == 0


def test_fast_failover_takes_the_first_bucket_that_is_live():
    switch = switch_with(
        Flow(0, 1, Match(), (Group(1),)),
        GroupType(1, "ff"),
        Bucket(1, 1, (Output(2),), watch_port=2),
        Bucket(1, 2, (Group(2),), watch_group=2),
        Bucket(1, 3, (Output(1),), watch_port=9),
        Bucket(2, 1, (Output(3),), watch_port=3),
    )
    assert ports(switch, 1, udp(1)) == [2]
    switch.set_port_up(2, False)
    assert ports(switch, 1, udp(1)) == [3]
    switch.set_port_up(3, False)
    assert ports(switch, 1, udp(1)) == []
    assert switch.drops == {"no_live_bucket": 1}
    switch.set_port_up(2, True)
    assert ports(switch, 1, udp(1)) == [2]


LEARNING = (
    Flow(
        0,
        1,
        Match(),
        (
            Learn(
                1,
                [LearnMatch("eth_dst", "eth_src"), LearnOutput("in_port")],
                idle_timeout=10,
                hard_timeout=30,
            ),
            Resubmit(1),
        ),
    ),
    Flow(1, 0, Match(), (Output(0xFFFFFFFB),)),
)


def test_a_learning_switch():
    switch = switch_with(*LEARNING)
    assert ports(switch, 1, udp(1, source=1, destination=2)) == [2, 3, 4]
    assert ports(switch, 2, udp(1, source=2, destination=1)) == [1]
    assert ports(switch, 1, udp(1, source=1, destination=2)) == [2]
    assert len(switch.flows()) == 4
    # It moves, and is learned where it is now, though both megaflows are cached.
    assert ports(switch, 3, udp(1, source=2, destination=1)) == [1]
    assert ports(switch, 1, udp(1, source=1, destination=2)) == [3]
    learned = [flow for flow in switch.flows() if flow.priority == 32768]
    assert {str(flow) for flow in learned} == {
        (
            "table=1, idle_timeout=10, hard_timeout=30, priority=32768,dl_dst=0a:00:00:00:00:01 "
            "actions=output:1"
        ),
        (
            "table=1, idle_timeout=10, hard_timeout=30, priority=32768,dl_dst=0a:00:00:00:00:02 "
            "actions=output:3"
        ),
    }


def test_what_is_learned_is_kept_young_by_cached_packets():
    switch = switch_with(*LEARNING)
    ports(switch, 2, udp(1, source=2, destination=1), now_s=0)
    for now_s in range(0, 60, 5):
        # Its own packets restart the hard timeout, those to it the idle one.
        assert ports(switch, 1, udp(1, source=1, destination=2), now_s) == [2]
        assert ports(switch, 2, udp(1, source=2, destination=1), now_s) == [1]
    assert ports(switch, 1, udp(1, source=1, destination=2), now_s=64) == [2]
    # Last used at 64, last learned at 55.
    assert ports(switch, 1, udp(1, source=1, destination=2), now_s=73) == [2]
    assert ports(switch, 1, udp(1, source=1, destination=2), now_s=84) == [2, 3, 4]


def test_packets_of_other_megaflows_keep_what_is_learned_young():
    switch = switch_with(*LEARNING)
    for now_s in range(0, 45, 9):
        # Each to another address, hence in a megaflow of its own.
        ports(switch, 2, udp(1, source=2, destination=now_s % 5), now_s)
        assert ports(switch, 1, udp(1, source=1, destination=2), now_s) == [2]


def test_a_learned_flow_that_is_removed_is_learned_again():
    switch = switch_with(*LEARNING)
    ports(switch, 2, udp(1, source=2, destination=1))
    learned = [flow for flow in switch.flows() if flow.priority == 32768]
    switch.apply(FlowUpdate(remove=learned))
    ports(switch, 2, udp(1, source=2, destination=1))
    assert [flow for flow in switch.flows() if flow.priority == 32768] == learned


def test_flows_time_out_when_idle_or_old():
    idle = Flow(0, 2, Match.of(in_port=1), (Output(2),), idle_timeout=5)
    old = Flow(0, 1, Match(), (Output(3),), hard_timeout=12)
    switch = switch_with(idle, old)
    assert ports(switch, 1, udp(1), now_s=4) == [2]
    assert ports(switch, 1, udp(1), now_s=8.9) == [2]
    assert ports(switch, 4, udp(1), now_s=11.9) == [3]
    switch.advance(13.8)
    assert set(switch.flows()) == {idle}
    assert ports(switch, 1, udp(1), now_s=13.9) == []
    assert switch.drops == {"table_miss": 1}
    with pytest.raises(TopologyError, match=r"switch hv1: time does not go from 13\.9 to 13"):
        switch.advance(13)


def test_megaflows_go_when_idle_and_their_counts_stay():
    flow = Flow(0, 1, Match.of(in_port=1), (Output(2),))
    switch = switch_with(flow)
    for _ in range(3):
        ports(switch, 1, udp(1), now_s=1)
    switch.advance(20)
    assert switch.cache.megaflows == 0
    counted = switch.flows()[flow]
    assert (counted.n_packets, counted.idle_s, counted.duration_s) == (3, 19, 20)
    assert switch.port_statistics(2) == PortStatistics(0, 0, 3, 3 * len(udp(1)))


def test_a_meter_lets_its_rate_through():
    switch = switch_with(
        MeterBand(1, 2, 2, "pktps"), Flow(0, 1, Match(), (Output(2), Meter(1), Output(3)))
    )
    sent = [ports(switch, 1, udp(1), now_s=1) for _ in range(4)]
    assert sent == [[2, 3], [2, 3], [2], [2]]
    assert switch.drops == {"meter": 2}
    assert ports(switch, 1, udp(1), now_s=2) == [2, 3]


def test_tags_are_pushed_set_and_popped():
    add = (PushVlan(), SetField("vlan_vid", 0x1007), SetField("vlan_pcp", 5), Output(2))
    switch = switch_with(
        Flow(0, 1, Match.of(vlan_vid=0), add),
        Flow(0, 1, Match.of(vlan_vid=0x1009), (PopVlan(), Resubmit(1))),
        Flow(1, 1, Match.of(vlan_vid=0x1005), (Output(3),)),
        Flow(1, 1, Match.of(vlan_vid=0), (Output(4),)),
    )
    ether, packet = Ether(src=MACS[1], dst=MACS[2]), IP(src="10.0.0.1", dst="10.0.0.2") / UDP()
    (egress,) = switch.process(1, bytes(ether / packet))
    assert egress.frame == bytes(ether / Dot1Q(vlan=7, prio=5) / packet)
    assert "actions:push_vlan(vid=7,pcp=5),2" in switch.dump_megaflows()
    (egress,) = switch.process(1, bytes(ether / Dot1Q(vlan=9) / Dot1Q(vlan=5) / packet))
    assert (egress.port, egress.frame) == (3, bytes(ether / Dot1Q(vlan=5) / packet))
    assert ports(switch, 1, bytes(ether / Dot1Q(vlan=9) / packet)) == [4]


FIREWALL = (
    Flow(0, 1, Match.of(eth_type=0x0800), (SetField("reg0", 7), Ct(zone=1, table=1))),
    Flow(
        1,
        2,
        Match.of(eth_type=0x0800, ct_state=(0x21, 0x21), in_port=1, reg0=7),
        (Ct(zone=1, commit=True, actions=[SetField("ct_mark", 3)]), Output(2)),
    ),
    Flow(1, 2, Match.of(eth_type=0x0800, ct_state=(0x22, 0x22), ct_mark=3, reg0=7), (Output(3),)),
    Flow(1, 1, Match(), ()),
)


def tcp(flags: str, *, back: bool = False) -> bytes:
    ends, ether = ("10.0.0.1", "10.0.0.2"), Ether(src=MACS[1], dst=MACS[2])
    if back:
        return bytes(ether / IP(src=ends[1], dst=ends[0]) / TCP(sport=80, dport=9, flags=flags))
    return bytes(ether / IP(src=ends[0], dst=ends[1]) / TCP(sport=9, dport=80, flags=flags))


def test_a_stateful_firewall_keeps_registers_through_tracking():
    switch = switch_with(*FIREWALL)
    assert ports(switch, 2, tcp("S", back=True)) == []
    assert ports(switch, 1, tcp("S")) == [2]
    assert ports(switch, 2, tcp("SA", back=True)) == [3]
    assert ports(switch, 1, tcp("A")) == [3]
    assert switch.drops == {"drop_flow": 1}


def test_states_of_packets_in_tracking_are_forgotten_with_their_megaflows():
    switch = switch_with(*FIREWALL)
    ports(switch, 1, tcp("S"))
    assert len(switch._slow.states) == 1
    assert switch.cache.megaflows == 2
    # The first pass goes: nothing sends packets into the second any more.
    switch.apply(FlowUpdate(remove=[FIREWALL[0]]))
    assert len(switch._slow.states) == 0
    assert switch.cache.megaflows == 0


def test_a_trace_goes_through_tracking_and_leaves_nothing():
    switch = switch_with(*FIREWALL)
    trace = switch.trace(1, tcp("S"))
    assert [each.recirc_id for each in trace.passes] == [0, 1]
    assert [egress.port for egress in trace.egress] == [2]
    assert [egress.port for egress in switch.trace(1, tcp("A"), 0, [0x22]).egress] == []
    assert "ct_state=est|trk" in str(switch.trace(1, tcp("A"), 0, [0x22]))
    assert switch.cache.megaflows == len(switch._slow.states) == 0


def test_batches_and_frames_are_the_same():
    one, other = switch_with(*LEARNING), switch_with(*LEARNING)
    frames = [udp(n % 3, source=n % 4, destination=(n + 1) % 4) for n in range(40)]
    in_ports = [1 + n % 4 for n in range(40)]
    expected = [
        (place, *(egress.port, egress.tun_id, egress.frame))
        for place, (port, frame) in enumerate(zip(in_ports, frames, strict=True))
        for egress in one.process(port, frame)
    ]
    assert other.process_batch(in_ports, frames) == expected
    assert one.flows() == other.flows()


def test_dumps_read_like_those_of_open_vswitch():
    switch = switch_with(
        Flow(0, 7, Match.of(in_port=1, eth_type=0x0806), (Group(1),), 0xC0DE, 5),
        GroupType(1, "ff"),
        Bucket(1, 1, (SetField("eth_dst", 5), Output(2)), watch_port=2),
    )
    frame = bytes(Ether(src=MACS[1], dst=MACS[2]) / ARP(psrc="10.0.0.1", pdst="10.0.0.2"))
    switch.process(1, frame, now_s=1)
    switch.process(1, frame, now_s=2)
    assert switch.dump_flows() == (
        " cookie=0xc0de, duration=2.000s, table=0, n_packets=2, n_bytes=84, idle_timeout=5, "
        "idle_age=0, priority=7,arp,in_port=1 actions=group:1"
    )
    assert switch.dump_groups() == (
        "group_id=1,type=ff,bucket=bucket_id:1,watch_port:2,"
        "actions=set_field:00:00:00:00:00:05->eth_dst,output:2"
    )
    assert switch.dump_megaflows() == (
        "recirc_id(0),in_port(1),eth_type(0x0806), packets:2, bytes:84, used:0.000s, "
        "actions:set(eth(dst=00:00:00:00:00:05)),2"
    )


def test_parsing_is_what_the_slow_path_sees():
    parsed = parse(udp(7))
    assert parsed is not None
    assert FIELDS["udp_src"].of(parsed.key) == 7
