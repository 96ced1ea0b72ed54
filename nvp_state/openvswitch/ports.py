"""The ports that a host's bridge shall have, and what to do to those that it has.

Each interface of a bridge is a `Present`, each VIF or tunnel of the network a `Wanted`. A VIF that
somebody attached under the network's name for it (`external_ids:iface-id`, as hypervisors do) is
taken as it is and only numbered; else one of type `internal` is made. What we make bears
`external_ids:nvp`, and only that is ever removed.
"""

from collections.abc import Iterable, Mapping

from attrs import field, frozen

from nvp_state.entities import Port
from nvp_state.errors import Problem, StateError
from nvp_state.network import NetworkState
from nvp_state.openvswitch.target import Target

MARK = "nvp"
IFACE_ID = "iface-id"
# Of Open vSwitch's `ofport_request`.
OFPORT_MAX = 65279
PREFIX_MAX = 9


@frozen
class Wanted:
    """A port that there shall be.

    Attributes:
        number: its OpenFlow port number.
        name: the interface's name if we make it, at most 15 characters.
        port: the logical port whose VIF it is; "" for a tunnel.
        title: what errors call it.
        options: of a tunnel: the remote IP, and that the flow has the key.
    """

    number: int
    name: str
    port: str
    title: str
    options: Mapping[str, str] = field(factory=dict)

    @property
    def type(self) -> str:
        """The interface's type if we make it."""
        return "internal" if self.port else "geneve"

    @property
    def marks(self) -> dict[str, str]:
        """The interface's `external_ids` if we make it."""
        return {MARK: "vif", IFACE_ID: self.port} if self.port else {MARK: "tunnel"}

    def __str__(self) -> str:
        return f"port {self.number} ({self.name}), {self.title}"


@frozen
class Present:
    """An interface of a bridge, as the database has it; `number` is 0 until it has one."""

    name: str
    type: str
    number: int
    requested: int
    options: Mapping[str, str]
    external_ids: Mapping[str, str]

    @property
    def ours(self) -> bool:
        """Whether we made it."""
        return MARK in self.external_ids

    def __str__(self) -> str:
        return f"port {self.number or self.requested} ({self.name})"


@frozen
class PortPlan:
    """What to do: interfaces to remove, to make, and to change (by the name they have)."""

    remove: tuple[Present, ...] = ()
    make: tuple[Wanted, ...] = ()
    change: Mapping[str, Wanted] = field(factory=dict)
    keep: Mapping[str, Wanted] = field(factory=dict)

    def __bool__(self) -> bool:
        return bool(self.remove or self.make or self.change)

    def counts(self) -> dict[str, int]:
        """How many ports come, go and change; zeros are left out."""
        found = {
            "ports added": len(self.make),
            "ports removed": len(self.remove),
            "ports changed": len(self.change),
        }
        return {name: count for name, count in found.items() if count}

    def lines(self) -> list[str]:
        """A line for each."""
        return [
            *(f"-{port}" for port in self.remove),
            *(f"+{port}" for port in self.make),
            *(f"~{port}, as {name}" for name, port in self.change.items()),
        ]


def wanted_ports(state: NetworkState, host: str, target: Target) -> list[Wanted]:
    """The VIFs and tunnels that a host of the network has."""
    prefix = target.bridge[:PREFIX_MAX]
    found = []
    for entity in state.entities("port"):
        if isinstance(entity, Port) and entity.host == host:
            record = state.record("port", entity.name)
            assert record is not None
            number = record.ofport
            title = f'port "{entity.name}"'
            found.append(Wanted(number, f"{prefix}-{number}", entity.name, title))
    for remote, remote_ip, number in state.tunnels(host):
        options = {"remote_ip": str(remote_ip), "key": "flow"}
        title = f'the tunnel to host "{remote}"'
        found.append(Wanted(number, f"{prefix}-{number}", "", title, options))
    return sorted(found, key=lambda port: port.number)


def plan_ports(wanted: Iterable[Wanted], present: Iterable[Present], others: set[str]) -> PortPlan:
    """What makes of the ports present those that are wanted.

    Args:
        wanted: all VIFs and tunnels of the host.
        present: the interfaces of the bridge, its own left out.
        others: the names of interfaces of other bridges.

    Raises:
        StateError: numbers or names are taken by ports that are not ours, or numbers are too high
            for Open vSwitch.
    """
    present = list(present)
    by_id = {it.external_ids[IFACE_ID]: it for it in present if IFACE_ID in it.external_ids}
    by_name = {it.name: it for it in present}
    make, change, keep = [], {}, {}
    for port in wanted:
        has = by_id.get(port.port) if port.port else by_name.get(port.name)
        if has is None or (has.ours and has.name != port.name):
            make.append(port)
        elif _fits(port, has):
            keep[has.name] = port
        else:
            change[has.name] = port
    staying = {*keep, *change}
    remove = tuple(it for it in present if it.ours and it.name not in staying)
    foreign = [it for it in present if not it.ours and it.name not in staying]
    _require_free([*make, *change.values(), *keep.values()], make, foreign, others)
    return PortPlan(remove, tuple(make), change, keep)


def _fits(port: Wanted, has: Present) -> bool:
    if port.number != has.requested or port.number != has.number:
        return False
    return not has.ours or (
        port.type == has.type and port.options == has.options and port.marks == has.external_ids
    )


def _require_free(
    numbered: list[Wanted], made: list[Wanted], foreign: list[Present], others: set[str]
) -> None:
    problems = []
    numbers = {it.number or it.requested: it.name for it in foreign}
    names = others | {it.name for it in foreign}
    for port in numbered:
        if port.number > OFPORT_MAX:
            text = f"{port.number} is over {OFPORT_MAX}, the highest number Open vSwitch gives"
            problems.append(Problem(port.title, "number", text))
        elif port.number in numbers:
            text = f"{port.number} is taken by interface {numbers[port.number]}, which is not ours"
            problems.append(Problem(port.title, "number", f"{text}: detach or renumber that"))
    for port in made:
        if port.name in names:
            text = f"an interface {port.name} is there, which is not ours: rename that"
            problems.append(Problem(port.title, "name", text))
    if problems:
        raise StateError(problems)
