"""The classifier of one flow table: which flow a flow key hits, and which of its bits say so.

Tuple space search (Srinivasan, Suri and Varghese, SIGCOMM 1999), with the refinements of Open
vSwitch (Pfaff et al., NSDI 2015, section 5), which keep the bits that a look-up has *read* few:

- Flows that share a mask share a *subtable*, one hash from the masked key to flows. Look-ups probe
  subtables by their highest rank and stop once no later one can outrank the hit.
- A subtable is of one `eth_type`, if its mask has that whole, and only asked for packets of it.
- Within a subtable, look-ups go by *stages*: metadata and registers, L2, L3, L4. If no flow has
  the key's bits up to a stage, the bits of later ones were not read.
- Of IP addresses, and of ports, a look-up need not read all to know that no flow of the subtable
  has them: the values are kept in order, and the key's neighbours tell the first bit in which it
  differs from all. That is what a prefix trie would answer.

Any two keys that agree in the bits read take the same way, read the same bits and hit the same
flow: that is what makes megaflows right, and disjoint. So what a look-up has tested counts, though
it told nothing: of two addresses, one that some flow has and one that none has, both.

Flows with clauses of conjunctive matches (see `conjunction`) are found on the way, and decide what
else is looked up.

Cost: a look-up is one probe for each stage of each distinct mask at worst, whatever the number of
flows, and as much again for each conjunction whose clauses are met; k insertions or removals into
a subtable of n flows that match addresses take O(k + n).

Threads: one may write while others read (see `versions`): what readers follow is replaced, never
changed in place, but for hashes, whose probes are single steps.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator
from threading import Lock

from attrs import define, field

from vswitch_sim.actions import Conjunction
from vswitch_sim.conjunction import Found, candidates
from vswitch_sim.fields import FIELDS, INNER_TAG_MASK, PIPELINE_MASK
from vswitch_sim.flow import Flow
from vswitch_sim.versions import FOREVER

_ETH_TYPE = FIELDS["eth_type"]
_CONJ_ID = FIELDS["conj_id"]


def _bits(*names: str) -> int:
    mask = 0
    for name in names:
        mask |= FIELDS[name].key_mask
    return mask


_METADATA = PIPELINE_MASK | _bits("recirc_id", "in_port", "tun_id", "ct_state", "ct_zone")
_METADATA |= _bits("ct_mark", "ct_label")
_L2 = _bits("vlan_vid", "vlan_pcp", "eth_type", "eth_dst", "eth_src") | INNER_TAG_MASK
# With what belongs to L3, or lies in L4 and says more than ports, as Open vSwitch has it.
_L4 = _bits("tcp_src", "tcp_dst", "tcp_flags", "nd_target", "arp_sha", "arp_tha")
STAGES = (_METADATA, _L2, ~(_METADATA | _L2 | _L4), _L4)

# Where a trie's worth of bits may do: by stage, the (shift, width) of parts, highest bit first.
_Part = tuple[tuple[int, int], ...]
_ORDERED: dict[int, tuple[_Part, ...]] = {
    2: tuple(((FIELDS[name].shift, FIELDS[name].width),) for name in ("ipv6_src", "ipv6_dst")),
    3: (tuple((FIELDS[name].shift, 16) for name in ("tcp_src", "tcp_dst")),),
}


@define(eq=False)
class FlowEntry:
    """A flow in a table: the versions that see it, and its counters.

    Attributes:
        clauses: of conjunctive matches, if that is all that the flow is.
        since: the first version.
        until: the first version that does not.
        n_packets: how many packets hit it, of those that were attributed so far.
        n_bytes: their bytes.
        created_s: when it came.
        modified_s: when it came or was learned again.
        used_s: when it was last hit.
    """

    flow: Flow
    since: int = 0
    until: int = FOREVER
    n_packets: int = 0
    n_bytes: int = 0
    created_s: float = 0.0
    modified_s: float = 0.0
    used_s: float = 0.0
    clauses: tuple[Conjunction, ...] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.clauses = self.flow.clauses


@define(eq=False)
class _Ordered:
    """The values that flows of a subtable have in some bits, in order of the bits."""

    parts: _Part
    mask: int
    counts: Counter[int] = field(factory=Counter)
    values: list[int] = field(factory=list)

    @property
    def width(self) -> int:
        return sum(width for _, width in self.parts)

    def of(self, key: int) -> int:
        """The bits of a key as one number."""
        value = 0
        for shift, width in self.parts:
            value = value << width | (key >> shift) & ((1 << width) - 1)
        return value

    def read(self, key: int) -> int:
        """Bits of a key that tell that no flow has its value; 0 if one has it."""
        value, values = self.of(key & self.mask), self.values
        place = bisect_left(values, value)
        neighbours = values[max(0, place - 1) : place + 1]
        if value in neighbours:
            return 0
        differ = min(((value ^ near).bit_length() for near in neighbours), default=0)
        low = max(0, differ - 1)
        read = 0
        for shift, width in reversed(self.parts):
            hidden = min(low, width)
            read |= ((1 << width) - (1 << hidden)) << shift
            low -= hidden
        return read & self.mask

    def change(self, values: Counter[int]) -> None:
        """Count values in, or out where the count is negative."""
        self.counts.update(values)
        gone = {value for value in values if self.counts[value] <= 0}
        for value in gone:
            del self.counts[value]
        if gone:
            self.values = [value for value in self.values if value not in gone]
        if any(n > 0 for n in values.values()):
            self.values = sorted(set(self.values).union(v for v in values if v not in gone))


@define(eq=False)
class _Stage:
    # Of this stage and those before it.
    mask: int
    # How many flows have a masked key, up to this stage.
    index: Counter[int]
    ordered: tuple[_Ordered, ...]


def _stages_of(mask: int) -> tuple[_Stage, ...]:
    stages = []
    for number, bits in enumerate(STAGES):
        if mask & bits:
            ordered = tuple(
                _Ordered(parts, within)
                for parts in _ORDERED.get(number, ())
                if (within := mask & sum(((1 << width) - 1) << shift for shift, width in parts))
            )
            so_far = mask & sum(STAGES[: number + 1])
            stages.append(_Stage(so_far, Counter(), ordered))
    return tuple(stages)


@define(eq=False)
class _Subtable:
    mask: int
    stages: tuple[_Stage, ...]
    # Masked key -> entries that differ in priority or version only, highest priority first.
    entries: dict[int, tuple[FlowEntry, ...]] = field(factory=dict)
    priorities: Counter[int] = field(factory=Counter)

    @property
    def priority_max(self) -> int:
        return max(self.priorities)

    def find(self, version: int, key: int, parts: list[FlowEntry]) -> tuple[FlowEntry | None, int]:
        """The entry that hits, and the bits that were read.

        Entries with clauses of conjunctions that outrank it come to `parts`.
        """
        done = 0
        for stage in self.stages:
            for ordered in stage.ordered:
                read = ordered.read(key)
                if read:
                    return None, done | read
                done |= ordered.mask
            done = stage.mask
            if key & done not in stage.index:
                return None, done
        for entry in self.entries.get(key & self.mask, ()):
            if entry.since <= version < entry.until:
                if not entry.clauses:
                    return entry, self.mask
                parts.append(entry)
        return None, self.mask

    def change(self, entries: list[FlowEntry], sign: int) -> None:
        """Add entries (sign 1) or take them away (-1)."""
        keys: Counter[int] = Counter()
        for entry in entries:
            value = entry.flow.match.key_value
            keys[value] += sign
            self.priorities[entry.flow.priority] += sign
            same = [has for has in self.entries.get(value, ()) if has is not entry]
            if sign > 0:
                same.append(entry)
                same.sort(key=lambda has: -has.flow.priority)
            if same:
                self.entries[value] = tuple(same)
            else:
                del self.entries[value]
        self.priorities = Counter({n: times for n, times in self.priorities.items() if times})
        for stage in self.stages:
            for value, times in keys.items():
                stage.index[value & stage.mask] += times
                if not stage.index[value & stage.mask]:
                    del stage.index[value & stage.mask]
            for ordered in stage.ordered:
                values: Counter[int] = Counter()
                for value, times in keys.items():
                    values[ordered.of(value)] += times
                ordered.change(values)


# Rank of a subtable's best flow, as far as the mask tells, and the subtable.
_Order = list[tuple[tuple[int, int], _Subtable]]


class Classifier:
    """The flows of one table."""

    def __init__(self) -> None:
        self._subtables: dict[tuple[int, int], _Subtable] = {}
        # By eth_type: the subtables that its packets can hit, in the order to probe them.
        self._orders: dict[int, _Order] = {}
        self._lock = Lock()

    def insert(self, entries: Iterable[FlowEntry]) -> None:
        """Add entries, which may be of versions to come."""
        with self._lock:
            for place, group in self._grouped(entries).items():
                if place not in self._subtables:
                    mask = place[0]
                    self._subtables[place] = _Subtable(mask, _stages_of(mask))
                self._subtables[place].change(group, 1)
            self._orders = {}

    def remove(self, entries: Iterable[FlowEntry]) -> None:
        """Take away entries that `insert` added and no reader can see."""
        with self._lock:
            for place, group in self._grouped(entries).items():
                subtable = self._subtables[place]
                subtable.change(group, -1)
                if not subtable.entries:
                    del self._subtables[place]
            self._orders = {}

    def lookup(self, version: int, key: int) -> Found:
        """What a key hits in a version: the entry of highest rank that covers it.

        If conjunctive matches outrank that, it is what the first of them comes to.
        """
        parts: list[FlowEntry] = []
        plain, read = self._scan(version, key, parts)
        if plain is not None:
            parts = [entry for entry in parts if entry.flow.priority > plain.flow.priority]
        tried: list[int] = []
        met: dict[FlowEntry, None] = {}
        for candidate in candidates(parts):
            entry, bits = self._scan(version, _CONJ_ID.put(key, candidate.number), [])
            read |= bits
            tried.append(candidate.number)
            met |= dict.fromkeys(candidate.met)
            if entry is not None:
                alone = len(tried) == 1
                floor = min(candidate.priority, entry.flow.priority) if alone else 0
                return Found(entry, read, tuple(tried), tuple(met), floor)
        return Found(plain, read, tuple(tried), tuple(met))

    def _scan(self, version: int, key: int, parts: list[FlowEntry]) -> tuple[FlowEntry | None, int]:
        """The plain entry of highest rank that covers a key, and the bits that were read.

        Entries with clauses come to `parts`, at least those that outrank it.
        """
        orders, eth_type = self._orders, _ETH_TYPE.of(key)
        order = orders.get(eth_type)
        if order is None:
            order = orders[eth_type] = self._order_for(eth_type)
        best: FlowEntry | None = None
        rank = (-1, -1, -1)
        read = 0
        for rank_max, subtable in order:
            if rank_max < rank[:2]:
                break
            entry, bits = subtable.find(version, key, parts)
            read |= bits
            if entry is not None and entry.flow.rank > rank:
                best, rank = entry, entry.flow.rank
        return best, read

    def __iter__(self) -> Iterator[FlowEntry]:
        for subtable in list(self._subtables.values()):
            for same in list(subtable.entries.values()):
                yield from same

    def _grouped(self, entries: Iterable[FlowEntry]) -> dict[tuple[int, int], list[FlowEntry]]:
        groups: dict[tuple[int, int], list[FlowEntry]] = {}
        for entry in entries:
            match = entry.flow.match
            whole = match.key_mask & _ETH_TYPE.key_mask == _ETH_TYPE.key_mask
            place = (match.key_mask, _ETH_TYPE.of(match.key_value) if whole else -1)
            groups.setdefault(place, []).append(entry)
        return groups

    def _order_for(self, eth_type: int) -> _Order:
        with self._lock:
            order = [
                ((subtable.priority_max, mask), subtable)
                for (mask, of_type), subtable in self._subtables.items()
                if of_type in (-1, eth_type)
            ]
        order.sort(key=lambda item: item[0], reverse=True)
        return order
