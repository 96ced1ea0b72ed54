"""Guests: VMs with just enough of an IP stack to find each other, answer pings and serve TCP.

A guest sends real frames through an `Emulation` and answers those that come out at its port, so
that a demonstration meets what a VM would meet: ARP first, replies only if they get through too.
Its default gateway is the router port on its switch in whose network its address is; what is not in
that network goes there. Frames are made and read by scapy, which shares no code with the switches
that carry them.
"""

from collections.abc import Callable
from ipaddress import ip_address, ip_interface

from attrs import frozen
from scapy.layers.inet import ICMP, IP, TCP
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Packet, Raw

from nvp_state.emulation import NO_HOST, Emulation, require
from nvp_state.entities import Port, RouterPort
from nvp_state.errors import Problem, StateError

BROADCAST = "ff:ff:ff:ff:ff:ff"
EPHEMERAL_PORT = 49152
IS_AT = 2


@frozen
class Outcome:
    """What came of talking to another VM; `stage` is how far it got."""

    stage: str
    answered: bool

    def __str__(self) -> str:
        return "answered" if self.answered else f"no {self.stage}"


class Guests:
    """The VMs of an emulation's located ports, each with the addresses of its port."""

    def __init__(self, lab: Emulation) -> None:
        self._lab = lab
        self.vms: dict[str, Port] = {}
        for entity in lab.state.entities("port"):
            if isinstance(entity, Port) and entity.host is not None and entity.ip is not None:
                self.vms[entity.name] = entity

    def vm(self, name: str) -> Port:
        """The VM at a port.

        Raises:
            StateError: there is no such port, or it has no IP address, or no host.
        """
        if name in self.vms:
            return self.vms[name]
        if _version(name) == 6:
            raise StateError([Problem(name, "", "pings, TCP and ARP are of IPv4: give a frame")])
        port = require(self._lab.state, "port", name).entity
        assert isinstance(port, Port)
        lacking = [("host", NO_HOST)] if port.host is port.parent is None else []
        if port.ip is None:
            lacking.append(("ip", "has none, and a ping, TCP or ARP needs one; give it an `ip`"))
        if lacking:
            raise StateError(Problem(port.title, field, text) for field, text in lacking)
        return port

    def ping(self, source: str, destination: str, payload: bytes = b"nlog") -> Outcome:
        """Resolve the destination's address by ARP, then ping it once."""
        request = IP(src=self._ip(source), dst=self._ip(destination)) / ICMP(id=7, seq=1)
        return self._talk(source, destination, request / Raw(payload), _echo, "echo reply")

    def connect(self, source: str, destination: str, port: int, payload: bytes = b"") -> Outcome:
        """Resolve the destination's address, open a TCP connection, and push `payload`."""
        ip = IP(src=self._ip(source), dst=self._ip(destination))
        opened = TCP(sport=EPHEMERAL_PORT, dport=port, flags="S", seq=1000)
        outcome = self._talk(source, destination, ip / opened, _accept, "SYN+ACK")
        if not outcome.answered or not payload:
            return outcome
        pushed = TCP(sport=EPHEMERAL_PORT, dport=port, flags="PA", seq=1001, ack=1)
        return self._talk(source, destination, ip / pushed / Raw(payload), _acknowledge, "ACK")

    def gateway(self, name: str) -> RouterPort | None:
        """The router port by which a VM leaves its network, if there is one."""
        vm, ip = self.vm(name), self._ip(name)
        for port in self._lab.state.entities("router-port"):
            if not isinstance(port, RouterPort) or port.switch != vm.switch or port.cidr is None:
                continue
            if ip_address(ip) in ip_interface(port.cidr).network:
                return port
        return None

    def resolve(self, source: str, target: str) -> str | None:
        """The MAC to which `source` sends packets for `target`, or None if nobody says it by ARP.

        It is asked for the address of `target`, or for that of the gateway if `target` is in
        another network.
        """
        mac, ip = self.vm(source).mac, self._ip(target)
        gateway = self._towards(source, target)
        if gateway is not None:
            ip = str(ip_interface(gateway.cidr or "").ip)
        ask = ARP(op="who-has", hwsrc=mac, psrc=self._ip(source), pdst=ip)
        heard = self._lab.send(source, bytes(Ether(src=mac, dst=BROADCAST) / ask))
        answers = [delivery.frame for delivery in heard if delivery.port == source]
        for delivery in heard:
            vm = self.vms.get(delivery.port)
            if vm is not None and vm.name != source and vm.ip == ip:
                told = ARP(op="is-at", hwsrc=vm.mac, psrc=ip, hwdst=mac, pdst=self._ip(source))
                sent = self._lab.send(vm.name, bytes(Ether(src=vm.mac, dst=mac) / told))
                answers += [reply.frame for reply in sent if reply.port == source]
        for answer in map(Ether, answers):
            if ARP in answer and answer[ARP].op == IS_AT and answer[ARP].psrc == ip:
                return str(answer[ARP].hwsrc)
        return None

    def arp_frame(self, source: str, target: str) -> bytes:
        """The broadcast by which one VM asks for the MAC of another's IP address."""
        vm = self.vm(source)
        ask = ARP(op="who-has", hwsrc=vm.mac, psrc=vm.ip, pdst=self._ip(target))
        return bytes(Ether(src=vm.mac, dst=BROADCAST) / ask)

    def ping_frame(self, source: str, destination: str, payload: bytes = b"") -> bytes:
        """An echo request from one VM to another: to its MAC, or to that of the gateway.

        The destination may also be an IPv4 address, whoever has it.
        """
        return self._frame(source, destination, ICMP(id=7, seq=1) / Raw(payload))

    def tcp_frame(self, source: str, destination: str, port: int) -> bytes:
        """A TCP SYN from one VM to another: to its MAC, or to that of the gateway."""
        return self._frame(source, destination, TCP(sport=EPHEMERAL_PORT, dport=port, flags="S"))

    def _frame(self, source: str, destination: str, packet: Packet) -> bytes:
        hop = self._towards(source, destination) or self._neighbour(source, destination)
        macs = Ether(src=self.vm(source).mac, dst=hop.mac)
        ips = IP(src=self._ip(source), dst=self._ip(destination))
        return bytes(macs / ips / packet)

    def _talk(
        self,
        source: str,
        destination: str,
        packet: Packet,
        answer: Callable[[Packet], Packet],
        wanted: str,
    ) -> Outcome:
        mac = self.resolve(source, destination)
        if mac is None:
            return Outcome("ARP reply", False)
        request = Ether(src=self.vm(source).mac, dst=mac) / packet
        for delivery in self._lab.send(source, bytes(request)):
            vm, heard = self.vms.get(delivery.port), Ether(delivery.frame)
            if vm is None or (vm.mac, vm.ip) != (heard.dst, heard[IP].dst):
                continue
            back = Ether(src=vm.mac, dst=heard.src) / answer(heard)
            if any(reply.port == source for reply in self._lab.send(delivery.port, bytes(back))):
                return Outcome(wanted, True)
        return Outcome(wanted, False)

    def _towards(self, source: str, target: str) -> RouterPort | None:
        """The gateway of `source` if packets for `target` go there."""
        gateway = self.gateway(source)
        if gateway is None or gateway.cidr is None:
            return None
        is_near = ip_address(self._ip(target)) in ip_interface(gateway.cidr).network
        return None if is_near else gateway

    def _neighbour(self, source: str, target: str) -> Port | RouterPort:
        """Who has an address on the switch of `source`, or the VM of that name."""
        if not _is_address(target):
            return self.vm(target)
        switch = self.vm(source).switch
        for kind in ("port", "router-port"):
            for it in self._lab.state.entities(kind):
                match it:
                    case Port(ip=ip) if ip == target and it.switch == switch:
                        return it
                    case RouterPort(cidr=str(cidr)) if it.switch == switch:
                        if str(ip_interface(cidr).ip) == target:
                            return it
        text = f"nobody on switch {switch} has {target}, so the VM finds no MAC address to send to"
        raise StateError([Problem(self.vm(source).title, "", text)])

    def _ip(self, name: str) -> str:
        if _is_address(name):
            return name
        ip = self.vm(name).ip
        assert ip is not None
        return ip


def _is_address(text: str) -> bool:
    """Whether this is an IPv4 address."""
    return _version(text) == 4


def _version(text: str) -> int | None:
    """Which address it is, if it is one."""
    try:
        return ip_address(text).version
    except ValueError:
        return None


def _back(heard: Packet) -> Packet:
    return IP(src=heard[IP].dst, dst=heard[IP].src)


def _echo(heard: Packet) -> Packet:
    asked = heard[ICMP]
    reply = ICMP(type="echo-reply", id=asked.id, seq=asked.seq)
    return _back(heard) / reply / Raw(bytes(asked.payload))


def _accept(heard: Packet) -> Packet:
    asked = heard[TCP]
    return _back(heard) / TCP(
        sport=asked.dport, dport=asked.sport, flags="SA", seq=0, ack=asked.seq + 1
    )


def _acknowledge(heard: Packet) -> Packet:
    pushed = heard[TCP]
    seq = pushed.seq + len(bytes(pushed.payload))
    return _back(heard) / TCP(
        sport=pushed.dport, dport=pushed.sport, flags="A", seq=pushed.ack, ack=seq
    )
