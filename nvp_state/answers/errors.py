"""ICMP errors and TCP resets: what tells a sender that its packet came to nothing.

An error quotes as much of the packet as may be (RFC 1812, section 4.3.2.3: 576 bytes in all;
RFC 4443, section 2.4: 1,280). There is none about an error, a later fragment, what was for more
than one machine, or what came from none in particular (RFC 1122, section 3.2.2; RFC 4443,
section 2.4e), and no reset of a reset (RFC 9293, section 3.10.7.1).
"""

from scapy.layers.inet import ICMP, TCP
from scapy.layers.inet6 import ICMPv6Unknown
from scapy.packet import Raw

from nvp_state.answers.frames import Received
from nvp_state.answers.reasons import ERRORS, IcmpError, Reject, TcpReset

_ERROR_BYTES_MAX = {4: 576, 6: 1280}
_HEADER_BYTES = {4: 20, 6: 40}
_ICMP_BYTES = 8
_TCP_PROTOCOL, _UDP_PROTOCOL = 6, 17
_ICMP_PROTOCOLS = {4: 1, 6: 58}
_ICMP6_REDIRECT = 137
# Those about a packet for a group are allowed: RFC 4443, section 2.4e.3.
_ABOUT_GROUPS = ((2, 0), (4, 2))
_SOURCE_QUENCH, _REDIRECT = 4, 5


def icmp_error(answer: IcmpError, about: Received) -> bytes | None:
    """The error; None if there is to be none."""
    if answer.version != about.version or not _may_be_reported(answer, about):
        return None
    room = _ERROR_BYTES_MAX[about.version] - _HEADER_BYTES[about.version] - _ICMP_BYTES
    quoted = about.octets[:room]
    head = about.answering(answer.ttl, answer.source)
    if about.version == 4:
        told = ICMP(type=answer.type, code=answer.code, nexthopmtu=answer.mtu)
        return about.back(head / told / Raw(quoted))
    body = answer.mtu.to_bytes(4, "big") + quoted
    return about.back(head / ICMPv6Unknown(type=answer.type, code=answer.code, msgbody=body))


def tcp_reset(answer: TcpReset, about: Received) -> bytes | None:
    """The reset; None if the packet is no TCP segment that can be reset."""
    segment = about.upper
    if (
        not isinstance(segment, TCP)
        or "R" in segment.flags
        or about.is_later_fragment
        or about.is_to_group
        or not _is_one_machine(about)
    ):
        return None
    # What the segment occupies in the sender's sequence; what it says, its options excluded.
    length = len(about.octets) - about.offset - 4 * segment.dataofs
    if segment.dataofs < 5 or length < 0:
        return None
    length += ("S" in segment.flags) + ("F" in segment.flags)
    reset = TCP(sport=segment.dport, dport=segment.sport, window=0)
    if "A" in segment.flags:
        reset.flags, reset.seq, reset.ack = "R", segment.ack, 0
    else:
        reset.flags, reset.seq, reset.ack = "RA", 0, (segment.seq + length) % (1 << 32)
    return about.back(about.answering(answer.ttl) / reset)


def reject(_: Reject, about: Received) -> bytes | None:
    """What OVN 23.03 sends for a rejected packet."""
    if about.protocol == _TCP_PROTOCOL:
        return tcp_reset(TcpReset(), about)
    is_udp = about.protocol == _UDP_PROTOCOL
    if about.version == 4:
        return icmp_error(IcmpError(4, 3, 3 if is_udp else 1), about)
    return icmp_error(IcmpError(6, 1, 4 if is_udp else 1), about)


def _may_be_reported(answer: IcmpError, about: Received) -> bool:
    allowed = about.version == 6 and (answer.type, answer.code) in _ABOUT_GROUPS
    return (
        not about.is_later_fragment
        and (allowed or not about.is_to_group)
        and (not about.is_to_group or answer.source is not None)
        and _is_one_machine(about)
        and not _is_error(about)
    )


def _is_one_machine(about: Received) -> bool:
    """Whether the packet's sender can be written to."""
    source = about.source
    if source.is_multicast or source.is_unspecified or source.is_loopback:
        return False
    return about.version == 6 or not (source.is_reserved or int(source) >> 24 == 0)


def _is_error(about: Received) -> bool:
    if about.protocol != _ICMP_PROTOCOLS[about.version]:
        return False
    if about.offset >= len(about.octets):
        return True
    kind = about.octets[about.offset]
    if about.version == 4:
        return kind in (*ERRORS[4], _SOURCE_QUENCH, _REDIRECT)
    return kind < 128 or kind == _ICMP6_REDIRECT
