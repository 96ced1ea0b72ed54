"""A name server (RFC 1035) for names that are configured, in questions for their addresses.

As OVN's: a question about another name, or for something else, is left to the server that it was
sent to. An address that has names is told them (PTR), too.
"""

from ipaddress import IPv4Address, ip_address

from scapy.layers.dns import DNS, DNSQR, DNSRR
from scapy.layers.inet import UDP
from scapy.packet import Packet

from nvp_state.answers.frames import Received, dissected
from nvp_state.answers.reasons import Dns

# As OVN has it.
_TIME_TO_LIVE_S = 3600
_INTERNET, _ANY_CLASS = 1, 255
_A, _PTR, _AAAA, _ANY = 1, 12, 28, 255
# RFC 1035, section 2.3.4.
_MESSAGE_BYTES_MAX = 512


def reply(answer: Dns, about: Received) -> bytes | None:
    """The reply; None if the packet is no question that can be answered."""
    if not isinstance(about.upper, UDP) or about.is_later_fragment:
        return None
    asked = dissected(DNS, bytes(about.upper.payload))
    if asked is None or asked.qr or asked.opcode or asked.qdcount != 1 or not asked.qd:
        return None
    question = asked.qd[0]
    if not isinstance(question, DNSQR) or question.qclass not in (_INTERNET, _ANY_CLASS):
        return None
    records = _records(answer, question)
    if not records:
        return None
    told = DNS(id=asked.id, qr=1, aa=1, rd=asked.rd, qd=question, an=records)
    while len(bytes(told)) > _MESSAGE_BYTES_MAX:
        records = records[:-1]
        told = DNS(id=asked.id, qr=1, aa=1, tc=1, rd=asked.rd, qd=question, an=records)
    ports = UDP(sport=about.upper.dport, dport=about.upper.sport)
    return about.back(about.answering(64) / ports / told)


def _records(answer: Dns, question: Packet) -> list[Packet]:
    name = question.qname.decode("ascii", "replace").removesuffix(".").lower()
    if question.qtype == _PTR:
        return [
            _record(question, _PTR, f"{known}.")
            for known, addresses in answer.records
            for address in addresses
            if ip_address(address).reverse_pointer == name
        ]
    found = []
    for address in dict(answer.records).get(name, ()):
        kind = _A if isinstance(ip_address(address), IPv4Address) else _AAAA
        if question.qtype in (kind, _ANY):
            found.append(_record(question, kind, address))
    return found


def _record(question: Packet, kind: int, data: str) -> Packet:
    return DNSRR(
        rrname=question.qname, type=kind, rclass=_INTERNET, ttl=_TIME_TO_LIVE_S, rdata=data
    )
