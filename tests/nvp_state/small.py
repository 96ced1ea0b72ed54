"""A network small enough to have by heart: two hosts, one switch, a VM on each."""

from nvp_state import Host, NetworkState, Port, Switch

MACS = {"p0": "0a:00:00:00:00:01", "p1": "0a:00:00:00:00:02"}
ENTITIES = (
    Host("h0", "192.0.2.1"),
    Host("h1", "192.0.2.2"),
    Switch("s0", "acme"),
    Port("p0", "s0", MACS["p0"], host="h0"),
    Port("p1", "s0", MACS["p1"], host="h1"),
)


def network(*more, rules=()):
    """A state that has the small network, and `more`."""
    state = NetworkState(rules)
    with state.transaction() as tx:
        tx.add(*ENTITIES, *more)
    return state


def change(state, verb, *entities):
    """Commit one operation."""
    with state.transaction() as tx:
        getattr(tx, verb)(*entities)


def frame(source, destination, payload_bytes=46):
    """A frame of no particular protocol from one MAC, or the VM at a port, to another."""
    macs = (MACS.get(name, name) for name in (destination, source))
    return bytes.fromhex("".join(macs).replace(":", "") + "9000") + bytes(payload_bytes)


def arrivals(lab, source, destination):
    """The ports where a frame comes out."""
    return [delivery.port for delivery in lab.send(source, frame(source, destination))]
