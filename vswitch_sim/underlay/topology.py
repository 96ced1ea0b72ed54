"""Routers, hosts, the links between them, and the routes over those that are up.

Any graph will do. Routes are shortest paths by hops; only routers forward. What is up and what
routing believes to be up are two things: a failure shows in routes when `converge` is called,
and until then packets walk into it, as they do while a real network's routers have yet to agree.

Invariants: routes always follow the graph as it was last agreed on: a change forgets them all.
Cost: the first packet to a destination computes the routes of everybody to it, linear in the
graph; the next ones follow them.
"""

from collections import deque
from collections.abc import Mapping
from itertools import chain
from typing import Any

import networkx
from attrs import asdict, fields_dict, frozen

from vswitch_sim.errors import TopologyError

MTU_DEFAULT = 1500
MTU_MIN = 68
MTU_MAX = 0xFFFF
QUEUE_BYTES_DEFAULT = 512 * 1024

Ends = tuple[str, str]


@frozen
class Link:
    """What a link is like, in each direction.

    Attributes:
        mtu: the largest IP packet that it carries, in bytes.
        latency_s: how long a packet is under way, beside the time it takes to be put on the wire.
        bandwidth_bps: bits a second; 0 for a link that takes no time.
        loss: the share of packets that are lost, 0 to 1.
        queue_bytes: how much may wait for the wire; what comes when it is full is dropped.
    """

    mtu: int = MTU_DEFAULT
    latency_s: float = 0.0
    bandwidth_bps: float = 0.0
    loss: float = 0.0
    queue_bytes: int = QUEUE_BYTES_DEFAULT

    def checked(self, a: str, b: str) -> "Link":
        """The link itself. TopologyError, naming the link, if a value makes no sense."""
        for is_right, text in (
            (self.mtu >= MTU_MIN, f"an MTU of {self.mtu} bytes is below {MTU_MIN}"),
            (self.mtu <= MTU_MAX, f"an MTU of {self.mtu} bytes is above {MTU_MAX}"),
            (self.latency_s >= 0, f"a latency of {self.latency_s} s is negative"),
            (self.bandwidth_bps >= 0, f"a bandwidth of {self.bandwidth_bps} bit/s is negative"),
            (0 <= self.loss <= 1, f"a loss of {self.loss} is no share between 0 and 1"),
            (self.queue_bytes >= 0, f"a queue of {self.queue_bytes} bytes is negative"),
        ):
            if not is_right:
                raise TopologyError(f"link {a}-{b}: {text}")
        return self


@frozen
class Routes:
    """The ways to one destination: next hops by node, and the least MTU by node."""

    next_hops: Mapping[str, tuple[str, ...]]
    mtu: Mapping[str, int]


class Topology:
    """The graph, what of it is down, and routes."""

    def __init__(self) -> None:
        """No nodes."""
        self._graph: networkx.Graph[str] = networkx.Graph()
        self._down: set[str | Ends] = set()
        self._believed_down: frozenset[str | Ends] = frozenset()
        self._routes: dict[str, Routes] = {}

    @property
    def hosts(self) -> tuple[str, ...]:
        """The host nodes, in the order in which they came."""
        return tuple(node for node in self._graph if not self.is_router(node))

    def __contains__(self, node: object) -> bool:
        return node in self._graph

    def add_node(self, name: str, kind: object) -> None:
        """Add a "host" or a "router" without links. TopologyError if it is neither, or there."""
        if kind not in ("host", "router"):
            raise TopologyError(f"underlay node {name}: kind must be host or router, not {kind}")
        if name in self._graph:
            raise TopologyError(f"the underlay has a node {name} already")
        self._graph.add_node(name, kind=kind, number=len(self._graph))

    def add_link(self, a: str, b: str, link: Link) -> None:
        """Add a link, or make the one there is another."""
        self.require(a)
        self.require(b)
        if a == b:
            raise TopologyError(f"link {a}-{b}: a link joins two nodes")
        self._graph.add_edge(a, b, link=link.checked(a, b))
        self._routes.clear()

    def change_link(self, a: str, b: str, **changes: float) -> None:
        """Make a link another in the attributes of `Link` that are named."""
        changed = {**asdict(self.link(a, b)), **changes}
        self.add_link(a, b, link_of(a, b, changed))

    def remove_link(self, a: str, b: str) -> None:
        """Take a link away. TopologyError if there is none."""
        self.link(a, b)
        self._graph.remove_edge(a, b)
        self._down.discard(ends(a, b))
        self._routes.clear()

    def link(self, a: str, b: str) -> Link:
        """The link between two nodes. TopologyError if there is none."""
        if not self._graph.has_edge(a, b):
            raise TopologyError(f"the underlay has no link between {a} and {b}")
        link = self._graph.edges[a, b]["link"]
        assert isinstance(link, Link)
        return link

    def set_link_up(self, a: str, b: str, *, up: bool) -> None:
        """Let a link fail or come back. TopologyError if there is none."""
        self.link(a, b)
        self._set_up(ends(a, b), up=up)

    def set_node_up(self, name: str, *, up: bool) -> None:
        """Let a node fail or come back. TopologyError if there is none."""
        self.require(name)
        self._set_up(name, up=up)

    def _set_up(self, what: str | Ends, *, up: bool) -> None:
        if up:
            self._down.discard(what)
        else:
            self._down.add(what)

    def converge(self) -> None:
        """From now on, routes know what is down."""
        self._believed_down = frozenset(self._down)
        self._routes.clear()

    def is_up(self, node: str) -> bool:
        """Whether a node works."""
        return node not in self._down

    def carries(self, a: str, b: str) -> bool:
        """Whether there is a link between two nodes that works; its ends may be down."""
        return self._graph.has_edge(a, b) and ends(a, b) not in self._down

    def number(self, node: str) -> int:
        """A node's place in the order in which nodes came, from 0."""
        return int(self._graph.nodes[node]["number"])

    def is_router(self, node: str) -> bool:
        """Whether a node forwards."""
        return bool(self._graph.nodes[node]["kind"] == "router")

    def require(self, node: str) -> None:
        """TopologyError if there is no such node."""
        if node not in self._graph:
            raise TopologyError(f"the underlay has no node {node}; add it first")

    def routes_to(self, destination: str) -> Routes:
        """The routes of all nodes to one, as far as the routers know."""
        self.require(destination)
        if destination not in self._routes:
            self._routes[destination] = self._compute_routes(destination)
        return self._routes[destination]

    def _compute_routes(self, destination: str) -> Routes:
        distance = {destination: 0}
        mtu = {destination: MTU_MAX}
        next_hops: dict[str, tuple[str, ...]] = {}
        queue = deque([destination] if destination not in self._believed_down else [])
        while queue:
            node = queue.popleft()
            near = [other for other in self._graph[node] if self._is_believed(node, other)]
            if node != destination:
                next_hops[node] = tuple(
                    sorted(
                        other
                        for other in near
                        if distance.get(other) == distance[node] - 1
                        and (other == destination or self.is_router(other))
                    )
                )
                mtu[node] = min(
                    chain.from_iterable(
                        (self.link(node, hop).mtu, mtu[hop]) for hop in next_hops[node]
                    )
                )
            if node == destination or self.is_router(node):
                for other in near:
                    if other not in distance:
                        distance[other] = distance[node] + 1
                        queue.append(other)
        return Routes(next_hops, mtu)

    def _is_believed(self, node: str, other: str) -> bool:
        return self._believed_down.isdisjoint((node, other, ends(node, other)))


def ends(a: str, b: str) -> Ends:
    """The ends of a link in the order in which it is known."""
    return (a, b) if a <= b else (b, a)


def link_of(a: str, b: str, attributes: Mapping[str, Any]) -> Link:
    """The link with these attributes. TopologyError, naming the link, if there is no such one."""
    known = fields_dict(Link)
    unknown = attributes.keys() - known.keys()
    if unknown:
        raise TopologyError(
            f"link {a}-{b}: no attribute is named {min(unknown)!r}; there are {', '.join(known)}"
        )
    return Link(**attributes)
