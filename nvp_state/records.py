"""Records: entities with the numbers the store gives them, and what a commit did to them.

All are immutable, so a `Change` stays true however the store goes on.
"""

from attrs import field, frozen

from nvp_state.entities import Entity

OFPORT_MAX = 0x6FFF


@frozen
class Record:
    """An entity in the store, and the numbers it has there; 0 is none.

    `tunnel_key` (hosts, switches, ports) is what tunnel headers and registers call it. `host` is
    where a port is, if anywhere: a child where its parent is. `ofport` is its port number there; of
    a child, which shares its parent's, a number that no port there has. Either is the zone in which
    its connections are tracked. `position` orders records as their document does.
    """

    entity: Entity
    tunnel_key: int
    ofport: int
    position: int = field(eq=False)
    host: str | None = None


@frozen
class Change:
    """What a commit did; the records of one kind stand in the order of the transaction."""

    added: tuple[Record, ...] = ()
    removed: tuple[Record, ...] = ()
    replaced: tuple[tuple[Record, Record], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.replaced)
