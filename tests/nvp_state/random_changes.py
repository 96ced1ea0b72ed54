"""Random changes of networks that have everything: each kind of entity comes, changes and goes.

    random = Random(1)
    supply = Supply(random, a_network(random))
    supply.operations("replace", "acl")    # [("replace", Acl(…))], or [] if there is none to take

What comes is made by random_entities.py, beside what is there, and most often is accepted.
An operation that removes an entity removes also what refers to it, as far as that is not much.
"""

from attrs import evolve, fields

from nvp_state.entities import KINDS, references
from nvp_state.errors import StateError
from tests.nvp_state.random_entities import MAKERS

VERBS = ("add", "replace", "remove")
OPERATIONS_MAX = 4
ATTEMPTS = 20

NAMES = {
    "host": ("h", 7),
    "physical-network": ("w", 6),
    "switch": ("s", 6),
    "port": ("p", 12),
    "mirror": ("m", 3),
    "uplink": ("u", 4),
    "router": ("r", 5),
    "router-port": ("g", 9),
    "load-balancer": ("b", 4),
    "address-set": ("a", 3),
    "port-group": ("pg", 3),
    "meter": ("l", 3),
    "pipeline": ("t", 4),
}


class Supply:
    """Entities as they are, or would be after some operations, and those that could be beside them.

    Args:
        random: a `random.Random`.
        entities: those that are there.
    """

    def __init__(self, random, entities=()):
        self.random = random
        self.there = {(it.kind, it.key): it for it in entities}

    def all(self, kind):
        """The entities of a kind."""
        return [it for it in self.there.values() if it.kind == kind]

    def one(self, kind, but=lambda _: True):
        """An entity of a kind, or None."""
        return self.random.choice([it for it in self.all(kind) if but(it)] or [None])

    def name(self, kind):
        """A name that none of a kind has; if all are taken, any of them."""
        letters, number = NAMES[kind]
        names = [f"{letters}{n}" for n in range(number)]
        free = [name for name in names if (kind, name) not in self.there]
        return self.random.choice(free or names)

    def names(self, kind, most, but=lambda _: True):
        """The names of some of a kind."""
        names = [it.name for it in self.all(kind) if but(it)]
        return tuple(self.random.sample(names, self.random.randint(0, min(most, len(names)))))

    def own_number(self, name):
        """That in a name, seldom another: what has it may be there twice."""
        return self.random.randrange(6) if self.chance(0.04) else int(name[1:])

    def chance(self, probability):
        return self.random.random() < probability

    def tenant_of(self, port):
        """Whose switch a port is on."""
        return self.there["switch", port.switch].tenant

    def operations(self, verb, kind):
        """One of a kind that comes, changes or goes, and what must go with it; [] if none can."""
        match verb:
            case "add":
                found = [("add", self._new(kind))]
            case "replace":
                found = [("replace", self._changed(kind))]
            case "remove":
                found = [("remove", it) for it in self._gone(kind)]
        if not found or None in found[0]:
            return []
        for done, it in found:
            if done == "remove":
                del self.there[it.kind, it.key]
            else:
                self.there[it.kind, it.key] = it
        return found

    def made(self, kind):
        """An entity of a kind, there or not; None if what it needs is not there."""
        for _ in range(ATTEMPTS):
            try:
                return MAKERS[kind](self)
            except StateError:
                continue  # the parts do not go together: others may
            except LookupError:
                return None  # what it refers to is not there
        return None

    def _new(self, kind):
        for _ in range(ATTEMPTS):
            new = self.made(kind)
            if new is not None and (kind, new.key) not in self.there:
                return new
        return None

    def _changed(self, kind):
        """An entity that is there with one field different, or two that go together."""
        names = parts(KINDS[kind])
        olds = self.all(kind)
        if not names or not olds:
            return None if names else self.one(kind)
        for attempt in range(3 * ATTEMPTS):
            old, new = self.random.choice(olds), self.made(kind)
            some = self.random.sample(names, min(1 + attempt % 2, len(names)))
            try:
                changed = evolve(old, **{name: getattr(new, name) for name in some if new})
            except StateError:
                continue
            if changed != old and changed.key == old.key:
                return changed
        return None

    def _gone(self, kind):
        """What is to go with one of a kind: all that refers to it, and what refers to that.

        If that is too much everywhere, some of what nobody refers to, so that it is less later.
        """
        users = {}
        for it in self.there.values():
            for _, target in references(it):
                users.setdefault(target, []).append((it.kind, it.key))
        wholes = []
        for first in self.all(kind):
            gone = [(kind, first.key)]
            for reference in gone:
                gone += [it for it in dict.fromkeys(users.get(reference, ())) if it not in gone]
            wholes.append(gone)
        few = [gone for gone in wholes if len(gone) <= OPERATIONS_MAX]
        if few:
            chosen = self.random.choice(few)
        else:
            least = min(wholes, key=len, default=[])
            chosen = [it for it in least if it not in users][:OPERATIONS_MAX]
        return [self.there[it] for it in chosen]


def parts(kind):
    """The fields that may differ between entities of a kind with one key."""
    return [it.name for it in fields(kind) if it.name not in kind.key_fields]


def gone_with(state, first):
    """An entity of a state and all that refers to it, directly or not."""
    found = [(first.kind, first.key)]
    for reference in found:
        found += [it for it in state._store.referrers(*reference) if it not in found]
    return [state.get(*it) for it in found]


def a_network(random):
    """Entities of every kind, each access rule's action and translation's type among them."""
    supply = Supply(random)
    counts = {"host": 4, "switch": 4, "port": 8, "router-port": 6, "acl": 6, "router": 3, "nat": 3}
    for kind in KINDS:
        for _ in range(counts.get(kind, 2)):
            supply.operations("add", kind)
    return list(supply.there.values())
