"""The underlay: an L3 network of routers that joins the hosts' NICs.

Any topology will do. Packets take a shortest path; where several are equally short, a hash of the
outer addresses and ports chooses (RFC 2991), so one flow stays on one path. Only routers forward.
Every packet has DF set: one larger than a link's MTU is dropped and counted, as is one whose TTL
runs out or which has no route.

Invariants: routes always follow the graph as it is: a changed link forgets them all.
Cost: the first packet to a destination computes the routes of everybody to it, linear in the
graph; the next ones follow them.
"""

import zlib
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

import networkx
from attrs import frozen

from vswitch_sim.checksum import updated_checksum
from vswitch_sim.errors import TopologyError

MTU_DEFAULT = 1500
MTU_MIN = 68


@frozen
class Transit:
    """A packet's way: the nodes it came to, and the packet as it arrived, None if dropped."""

    nodes: tuple[str, ...]
    packet: bytes | None


@frozen
class _Routes:
    """The ways to one destination: next hops by node, and the least MTU by node."""

    next_hops: Mapping[str, tuple[str, ...]]
    mtu: Mapping[str, int]


class Underlay:
    """Routers, hosts and the links between them."""

    def __init__(self, graph: "networkx.Graph[str]") -> None:
        """An underlay over a copy of a graph.

        Args:
            graph: nodes have `kind`, "host" or "router"; edges may have `mtu`, in bytes, the
                largest IP packet they carry (1500 if left out).

        Raises:
            TopologyError: a node of no kind, or an MTU below 68; names it.
        """
        self._graph: networkx.Graph[str] = networkx.Graph()
        self._routes: dict[str, _Routes] = {}
        self._drops: Counter[str] = Counter()
        for node, attributes in graph.nodes(data=True):
            self._add_node(node, attributes.get("kind"))
        for a, b, attributes in graph.edges(data=True):
            self.add_link(a, b, attributes.get("mtu", MTU_DEFAULT))

    @classmethod
    def star(cls, names: Iterable[str], mtu: int = MTU_DEFAULT) -> "Underlay":
        """Hosts around one router, called `core`."""
        underlay = cls(networkx.Graph())
        underlay.add_router("core")
        for name in names:
            underlay.add_host(name, "core", mtu)
        return underlay

    @classmethod
    def leaf_spine(
        cls,
        names: Sequence[str],
        leaves: int = 2,
        spines: int = 2,
        mtu: int = MTU_DEFAULT,
        spine_mtu: int = MTU_DEFAULT,
    ) -> "Underlay":
        """Hosts dealt out to routers `leaf0`, `leaf1`, …, each joined to all of `spine0`, ….

        Args:
            names: the hosts.
            leaves: how many leaf routers, at least 1.
            spines: how many spine routers, at least 1.
            mtu: of the links between hosts and leaves, in bytes.
            spine_mtu: of the links between leaves and spines, in bytes.
        """
        if leaves < 1 or spines < 1:
            raise TopologyError(f"a leaf-spine underlay of {leaves} leaves and {spines} spines")
        underlay = cls(networkx.Graph())
        for spine in range(spines):
            underlay.add_router(f"spine{spine}")
        for leaf in range(leaves):
            underlay.add_router(f"leaf{leaf}")
            for spine in range(spines):
                underlay.add_link(f"leaf{leaf}", f"spine{spine}", spine_mtu)
        for place, name in enumerate(names):
            underlay.add_host(name, f"leaf{place % leaves}", mtu)
        return underlay

    @property
    def drops(self) -> Mapping[str, int]:
        """Packets dropped by reason: `no_route`, `too_big`, `ttl_expired`."""
        return self._drops

    @property
    def hosts(self) -> tuple[str, ...]:
        """The host nodes."""
        return tuple(node for node in self._graph if not self._is_router(node))

    def __contains__(self, node: object) -> bool:
        return node in self._graph

    def add_router(self, name: str) -> None:
        """Add a router without links."""
        self._add_node(name, "router")

    def add_host(self, name: str, router: str, mtu: int = MTU_DEFAULT) -> None:
        """Add a host with one link, to a router."""
        self._require(router)
        _check_mtu(name, router, mtu)
        self._add_node(name, "host")
        self.add_link(name, router, mtu)

    def add_link(self, a: str, b: str, mtu: int = MTU_DEFAULT) -> None:
        """Add a link, or give the one there is another MTU."""
        self._require(a)
        self._require(b)
        _check_mtu(a, b, mtu)
        self._graph.add_edge(a, b, mtu=mtu)
        self._routes.clear()

    def remove_link(self, a: str, b: str) -> None:
        """Take a link away.

        Raises:
            TopologyError: there is none.
        """
        if not self._graph.has_edge(a, b):
            raise TopologyError(f"the underlay has no link between {a} and {b}")
        self._graph.remove_edge(a, b)
        self._routes.clear()

    def path(self, source: str, destination: str, flow_hash: int = 0) -> tuple[str, ...]:
        """The nodes from `source` to `destination`, both included; () if there is no route."""
        self._require(source)
        routes = self._routes_to(destination)
        if source not in routes.mtu:
            return ()
        nodes = [source]
        while nodes[-1] != destination:
            hops = routes.next_hops[nodes[-1]]
            # Salted by node, or routers behind one another would all choose alike.
            nodes.append(hops[zlib.crc32(nodes[-1].encode(), flow_hash) % len(hops)])
        return tuple(nodes)

    def path_mtu(self, source: str, destination: str) -> int:
        """The largest packet, in bytes, that fits every equally short path; 0 without a route."""
        self._require(source)
        return self._routes_to(destination).mtu.get(source, 0)

    def forward(self, source: str, destination: str, packet: bytes) -> Transit:
        """Carry an IPv4 packet from host to host; drops are counted in `drops`."""
        # Addresses and ports: bytes 12 to 24 of a packet without IP options.
        nodes = self.path(source, destination, zlib.crc32(packet[12:24]))
        if not nodes:
            self._drops["no_route"] += 1
            return Transit((source,), None)
        for place, (node, following) in enumerate(pairwise(nodes)):
            if place > 0:
                if packet[8] <= 1:
                    return self._dropped("ttl_expired", nodes[: place + 1])
                packet = _with_ttl_decremented(packet)
            if len(packet) > self._graph.edges[node, following]["mtu"]:
                return self._dropped("too_big", nodes[: place + 1])
        return Transit(nodes, packet)

    def _dropped(self, reason: str, nodes: tuple[str, ...]) -> Transit:
        self._drops[reason] += 1
        return Transit(nodes, None)

    def _add_node(self, name: str, kind: object) -> None:
        if kind not in ("host", "router"):
            raise TopologyError(f"underlay node {name}: kind must be host or router, not {kind}")
        if name in self._graph:
            raise TopologyError(f"the underlay has a node {name} already")
        self._graph.add_node(name, kind=kind)

    def _require(self, node: str) -> None:
        if node not in self._graph:
            raise TopologyError(f"the underlay has no node {node}; add it first")

    def _is_router(self, node: str) -> bool:
        return bool(self._graph.nodes[node]["kind"] == "router")

    def _routes_to(self, destination: str) -> _Routes:
        self._require(destination)
        if destination not in self._routes:
            self._routes[destination] = self._compute_routes(destination)
        return self._routes[destination]

    def _compute_routes(self, destination: str) -> _Routes:
        distance = {destination: 0}
        mtu = {destination: 0xFFFF}
        next_hops: dict[str, tuple[str, ...]] = {}
        queue = deque([destination])
        while queue:
            node = queue.popleft()
            if node != destination:
                next_hops[node] = tuple(
                    sorted(
                        near
                        for near in self._graph[node]
                        if distance.get(near) == distance[node] - 1
                        and (near == destination or self._is_router(near))
                    )
                )
                mtu[node] = min(
                    min(self._graph.edges[node, near]["mtu"], mtu[near]) for near in next_hops[node]
                )
            if node == destination or self._is_router(node):
                for near in self._graph[node]:
                    if near not in distance:
                        distance[near] = distance[node] + 1
                        queue.append(near)
        return _Routes(next_hops, mtu)


def _check_mtu(a: str, b: str, mtu: int) -> None:
    if mtu < MTU_MIN:
        raise TopologyError(f"link {a}-{b}: an MTU of {mtu} bytes is below {MTU_MIN}")


def _with_ttl_decremented(packet: bytes) -> bytes:
    out = bytearray(packet)
    before = packet[8:10]
    out[8] -= 1
    checksum = updated_checksum(int.from_bytes(packet[10:12], "big"), before, bytes(out[8:10]))
    out[10:12] = checksum.to_bytes(2, "big")
    return bytes(out)
