"""`nvp demo`, as a user runs it: it keeps its promises, notices if not, and leaves a capture."""

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from rich.console import Console
from scapy.utils import PcapNgReader

from nvp_state.demo import Demo

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "examples" / "three_tier.json"
STT_PORT = 7471


@pytest.fixture(scope="module")
def demonstration(tmp_path_factory):
    """The finished process of `nvp demo` in a folder that has only the example, and its capture."""
    folder = tmp_path_factory.mktemp("demo")
    (folder / "examples").mkdir()
    shutil.copy(DOCUMENT, folder / "examples")
    script = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); from nvp_state.cli import main; main()"
    )
    process = subprocess.run(
        [sys.executable, "-c", script, "demo"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={"COLUMNS": "160", "PATH": "", "LANG": "C.UTF-8"},
    )
    return process, folder / "demo.pcapng"


def test_everything_is_as_promised(demonstration):
    process, _ = demonstration
    assert process.returncode == 0, process.stderr
    assert process.stderr == ""
    assert "Everything was as the document promises." in process.stdout
    assert "0 to another tenant" in process.stdout
    assert "20 of 20 pings answered" in process.stdout
    verdict = r"dropped on hv3 in out_acl_done, as out_acl says, because of\s+acl "
    assert re.search(verdict, process.stdout)


def outer_packets(capture):
    """What the capture has: (source, destination, protocol, destination port) of each packet."""
    for packet in PcapNgReader(str(capture)):
        raw = bytes(packet)
        assert raw[12:14] == b"\x08\x00"
        header_bytes = (raw[14] & 15) * 4
        port = int.from_bytes(raw[14 + header_bytes + 2 : 14 + header_bytes + 4])
        yield raw[26:30], raw[30:34], raw[23], port


def test_the_capture_has_stt_between_the_hosts_and_nothing_else(demonstration):
    packets = Counter(outer_packets(demonstration[1]))
    hosts = {bytes([192, 0, 2, number]) for number in (1, 2, 3)}
    assert packets.total() > 200
    assert {packet[:2] for packet in packets} == {(a, b) for a in hosts for b in hosts if a != b}
    assert {packet[2:] for packet in packets} == {(6, STT_PORT)}


@pytest.mark.skipif(
    shutil.which("tshark") is None and os.environ.get("CI") != "true",
    reason="tshark is not installed (Debian package tshark)",
)
def test_tshark_reads_every_packet_as_stt(demonstration):
    command = ["tshark", "-o", "ip.try_heuristic_first:TRUE", "-r", str(demonstration[1])]
    command += ["-T", "fields", "-e", "stt.context_id", "-e", "frame.protocols"]
    listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    lines = listing.splitlines()
    assert len(lines) == sum(1 for _ in outer_packets(demonstration[1]))
    assert all(":stt" in line for line in lines)
    keys = {int(line.partition("\t")[0].split(",")[0], 16) for line in lines if line[0] != "\t"}
    assert {key & 0xFFFFFF for key in keys} == set(range(1, 10))
    assert {key >> 24 for key in keys} == set(range(1, 12)), "the router's two ports, too"


def test_a_promise_that_is_not_kept_is_told(tmp_path):
    document = tmp_path / "other.json"
    text = DOCUMENT.read_text("utf-8")
    document.write_text(text.replace("tcp.dst == 80", "tcp.dst == 81"))
    with (tmp_path / "out.txt").open("w+") as out:
        demo = Demo(document, tmp_path / "demo.pcapng", Console(file=out, width=160))
        assert not demo.run()
        out.seek(0)
        told = out.read()
    assert demo.surprises == [
        "TCP 80 from web-1 to app-1-front: no SYN+ACK",
        "TCP 80 from web-2 to app-1-front: no SYN+ACK",
    ]
    assert "not as promised: TCP 80 from web-1 to app-1-front" in told
