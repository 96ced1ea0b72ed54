"""Neighbour discovery and ARP: who has an address, asked and answered (RFC 826, RFC 4861)."""

from ipaddress import IPv4Address, IPv6Address

from scapy.layers.inet6 import (
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6NDOptDstLLAddr,
    ICMPv6NDOptSrcLLAddr,
    IPv6,
)
from scapy.layers.l2 import ARP

from nvp_state.answers.frames import ARP_TYPE, Received, frame_of, link_of, received
from nvp_state.answers.reasons import ArpRequest, NeighbourAdvertisement, NeighbourSolicitation
from nvp_state.answers.routers import ALL_NODES, ALL_NODES_MAC
from vswitch_sim import PacketIn

_BROADCAST = "ff:ff:ff:ff:ff:ff"
_SOLICITED_NODES = int(IPv6Address("ff02::1:ff00:0"))
_IP6_TYPE = 0x86DD
_ARP_BYTES, _ARP_OF_ETHERNET = 28, bytes.fromhex("000108000604")


def advertisement(answer: NeighbourAdvertisement, about: Received) -> bytes | None:
    """The advertisement that a solicitation asks for; None if the packet is none."""
    asked = about.upper
    if not isinstance(asked, ICMPv6ND_NS) or asked.code or about.packet.hlim != 255:
        return None
    target = IPv6Address(asked.tgt)
    if target.is_multicast:
        return None
    # Who asks whether an address is free has none: all hear that it is not (section 7.2.4).
    is_probe = about.source.is_unspecified
    destination, mac = str(about.source), about.link.source
    if is_probe:
        destination, mac = ALL_NODES, ALL_NODES_MAC
    told = (
        IPv6(src=str(target), dst=destination, hlim=255)
        / ICMPv6ND_NA(R=int(answer.router), S=int(not is_probe), O=1, tgt=str(target))
        / ICMPv6NDOptDstLLAddr(lladdr=answer.mac)
    )
    return frame_of(about.link, told, mac, answer.mac)


def arp_request(_: ArpRequest, packet_in: PacketIn) -> bytes | None:
    """The request for the address in reg0, by who has that in reg1 and the packet's source MAC."""
    link = link_of(packet_in.frame)
    if link is None:
        return None
    registers = packet_in.registers
    asked = ARP(
        op="who-has",
        hwsrc=link.source,
        psrc=str(IPv4Address(registers["reg1"])),
        hwdst="00:00:00:00:00:00",
        pdst=str(IPv4Address(registers["reg0"])),
    )
    return frame_of(link, asked, _BROADCAST, link.source, ARP_TYPE)


def told(packet_in: PacketIn) -> tuple[str, str] | None:
    """What an ARP answer or a neighbour advertisement says: an address and its MAC."""
    link = link_of(packet_in.frame)
    if link is None:
        return None
    if link.type == ARP_TYPE:
        body = packet_in.frame[link.n_bytes :]
        if len(body) < _ARP_BYTES or body[:6] != _ARP_OF_ETHERNET:
            return None
        return str(IPv4Address(body[14:18])), body[8:14].hex(":")
    about = received(packet_in)
    upper = None if about is None else about.upper
    if not isinstance(upper, ICMPv6ND_NA) or upper.code or not upper.haslayer(ICMPv6NDOptDstLLAddr):
        return None
    return str(IPv6Address(upper.tgt)), str(upper[ICMPv6NDOptDstLLAddr].lladdr)


def solicitation(_: NeighbourSolicitation, packet_in: PacketIn) -> bytes | None:
    """The solicitation for the address in xxreg0, by who has that in xxreg1 and the source MAC."""
    link = link_of(packet_in.frame)
    if link is None:
        return None
    target, source = packet_in.registers["xxreg0"], packet_in.registers["xxreg1"]
    group = _SOLICITED_NODES | target & 0xFFFFFF
    asked = (
        IPv6(src=str(IPv6Address(source)), dst=str(IPv6Address(group)), hlim=255)
        / ICMPv6ND_NS(tgt=str(IPv6Address(target)))
        / ICMPv6NDOptSrcLLAddr(lladdr=link.source)
    )
    mac = "33:33:" + (group & 0xFFFFFFFF).to_bytes(4, "big").hex(":")
    return frame_of(link, asked, mac, link.source, _IP6_TYPE)
