"""The fabric: hosts with a switch each, tunnels between them, and the underlay beneath.

    fabric = Fabric(Underlay.star(["hv1", "hv2"]))
    fabric.add_host("hv1", "192.0.2.1")
    fabric.add_host("hv2", "192.0.2.2")
    fabric.add_vif("hv1", 1, "web-1")
    fabric.add_tunnel("hv1", 100, "192.0.2.2")
    …
    fabric.send("hv1", 1, frame)      # -> [Delivery("hv2", 1, "db-1", b"…"), …]

`send` carries a frame all the way before it returns: through the switch, and for every copy that
leaves by a tunnel, through STT segments that fit the path, the routers, reassembly and the next
switch, until each copy has reached a VIF or been dropped under a name in `drops`.

Invariants: a packet ID is never used twice, whatever hosts come and go; the order of deliveries
depends on flows and frames alone.
"""

from collections import Counter, deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from ipaddress import AddressValueError, IPv4Address
from zlib import crc32

from attrs import define, field, frozen

from vswitch_sim.capture import CaptureWriter
from vswitch_sim.errors import TopologyError
from vswitch_sim.packet import ETHERTYPE_IPV4
from vswitch_sim.switch import Switch
from vswitch_sim.tunnel import (
    FRAME_BYTES_MAX,
    Reassembler,
    Tunnel,
    TunnelFrame,
    Work,
    encapsulate,
    finish,
)
from vswitch_sim.underlay import Underlay

# A frame that has passed this many tunnels is in a loop; so is one that made so many copies.
TUNNEL_HOPS_MAX = 16
TRANSMISSIONS_MAX = 20_000


@frozen
class Delivery:
    """A frame that reached a VIF: the host, the port and its name, and the bytes."""

    host: str
    port_number: int
    port_name: str
    frame: bytes


@define(eq=False)
class Host:
    """A hypervisor: its switch, its NIC's address and underlay node, and its tunnels both ways."""

    name: str
    ip: IPv4Address
    node: str
    switch: Switch
    tunnels: dict[int, IPv4Address] = field(factory=dict)
    tunnel_ports: dict[IPv4Address, int] = field(factory=dict)
    reassembler: Reassembler = field(factory=Reassembler)


@frozen
class _Arrival:
    host: Host
    in_port: int
    frame: bytes
    tun_id: int
    tunnel_hops: int


class Fabric:
    """Hosts, their switches, and the frames between them."""

    def __init__(self, underlay: Underlay) -> None:
        """A fabric without hosts."""
        self.underlay = underlay
        self._hosts: dict[str, Host] = {}
        self._by_ip: dict[IPv4Address, Host] = {}
        self._packet_id = 0
        self._drops: Counter[str] = Counter()
        self._captures: list[CaptureWriter] = []

    @property
    def hosts(self) -> Mapping[str, Host]:
        """The hosts by name."""
        return self._hosts

    @property
    def drops(self) -> Counter[str]:
        """Every drop by name: of the fabric, the switches, the reassemblers and the underlay.

        The fabric's own are `unknown_host` (no host has a tunnel's remote address),
        `unknown_tunnel` (the receiver has no tunnel back), `no_route`, `frame_too_big` and
        `loop`.
        """
        total = Counter(self._drops)
        total.update(self.underlay.drops)
        for host in self._hosts.values():
            total.update(host.switch.drops)
            total.update(host.reassembler.drops)
        return total

    def switch(self, host: str) -> Switch:
        """A host's switch."""
        return self._host(host).switch

    def add_host(self, name: str, ip: str, node: str | None = None) -> Switch:
        """Add a host with an empty switch, which is returned.

        Args:
            name: the host.
            ip: its NIC's IPv4 address, the end of its tunnels.
            node: the underlay node it stands at; its own name if left out.

        Raises:
            TopologyError: the name, the address or the node is taken, or there is no such node.
        """
        address = _address(f"host {name}", ip)
        node = name if node is None else node
        if node not in self.underlay:
            raise TopologyError(f"host {name}: the underlay has no node {node}; add it first")
        for host in self._hosts.values():
            if name == host.name or address == host.ip or node == host.node:
                raise TopologyError(
                    f"cannot add host {name} ({ip} at {node}): "
                    f"host {host.name} ({host.ip} at {host.node}) is there"
                )
        host = Host(name, address, node, Switch(name))
        self._hosts[name] = self._by_ip[address] = host
        return host.switch

    def remove_host(self, name: str) -> None:
        """Remove a host with all it has but its drops; tunnels to it then lead nowhere."""
        host = self._host(name)
        self._drops.update(host.switch.drops)
        self._drops.update(host.reassembler.drops)
        del self._hosts[name], self._by_ip[host.ip]

    def readdress(self, ips: Mapping[str, str]) -> None:
        """Give hosts new NIC addresses, all at once, so that two may swap theirs.

        Tunnels to an old address lead nowhere until they are made anew.

        Raises:
            TopologyError: there is no such host, or two hosts would have one address.
        """
        wanted = {host.name: host.ip for host in self._hosts.values()}
        for name, ip in ips.items():
            wanted[self._host(name).name] = _address(f"host {name}", ip)
        by_ip = {ip: self._hosts[name] for name, ip in wanted.items()}
        if len(by_ip) < len(wanted):
            raise TopologyError(f"cannot readdress {', '.join(ips)}: two hosts would share an IP")
        for name in ips:
            self._hosts[name].ip = wanted[name]
        self._by_ip = by_ip

    def far_end(self, host: str, port_number: int) -> tuple[str, int] | None:
        """Where a tunnel port leads: the host beyond and its port back; None if nowhere."""
        here = self._host(host)
        there = self._by_ip.get(here.tunnels.get(port_number, here.ip))
        number = None if there is None else there.tunnel_ports.get(here.ip)
        return None if there is None or number is None else (there.name, number)

    def add_vif(self, host: str, port_number: int, name: str) -> None:
        """Attach a VIF to a host's switch; see `Switch.add_port` for errors."""
        self._host(host).switch.add_port(port_number, name, "vif")

    def remove_vif(self, host: str, port_number: int) -> None:
        """Detach a VIF."""
        self._remove_port(host, port_number, "vif")

    def add_tunnel(self, host: str, port_number: int, remote_ip: str) -> None:
        """Give a switch an STT tunnel port to the host with address `remote_ip`.

        Raises:
            TopologyError: the port is taken, or the host has a tunnel to this address already.
        """
        end = self._host(host)
        address = _address(f"tunnel of host {host}", remote_ip)
        if address in end.tunnel_ports:
            number = end.tunnel_ports[address]
            raise TopologyError(f"host {host}: port {number} is a tunnel to {address} already")
        end.switch.add_port(port_number, f"stt-{address}", "tunnel")
        end.tunnels[port_number] = address
        end.tunnel_ports[address] = port_number

    def remove_tunnel(self, host: str, port_number: int) -> None:
        """Take a tunnel port away."""
        self._remove_port(host, port_number, "tunnel")
        end = self._host(host)
        del end.tunnel_ports[end.tunnels.pop(port_number)]

    def send(self, host: str, in_port: int, frame: bytes) -> list[Delivery]:
        """Put a frame into a host's switch by a port, and carry it until all copies are home.

        Raises:
            TopologyError: there is no such host or port.
        """
        deliveries: list[Delivery] = []
        arrivals = deque([_Arrival(self._host(host), in_port, frame, 0, 0)])
        transmissions = 0
        while arrivals:
            arrival = arrivals.popleft()
            here = arrival.host
            for egress in here.switch.process(arrival.in_port, arrival.frame, arrival.tun_id):
                port = here.switch.ports[egress.port]
                if port.number not in here.tunnels:
                    deliveries.append(Delivery(here.name, port.number, port.name, egress.frame))
                    continue
                transmissions += 1
                if arrival.tunnel_hops >= TUNNEL_HOPS_MAX or transmissions > TRANSMISSIONS_MAX:
                    self._drops["loop"] += 1
                    continue
                remote = here.tunnels[port.number]
                for received in self._transmit(here, remote, egress.frame, egress.tun_id):
                    arrivals.extend(self._arrive(received, arrival.tunnel_hops + 1))
        return deliveries

    @contextmanager
    def capture(self, path: str) -> Iterator[CaptureWriter]:
        """Record what NICs send to a pcapng file, as outer Ethernet frames, until the exit.

        Raises:
            OSError: the file cannot be written.
        """
        with CaptureWriter(path) as capture:
            self._captures.append(capture)
            try:
                yield capture
            finally:
                self._captures.remove(capture)

    def _transmit(
        self, here: Host, remote: IPv4Address, frame: bytes, tun_id: int
    ) -> Iterator[TunnelFrame]:
        there = self._by_ip.get(remote)
        if there is None:
            self._drops["unknown_host"] += 1
            return
        mtu = self.underlay.path_mtu(here.node, there.node)
        if mtu == 0:
            self._drops["no_route"] += 1
            return
        if len(frame) > FRAME_BYTES_MAX:
            self._drops["frame_too_big"] += 1
            return
        self._packet_id = (self._packet_id + 1) & 0xFFFFFFFF
        packet_id = self._packet_id
        tunnel = Tunnel(here.ip, remote)
        for packet in encapsulate(frame, tun_id, tunnel, packet_id=packet_id, mtu=mtu):
            transit = self.underlay.forward(here.node, there.node, packet)
            for capture in self._captures:
                capture.write(here.name, _ethernet(transit.nodes, packet))
            if transit.packet is not None:
                received = there.reassembler.receive(transit.packet)
                if received is not None:
                    yield received

    def _arrive(self, received: TunnelFrame, tunnel_hops: int) -> Iterator[_Arrival]:
        there = self._by_ip[IPv4Address(received.destination)]
        number = there.tunnel_ports.get(IPv4Address(received.source))
        if number is None:
            self._drops["unknown_tunnel"] += 1
            return
        for frame in finish(received.frame, received.offload, Work()):
            yield _Arrival(there, number, frame, received.key, tunnel_hops)

    def _remove_port(self, host: str, port_number: int, kind: str) -> None:
        switch = self._host(host).switch
        port = switch.ports.get(port_number)
        if port is not None and port.kind != kind:
            raise TopologyError(f"host {host}: port {port_number} ({port.name}) is no {kind}")
        switch.remove_port(port_number)

    def _host(self, name: str) -> Host:
        if name not in self._hosts:
            raise TopologyError(
                f"there is no host {name}; there are {', '.join(self._hosts) or 'none'}"
            )
        return self._hosts[name]


def _address(what: str, ip: str) -> IPv4Address:
    try:
        return IPv4Address(ip)
    except AddressValueError as error:
        raise TopologyError(f"{what}: {ip!r} is no IPv4 address") from error


def _ethernet(nodes: tuple[str, ...], packet: bytes) -> bytes:
    """The frame in which a packet leaves the first of the nodes for the second."""
    source, following = nodes[0], nodes[min(1, len(nodes) - 1)]
    return _nic_mac(following) + _nic_mac(source) + ETHERTYPE_IPV4.to_bytes(2, "big") + packet


def _nic_mac(node: str) -> bytes:
    # Locally administered, and the same in every run.
    return b"\x02\0" + crc32(node.encode()).to_bytes(4, "big")
