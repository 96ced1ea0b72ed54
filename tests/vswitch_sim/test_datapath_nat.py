"""NAT, fragments, zones and limits of connection tracking; scapy knows the checksums."""

from random import Random

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPerror, UDPerror, fragment
from scapy.layers.inet6 import (
    ICMPv6EchoReply,
    ICMPv6EchoRequest,
    ICMPv6TimeExceeded,
    IPv6,
    IPv6ExtHdrFragment,
    fragment6,
)
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from tests.vswitch_sim.test_datapath import EVERYTHING, datapath_with
from tests.vswitch_sim.test_datapath_frames import field
from vswitch_sim.datapath import _core

NEW, EST, REL, RPL, INV, TRK, SNAT, DNAT = (1 << bit for bit in range(8))
ETHER = Ether(dst="0a:00:00:00:00:01", src="0a:00:00:00:00:02")
ADDRESSES = {
    IP: ("10.0.0.1", "10.0.0.2", "192.0.2.9"),
    IPv6: ("fd00::1", "fd00::2", "2001:db8::9"),
}
MASK32, MASK128 = (1 << 32) - 1, (1 << 128) - 1


class Firewall:
    """Tracks all packets in a zone; new ones from port 1 are committed, with NAT if there is."""

    def __init__(
        self, zone: int = 5, nat: dict | None = None, commit: dict | None = None, **limits
    ):
        self.zone, self.nat, self.commit = zone, nat, commit or {}
        self.datapath = datapath_with(self.translate, **limits)
        self.keys: list[int] = []
        self.now_s = 0.0

    def translate(self, _number: int, key: int, _frame: bytes):
        if not field(key, "recirc_id"):
            return EVERYTHING, [("ct", {"zone": self.zone, "nat": {}}), ("recirc", 1)], False
        self.keys.append(key)
        commits: list[tuple] = []
        if field(key, "ct_state") & NEW and field(key, "in_port") == 1:
            nat = {} if self.nat is None else {"nat": self.nat}
            commits = [("ct", {"zone": self.zone, "commit": True} | self.commit | nat)]
        return EVERYTHING, [*commits, ("output", 3)], False

    def send(self, packet, in_port: int = 1) -> tuple[int, Ether]:
        """The state that a packet was found to be in, and what left."""
        frame = bytes(ETHER / packet)
        ((_, _, left),) = self.datapath.process(in_port, frame, 0, self.now_s).egress
        return field(self.keys[-1], "ct_state"), Ether(left)


def rebuilt(frame: Ether) -> bytes:
    """The frame with all checksums worked out anew, those of quoted packets, too."""
    copy = frame.copy()
    layer = copy
    while layer:
        for name in ("chksum", "cksum"):
            if name in layer.fields and layer.fields[name] is not None:
                delattr(layer, name)
        layer = layer.payload
    return bytes(copy)


def udp(source: str, destination: str, sport: int, dport: int, layer=IP):
    return layer(src=source, dst=destination) / UDP(sport=sport, dport=dport) / Raw(b"data")


@pytest.mark.parametrize("seed", range(3))
def test_rewritten_packets_have_right_checksums(seed):
    """Both ways, over both versions, with NAT of either kind, errors that quote them included."""
    random = Random(seed)
    for source in (True, False):
        for layer, addresses in ADDRESSES.items():
            client, server, other = addresses
            nat = {"source": source, "address_min": other}
            wall = Firewall(nat=nat | ({"port_min": 5000, "port_max": 6000} if seed else {}))
            transports = {
                "udp": UDP(sport=random.randrange(1, 65536), dport=80),
                "tcp": TCP(sport=random.randrange(1, 65536), dport=80, flags="S"),
                "icmp": ICMP(id=9) if layer is IP else ICMPv6EchoRequest(id=9),
            }
            for name, transport in transports.items():
                packet = layer(src=client, dst=server) / transport / Raw(random.randbytes(5))
                state, left = wall.send(packet)
                assert state == NEW | TRK
                ip = left[layer]
                assert (ip.src, ip.dst) == ((other, server) if source else (client, other))
                assert rebuilt(left) == bytes(left), name
                error = ICMP(type=11) if layer is IP else ICMPv6TimeExceeded()
                router = "198.51.100.7" if layer is IP else "2001:db8::7"
                about = layer(src=router, dst=ip.src) / error / Raw(bytes(ip))
                state, back = wall.send(about, in_port=2)
                assert state == REL | RPL | TRK | (DNAT if source else SNAT)
                assert back[layer].dst == client
                assert rebuilt(back) == bytes(back), name
                # Who gets it finds in it the packet that it sent.
                quoted = layer(bytes(back[layer].payload)[8:])
                sent = layer(bytes(ETHER / packet)[14:])
                assert bytes(quoted) == bytes(sent), name


def test_a_reply_goes_back_to_who_asked():
    nat = {"source": True, "address_min": "192.0.2.1", "address_max": "192.0.2.8"}
    wall = Firewall(nat=nat)
    seen = set()
    for number in range(1, 60):
        client = f"10.0.0.{number}"
        _, left = wall.send(udp(client, "10.9.9.9", 4000, 53))
        seen.add((left[IP].src, left[UDP].sport))
        state, back = wall.send(udp("10.9.9.9", left[IP].src, 53, left[UDP].sport), 2)
        assert state == EST | RPL | TRK | DNAT
        assert (back[IP].dst, back[UDP].dport) == (client, 4000)
        state, again = wall.send(udp(client, "10.9.9.9", 4000, 53))
        assert (state, again[IP].src) == (EST | TRK | SNAT, left[IP].src)
    assert len(seen) == 59
    assert len({address for address, _ in seen}) > 3


def test_ports_that_clash_are_resolved_until_there_are_none():
    nat = {"source": True, "address_min": "192.0.2.1", "port_min": 1000, "port_max": 1004}
    wall = Firewall(nat=nat)
    sent = [wall.send(udp(f"10.0.0.{n}", "10.9.9.9", 7, 53))[1] for n in range(1, 8)]
    assert sorted(packet[UDP].sport for packet in sent[:5]) == [1000, 1001, 1002, 1003, 1004]
    # Without a free port a packet stays new, and as it is.
    assert [packet[IP].src for packet in sent[5:]] == ["10.0.0.6", "10.0.0.7"]
    assert wall.datapath.counters["nat_exhausted"] == 2
    assert wall.datapath.counters["connections"] == 5


def test_identifiers_of_icmp_that_clash_are_resolved():
    wall = Firewall(nat={"source": True, "address_min": "192.0.2.1"})
    for number in (1, 2):
        client = f"10.0.0.{number}"
        _, left = wall.send(IP(src=client, dst="10.9.9.9") / ICMP(id=77))
        assert (left[IP].src, left[ICMP].id) == ("192.0.2.1", 76 + number)
        answer = IP(src="10.9.9.9", dst="192.0.2.1") / ICMP(type=0, id=76 + number)
        state, back = wall.send(answer, 2)
        assert (state, back[IP].dst, back[ICMP].id) == (EST | RPL | TRK | DNAT, client, 77)


def test_persistent_addresses_depend_on_the_source_alone():
    nat = {"source": True, "address_min": "2001:db8::1", "address_max": "2001:db8::ffff"}
    for persistent, count in ((True, 1), (False, 10)):
        wall = Firewall(nat=nat | {"persistent": persistent})
        packets = [udp("fd00::1", f"fd00::{n}", 7, 53, IPv6) for n in range(2, 22)]
        assert len({wall.send(packet)[1][IPv6].src for packet in packets}) >= count
        assert persistent is (count == 1)


def test_zones_know_nothing_of_each_other():
    walls = [("ct", {"zone": zone, "commit": True}) for zone in (1, 2)]
    look = ("ct", {"zone": 3})
    states: list[int] = []

    def translate(_number, key, _frame):
        if field(key, "recirc_id"):
            states.append(field(key, "ct_state") | field(key, "ct_zone") << 16)
            return EVERYTHING, [], False
        return EVERYTHING, [*walls, look, ("recirc", 1)], False

    datapath = datapath_with(translate)
    for source, destination in (("10.0.0.1", "10.0.0.2"), ("10.0.0.2", "10.0.0.1")):
        datapath.process(1, bytes(ETHER / udp(source, destination, 7, 7)), 0, 0.0)
    assert states == [NEW | TRK | 3 << 16] * 2
    assert len(datapath.connections()) == 2
    assert len(datapath.connections(zone=2)) == 1
    assert (datapath.flush_connections(zone=2), datapath.flush_connections()) == (1, 1)
    assert datapath.connections() == []


def test_mark_and_label_are_written_on_commit_and_read_after():
    label = 0xABCD << 100 | 7
    wall = Firewall(commit={"mark": (0xF5, 0xFF), "label": (label, MASK128)})
    packet = udp("10.0.0.1", "10.0.0.2", 7, 7)
    wall.send(packet)
    assert field(wall.keys[-1], "ct_mark") == 0
    wall.send(udp("10.0.0.2", "10.0.0.1", 7, 7), 2)
    assert (field(wall.keys[-1], "ct_mark"), field(wall.keys[-1], "ct_label")) == (0xF5, label)
    expected = (
        "udp,orig=(src=10.0.0.1,dst=10.0.0.2,sport=7,dport=7),"
        "reply=(src=10.0.0.2,dst=10.0.0.1,sport=7,dport=7),zone=5,mark=245,"
        f"labels={label:#x}"
    )
    assert wall.datapath.connections() == [expected]


def test_a_connection_ends_when_nothing_came_for_long():
    wall = Firewall()
    packet = udp("10.0.0.1", "10.0.0.2", 7, 7)
    states = []
    for wait_s in (0, 59, 59, 61):
        wall.now_s += wait_s
        states.append(wall.send(packet)[0])
        wall.datapath.expire(wall.now_s, 1000)
    assert states == [NEW | TRK] * 4
    wall.send(udp("10.0.0.2", "10.0.0.1", 7, 7), 2)
    wall.now_s += 29.9
    assert wall.send(packet)[0] == EST | TRK
    wall.now_s += 30
    wall.datapath.expire(wall.now_s, 1000)
    assert wall.datapath.connections() == []


def test_where_there_is_a_limit_what_had_no_answer_gives_way():
    wall = Firewall(connections_max=3)
    answered = ("10.0.0.1", "10.0.0.2")
    wall.send(udp(*answered, 7, 7))
    wall.send(udp(*answered[::-1], 7, 7), 2)
    for port in range(100, 110):
        wall.send(udp(*answered, port, 7))
    counters = wall.datapath.counters
    assert (counters["connections"], counters["connections_evicted"]) == (3, 8)
    assert wall.send(udp(*answered, 7, 7))[0] == EST | TRK
    # The last two are there still, and once they are answered none gives way.
    for port in (108, 109):
        assert wall.send(udp(*answered[::-1], 7, port), 2)[0] == EST | RPL | TRK
    assert wall.send(udp(*answered, 200, 7))[0] == NEW | TRK
    assert wall.send(udp(*answered, 200, 7))[0] == NEW | TRK
    assert wall.datapath.counters["connections_refused"] == 2
    assert Firewall(connections_max=0).send(udp(*answered, 7, 7))[0] == NEW | TRK


@pytest.mark.parametrize("version", [4, 6])
def test_later_fragments_get_what_the_first_one_got(version):
    if version == 4:
        whole = IP(src="10.0.0.1", dst="10.0.0.2", id=7) / UDP(sport=7, dport=9) / Raw(b"x" * 100)
        pieces = fragment(whole, fragsize=40)
        nat, layer = {"source": True, "address_min": "192.0.2.1"}, IP
    else:
        whole = IPv6(src="fd00::1", dst="fd00::2") / IPv6ExtHdrFragment(id=7)
        whole /= UDP(sport=7, dport=9) / Raw(b"x" * 200)
        pieces = fragment6(whole, 120)
        nat, layer = {"source": True, "address_min": "2001:db8::1"}, IPv6
    assert len(pieces) >= 3
    wall = Firewall(nat=nat)
    assert wall.send(pieces[1])[0] == INV | TRK
    for _ in range(2):
        sent = [wall.send(piece) for piece in pieces]
        assert [state & ~SNAT for state, _ in sent] == [NEW | TRK] * len(pieces)
        assert [left[layer].src for _, left in sent] == [nat["address_min"]] * len(pieces)
    wall.now_s += 31
    assert wall.send(pieces[1])[0] == INV | TRK


def test_what_is_damaged_is_invalid():
    wall = Firewall()
    good = bytes(ETHER / udp("10.0.0.1", "10.0.0.2", 7, 7))
    for place in (24, 27, 37, len(good) - 1):
        damaged = bytearray(good)
        damaged[place] ^= 0x10
        wall.datapath.process(1, bytes(damaged), 0, 0.0)
        assert field(wall.keys[-1], "ct_state") == INV | TRK, place
    for packet in (udp("10.0.0.1", "10.0.0.2", 0, 7), IP() / ICMP(type=42), Raw(b"no IP at all")):
        assert wall.send(packet)[0] == INV | TRK
    assert wall.datapath.connections() == []


def test_an_error_about_nothing_known_is_invalid():
    wall = Firewall()
    quoted = IPerror(src="10.0.0.1", dst="10.0.0.2") / UDPerror(sport=7, dport=7)
    error = IP(src="10.0.0.2", dst="10.0.0.1") / ICMP(type=3) / quoted
    assert wall.send(error, 2)[0] == INV | TRK
    wall.send(udp("10.0.0.1", "10.0.0.2", 7, 7))
    assert wall.send(error, 2)[0] == REL | RPL | TRK
    astray = IP(src="10.0.0.2", dst="10.0.0.3") / ICMP(type=3) / quoted
    assert wall.send(astray, 2)[0] == INV | TRK


def test_an_answer_begins_no_connection():
    wall = Firewall()
    packet = IPv6(src="fd00::1", dst="fd00::2")
    assert wall.send(packet / ICMPv6EchoReply())[0] == INV | TRK
    assert wall.send(IP() / TCP(flags="SA"))[0] == INV | TRK
    assert wall.datapath.connections() == []


def test_a_cleared_state_is_looked_for_again():
    """What clears ct_state and ct_zone, as OpenFlow's ct_clear does, tracks from the beginning."""
    clear_mask = sum(
        (1 << _core.layout()[name][1]) - 1 << _core.layout()[name][0]
        for name in ("ct_state", "ct_zone", "ct_mark", "ct_label")
    )
    commit = ("ct", {"zone": 1, "commit": True})

    states: list[int] = []

    def translate(_number, key, _frame):
        match field(key, "recirc_id"):
            case 0:
                return EVERYTHING, [commit, ("set", 0, clear_mask), ("recirc", 1)], False
            case 1:
                states.append(field(key, "ct_state"))
                return EVERYTHING, [("ct", {"zone": 1}), ("recirc", 2)], False
        states.append(field(key, "ct_state"))
        return EVERYTHING, [], False

    datapath = datapath_with(translate)
    datapath.process(1, bytes(ETHER / udp("10.0.0.1", "10.0.0.2", 7, 7)), 0, 0.0)
    assert states == [0, NEW | TRK]
