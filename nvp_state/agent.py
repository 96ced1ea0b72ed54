"""The agent of one host: keeps its switch's flows equal to what the rules want there.

Rules are sets of rows, and two rules may want two flows with one table, priority and match, of
which a switch holds only one. The agent keeps all that are wanted, installs the least of them, and
the next when that one goes: what is installed depends on what is wanted, never on the order in
which it came. It also remembers which row each installed flow is, for traces.

Flows with clauses of conjunctive matches are otherwise: several become one with the clauses of all.
A flow that is none of these goes before, as it does in a switch where only their matches overlap.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from attrs import evolve

from nvp_state.controllers import HostDelta
from nvp_state.flows import to_bucket, to_flow, to_group, to_meter
from vswitch_sim import Bucket, Flow, FlowUpdate, GroupType, MeterBand, Switch

Row = tuple[Any, ...]
Entry = Flow | Bucket | GroupType | MeterBand


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
            delta.flows_removed, delta.groups_removed, delta.buckets_removed, delta.meters_removed
        ):
            wanted = self._wanted[_identity(entry)]
            del wanted[row]
            touched[_identity(entry)] = None
        for row, entry in _entries(
            delta.flows_added, delta.groups_added, delta.buckets_added, delta.meters_added
        ):
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
                after = self._installed[identity] = _chosen(wanted)
            else:
                del self._wanted[identity]
            if before != after:
                removed += [before[0]] if before else []
                added += [after[0]] if after else []
        return FlowUpdate(remove=removed, add=added)


def _chosen(wanted: Mapping[Row, Entry]) -> tuple[Entry, Row]:
    """What is installed of entries with one identity, and the row that it is."""
    clauses = {row: it for row, it in wanted.items() if isinstance(it, Flow) and it.clauses}
    plain = wanted.keys() - clauses.keys()
    if plain:
        row = min(plain, key=repr)
        return wanted[row], row
    row = min(clauses, key=repr)
    every = {str(part): part for it in clauses.values() for part in it.clauses}
    return evolve(clauses[row], actions=tuple(every[text] for text in sorted(every))), row


def installed(delta: HostDelta) -> list[Entry]:
    """What an agent installs in an empty switch: flows by table and rank, groups, buckets."""
    switch = Switch("")
    Agent(switch).apply(delta)
    explicit = (group for group in switch.groups() if group.kind != "all")
    return [*switch.flows(), *explicit, *switch.buckets()]


def _entries(
    flows: Iterable[Row], groups: Iterable[Row], buckets: Iterable[Row], meters: Iterable[Row]
) -> Iterator[tuple[Row, Entry]]:
    for row in flows:
        flow = to_flow(*row)
        if flow is not None:
            yield row, flow
    for row in groups:
        yield row, to_group(*row)
    for row in buckets:
        yield row, to_bucket(*row)
    for row in meters:
        yield row, to_meter(*row)


def _identity(entry: Entry) -> object:
    return type(entry), entry.identity
