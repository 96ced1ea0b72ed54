"""Keys of frames against Open vSwitch's `flow_extract`, as `ovs-ofctl parse-pcap` prints it."""

import struct
import subprocess
from ipaddress import IPv4Address, IPv6Address
from random import Random

from tests import openvswitch
from tests.vswitch_sim.odd_frames import KINDS, damaged
from tests.vswitch_sim.test_datapath import EVERYTHING, key_with
from tests.vswitch_sim.test_datapath_frames import mask_of
from vswitch_sim.datapath import _core

pytestmark = openvswitch.installed

FRAMES = 4000
PROTOCOLS = {
    "ip": (0x0800,),
    "icmp": (0x0800, 1),
    "igmp": (0x0800, 2),
    "tcp": (0x0800, 6),
    "udp": (0x0800, 17),
    "sctp": (0x0800, 132),
    "ipv6": (0x86DD,),
    "tcp6": (0x86DD, 6),
    "udp6": (0x86DD, 17),
    "icmp6": (0x86DD, 58),
    "sctp6": (0x86DD, 132),
    "arp": (0x0806,),
    "rarp": (0x8035,),
    "mpls": (0x8847,),
    "mplsm": (0x8848,),
}
FLAGS = ("fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr", "ns")
NAMES = {"dl_src": "eth_src", "dl_dst": "eth_dst", "dl_type": "eth_type", "nw_proto": "ip_proto"}
NAMES |= {"nw_ttl": "ip_ttl", "nw_ecn": "ip_ecn", "nw_src": "ipv4_src", "nw_dst": "ipv4_dst"}
SAME = {"arp_spa", "arp_tpa", "arp_sha", "arp_tha", "arp_op", "ipv6_src", "ipv6_dst", "ipv6_label"}
SAME |= {"nd_target", "nd_sll", "nd_tll"}


def number(text: str) -> int:
    """A number, or an address, as the tool writes it."""
    if text.count(":") == 5 and all(len(octet) == 2 for octet in text.split(":")):
        return int(text.replace(":", ""), 16)
    if ":" in text:
        return int(IPv6Address(text))
    return int(IPv4Address(text)) if "." in text else int(text, 0)


def flags(text: str) -> int:
    value = 0
    for name in text.split("|"):
        bits = name.strip("[]")
        value |= 1 << FLAGS.index(name) if name in FLAGS else int(bits, 16)
    return value


def fields_of(line: str) -> dict[str, int]:
    """What a line tells, by our names; layer 4's are those of TCP."""
    told: dict[str, int] = {}
    for part in line.split(","):
        name, equals, text = part.partition("=")
        if not equals:
            told |= dict(zip(("eth_type", "ip_proto"), PROTOCOLS[name], strict=False))
        elif name in SAME or name in NAMES:
            told[NAMES.get(name, name)] = number(text)
        elif name == "nw_tos":
            told["ip_dscp"] = int(text) >> 2
        elif name == "nw_frag":
            told["ip_frag"] = {"no": 0, "first": 1, "later": 3}[text]
        elif name == "dl_vlan":
            told["vlan_vid"] = 0x1000 | int(text)
        elif name == "dl_vlan_pcp":
            told["vlan_pcp"] = int(text)
        elif name == "dl_vlan1":
            told["inner_tag"] = told.get("inner_tag", 0) | 0x1000 | int(text)
        elif name == "dl_vlan_pcp1":
            told["inner_tag"] = told.get("inner_tag", 0) | int(text) << 13
        elif name == "tcp_flags":
            told["tcp_flags"] = flags(text)
        elif name in ("tp_src", "icmp_type"):
            told["tcp_src"] = int(text)
        elif name in ("tp_dst", "icmp_code"):
            told["tcp_dst"] = int(text)
    return told


def test_keys_are_those_of_flow_extract(tmp_path):
    random = Random(7)
    frames = [*KINDS, *(damaged(random) for _ in range(FRAMES))]
    frames = [frame for frame in frames if len(frame) >= 14]
    capture = struct.pack("=IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    for frame in frames:
        capture += struct.pack("=IIII", 0, 0, len(frame), len(frame)) + frame
    file = tmp_path / "frames.pcap"
    file.write_bytes(capture)
    command = ("ovs-ofctl", "parse-pcap", str(file))
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    n_l4 = 0
    for frame, line in zip(frames, lines, strict=True):
        told = fields_of(line)
        ours = _core.parse(frame)
        assert ours is not None
        # IGMP and SCTP, ICMP in IPv6 and ICMPv6 in IPv4 are read by one of both alone.
        l4 = (told.get("eth_type"), told.get("ip_proto"))
        compared = EVERYTHING
        if l4 not in PROTOCOLS.values() or l4[1] not in (1, 6, 17, 58):
            compared &= ~mask_of("tcp_src", "tcp_dst")
        n_l4 += told.get("tcp_src", 0) != 0
        assert ours.key & compared == key_with(**told) & compared, (line, frame.hex())
    assert n_l4 > FRAMES // 3
