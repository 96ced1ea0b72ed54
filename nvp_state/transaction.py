"""Transactions: what is to change in a store, and whether it may.

A transaction collects operations. They are looked at when it commits: operations on one object in
their order, and what holds between objects only at the end, so that a switch and its ports may
go, or two hosts swap addresses, in whatever order. It is refused as a whole, with every problem it
has, or done as a whole.

Cost: in proportion to the operations; `become`, which compares all, looks at the whole store.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from nvp_state.entities import (
    KINDS,
    Entity,
    Host,
    Port,
    Reference,
    readable,
    references,
    require_kind,
    title,
)
from nvp_state.errors import Problem, StateError, did_you_mean
from nvp_state.records import OFPORT_MAX, Change
from nvp_state.store import Store

_NAMED_MAX = 3


class Transaction:
    """Operations that happen together. As a context manager it commits at the end of the block.

    An exception in the block discards the transaction. After the commit `change` says what it did.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._operations: list[tuple[str, Reference, Entity | None]] = []
        self._change: Change | None = None

    def add(self, *entities: Entity) -> None:
        """Add entities; none of their kind and key may be there."""
        self._note("add", entities)

    def replace(self, *entities: Entity) -> None:
        """Put entities in the place of those that have their kind and key."""
        self._note("replace", entities)

    def remove(self, *objects: Entity | Reference) -> None:
        """Remove entities, each given as itself or as a pair of kind and key.

        Raises TypeError for what is neither, ValueError for a kind there is not.
        """
        for thing in objects:
            kind, key = (thing.kind, thing.key) if isinstance(thing, Entity) else _pair(thing)
            self._operations.append(("remove", (require_kind(kind), key), None))

    def become(self, entities: Iterable[Entity]) -> None:
        """Make these, in this order, all there is; what is equal already is no change."""
        self._operations.append(("clear", ("", ""), None))
        self.add(*entities)

    @property
    def change(self) -> Change:
        """What the commit did."""
        if self._change is None:
            raise ValueError("the transaction has not been committed")
        return self._change

    def commit(self) -> Change:
        """Do all of it.

        Raises:
            StateError: with every problem; nothing has changed.
        """
        if self._change is not None:
            raise ValueError("the transaction has been committed already")
        outcome = _Outcome(self._store)
        for verb, reference, entity in self._operations:
            outcome.operate(verb, reference, entity)
        outcome.check()
        if outcome.problems:
            raise StateError(outcome.problems)
        self._change = self._store.exchange(outcome.in_order(), ordered=outcome.cleared)
        return self._change

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            self.commit()

    def _note(self, verb: str, entities: Iterable[Entity]) -> None:
        entities = tuple(entities)
        for entity in entities:
            if not isinstance(entity, Entity):
                raise TypeError(f"{verb} takes entities such as Port(…), not {entity!r}")
        self._operations += [(verb, (entity.kind, entity.key), entity) for entity in entities]


class _Outcome:
    """What a store would be after some operations: the entities wanted, over those there."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.wanted: dict[Reference, Entity | None] = {}
        self.cleared = False
        self.problems: list[Problem] = []

    def operate(self, verb: str, reference: Reference, entity: Entity | None) -> None:
        if verb == "clear":
            self.wanted.clear()
            self.cleared = True
            return
        there = self.entity(reference) is not None
        if verb == "add" and there:
            self._problem(reference, "", "is there already; replace it to change it")
        if verb != "add" and not there:
            self._problem(reference, "", f"does not exist{self._nearest(reference)}")
        self.wanted[reference] = entity

    def entity(self, reference: Reference) -> Entity | None:
        """The entity of this kind and key as things would be."""
        if reference in self.wanted or self.cleared:
            return self.wanted.get(reference)
        record = self.store.record(*reference)
        return None if record is None else record.entity

    def in_order(self) -> dict[Reference, Entity | None]:
        """All that is wanted; after a clearing also what is to be gone, last."""
        if not self.cleared:
            return self.wanted
        gone = ((kind, key) for kind in KINDS for key in self.store.keys(kind))
        return self.wanted | {it: None for it in gone if it not in self.wanted}

    def check(self) -> None:
        """Look at all that holds between objects."""
        for reference, entity in self.wanted.items():
            if entity is None:
                self._check_unused(reference)
            else:
                self._check_references(entity)
                self._check_name(reference)
        self._check_addresses()
        self._check_parents()
        self._check_ofports()

    def _check_references(self, entity: Entity) -> None:
        for field, target in references(entity):
            if self.entity(target) is None:
                text = f"{title(*target)} does not exist{self._nearest(target)}"
                self._problem((entity.kind, entity.key), field, text)

    def _check_name(self, reference: Reference) -> None:
        """Names of what is numbered from one pool tell apart: rules know things by names alone."""
        kind, key = reference
        pool = KINDS[kind].numbered
        for other in KINDS.values():
            shares = pool and other.numbered == pool and other.kind != kind
            if shares and self.entity((other.kind, key)) is not None:
                text = f"there is a {other.kind} of this name; no {kind} may have it, too"
                self._problem(reference, "name", text)

    def _check_unused(self, reference: Reference) -> None:
        """What refers to a removed entity must go, or refer elsewhere, in this transaction too."""
        if self.cleared:
            return
        users: dict[str, list[str]] = defaultdict(list)
        for user in self.store.referrers(*reference):
            if user not in self.wanted:
                users[user[0]].append(readable(user[1]))
        if users:
            listed = " and ".join(_listed(kind, names) for kind, names in users.items())
            text = f"is still used by {listed}; remove or move them in the same transaction"
            self._problem(reference, "", text)

    def _check_addresses(self) -> None:
        holders: dict[str, list[str]] = defaultdict(list)
        for entity in self.wanted.values():
            if isinstance(entity, Host):
                holders[entity.ip].append(entity.name)
        for ip, names in holders.items():
            other = self.store.host_with_ip(ip)
            if other is not None and ("host", other) not in self.wanted and not self.cleared:
                names.insert(0, other)
            for name in names[1:]:
                text = f"{ip} is the address of {title('host', names[0])}"
                self._problem(("host", name), "ip", text)

    def _check_parents(self) -> None:
        """A port with a parent is no parent: no VM is within one that is within another."""
        for reference, entity in self.wanted.items():
            if not isinstance(entity, Port) or entity.parent is None:
                continue
            parent = self.entity((Port.kind, entity.parent))
            if isinstance(parent, Port) and parent.parent is not None:
                text = f"{parent.title} has a parent itself, {title(Port.kind, parent.parent)}"
                self._problem(reference, "parent", f"{text}: name that, with a tag of its own")
            users = () if self.cleared else self.store.referrers(*reference)
            children = [it for it in users if it[0] == Port.kind and it not in self.wanted]
            if children:
                text = f"it cannot have one: it is itself the parent of {title(*children[0])}"
                self._problem(reference, "parent", text)

    def _check_ofports(self) -> None:
        growth: Counter[str] = Counter()
        followers = {} if self.cleared else self.store.followers(self.wanted)
        for reference, entity in (self.wanted | followers).items():
            record = self.store.record(*reference)
            if isinstance(entity, Port):
                growth[self._host_of(entity) or ""] += 1
            if record is not None and not self.cleared:
                growth[record.host or ""] -= 1
        for host, number in growth.items():
            count = number + (0 if self.cleared else self.store.ports_on(host))
            if host and number > 0 and count > OFPORT_MAX:
                text = f"would carry {count} ports; {OFPORT_MAX} are the most"
                self._problem(("host", host), "", text)

    def _host_of(self, port: Port) -> str | None:
        parent = self.entity((Port.kind, port.parent)) if port.parent is not None else port
        return parent.host if isinstance(parent, Port) else None

    def _nearest(self, reference: Reference) -> str:
        kind, key = reference
        names = {
            readable(other[1])
            for other, entity in self.wanted.items()
            if other[0] == kind and entity is not None
        }
        if not self.cleared:
            names |= {
                readable(other)
                for other in self.store.keys(kind)
                if self.entity((kind, other)) is not None
            }
        return did_you_mean(readable(key), names)

    def _problem(self, reference: Reference, field: str, text: str) -> None:
        self.problems.append(Problem(title(*reference), field, text))


def _pair(thing: object) -> Reference:
    """A reference as it was given. TypeError names the way to write one."""
    match thing:
        case (str(kind), (str() | tuple()) as key):
            return kind, key
    name = thing if isinstance(thing, str) else "hv1"
    raise TypeError(
        f"{thing!r} is neither an entity nor a pair of its kind and key; "
        f'write the pair, such as tx.remove(("host", {json.dumps(name, ensure_ascii=False)}))'
    )


def _listed(kind: str, names: list[str]) -> str:
    """A few names and the number of the others: `ports "a", "b", "c" and 4 more`."""
    shown = ", ".join(f'"{name}"' for name in names[:_NAMED_MAX])
    more = f" and {len(names) - _NAMED_MAX} more" if len(names) > _NAMED_MAX else ""
    return f"{kind if len(names) == 1 else KINDS[kind].plural} {shown}{more}"
