"""Answers: what a host's agent makes of packets that flows cannot make, as OVN's pinctrl does.

A flow stops a packet by the action `Controller(reason, table)`. The reason says, in words, what
shall become of it; `parse` reads them, when the flow is made, so that a slip in a rule is refused
with the rule. When a packet comes, `answer` makes one new frame of it, which goes on in the table
that the flow names; or none, and the packet is gone.

    icmp4 TYPE CODE [from=IP] [ttl=N] [mtu=N]   an ICMP error about the packet, to its sender
    icmp6 TYPE CODE [from=IP] [ttl=N] [mtu=N]
    tcp_reset [ttl=N]                           a reset of the TCP connection
    reject                                      the one or the other, by what the packet is
    nd_na mac=MAC [router]                      a neighbour advertisement, to who solicits one
    arp_request                                 an ARP request for reg0, from reg1
    nd_ns                                       a neighbour solicitation for xxreg0, from xxreg1
    learn                                       nothing: a neighbour has told its MAC; the agent
                                                reports it (`told_by`) for the port in reg14
    ra mac=MAC mode=MODE [prefix=P,…] [mtu=N] [dns_server=IP,…] [domain_search=NAME,…]
                                                a router advertisement, to who solicits one
    dhcp4 offer=IP server_id=IP server_mac=MAC [option=value …]
    dhcp6 server_id=MAC [offer=IP] [option=value …]
                                                what a DHCP server grants (`dhcp_options`)
    dns NAME=IP,… …                             the addresses of a name, and names of an address

What the last three cannot answer goes on as it is. Every answer depends on the packet and its
registers alone. A broken packet has none, and makes nothing raise.

Cost: packets are read and built by scapy, about a millisecond each. It is loaded with the first.
"""

from nvp_state.answers.reasons import LEARN, Answer, parse
from vswitch_sim import PacketIn

__all__ = ["LEARN", "Answer", "answer", "parse", "told_by"]


def answer(packet_in: PacketIn) -> bytes | None:
    """The frame that a packet's reason makes of it; None if there is to be none.

    Raises:
        ValueError: the reason is none.
    """
    # Loading scapy takes longer than most commands, which send no packet.
    from nvp_state.answers.making import make  # noqa: PLC0415  # see above

    return make(parse(packet_in.reason), packet_in)


def told_by(packet_in: PacketIn) -> tuple[str, str] | None:
    """The IP and the MAC address that a neighbour says it has; None if it says nothing of that."""
    from nvp_state.answers.neighbours import told  # noqa: PLC0415  # as above

    return told(packet_in)
