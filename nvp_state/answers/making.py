"""From a packet and what shall be made of it to the frame, by the maker of each kind."""

from collections.abc import Callable, Mapping
from typing import Any

from nvp_state.answers import dhcp4, dhcp6, dns, errors, neighbours, routers
from nvp_state.answers.frames import Received, received
from nvp_state.answers.reasons import (
    Answer,
    ArpRequest,
    Dhcp4,
    Dhcp6,
    Dns,
    IcmpError,
    Learn,
    NeighbourAdvertisement,
    NeighbourSolicitation,
    Reject,
    RouterAdvertisement,
    TcpReset,
)
from vswitch_sim import PacketIn

# Of those that need no more of the packet than its source MAC, or nothing.
_OF_REGISTERS: Mapping[type, Callable[[Any, PacketIn], bytes | None]] = {
    ArpRequest: neighbours.arp_request,
    NeighbourSolicitation: neighbours.solicitation,
    Learn: lambda *_: None,
}

_OF_PACKETS: Mapping[type, Callable[[Any, Received], bytes | None]] = {
    IcmpError: errors.icmp_error,
    TcpReset: errors.tcp_reset,
    Reject: errors.reject,
    NeighbourAdvertisement: neighbours.advertisement,
    RouterAdvertisement: routers.advertisement,
}

# Of those that let a packet pass which they have no answer to.
_OF_SERVICES: Mapping[type, Callable[[Any, Received], bytes | None]] = {
    Dhcp4: dhcp4.reply,
    Dhcp6: dhcp6.reply,
    Dns: dns.reply,
}


def make(answer: Answer, packet_in: PacketIn) -> bytes | None:
    """The frame; None if there is to be none."""
    if type(answer) in _OF_REGISTERS:
        return _OF_REGISTERS[type(answer)](answer, packet_in)
    about = received(packet_in)
    if type(answer) in _OF_SERVICES:
        made = None if about is None else _OF_SERVICES[type(answer)](answer, about)
        return packet_in.frame if made is None else made
    return None if about is None else _OF_PACKETS[type(answer)](answer, about)
