"""An Open vSwitch of one's own, to measure its datapath: what a packet costs, told by itself.

It runs in a folder of its own, with unix sockets, without a kernel module and without root. Packets
are put in by a command, which takes far longer than passing them: so not the clock is read but the
counters of the thread that passes them (`dpif-netdev/pmd-stats-show`), in cycles of the processor,
of which idling and working together make up the time.
"""

import os
import re
import subprocess
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Self

from attrs import frozen

SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"
BRIDGE = "br-bench"
START_S_MAX = 20.0
# A dummy port holds 100 frames that wait, and drops the next.
FRAMES_PER_COMMAND = 50


@frozen
class Passed:
    """What the datapath says it did: where packets were found, and what one took."""

    packets: int
    exact_hits: int
    megaflow_hits: int
    misses: int
    ns_per_packet: float


class RealSwitch:
    """ovsdb-server and ovs-vswitchd, with one bridge; ends with its `with` block."""

    def __init__(self, folder: Path) -> None:
        """Start both in a folder that exists."""
        self._folder = folder
        names = ("RUN", "LOG", "DB", "SYSCONF")
        self._environment = os.environ | {f"OVS_{name}DIR": str(folder) for name in names}
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        """The switch, started."""
        folder, database = self._folder, f"unix:{self._folder}/db.sock"
        quiet = ("--no-chdir", "-vconsole:off", "-vsyslog:off")
        self._run("ovsdb-tool", "create", f"{folder}/conf.db", SCHEMA)
        self._spawn("ovsdb-server", f"{folder}/conf.db", f"--remote=punix:{folder}/db.sock", *quiet)
        self._await("ovs-vsctl", f"--db={database}", "--no-wait", "init")
        control = f"--unixctl={folder}/ctl"
        self._spawn("ovs-vswitchd", "--enable-dummy=override", control, database, *quiet)
        self._await("ovs-appctl", "-t", f"{folder}/ctl", "version")
        return self

    def __exit__(self, *_: object) -> None:
        """End both processes."""
        for process in reversed(self._processes):
            process.kill()
            process.wait()

    def add_bridge(self, ports: Iterable[int], flows: Sequence[str], exact: bool) -> None:
        """Make the bridge, with ports that a thread polls; with the exact-match cache, or without.

        It remembers every packet there if it does at all, as ours does.
        """
        chance = "1" if exact else "0"
        command = ["add-br", BRIDGE, "--", "set", "bridge", BRIDGE, "datapath_type=dummy"]
        command += ["fail-mode=secure", "--", "set", "Open_vSwitch", "."]
        command += [f"other_config:emc-insert-inv-prob={chance}", "other_config:pmd-cpu-mask=0x1"]
        # No megaflow shall go while commands put frames in.
        command += ["other_config:max-idle=3600000", "other_config:flow-limit=200000"]
        for port in ports:
            command += ["--", "add-port", BRIDGE, f"p{port}", "--", "set", "interface", f"p{port}"]
            command += ["type=dummy-pmd", f"ofport_request={port}"]
        self._run("ovs-vsctl", f"--db=unix:{self._folder}/db.sock", *command)
        text = "\n".join(flows)
        self._run("ovs-ofctl", "add-flows", f"unix:{self._folder}/{BRIDGE}.mgmt", "-", text=text)

    def remove_bridge(self) -> None:
        """Take the bridge away, and all that its datapath knows."""
        self._run("ovs-vsctl", f"--db=unix:{self._folder}/db.sock", "del-br", BRIDGE)

    def measure(self, in_ports: Sequence[int], frames: Sequence[bytes]) -> Passed:
        """Pass frames, and ask what that took."""
        begin = time.perf_counter()
        before = self._told()
        received = before["packets received"]
        for port in sorted(set(in_ports)):
            mine = [frame.hex() for at, frame in zip(in_ports, frames, strict=True) if at == port]
            for place in range(0, len(mine), FRAMES_PER_COMMAND):
                part = mine[place : place + FRAMES_PER_COMMAND]
                self._appctl("netdev-dummy/receive", f"p{port}", *part)
                received += len(part)
                self._await_received(received)
        after = self._told()
        elapsed_s = time.perf_counter() - begin
        told = {name: after[name] - count for name, count in before.items()}
        # One thread polls, so all its cycles are the time that went by.
        cycles_per_s = (told["idle cycles"] + told["processing cycles"]) / elapsed_s
        return Passed(
            packets=told["packets received"],
            exact_hits=told["emc hits"],
            megaflow_hits=told["megaflow hits"],
            misses=told["miss with success upcall"],
            ns_per_packet=told["processing cycles"] / told["packets received"] / cycles_per_s * 1e9,
        )

    def _await_received(self, count: int) -> None:
        """Wait until so many packets were received."""
        end = time.monotonic() + START_S_MAX
        while (told := self._told())["packets received"] < count:
            if time.monotonic() > end:
                raise RuntimeError(f"Open vSwitch did not pass {count} packets: {told}")

    def _told(self) -> dict[str, int]:
        """The counters of the thread that polls."""
        text = self._appctl("dpif-netdev/pmd-stats-show")
        thread = text[text.index("pmd thread") : text.index("main thread")]
        return {
            name: int(value)
            for name, value in re.findall(r"^  ([\w /]+): (\d+)", thread, re.MULTILINE)
        }

    def _appctl(self, *command: str) -> str:
        return self._run("ovs-appctl", "-t", f"{self._folder}/ctl", *command)

    def _run(self, *command: str, text: str = "") -> str:
        done = subprocess.run(
            command,
            input=text,
            capture_output=True,
            text=True,
            env=self._environment,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)[:200]}: {done.stderr.strip()}")
        return done.stdout

    def _spawn(self, *command: str) -> None:
        with (self._folder / "console").open("ab") as console:
            self._processes.append(
                subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=console,
                    stderr=console,
                    env=self._environment,
                )
            )

    def _await(self, *command: str) -> None:
        end = time.monotonic() + START_S_MAX
        while True:
            try:
                self._run(*command)
            except RuntimeError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)
            else:
                return
