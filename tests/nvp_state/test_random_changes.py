"""Random histories of networks that have everything: after each commit all is as if made at once.

A history changes a network by transactions of a few operations until every kind of entity has
come, changed and gone, and reports of every kind have been made and withdrawn. After each commit
the input tables of both controllers are the facts of the records, their output tables are those
that an engine comes to which has never seen anything else, and the switches hold what the state
says. A refused transaction changes nothing. What a history leads to behaves as what is loaded of
its document; taken back step by step it leads to nothing.

Computing from nothing is done by an engine that is asked what would be if it had these inputs
(`what_if`), since planning its rules would take longer than all the rest; at the end of a history
by one that is new (`recompute`), for the inner tables too.
"""

import re
from collections import Counter
from functools import cache

from hypothesis import given, settings

import nlog
from nvp_state import Emulation, NetworkState, StateError
from nvp_state.controllers import OUTPUTS
from nvp_state.entities import KINDS, Meter
from nvp_state.flows import to_flow, to_meter
from tests.nvp_state import labs
from tests.nvp_state.random_changes import (
    OPERATIONS_MAX,
    VERBS,
    Supply,
    a_network,
    gone_with,
    parts,
)
from tests.nvp_state.random_entities import MAKERS
from tests.nvp_state.random_probes import probes
from tests.nvp_state.test_network_change import assert_of_facts, commit, everything, installed

HISTORIES, COMMITS_LEAST, COMMITS_MOST = 3, 50, 95
PROBES = 40

REPORTS = ("report_tunnel", "report_backend", "report_neighbour")
WANTED = [
    *((verb, kind) for kind in KINDS for verb in VERBS if verb != "replace" or parts(KINDS[kind])),
    *((name, is_good) for name in REPORTS for is_good in (True, False)),
]


def test_the_generator_makes_every_kind_and_every_report():
    assert set(MAKERS) == set(KINDS), "random_changes.py lacks a kind, or has one too many"
    assert set(REPORTS) == {name for name in dir(NetworkState) if name.startswith("report_")}


@cache
def _untouched(program):
    """An engine of the controller's program that never commits anything."""
    states = NetworkState()
    engine = getattr(states, program).engine
    return nlog.Engine(engine.program, replans=False)


def computed(program, tables):
    """The output tables of a program, from its input tables and nothing else."""
    engine = _untouched(program)
    declared = engine.program.tables.values()
    with engine.what_if() as tx:
        for table in declared:
            if table.kind == "input":
                tx.insert_many(table.name, tables[table.name])
    return {
        table.name: (set(engine[table.name]) | set(tx.changes[table.name].inserted))
        - set(tx.changes[table.name].deleted)
        for table in declared
        if table.kind == "output"
    }


class History:
    """A network that changes, its switches, and what has not come up yet in it."""

    def __init__(self, random):
        self.random = random
        self.state = NetworkState()
        self.lab = Emulation(self.state)
        self.empty = self._all()
        self.before = self.empty
        self.to_do = random.sample(WANTED, len(WANTED))
        self.counts = Counter()

    def run(self):
        """Change the network until everything has come up."""
        while not self.counts["commits"]:
            self.commit([("add", it) for it in a_network(self.random)])
        while self.to_do or self.counts["commits"] < COMMITS_LEAST:
            assert self.counts["commits"] < COMMITS_MOST, self.to_do
            waiting = sum(it[0] in REPORTS for it in self.to_do)
            share = waiting / max(1, len(self.to_do))
            if self.random.random() < min(0.7, max(0.1, share)):
                self.report()
            else:
                self.commit(self.operations(), is_bad=self.random.random() < 0.06)

    def commit(self, operations, is_bad=False):
        """Commit operations, with one that must be refused if it `is_bad`."""
        if is_bad:
            operations = self._with_bad(operations)
        try:
            commit(self.state, operations)
        except StateError:
            self.counts["refused"] += 1
            assert self._all() == self.before
            return
        assert not is_bad
        self._accepted([(verb, it.kind) for verb, it in operations])

    def operations(self):
        """1 to 4 operations, first those of a kind that have not come up yet."""
        supply = Supply(self.random, self._entities())
        operations = []
        number = self.random.choice([1, 1, 2, 3, 4])
        pairs = [it for it in self.to_do if it[0] in VERBS]
        self.random.shuffle(pairs)
        for kind in self.random.sample([*KINDS], len(KINDS)):
            pairs += [("add", kind), ("replace", kind)]
        for verb, kind in pairs:
            found = supply.operations(verb, kind) or supply.operations("add", kind)
            if len(operations) + len(found) > OPERATIONS_MAX:
                break
            operations += found
            if len(operations) >= number:
                break
        return operations

    def report(self):
        """Have a host report a tunnel, or whoever does that a backend or a neighbour."""
        random, is_good = self.random, self.random.random() < 0.5
        waiting = [it for it in self.to_do if it[0] in REPORTS]
        name, is_good = random.choice(waiting) if waiting else (random.choice(REPORTS), is_good)
        hosts = [it.name for it in self.state.entities("host")]
        gates = [it.name for it in self.state.entities("router-port")]
        told = {"up": is_good}
        held = [it for it in self.state._reports._held if it[0] == "tunnel_down" and is_good]
        match name:
            case "report_tunnel" if held:
                about = random.choice(held)[1:]
            case "report_tunnel" if len(hosts) > 1:
                about = random.sample(hosts, 2)
            case "report_backend":
                about = [f"10.0.{random.randrange(4)}.1{random.randrange(4)}:80"]
            case "report_neighbour" if gates:
                ip = random.choice(["10.0.0.9", "10.0.1.9", "fd01::9"])
                about = [random.choice(gates), ip, random.choice(labs.MACS) if is_good else None]
                told = {}
            case _:
                return
        getattr(self.state, name)(*about, **told)
        self._accepted([(name, is_good)])

    def withdraw(self):
        """Take back all reports that hold."""
        for table, *about in [*self.state._reports._held]:
            match table:
                case "tunnel_down":
                    self.state.report_tunnel(*about, up=True)
                case "backend_down":
                    self.state.report_backend(":".join(about), up=True)
                case _:
                    self.state.report_neighbour(*about, None)

    def _with_bad(self, operations):
        """Operations, one of which is of what is there already, or not there, or needed."""
        entities = self._entities()
        referrers = self.state._store.referrers
        used = [it for it in entities if {*referrers(it.kind, it.key)} - {(it.kind, it.key)}]
        return self.random.choice(
            [
                [("add", self.random.choice(entities)), *operations],
                [*operations, ("replace", Meter("nowhere", 1))],
                [("remove", self.random.choice(used))],
            ]
        )

    def _entities(self):
        return [it for kind in KINDS for it in self.state.entities(kind)]

    def _all(self):
        return everything(self.state), installed(self.lab)

    def _accepted(self, done):
        self.counts.update(done)
        self.counts["commits"] += 1
        self.to_do = [it for it in self.to_do if it not in done]
        before, self.before = self.before, self._all()
        for report in self.state._reports._held.values():
            assert all(self.state.record(*subject) for subject in report.about), report
        records, (logical, physical) = self.before[0]
        assert_of_facts(self.state, records, {"logical": logical, "physical": physical})
        for program, tables in (("logical", logical), ("physical", physical)):
            for table, rows in computed(program, tables).items():
                assert tables[table] == rows, (table, done)
        places = [by_host(all_of) for all_of in (before, self.before)]
        changed = {it for it in places[1] if places[0].get(it) != places[1][it]}
        assert_installed(self.state, self.lab, changed)


def by_host(all_of):
    """By host, the rows that are wanted there and what its switch has."""
    (_, (_, physical)), switches = all_of
    found = {name: (set(), has) for name, has in switches.items()}
    for table in OUTPUTS:
        for row in physical[table]:
            found[row[0]][0].add((table, row))
    return found


def assert_installed(state, lab, names):
    """The switches of some hosts have the entries wanted there, one of each identity, no others.

    Where neither rows nor the switch are others than before, they need no second look.
    """
    assert set(lab.fabric.hosts) == {host.name for host in state.entities("host")}
    for name in names:
        host = lab.fabric.hosts[name]
        wanted = {}
        for entry in state.flows(name):
            wanted.setdefault((type(entry), entry.identity), []).append(entry)
        groups = [group for group in host.switch.groups() if group.kind != "all"]
        has = {
            (type(entry), entry.identity): entry
            for entry in [*host.switch.flows(), *host.switch.buckets(), *groups]
        }
        assert has.keys() == wanted.keys(), name
        for identity, entry in has.items():
            assert entry in wanted[identity] or is_all_of(entry, wanted[identity]), (name, entry)
        rows = state.rows(name)
        assert set(host.switch.meters()) == {to_meter(*row) for row in rows.meters_added}
        ports = host.switch.ports.values()
        vifs = {it.name for it in ports if it.kind == "vif"}
        nics = state.get("host", name).networks
        assert vifs == {*nics, *(it.name for it in state.entities("port") if it.host == name)}
        tunnels = {number: str(ip) for number, ip in host.tunnels.items()}
        assert tunnels == {number: str(ip) for _, ip, number in state.tunnels(name)}


def is_all_of(flow, wanted):
    """Whether a flow has the clauses of all those that are wanted in its place."""
    parts = [{str(it) for it in one.actions} for one in (flow, *wanted)]
    return all(it.clauses for it in wanted) and parts[0] == set.union(*parts[1:])


def shape(row):
    """A row without the numbers that things are known by: these depend on the history."""
    keys = r"'(reg\d+|metadata|tun_id|conj_id|ct_mark|in_port)[^']*', (value=)?-?\d+"
    text = re.sub(r"zone='\d+'|meter=\d+", "", re.sub(keys, "", repr(row)))
    return re.sub(r"(Group|Conjunction|Meter|Controller|OutputRegister)\([^()]*\)", r"\1", text)


def without_doubles(state):
    """Remove ports with addresses that others have: who gets a packet is decided by numbers."""
    while doubles := [it for it, code, _ in state.warnings() if code.startswith("duplicate")]:
        ports = (state.get(kind, doubles[0]) for kind in ("port", "router-port"))
        gone = gone_with(state, next(it for it in ports if it is not None))
        commit(state, [("remove", it) for it in gone])


def assert_alike(state, other, random):
    """Two states with one document have the same universal flows, and deliver alike.

    Returns how many frames came out at some port.
    """
    for table in ("universal_flow", "datapath_link"):
        ours, theirs = (Counter(map(shape, it.logical.engine[table])) for it in (state, other))
        assert ours == theirs, table
    ours, theirs = (
        Counter((datapath, *limit) for datapath, _, *limit in it.logical.engine["universal_meter"])
        for it in (state, other)
    )
    assert ours == theirs
    document = {"switches": [], "routers": []} | state.dump()
    for section in ("switches", "routers"):
        for owner in document[section]:
            owner["ports"] = [it for it in owner.get("ports", ()) if "ip" in it or "cidr" in it]
        document[section] = [owner for owner in document[section] if owner["ports"]]
    labs_ = Emulation(state), Emulation(other)
    ports = [port for switch in document["switches"] for port in switch["ports"]]
    placed = {it["name"] for it in ports if "host" in it}
    count = 0
    for port, frame in probes(random, document, PROBES) if placed else ():
        if port in placed:
            one, two = (
                sorted((it.port, it.frame) for it in lab.send(port, frame)) for lab in labs_
            )
            assert one == two, (port, frame.hex(), one, two)
            count += bool(one)
    return count


def test_after_every_change_of_anything_all_is_as_if_made_at_once(monkeypatch):
    monkeypatch.setattr("nvp_state.network.to_flow", cache(to_flow))
    counts = Counter()

    @settings(labs.SEEDED, max_examples=HISTORIES)
    @given(labs.randoms)
    def check(random):
        history = History(random)
        history.run()
        state = history.state
        _, tables = everything(state)
        for controller, ours in zip((state.logical, state.physical), tables, strict=True):
            fresh = controller.engine.recompute()
            for table, rows in ours.items():
                assert rows == set(fresh[table]), table
        history.withdraw()
        without_doubles(state)
        mirror = NetworkState()
        mirror.load(state.dump())
        history.counts["delivered"] += assert_alike(state, mirror, random)
        while state.history:
            state.undo()
        assert history._all() == history.empty
        counts.update(history.counts)

    check()
    print(counts)
    assert counts["commits"] >= HISTORIES * COMMITS_LEAST
    assert counts["refused"] < counts["commits"] / 4
    assert all(counts[it] >= HISTORIES for it in WANTED)
    assert counts["delivered"] > 0
