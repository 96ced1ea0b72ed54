"""Physical networks: Ethernet segments outside, which some hosts have a NIC in.

A frame that a host sends by its NIC reaches the NICs of all other hosts in the segment, and whoever
listens there. Segments learn nothing and filter nothing: they are the worst network there can be,
and what goes round in one is cut off after `ROUNDS_MAX` rounds, as a storm.
"""

from collections.abc import Iterable

from vswitch_sim import Delivery, Fabric

# NICs are these ports of a host's switch: VIFs are below, tunnels above (nlog/rules/location.nlog).
NIC_FIRST, NIC_LAST = 0x7000, 0x7FFF
ROUNDS_MAX = 16


class Segments:
    """The segments of one fabric. Each has a number, which with `NIC_FIRST` is its port's."""

    def __init__(self, fabric: Fabric) -> None:
        self._fabric = fabric
        self._members: dict[int, dict[str, None]] = {}
        self._rounds = 0
        self.storms = 0
        fabric.on_delivery.append(self._leave)

    def join(self, host: str, networks: Iterable[tuple[str, int]]) -> None:
        """Give a host a NIC in each of some networks, told by name and number."""
        for name, number in networks:
            self._fabric.add_vif(host, NIC_FIRST + number, name)
            self._members.setdefault(number, {})[host] = None

    def leave(self, host: str, *, is_gone: bool = False) -> None:
        """Take all NICs of a host away; one that is gone took them along."""
        for number, hosts in self._members.items():
            if host in hosts:
                del hosts[host]
                if not is_gone:
                    self._fabric.remove_vif(host, NIC_FIRST + number)

    def nics(self, number: int) -> list[tuple[str, int]]:
        """The NICs in a segment: their hosts and port numbers."""
        return [(host, NIC_FIRST + number) for host in self._members.get(number, {})]

    def beyond(self, host: str, port_number: int) -> list[tuple[str, int]]:
        """The NICs that hear what a host sends by a port; none if that is no NIC."""
        nics = self.nics(port_number - NIC_FIRST)
        return [nic for nic in nics if nic != (host, port_number)]

    def inject(self, number: int, frame: bytes, sender: str = "") -> None:
        """Send a frame into a segment: from outside, or from the NIC of a host."""
        if self._rounds >= ROUNDS_MAX:
            self.storms += 1
            return
        self._rounds += 1
        try:
            for host in [*self._members.get(number, {})]:
                if host != sender:
                    self._fabric.inject(host, NIC_FIRST + number, frame)
        finally:
            self._rounds -= 1

    def _leave(self, delivery: Delivery) -> None:
        if NIC_FIRST <= delivery.port_number <= NIC_LAST:
            self.inject(delivery.port_number - NIC_FIRST, delivery.frame, delivery.host)
