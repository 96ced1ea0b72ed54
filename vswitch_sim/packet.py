"""Frames: what their headers say, read by the datapath."""

from attrs import frozen

from vswitch_sim.datapath._core import parse as _parse
from vswitch_sim.fields import FIELDS

ETHERNET_BYTES = 14
ETHERTYPE_VLAN = 0x8100
ETHERTYPE_IPV4 = 0x0800
ETHERTYPE_IPV6 = 0x86DD

_ETH_TYPE, _PROTO, _FRAGMENT = FIELDS["eth_type"], FIELDS["ip_proto"], FIELDS["ip_frag"]


@frozen
class Parsed:
    """A frame's flow key and where its headers lie.

    Attributes:
        key: the packet fields' part of the flow key.
        l3: offset of the ARP or IP header in bytes; 0 if it has none.
        l4: offset of the header above IP in bytes; 0 if it has none, as a later fragment.
        end: where the IP packet ends in bytes; 0 without an IP header.
    """

    key: int
    l3: int = 0
    l4: int = 0
    end: int = 0

    @property
    def is_ipv4(self) -> bool:
        """Whether this is IPv4, with a whole header."""
        return _ETH_TYPE.of(self.key) == ETHERTYPE_IPV4 and self.end > 0

    @property
    def is_ipv6(self) -> bool:
        """Whether this is IPv6, with a whole header."""
        return _ETH_TYPE.of(self.key) == ETHERTYPE_IPV6 and self.end > 0

    @property
    def is_fragment(self) -> bool:
        """Whether this is a fragment of an IP packet, first or later."""
        return _FRAGMENT.of(self.key) != 0

    @property
    def is_tcp(self) -> bool:
        """Whether a TCP header is there, and whole."""
        return _PROTO.of(self.key) == 6 and 0 < self.l4 <= self.end - 20

    @property
    def is_udp(self) -> bool:
        """Whether a UDP header is there, and whole."""
        return _PROTO.of(self.key) == 17 and 0 < self.l4 <= self.end - 8


def parse(frame: bytes) -> Parsed | None:
    """Read a frame's headers; None if it is a runt, shorter than an Ethernet header."""
    parsed = _parse(frame)
    return None if parsed is None else Parsed(parsed.key, parsed.l3, parsed.l4, parsed.end)
