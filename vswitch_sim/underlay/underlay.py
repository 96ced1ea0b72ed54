"""The underlay: an L3 network of routers that carries packets between the hosts' NICs.

A packet goes from node to node, each of which takes one off its TTL, looks up its destination,
and puts it on a link: it waits for the wire, takes as long as its bits need, is lost at the
link's rate, and arrives a latency later. Where several ways are equally short, a hash of
addresses and ports chooses (RFC 2991), so one flow stays on one path. What cannot go on is dropped
under a name in `drops`, and a router tells the sender by an ICMP error; so does a host's own stack
if its first link is too small.

    underlay = Underlay.leaf_spine(["hv1", "hv2"], link=Link(latency_s=10e-6, bandwidth_bps=10e9))
    underlay.attach("hv1", IPv4Address("192.0.2.1"), receive)
    underlay.send("hv1", packet)
    underlay.clock.run_while(underlay.is_busy)

Invariants: every packet that is sent arrives at one NIC or is counted in `drops` once, unless
it is still under way; with one seed every run is the same.
Cost: one event a hop.
"""

import random
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address

import networkx
from attrs import evolve, field, frozen

from vswitch_sim.clock import NS_PER_S, Clock
from vswitch_sim.errors import TopologyError
from vswitch_sim.underlay import addresses, icmp
from vswitch_sim.underlay.addresses import IpAddress
from vswitch_sim.underlay.topology import Ends, Link, Topology, link_of

# RFC 2544 and RFC 5180: addresses for test networks. Routers have them to sign errors with.
_ROUTERS_IPV4 = int(IPv4Address("198.18.0.1"))
_ROUTERS_IPV6 = int(IPv6Address("2001:2::1"))

Receive = Callable[[bytes], None]


@frozen
class Crossing:
    """A packet that a node put on a link; `drop` says why it will not arrive, "" if it will."""

    sender: str
    receiver: str
    packet: bytes
    drop: str = ""


@frozen
class _Travelling:
    packet: bytes
    is_background: bool


@frozen
class _Nic:
    node: str
    receive: Receive = field(eq=False)


class Underlay:
    """Nodes and links, NICs by address, and the packets under way."""

    def __init__(
        self,
        graph: "networkx.Graph[str] | None" = None,
        *,
        seed: int = 0,
        convergence_s: float = 0.0,
    ) -> None:
        """An underlay over a copy of a graph.

        Args:
            graph: nodes have `kind`, "host" or "router"; edges may have the attributes of `Link`.
            seed: of what is left to chance, which is losses.
            convergence_s: how long routers need to route around a failure, in seconds.

        Raises:
            TopologyError: a node of no kind, or a link that cannot be; names it.
        """
        self.clock = Clock()
        self.topology = Topology()
        self.taps: list[Callable[[Crossing], None]] = []
        self._random = random.Random(seed)
        self._convergence_s = convergence_s
        self._nics: dict[IpAddress, _Nic] = {}
        self._wire_free_ns: dict[Ends, int] = {}
        self._failures: Counter[Ends] = Counter()
        self._drops: Counter[str] = Counter()
        self._under_way = 0
        graph = networkx.Graph() if graph is None else graph
        for node, attributes in graph.nodes(data=True):
            self.topology.add_node(node, attributes.get("kind"))
        for a, b, attributes in graph.edges(data=True):
            self.topology.add_link(a, b, link_of(a, b, attributes))

    @classmethod
    def star(cls, names: Iterable[str], *, link: Link | None = None, seed: int = 0) -> "Underlay":
        """Hosts around one router, called `core`."""
        underlay = cls(seed=seed)
        underlay.add_router("core")
        for name in names:
            underlay.add_host(name, "core", link)
        return underlay

    @classmethod
    def leaf_spine(
        cls,
        names: Sequence[str],
        leaves: int = 2,
        spines: int = 2,
        *,
        link: Link | None = None,
        spine_link: Link | None = None,
        seed: int = 0,
    ) -> "Underlay":
        """Hosts dealt out to routers `leaf0`, `leaf1`, …, each joined to all of `spine0`, ….

        Args:
            names: the hosts.
            leaves: how many leaf routers, at least 1.
            spines: how many spine routers, at least 1.
            link: what links between hosts and leaves are like.
            spine_link: what those between leaves and spines are like.
            seed: of what is left to chance.
        """
        if leaves < 1 or spines < 1:
            raise TopologyError(f"a leaf-spine underlay of {leaves} leaves and {spines} spines")
        underlay = cls(seed=seed)
        for spine in range(spines):
            underlay.add_router(f"spine{spine}")
        for leaf in range(leaves):
            underlay.add_router(f"leaf{leaf}")
            for spine in range(spines):
                underlay.add_link(f"leaf{leaf}", f"spine{spine}", spine_link)
        for place, name in enumerate(names):
            underlay.add_host(name, f"leaf{place % leaves}", link)
        return underlay

    @property
    def drops(self) -> Mapping[str, int]:
        """Packets dropped by reason.

        `no_route`, `too_big`, `ttl_expired`, `lost`, `queue_full`, `link_down`, `node_down`,
        `not_ip`.
        """
        return self._drops

    @property
    def hosts(self) -> tuple[str, ...]:
        """The host nodes."""
        return self.topology.hosts

    def __contains__(self, node: object) -> bool:
        return node in self.topology

    def is_busy(self) -> bool:
        """Whether packets are under way, other than those in the background."""
        return self._under_way > 0

    def node_of(self, address: IpAddress) -> str | None:
        """Where the NIC with an address is; None if there is none."""
        nic = self._nics.get(address)
        return None if nic is None else nic.node

    def add_router(self, name: str) -> None:
        """Add a router without links."""
        self.topology.add_node(name, "router")

    def add_host(self, name: str, router: str, link: Link | None = None) -> None:
        """Add a host with one link, to a router."""
        self.topology.require(router)
        link = (Link() if link is None else link).checked(name, router)
        self.topology.add_node(name, "host")
        self.topology.add_link(name, router, link)

    def add_link(self, a: str, b: str, link: Link | None = None) -> None:
        """Add a link, or make the one there is another."""
        self.topology.add_link(a, b, Link() if link is None else link)

    def change_link(self, a: str, b: str, **changes: float) -> None:
        """Make a link another in the attributes of `Link` that are named."""
        self.topology.change_link(a, b, **changes)

    def remove_link(self, a: str, b: str) -> None:
        """Take a link away, with what is on it; routers know at once.

        Raises:
            TopologyError: there is none.
        """
        self.topology.remove_link(a, b)
        self._failures[(a, b)] += 1
        self._failures[(b, a)] += 1

    def fail_link(self, a: str, b: str) -> None:
        """Let a link fail, with what is on it. TopologyError if there is none."""
        self.topology.set_link_up(a, b, up=False)
        self._failures[(a, b)] += 1
        self._failures[(b, a)] += 1
        self._converge()

    def restore_link(self, a: str, b: str) -> None:
        """Let a link work again. TopologyError if there is none."""
        self.topology.set_link_up(a, b, up=True)
        self._converge()

    def fail_node(self, name: str) -> None:
        """Let a host or router fail: packets die there. TopologyError if there is none."""
        self.topology.set_node_up(name, up=False)
        self._converge()

    def restore_node(self, name: str) -> None:
        """Let a host or router work again. TopologyError if there is none."""
        self.topology.set_node_up(name, up=True)
        self._converge()

    def attach(self, node: str, address: IpAddress, receive: Receive) -> None:
        """Put a NIC at a node; packets to its address that arrive are given to `receive`.

        Raises:
            TopologyError: the node is not there, or the address is taken.
        """
        self.topology.require(node)
        if address in self._nics:
            raise TopologyError(f"address {address} is at {self._nics[address].node} already")
        self._nics[address] = _Nic(node, receive)

    def detach(self, address: IpAddress) -> None:
        """Take a NIC away. TopologyError if there is none with this address."""
        if address not in self._nics:
            raise TopologyError(f"no NIC has the address {address}")
        del self._nics[address]

    def path(self, source: str, destination: str, flow_hash: int = 0) -> tuple[str, ...]:
        """The nodes from `source` to `destination`, both included; () if there is no route."""
        self.topology.require(source)
        routes = self.topology.routes_to(destination)
        if source not in routes.mtu:
            return ()
        nodes = [source]
        while nodes[-1] != destination:
            nodes.append(_chosen(nodes[-1], routes.next_hops[nodes[-1]], flow_hash))
        return tuple(nodes)

    def path_mtu(self, source: str, destination: str) -> int:
        """The largest packet, in bytes, that fits every equally short path; 0 without a route."""
        self.topology.require(source)
        return self.topology.routes_to(destination).mtu.get(source, 0)

    def send(self, node: str, packet: bytes, *, is_background: bool = False) -> None:
        """Let the NIC of a host send an IP packet, which may not be fragmented.

        Args:
            node: the host's node.
            packet: an IPv4 or IPv6 packet.
            is_background: whether nobody waits for it, so that it does not make the underlay busy.

        Raises:
            TopologyError: there is no such node.
        """
        self.topology.require(node)
        self._depart(node, _Travelling(packet, is_background))

    def _converge(self) -> None:
        if self._convergence_s == 0:
            self.topology.converge()
        else:
            self.clock.after(self._convergence_s, self.topology.converge)

    def _depart(self, node: str, travelling: _Travelling) -> None:
        self._under_way += not travelling.is_background
        self._at(node, travelling, is_sender=True)

    def _at(self, node: str, travelling: _Travelling, *, is_sender: bool = False) -> None:
        """A packet is at a node: deliver it, pass it on or drop it."""
        packet = travelling.packet
        if not self.topology.is_up(node):
            self._drop("node_down", travelling)
            return
        if not addresses.version(packet):
            self._drop("not_ip", travelling)
            return
        nic = self._nics.get(addresses.destination(packet))
        if nic is not None and nic.node == node:
            self._under_way -= not travelling.is_background
            nic.receive(packet)
            return
        if not is_sender:
            if addresses.hop_limit(packet) <= 1:
                self._refuse(node, travelling, icmp.TTL_EXPIRED)
                return
            packet = addresses.with_hop_limit_decremented(packet)
            travelling = evolve(travelling, packet=packet)
        hops = () if nic is None else self.topology.routes_to(nic.node).next_hops.get(node, ())
        if not hops:
            self._refuse(node, travelling, icmp.NO_ROUTE)
            return
        self._transmit(node, _chosen(node, hops, addresses.flow_hash(packet)), travelling)

    def _transmit(self, node: str, following: str, travelling: _Travelling) -> None:
        way, link = (node, following), self.topology.link(node, following)
        size_bytes, now_ns = len(travelling.packet), self.clock.now_ns
        if size_bytes > link.mtu:
            self._refuse(node, travelling, icmp.TOO_BIG, link.mtu)
            return
        start_ns = max(now_ns, self._wire_free_ns.get(way, 0))
        waiting_bytes = (start_ns - now_ns) * link.bandwidth_bps / 8 / NS_PER_S
        drop = ""
        if not self.topology.carries(*way):
            drop = "link_down"
        elif waiting_bytes and waiting_bytes + size_bytes > link.queue_bytes:
            drop = "queue_full"
        elif link.loss and self._random.random() < link.loss:
            drop = "lost"
        crossing = Crossing(node, following, travelling.packet, drop)
        for tap in self.taps:
            tap(crossing)
        if drop not in ("link_down", "queue_full"):
            if link.bandwidth_bps:
                start_ns += round(size_bytes * 8 * NS_PER_S / link.bandwidth_bps)
            self._wire_free_ns[way] = start_ns
        if drop:
            self._drop(drop, travelling)
            return
        failures = self._failures[way]
        delay_ns = start_ns - now_ns + round(link.latency_s * NS_PER_S)
        self.clock.after_ns(delay_ns, lambda: self._arrive(way, failures, travelling))

    def _arrive(self, way: Ends, failures: int, travelling: _Travelling) -> None:
        if self._failures[way] != failures:
            self._drop("link_down", travelling)
            return
        self._at(way[1], travelling)

    def _refuse(self, node: str, travelling: _Travelling, reason: str, mtu: int = 0) -> None:
        """Drop a packet, and tell its sender, unless it is an ICMP error itself."""
        packet = travelling.packet
        if not addresses.is_icmp_error(packet):
            reporter = self._reporter(node, addresses.version(packet))
            error = evolve(travelling, packet=icmp.error_about(packet, reason, reporter, mtu))
            self._under_way += not error.is_background
            self.clock.after_ns(0, lambda: self._at(node, error, is_sender=True))
        self._drop(reason, travelling)

    def _reporter(self, node: str, version: int) -> IpAddress:
        own = (ip for ip, nic in self._nics.items() if nic.node == node and ip.version == version)
        number = self.topology.number(node)
        router = (
            IPv4Address(_ROUTERS_IPV4 + number)
            if version == 4
            else IPv6Address(_ROUTERS_IPV6 + number)
        )
        return next(own, router)

    def _drop(self, reason: str, travelling: _Travelling) -> None:
        self._under_way -= not travelling.is_background
        self._drops[reason] += 1


def _chosen(node: str, hops: Sequence[str], flow_hash: int) -> str:
    # Salted by node, or routers behind one another would all choose alike.
    return hops[zlib.crc32(node.encode(), flow_hash) % len(hops)]
