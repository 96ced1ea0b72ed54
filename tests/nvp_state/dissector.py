"""What tshark reads in frames: an independent word on headers, options and checksums."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

import pytest
from scapy.utils import RawPcapWriter

installed = pytest.mark.skipif(
    shutil.which("tshark") is None and os.environ.get("CI") != "true",
    reason="tshark is not installed (Debian package tshark)",
)

PROTOCOLS = ("ip", "udp", "tcp", "icmp", "icmpv6")
_CHECKED = [f"-o{protocol}.check_checksum:TRUE" for protocol in ("ip", "udp", "tcp")]
_COMPLAINTS = ("_ws.malformed", "_ws.expert.severity")
_ERROR_SEVERITY = 0x800000
_GOOD, _UNVERIFIED = "1", "2"


def told(frames: Iterable[bytes], *fields: str) -> list[dict[str, list[str]]]:
    """The values of fields, by name, of each frame; of all, also those that tell of mistakes."""
    checksums = [f"{protocol}.checksum.status" for protocol in PROTOCOLS]
    names = [*fields, *checksums, *_COMPLAINTS]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "frames.pcap"
        with RawPcapWriter(str(path), linktype=1) as writer:
            for frame in frames:
                writer.write(frame)
        command = ["tshark", "-r", str(path), *_CHECKED, "-Tfields", "-Eseparator=\x1f"]
        command += ["-Eaggregator=\x1e", "-Eoccurrence=a"]
        command += [it for name in names for it in ("-e", name)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [
        dict(zip(names, (it.split("\x1e") if it else [] for it in line.split("\x1f")), strict=True))
        for line in done.stdout.split("\n")[:-1]
    ]


def faults(read: dict[str, list[str]]) -> list[str]:
    """What tshark finds wrong with a frame: what is malformed, checksums, errors."""
    found = [f"malformed: {it}" for it in read["_ws.malformed"]]
    # What an ICMP error quotes may be cut short, so that its checksum does not count.
    is_error = bool(read["icmp.checksum.status"] or read["icmpv6.checksum.status"])
    for protocol in PROTOCOLS:
        if is_error and protocol in ("tcp", "udp"):
            continue
        status = read[f"{protocol}.checksum.status"][:1]
        found += [f"{protocol} checksum: {it}" for it in status if it not in (_GOOD, _UNVERIFIED)]
    severities = [] if is_error else [int(it, 0) for it in read["_ws.expert.severity"]]
    return found + [f"severity {it:#x}" for it in severities if it >= _ERROR_SEVERITY]
