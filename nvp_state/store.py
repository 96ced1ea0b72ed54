"""The store: the entities of a network, whole at every moment.

Entities go in and out through transactions (`nvp_state.transaction`):

    store = Store()
    with Transaction(store) as tx:
        tx.add(Host("hv1", "192.0.2.1"), Switch("s0", "acme"))
        tx.add(Port("s0p0", "s0", "0a:00:00:00:00:01", host="hv1"))
    tx.change.added                    # what came, with the numbers it was given
    store.revert(tx.change)            # as if it had never been

Invariants, after every commit:

- What is referred to exists: a port's switch, its host if it has one, an ACL's switch.
- No two hosts have one address; no two entities numbered from one pool have one name.
- Every host, datapath (switch or router) and port has a tunnel key, unique in its pool; every port
  on a host has an OpenFlow port number there, its `ofport`. Both are the smallest that were free
  and stay as they are until the entity goes (or, for an `ofport`, the port moves).
- A port with a parent is where that is, and moves with it. It has no port number there, but one out
  of the same pool for what is told apart by those: its `ofport`, too. No parent has a parent.

Cost: a commit or a revert is in proportion to the change, children of ports that move included, not
to the store. The store has no lock: one thread at a time.
"""

from collections.abc import Iterator, Mapping

from attrs import evolve

from nvp_state.allocation import NumberPool
from nvp_state.entities import KINDS, Entity, Host, Key, Port, Reference, references, require_kind
from nvp_state.records import Change, Record

Exchange = tuple[Record | None, Record | None]
"""A record before and after."""


class Store:
    """Entities by kind and key. Read it freely; write through `transaction`."""

    def __init__(self) -> None:
        self._records: dict[str, dict[Key, Record]] = {kind: {} for kind in KINDS}
        self._tunnel_keys = {
            kind.numbered: NumberPool() for kind in KINDS.values() if kind.numbered
        }
        self._ofports: dict[str, NumberPool] = {}
        self._referrers: dict[Reference, dict[Reference, None]] = {}
        self._host_of_ip: dict[str, str] = {}
        self._position_next = 0
        self._last: tuple[Change, list[Exchange]] | None = None

    def record(self, kind: str, key: Key) -> Record | None:
        """Return the record of this kind and key, or None. ValueError if there is no such kind."""
        return self._records[require_kind(kind)].get(key)

    def records(self, kind: str) -> list[Record]:
        """Return all records of a kind, in document order."""
        return sorted(
            self._records[require_kind(kind)].values(), key=lambda record: record.position
        )

    def keys(self, kind: str) -> list[Key]:
        """Return all keys of a kind, in no order."""
        return list(self._records[kind])

    def referrers(self, kind: str, key: Key) -> list[Reference]:
        """Return the entities that refer to this one, such as the ports and ACLs of a switch."""
        return list(self._referrers.get((kind, key), ()))

    def host_with_ip(self, ip: str) -> str | None:
        """Return the name of the host that has this address, or None."""
        return self._host_of_ip.get(ip)

    def ports_on(self, host: str) -> int:
        """Return how many ports are on a host, those with parents included."""
        return len(self._ofports[host]) if host in self._ofports else 0

    def followers(self, wanted: Mapping[Reference, Entity | None]) -> dict[Reference, Entity]:
        """Return the ports that are not in `wanted` but move with their parents, by name."""
        found: dict[Reference, Entity] = {}
        for reference, entity in wanted.items():
            old = self.record(*reference)
            if isinstance(entity, Port) and old is not None and old.host != entity.host:
                children = (it for it in self.referrers(*reference) if it[0] == Port.kind)
                records = (self.record(*child) for child in children if child not in wanted)
                found |= {(Port.kind, it.entity.key): it.entity for it in records if it}
        return dict(sorted(found.items()))

    def __len__(self) -> int:
        return sum(map(len, self._records.values()))

    def __contains__(self, entity: Entity) -> bool:
        record = self.record(entity.kind, entity.key)
        return record is not None and record.entity == entity

    def __iter__(self) -> Iterator[Entity]:
        """Iterate over the entities: those referred to first, each kind in document order."""
        return (record.entity for kind in KINDS for record in self.records(kind))

    def exchange(self, wanted: Mapping[Reference, Entity | None], *, ordered: bool) -> Change:
        """Make each entity of `wanted` be as it says (None: absent).

        Only transactions call this, having checked that the invariants will hold. With `ordered`,
        document order becomes that of `wanted`; else what is new comes last.
        """
        exchanges = self._numbered(self._placed({**wanted, **self.followers(wanted)}, ordered))
        self._apply(exchanges)
        change = Change(
            added=tuple(new for old, new in exchanges if new and not old),
            removed=tuple(old for old, new in exchanges if old and not new),
            replaced=tuple((old, new) for old, new in exchanges if old and new and old != new),
        )
        self._last = (change, exchanges)
        return change

    def revert(self, change: Change) -> None:
        """Undo the last commit, numbers and order included.

        Raises:
            ValueError: `change` is not the last commit's, or has been reverted already.
        """
        if self._last is None or self._last[0] is not change:
            raise ValueError("only the last change of a store can be reverted")
        exchanges = [(new, old) for old, new in reversed(self._last[1])]
        self._last = None
        for new, old in exchanges:
            self._release(new, old)
        for new, old in exchanges:
            self._claim(new, old)
        self._apply(exchanges)

    def _placed(self, wanted: Mapping[Reference, Entity | None], ordered: bool) -> list[Exchange]:
        """What changes: each record, and the one to be there instead, with its position.

        New records carry the numbers they can keep.
        """
        exchanges: list[Exchange] = []
        latest = -1
        for (kind, key), entity in wanted.items():
            old = self.record(kind, key)
            if entity is None:
                exchanges.append((old, None))
                continue
            if old is not None and not (ordered and old.position <= latest):
                latest = old.position
            else:
                latest = self._position_next
                self._position_next += 1
            host = self._host_of(entity, wanted)
            if old is None:
                new = Record(entity, 0, 0, latest, host)
            else:
                ofport = old.ofport if old.host == host else 0
                new = Record(entity, old.tunnel_key, ofport, latest, host)
            if old is None or old != new or old.position != latest:
                exchanges.append((old, new))
        return [pair for pair in exchanges if pair != (None, None)]

    def _numbered(self, exchanges: list[Exchange]) -> list[Exchange]:
        """The exchanges with numbers given back and handed out."""
        for old, new in exchanges:
            self._release(old, new)
        return [(old, new and self._allocated(new)) for old, new in exchanges]

    def _allocated(self, record: Record) -> Record:
        """The record with the numbers it lacks."""
        pool, host = record.entity.numbered, record.host
        if not record.tunnel_key and pool:
            record = evolve(record, tunnel_key=self._tunnel_keys[pool].allocate())
        if not record.ofport and host is not None:
            record = evolve(record, ofport=self._pool(host).allocate())
        return record

    def _release(self, old: Record | None, new: Record | None) -> None:
        """Give back the numbers of `old` that `new` does not keep."""
        for pool, number in self._numbers(old) - self._numbers(new):
            pool.release(number)

    def _claim(self, old: Record | None, new: Record | None) -> None:
        """Take, from their pools, the numbers that `new` has and `old` had not."""
        for pool, number in self._numbers(new) - self._numbers(old):
            pool.claim(number)

    def _numbers(self, record: Record | None) -> set[tuple[NumberPool, int]]:
        numbers = set()
        if record is not None and record.tunnel_key:
            numbers.add((self._tunnel_keys[record.entity.numbered], record.tunnel_key))
        if record is not None and record.ofport and record.host is not None:
            numbers.add((self._pool(record.host), record.ofport))
        return numbers

    def _pool(self, host: str) -> NumberPool:
        return self._ofports.setdefault(host, NumberPool())

    def _apply(self, exchanges: list[Exchange]) -> None:
        """Put records out of and into the indexes."""
        for old, new in exchanges:
            if old is not None:
                self._take_out(old.entity, stays=new is not None)
        for _, new in exchanges:
            if new is not None:
                self._put_in(new)

    def _take_out(self, entity: Entity, stays: bool) -> None:
        if not stays:
            del self._records[entity.kind][entity.key]
        for _, target in references(entity):
            del self._referrers[target][entity.kind, entity.key]
            if not self._referrers[target]:
                del self._referrers[target]
        if isinstance(entity, Host):
            del self._host_of_ip[entity.ip]

    def _put_in(self, record: Record) -> None:
        entity = record.entity
        self._records[entity.kind][entity.key] = record
        for _, target in references(entity):
            self._referrers.setdefault(target, {})[entity.kind, entity.key] = None
        if isinstance(entity, Host):
            self._host_of_ip[entity.ip] = entity.name

    def _host_of(self, entity: Entity, wanted: Mapping[Reference, Entity | None]) -> str | None:
        """Where a port will be."""
        if isinstance(entity, Port) and entity.parent is not None:
            reference = (Port.kind, entity.parent)
            record = self.record(*reference)
            entity = wanted.get(reference, record.entity if record else None) or entity
        return entity.host if isinstance(entity, Port) else None
