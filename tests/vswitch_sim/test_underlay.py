"""The underlay against networkx's shortest paths, over random graphs that change."""

from ipaddress import IPv4Address

import networkx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet import IP, UDP
from scapy.packet import Raw

from vswitch_sim import TopologyError, Underlay
from vswitch_sim.tunnel import Tunnel, encapsulate

NODES = ("h0", "h1", "h2", "r0", "r1", "r2", "r3")
links = st.tuples(st.sampled_from(NODES), st.sampled_from(NODES)).filter(lambda e: e[0] < e[1])


def packet(size: int = 100, ttl: int = 64, port: int = 50000) -> bytes:
    datagram = IP(src="192.0.2.1", dst="192.0.2.2", ttl=ttl, flags="DF") / UDP(sport=port)
    return bytes(datagram / Raw(bytes(size - 28)))


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
                underlay.add_link(a, b, mtu)
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
    transit = underlay.forward(source, destination, packet(min(mtu, 9000)))
    assert transit.nodes in paths
    arrived = IP(transit.packet)
    assert arrived.ttl == 64 - max(len(transit.nodes) - 2, 0)
    checksum = arrived.chksum
    del arrived.chksum
    assert IP(bytes(arrived)).chksum == checksum


def test_one_flow_takes_one_path_and_many_flows_take_all():
    underlay = Underlay.leaf_spine(["a", "b"], leaves=2, spines=4)
    taken = {
        port: {underlay.forward("a", "b", packet(port=port)).nodes for _ in range(3)}
        for port in range(50000, 50100)
    }
    assert all(len(paths) == 1 for paths in taken.values())
    spines = {nodes[2] for paths in taken.values() for nodes in paths}
    assert spines == {"spine0", "spine1", "spine2", "spine3"}


def test_drops_are_counted_where_they_happen():
    underlay = Underlay.star(["a", "b"])
    underlay.add_host("c", "core", mtu=600)
    assert underlay.forward("a", "c", packet(601)).packet is None
    assert underlay.forward("a", "c", packet(601)).nodes == ("a", "core")
    assert underlay.forward("a", "b", packet(ttl=1)).packet is None
    underlay.remove_link("c", "core")
    assert underlay.forward("a", "c", packet()).nodes == ("a",)
    assert underlay.drops == {"too_big": 2, "ttl_expired": 1, "no_route": 1}
    assert underlay.hosts == ("a", "b", "c")


def test_segments_cut_for_the_path_fit_it():
    underlay = Underlay.leaf_spine(["a", "b"], spine_mtu=700)
    ends = IPv4Address("192.0.2.1"), IPv4Address("192.0.2.2")
    mtu = underlay.path_mtu("a", "b")
    assert mtu == 700
    for piece in encapsulate(bytes(5000), 1, Tunnel(*ends), packet_id=1, mtu=mtu):
        assert underlay.forward("a", "b", piece).packet is not None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda u: u.add_host("a", "core"), "has a node a already"),
        (lambda u: u.add_host("d", "nowhere"), "no node nowhere; add it first"),
        (lambda u: u.add_host("d", "core", 67), "link d-core: an MTU of 67 bytes is below 68"),
        (lambda u: u.add_link("a", "x"), "no node x"),
        (lambda u: u.remove_link("a", "b"), "no link between a and b"),
        (lambda u: u.path("a", "x"), "no node x"),
        (lambda u: u.path_mtu("x", "a"), "no node x"),
    ],
)
def test_mistakes_name_the_thing_and_change_nothing(change, message):
    underlay = Underlay.star(["a", "b"])
    with pytest.raises(TopologyError, match=message):
        change(underlay)
    assert underlay.hosts == ("a", "b")
    assert underlay.path("a", "b") == ("a", "core", "b")


def test_a_node_needs_a_kind():
    graph: networkx.Graph = networkx.Graph()
    graph.add_node("a")
    with pytest.raises(TopologyError, match="node a: kind must be host or router, not None"):
        Underlay(graph)
    with pytest.raises(TopologyError, match="0 leaves"):
        Underlay.leaf_spine(["a"], leaves=0)
