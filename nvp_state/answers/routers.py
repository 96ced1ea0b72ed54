"""Router advertisements (RFC 4861, section 4.2), with DNS (RFC 8106); as OVN's to the number."""

from ipaddress import IPv6Address, IPv6Network

from scapy.layers.inet6 import (
    ICMPv6ND_RA,
    ICMPv6ND_RS,
    ICMPv6NDOptDNSSL,
    ICMPv6NDOptMTU,
    ICMPv6NDOptPrefixInfo,
    ICMPv6NDOptRDNSS,
    ICMPv6NDOptSrcLLAddr,
    IPv6,
)

from nvp_state.answers.frames import Received, frame_of
from nvp_state.answers.reasons import RouterAdvertisement

ALL_NODES, ALL_NODES_MAC = "ff02::1", "33:33:00:00:00:01"
_HOP_LIMIT = 255
_LIFETIME_S = 0xFFFF
_FOREVER_S = 0xFFFFFFFF


def advertisement(answer: RouterAdvertisement, about: Received) -> bytes | None:
    """The advertisement that a solicitation asks for; None if the packet is none."""
    asked = about.upper
    if not isinstance(asked, ICMPv6ND_RS) or asked.code or about.packet.hlim != 255:
        return None
    destination, mac = str(about.source), about.link.source
    if about.source.is_unspecified:
        destination, mac = ALL_NODES, ALL_NODES_MAC
    told = (
        IPv6(src=link_local(answer.mac), dst=destination, hlim=255)
        / ICMPv6ND_RA(
            chlim=_HOP_LIMIT,
            M=int(answer.mode == "dhcpv6_stateful"),
            O=int(answer.mode == "dhcpv6_stateless"),
            prf=0,
            routerlifetime=_LIFETIME_S,
        )
        / ICMPv6NDOptSrcLLAddr(lladdr=answer.mac)
    )
    if answer.mtu:
        told /= ICMPv6NDOptMTU(mtu=answer.mtu)
    for prefix in map(IPv6Network, answer.prefixes):
        told /= ICMPv6NDOptPrefixInfo(
            prefix=str(prefix.network_address),
            prefixlen=prefix.prefixlen,
            L=1,
            A=int(answer.mode != "dhcpv6_stateful"),
            R=0,
            validlifetime=_FOREVER_S,
            preferredlifetime=_FOREVER_S,
        )
    if answer.dns_servers:
        told /= ICMPv6NDOptRDNSS(dns=list(answer.dns_servers), lifetime=_FOREVER_S)
    if answer.domain_search:
        told /= ICMPv6NDOptDNSSL(searchlist=list(answer.domain_search), lifetime=_FOREVER_S)
    return frame_of(about.link, told, mac, answer.mac)


def link_local(mac: str) -> str:
    """The address that follows from a MAC (RFC 4291, appendix A)."""
    octets = bytes.fromhex(mac.replace(":", ""))
    identifier = bytes([octets[0] ^ 2]) + octets[1:3] + b"\xff\xfe" + octets[3:]
    return str(IPv6Address(b"\xfe\x80" + bytes(6) + identifier))
