"""Names beside numbers: flows and buckets as a person reads them.

A flow calls logical switches, logical ports and stages by numbers. `Names` writes a flow the way
Open vSwitch does, and behind each such number what it stands for:

    priority 201, reg15=0x3 (app-1-front), metadata=0x1 (acme-frontend) -> drop

Which fields carry which keys is said in nlog/rules/flow.nlog. The names are those of the moment
when the `Names` was made; making one costs a look at every port, each look-up then nothing.
"""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from vswitch_sim import FIELDS, Action, Bucket, Flow, Group, Output, Resubmit, SetField

if TYPE_CHECKING:
    from nvp_state.network import NetworkState

PORT_FIELDS = ("reg14", "reg15", "tun_id")

_EXACT = re.compile(r"(\w+)=(0x[0-9a-f]+|[0-9]+)")


class Names:
    """What the numbers in the flows of a state's hosts stand for.

    Attributes:
        stages: the names of the stages by the number of their flow table.
    """

    def __init__(self, state: "NetworkState") -> None:
        engine = self._engine = state.physical.engine
        self.stages: dict[int, str] = dict(sorted((row[1], row[0]) for row in engine["stage"]))
        self._ports = {key: port for port, _, key in sorted(engine["port_binding"])}
        self._switch_of = {port: switch for port, switch, _ in engine["port_binding"]}
        self._switches = {key: switch for switch, key in sorted(engine["datapath"])}
        self._groups = {row[1]: row[0] for row in sorted(engine["universal_bucket"], key=repr)}
        self._attached: dict[str, dict[int, str]] = {}

    def flow(self, host: str, flow: Flow) -> str:
        """A flow as a step of a trace shows it: `priority 50, dl_dst=… -> output:1 (web-1)`."""
        match = ", ".join([f"priority {flow.priority}", *self._match(host, flow)])
        return match + self._to(host, flow)

    def bucket(self, host: str, bucket: Bucket) -> str:
        """A bucket as a step of a trace shows it."""
        return f"{bucket.bucket} of group {bucket.group}{self._to(host, bucket)}"

    def entry(self, host: str, entry: Flow | Bucket) -> str:
        """A flow or bucket by itself, as `ovs-ofctl` lists them, with the name of its stage."""
        actions = ",".join(self._actions(host, entry)) or "drop"
        if isinstance(entry, Bucket):
            group = _named(f"group_id={entry.group}", self._groups.get(entry.group))
            return f"{group}, type=all, bucket=bucket_id:{entry.bucket}, actions={actions}"
        table = _named(f"table={entry.table}", self.stage(entry))
        match = ",".join([f"priority={entry.priority}", *self._match(host, entry)])
        return f"{table}, {match} actions={actions}"

    def stage(self, entry: Flow | Bucket) -> str | None:
        """The name of the stage a flow stands in; None for a bucket, and where there is no name."""
        return None if isinstance(entry, Bucket) else self.stages.get(entry.table)

    def switches(self, host: str, entry: Flow | Bucket) -> set[str]:
        """The logical switches that a flow or bucket names, by themselves or by their ports."""
        numbers: list[tuple[str, int]] = []
        if isinstance(entry, Bucket):
            numbers.append(("group", entry.group))
        else:
            numbers += [
                (name, value)
                for name, value, mask in entry.match.fields
                if mask == FIELDS[name].maximum
            ]
        for action in entry.actions:
            match action:
                case SetField(field=name, value=value):
                    numbers.append((name, value))
                case Output(port=port):
                    numbers.append(("in_port", port))
                case Group(group=group):
                    numbers.append(("group", group))
        named = (self._switch(host, name, value) for name, value in numbers)
        return {switch for switch in named if switch is not None}

    def _switch(self, host: str, field: str, value: int) -> str | None:
        name = self._name(host, field, value)
        return name if field in {"metadata", "group"} else self._switch_of.get(name or "")

    def _to(self, host: str, entry: Flow | Bucket) -> str:
        return f" -> {', '.join(self._actions(host, entry)) or 'drop'}"

    def _match(self, host: str, flow: Flow) -> Iterator[str]:
        for part in str(flow.match).split(",") if flow.match.fields else ():
            exact = _EXACT.fullmatch(part)
            yield _named(part, exact and self._name(host, exact[1], int(exact[2], 0)))

    def _actions(self, host: str, entry: Flow | Bucket) -> Iterator[str]:
        return (_named(str(action), self._meant(host, action)) for action in entry.actions)

    def _meant(self, host: str, action: Action) -> str | None:
        match action:
            case SetField(field=field, value=value):
                return self._name(host, field, value)
            case Resubmit(table=table):
                return self.stages.get(table)
            case Output(port=port):
                return self._name(host, "in_port", port)
            case Group(group=group):
                return self._groups.get(group)
        return None

    def _name(self, host: str, field: str, value: int) -> str | None:
        if field in PORT_FIELDS:
            return self._ports.get(value)
        if field == "metadata":
            return self._switches.get(value)
        if field == "group":
            return self._groups.get(value)
        if field == "in_port":
            return self._ports_of(host).get(value)
        return None

    def _ports_of(self, host: str) -> dict[int, str]:
        """What is attached to the ports of a host's switch."""
        if host not in self._attached:
            rows: Any = self._engine["tunnel"].where(host=host)
            self._attached[host] = {number: f"tunnel to {remote}" for _, remote, _, number in rows}
            vifs: Any = self._engine["vif"].where(host=host)
            self._attached[host] |= {number: port for port, _, number in vifs}
        return self._attached[host]


def _named(text: str, name: str | None) -> str:
    return f"{text} ({name})" if name else text
