"""The agent of one host: keeps its switch's flows equal to what the rules want there.

Rules are sets of rows, and two rules may want two flows with one table, priority and match, of
which a switch holds only one. The agent keeps all that are wanted, installs the least of them, and
the next when that one goes: what is installed depends on what is wanted, never on the order in
which it came. It also remembers which row each installed flow is, for traces.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from nvp_state.controllers import HostDelta
from nvp_state.flows import to_bucket, to_flow, to_group
from vswitch_sim import Bucket, Flow, FlowUpdate, GroupType, Switch

Row = tuple[Any, ...]
Entry = Flow | Bucket | GroupType


class Agent:
    """Turns deltas of rows into updates of one switch, a bundle for each."""

    def __init__(self, switch: Switch) -> None:
        self._switch = switch
        self._wanted: dict[object, dict[Row, Entry]] = {}
        self._installed: dict[object, tuple[Entry, Row]] = {}

    def apply(self, delta: HostDelta) -> None:
        """Bring the switch from what was wanted to what is wanted after `delta`."""
        touched: dict[object, None] = {}
        for row, entry in _entries(
            delta.flows_removed, delta.groups_removed, delta.buckets_removed
        ):
            wanted = self._wanted[_identity(entry)]
            del wanted[row]
            touched[_identity(entry)] = None
        for row, entry in _entries(delta.flows_added, delta.groups_added, delta.buckets_added):
            self._wanted.setdefault(_identity(entry), {})[row] = entry
            touched[_identity(entry)] = None
        self._switch.apply(self._install(touched))

    def row_of(self, entry: Entry) -> Row:
        """The row that an installed flow or bucket is, without its host."""
        return self._installed[_identity(entry)][1]

    def _install(self, touched: Iterable[object]) -> FlowUpdate:
        removed, added = [], []
        for identity in touched:
            before = self._installed.pop(identity, None)
            wanted = self._wanted[identity]
            after = None
            if wanted:
                row = min(wanted, key=repr)
                after = self._installed[identity] = (wanted[row], row)
            else:
                del self._wanted[identity]
            if before != after:
                removed += [before[0]] if before else []
                added += [after[0]] if after else []
        return FlowUpdate(remove=removed, add=added)


def installed(delta: HostDelta) -> list[Entry]:
    """What an agent installs in an empty switch: flows by table and rank, groups, buckets."""
    switch = Switch("")
    Agent(switch).apply(delta)
    explicit = (group for group in switch.groups() if group.kind != "all")
    return [*switch.flows(), *explicit, *switch.buckets()]


def _entries(
    flows: Iterable[Row], groups: Iterable[Row], buckets: Iterable[Row]
) -> Iterator[tuple[Row, Entry]]:
    for row in flows:
        flow = to_flow(*row)
        if flow is not None:
            yield row, flow
    for row in groups:
        yield row, to_group(*row)
    for row in buckets:
        yield row, to_bucket(*row)


def _identity(entry: Entry) -> object:
    return type(entry), entry.identity
