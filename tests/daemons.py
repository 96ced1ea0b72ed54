"""Daemons of Open vSwitch's kind for tests: private, in a folder, over unix sockets.

    class OpenVSwitch(Daemons): …
        self.spawn("ovsdb-server", …)       # ends when the test process ends, however that ends
        await_socket(folder / "db.sock")
        self.run("ovs-vsctl", …)            # what a program prints; DaemonError if it refuses

Nothing listens but on sockets in the folder, and nothing needs root.

Cost: a process is 10 ms; a call through a `ControlSocket` below 0.2 ms and what the daemon does.
"""

import json
import os
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

START_SECONDS_MAX = 20


class DaemonError(Exception):
    """What a daemon, or a program that asks one, said when it refused."""


class Daemons:
    """Processes with everything that they have under `folder`, and none of them after `stop`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._environment = os.environ | {
            f"{family}_{name}DIR": str(folder)
            for family in ("OVS", "OVN")
            for name in ("RUN", "LOG", "DB", "SYSCONF")
        }
        self.processes: dict[str, subprocess.Popen] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End all processes."""
        for name in reversed(list(self.processes)):
            self.end(name)

    def end(self, name: str) -> None:
        """End one of them."""
        self.processes[name].kill()
        self.processes[name].wait()

    def run(self, *command: str, text: str = "") -> str:
        """What a program prints; `text` is its standard input."""
        done = subprocess.run(
            command, input=text, capture_output=True, text=True, env=self._environment, check=False
        )
        if done.returncode:
            raise DaemonError(f"{' '.join(command)}: {done.stderr.strip()}")
        return done.stdout

    def spawn(self, *command: str, name: str = "") -> None:
        """Start a process that the kernel ends with ours; it is called by its program or `name`."""
        with (self.folder / "console").open("ab") as console:
            self.processes[name or command[0]] = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *command],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                env=self._environment,
            )

    def spawn_database(self, files: str, schema: str, name: str = "ovsdb-server") -> str:
        """Start a database server, which is called by `name`; returns how to reach it.

        Its files in the folder are `FILES.db`, `FILES.sock`, `FILES.ctl` and `FILES.log`.
        """
        at = self.folder / files
        self.run("ovsdb-tool", "create", f"{at}.db", schema)
        self.spawn(
            *("ovsdb-server", f"{at}.db", f"--remote=punix:{at}.sock", f"--unixctl={at}.ctl"),
            *(f"--log-file={at}.log", *QUIET),
            name=name,
        )
        await_socket(Path(f"{at}.sock"))
        return f"unix:{at}.sock"


QUIET = ("--no-chdir", "-vconsole:off", "-vsyslog:off")


class ControlSocket:
    """One lasting connection to a socket that speaks JSON-RPC: a daemon's control, a database.

    The client of OVS's own library reads JSON in Python, a character at a time: of the 1.4 ms that
    a trace costs with it, 1.3 are that.
    """

    def __init__(self, path: Path, answer_seconds_max: float | None = None) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(answer_seconds_max)
        self._socket.connect(str(path))

    def close(self) -> None:
        """End the connection."""
        self._socket.close()

    def call(self, command: str, arguments: Sequence[Any]) -> Any:
        """What the other side answers; DaemonError if that is an error.

        TimeoutError if there is no answer in time, or another OSError if the other side has ended.
        """
        request = {"id": 0, "method": command, "params": arguments}
        self._socket.sendall(json.dumps(request).encode())
        received = b""
        while True:
            part = self._socket.recv(1 << 20)
            if not part:
                raise ConnectionError("the daemon has ended")
            received += part
            try:
                reply = json.loads(received)
            except ValueError:
                continue
            if reply["error"]:
                raise DaemonError(f"{command} {arguments}: {str(reply['error']).strip()}")
            return reply["result"]


def await_socket(path: Path) -> None:
    """Wait until something listens at a path."""
    end = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < end:
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(str(path)) == 0:
                return
        time.sleep(0.01)
    console = (path.parent / "console").read_text()
    raise DaemonError(f"nothing listens at {path} after {START_SECONDS_MAX} s: {console}")
