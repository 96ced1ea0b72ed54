"""Rows of a northbound database (ovn-nb(5)): of a running server, or of the file it keeps.

A server is asked through its unix socket, by OVS's own library, for all tables in one transaction
(OVSDB, RFC 7047), so that what comes is of one moment. A file is read by `ovsdb-tool`; that of a
server in a cluster does not say what holds, and is refused.

A `Row` knows which of its columns have been read, so that those which nobody read can be named.
"""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from stat import S_ISSOCK
from typing import Any

import ovs.jsonrpc
import ovs.stream
import ovs.vlog

from nvp_state.errors import Problem, StateError

DATABASE = "OVN_Northbound"
STANDALONE = "OVSDB JSON "
CLUSTERED = "OVSDB CLUSTER "

# What the daemons do, notes that nothing depends on, and the name, by which a row is known anyway.
_NO_MEANING = {"_uuid", "_version", "external_ids", "up", "ipv6_prefix", "name"}

Rows = dict[str, dict[str, "Row"]]
"""By table and UUID."""


class Row:
    """A row of a table; a value that may be missing, or be several, is a list."""

    def __init__(self, table: str, columns: dict[str, Any]) -> None:
        self.table = table
        self.uuid = str(columns["_uuid"][1])
        self._values = {name: _plain(value) for name, value in columns.items()}
        self._read: set[tuple[str, str]] = set()

    @property
    def name(self) -> str:
        """What messages call it: its name, or else its UUID."""
        return str(self._values.get("name") or self._values.get("cidr") or self.uuid)

    def one(self, column: str, default: Any = None) -> Any:
        """The value of a column, or the default if it has none."""
        values = self.many(column)
        return values[0] if values else default

    def many(self, column: str) -> list[Any]:
        """All values of a column."""
        self._read.add((column, ""))
        value = self._values.get(column, [])
        return value if isinstance(value, list) else [value]

    def entry(self, column: str, key: str, default: Any = None) -> Any:
        """The value of a key in a column that is a map."""
        self._read.add((column, key))
        found = self._values.get(column) or {}
        return found.get(key, default)

    def entries(self, column: str) -> dict[str, Any]:
        """All of a column that is a map."""
        self._read.add((column, ""))
        return dict(self._values.get(column) or {})

    def unread(self) -> Iterator[tuple[str, Any]]:
        """Columns, and keys of maps as `column:key`, that have a value and were not read."""
        for column, value in sorted(self._values.items()):
            if column in _NO_MEANING or (column, "") in self._read or value in ("", [], 0, False):
                continue
            if not isinstance(value, dict):
                yield column, value
                continue
            for key, each in sorted(value.items()):
                if (column, key) not in self._read:
                    yield f"{column}:{key}", each


def read_rows(source: Path) -> Rows:
    """Return all rows of a database.

    Args:
        source: the socket of a server, or a file.

    Raises:
        StateError: there is neither, or it has no northbound database.
    """
    try:
        is_socket = S_ISSOCK(source.stat().st_mode)
    except OSError as error:
        raise _refusal(source, error.strerror or str(error)) from error
    ask = _asked_server if is_socket else _asked_file
    schema, rows = ask(source)
    return {
        table: {row.uuid: row for row in (Row(table, it) for it in found)}
        for table, found in zip(schema, rows, strict=True)
    }


Answer = tuple[list[str], list[list[dict[str, Any]]]]
"""The names of tables, and the rows of each."""


def _asked_server(source: Path) -> Answer:
    # The library has a logger of its own, which would write over our messages.
    ovs.vlog.Vlog.set_level("any", "console", "off")
    errno, stream = ovs.stream.Stream.open_block(ovs.stream.Stream.open(f"unix:{source}"))
    if errno:
        raise _refusal(source, "nobody answers at the socket: does ovsdb-server run?")
    connection = ovs.jsonrpc.Connection(stream)
    try:
        schema = _answer(connection, source, "get_schema", [DATABASE])
        tables = sorted(schema["tables"])
        operations = [{"op": "select", "table": table, "where": []} for table in tables]
        results = _answer(connection, source, "transact", [DATABASE, *operations])
    finally:
        connection.close()
    return tables, [result["rows"] for result in results]


def _answer(connection: Any, source: Path, method: str, parameters: list[Any]) -> Any:
    request = ovs.jsonrpc.Message.create_request(method, parameters)
    errno, reply = connection.transact_block(request)
    if errno:
        raise _refusal(source, "the server ended the connection")
    if reply.error:
        raise _refusal(source, f"has no database {DATABASE}, as OVN's northbound server has")
    return reply.result


def _asked_file(source: Path) -> Answer:
    try:
        with source.open("rb") as file:
            heading = file.readline(200).decode("ascii", "replace")
            schema = json.loads(file.read(_length(heading))) if _length(heading) else {}
    except (OSError, ValueError) as error:
        raise _refusal(source, f"cannot be read: {error}") from error
    if heading.startswith(CLUSTERED):
        raise _refusal(source, "is of a cluster's server: name the socket of a running one")
    if schema.get("name") != DATABASE:
        raise _refusal(source, f"is no file of a database {DATABASE}, nor a socket")
    tables = sorted(schema["tables"])
    operations = [{"op": "select", "table": table, "where": []} for table in tables]
    asked = ["ovsdb-tool", "query", str(source), json.dumps([DATABASE, *operations])]
    try:
        done = subprocess.run(asked, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        text = (
            "`ovsdb-tool` is not installed (Debian package openvswitch-common), which reads files"
        )
        raise _refusal(source, text) from None
    if done.returncode:
        raise _refusal(source, done.stderr.strip())
    return tables, [result["rows"] for result in json.loads(done.stdout)]


def _length(heading: str) -> int:
    """The bytes of the first record of a file, its schema; 0 if it is no file of a database."""
    parts = heading.split()
    return int(parts[2]) if heading.startswith(STANDALONE) and parts[2].isdecimal() else 0


def _plain(value: Any) -> Any:
    """A value in the notation of OVSDB (RFC 7047, section 5.1): UUIDs are texts, sets lists."""
    match value:
        case ["uuid", name]:
            return name
        case ["set", members]:
            return [_plain(member) for member in members]
        case ["map", pairs]:
            return {str(_plain(key)): _plain(each) for key, each in pairs}
    return value


def _refusal(source: Path, text: str) -> StateError:
    return StateError([Problem(str(source), "", text)])
