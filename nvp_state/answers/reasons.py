"""Reasons read: the one place that knows their grammar, which stands in the package's text.

Each is a value that says what to make; `making` makes it.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache

from attrs import frozen

from nvp_state.answers.words import Words, up_to
from nvp_state.entities import checks
from nvp_state.errors import did_you_mean

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


Answer = IcmpError | TcpReset | Reject | NeighbourAdvertisement | ArpRequest | NeighbourSolicitation


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


_KINDS: Mapping[str, Callable[[Words], Answer]] = {
    "icmp4": _icmp(4),
    "icmp6": _icmp(6),
    "tcp_reset": _tcp_reset,
    "reject": lambda _: Reject(),
    "nd_na": _nd_na,
    "arp_request": lambda _: ArpRequest(),
    "nd_ns": lambda _: NeighbourSolicitation(),
}
