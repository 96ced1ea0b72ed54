"""Captures of ours, read by tshark: its STT dissector, and its TCP dissector for checksums.

All captures go into one file, as sections of pcapng, so that tshark starts twice in all.

Two traits of Wireshark's packet-stt.c (4.0.17) shape this test. Its checksum status is "Bad" for
every right checksum: it sums the data with the checksum in it, gets 0, and looks for the checksum
itself ("should be 0x0000"). So checksums are read off the TCP dissector. And it takes a segment
that ends within 20 bytes of the end for the last one: so no last segment here is that short.
"""

import os
import random
import shutil
import subprocess
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from attrs import frozen
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Raw

from vswitch_sim.capture import CaptureWriter
from vswitch_sim.stt import OUTER_HEADER_BYTES, STT_HEADER_BYTES, encapsulate

pytestmark = pytest.mark.skipif(
    shutil.which("tshark") is None and os.environ.get("CI") != "true",
    reason="tshark is not installed (Debian package tshark)",
)

A, B = IPv4Address("192.0.2.1"), IPv4Address("192.0.2.2")
OUTER_ETHERNET = bytes.fromhex("0200000000020200000000010800")
SIZES = (0, 1, 100, 1400, 3000, 9000, 60000)
MTUS = (576, 1500, 9000)
ORDERS = ("in order", "reversed", "shuffled", "interleaved")
SOME_LAST_BYTES = 21


@frozen
class Case:
    """One inner frame, and how its segments come."""

    size: int
    mtu: int
    order: str
    packet_id: int
    context_id: int
    tagged: bool
    l4: str

    @property
    def payload(self) -> bytes:
        return random.Random(self.packet_id).randbytes(self.size)

    @property
    def frame(self) -> bytes:
        ether = Ether(src="0a:00:00:00:00:01", dst="0a:00:00:00:00:02")
        if self.tagged:
            ether /= Dot1Q(vlan=self.packet_id & 0xFFF, prio=5)
        # Ports that no dissector claims.
        l4 = TCP(sport=50001, dport=50002) if self.l4 == "tcp" else UDP(sport=50001, dport=50002)
        return bytes(ether / IP(src="10.0.0.1", dst="10.0.0.2") / l4 / Raw(self.payload))

    @property
    def packets(self) -> list[bytes]:
        ids = {"packet_id": self.packet_id, "mtu": self.mtu}
        packets = encapsulate(self.frame, self.context_id, A, B, **ids)
        if self.order == "reversed":
            packets.reverse()
        elif self.order != "in order":
            random.Random(self.packet_id).shuffle(packets)
        return packets


def all_cases() -> list[Case]:
    cases = []
    for size in SIZES:
        for mtu in MTUS:
            for order in ORDERS:
                n = len(cases) + 1
                # The payload grows until the last segment is long enough for the dissector.
                fitted = size
                while True:
                    chance = random.Random(n)
                    case = Case(
                        fitted,
                        mtu,
                        order,
                        chance.getrandbits(32),
                        chance.getrandbits(64),
                        n % 3 == 0,
                        "tcp" if n % 2 else "udp",
                    )
                    if min(map(len, case.packets)) >= OUTER_HEADER_BYTES + SOME_LAST_BYTES:
                        break
                    fitted += SOME_LAST_BYTES
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
                    writer.write("hv1", OUTER_ETHERNET + packet)
            whole.write(part.read_bytes())
    return len(captures)


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
    assert write_captures(cases, path) >= 30
    return path, cases


def test_tshark_reads_the_frames_we_sent(captured):
    path, cases = captured
    fields = [
        *("stt.pkt_id", "stt.context_id", "stt.version", "stt.flags", "stt.pkt_len"),
        *("stt.vlan", "stt.reassembled.length", "eth.dst", "eth.src", "ip.src", "ip.dst"),
        *("tcp.payload", "udp.payload", "tcp.checksum.status", "udp.checksum.status"),
        *("stt.segment.error", "stt.segment.overlap", "stt.segment.multipletails"),
        *("stt.l4offset_bad.expert", "stt.mss_bad.expert", "stt.data_offset_bad.expert"),
    ]
    options = ["ip.try_heuristic_first:TRUE", "tcp.check_checksum:TRUE", "udp.check_checksum:TRUE"]
    rows = tshark(path, options, fields)
    assert len(rows) == sum(len(case.packets) for case in cases)
    complete = {int(row[0], 16): row for row in rows if row[1]}
    assert len(complete) == sum(bool(row[1]) for row in rows) == len(cases)
    for case in cases:
        row = complete[case.packet_id]
        tcp = case.l4 == "tcp"
        # The dissector counts the TCP-like header of the first segment in.
        stt_bytes = STT_HEADER_BYTES + len(case.frame) - 4 * case.tagged
        several = len(case.packets) > 1
        assert row[1:15] == [
            f"0x{case.context_id:016x}",
            "0",
            "0x0d" if tcp else "0x05",
            str(stt_bytes),
            f"0x{(0xB000 | case.packet_id & 0xFFF if case.tagged else 0):04x}",
            str(stt_bytes + 20) if several else "",
            "02:00:00:00:00:02,0a:00:00:00:00:02",
            "02:00:00:00:00:01,0a:00:00:00:00:01",
            "192.0.2.1,10.0.0.1",
            "192.0.2.2,10.0.0.2",
            case.payload.hex() if tcp else "",
            "" if tcp else case.payload.hex(),
            "1" if tcp else "",
            "" if tcp else "1",
        ]
        assert not any(row[15:]), row[15:]


def test_tshark_finds_every_outer_checksum_right(captured):
    path, cases = captured
    options = ["ip.try_heuristic_first:FALSE", "tcp.check_checksum:TRUE", "ip.check_checksum:TRUE"]
    rows = tshark(path, options, ["tcp.dstport", "tcp.checksum.status", "ip.checksum.status"])
    assert len(rows) == sum(len(case.packets) for case in cases)
    assert {tuple(row) for row in rows} == {("7471", "1", "1")}
