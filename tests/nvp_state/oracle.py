"""What a network of tenants does with a frame, from the entities alone: no flow, no rule, no nlog.

    Oracle(entities).outcomes("web-1", frame)      # -> {"db-1": (("db-1", frame),)}

A frame's copies come out unchanged at a set of ports, but for ARP requests for an address that the
switch knows: it answers those itself. Where several ports of a switch have the MAC it is sent to,
or the address that is asked for, any one of them may be meant, so the answer is a mapping from
each port that may be meant to the copies that then come out (from "" where it is to no port alone),
each with its port. Whether the network always means the same one is for `Choices` to watch.
"""

from ipaddress import IPv4Address

from nvp_state import Acl, Port
from tests.nvp_state.manual import matches, read

BROADCAST = 0xFFFFFFFF
DHCP = {"ip4.src": 0, "ip4.dst": BROADCAST, "ip.proto": 17, "udp.src": 68, "udp.dst": 67}


class Oracle:
    """The network that consists of `entities`."""

    def __init__(self, entities):
        entities = list(entities)
        self.ports = {entity.name: entity for entity in entities if isinstance(entity, Port)}
        self.acls = [entity for entity in entities if isinstance(entity, Acl)]

    def outcomes(self, source, frame):
        """Where copies come out of a frame that the VM at `source` sends, by the port meant."""
        packet, port = read(frame), self.ports[source]
        if packet is None or not sends(port, packet):
            return {"": ()}
        packet |= {"inport": source, "discovers": discovers(frame)}
        if not self.allowed(port.switch, "from-lport", packet):
            return {"": ()}
        owners = self.asked(port, packet)
        if owners:
            replies = {owner.name: answer(owner, frame) for owner in owners}
            return {
                f"{name} by ARP": ((source, reply),) if self.gets_back(port, reply) else ()
                for name, reply in replies.items()
            }
        return {
            meant: tuple(sorted((it.name, frame) for it in group if self.reaches(it, packet)))
            for meant, group in self.addressed(port, packet).items()
        }

    def asked(self, port, packet):
        """The ports whose address an ARP request asks for, if the switch answers for them."""
        if packet.get("arp.op") != 1:
            return []
        owners = [
            it
            for it in self.ports.values()
            if it.switch == port.switch and it.ip and number(it.ip) == packet["arp.tpa"]
        ]
        known = [it for it in owners if not it.unknown]
        return [] if port in known else known

    def gets_back(self, port, reply):
        """Whether what the switch answers comes out at the port that asked."""
        packet = read(reply) | {"inport": port.name, "outport": port.name}
        return self.allowed(port.switch, "to-lport", packet) and receives(port, packet)

    def addressed(self, port, packet):
        """The ports that a packet is sent to, by the port meant."""
        on_switch = [it for it in self.ports.values() if it.switch == port.switch]
        if packet["eth.dst"] >> 40 & 1:
            return {"": [it for it in on_switch if it.enabled]}
        owners = [it for it in on_switch if number(it.mac) == packet["eth.dst"]]
        if not owners:
            return {"": [it for it in on_switch if it.enabled and it.unknown]}
        return {it.name: [it] for it in owners if it.enabled} or {"": []}

    def reaches(self, port, packet):
        """Whether a packet sent to a port comes out there."""
        return (
            port.name != packet["inport"]
            and port.host is not None
            and self.allowed(port.switch, "to-lport", packet | {"outport": port.name})
            and receives(port, packet)
        )

    def allowed(self, switch, direction, packet):
        """Whether access rules let a packet pass: the highest priority decides, drop wins ties.

        Neighbour discovery is not asked.
        """
        if packet.get("discovers"):
            return True
        deciding = [
            (acl.priority, acl.action == "drop")
            for acl in self.acls
            if (acl.switch, acl.direction) == (switch, direction) and matches(acl.match, packet)
        ]
        return not deciding or not max(deciding)[1]


class Choices:
    """Watches that of several ports with one MAC the same one is always meant."""

    def __init__(self):
        self.possible = {}

    def explain(self, switch, outcomes, delivered):
        """Whether one of the outcomes was delivered, and can have been all the time."""
        meant = {name for name, copies in outcomes.items() if copies == delivered}
        if len(outcomes) < 2:
            return bool(meant)
        known = self.possible.setdefault((switch, frozenset(outcomes)), set(outcomes))
        known &= meant
        return bool(known)


def number(address):
    """A MAC or IPv4 address as a number."""
    return int(address.replace(":", ""), 16) if ":" in address else int(IPv4Address(address))


def answer(owner, request):
    """The frame that tells the sender of an ARP request (RFC 826) where its target is."""
    sender, mac = request[22:32], bytes.fromhex(owner.mac.replace(":", ""))
    header = request[6:12] + mac + request[12:20] + b"\0\2"
    return header + mac + request[38:42] + sender + request[42:]


def discovers(frame):
    """Whether a frame is neighbour discovery (RFC 4861), which no router has forwarded."""
    ethernet, header, message = frame[12:14], frame[14:54], frame[54:56]
    return (
        ethernet == b"\x86\xdd"
        and len(message) == 2
        and (header[6], header[7]) == (58, 255)
        and message[0] in range(133, 137)
        and message[1] == 0
    )


def is_tagged(packet):
    """Whether a packet bears a VLAN tag, be it cut short or a service provider's."""
    return "vlan.vid" in packet or packet["eth.type"] in {0x8100, 0x88A8}


def sends(port, packet):
    """Whether a packet may enter by a port."""
    if not port.enabled or packet["eth.src"] >> 40 & 1 or is_tagged(packet):
        return False
    if not port.port_security:
        return True
    mac = number(port.mac)
    if packet["eth.src"] != mac:
        return False
    if packet["eth.type"] == 0x806 and packet["arp.sha"] != mac:
        return False
    if port.ip is None:
        return True
    ip = number(port.ip)
    if packet["eth.type"] == 0x806:
        return packet["arp.spa"] == ip
    return packet.get("ip4.src") == ip or DHCP.items() <= packet.items()


def receives(port, packet):
    """Whether a packet may leave by a port."""
    if not port.port_security or packet["eth.dst"] >> 40 & 1:
        return True
    if packet["eth.dst"] != number(port.mac):
        return False
    if port.ip is None or packet["eth.type"] not in {0x800, 0x86DD}:
        return True
    if packet["eth.type"] == 0x86DD:
        return False
    destination = packet.get("ip4.dst", 0)
    return destination in {number(port.ip), BROADCAST} or destination >> 28 == 14
