"""Captures of ours, read by tshark: its STT dissector, and its TCP dissector for checksums.

Some 200 captures, each a section of one pcapng file, so that tshark starts twice in all.

Two traits of Wireshark's packet-stt.c (4.0.17) shape this test. Its checksum status is "Bad" for
every right checksum: it sums the data with the checksum in it, gets 0, and looks for the checksum
itself ("should be 0x0000"). So checksums are read off the TCP dissector. And it takes a segment
that ends within 20 bytes of the end for the last one: so no last segment here is that short.
"""

import os
import random
import shutil
import subprocess
from ipaddress import ip_address
from itertools import product
from pathlib import Path

import pytest
from attrs import evolve, frozen
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Raw

from vswitch_sim.capture import CaptureWriter
from vswitch_sim.tunnel import (
    NO_OFFLOAD,
    Nic,
    Offload,
    Tunnel,
    TunnelEnd,
    encapsulate,
    partial_checksum,
)
from vswitch_sim.tunnel.stt import STT_HEADER_BYTES

pytestmark = pytest.mark.skipif(
    shutil.which("tshark") is None and os.environ.get("CI") != "true",
    reason="tshark is not installed (Debian package tshark)",
)

ENDS = {4: ("192.0.2.1", "192.0.2.2"), 6: ("2001:db8::1", "2001:db8::2")}
MACS = bytes.fromhex("020000000002020000000001")
SIZES = (0, 1, 100, 1400, 3000, 9000, 30000, 60000)
MTUS = {4: (576, 1500, 9000), 6: (1280, 1500, 9000)}
ORDERS = ("in order", "reversed", "shuffled", "last first", "interleaved")
OFFLOADS = (NO_OFFLOAD, Offload(verified=True), Offload(partial=True))
CAPTURES_MIN = 200
SOME_LAST_BYTES = 21


def tunnel(version: int, kind: str = "stt", **fields) -> Tunnel:
    source, destination = ENDS[version]
    return Tunnel(ip_address(source), ip_address(destination), kind, **fields)


def framed(version: int, packet: bytes) -> bytes:
    return MACS + (b"\x08\x00" if version == 4 else b"\x86\xdd") + packet


@frozen
class Case:
    """One inner frame, and how its segments come."""

    size: int
    version: int
    mtu: int
    order: str
    packet_id: int
    context_id: int
    tagged: bool
    inner: int
    l4: str
    offload: Offload

    @property
    def payload(self) -> bytes:
        return random.Random(self.packet_id).randbytes(self.size)

    @property
    def frame(self) -> bytes:
        ether = Ether(src="0a:00:00:00:00:01", dst="0a:00:00:00:00:02")
        if self.tagged:
            ether /= Dot1Q(vlan=self.packet_id & 0xFFF, prio=5)
        network = IP(src="10.0.0.1", dst="10.0.0.2")
        if self.inner == 6:
            network = IPv6(src="fd00::1", dst="fd00::2")
        # Ports that no dissector claims.
        l4 = TCP(sport=50001, dport=50002) if self.l4 == "tcp" else UDP(sport=50001, dport=50002)
        frame = bytes(ether / network / l4 / Raw(self.payload))
        return partial_checksum(frame) if self.offload.partial else frame

    @property
    def packets(self) -> list[bytes]:
        ids = {"packet_id": self.packet_id, "mtu": self.mtu, "offload": self.offload}
        packets = encapsulate(self.frame, self.context_id, tunnel(self.version), **ids)
        if self.order == "reversed":
            packets.reverse()
        elif self.order == "last first":
            packets.insert(0, packets.pop())
        elif self.order != "in order":
            random.Random(self.packet_id).shuffle(packets)
        return [framed(self.version, packet) for packet in packets]

    @property
    def stt_header(self) -> list[str]:
        """Version, flags, L4 offset, segment size, VLAN field."""
        flags, offset = int(self.offload.verified), 0
        if self.offload.partial:
            flags = 2 | 4 * (self.inner == 4) | 8 * (self.l4 == "tcp")
            offset = 34 if self.inner == 4 else 54
        vlan = 0xB000 | self.packet_id & 0xFFF if self.tagged else 0
        return ["0", f"0x{flags:02x}", str(offset), str(self.offload.mss), f"0x{vlan:04x}"]


def all_cases() -> list[Case]:
    cases = []
    for size, version, which, order in product(SIZES, (4, 6), range(3), ORDERS):
        n = len(cases) + 1
        chance = random.Random(n)
        l4 = "tcp" if chance.random() < 0.5 else "udp"
        offload = chance.choice(OFFLOADS)
        if offload.partial and l4 == "tcp" and size > 1400:
            offload = Offload(partial=True, mss=chance.randrange(500, 1400))
        ids = chance.getrandbits(32), chance.getrandbits(64)
        inner = chance.choice([4, 6])
        path = (size, version, MTUS[version][which], order)
        case = Case(*path, *ids, chance.random() < 0.4, inner, l4, offload)
        # The payload grows until the last segment is long enough for the dissector.
        head_bytes = len(MACS) + 2 + tunnel(version).ip_bytes + 20
        while min(map(len, case.packets)) < head_bytes + SOME_LAST_BYTES:
            case = evolve(case, size=case.size + SOME_LAST_BYTES)
        cases.append(case)
    return cases


def write_captures(cases: list[Case], path: Path) -> int:
    """A section for each capture; interleaved cases share one in pairs. The number written."""
    interleaved = [case for case in cases if case.order == "interleaved"]
    captures = [[case] for case in cases if case.order != "interleaved"]
    captures += [list(pair) for pair in zip(interleaved[::2], interleaved[1::2], strict=False)]
    captures += [interleaved[-1:]] if len(interleaved) % 2 else []
    with path.open("wb") as whole:
        for n, capture in enumerate(captures):
            part = path.with_name(f"{n}.pcapng")
            packets = [packet for case in capture for packet in case.packets]
            if len(capture) > 1:
                random.Random(n).shuffle(packets)
            with CaptureWriter(str(part)) as writer:
                for packet in packets:
                    writer.write("hv1", packet)
            whole.write(part.read_bytes())
    return len(captures)


HEURISTICS = ["ip.try_heuristic_first:TRUE", "ipv6.try_heuristic_first:TRUE"]
CHECKSUMS = ["tcp.check_checksum:TRUE", "udp.check_checksum:TRUE", "ip.check_checksum:TRUE"]
VNI = ("geneve", "vxlan")


def tshark(path: Path, options: list[str], fields: list[str]) -> list[list[str]]:
    command = ["tshark", "-n", "-r", str(path), "-T", "fields"]
    for option in options:
        command += ["-o", option]
    for field in fields:
        command += ["-e", field]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return [line.split("\t") for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def captured(tmp_path_factory) -> tuple[Path, list[Case]]:
    cases = all_cases()
    path = tmp_path_factory.mktemp("stt") / "all.pcapng"
    assert write_captures(cases, path) >= CAPTURES_MIN
    return path, cases


def test_tshark_reads_the_frames_we_sent(captured):
    path, cases = captured
    fields = [
        *("stt.pkt_id", "stt.context_id", "stt.version", "stt.flags", "stt.l4offset", "stt.mss"),
        *("stt.vlan", "stt.pkt_len", "stt.reassembled.length", "stt.segment.count"),
        *("eth.dst", "eth.src", "ip.src", "ipv6.src", "tcp.payload", "udp.payload"),
        *("tcp.checksum.status", "udp.checksum.status"),
        *("stt.segment.error", "stt.segment.overlap", "stt.segment.multipletails"),
        *("stt.l4offset_bad.expert", "stt.mss_bad.expert", "stt.data_offset_bad.expert"),
    ]
    rows = tshark(path, HEURISTICS + CHECKSUMS, fields)
    assert len(rows) == sum(len(case.packets) for case in cases)
    complete = {int(row[0], 16): row for row in rows if row[1]}
    assert len(complete) == sum(bool(row[1]) for row in rows) == len(cases)
    for case in cases:
        row = complete[case.packet_id]
        # The dissector counts the TCP-like header of the first segment in.
        stt_bytes = STT_HEADER_BYTES + len(case.frame) - 4 * case.tagged
        n_packets = len(case.packets)
        inner = {4: "10.0.0.1", 6: "fd00::1"}
        sources = {4: [], 6: []}
        sources[case.version].append(ENDS[case.version][0])
        sources[case.inner].append(inner[case.inner])
        tcp = case.l4 == "tcp"
        assert row[1:16] == [
            f"0x{case.context_id:016x}",
            *case.stt_header,
            str(stt_bytes),
            str(stt_bytes + 20) if n_packets > 1 else "",
            str(n_packets) if n_packets > 1 else "",
            "02:00:00:00:00:02,0a:00:00:00:00:02",
            "02:00:00:00:00:01,0a:00:00:00:00:01",
            ",".join(sources[4]),
            ",".join(sources[6]),
            case.payload.hex() if tcp else "",
            "" if tcp else case.payload.hex(),
        ]
        if not case.offload.partial:
            assert row[16:18] == (["1", ""] if tcp else ["", "1"])
        assert not any(row[18:]), row[18:]


def test_tshark_finds_every_outer_checksum_right(captured):
    path, cases = captured
    fields = ["tcp.dstport", "tcp.checksum.status", "ip.checksum.status", "ipv6.version"]
    rows = tshark(path, CHECKSUMS, fields)
    assert len(rows) == sum(len(case.packets) for case in cases)
    assert {tuple(row) for row in rows} == {("7471", "1", "1", ""), ("7471", "1", "", "6")}


def test_tshark_reads_geneve_and_vxlan(tmp_path):
    path, expected = tmp_path / "udp.pcapng", []
    with CaptureWriter(str(path)) as writer:
        for n, (kind, version, size) in enumerate(product(VNI, (4, 6), (1, 100, 1300))):
            summed = n % 3 > 0
            far = tunnel(version, kind, udp_checksum=summed)
            inner = IP(src="10.0.0.1") / UDP(sport=50001, dport=50002) / Raw(bytes([n]) * size)
            frame = bytes(Ether(src="0a:00:00:00:00:01", dst="0a:00:00:00:00:02") / inner)
            (packet,) = TunnelEnd(Nic()).transmit(frame, far, 0xABC00 + n)
            writer.write("hv1", framed(version, packet))
            # Right, absent, or (over IPv6) absent where there should be one.
            outer = "1" if summed else "3" if version == 4 else "4"
            shim = ["0", "0x6558"] if kind == "geneve" else ["", ""]
            key = [f"0x{0xABC00 + n:06x}", ""] if kind == "geneve" else ["", str(0xABC00 + n)]
            expected.append([*key, *shim, f"{outer},1", (bytes([n]) * size).hex()])
    fields = ["geneve.vni", "vxlan.vni", "geneve.version", "geneve.proto_type"]
    rows = tshark(path, CHECKSUMS, [*fields, "udp.checksum.status", "udp.payload"])
    assert [[*row[:5], row[5].split(",")[-1]] for row in rows] == expected
