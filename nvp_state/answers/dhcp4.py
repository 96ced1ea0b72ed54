"""A DHCP server (RFC 2131) with one lease for each client, which never runs out.

As OVN's: an offer to who discovers, an acknowledgement to who requests what was offered, a refusal
to who requests something else. What is for another server, declined or released is left alone.
"""

from ipaddress import IPv4Address

from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.inet import IP, UDP
from scapy.packet import Packet, Raw

from nvp_state.answers.frames import Received, dissected, frame_of
from nvp_state.answers.reasons import Dhcp4
from nvp_state.dhcp_options import CODES4, LEASE_TIME_S, encoded4

_DISCOVER, _OFFER, _REQUEST, _ACK, _NAK, _INFORM = 1, 2, 3, 5, 6, 8
_IS_BROADCAST = 0x8000
_LIMITED_BROADCAST = "255.255.255.255"
# Some clients take no shorter ones (RFC 1542, section 2.1).
_MESSAGE_BYTES_MIN = 300
# What a client that has its address already is not told (RFC 2131, section 4.3.5).
_OF_LEASES = ("lease_time", "T1", "T2", "netmask")
_MESSAGE_TYPE, _LEASE_TIME, _SERVER_ID = 53, 51, 54


def reply(answer: Dhcp4, about: Received) -> bytes | None:
    """The server's reply; None if the packet is no message that it answers."""
    if about.version != 4 or not isinstance(about.upper, UDP) or about.is_later_fragment:
        return None
    asked = dissected(BOOTP, bytes(about.upper.payload))
    if asked is None or asked.op != 1 or asked.hlen != 6 or not isinstance(asked.payload, DHCP):
        return None
    told = {it[0]: it[1] for it in asked[DHCP].options if isinstance(it, tuple) and len(it) > 1}
    server = told.get("server_id")
    if server is not None and server != answer.server:
        return None
    kind = _reply_to(told.get("message-type"), _wanted(asked, told), answer)
    return None if kind is None else _message(kind, told["message-type"], asked, answer, about)


def _wanted(asked: Packet, told: dict[str, object]) -> object:
    return told.get("requested_addr") or asked.ciaddr


def _reply_to(kind: object, wanted: object, answer: Dhcp4) -> int | None:
    if kind == _DISCOVER:
        return _OFFER
    if kind == _REQUEST:
        return _ACK if wanted == answer.address else _NAK
    return _ACK if kind == _INFORM else None


def _message(kind: int, asked_kind: int, asked: Packet, answer: Dhcp4, about: Received) -> bytes:
    has_lease = kind != _NAK and asked_kind != _INFORM
    options: list[object] = [(_MESSAGE_TYPE, bytes([kind]))]
    options.append((_SERVER_ID, IPv4Address(answer.server).packed))
    given = dict(answer.options) if kind != _NAK else {}
    if has_lease:
        given.setdefault("lease_time", str(LEASE_TIME_S))
    else:
        given = {name: value for name, value in given.items() if name not in _OF_LEASES}
    next_server = given.pop("next_server", "0.0.0.0")
    options += [(CODES4[name], encoded4(name, value)) for name, value in given.items()]
    told = BOOTP(
        op=2,
        htype=asked.htype,
        hlen=asked.hlen,
        xid=asked.xid,
        flags=asked.flags,
        ciaddr=asked.ciaddr if kind == _ACK else "0.0.0.0",
        yiaddr=answer.address if has_lease else "0.0.0.0",
        siaddr=next_server,
        giaddr=asked.giaddr,
        chaddr=asked.chaddr,
    ) / DHCP(options=[*options, "end"])
    octets = bytes(told).ljust(_MESSAGE_BYTES_MIN, b"\0")
    destination = _destination(kind, asked_kind, asked, answer)
    head = IP(src=answer.server, dst=destination, ttl=64, id=0) / UDP(sport=67, dport=68)
    return frame_of(about.link, head / Raw(octets), about.link.source, answer.server_mac)


def _destination(kind: int, asked_kind: int, asked: Packet, answer: Dhcp4) -> str:
    """RFC 2131, section 4.1; but for the MAC, which is known."""
    if kind == _NAK:
        return _LIMITED_BROADCAST
    if asked.ciaddr != "0.0.0.0":
        return str(asked.ciaddr)
    if int(asked.flags) & _IS_BROADCAST or asked_kind == _INFORM:
        return _LIMITED_BROADCAST
    return answer.address
