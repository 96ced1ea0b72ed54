"""What rules want a switch to hold: rows, as the entries that a switch can have.

Rules are sets of rows, and two rules may want two flows with one table, priority and match, of
which a switch holds only one. All that are wanted are kept, the least of them is installed, and the
next when that one goes: what is installed depends on what is wanted, never on the order in which it
came. It is also remembered which row each entry is, for traces.

Flows with clauses of conjunctive matches are otherwise: several become one with the clauses of all.
A flow that is none of these goes before, as it does in a switch where only their matches overlap.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from attrs import evolve, frozen

from nvp_state.controllers import HostDelta
from nvp_state.flows import to_bucket, to_flow, to_group, to_meter
from nvp_state.versions import groups_of
from vswitch_sim import Bucket, Flow, GroupType, MeterBand

Row = tuple[Any, ...]
Entry = Flow | Bucket | GroupType | MeterBand
Identity = tuple[type[Entry], object]


@frozen
class Exchange:
    """One entry in the place of another, with the same identity; None for none."""

    before: Entry | None
    after: Entry | None

    @property
    def both(self) -> list[Entry]:
        """Those of the two that there are."""
        return [it for it in (self.before, self.after) if it is not None]


class Wanted:
    """The rows that are wanted on one switch, and the entries that stand for them."""

    def __init__(self) -> None:
        self._rows: dict[Identity, dict[Row, Entry]] = {}
        self._entries: dict[Identity, tuple[Entry, Row]] = {}
        # Of each group, its own entries and the flows that use it.
        self._members: defaultdict[int, set[Identity]] = defaultdict(set)
        self._users: defaultdict[int, set[Identity]] = defaultdict(set)

    def change(self, delta: HostDelta) -> list[Exchange]:
        """Take note of a change of rows; what it exchanges."""
        touched: dict[Identity, None] = {}
        for row, entry in _entries(
            delta.flows_removed, delta.groups_removed, delta.buckets_removed, delta.meters_removed
        ):
            del self._rows[identity_of(entry)][row]
            touched[identity_of(entry)] = None
        for row, entry in _entries(
            delta.flows_added, delta.groups_added, delta.buckets_added, delta.meters_added
        ):
            self._rows.setdefault(identity_of(entry), {})[row] = entry
            touched[identity_of(entry)] = None
        exchanges = (self._exchange(identity) for identity in touched)
        return [it for it in exchanges if it.before != it.after]

    def row_of(self, entry: Entry) -> Row | None:
        """The row, without its host, of the entry that is wanted with an entry's identity."""
        found = self._entries.get(identity_of(entry))
        return None if found is None else found[1]

    def members(self, group: int) -> list[Bucket | GroupType]:
        """The buckets of a group, and its type if it has one."""
        found = (self._entries[it][0] for it in self._members[group])
        return [it for it in found if isinstance(it, Bucket | GroupType)]

    def users(self, group: int) -> list[Flow]:
        """The flows that give packets to a group."""
        found = (self._entries[it][0] for it in self._users[group])
        return [it for it in found if isinstance(it, Flow)]

    def _exchange(self, identity: Identity) -> Exchange:
        before, _ = self._entries.pop(identity, (None, ()))
        if before is not None:
            for place in self._places(before):
                place.discard(identity)
        rows = self._rows[identity]
        if not rows:
            del self._rows[identity]
            return Exchange(before, None)
        after, row = _chosen(rows)
        self._entries[identity] = after, row
        for place in self._places(after):
            place.add(identity)
        return Exchange(before, after)

    def _places(self, entry: Entry) -> list[set[Identity]]:
        match entry:
            case Flow():
                return [self._users[group] for group in groups_of(entry)]
            case Bucket(group=group) | GroupType(group=group):
                return [self._members[group]]
        return []


def identity_of(entry: Entry) -> Identity:
    """What tells an entry from all others that a switch can have beside it."""
    return type(entry), entry.identity


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
