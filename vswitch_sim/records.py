"""What the slow path remembers of each megaflow: what it rests on, and what it counted.

An update need kill only

- megaflows that hit a flow which was removed, met a clause by it, or added it by `learn`;
- those with a lookup in the table of an added flow which that flow covers, as far as the
  megaflow's packets are known to be alike, if it outranks what hit;
- those that looked at a group which changed;
- those that asked for a port that went up or down.

So each that is killed has packets whose walk is another now, but for conjunctive matches, where one
that may be is killed, too. Everything else stays.

A packet that comes back from connection tracking, or from the controller, goes on in a
`FrozenState`, which the datapath knows by a number. Equal states have one number; a state goes
when the last megaflow goes that sends packets into it, and takes those along that received them.

Counters of flows, groups and buckets are those of the megaflows, each as often as its walk hit
them; what a megaflow has counted since it was last asked is added to them.

Cost: a removal costs the megaflows it kills; an added flow compares with the lookups in its table,
those under one `metadata` if it matches that.
"""

from collections.abc import Iterable, Iterator
from itertools import count
from typing import Any

from attrs import define, field

from vswitch_sim.classifier import FlowEntry
from vswitch_sim.datapath._core import Megaflow
from vswitch_sim.fields import FIELDS
from vswitch_sim.tables import Change
from vswitch_sim.walk import FrozenState, Walk

_RECIRC_ID = FIELDS["recirc_id"]
_METADATA = FIELDS["metadata"]
_START = FrozenState(0)


@define(eq=False)
class Record:
    """A megaflow: its number, the key it was made for, its walk, and what was counted of it."""

    number: int
    key: int
    walk: Walk
    recirc_ids: tuple[int, ...]
    learned: list[FlowEntry] = field(factory=list)
    n_packets: int = 0
    n_bytes: int = 0

    @property
    def recirc_id(self) -> int:
        """What its packets come back with, 0 for those that are new."""
        return _RECIRC_ID.of(self.key)


class States:
    """Frozen states by number, which the datapath calls `recirc_id`; 0 is the start."""

    def __init__(self) -> None:
        self._states: dict[int, FrozenState] = {0: _START}
        self._numbers: dict[FrozenState, int] = {}
        self._next = count(1)

    def number(self, state: FrozenState) -> int:
        """The state's number; it gets one if it is new."""
        if state not in self._numbers:
            number = self._numbers[state] = next(self._next)
            self._states[number] = state
        return self._numbers[state]

    def __contains__(self, number: object) -> bool:
        return number in self._states

    def __getitem__(self, number: int) -> FrozenState:
        return self._states[number]

    def __len__(self) -> int:
        return len(self._numbers)

    def forget(self, number: int) -> None:
        """Give a number back."""
        del self._numbers[self._states.pop(number)]


class Records:
    """The megaflows of a switch, by what they rest on."""

    def __init__(self) -> None:
        self._records: dict[int, Record] = {}
        self._by_flow: dict[FlowEntry, set[int]] = {}
        # By table and `metadata` at the lookup.
        self._by_lookup: dict[int, dict[int, set[int]]] = {}
        self._by_group: dict[int, set[int]] = {}
        # By port; 0 is for all ports.
        self._by_port: dict[int, set[int]] = {}
        self._by_state: dict[int, set[int]] = {}
        self._by_recirc_id: dict[int, set[int]] = {}

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[Record]:
        return iter(self._records.values())

    def __contains__(self, number: object) -> bool:
        return number in self._records

    def get(self, number: int) -> Record:
        """The megaflow of a number."""
        return self._records[number]

    def add(self, record: Record) -> None:
        """Remember a new megaflow."""
        self._records[record.number] = record
        for index, name in self._places(record):
            index.setdefault(name, set()).add(record.number)

    def add_learned(self, record: Record, entry: FlowEntry) -> None:
        """Remember that a megaflow has added a flow, or kept it young."""
        record.learned.append(entry)
        self._by_flow.setdefault(entry, set()).add(record.number)

    def forget(self, number: int) -> Record:
        """Forget a megaflow that is gone from the datapath."""
        record = self._records.pop(number)
        for index, name in self._places(record):
            numbers = index.get(name)
            if numbers is not None:
                numbers.discard(number)
                if not numbers:
                    del index[name]
        return record

    def changed_by(self, change: Change) -> set[int]:
        """The megaflows that an update changes."""
        changed: set[int] = set()
        for entry in change.removed:
            changed |= self._by_flow.get(entry, set())
        for entry in change.added:
            changed |= self._hit_by(entry)
        for group in change.groups:
            changed |= self._by_group.get(group, set())
        return changed

    def of_port(self, number: int, *, comes_or_goes: bool) -> set[int]:
        """The megaflows that a port changes which comes or goes, or is up or down now."""
        changed = set(self._by_port.get(number, ()))
        return changed | self._by_port.get(0, set()) if comes_or_goes else changed

    def sends_into(self, recirc_id: int) -> bool:
        """Whether a megaflow sends packets into a state."""
        return recirc_id in self._by_state

    def received_from(self, recirc_id: int) -> set[int]:
        """The megaflows of packets that come back in a state."""
        return set(self._by_recirc_id.get(recirc_id, ()))

    def _hit_by(self, entry: FlowEntry) -> set[int]:
        flow = entry.flow
        by_metadata = self._by_lookup.get(flow.table, {})
        value, mask = flow.match.get("metadata")
        if mask == _METADATA.maximum:
            near: Iterable[set[int]] = (by_metadata.get(value, set()),)
        else:
            near = by_metadata.values()
        return {
            number
            for numbers in near
            for number in numbers
            if any(
                at.table == flow.table and at.may_hit(flow, self._records[number].walk.read)
                for at in self._records[number].walk.lookups
            )
        }

    def _places(self, record: Record) -> Iterator[tuple[dict[Any, set[int]], object]]:
        """Every index a megaflow is in, with the name it is under."""
        walk, needs = record.walk, record.walk.needs
        for lookup in walk.lookups:
            by_metadata = self._by_lookup.setdefault(lookup.table, {})
            yield by_metadata, _METADATA.of(lookup.key)
        for entry in (*walk.entries, *walk.met, *record.learned):
            yield self._by_flow, entry
        for index, names in (
            (self._by_group, needs.groups),
            (self._by_port, needs.ports),
            (self._by_state, record.recirc_ids),
        ):
            for name in names:
                yield index, name
        if needs.all_ports:
            yield self._by_port, 0
        yield self._by_recirc_id, record.recirc_id


def attribute(walk: Walk, n_packets: int, n_bytes: int, used_s: float) -> None:
    """Count packets that took a walk in all that it hit."""
    for entry in walk.entries:
        entry.n_packets += n_packets
        entry.n_bytes += n_bytes
        entry.used_s = max(entry.used_s, used_s)
    for counted in walk.counts:
        counted.n_packets += n_packets
        counted.n_bytes += n_bytes


def pull(record: Record, megaflow: Megaflow) -> None:
    """Count what a megaflow has counted since it was last asked."""
    n_packets = megaflow.n_packets - record.n_packets
    if not n_packets:
        return
    attribute(record.walk, n_packets, megaflow.n_bytes - record.n_bytes, megaflow.used_s)
    record.n_packets, record.n_bytes = megaflow.n_packets, megaflow.n_bytes
    for entry in record.learned:
        entry.modified_s = max(entry.modified_s, megaflow.used_s)
