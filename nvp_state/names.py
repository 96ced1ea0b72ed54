"""Names beside numbers: flows and buckets as a person reads them.

A flow calls switches, routers, ports and stages by numbers. `Names` writes a flow the way Open
vSwitch does, and behind each such number what it stands for:

    priority 201, reg15=0x3 (app-1-front), metadata=0x1 (acme-frontend) -> drop

Which fields carry which keys is said in nlog/rules/flow.nlog. The names are those of the moment
when the `Names` was made; making one costs a look at every port, each look-up then nothing.
"""

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from nvp_state.segments import NIC_FIRST
from vswitch_sim import (
    FIELDS,
    Action,
    Bucket,
    Controller,
    Flow,
    Group,
    GroupType,
    Output,
    Resubmit,
    SetField,
)

if TYPE_CHECKING:
    from nvp_state.network import NetworkState

Entry = Flow | Bucket | GroupType

# Of a context ID, and of the key of a port that is reached through its gateway.
KEY_BITS = 0xFFFFFF
IS_COPIED = 1 << 57
AT_GATEWAY = 0x800000

# Of the group by which a service node copies as another host would have.
OF_SERVICE_NODE = 1 << 29

_COMPARED = re.compile(r"(\w+)=(0x[0-9a-f]+|[0-9]+)(/0x[0-9a-f]+)?")
_FLAGS = {1: "loopback", 4: "copy", 8: "answer", 16: "mirrored", 32: "sent by its tenant"}

# What it means that a stage has no flow for a packet, which is dropped then; and which register
# has the port that it is about.
_MISSES = {
    "classify": ("it came by no port of the network", ""),
    "in_admission": ("{port} may not send it: port security, or it is not enabled", "reg14"),
    "out_security": ("{port} may not get it: port security, or it is not enabled", "reg15"),
    "carry": ("no host can be told to have {port}", "reg15"),
    "deliver": ("{port} is not here", "reg15"),
    "rt_admission": ("it is not to the MAC address of {port}", "reg14"),
    "rt_route": ("the router has no route there", ""),
    "rt_resolve": ("the MAC address of the next hop at {port} is not known", "reg15"),
}


class Names:
    """What the numbers in the flows of a state's hosts stand for.

    Attributes:
        stages: the names of the stages by the number of their flow table.
    """

    def __init__(self, state: "NetworkState") -> None:
        engine = self._engine = state.physical.engine
        self.stages: dict[int, str] = dict(sorted((row[1], row[0]) for row in engine["stage"]))
        self._ports = {key: port for port, _, key in sorted(engine["port_binding"])}
        self._datapath_of = {port: datapath for port, datapath, _ in engine["port_binding"]}
        for port, router, key, _ in sorted(state.logical.engine["router_port"]):
            self._ports |= {key: port, AT_GATEWAY + key: f"{port}, at its gateway"}
            self._datapath_of[port] = router
        self._datapaths = {key: datapath for datapath, key in sorted(engine["datapath"])}
        self._groups = {row[1]: row[0] for row in sorted(engine["universal_bucket"], key=repr)}
        self._networks = {key: network for network, key in sorted(engine["physical_network"])}
        self._attached: dict[str, dict[int, str]] = {}

    def flow(self, host: str, flow: Flow) -> str:
        """A flow as a step of a trace shows it: `priority 50, dl_dst=… -> output:1 (web-1)`."""
        match = ", ".join([f"priority {flow.priority}", *self._match(host, flow)])
        return match + self._to(host, flow)

    def miss(self, stage: str, registers: Mapping[str, int]) -> str:
        """What it means that no flow of a stage matches a packet with these registers."""
        owner, is_own, number = stage.rpartition("_own_")
        text, register = _MISSES.get(stage, ("", ""))
        if is_own and owner in {"in", "out"}:
            text = f"table {number} of its tenant's pipeline has none for it"
        port = self._ports.get(registers.get(register, 0), "the port")
        return f"no flow matches: drop{f' ({text})' if text else ''}".replace("{port}", port)

    def bucket(self, host: str, bucket: Bucket) -> str:
        """A bucket as a step of a trace shows it."""
        return f"{bucket.bucket} of group {bucket.group}{self._to(host, bucket)}"

    def entry(self, host: str, entry: Entry) -> str:
        """A flow or bucket by itself, as `ovs-ofctl` lists them, with the name of its stage."""
        if isinstance(entry, GroupType):
            group = _named(f"group_id={entry.group}", self._name(host, "group", entry.group))
            return f"{group}, type={entry.kind}"
        actions = ",".join(self._actions(host, entry)) or "drop"
        if isinstance(entry, Bucket):
            group = _named(f"group_id={entry.group}", self._name(host, "group", entry.group))
            return f"{group}, bucket=bucket_id:{entry.bucket}, actions={actions}"
        table = _named(f"table={entry.table}", self.stage(entry))
        match = ",".join([f"priority={entry.priority}", *self._match(host, entry)])
        return f"{table}, {match} actions={actions}"

    def stage(self, entry: Entry) -> str | None:
        """The name of the stage a flow stands in; None for others, and where there is no name."""
        return self.stages.get(entry.table) if isinstance(entry, Flow) else None

    def datapaths(self, host: str, entry: Entry) -> set[str]:
        """The switches and routers that a flow or bucket names, themselves or by their ports."""
        numbers: list[tuple[str, int]] = []
        if not isinstance(entry, Flow):
            numbers.append(("group", entry.group))
        else:
            numbers += [
                (name, value)
                for name, value, mask in entry.match.fields
                if mask == FIELDS[name].maximum
            ]
        for action in () if isinstance(entry, GroupType) else entry.actions:
            match action:
                case SetField(field=name, value=value):
                    numbers.append((name, value))
                case Output(port=port):
                    numbers.append(("in_port", port))
                case Group(group=group):
                    numbers.append(("group", group))
        named = (self._datapath(host, name, value) for name, value in numbers)
        return {datapath for datapath in named if datapath is not None}

    def context(self, tun_id: int) -> str:
        """What the context ID of a tunnelled packet says: `from web-1 to web-2`."""
        source = self._ports.get(tun_id >> 24 & KEY_BITS)
        return (f"from {source} " if source else "") + f"to {self._destination(tun_id)}"

    def _destination(self, tun_id: int) -> str | None:
        key = tun_id & KEY_BITS
        if tun_id & IS_COPIED:
            return f"all of {self._datapaths.get(key)}"
        return self._ports.get(key)

    def _datapath(self, host: str, field: str, value: int) -> str | None:
        name = self._name(host, field, value)
        return name if field in {"metadata", "group"} else self._datapath_of.get(name or "")

    def _to(self, host: str, entry: Flow | Bucket) -> str:
        parts = (
            self._asked(action) if isinstance(action, Controller) else text
            for action, text in zip(entry.actions, self._actions(host, entry), strict=True)
        )
        return f" -> {', '.join(parts) or 'drop'}"

    def _asked(self, action: Controller) -> str:
        """What a controller gets, without the octets in which Open vSwitch tells it."""
        if action.table is None:
            return f"controller({action.reason})"
        after = _named(str(action.table), self.stages.get(action.table))
        return f"controller({action.reason}), answer to {after}"

    def _match(self, host: str, flow: Flow) -> Iterator[str]:
        for part in str(flow.match).split(",") if flow.match.fields else ():
            compared = _COMPARED.fullmatch(part)
            yield _named(part, compared and self._compared(host, *compared.groups()))

    def _compared(self, host: str, field: str, value: str, mask: str | None) -> str | None:
        is_whole = mask is None or field in {"reg10", "tun_id"}
        return self._name(host, field, int(value, 0)) if is_whole else None

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
                return self._name(host, "group", group)
            case Controller(reason=reason):
                return reason
        return None

    def _name(self, host: str, field: str, value: int) -> str | None:
        match field:
            case "reg14" | "reg15":
                return self._ports.get(value)
            case "tun_id":
                return self._destination(value)
            case "metadata":
                return self._datapaths.get(value)
            case "group":
                return self._groups.get(value & ~OF_SERVICE_NODE)
            case "in_port":
                return self._ports_of(host).get(value)
            case "reg10":
                return _FLAGS.get(value)
        return None

    def _ports_of(self, host: str) -> dict[int, str]:
        """What is attached to the ports of a host's switch."""
        if host not in self._attached:
            rows: Any = self._engine["tunnel"].where(host=host)
            self._attached[host] = {number: f"tunnel to {remote}" for _, remote, _, number in rows}
            vifs: Any = self._engine["vif"].where(host=host)
            self._attached[host] |= {number: port for port, _, number in vifs}
            self._attached[host] |= {NIC_FIRST + key: it for key, it in self._networks.items()}
        return self._attached[host]


def _named(text: str, name: str | None) -> str:
    return f"{text} ({name})" if name else text
