"""A network with one of everything, about which nothing is odd: what tests change to be so.

Router r joins front and back, reaches the world by gateway h0 on switch world, and is joined to
router t, behind which lab is.
"""

from nvp_state import (
    Acl,
    Host,
    Nat,
    NetworkState,
    PhysicalNetwork,
    Port,
    Route,
    Router,
    RouterPort,
    Switch,
    Uplink,
)


def mac(number):
    """The MAC of the VM, or with more than 0xff the router port, of that number."""
    return f"0a:00:00:00:{number >> 8:02x}:{number & 255:02x}"


def office(prefix=""):
    """The entities, with all names after `prefix`; two with different ones do not meet."""

    def n(name):
        return prefix + name

    return [
        PhysicalNetwork(n("ext")),
        Switch(n("front"), "acme"),
        Switch(n("back"), "acme"),
        Switch(n("lab"), "acme"),
        Switch(n("world"), "acme"),
        Port(n("web"), n("front"), mac(1), "10.0.0.10", ip6="2001:db8::10", host="h0"),
        Port(n("app"), n("front"), mac(2), "10.0.0.11", host="h1"),
        Port(n("db"), n("back"), mac(3), "10.0.1.10", host="h0"),
        Port(n("pc"), n("lab"), mac(4), "10.0.2.10", host="h1"),
        Uplink(n("up"), n("world"), n("ext"), 7),
        Router(n("r"), "acme"),
        RouterPort(n("r-f"), n("r"), mac(257), "10.0.0.1/24", n("front"), cidr6="2001:db8::1/64"),
        RouterPort(n("r-b"), n("r"), mac(258), "10.0.1.1/24", n("back")),
        RouterPort(n("r-w"), n("r"), mac(259), "172.16.0.1/24", n("world"), gateways=("h0",)),
        RouterPort(n("r-t"), n("r"), mac(260), "10.9.0.1/30", peer=n("t-r")),
        Router(n("t"), "acme"),
        RouterPort(n("t-r"), n("t"), mac(261), "10.9.0.2/30", peer=n("r-t")),
        RouterPort(n("t-l"), n("t"), mac(262), "10.0.2.1/24", n("lab")),
        Route(n("r"), "10.0.2.0/24", "10.9.0.2"),
        Route(n("r"), "0.0.0.0/0", "172.16.0.254"),
        Route(n("t"), "0.0.0.0/0", "10.9.0.1"),
        Nat(n("r"), "snat", "172.16.0.1", "10.0.0.0/16"),
        Nat(n("r"), "dnat_and_snat", "172.16.0.5", "10.0.0.10"),
        Acl(n("front"), "to-lport", 5, "tcp.dst == 22", "drop"),
    ]


def hosts(*networks):
    """Two hosts, the first of which has NICs in these networks."""
    return [Host("h0", "192.0.2.1", networks=networks), Host("h1", "192.0.2.2")]


def state_of(*entities):
    """A state with these entities."""
    state = NetworkState()
    with state.transaction() as tx:
        tx.add(*entities)
    return state
