"""Connection tracking against real Open vSwitch's, packet by packet.

Both send every IP packet through one table: ct, then a look at what came of it, which is written
into the addresses of the Ethernet header; new connections are committed, with a mark, and NAT where
the zone has it. So what leaves shows state, mark, and rewritten bytes, and is compared as it is.

In Open vSwitch 3.1 the reply tuple of a connection with NAT outlives it, until a thread comes to
sweep it up; later versions mended that. So where there is NAT, no connection here ends before its
history does: time stands still, nothing is forced, and what was closed is not opened again. And
where Open vSwitch rewrites an ICMPv6 error, it writes the quoted protocol's checksum into the
quoted addresses; there are none with NAT here, but in test_datapath_nat.py, against scapy.
"""

from collections import Counter
from random import Random

import pytest

from tests import openvswitch
from tests.openvswitch import OpenVSwitch
from tests.vswitch_sim.conversations import FORCED_TTL, OTHER, PORT_OF, Talk, talk
from tests.vswitch_sim.frame_twin import LAYOUT
from tests.vswitch_sim.test_datapath import EVERYTHING, key_with
from tests.vswitch_sim.test_datapath_frames import field
from vswitch_sim.datapath import _core

pytestmark = openvswitch.installed

PACKETS = 60
NATS = {
    1: {},
    2: {
        4: {"source": True, "address_min": "203.0.113.1"},
        6: {"source": True, "address_min": "2001:db8::1"},
    },
    3: {
        4: {"source": False, "address_min": "10.0.0.9", "port_min": 80},
        6: {"source": False, "address_min": "fd00::9", "port_min": 80},
    },
}
SERVERS = {
    1: {4: ("10.0.0.8", 80), 6: ("fd00::8", 80)},
    2: {4: ("198.51.100.1", 80), 6: ("2001:db8:1::1", 80)},
    3: {4: ("203.0.113.9", 443), 6: ("2001:db8::9", 443)},
}


def nat_text(nat: dict) -> str:
    kind = "src" if nat["source"] else "dst"
    port = f":{nat['port_min']}" if "port_min" in nat else ""
    address = (
        f"[{nat['address_min']}]" if port and ":" in nat["address_min"] else nat["address_min"]
    )
    return f"nat({kind}={address}{port})"


def flows(zone: int) -> list[str]:
    """The table in Open vSwitch's words."""
    told = (
        "actions=move:NXM_NX_CT_STATE[0..31]->NXM_OF_ETH_DST[0..31],"
        "move:NXM_NX_CT_MARK[0..31]->NXM_OF_ETH_SRC[0..31]"
    )
    lines = []
    for version, layer in ((4, "ip"), (6, "ipv6")):
        nat = NATS[zone].get(version)
        undo, make = (",nat", f",{nat_text(nat)}") if nat else ("", "")
        commit = f"ct(commit{{}},zone={zone}{{}},exec(load:{{}}->NXM_NX_CT_MARK[]))"
        forced, front = commit.format(",force", "", 9), "table=1,priority"
        lines += [
            f"table=0,{layer},actions=ct(table=1,zone={zone}{undo})",
            f"{front}=20,{layer},nw_ttl={FORCED_TTL},{told},{forced},output:3",
            f"{front}=10,{layer},ct_state=+new,{told},{commit.format('', make, 7)},output:3",
            f"{front}=1,{layer},{told},output:3",
        ]
    return lines


def translator(zone: int):
    """The table in our words."""

    def translate(_number: int, key: int, _frame: bytes):
        version = 4 if field(key, "eth_type") == 0x0800 else 6
        nat = NATS[zone].get(version)
        if not field(key, "recirc_id"):
            request = {"zone": zone} | ({"nat": {}} if nat else {})
            return EVERYTHING, [("ct", request), ("recirc", 1)], True
        state, mark = field(key, "ct_state"), field(key, "ct_mark")
        low = (1 << 32) - 1
        value = key_with(eth_dst=state, eth_src=mark)
        told = ("set", value, low << LAYOUT["eth_dst"][0] | low << LAYOUT["eth_src"][0])
        commits: list[tuple] = []
        commit = {"zone": zone, "commit": True}
        if field(key, "ip_ttl") == FORCED_TTL:
            commits = [("ct", {**commit, "force": True, "mark": (9, low)})]
        elif state & 1:
            commits = [("ct", {**commit, "mark": (7, low), **({"nat": nat} if nat else {})})]
        return EVERYTHING, [told, *commits, ("output", 3)], True

    return translate


class Pair:
    """Ours and the real one, one frame after the other into both."""

    def __init__(self, real, bridge):
        self.real, self.bridge = real, bridge
        self.states: Counter = Counter()

    def begin(self, zone: int) -> None:
        self.ours = _core.Datapath(translator(zone))
        for port in (1, 2, 3):
            self.ours.add_port(port)
        self.now_s = 0.0
        self.bridge.replace(flows(zone))
        self.real.appctl("dpctl/flush-conntrack")

    def wait(self, seconds: float) -> None:
        self.now_s += seconds
        self.real.appctl("time/warp", str(int(seconds * 1000)))

    def send(self, side: str, frame: bytes) -> bytes:
        port = PORT_OF[side]
        ((_, _, left),) = self.ours.process(port, frame, 0, self.now_s).egress
        self.bridge.send(port, frame)
        real = self.bridge.sent()
        assert list(real) == [3]
        ((_, real_left),) = real[3]
        told = f"{side} sent {frame.hex()}: our state {left[5]:#x}, the real one {real_left[5]:#x}"
        assert left == real_left, told
        self.states[left[5]] += 1
        return left


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    with OpenVSwitch(tmp_path_factory.mktemp("ct")) as real:
        bridge = real.add_bridge("br-ct", (1, 2, 3))
        real.appctl("time/stop")
        yield Pair(real, bridge)


def converse(pair: Pair, zone: int, seed: int) -> None:
    random = Random(seed * 10 + zone)
    version = random.choice((4, 4, 6))
    server = SERVERS[zone][version]
    pair.begin(zone)
    ends = not NATS[zone]
    rules = {"reopens": ends, "fails": ends or version == 4}
    talks: list[Talk] = [talk(random, version, number, server, **rules) for number in range(3)]
    waits = ends and seed % 2 == 1
    for _ in range(PACKETS):
        one = random.choice(talks)
        side, frame = one.next()
        left = pair.send(side, frame)
        if not left[5] & 0x10 and random.random() < 0.9:
            one.saw(OTHER[side], left)
        if waits and random.random() < 0.15:
            pair.wait(random.choice((1, 10, 29, 31, 46, 61, 901)))
    if not waits:
        real = pair.real.appctl("dpctl/dump-conntrack").split()
        assert sorted(pair.ours.connections()) == sorted(real)


@pytest.mark.parametrize("zone", NATS)
def test_each_packet_has_the_state_that_open_vswitch_gives_it(pair, zone):
    """In 20 histories a zone, of 60 packets each; every state comes up."""
    pair.states.clear()
    for seed in range(20):
        converse(pair, zone, seed)
    nat = {1: (0, 0), 2: (0x40, 0x80), 3: (0x80, 0x40)}[zone]
    wanted = {0x21, 0x30, *(state | nat[state >> 3 & 1] for state in (0x22, 0x2A, 0x2C))}
    assert wanted <= set(pair.states), pair.states
