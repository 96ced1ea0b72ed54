"""The database of Open vSwitch (OVSDB, RFC 7047), by OVS's own library: a bridge and its ports.

`Database` holds a copy of the few columns that matter, kept by the server, and changes them in
transactions that name what they rest on: if somebody else changed the same rows meanwhile, the
transaction is made again from what is there now. A change waits until the daemon has carried it
out. Whatever does not answer in time is an error that says so.
"""

import time
from collections.abc import Callable, Iterable
from typing import Any

import ovs.db.idl
import ovs.jsonrpc
import ovs.poller
import ovs.stream
import ovs.vlog

from nvp_state.errors import StateError
from nvp_state.openvswitch.ports import PortPlan, Present, Wanted
from nvp_state.openvswitch.target import Target, refusal

SCHEMA = "Open_vSwitch"
COLUMNS = {
    "Open_vSwitch": ["bridges", "cur_cfg", "next_cfg"],
    "Bridge": ["name", "ports", "datapath_type", "fail_mode", "external_ids"],
    "Port": ["name", "interfaces"],
    "Interface": [
        *("name", "type", "options", "external_ids"),
        *("ofport", "ofport_request", "error"),
    ],
}
ANSWER_SECONDS_MAX = 10.0
TRIES_MAX = 5

_REMOTE = "unix:{}"
_Row = Any


class Database:
    """A connection to the database server of a target.

    Raises:
        StateError: nothing answers there, or not as a database of Open vSwitch.
    """

    def __init__(self, target: Target) -> None:
        target.require_database()
        # The library has a logger of its own, which would write over our messages.
        ovs.vlog.Vlog.set_level("any", "console", "off")
        self._target = target
        self._remote = _REMOTE.format(target.database)
        helper = ovs.db.idl.SchemaHelper(schema_json=self._schema())
        for table, columns in COLUMNS.items():
            helper.register_columns(table, columns)
        self._idl = ovs.db.idl.Idl(self._remote, helper)
        self._wait(self._idl.has_ever_connected, "does not answer")

    def close(self) -> None:
        """End the connection."""
        self._idl.close()

    @property
    def has_bridge(self) -> bool:
        """Whether there is a bridge of the target's name."""
        return self._bridge() is not None

    def present(self) -> list[Present]:
        """The interfaces of the bridge, without the one that is the bridge itself."""
        bridge = self._bridge()
        interfaces = [] if bridge is None else self._interfaces()
        return [_present(row) for row in interfaces if row.name != self._target.bridge]

    def others(self) -> set[str]:
        """The names of interfaces that are not of the bridge."""
        everywhere = {row.name for row in self._idl.tables["Interface"].rows.values()}
        return everywhere - {it.name for it in self.present()}

    def add_bridge(self) -> None:
        """Make the bridge, which drops all until it has flows."""

        def add(transaction: ovs.db.idl.Transaction) -> None:
            bridge = transaction.insert(self._idl.tables["Bridge"])
            bridge.name = self._target.bridge
            bridge.datapath_type = self._target.datapath
            bridge.fail_mode = "secure"
            bridge.external_ids = {"nvp": "bridge"}
            own = Wanted(0, self._target.bridge, "", "")
            bridge.ports = [self._port(transaction, own, "internal")]
            self._root.addvalue("bridges", bridge)

        self._commit(add)
        there = self._target.management.exists
        self._wait(there, f"ovs-vswitchd makes no bridge {self._target.bridge}")

    def remove_bridge(self) -> None:
        """Remove the bridge and all its ports."""

        def remove(_: ovs.db.idl.Transaction) -> None:
            self._root.delvalue("bridges", self._bridge())

        self._commit(remove)

    def change(self, plan: PortPlan) -> None:
        """Carry out a plan. Raises StateError if the database refuses; nothing has changed."""
        gone = {it.name for it in plan.remove}

        def make(transaction: ovs.db.idl.Transaction) -> None:
            bridge = self._bridge()
            bridge.verify("ports")
            kept = [port for port in bridge.ports if port.name not in gone]
            made = [self._port(transaction, port, port.type) for port in plan.make]
            bridge.ports = [*kept, *made]
            for interface in (interface for port in kept for interface in port.interfaces):
                if interface.name in plan.change:
                    self._renew(interface, plan.change[interface.name])

        if plan:
            self._commit(make)

    def require_numbers(self, plan: PortPlan) -> None:
        """StateError names the ports of a plan that the daemon cannot open, and why."""
        ports = {**{port.name: port for port in plan.make}, **plan.change}
        failed = []
        for row in self._interfaces():
            if row.name in ports and row.ofport != [ports[row.name].number]:
                reason = row.error[0] if row.error else f"it has number {row.ofport}"
                failed.append(f"cannot open {ports[row.name]}: {reason}")
        if failed:
            raise StateError([refusal(str(self._target), text).problems[0] for text in failed])

    def _renew(self, interface: _Row, port: Wanted) -> None:
        interface.ofport_request = port.number
        if interface.external_ids.get("nvp"):
            interface.type = port.type
            interface.options = dict(port.options)
            interface.external_ids = port.marks

    def _port(self, transaction: ovs.db.idl.Transaction, port: Wanted, kind: str) -> _Row:
        interface = transaction.insert(self._idl.tables["Interface"])
        interface.name, interface.type = port.name, kind
        if port.number:
            interface.options, interface.external_ids = dict(port.options), port.marks
            interface.ofport_request = port.number
        row = transaction.insert(self._idl.tables["Port"])
        row.name, row.interfaces = port.name, [interface]
        return row

    def _interfaces(self) -> Iterable[_Row]:
        for port in self._bridge().ports:
            yield from port.interfaces

    @property
    def _root(self) -> _Row:
        return next(iter(self._idl.tables["Open_vSwitch"].rows.values()))

    def _bridge(self) -> _Row:
        named = (it for it in self._idl.tables["Bridge"].rows.values())
        return next((it for it in named if it.name == self._target.bridge), None)

    def _commit(self, change: Callable[[ovs.db.idl.Transaction], None]) -> None:
        """Commit a change, anew if others were faster, and wait until the daemon did it."""
        self._initialize()
        for _ in range(TRIES_MAX):
            transaction = ovs.db.idl.Transaction(self._idl)
            change(transaction)
            self._root.increment("next_cfg")
            status = transaction.commit_block()
            if status == transaction.UNCHANGED:
                return
            if status == transaction.SUCCESS:
                wanted = transaction.get_increment_new_value()
                self._wait_carried_out(wanted)
                return
            if status != transaction.TRY_AGAIN:
                raise refusal(str(self._target), f"the database refuses: {transaction.get_error()}")
            self._idl.run()
        raise refusal(str(self._target), f"others changed the same rows {TRIES_MAX} times")

    def _initialize(self) -> None:
        """Give a new database the one row that all others hang on, as `ovs-vsctl init` does."""
        rows = self._idl.tables["Open_vSwitch"].rows
        if not rows:
            transaction = ovs.db.idl.Transaction(self._idl)
            transaction.insert(self._idl.tables["Open_vSwitch"])
            transaction.commit_block()
            self._wait(lambda: bool(rows), "cannot be initialized")

    def _wait_carried_out(self, number: int) -> None:
        """Wait until the daemon has done what the database said when `next_cfg` was `number`."""
        self._wait(lambda: self._root.cur_cfg >= number, "ovs-vswitchd does nothing")

    def _wait(self, until: Callable[[], bool], complaint: str) -> None:
        end = time.monotonic() + ANSWER_SECONDS_MAX
        while True:
            self._idl.run()
            if until():
                return
            if time.monotonic() > end:
                text = f"{complaint}, waited for {ANSWER_SECONDS_MAX:g} s: does it run?"
                raise refusal(str(self._target), text)
            poller = ovs.poller.Poller()
            poller.timer_wait(20)
            self._idl.wait(poller)
            poller.block()

    def _schema(self) -> dict[str, Any]:
        errno, stream = ovs.stream.Stream.open_block(ovs.stream.Stream.open(self._remote))
        if not errno:
            connection = ovs.jsonrpc.Connection(stream)
            request = ovs.jsonrpc.Message.create_request("get_schema", [SCHEMA])
            errno, reply = connection.transact_block(request)
            connection.close()
            if not errno and not reply.error:
                schema: dict[str, Any] = reply.result
                return schema
        raise refusal(str(self._target), f"no database {SCHEMA} answers at {self._target.database}")


def _present(row: _Row) -> Present:
    return Present(
        row.name,
        row.type,
        max([0, *row.ofport]),
        row.ofport_request[0] if row.ofport_request else 0,
        dict(row.options),
        dict(row.external_ids),
    )
