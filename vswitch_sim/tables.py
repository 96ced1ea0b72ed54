"""What a switch was told: flows, groups and meters, in versions.

`Tables.apply` does a bundle: it is checked as a whole, then staged for the next version, which
becomes the current one by one assignment. If anything fails on the way, what was staged is undone.
`View` is one version of it all, as a packet sees it.

Invariants: an entry that is there has an identity that no other has; a group of type "indirect" has
at most one bucket; what flows and buckets meter by is there.

Cost: of an update, its entries, and the buckets of the groups it touches.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

from attrs import define, field, frozen

from vswitch_sim.actions import Action, Clone, Meter
from vswitch_sim.classifier import Classifier, FlowEntry
from vswitch_sim.conjunction import Found
from vswitch_sim.errors import FlowError
from vswitch_sim.flow import Bucket, Entry, Flow, FlowUpdate, GroupType, MeterBand
from vswitch_sim.learn import Learn
from vswitch_sim.port import Port
from vswitch_sim.versions import FOREVER, Versioned, Versions

Identity = tuple[type[Entry], object]
Value = TypeVar("Value")


@define(eq=False)
class Count:
    """Packets, and bytes of their frames."""

    n_packets: int = 0
    n_bytes: int = 0


@define(eq=False)
class BucketEntry:
    """A bucket in a group, with its counters."""

    bucket: Bucket
    count: Count = field(factory=Count)


@frozen(eq=False)
class GroupEntry:
    """A group as it is in one version; its counters are those of all its versions.

    Attributes:
        type: what it does with its buckets.
        is_typed: whether that was said, or is what it is if nothing is.
        buckets: by number.
    """

    type: GroupType
    is_typed: bool
    buckets: tuple[BucketEntry, ...]
    count: Count


@frozen
class Change:
    """What an update did: what revalidation wants to know, and the meters the datapath does."""

    removed: tuple[FlowEntry, ...]
    added: tuple[FlowEntry, ...]
    groups: frozenset[int]
    meters: frozenset[int]


class Tables:
    """Flows, groups and meters of a switch."""

    def __init__(self, name: str) -> None:
        """Nothing; `name` is the switch's, for errors."""
        self.name = name
        self.versions = Versions()
        self.classifiers: dict[int, Classifier] = {}
        self.groups: Versioned[int, GroupEntry] = Versioned.empty()
        self.meters: Versioned[int, MeterBand] = Versioned.empty()
        self._entries: dict[Identity, Entry] = {}
        self._flows: dict[Identity, FlowEntry] = {}
        # How many flows and buckets may learn.
        self.n_learning = 0
        self._metered: Counter[int] = Counter()
        self._garbage: list[tuple[int, Change]] = []

    def flow_entries(self) -> Iterator[FlowEntry]:
        """The flows of the newest version, in no order."""
        return iter(self._flows.values())

    def group_entries(self) -> list[GroupEntry]:
        """The groups, by number."""
        return [entry for _, entry in sorted(self.groups.items(self.versions.current))]

    def meter_bands(self) -> list[MeterBand]:
        """The meters, by number."""
        return [entry for _, entry in sorted(self.meters.items(self.versions.current))]

    def find(self, flow: Flow) -> FlowEntry | None:
        """The entry that has this flow's identity."""
        return self._flows.get((Flow, flow.identity))

    def prepare(self, update: FlowUpdate, now_s: float) -> Change:
        """Check an update, and stage it for the next version.

        Raises:
            FlowError: see `Switch.apply`. Nothing has changed.
        """
        self._check(update)
        metered = self._check_meters(update)
        groups = self._new_groups(update)
        version = self.versions.current + 1
        change = Change(
            tuple(self._flows[Flow, old.identity] for old in _of(Flow, update.remove)),
            tuple(
                FlowEntry(new, version, FOREVER, 0, 0, now_s, now_s, now_s)
                for new in _of(Flow, update.add)
            ),
            frozenset(groups),
            frozenset(entry.meter for entry in _of(MeterBand, update.remove + update.add)),
        )
        try:
            self._stage(update, change, groups, version)
        except BaseException:
            self.undo(change)
            raise
        self._metered = metered
        return change

    def publish(self, update: FlowUpdate, change: Change) -> None:
        """Make the staged update visible; what nobody can see any more is forgotten."""
        for old in update.remove:
            del self._entries[type(old), old.identity]
            self.n_learning -= _learns(old)
        for new in update.add:
            self._entries[type(new), new.identity] = new
            self.n_learning += _learns(new)
        for entry in change.removed:
            del self._flows[Flow, entry.flow.identity]
        for entry in change.added:
            self._flows[Flow, entry.flow.identity] = entry
        self.versions.publish()
        self._garbage.append((self.versions.current, change))
        self._collect()

    def undo(self, change: Change) -> None:
        """Take back what `_stage` did, or began to do."""
        version = self.versions.current + 1
        for entry in change.removed:
            entry.until = FOREVER
        for table, entries in _by_table(change.added).items():
            if table in self.classifiers:
                classifier = self.classifiers[table]
                there = set(map(id, classifier))
                classifier.remove([entry for entry in entries if id(entry) in there])
        for group in change.groups:
            self.groups.unstage(group, version)
        for meter in change.meters:
            self.meters.unstage(meter, version)

    def _stage(
        self,
        update: FlowUpdate,
        change: Change,
        groups: Mapping[int, GroupEntry | None],
        version: int,
    ) -> None:
        for table, entries in _by_table(change.added).items():
            self.classifiers.setdefault(table, Classifier()).insert(entries)
        for group, entry in groups.items():
            self.groups.stage(group, version, entry)
        bands = dict.fromkeys(change.meters) | {
            band.meter: band for band in _of(MeterBand, update.add)
        }
        for meter, band in bands.items():
            self.meters.stage(meter, version, band)
        for removed in change.removed:
            removed.until = version

    def _collect(self) -> None:
        oldest = self.versions.oldest
        while self._garbage and self._garbage[0][0] <= oldest:
            _, change = self._garbage.pop(0)
            for table, entries in _by_table(change.removed).items():
                self.classifiers[table].remove(entries)
            for group in change.groups:
                self.groups.collect(group, oldest)
            for meter in change.meters:
                self.meters.collect(meter, oldest)

    def _check(self, update: FlowUpdate) -> None:
        removed: set[Identity] = set()
        for old in update.remove:
            identity = (type(old), old.identity)
            has = self._entries.get(identity)
            if has is None:
                raise FlowError(f"switch {self.name}: cannot remove {old}: it is not there")
            if has != old:
                raise FlowError(f"switch {self.name}: cannot remove {old}: there is {has} instead")
            if identity in removed:
                raise FlowError(f"switch {self.name}: the update removes {old} twice")
            removed.add(identity)
        added: set[Identity] = set()
        for new in update.add:
            identity = (type(new), new.identity)
            if identity in added:
                raise FlowError(f"switch {self.name}: the update adds {new} twice")
            has = self._entries.get(identity)
            if has is not None and identity not in removed:
                raise FlowError(f"switch {self.name}: cannot add {new}: there is {has} already")
            added.add(identity)

    def _check_meters(self, update: FlowUpdate) -> Counter[int]:
        """How often each meter is used after an update."""
        metered = self._metered.copy()
        for sign, entries in ((-1, update.remove), (1, update.add)):
            for entry in entries:
                if isinstance(entry, Flow | Bucket):
                    for meter in _meters_of(entry.actions):
                        metered[meter] += sign
        there = {band.meter for band in _of(MeterBand, update.add)}
        gone = {band.meter for band in _of(MeterBand, update.remove)} - there
        for meter in gone:
            if metered[meter] > 0:
                raise FlowError(f"switch {self.name}: cannot remove meter {meter}: flows use it")
        for entry in update.add:
            if isinstance(entry, Flow | Bucket):
                for meter in _meters_of(entry.actions):
                    if meter not in there and (MeterBand, meter) not in self._entries:
                        raise FlowError(
                            f"switch {self.name}: cannot add {entry}: there is no meter {meter}; "
                            "add it before, or in the same update"
                        )
        return +metered

    def _new_groups(self, update: FlowUpdate) -> dict[int, GroupEntry | None]:
        """The groups that an update touches, as they are after it; None for one that is gone."""
        parts: dict[int, tuple[list[Bucket | GroupType], list[Bucket | GroupType]]] = {}
        for number, entries in enumerate((update.remove, update.add)):
            for entry in entries:
                if isinstance(entry, Bucket | GroupType):
                    parts.setdefault(entry.group, ([], []))[number].append(entry)
        touched: dict[int, GroupEntry | None] = {}
        for group, (remove, add) in parts.items():
            before = self.groups.get(group, self.versions.current)
            buckets = {} if before is None else {it.bucket.bucket: it for it in before.buckets}
            kind = before.type if before is not None and before.is_typed else None
            for old in remove:
                if isinstance(old, Bucket):
                    del buckets[old.bucket]
                else:
                    kind = None
            for new in add:
                if isinstance(new, Bucket):
                    buckets[new.bucket] = BucketEntry(new)
                else:
                    kind = new
            touched[group] = self._group_of(group, kind, buckets, before)
        return touched

    def _group_of(
        self,
        group: int,
        kind: GroupType | None,
        buckets: Mapping[int, BucketEntry],
        before: GroupEntry | None,
    ) -> GroupEntry | None:
        if kind is None and not buckets:
            return None
        if kind is not None and kind.kind == "indirect" and len(buckets) > 1:
            raise FlowError(
                f"switch {self.name}: group {group} is indirect, and would have "
                f"{len(buckets)} buckets; it may have one"
            )
        ordered = tuple(buckets[number] for number in sorted(buckets))
        count = Count() if before is None else before.count
        return GroupEntry(kind or GroupType(group), kind is not None, ordered, count)


@frozen
class View:
    """One version of a switch's tables and ports."""

    tables: Tables
    version: int
    ports: Mapping[int, Port]

    def lookup(self, table: int, key: int) -> Found:
        """What a key hits in a table; see `Classifier.lookup`."""
        classifier = self.tables.classifiers.get(table)
        return Found(None, 0) if classifier is None else classifier.lookup(self.version, key)

    def group(self, number: int) -> GroupEntry | None:
        """A group; None if it has neither type nor buckets."""
        return self.tables.groups.get(number, self.version)

    def is_live(self, port: int) -> bool:
        """Whether a port is there and up."""
        return port in self.ports and self.ports[port].is_up


def _of(kind: type[Value], entries: Iterable[object]) -> Iterator[Value]:
    return (entry for entry in entries if isinstance(entry, kind))


def _by_table(entries: Iterable[FlowEntry]) -> dict[int, list[FlowEntry]]:
    tables: dict[int, list[FlowEntry]] = {}
    for entry in entries:
        tables.setdefault(entry.flow.table, []).append(entry)
    return tables


def _meters_of(actions: Iterable[Action]) -> Iterator[int]:
    for action in actions:
        if isinstance(action, Meter):
            yield action.meter
        elif isinstance(action, Clone):
            yield from _meters_of(action.actions)


def _learns(entry: Entry) -> bool:
    actions = entry.actions if isinstance(entry, Flow | Bucket) else ()
    return any(isinstance(action, Learn | Clone) for action in actions)
