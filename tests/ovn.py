"""A private OVN, the referee of the network program: what would it do with a packet?

    with Ovn(folder) as ovn:
        (network,) = ovn.load([document])       # a network document, as plain data
        network.send("web-1", frame)            # [Delivered(port="db-1", packet={"eth.src": …})]

Two `ovsdb-server`, `ovn-northd` and `ovn-trace` as a daemon run in the folder, with unix sockets
and nothing else; all end with the process that started them. No packet flows: `ovn-northd` turns
the network into logical flows, and `ovn-trace` says what these do.

What `send` answers are copies as they reach VIFs, also of packets that OVN itself makes (ARP and
neighbour advertisements, ICMP errors, echo replies, TCP resets), in the form of
`ovn_packets.read`: so `Delivered(port, read(frame))` is how to write what another network does.
Connections are tracked from packet to packet, until `forget`; ARP and MAC bindings are not
learned.

Cost: starting takes 0.2 s; loading 50 networks 1 s, which is the way to load many; a packet 1 ms,
some 25 ms if it is in different connection states at different places.
"""

import os
import re
import shutil
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

from tests.daemons import QUIET, ControlSocket, DaemonError, Daemons, await_socket
from tests.ovn_connections import Connections
from tests.ovn_document import ROOTS, operations, peers
from tests.ovn_packets import ARP, IP4, IP6, RST, Packet, kind, microflow, read
from tests.ovn_trace import Crossing, Reading, WrongState

PROGRAMS = ("ovsdb-server", "ovn-northd", "ovn-trace", "ovs-appctl")
SCHEMAS = "/usr/share/ovn"

installed = pytest.mark.skipif(
    any(shutil.which(program) is None for program in PROGRAMS) and os.environ.get("CI") != "true",
    reason="OVN is not installed (Debian package ovn-central)",
)

# A daemon is told the state of each packet it will ever track when it starts: that many.
STATES_TOLD = 20000
ESTABLISHED = "est"  # what ovn-trace assumes when it is told nothing
EXHAUSTED = "default (use --ct"
LOAD_MS_MAX = 60000
ANSWER_SECONDS_MAX = 60
# Bytes and seconds of a tracer that copies a packet without end: nobody may be left to end it.
LIMITED = ("prlimit", f"--as={4 << 30}", "--cpu=600")


@frozen
class Delivered:
    """A packet that came out at the VIF of logical port `port`."""

    port: str
    packet: Packet

    @property
    def eth_src(self) -> str:
        """The source MAC."""
        return self.packet["eth.src"]

    @property
    def eth_dst(self) -> str:
        """The destination MAC."""
        return self.packet["eth.dst"]

    @property
    def ttl(self) -> int | None:
        """The TTL or hop limit, if it has one."""
        return int(self.packet["ip.ttl"]) if "ip.ttl" in self.packet else None

    @property
    def kind(self) -> str:
        """What sort of packet it is, as `ovn_packets.kind` says."""
        return kind(self.packet)

    @classmethod
    def of(cls, port: str, frame: bytes) -> "Delivered":
        """The same of a frame."""
        return cls(port, read(frame))


class Ovn(Daemons):
    """OVN's databases, its translator and its tracer, with all they have under `folder`."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        north = self.spawn_database("nb", f"{SCHEMAS}/ovn-nb.ovsschema", "northbound")
        self.south = self.spawn_database("sb", f"{SCHEMAS}/ovn-sb.ovsschema", "southbound")
        self._sockets = {
            "OVN_Northbound": ControlSocket(folder / "nb.sock"),
            "OVN_Southbound": ControlSocket(folder / "sb.sock"),
        }
        self._transact("OVN_Northbound", {"op": "insert", "table": "NB_Global", "row": {}})
        self.spawn(
            *("ovn-northd", f"--ovnnb-db={north}", f"--ovnsb-db={self.south}"),
            *(f"--unixctl={folder}/northd.ctl", f"--log-file={folder}/northd.log", *QUIET),
        )
        await_socket(folder / "northd.ctl")
        self._translator = ControlSocket(folder / "northd.ctl")
        self._loads = 0
        self._tracers: dict[str, ControlSocket] = {}

    def stop(self) -> None:
        """End all processes; the tracers, which are nobody's children, end without a database."""
        self._end_tracers()
        super().stop()

    def load(self, documents: Sequence[Mapping[str, Any]]) -> list["OvnNetwork"]:
        """Make these the only networks.

        Raises:
            DaemonError: OVN does not take one of them, or cannot read its expressions.
        """
        self._loads += 1
        prefixes = [f"n{number}_" for number in range(len(documents))]
        clear = [{"op": "delete", "table": table, "where": []} for table in ROOTS]
        inserts = [
            operation
            for document, prefix in zip(documents, prefixes, strict=True)
            for operation in operations(document, prefix)
        ]
        told = {"op": "update", "table": "NB_Global", "where": [], "row": {"nb_cfg": self._loads}}
        done = {"op": "wait", "table": "NB_Global", "where": [], "timeout": LOAD_MS_MAX}
        done |= {"columns": ["sb_cfg"], "until": "==", "rows": [{"sb_cfg": self._loads}]}
        self._translator.call("resume", [])
        self._transact("OVN_Northbound", *clear, *inserts, told)
        self._transact("OVN_Northbound", done)
        self._translator.call("pause", [])
        self._spare_tracers()
        self._end_tracers()
        self._tracer(ESTABLISHED)
        return [
            OvnNetwork(self, document, prefix)
            for document, prefix in zip(documents, prefixes, strict=True)
        ]

    def trace(self, flow: str, states: Sequence[str] = ()) -> str:
        """The summary of `ovn-trace` for a microflow.

        `states` are those of the packets that are tracked, in order; the last counts for all that
        follow.
        """
        states = states or [ESTABLISHED]
        if len(set(states)) > 1:
            options = [f"--ct={state}" for state in (*states, *[states[-1]] * 4)]
            return self.run("ovn-trace", f"--db={self.south}", *options, "--summary", flow)
        told = self._tracer(states[0]).call("trace", ["--summary", flow])
        if states[0] != ESTABLISHED and EXHAUSTED in told:
            self._end_tracer(states[0])
            return self.trace(flow, states)
        return str(told)

    def logical_flows(self) -> str:
        """All logical flows, as `ovn-sbctl lflow-list` lists them."""
        return self.run("ovn-sbctl", f"--db={self.south}", "lflow-list")

    def _spare_tracers(self) -> None:
        """Keep ovn-trace from what it cannot do, in the flows that it reads.

        The translator is paused, or it would put that right.
        """
        (flows,) = self._transact(
            "OVN_Southbound",
            {"op": "select", "table": "Logical_Flow", "where": [], "columns": ["_uuid", "actions"]},
        )
        change = {"op": "update", "table": "Logical_Flow"}
        changes = [
            change | {"where": [["_uuid", "==", it["_uuid"]]], "row": {"actions": spared}}
            for it in flows["rows"]
            if (spared := _spared(it["actions"])) != it["actions"]
        ]
        self._transact("OVN_Southbound", *changes)

    def _transact(self, database: str, *todo: dict[str, Any]) -> list[dict[str, Any]]:
        results: list[dict[str, Any]] = self._sockets[database].call("transact", [database, *todo])
        for operation, result in zip(todo, results, strict=False):
            if result and result.get("error"):
                raise DaemonError(f"{operation}: {result}")
        if len(results) > len(todo):
            raise DaemonError(str(results[-1]))
        return results

    def _tracer(self, state: str) -> ControlSocket:
        if state not in self._tracers:
            control, log = self._place(state, ".ctl"), self._place(state, ".log")
            for old in (control, log):
                old.unlink(missing_ok=True)
            told = [] if state == ESTABLISHED else [f"--ct={state}"] * STATES_TOLD
            options = [f"--unixctl={control}", f"--log-file={log}", "--detach", *QUIET]
            options += [f"--pidfile={self._place(state, '.pid')}", "--overwrite-pidfile", *told]
            self.run(*LIMITED, "ovn-trace", f"--db={self.south}", *options)
            await_socket(control)
            self._tracers[state] = ControlSocket(control, ANSWER_SECONDS_MAX)
            unread = [line for line in log.read_text().splitlines() if "|WARN|" in line]
            if any("failed" in line for line in unread):
                raise DaemonError("\n".join(unread))
        return self._tracers[state]

    def _end_tracers(self) -> None:
        for state in list(self._tracers):
            self._end_tracer(state)

    def _end_tracer(self, state: str) -> None:
        self._tracers.pop(state).close()
        os.kill(int(self._place(state, ".pid").read_text()), signal.SIGKILL)

    def _place(self, state: str, suffix: str) -> Path:
        return self.folder / f"trace-{state.replace(',', '-')}{suffix}"


class OvnNetwork:
    """One of the networks that an `Ovn` has loaded, until it loads others."""

    def __init__(self, ovn: Ovn, document: Mapping[str, Any], prefix: str) -> None:
        self.document = document
        self.connections = Connections()
        self._ovn = ovn
        self._prefix = prefix
        acls = document.get("acls", ())
        self._stateful = any(acl["action"] == "allow-related" for acl in acls)
        ports = [port for switch in document["switches"] for port in switch.get("ports", ())]
        self._sendable = {port["name"]: _sendable(port) for port in ports if _sendable(port)}
        joined = peers(document)
        self._peers = {prefix + name: prefix + other for name, other in joined.items()}

    def forget(self) -> None:
        """Forget all connections."""
        self.connections = Connections()

    def send(self, port: str, frame: bytes) -> list[Delivered]:
        """Where a frame comes out that the VM at a logical port sends, and how."""
        packet = read(frame)
        if packet["eth.type"] not in self._sendable.get(port, {packet["eth.type"]}):
            return []
        outputs = self._follow(Crossing(packet, inport=self._prefix + port))
        return [Delivered(name.removeprefix(self._prefix), packet) for name, packet in outputs]

    def trace(self, port: str, frame: bytes, *states: str) -> str:
        """What `ovn-trace` prints for it, for people; `states` as in `Ovn.trace`."""
        return self._ovn.trace(_flow(self._prefix + port, read(frame)), states)

    def _follow(self, start: Crossing) -> list[tuple[str, Packet]]:
        outputs: list[tuple[str, Packet]] = []
        waiting = [start]
        while waiting:
            reading = self._read(waiting.pop())
            outputs += reading.outputs
            waiting += reversed(reading.crossings)
        return outputs

    def _read(self, at: Crossing) -> Reading:
        inport = at.inport or self._peers[at.outport]
        states: list[str] = []
        if self._stateful and "ip.proto" in at.packet:
            state = self.connections.copy().state(inport, at.packet, at.about)
            states = [state if state != "inv" else "new"]
        while True:
            connections = self.connections.copy()
            reading = Reading(at.packet, connections, at.about)
            try:
                reading.read(self._ovn.trace(_flow(inport, at.packet), states))
            except WrongState as wrong:
                states = wrong.states
                continue
            self.connections = connections
            return reading


def _flow(inport: str, packet: Packet) -> str:
    """The microflow of a packet; a reset has no other flag, or ovn-trace would reject it too."""
    if int(packet.get("tcp.flags", "0")) & RST:
        packet = {**packet, "tcp.flags": str(RST)}
    return f'inport == "{inport}" && {microflow(packet)}'


def _spared(actions: str) -> str:
    """Actions that ovn-trace can follow.

    Of `nd_na_router` it ends with a failed assertion; `nd_na` differs in a flag that no expression
    sees. In `nd_ns` it sends the packet itself to a group address, at every router again and again;
    without `output` it sends nothing, and `ovn_trace` goes on with the solicitation.
    """
    actions = actions.replace("nd_na_router", "nd_na")
    return re.sub(r"(nd_ns \{[^}]*?) output; \}", r"\1 }", actions)


def _sendable(port: Mapping[str, Any]) -> set[str]:
    """The Ethernet types that a guarded port with addresses may send, no others; none: all.

    So it is in the flows that ovn-controller makes for port security (controller/lflow.c);
    `ovn-trace` lets other types through.
    """
    if not port.get("port_security", True):
        return set()
    return ({IP4, ARP} if port.get("ip") else set()) | ({IP6} if port.get("ip6") else set())
