"""The exact-match cache: from a flow key to the outcome of its walk.

The first packet of a flow walks the pipeline; packets with the same key then cost one probe. An
entry remembers every lookup of its walk, with the key as it was then and the flow that hit, and
every group it visited. That is all an outcome depends on, so an update need kill only

- entries that hit a flow which was removed;
- entries with a lookup in the table of an added flow whose key that flow covers, if the lookup
  was a miss or the new flow outranks the one that hit;
- entries that visited a group of which a bucket came or went.

Everything else stays. The property test holds the cache to the uncached walk under random
updates.

Cost: a hit is one probe. A removal costs the entries it kills; an added flow compares with the
lookups that cached walks did in its table; a bucket costs the entries that visited its group.
"""

from collections.abc import Iterable
from typing import TypeVar

from attrs import frozen

from vswitch_sim.pipeline import Copy, Walk
from vswitch_sim.table import FlowEntry

ENTRIES_MAX = 65_536

Name = TypeVar("Name")


@frozen
class CacheStatistics:
    """Packets that hit and missed, entries now held, and entries killed by updates so far."""

    hits: int
    misses: int
    entries: int
    invalidated: int


@frozen(eq=False)
class CachedWalk:
    """What the cache keeps of a walk: everything but the tree."""

    copies: tuple[Copy, ...]
    drops: tuple[str, ...]
    lookups: tuple[tuple[int, int, FlowEntry | None], ...]
    groups: frozenset[int]


class Cache:
    """Walks by flow key, at most `ENTRIES_MAX`; the oldest makes room for the newest."""

    def __init__(self, entries_max: int = ENTRIES_MAX) -> None:
        """An empty cache of at most `entries_max` walks."""
        self._entries_max = entries_max
        self._walks: dict[int, CachedWalk] = {}
        self._by_flow: dict[FlowEntry, set[int]] = {}
        self._by_table: dict[int, set[int]] = {}
        self._by_group: dict[int, set[int]] = {}
        self._hits = 0
        self._misses = 0
        self._invalidated = 0

    def get(self, key: int) -> CachedWalk | None:
        """The walk of this key, if cached; counts a hit or a miss."""
        found = self._walks.get(key)
        if found is None:
            self._misses += 1
        else:
            self._hits += 1
        return found

    def put(self, key: int, walk: Walk) -> CachedWalk:
        """Keep a walk whose key `get` has just missed."""
        if len(self._walks) >= self._entries_max:
            self._forget(next(iter(self._walks)))
        cached = CachedWalk(walk.copies, walk.drops, walk.lookups, walk.groups)
        self._walks[key] = cached
        for table, _, entry in cached.lookups:
            self._by_table.setdefault(table, set()).add(key)
            if entry is not None:
                self._by_flow.setdefault(entry, set()).add(key)
        for group in cached.groups:
            self._by_group.setdefault(group, set()).add(key)
        return cached

    def flow_removed(self, entry: FlowEntry) -> None:
        """Kill the walks that hit a removed flow."""
        self._kill(self._by_flow.get(entry, ()))

    def flow_added(self, entry: FlowEntry) -> None:
        """Kill the walks that would hit an added flow."""
        table, match, rank = entry.flow.table, entry.flow.match, entry.flow.rank
        self._kill(
            key
            for key in self._by_table.get(table, ())
            if any(
                at == table and match.covers(seen) and (hit is None or rank > hit.flow.rank)
                for at, seen, hit in self._walks[key].lookups
            )
        )

    def group_changed(self, group: int) -> None:
        """Kill the walks that visited a group."""
        self._kill(self._by_group.get(group, ()))

    @property
    def statistics(self) -> CacheStatistics:
        """The counters as they are now."""
        return CacheStatistics(self._hits, self._misses, len(self._walks), self._invalidated)

    def _kill(self, keys: Iterable[int]) -> None:
        for key in list(keys):
            self._invalidated += 1
            self._forget(key)

    def _forget(self, key: int) -> None:
        walk = self._walks.pop(key)
        for table, _, entry in walk.lookups:
            _drop_from(self._by_table, table, key)
            if entry is not None:
                _drop_from(self._by_flow, entry, key)
        for group in walk.groups:
            _drop_from(self._by_group, group, key)


def _drop_from(index: dict[Name, set[int]], name: Name, key: int) -> None:
    keys = index.get(name)
    if keys is not None:
        keys.discard(key)
        if not keys:
            del index[name]
