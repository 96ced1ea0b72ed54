"""Reasons read: the one place that knows their grammar, which stands in the package's text.

Each is a value that says what to make; `making` makes it.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache

from attrs import frozen

from nvp_state import dhcp_options
from nvp_state.entities import checks
from nvp_state.errors import did_you_mean
from nvp_state.words import Words, up_to

LEARN = "learn"
# As OVN 23.03 has it: what routers send themselves is as far as can be from expiring, what stands
# for the machine that the packet was for is not.
ICMP_TTL = 255
RESET_TTL = 63
# ICMP messages that report an error about a packet: RFC 792, RFC 4443.
ERRORS: Mapping[int, tuple[int, ...]] = {4: (3, 11, 12), 6: (1, 2, 3, 4)}


@frozen
class IcmpError:
    """An ICMP error of IP version 4 or 6; from the packet's destination if `source` is None."""

    version: int
    type: int
    code: int
    source: str | None = None
    ttl: int = ICMP_TTL
    mtu: int = 0


@frozen
class TcpReset:
    """A reset."""

    ttl: int = RESET_TTL


@frozen
class Reject:
    """A reset if the packet is TCP; else an ICMP error."""


@frozen
class NeighbourAdvertisement:
    """The neighbour advertisement of who has `mac`, and is a router or none."""

    mac: str
    router: bool = False


@frozen
class ArpRequest:
    """An ARP request for the address in reg0, from that in reg1."""


@frozen
class NeighbourSolicitation:
    """A neighbour solicitation for the address in xxreg0, from that in xxreg1."""


@frozen
class RouterAdvertisement:
    """What a router tells of its network (RFC 4861, section 4.2).

    Attributes:
        mode: how machines get addresses: "slaac", "dhcpv6_stateful" or "dhcpv6_stateless".
        prefixes: of the network.
        mtu: of the link; 0 says nothing of it.
    """

    mac: str
    mode: str
    prefixes: tuple[str, ...] = ()
    mtu: int = 0
    dns_servers: tuple[str, ...] = ()
    domain_search: tuple[str, ...] = ()


@frozen
class Dhcp4:
    """A lease of `address`: what a DHCP server with an address and a MAC offers and grants.

    `options` are names and values as `nvp_state.dhcp_options` has them.
    """

    address: str
    server: str
    server_mac: str
    options: tuple[tuple[str, str], ...] = ()


@frozen
class Dhcp6:
    """What a DHCPv6 server with a MAC grants: `address`, or none ("") but its options."""

    server_mac: str
    address: str = ""
    options: tuple[tuple[str, str], ...] = ()


@frozen
class Dns:
    """Names, in small letters, and the addresses of each."""

    records: tuple[tuple[str, tuple[str, ...]], ...]


@frozen
class Learn:
    """Nothing: who asked reports which MAC an address has."""


Answer = (
    Learn
    | IcmpError
    | TcpReset
    | Reject
    | NeighbourAdvertisement
    | ArpRequest
    | NeighbourSolicitation
    | RouterAdvertisement
    | Dhcp4
    | Dhcp6
    | Dns
)
MODES = ("slaac", "dhcpv6_stateful", "dhcpv6_stateless")


@lru_cache(4096)
def parse(reason: str) -> Answer:
    """What a reason asks for.

    Raises:
        ValueError: it is no reason; says why, and what is meant perhaps.
    """
    words = Words(reason)
    read = _KINDS.get(words.kind)
    if read is None:
        raise ValueError(
            f"no agent answers by {reason!r}: there are {', '.join(_KINDS)}"
            f"{did_you_mean(words.kind, _KINDS)}"
        )
    try:
        answer = read(words)
        words.end()
    except ValueError as error:
        raise ValueError(f"{reason!r}: {error}") from None
    return answer


def _icmp(version: int) -> Callable[[Words], IcmpError]:
    def read(words: Words) -> IcmpError:
        kind = words.number("the type", 255)
        if kind not in ERRORS[version]:
            known = ", ".join(map(str, ERRORS[version]))
            raise ValueError(f"type {kind} of ICMPv{version} is no error; {known} are")
        return IcmpError(
            version,
            kind,
            words.number("the code", 255),
            words.option("from", checks.ip if version == 4 else checks.ip6),
            words.option("ttl", up_to(255), ICMP_TTL) or 0,
            words.option("mtu", up_to(0xFFFF), 0) or 0,
        )

    return read


def _tcp_reset(words: Words) -> TcpReset:
    return TcpReset(words.option("ttl", up_to(255), RESET_TTL) or 0)


def _nd_na(words: Words) -> NeighbourAdvertisement:
    return NeighbourAdvertisement(words.required("mac", checks.mac), words.flag("router"))


def _all(check: Callable[[object], str]) -> Callable[[str], tuple[str, ...]]:
    """The check of an option that is a list."""
    return lambda text: tuple(check(each) for each in text.split(","))


def _ra(words: Words) -> RouterAdvertisement:
    return RouterAdvertisement(
        words.required("mac", checks.mac),
        words.required("mode", checks.one_of(*MODES)),
        words.option("prefix", _all(checks.prefix), ()) or (),
        words.option("mtu", up_to(0xFFFFFFFF), 0) or 0,
        words.option("dns_server", _all(checks.ip6), ()) or (),
        words.option("domain_search", _all(_domain), ()) or (),
    )


def _domain(text: object) -> str:
    dhcp_options.domain(str(text))
    return str(text)


def _dhcp4(words: Words) -> Dhcp4:
    address = words.required("offer", checks.ip)
    server = words.required("server_id", checks.ip)
    server_mac = words.required("server_mac", checks.mac)
    told = words.others()
    for name, value in told:
        dhcp_options.encoded4(name, value)
    return Dhcp4(address, server, server_mac, told)


def _dhcp6(words: Words) -> Dhcp6:
    server_mac = words.required("server_id", checks.mac)
    address = words.option("offer", checks.ip6) or ""
    told = words.others()
    for name, value in told:
        dhcp_options.encoded6(name, value)
    return Dhcp6(server_mac, address, told)


def _dns(words: Words) -> Dns:
    records = []
    for name, value in words.others():
        dhcp_options.domain(name)
        records.append((name.lower(), _all(checks.any_ip)(value)))
    return Dns(tuple(records))


_KINDS: Mapping[str, Callable[[Words], Answer]] = {
    "icmp4": _icmp(4),
    "icmp6": _icmp(6),
    "tcp_reset": _tcp_reset,
    "reject": lambda _: Reject(),
    "nd_na": _nd_na,
    "arp_request": lambda _: ArpRequest(),
    "nd_ns": lambda _: NeighbourSolicitation(),
    LEARN: lambda _: Learn(),
    "ra": _ra,
    "dhcp4": _dhcp4,
    "dhcp6": _dhcp6,
    "dns": _dns,
}
