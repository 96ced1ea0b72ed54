"""DHCP options by OVN's names: what values they take, and how they stand in a message.

A value is one word: the members of a list stand between commas. `encoded` tells whether it is
one, too. Names and codes are those of ovn-nb(5), DHCP_Options; RFC 2132, RFC 3397, RFC 3442 and
RFC 3646 say what each is.
"""

import re
from collections.abc import Callable, Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address

from nvp_state.errors import did_you_mean
from nvp_state.words import number

Encoder = Callable[[str], bytes]

OPTION_BYTES_MAX = 255
LEASE_TIME_S = 3600

_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_NAME_BYTES_MAX = 255


def encoded4(name: str, value: str) -> bytes:
    """The value of a DHCPv4 option as it stands in a message.

    Raises:
        ValueError: there is no such option, or this is no value of it.
    """
    return _encoded(name, value, _NAMES4)


def encoded6(name: str, value: str) -> bytes:
    """The value of a DHCPv6 option as it stands in a message; raises as `encoded4`."""
    return _encoded(name, value, _NAMES6)


def domain(text: str) -> bytes:
    """A domain name in labels (RFC 1035, section 3.1). ValueError if it is none."""
    labels = text.removesuffix(".").split(".")
    if not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError(f"{text!r} is not a domain name such as web.example")
    octets = b"".join(bytes([len(label)]) + label.encode() for label in labels) + b"\0"
    if len(octets) > _NAME_BYTES_MAX:
        raise ValueError(f"{text!r} is too long for a domain name")
    return octets


def _encoded(name: str, value: str, encoders: Mapping[str, Encoder]) -> bytes:
    if name not in encoders:
        raise ValueError(f"there is no option {name}{did_you_mean(name, encoders)}")
    octets = encoders[name](value)
    if not 0 < len(octets) <= OPTION_BYTES_MAX:
        raise ValueError(f"{value!r} takes {len(octets)} bytes; 1 to {OPTION_BYTES_MAX} fit")
    return octets


def _ip4(text: str) -> bytes:
    return b"".join(_ip4_address(each).packed for each in text.split(","))


def _ip4_address(text: str) -> IPv4Address:
    try:
        return IPv4Address(text)
    except ValueError:
        raise ValueError(f"{text!r} is not an IPv4 address such as 10.0.0.1") from None


def _ip6(text: str) -> bytes:
    try:
        return b"".join(IPv6Address(each).packed for each in text.split(","))
    except ValueError:
        raise ValueError(f"{text!r} is not an IPv6 address such as 2001:db8::1") from None


def _integer(n_bytes: int) -> Encoder:
    most = (1 << 8 * n_bytes) - 1
    return lambda text: number(text, most).to_bytes(n_bytes, "big")


def _flag(text: str) -> bytes:
    if text not in ("true", "false"):
        raise ValueError(f"{text!r} is neither true nor false")
    return bytes([text == "true"])


def _text(text: str) -> bytes:
    if not (text.isascii() and text.isprintable()) or " " in text:
        raise ValueError(f"{text!r} has a blank, or what is no printable ASCII")
    return text.encode()


def _domains(text: str) -> bytes:
    return b"".join(domain(each) for each in text.split(","))


def _routes(text: str) -> bytes:
    """Prefixes and routers in turn (RFC 3442)."""
    words = text.split(",")
    if len(words) % 2:
        raise ValueError(f"{text!r} is not prefix,router,prefix,router,…")
    octets = b""
    for prefix, router in zip(words[::2], words[1::2], strict=True):
        try:
            network = IPv4Network(prefix)
        except ValueError:
            raise ValueError(f"{prefix!r} is not a prefix such as 10.0.0.0/24") from None
        length = network.prefixlen
        packed = network.network_address.packed[: -(-length // 8)]
        octets += bytes([length]) + packed + _ip4_address(router).packed
    return octets


# What is told by a field of the header and not by an option has code 0.
CODES4: Mapping[str, int] = {
    "netmask": 1,
    "router": 3,
    "dns_server": 6,
    "log_server": 7,
    "lpr_server": 9,
    "hostname": 12,
    "domain_name": 15,
    "swap_server": 16,
    "ip_forward_enable": 19,
    "policy_filter": 21,
    "default_ttl": 23,
    "mtu": 26,
    "broadcast_address": 28,
    "router_discovery": 31,
    "router_solicitation": 32,
    "arp_cache_timeout": 35,
    "ethernet_encap": 36,
    "tcp_ttl": 37,
    "tcp_keepalive_interval": 38,
    "nis_server": 41,
    "ntp_server": 42,
    "netbios_name_server": 44,
    "netbios_node_type": 46,
    "lease_time": 51,
    "T1": 58,
    "T2": 59,
    "tftp_server": 66,
    "bootfile_name": 67,
    "domain_search_list": 119,
    "classless_static_route": 121,
    "tftp_server_address": 150,
    "path_prefix": 210,
    "ms_classless_static_route": 249,
    "wpad": 252,
    "next_server": 0,
}
CODES6: Mapping[str, int] = {"dns_server": 23, "domain_search": 24, "bootfile_name": 59}

_ENCODERS4: Mapping[Encoder, tuple[str, ...]] = {
    _flag: ("ip_forward_enable", "router_discovery", "ethernet_encap"),
    _integer(1): ("default_ttl", "tcp_ttl", "netbios_node_type"),
    _integer(2): ("mtu",),
    _integer(4): ("lease_time", "T1", "T2", "arp_cache_timeout", "tcp_keepalive_interval"),
    _text: ("hostname", "domain_name", "tftp_server", "bootfile_name", "path_prefix", "wpad"),
    _domains: ("domain_search_list",),
    _routes: ("classless_static_route", "ms_classless_static_route"),
}
_NAMES4: Mapping[str, Encoder] = dict.fromkeys(CODES4, _ip4) | {
    name: encoder for encoder, names in _ENCODERS4.items() for name in names
}
_NAMES6: Mapping[str, Encoder] = {
    "dns_server": _ip6,
    "domain_search": _domains,
    "bootfile_name": _text,
}
