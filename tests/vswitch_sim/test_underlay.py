"""The underlay against networkx's shortest paths, over random graphs that change, and time."""

from functools import partial
from ipaddress import ip_address

import networkx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.packet import Raw

from vswitch_sim import TopologyError, Underlay
from vswitch_sim.underlay import Crossing, IcmpError, Link, read_error

NODES = ("h0", "h1", "h2", "r0", "r1", "r2", "r3")
links = st.tuples(st.sampled_from(NODES), st.sampled_from(NODES)).filter(lambda e: e[0] < e[1])


IPS = {"h0": "192.0.2.1", "h1": "192.0.2.2", "h2": "192.0.2.3"}
IPS6 = {"h0": "2001:db8::1", "h1": "2001:db8::2", "h2": "2001:db8::3"}


class Hosts:
    """NICs with both kinds of address at each host, and what arrived at them: (host, packet)."""

    def __init__(self, underlay: Underlay, names=("h0", "h1", "h2")) -> None:
        self.underlay = underlay
        self.arrived: list[tuple[str, bytes]] = []
        self.crossings: list[Crossing] = []
        underlay.taps.append(self.crossings.append)
        for name in names:
            for ip in (IPS[name], IPS6[name]):
                underlay.attach(name, ip_address(ip), partial(self.receive, name))

    def receive(self, name: str, packet: bytes) -> None:
        self.arrived.append((name, packet))

    def send(self, source: str, packet: bytes) -> list[tuple[str, bytes]]:
        self.arrived.clear()
        self.crossings.clear()
        self.underlay.send(source, packet)
        self.underlay.clock.run_while(self.underlay.is_busy)
        return list(self.arrived)


def packet(
    size: int = 100, ttl: int = 64, port: int = 50000, ends=("h0", "h1"), version: int = 4
) -> bytes:
    if version == 6:
        header = IPv6(src=IPS6[ends[0]], dst=IPS6[ends[1]], hlim=ttl)
        return bytes(header / UDP(sport=port) / Raw(bytes(size - 48)))
    header = IP(src=IPS[ends[0]], dst=IPS[ends[1]], ttl=ttl, flags="DF")
    return bytes(header / UDP(sport=port) / Raw(bytes(size - 28)))


def allowed_paths(graph: networkx.Graph, source: str, destination: str) -> list[tuple[str, ...]]:
    routers = [node for node in graph if node.startswith("r")]
    usable = graph.subgraph({*routers, source, destination})
    try:
        return [tuple(p) for p in networkx.all_shortest_paths(usable, source, destination)]
    except networkx.NetworkXNoPath:
        return []


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(links, st.sampled_from([600, 1400, 1500, 9000]), max_size=12),
    st.lists(st.tuples(links, st.sampled_from([0, 600, 1500])), max_size=4),
    st.integers(0, 1 << 32),
)
def test_paths_are_shortest_paths_through_routers(edges, changes, flow_hash):
    graph: networkx.Graph = networkx.Graph()
    for node in NODES:
        graph.add_node(node, kind="host" if node[0] == "h" else "router")
    for (a, b), mtu in edges.items():
        graph.add_edge(a, b, mtu=mtu)
    underlay = Underlay(graph)
    for change in [None, *changes]:
        if change is not None:
            (a, b), mtu = change
            if mtu:
                underlay.add_link(a, b, Link(mtu))
                graph.add_edge(a, b, mtu=mtu)
            elif graph.has_edge(a, b):
                underlay.remove_link(a, b)
                graph.remove_edge(a, b)
        for source, destination in (("h0", "h1"), ("h1", "h0"), ("h2", "h0"), ("h0", "h0")):
            check_pair(underlay, graph, source, destination, flow_hash)


def check_pair(underlay, graph, source, destination, flow_hash):
    paths = allowed_paths(graph, source, destination)
    path = underlay.path(source, destination, flow_hash)
    mtus = [graph.edges[link]["mtu"] for p in paths for link in networkx.utils.pairwise(p)]
    mtu = underlay.path_mtu(source, destination)
    if not paths:
        assert (path, mtu) == ((), 0)
        return
    assert path in paths
    assert mtu == min(mtus, default=0xFFFF)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(links, st.sampled_from([600, 1500]), max_size=12), st.sampled_from([4, 6]))
def test_packets_take_a_shortest_path_and_lose_one_ttl_a_router(edges, version):
    graph: networkx.Graph = networkx.Graph()
    for node in NODES:
        graph.add_node(node, kind="host" if node[0] == "h" else "router")
    graph.add_edges_from((*ends, {"mtu": mtu}) for ends, mtu in edges.items())
    hosts = Hosts(Underlay(graph))
    for source, destination in (("h0", "h1"), ("h1", "h0"), ("h2", "h0")):
        sent = packet(550, ends=(source, destination), version=version)
        arrived = hosts.send(source, sent)
        paths = allowed_paths(graph, source, destination)
        if not paths:
            assert [name for name, _ in arrived] == [source]
            continue
        assert [name for name, _ in arrived] == [destination]
        passed = (source, *(crossing.receiver for crossing in hosts.crossings))
        assert passed in paths
        got = (IP if version == 4 else IPv6)(arrived[0][1])
        assert (got.ttl if version == 4 else got.hlim) == 64 - max(len(passed) - 2, 0)
        if version == 4:
            checksum = got.chksum
            del got.chksum
            assert IP(bytes(got)).chksum == checksum
        assert bytes(got.payload) == bytes((IP if version == 4 else IPv6)(sent).payload)


def test_one_flow_takes_one_path_and_many_flows_take_all():
    hosts = Hosts(Underlay.leaf_spine(["h0", "h1"], leaves=2, spines=4), ("h0", "h1"))
    spines = set()
    for version in (4, 6):
        for port in range(50000, 50100):
            taken = set()
            for _ in range(3):
                hosts.send("h0", packet(port=port, version=version))
                taken.add(hosts.crossings[1].receiver)
            assert len(taken) == 1
            spines |= taken
        assert spines == {"spine0", "spine1", "spine2", "spine3"}


@pytest.mark.parametrize("version", [4, 6])
def test_what_is_dropped_is_counted_and_its_sender_told(version):
    underlay = Underlay.star(["h0", "h1"])
    underlay.add_host("h2", "core", Link(mtu=600))
    hosts = Hosts(underlay)
    router = "198.18.0.1" if version == 4 else "2001:2::1"

    def answer(sent: bytes) -> IcmpError:
        ((name, answered),) = hosts.send("h0", sent)
        assert name == "h0"
        error = read_error(answered)
        assert error is not None
        assert sent.startswith(error.quoted[:7])
        assert len(answered) <= (576 if version == 4 else 1280)
        return error

    big = answer(packet(601, ends=("h0", "h2"), version=version))
    assert (big.reason, big.mtu, str(big.reporter)) == ("too_big", 600, router)
    assert [(c.sender, c.receiver) for c in hosts.crossings] == [("h0", "core"), ("core", "h0")]
    old = answer(packet(ttl=1, version=version))
    assert (old.reason, old.mtu, str(old.reporter)) == ("ttl_expired", 0, router)
    underlay.remove_link("h2", "core")
    lost = answer(packet(ends=("h0", "h2"), version=version))
    assert (lost.reason, lost.mtu) == ("no_route", 0)
    assert str(lost.reporter) == (IPS if version == 4 else IPS6)["h0"]
    assert underlay.drops == {"too_big": 1, "ttl_expired": 1, "no_route": 1}
    assert underlay.hosts == ("h0", "h1", "h2")


def test_errors_are_what_scapy_says_they_are():
    underlay = Underlay.star(["h0", "h1"])
    underlay.change_link("h1", "core", mtu=600)
    hosts = Hosts(underlay, ("h0", "h1"))
    sent = packet(700)
    ((_, answered),) = hosts.send("h0", sent)
    error = IP(answered)
    assert (error.src, error.dst, error[ICMP].type, error[ICMP].code) == (
        "198.18.0.1",
        "192.0.2.1",
        3,
        4,
    )
    assert error[ICMP].nexthopmtu == 600
    checksums = error.chksum, error[ICMP].chksum
    again = IP(answered)
    del again.chksum, again[ICMP].chksum
    rebuilt = IP(bytes(again))
    assert (rebuilt.chksum, rebuilt[ICMP].chksum) == checksums
    ((_, answered),) = hosts.send("h0", packet(700, version=6))
    error6 = IPv6(answered)
    assert (error6.payload.type, error6.payload.mtu, error6.src) == (2, 600, "2001:2::1")
    checksum = error6.payload.cksum
    del error6.payload.cksum
    assert IPv6(bytes(error6)).payload.cksum == checksum


def test_a_damaged_error_or_another_packet_is_no_error():
    hosts = Hosts(Underlay.star(["h0", "h1"]), ("h0", "h1"))
    ((_, answered),) = hosts.send("h0", packet(ttl=1))
    for place in range(20, len(answered)):
        damaged = bytearray(answered)
        damaged[place] ^= 0x40
        assert read_error(bytes(damaged)) is None
    assert read_error(packet()) is None
    assert read_error(b"") is None
    assert read_error(bytes(60)) is None


def test_no_router_complains_of_an_error():
    underlay = Underlay.star(["h0", "h1"])
    hosts = Hosts(underlay, ("h0", "h1"))
    error = IP(src=IPS["h0"], dst=IPS["h1"], ttl=1) / ICMP(type=11) / packet()
    assert hosts.send("h0", bytes(error)) == []
    echo = IP(src=IPS["h0"], dst=IPS["h1"], ttl=1) / ICMP(type=8)
    assert [name for name, _ in hosts.send("h0", bytes(echo))] == ["h0"]
    assert underlay.drops == {"ttl_expired": 2}


def test_a_link_takes_its_time():
    underlay = Underlay.star(["h0", "h1"], link=Link(latency_s=0.001, bandwidth_bps=8_000_000))
    hosts = Hosts(underlay, ("h0", "h1"))
    hosts.send("h0", packet(1000))
    # Twice 1 ms for 1,000 bytes at a byte a microsecond, twice 1 ms of latency.
    assert underlay.clock.now_ns == 4_000_000
    underlay.send("h0", packet(1000))
    underlay.send("h0", packet(500))
    arrivals = []
    while underlay.is_busy():
        underlay.clock.run_for(0.0001)
        while len(arrivals) < len(hosts.arrived) - 1:
            arrivals.append((len(hosts.arrived[-1][1]), underlay.clock.now_ns))
    assert arrivals == [(1000, 8_000_000), (500, 8_500_000)]


def test_a_full_queue_drops():
    link = Link(bandwidth_bps=8_000_000, queue_bytes=2000)
    hosts = Hosts(Underlay.star(["h0", "h1"], link=link), ("h0", "h1"))
    for _ in range(5):
        hosts.underlay.send("h0", packet(1000))
    hosts.underlay.clock.run_while(hosts.underlay.is_busy)
    assert len(hosts.arrived) == 2
    assert hosts.underlay.drops == {"queue_full": 3}


def test_losses_are_as_many_as_the_link_says_and_the_same_with_one_seed():
    def lost(seed: int) -> list[bool]:
        graph: networkx.Graph = networkx.Graph()
        graph.add_node("h0", kind="host")
        graph.add_node("h1", kind="host")
        graph.add_edge("h0", "h1", loss=0.25)
        hosts = Hosts(Underlay(graph, seed=seed), ("h0", "h1"))
        sent = packet()
        return [not hosts.send("h0", sent) for _ in range(2000)]

    assert lost(1) == lost(1) != lost(2)
    assert 400 < sum(lost(1)) < 600


def test_what_is_on_a_link_that_fails_is_lost():
    underlay = Underlay.star(["h0", "h1"], link=Link(latency_s=1.0))
    hosts = Hosts(underlay, ("h0", "h1"))
    underlay.send("h0", packet())
    underlay.clock.run_for(0.5)
    underlay.fail_link("h0", "core")
    underlay.restore_link("h0", "core")
    underlay.clock.run_while(underlay.is_busy)
    assert (hosts.arrived, underlay.drops) == ([], {"link_down": 1})
    assert len(hosts.send("h0", packet())) == 1


def test_routes_go_round_a_failure_once_the_routers_have_noticed():
    underlay = Underlay.leaf_spine(["h0", "h1"], spines=2)
    slow = Underlay(convergence_s=2.0)
    for node in ("leaf0", "leaf1", "spine0", "spine1"):
        slow.add_router(node)
    for leaf in ("leaf0", "leaf1"):
        for spine in ("spine0", "spine1"):
            slow.add_link(leaf, spine)
    slow.add_host("h0", "leaf0")
    slow.add_host("h1", "leaf1")
    for it, waits in ((underlay, False), (slow, True)):
        hosts = Hosts(it, ("h0", "h1"))
        hosts.send("h0", packet())
        spine = hosts.crossings[1].receiver
        it.fail_node(spine)
        assert bool(hosts.send("h0", packet())) != waits
        it.clock.run_for(2.0)
        assert len(hosts.send("h0", packet())) == 1
        assert hosts.crossings[1].receiver != spine
        it.restore_node(spine)
        it.clock.run_for(2.0)
        hosts.send("h0", packet())
        assert hosts.crossings[1].receiver == spine
        assert it.drops == ({"node_down": 1} if waits else {})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda u: u.add_host("h0", "core"), "has a node h0 already"),
        (lambda u: u.add_host("d", "nowhere"), "no node nowhere; add it first"),
        (
            lambda u: u.add_host("d", "core", Link(67)),
            "link d-core: an MTU of 67 bytes is below 68",
        ),
        (lambda u: u.add_host("d", "core", Link(65536)), "link d-core: an MTU of 65536 .* above"),
        (lambda u: u.change_link("h0", "core", loss=2), "link h0-core: a loss of 2 is no share"),
        (lambda u: u.change_link("h0", "core", latency_s=-1), "latency of -1 s is negative"),
        (lambda u: u.add_link("h0", "x"), "no node x"),
        (lambda u: u.add_link("h0", "h0"), "link h0-h0: a link joins two nodes"),
        (lambda u: u.remove_link("h0", "h1"), "no link between h0 and h1"),
        (lambda u: u.fail_link("h0", "h1"), "no link between h0 and h1"),
        (lambda u: u.fail_node("x"), "no node x"),
        (lambda u: u.path("h0", "x"), "no node x"),
        (lambda u: u.path_mtu("x", "h0"), "no node x"),
        (lambda u: u.send("x", b""), "no node x"),
        (lambda u: u.attach("x", ip_address("192.0.2.1"), print), "no node x"),
        (lambda u: u.detach(ip_address("192.0.2.1")), "no NIC has the address 192.0.2.1"),
    ],
)
def test_mistakes_name_the_thing_and_change_nothing(change, message):
    underlay = Underlay.star(["h0", "h1"])
    with pytest.raises(TopologyError, match=message):
        change(underlay)
    assert underlay.hosts == ("h0", "h1")
    assert underlay.path("h0", "h1") == ("h0", "core", "h1")
    assert underlay.path_mtu("h0", "h1") == 1500
    assert not underlay.is_busy()


def test_a_node_needs_a_kind_and_a_link_known_attributes():
    graph: networkx.Graph = networkx.Graph()
    graph.add_node("a")
    with pytest.raises(TopologyError, match="node a: kind must be host or router, not None"):
        Underlay(graph)
    graph.add_node("a", kind="host")
    graph.add_node("b", kind="host")
    graph.add_edge("a", "b", speed=1)
    with pytest.raises(
        TopologyError, match="link a-b: no attribute is named 'speed'; there are mtu"
    ):
        Underlay(graph)
    with pytest.raises(TopologyError, match="0 leaves"):
        Underlay.leaf_spine(["a"], leaves=0)
