"""Connection tracking as Open vSwitch does it for OVN, one table a zone, one zone a VIF.

    connections.state("web-1", packet)    -> "new", "est", "est,rpl", "rel", "rel,rpl" or "inv"
    connections.commit("web-1", packet)   what `ct_commit` does

`ovn-trace` knows no connections: it asks its user what state each packet that is tracked has. This
answers, from what was committed before. A connection is new until a reply was seen, also when it
is committed; a TCP segment begins one if it is a SYN, an ACK (loose pick-up) or a reset, which is
what Open vSwitch's own tracker holds (Linux' finds a lone reset invalid); an ICMP error is related
to the connection of the packet that it is about, or invalid.
"""

from copy import deepcopy

from tests.ovn_packets import TRANSPORTS, Packet

Tuple = tuple[str, ...]

_ECHOES = {"icmp4": {"8": "0", "13": "14", "17": "18"}, "icmp6": {"128": "129"}}
_ERRORS = {"icmp4": {"3", "4", "5", "11", "12"}, "icmp6": {"1", "2", "3", "4"}}
_FIN, _SYN, _RST, _ACK = 1, 2, 4, 16


class Connections:
    """What all zones hold: per zone, whether the connection that began so was answered."""

    def __init__(self) -> None:
        self._zones: dict[str, dict[Tuple, bool]] = {}

    def copy(self) -> "Connections":
        """The same, to try what a packet would do."""
        return deepcopy(self)

    def state(self, zone: str, packet: Packet, about: Packet | None = None) -> str:
        """The state of a packet that comes to a zone, in the words of `--ct` without `trk`.

        `about` is the packet that an ICMP error is about.
        """
        held = self._zones.setdefault(zone, {})
        if _is_error(packet):
            if about is None:
                return "inv"
            there, back = _ends(about)
            return "rel,rpl" if there in held else "rel" if back in held else "inv"
        there, back = _ends(packet)
        if back in held:
            held[back] = True
            return "est,rpl"
        if there in held:
            return "est" if held[there] else "new"
        return "new" if _begins(packet) else "inv"

    def commit(self, zone: str, packet: Packet) -> None:
        """Remember the connection of a packet; nothing new if it is known, either way round."""
        held = self._zones.setdefault(zone, {})
        there, back = _ends(packet)
        if not _is_error(packet) and back not in held:
            held.setdefault(there, False)


def _ends(packet: Packet) -> tuple[Tuple, Tuple]:
    """What identifies the packet's connection, and the same as a reply has it."""
    family = "ip4" if "ip4.src" in packet else "ip6"
    source, destination = packet[f"{family}.src"], packet[f"{family}.dst"]
    name = TRANSPORTS.get(int(packet["ip.proto"]))
    here, there = ("", "")
    if name:
        here, there = packet[f"{name}.src"], packet[f"{name}.dst"]
    for icmp, echoes in _ECHOES.items():
        number = packet.get(f"{icmp}.type", "")
        answers = {answer: request for request, answer in echoes.items()}
        if number in echoes or number in answers:
            here, there = number, echoes.get(number) or answers[number]
    front = (packet["ip.proto"],)
    return (*front, source, here, destination, there), (*front, destination, there, source, here)


def _is_error(packet: Packet) -> bool:
    return any(packet.get(f"{icmp}.type") in numbers for icmp, numbers in _ERRORS.items())


def _begins(packet: Packet) -> bool:
    if "tcp.flags" in packet:
        flags = int(packet["tcp.flags"]) & (_FIN | _SYN | _RST | _ACK)
        return flags in {_SYN, _RST} or (not flags & _SYN and bool(flags & _ACK))
    for icmp, echoes in _ECHOES.items():
        if f"{icmp}.type" in packet:
            return packet[f"{icmp}.type"] in echoes
    return True
