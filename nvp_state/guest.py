"""Guests: VMs with just enough of an IP stack to find each other, answer pings and serve TCP.

A guest sends real frames through an `Emulation` and answers those that come out at its port, so
that a demonstration meets what a VM would meet: ARP first, replies only if they get through too.
Frames are made and read by scapy, which shares no code with the switches that carry them.
"""

from collections.abc import Callable

from attrs import frozen
from scapy.layers.inet import ICMP, IP, TCP
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Packet, Raw

from nvp_state.emulation import NO_HOST, Emulation, require
from nvp_state.entities import Port
from nvp_state.errors import Problem, StateError

BROADCAST = "ff:ff:ff:ff:ff:ff"
EPHEMERAL_PORT = 49152


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
        port = require(self._lab.state, "port", name).entity
        assert isinstance(port, Port)
        lacking = [("host", NO_HOST)] if port.host is None else []
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

    def resolve(self, source: str, target: str) -> str | None:
        """The MAC that answers an ARP request for the IP address of `target`, or None."""
        mac, ip = self.vm(source).mac, self._ip(target)
        for delivery in self._lab.send(source, self.arp_frame(source, target)):
            vm = self.vms.get(delivery.port)
            if vm is None or vm.ip != ip:
                continue
            answer = Ether(src=vm.mac, dst=mac) / ARP(
                op="is-at", hwsrc=vm.mac, psrc=ip, hwdst=mac, pdst=self._ip(source)
            )
            if any(reply.port == source for reply in self._lab.send(vm.name, bytes(answer))):
                return vm.mac
        return None

    def arp_frame(self, source: str, target: str) -> bytes:
        """The broadcast by which one VM asks for the MAC of another's IP address."""
        vm = self.vm(source)
        ask = ARP(op="who-has", hwsrc=vm.mac, psrc=vm.ip, pdst=self._ip(target))
        return bytes(Ether(src=vm.mac, dst=BROADCAST) / ask)

    def ping_frame(self, source: str, destination: str, payload: bytes = b"") -> bytes:
        """An echo request from one VM straight to the MAC of another."""
        return self._frame(source, destination, ICMP(id=7, seq=1) / Raw(payload))

    def tcp_frame(self, source: str, destination: str, port: int) -> bytes:
        """A TCP SYN from one VM straight to the MAC of another."""
        return self._frame(source, destination, TCP(sport=EPHEMERAL_PORT, dport=port, flags="S"))

    def _frame(self, source: str, destination: str, packet: Packet) -> bytes:
        macs = Ether(src=self.vm(source).mac, dst=self.vm(destination).mac)
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
            if delivery.port not in self.vms or self.vms[delivery.port].mac != mac:
                continue
            heard = Ether(delivery.frame)
            back = Ether(src=mac, dst=heard.src) / answer(heard)
            if any(reply.port == source for reply in self._lab.send(delivery.port, bytes(back))):
                return Outcome(wanted, True)
        return Outcome(wanted, False)

    def _ip(self, name: str) -> str:
        ip = self.vm(name).ip
        assert ip is not None
        return ip


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
