"""The network workloads: a network virtualization controller's tables, in numbers.

Switches have ports, ports are on random hosts, routers join switches. A host needs the flows of
every switch that is connected with one it carries, and tunnels to the hosts of these. The three
differ in what "connected" means:

- `nvp`: by one router, of ten switches.
- `nvp-routers`: by any number of routers; these stand in rows of five, each joined with the next
  by a switch between them; a quarter of the switches and hosts, so that the rows are no more.
- `nvp-components`: the same network, but a switch has the smallest number in its component in
  place of a row for each switch that it is connected with.

Operations, a commit each: a VM moves; a port comes, with its VM, and one goes; a router port comes
and one goes; a switch's permission goes and one comes. What goes is any that is there, so that
sizes stay.
"""

import random
from collections.abc import Iterator, Mapping
from typing import TypeVar

from attrs import Factory, define

from benchmarks import network_words
from benchmarks.job import Change, Commit, Row, Workload

HOSTS, SWITCHES, PORTS, SWITCHES_A_ROUTER = 3000, 7000, 9, 10
DENIED = 0.01
ROUTERS_A_ROW, ROWS_SCALE = 5, 0.25

Item = TypeVar("Item")

TABLES = {
    "ls": ("s",),
    "lport": ("p", "s", "mac"),
    "vif": ("p", "h"),
    "rport": ("r", "s"),
    "allowed": ("s",),
}
HOST_LS = {"host_ls": ("h", "s")}
FLOWS = {
    "needs": ("h", "s"),
    "tunnel": ("a", "b"),
    "l2flow": ("h", "s", "mac", "p"),
    "l2remote": ("h", "s", "mac", "g"),
    "drop_flow": ("h", "s"),
}
OUTPUTS = frozenset({"tunnel", "l2flow", "l2remote", "drop_flow"})

FLOW_RULES = """
host_ls(h, s) :- vif(p, h), lport(p, s, _).
tunnel(a, b) :- needs(a, s), host_ls(b, s), a != b.
l2flow(h, s, m, p) :- needs(h, s), lport(p, s, m), vif(p, h).
l2remote(h, s, m, g) :- needs(h, s), lport(p, s, m), vif(p, g), h != g.
drop_flow(h, s) :- needs(h, s), not allowed(s).
"""
DIRECT = """
conn(s, s) :- ls(s).
conn(s, t) :- rport(r, s), rport(r, t).
"""
CLOSURE = """
conn(s, s) :- ls(s).
conn(s, t) :- conn(s, u), rport(r, u), rport(r, t).
"""
COMPONENTS = """
comp(s, min(s)) :- ls(s).
comp(s, min(c)) :- comp(t, c), rport(r, t), rport(r, s).
host_comp(h, c) :- host_ls(h, s), comp(s, c).
needs(h, t) :- host_comp(h, c), comp(t, c).
"""
NEEDS = "needs(h, t) :- host_ls(h, s), conn(s, t).\n"
CONN = {"conn": ("s", "t")}


def nvp(scale: float, operations: int, seed: int) -> Workload:
    """Switches joined by one router each."""
    network = Network(scale, random.Random(f"nvp {seed}"))
    return network.workload("nvp", DIRECT + NEEDS, CONN, operations)


def nvp_routers(scale: float, operations: int, seed: int) -> Workload:
    """Switches joined by rows of routers, as pairs."""
    network = Network(scale * ROWS_SCALE, random.Random(f"nvp-routers {seed}"))
    network.join_routers()
    return network.workload("nvp-routers", CLOSURE + NEEDS, CONN, operations)


def nvp_components(scale: float, operations: int, seed: int) -> Workload:
    """Switches joined by rows of routers, by the smallest number in a component."""
    network = Network(scale * ROWS_SCALE, random.Random(f"nvp-routers {seed}"))
    network.join_routers()
    derived = {"comp": ("s", "c"), "host_comp": ("h", "c")}
    return network.workload("nvp-components", COMPONENTS, derived, operations)


@define
class Port:
    """A port of a switch, and the host of its VM."""

    number: int
    switch: int
    mac: int
    host: int

    @property
    def rows(self) -> dict[str, Row]:
        """Its rows by table."""
        return {
            "lport": (self.number, self.switch, self.mac),
            "vif": (self.number, self.host),
        }


@define(init=False)
class Network:
    """A network that is made up at random, and then changes at random."""

    chance: random.Random
    hosts: int
    switches: int
    routers: int
    ports: list[Port] = Factory(list)
    links: list[Row] = Factory(list)
    allowed: list[int] = Factory(list)
    denied: list[int] = Factory(list)
    ports_made: int = 0

    def __init__(self, scale: float, chance: random.Random) -> None:
        switches = max(4, round(SWITCHES * scale))
        self.__attrs_init__(
            chance,
            hosts=max(4, round(HOSTS * scale)),
            switches=switches,
            routers=max(2, switches // SWITCHES_A_ROUTER),
        )
        self.links = [(switch % self.routers, switch) for switch in range(switches)]
        for switch in range(switches):
            self.ports += [self.port(switch) for _ in range(PORTS)]
            (self.denied if chance.random() < DENIED else self.allowed).append(switch)

    def port(self, switch: int) -> Port:
        """A port that was not there before, with its VM on any host."""
        self.ports_made += 1
        number = self.ports_made
        return Port(number, switch, number * 2654435761 % 2**31, self.any_host())

    def any_host(self) -> int:
        """One host of all."""
        return self.chance.randrange(self.hosts)

    def join_routers(self) -> None:
        """Joins routers to rows, by a switch without ports between each two neighbours."""
        for router in range(self.routers - 1):
            if router % ROUTERS_A_ROW != ROUTERS_A_ROW - 1:
                self.links += [(router, self.switches), (router + 1, self.switches)]
                self.allowed.append(self.switches)
                self.switches += 1

    def workload(
        self, name: str, rules: str, derived: Mapping[str, tuple[str, ...]], operations: int
    ) -> Workload:
        """The workload, with so many operations of each kind."""
        facts: dict[str, list[Row]] = {
            "ls": [(switch,) for switch in range(self.switches)],
            "lport": [port.rows["lport"] for port in self.ports],
            "vif": [port.rows["vif"] for port in self.ports],
            "rport": list(self.links),
            "allowed": [(switch,) for switch in self.allowed],
        }
        return Workload(
            name,
            rules + FLOW_RULES,
            TABLES,
            {**HOST_LS, **derived, **FLOWS},
            facts,
            list(self.operations(operations)),
            OUTPUTS,
            network_words.WORDS[name],
        )

    def operations(self, count: int) -> Iterator[Commit]:
        """Commits that change this network, `count` of each kind."""
        for _ in range(count):
            yield Commit("move-vm", self.move())
        for _ in range(count):
            yield Commit("add-port", self.add_port())
            yield Commit("remove-port", self.remove_port())
        for _ in range(count):
            yield Commit("add-router-port", self.add_link())
            yield Commit("remove-router-port", self.remove_link())
        for _ in range(count):
            yield Commit("deny-switch", self.permit(self.allowed, self.denied, inserted=False))
            yield Commit("allow-switch", self.permit(self.denied, self.allowed, inserted=True))

    def move(self) -> tuple[Change, ...]:
        """A VM moves to another host."""
        port = self.chance.choice(self.ports)
        before = port.rows["vif"]
        port.host = (port.host + 1 + self.chance.randrange(self.hosts - 1)) % self.hosts
        return Change("vif", before, False), Change("vif", port.rows["vif"], True)

    def add_port(self) -> tuple[Change, ...]:
        """A port comes to any switch."""
        self.ports.append(self.port(self.chance.randrange(self.switches)))
        return tuple(Change(table, row, True) for table, row in self.ports[-1].rows.items())

    def remove_port(self) -> tuple[Change, ...]:
        """Any port goes."""
        port = self.take(self.ports)
        return tuple(Change(table, row, False) for table, row in port.rows.items())

    def add_link(self) -> tuple[Change, ...]:
        """A router gets a port on any switch that it has none on."""
        link = self.links[0]
        while link in self.links:
            link = self.chance.randrange(self.routers), self.chance.randrange(self.switches)
        self.links.append(link)
        return (Change("rport", link, True),)

    def remove_link(self) -> tuple[Change, ...]:
        """Any router port goes."""
        return (Change("rport", self.take(self.links), False),)

    def permit(self, source: list[int], target: list[int], *, inserted: bool) -> tuple[Change, ...]:
        """Any switch of one list passes to the other."""
        if not source:
            return ()
        target.append(self.take(source))
        return (Change("allowed", (target[-1],), inserted),)

    def take(self, items: list[Item]) -> Item:
        """Takes any one out of a list."""
        place = self.chance.randrange(len(items))
        items[place], items[-1] = items[-1], items[place]
        return items.pop()
