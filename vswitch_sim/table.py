"""One flow table: the flow of highest rank that covers a flow key.

Tuple space search (Srinivasan, Suri and Varghese, SIGCOMM 1999; the classifier of Open vSwitch):
flows that share a mask share a *subtable*, a hash from masked key to flows. A lookup probes
subtables in order of their highest priority and stops once no later one can outrank the hit.

Cost: a lookup is one probe per distinct mask at worst, whatever the number of flows; an insertion
or removal is constant, plus a sort of the subtables at the next lookup if a subtable's highest
priority changed.
"""

from collections.abc import Iterator

from attrs import define, field

from vswitch_sim.flow import Flow


@define(eq=False)
class FlowEntry:
    """A flow in a table, with its counters."""

    flow: Flow
    n_packets: int = 0
    n_bytes: int = 0


@define(eq=False)
class _Subtable:
    mask: int
    # Masked key -> entries that differ in priority only, highest first.
    entries: dict[int, list[FlowEntry]] = field(factory=dict)
    # Priority -> number of entries.
    priorities: dict[int, int] = field(factory=dict)
    priority_max: int = -1

    def count(self, priority: int, change: int) -> bool:
        """Count an entry in or out; whether the highest priority changed."""
        left = self.priorities.get(priority, 0) + change
        if left:
            self.priorities[priority] = left
        else:
            del self.priorities[priority]
        before = self.priority_max
        if change > 0:
            self.priority_max = max(before, priority)
        elif not left and priority == before:
            self.priority_max = max(self.priorities, default=-1)
        return before != self.priority_max


@define(eq=False)
class FlowTable:
    """Flows of one table, by mask."""

    _subtables: dict[int, _Subtable] = field(factory=dict)
    _order: list[_Subtable] = field(factory=list)
    _sorted: bool = True

    def insert(self, entry: FlowEntry) -> None:
        """Add an entry; the caller has made sure that its identity is new."""
        match = entry.flow.match
        subtable = self._subtables.get(match.key_mask)
        if subtable is None:
            subtable = self._subtables[match.key_mask] = _Subtable(match.key_mask)
            self._order.append(subtable)
        same = subtable.entries.setdefault(match.key_value, [])
        same.append(entry)
        same.sort(key=lambda has: -has.flow.priority)
        if subtable.count(entry.flow.priority, 1):
            self._sorted = False

    def remove(self, entry: FlowEntry) -> None:
        """Remove an entry which `insert` added."""
        match = entry.flow.match
        subtable = self._subtables[match.key_mask]
        same = subtable.entries[match.key_value]
        same.remove(entry)
        if not same:
            del subtable.entries[match.key_value]
        if subtable.count(entry.flow.priority, -1):
            self._sorted = False
        if not subtable.entries:
            del self._subtables[match.key_mask]
            self._order.remove(subtable)

    def lookup(self, key: int) -> FlowEntry | None:
        """The entry of highest rank that covers the key; None is a miss."""
        if not self._sorted:
            self._order.sort(key=lambda subtable: -subtable.priority_max)
            self._sorted = True
        best: FlowEntry | None = None
        for subtable in self._order:
            if best is not None and subtable.priority_max < best.flow.priority:
                break
            same = subtable.entries.get(key & subtable.mask)
            if same and (best is None or same[0].flow.rank > best.flow.rank):
                best = same[0]
        return best

    def __iter__(self) -> Iterator[FlowEntry]:
        for subtable in self._subtables.values():
            for same in subtable.entries.values():
                yield from same

    def __bool__(self) -> bool:
        return bool(self._subtables)
