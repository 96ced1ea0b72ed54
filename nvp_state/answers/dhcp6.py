"""A DHCPv6 server (RFC 8415) that grants one address to each client, for ever.

As OVN's, and it also renews, rebinds and lets go. A client that asks for several associations gets
the address in the first. What is for another server is left alone.
"""

from scapy.layers.dhcp6 import (
    DUID_LL,
    DHCP6_Advertise,
    DHCP6_Confirm,
    DHCP6_Decline,
    DHCP6_InfoRequest,
    DHCP6_Rebind,
    DHCP6_Release,
    DHCP6_Renew,
    DHCP6_Reply,
    DHCP6_Request,
    DHCP6_Solicit,
    DHCP6OptClientId,
    DHCP6OptIA_NA,
    DHCP6OptIAAddress,
    DHCP6OptServerId,
    DHCP6OptStatusCode,
    DHCP6OptUnknown,
)
from scapy.layers.inet6 import UDP, IPv6
from scapy.packet import Packet

from nvp_state.answers.frames import Received, frame_of
from nvp_state.answers.reasons import Dhcp6
from nvp_state.answers.routers import link_local
from nvp_state.dhcp_options import CODES6, encoded6

_FOREVER_S = 0xFFFFFFFF
_SUCCESS, _NOT_ON_LINK = 0, 4
# Those that get an address, and those that are only told that all is well.
_ASKING = (DHCP6_Solicit, DHCP6_Request, DHCP6_Renew, DHCP6_Rebind)
_LETTING_GO = (DHCP6_Release, DHCP6_Decline)
# Of these the client has chosen the server; of those it may not have (RFC 8415, section 16).
_WITH_SERVER = (DHCP6_Request, DHCP6_Renew, *_LETTING_GO)
_WITHOUT_SERVER = (DHCP6_Solicit, DHCP6_Confirm, DHCP6_Rebind)


def reply(answer: Dhcp6, about: Received) -> bytes | None:
    """The server's reply; None if the packet is no message that it answers."""
    if about.version != 6 or not isinstance(about.upper, UDP) or about.is_later_fragment:
        return None
    asked = about.upper.payload
    client = asked.getlayer(DHCP6OptClientId)
    if not _is_for(answer, asked) or (client is None and not isinstance(asked, DHCP6_InfoRequest)):
        return None
    told = _told(answer, asked)
    if told is None:
        return None
    kind = DHCP6_Advertise if isinstance(asked, DHCP6_Solicit) else DHCP6_Reply
    message = kind(trid=asked.trid)
    if client is not None:
        message /= DHCP6OptClientId(duid=bytes(client.duid))
    message = message / DHCP6OptServerId(duid=DUID_LL(lladdr=answer.server_mac)) / told
    head = IPv6(src=link_local(answer.server_mac), dst=str(about.source), hlim=64)
    packet = head / UDP(sport=547, dport=546) / message
    return frame_of(about.link, packet, about.link.source, answer.server_mac)


def _is_for(answer: Dhcp6, asked: Packet) -> bool:
    server = asked.getlayer(DHCP6OptServerId)
    if server is None:
        return not isinstance(asked, _WITH_SERVER)
    ours = bytes(DUID_LL(lladdr=answer.server_mac))
    return not isinstance(asked, _WITHOUT_SERVER) and bytes(server.duid) == ours


def _told(answer: Dhcp6, asked: Packet) -> Packet | None:
    options = [
        DHCP6OptUnknown(optcode=CODES6[name], data=encoded6(name, value))
        for name, value in answer.options
    ]
    if isinstance(asked, DHCP6_InfoRequest):
        return _joined(options)
    association = asked.getlayer(DHCP6OptIA_NA)
    if not answer.address or association is None:
        return None
    if isinstance(asked, _ASKING):
        granted = DHCP6OptIAAddress(addr=answer.address, preflft=_FOREVER_S, validlft=_FOREVER_S)
        lease = DHCP6OptIA_NA(
            iaid=association.iaid, T1=_FOREVER_S, T2=_FOREVER_S, ianaopts=[granted]
        )
        return _joined([lease, *options])
    if isinstance(asked, _LETTING_GO):
        return DHCP6OptStatusCode(statuscode=_SUCCESS)
    if isinstance(asked, DHCP6_Confirm):
        has = [it.addr for it in association.ianaopts if isinstance(it, DHCP6OptIAAddress)]
        is_right = bool(has) and set(has) == {answer.address}
        return DHCP6OptStatusCode(statuscode=_SUCCESS if is_right else _NOT_ON_LINK)
    return None


def _joined(options: list[Packet]) -> Packet:
    joined = options[0] if options else DHCP6OptStatusCode(statuscode=_SUCCESS)
    for option in options[1:]:
        joined /= option
    return joined
