"""Records: entities with the numbers the store gives them, and what a commit did to them.

All are immutable, so a `Change` stays true however the store goes on.
"""

from attrs import field, frozen

from nvp_state.entities import Entity

OFPORT_MAX = 0x6FFF


@frozen
class Record:
    """An entity in the store, and the numbers it has there; 0 is none.

    `tunnel_key` (hosts, switches, ports) is what tunnel headers and registers call it, `ofport`
    (ports on a host) its port number there. `position` orders records as their document does.
    """

    entity: Entity
    tunnel_key: int
    ofport: int
    position: int = field(eq=False)


@frozen
class Change:
    """What a commit did; the records of one kind stand in the order of the transaction."""

    added: tuple[Record, ...] = ()
    removed: tuple[Record, ...] = ()
    replaced: tuple[tuple[Record, Record], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.replaced)
