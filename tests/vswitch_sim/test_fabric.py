"""Frames across hosts: tunnels, moves, loops, and what is captured on the way."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pcapng import FileScanner
from pcapng.blocks import EnhancedPacket, InterfaceDescription
from scapy.layers.inet import ICMP, IP, TCP
from scapy.layers.l2 import Ether

from vswitch_sim import (
    AtLink,
    AtVif,
    Bucket,
    Delivery,
    Fabric,
    Flow,
    FlowUpdate,
    Group,
    Link,
    Match,
    Output,
    Resubmit,
    SetField,
    TopologyError,
    TunnelHealth,
    Underlay,
)

NETWORK = 0xFEDCBA9876543210


def ip_of(n: int) -> str:
    return f"192.0.2.{n + 1}"


def mesh(n_hosts: int, underlay: Underlay | None = None) -> Fabric:
    """Hosts hv0, hv1, …, each with a VIF at port 1 and a tunnel at 100 + n to each other host."""
    fabric = Fabric(underlay or Underlay.star([f"hv{n}" for n in range(n_hosts)]))
    fill(fabric, n_hosts)
    return fabric


def fill(fabric: Fabric, n_hosts: int) -> None:
    for n in range(n_hosts):
        name = f"hv{n}"
        fabric.add_host(name, ip_of(n))
        fabric.add_vif(name, 1, f"vm{n}")
        for m in range(n_hosts):
            if m != n:
                fabric.add_tunnel(name, 100 + m, ip_of(m))


def mac(n: int) -> int:
    return 0x0A0000000000 | n


def learn(fabric: Fabric, vifs: dict[int, tuple[str, int]]) -> None:
    """Replace all flows by those of one logical switch; `vifs`: VM to (host, port)."""
    place = {name: n for n, name in enumerate(fabric.hosts)}
    for name in fabric.hosts:
        local = [port for host, port in vifs.values() if host == name]
        remote = sorted({place[host] for host, _ in vifs.values() if host != name})
        tag, flood = SetField("tun_id", NETWORK), Match.of(eth_dst=(1 << 40, 1 << 40))
        entries: list[Flow | Bucket] = [
            *(Flow(0, 2, Match.of(in_port=port), (Resubmit(1),)) for port in local),
            Flow(0, 1, Match.of(tun_id=NETWORK), (Resubmit(2),)),
            Flow(1, 2, flood, (Group(1), Group(2))),
            Flow(2, 2, flood, (Group(2),)),
            *(Bucket(1, m, (tag, Output(100 + m))) for m in remote),
            *(Bucket(2, port, (Output(port),)) for port in local),
        ]
        for vm, (host, port) in vifs.items():
            to = (Output(port),) if host == name else (tag, Output(100 + place[host]))
            entries.append(Flow(1, 1, Match.of(eth_dst=mac(vm)), to))
            if host == name:
                entries.append(Flow(2, 1, Match.of(eth_dst=mac(vm)), to))
        switch = fabric.switch(name)
        switch.apply(FlowUpdate(remove=(*switch.flows(), *switch.buckets()), add=entries))


def frame_of(source: int, destination: int, size: int = 60) -> bytes:
    head = destination.to_bytes(6, "big") + mac(source).to_bytes(6, "big") + b"\x88\xcc"
    return head + random.Random(size).randbytes(size)


moves = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), max_size=4)


@settings(max_examples=60, deadline=None)
@given(moves, st.sampled_from([10, 1500, 4000]), st.sampled_from([576, 1500]))
def test_every_frame_reaches_those_it_is_for_wherever_vms_move(moves, size, mtu):
    names = [f"hv{n}" for n in range(4)]
    underlay = Underlay.leaf_spine(names, spine_link=Link(mtu))
    fabric = mesh(4, underlay)
    for n in range(4):
        fabric.remove_vif(f"hv{n}", 1)
    at = {vm: (f"hv{vm}", 10 + vm) for vm in range(3)}
    for vm, (host, port) in at.items():
        fabric.add_vif(host, port, f"vm{vm}")
    for vm, to in [(0, 0), *moves]:
        fabric.remove_vif(*at[vm])
        at[vm] = (f"hv{to}", 10 + vm)
        fabric.add_vif(*at[vm], f"vm{vm}")
        learn(fabric, at)
        for source, place in at.items():
            others = [vm for vm in at if vm != source]
            for destination in others:
                frame = frame_of(source, mac(destination), size)
                delivered = fabric.send(*place, frame)
                assert delivered == [Delivery(*at[destination], f"vm{destination}", frame)]
            frame = frame_of(source, 0xFFFFFFFFFFFF, size)
            delivered = fabric.send(*place, frame)
            assert {delivery.port_name for delivery in delivered} == {f"vm{vm}" for vm in others}
            assert len(delivered) == len(others)
            assert all(delivery.frame == frame for delivery in delivered)


def test_frames_sent_while_a_vif_moves_are_dropped_by_name():
    fabric = mesh(2)
    learn(fabric, {0: ("hv0", 1), 1: ("hv1", 1)})
    frame = frame_of(0, mac(1))
    assert len(fabric.send("hv0", 1, frame)) == 1
    fabric.remove_vif("hv1", 1)
    assert fabric.send("hv0", 1, frame) == []
    assert fabric.drops == {"no_such_port": 1}
    fabric.add_vif("hv1", 7, "vm1")
    learn(fabric, {0: ("hv0", 1), 1: ("hv1", 7)})
    assert fabric.send("hv0", 1, frame) == [Delivery("hv1", 7, "vm1", frame)]


def test_the_tunnel_key_arrives():
    fabric = mesh(2)
    key = SetField("tun_id", NETWORK)
    fabric.switch("hv0").apply(FlowUpdate(add=[Flow(0, 1, Match(), (key, Output(101)))]))
    only = Flow(0, 1, Match.of(in_port=100, tun_id=NETWORK), (Output(1),))
    fabric.switch("hv1").apply(FlowUpdate(add=[only]))
    assert [delivery.host for delivery in fabric.send("hv0", 1, frame_of(0, 1))] == ["hv1"]


def test_a_loop_between_hosts_ends_and_is_counted():
    fabric = mesh(3)
    for n in range(3):
        copies = tuple(Output(100 + m) for m in range(3) if m != n)
        bounce = SetField("in_port", 0)
        fabric.switch(f"hv{n}").apply(FlowUpdate(add=[Flow(0, 1, Match(), (bounce, *copies))]))
    assert fabric.send("hv0", 1, frame_of(0, 1)) == []
    assert fabric.drops["loop"] > 0


@pytest.mark.parametrize(
    ("spoil", "drop"),
    [
        (lambda fabric: fabric.remove_host("hv1"), "unknown_host"),
        (lambda fabric: fabric.remove_tunnel("hv1", 100), "unknown_tunnel"),
        (lambda fabric: fabric.underlay.remove_link("hv1", "core"), "no_route"),
    ],
)
def test_a_broken_way_is_a_named_drop(spoil, drop):
    fabric = mesh(2)
    learn(fabric, {0: ("hv0", 1), 1: ("hv1", 1)})
    spoil(fabric)
    assert fabric.send("hv0", 1, frame_of(0, mac(1))) == []
    assert fabric.drops == {drop: 1}


def test_a_frame_no_tunnel_can_carry_is_a_named_drop():
    fabric = mesh(2)
    learn(fabric, {0: ("hv0", 1), 1: ("hv1", 1)})
    assert fabric.send("hv0", 1, frame_of(0, mac(1), 65_517)) == []
    assert fabric.drops == {"frame_too_big": 1}


def test_a_removed_host_leaves_its_drops_and_may_come_back():
    fabric = mesh(2)
    learn(fabric, {0: ("hv0", 1), 1: ("hv1", 1)})
    assert len(fabric.send("hv0", 1, frame_of(0, mac(1)))) == 1
    assert fabric.send("hv0", 1, frame_of(0, mac(9))) == []
    assert fabric.drops == {"table_miss": 1}
    fabric.remove_host("hv0")
    assert fabric.drops == {"table_miss": 1}
    fabric.add_host("hv0", ip_of(0))
    fabric.add_vif("hv0", 1, "vm0")
    fabric.add_tunnel("hv0", 101, ip_of(1))
    key = SetField("tun_id", NETWORK)
    fabric.switch("hv0").apply(FlowUpdate(add=[Flow(0, 1, Match(), (key, Output(101)))]))
    assert len(fabric.send("hv0", 1, frame_of(0, mac(1)))) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.add_host("hv0", "192.0.2.9", "spare"), r"host hv0 \(192.0.2.1 at hv0\) is th"),
        (lambda f: f.add_host("hv9", "192.0.2.1", "spare"), r"host hv0 \(192.0.2.1 at hv0\) is th"),
        (lambda f: f.add_host("hv9", "192.0.2.9", "hv0"), r"host hv0 \(192.0.2.1 at hv0\) is th"),
        (lambda f: f.add_host("hv9", "192.0.2.9"), "host hv9: the underlay has no node hv9"),
        (lambda f: f.add_host("spare", "here"), "host spare: 'here' is no IP address"),
        (lambda f: f.add_tunnel("hv0", 7, "192.0.2.2"), "port 101 is a tunnel to 192.0.2.2 alread"),
        (lambda f: f.add_tunnel("hv0", 1, "192.0.2.8"), r"port 1 \(vm0\) is there"),
        (lambda f: f.add_tunnel("hv0", 7, "x"), "tunnel of host hv0: 'x' is no IP address"),
        (lambda f: f.remove_tunnel("hv0", 1), r"port 1 \(vm0\) is no tunnel"),
        (lambda f: f.remove_vif("hv0", 101), "port 101 .* is no vif"),
        (lambda f: f.remove_vif("hv0", 9), "no port 9; it has 1"),
        (lambda f: f.remove_host("hv7"), "no host hv7; there are hv0, hv1"),
        (lambda f: f.send("hv7", 1, b""), "no host hv7"),
        (lambda f: f.send("hv0", 9, b""), "switch hv0 has no port 9"),
    ],
)
def test_mistakes_name_the_thing_and_change_nothing(change, message):
    fabric = mesh(2)
    fabric.underlay.add_host("spare", "core")
    with pytest.raises(TopologyError, match=message):
        change(fabric)
    assert list(fabric.hosts) == ["hv0", "hv1"]
    assert {name: list(host.switch.ports) for name, host in fabric.hosts.items()} == {
        "hv0": [1, 101],
        "hv1": [1, 100],
    }
    assert [list(host.tunnels) for host in fabric.hosts.values()] == [[101], [100]]


def blocks_of(path: str) -> tuple[list[str], list[EnhancedPacket]]:
    with open(path, "rb") as file:
        blocks = list(FileScanner(file))
    names = [b.options["if_name"] for b in blocks if isinstance(b, InterfaceDescription)]
    return names, [b for b in blocks if isinstance(b, EnhancedPacket)]


def test_a_capture_holds_each_segment_once_by_sending_nic(tmp_path):
    # A byte a microsecond, on each of four links.
    link, narrow = Link(bandwidth_bps=8e6), Link(600, bandwidth_bps=8e6)
    fabric = mesh(3, Underlay.leaf_spine(["hv0", "hv1", "hv2"], link=link, spine_link=narrow))
    learn(fabric, {n: (f"hv{n}", 1) for n in range(3)})
    path = str(tmp_path / "underlay.pcapng")
    fabric.send("hv0", 1, frame_of(0, mac(1)))
    start_us = round(fabric.clock.now_s * 1e6)
    with fabric.capture(path):
        fabric.send("hv0", 1, frame_of(0, mac(1), 1500))
        middle_us = round(fabric.clock.now_s * 1e6)
        fabric.send("hv1", 1, frame_of(1, mac(0)))
    fabric.send("hv0", 1, frame_of(0, mac(1)))
    names, packets = blocks_of(path)
    assert names == ["hv0", "hv1"]
    assert [b.interface_id for b in packets] == [0, 0, 0, 1]
    assert [b.options["epb_flags"].inout for b in packets] == ["outbound"] * 4
    assert [round(b.timestamp * 1e6) for b in packets] == [*[start_us] * 3, middle_us]
    # Segments of 600, 600 and 452 bytes; the last is behind the second on each of four links.
    assert middle_us - start_us == 600 + 4 * 600 + 452
    outer = [Ether(b.packet_data) for b in packets]
    assert [(p[IP].src, p[IP].dst, p[IP].ttl) for p in outer] == [
        *[("192.0.2.1", "192.0.2.2", 64)] * 3,
        ("192.0.2.2", "192.0.2.1", 64),
    ]
    assert [p[TCP].seq & 0xFFFF for p in outer] == [0, 560, 1120, 0]
    assert len({p.dst for p in outer}) == 2


def test_a_capture_at_points_holds_both_directions_and_says_what_is_lost(tmp_path):
    fabric = mesh(2)
    learn(fabric, {0: ("hv0", 1), 1: ("hv1", 1)})
    path = str(tmp_path / "points.pcapng")
    there, back = frame_of(0, mac(1)), frame_of(1, mac(0))
    with fabric.capture(path, AtVif("hv0", 1), AtLink("hv0", "core")):
        fabric.send("hv0", 1, there)
        fabric.send("hv1", 1, back)
        fabric.underlay.change_link("hv0", "core", loss=1.0)
        fabric.send("hv0", 1, there)
    names, packets = blocks_of(path)
    assert names == ["vm0", "hv0--core"]
    seen = [
        (
            names[b.interface_id],
            b.options["epb_flags"].inout,
            b.options.get("opt_comment", ""),
        )
        for b in packets
    ]
    assert seen == [
        ("vm0", "inbound", ""),
        ("hv0--core", "outbound", ""),
        ("hv0--core", "inbound", ""),
        ("vm0", "outbound", ""),
        ("vm0", "inbound", ""),
        ("hv0--core", "outbound", "dropped: lost"),
    ]
    assert packets[0].packet_data == there
    assert packets[3].packet_data == back
    for point, message in (
        (AtVif("hv0", 9), "host hv0 has no port 9 to capture at"),
        (AtLink("hv0", "hv1"), "no link between hv0 and hv1"),
    ):
        with pytest.raises(TopologyError, match=message), fabric.capture(path, point):
            pass


def test_a_frame_takes_as_long_as_its_way():
    fabric = mesh(2, Underlay.star(["hv0", "hv1"], link=Link(latency_s=0.25)))
    learn(fabric, {0: ("hv0", 1), 1: ("hv1", 1)})
    got: list[Delivery] = []
    fabric.on_delivery.append(got.append)
    fabric.inject("hv0", 1, frame_of(0, mac(1)))
    fabric.run(0.3)
    fabric.inject("hv0", 1, frame_of(0, mac(1), 80))
    fabric.run(0.1)
    assert got == []
    (late,) = fabric.send("hv1", 1, frame_of(1, mac(0)))
    assert [(d.host, round(d.time_s, 6)) for d in got] == [("hv1", 0.5), ("hv1", 0.8), ("hv0", 1.3)]
    assert late == got[2]


def test_a_path_that_becomes_narrower_is_learnt_from_an_error():
    underlay = Underlay.leaf_spine(["hv0", "hv1"], spines=1)
    fabric = mesh(2, underlay)
    learn(fabric, {0: ("hv0", 1), 1: ("hv1", 1)})
    frame = frame_of(0, mac(1), 1400)
    assert len(fabric.send("hv0", 1, frame)) == 1
    underlay.change_link("spine0", "leaf1", mtu=700)
    assert fabric.send("hv0", 1, frame) == []
    assert fabric.drops == {"too_big": 1}
    assert len(fabric.send("hv0", 1, frame)) == 1
    underlay.change_link("spine0", "leaf1", mtu=1500)
    sent: list[int] = []
    underlay.taps.append(lambda crossing: sent.append(len(crossing.packet)))
    fabric.send("hv0", 1, frame)
    assert max(sent) == 700
    fabric.run(601)
    sent.clear()
    fabric.send("hv0", 1, frame)
    assert max(sent) == 1472


def test_an_error_about_another_packet_teaches_nothing():
    underlay = Underlay.star(["hv0", "hv1"])
    fabric = mesh(2, underlay)
    learn(fabric, {0: ("hv0", 1), 1: ("hv1", 1)})
    frame = frame_of(0, mac(1), 1400)
    fabric.send("hv0", 1, frame)
    for quoted in (
        IP(src="192.0.2.2", dst="192.0.2.1", flags="DF"),
        IP(src="192.0.2.1", dst="192.0.2.9", flags="DF"),
    ):
        error = IP(src="192.0.2.2", dst="192.0.2.1") / ICMP(type=3, code=4, nexthopmtu=600)
        underlay.send("hv1", bytes(error / quoted / TCP()))
        fabric.settle()
    sent: list[int] = []
    underlay.taps.append(lambda crossing: sent.append(len(crossing.packet)))
    fabric.send("hv0", 1, frame)
    assert max(sent) == 1472


def test_a_tunnel_is_up_while_both_ends_hear_each_other():
    underlay = Underlay.leaf_spine(["hv0", "hv1", "hv2"], leaves=3, spines=1)
    fabric = Fabric(underlay, health_interval_s=0.1)
    heard: list[TunnelHealth] = []
    fabric.on_health.append(heard.append)
    fill(fabric, 3)
    fabric.run(1)
    ends = [(f"hv{a}", f"192.0.2.{b + 1}") for a in range(3) for b in range(3) if a != b]
    assert sorted((h.host, h.remote) for h in heard) == ends
    assert all(h.up for h in heard)
    heard.clear()
    underlay.fail_link("hv2", "leaf2")
    failed_s = fabric.clock.now_s
    fabric.run(1)
    assert {(h.host, h.remote) for h in heard} == {e for e in ends if "hv2" in e or "3" in e[1][-1]}
    assert not any(h.up for h in heard)
    assert all(h.time_s - failed_s <= 0.4 for h in heard)
    assert (fabric.is_up("hv0", 101), fabric.is_up("hv0", 102)) == (True, False)
    heard.clear()
    underlay.restore_link("hv2", "leaf2")
    fabric.remove_tunnel("hv2", 100)
    fabric.run(2)
    assert {(h.host, h.remote) for h in heard} == {("hv1", "192.0.2.3"), ("hv2", "192.0.2.2")}
    assert fabric.drops["unknown_session"] > 0
    assert all(delivery.up for delivery in heard)


def test_health_packets_never_reach_a_switch_nor_hold_up_a_send():
    fabric = Fabric(Underlay.star(["hv0", "hv1"], link=Link(latency_s=5.0)), health_interval_s=0.1)
    fill(fabric, 2)
    learn(fabric, {0: ("hv0", 1), 1: ("hv1", 1)})
    assert len(fabric.send("hv0", 1, frame_of(0, mac(1)))) == 1
    fabric.run(60)
    assert fabric.is_up("hv0", 101)
    assert sum(hits.n_packets for hits in fabric.switch("hv1").flows().values()) == 2
    assert not fabric.drops


def test_one_seed_one_history():
    def history(seed: int) -> list[object]:
        names = [f"hv{n}" for n in range(3)]
        link = Link(latency_s=1e-4, bandwidth_bps=1e9, loss=0.1)
        underlay = Underlay.star(names, link=link, seed=seed)
        fabric = Fabric(underlay, health_interval_s=0.1, seed=seed)
        fill(fabric, 3)
        learn(fabric, {n: (f"hv{n}", 1) for n in range(3)})
        seen: list[object] = []
        fabric.on_delivery.append(lambda d: seen.append((d, d.time_s)))
        fabric.on_health.append(lambda h: seen.append((h, h.time_s)))
        for n in range(20):
            fabric.inject(f"hv{n % 3}", 1, frame_of(n % 3, mac((n + 1) % 3), 100 * n))
            fabric.run(0.05)
        return [*seen, sorted(fabric.drops.items())]

    assert history(1) == history(1) != history(2)
