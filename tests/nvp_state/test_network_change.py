"""Random histories of a network: after every commit all is as if it had been made at once.

Four accounts must agree after each transaction: what the engines hold and what they compute from
nothing; what rules want on a host and what its switch has; the hosts, VIFs and tunnels of the
fabric and a plain set computation; and what frames do and what the oracle says. After a refused
transaction nothing has changed at all.
"""

import networkx
import pytest
from attrs import evolve
from hypothesis import event, given, settings

import nlog
from nvp_state import Acl, Emulation, Host, NetworkState, Port, StateError
from nvp_state.controllers import PASSED_ON
from nvp_state.entities import KINDS
from nvp_state.facts import facts_of_record
from tests.nvp_state import labs

CARRY = 40
STEPS = 8


def everything(state):
    """All records and all tables of both engines."""
    records = [record for kind in KINDS for record in state._store.records(kind)]
    engines = [controller.engine for controller in (state.logical, state.physical)]
    tables = [{name: set(engine[name]) for name in engine.program.tables} for engine in engines]
    return records, tables


def installed(lab):
    """What each switch of a lab has: its ports, its flows and its buckets."""
    return {
        name: (dict(host.switch.ports), set(host.switch.flows()), set(host.switch.buckets()))
        for name, host in lab.fabric.hosts.items()
    }


def assert_of_facts(state, records, tables):
    """The input tables are the facts of the records and of what is reported, and no more."""
    wanted = {(program, name): set() for program, it in tables.items() for name in it}
    facts = [fact for record in records for fact in facts_of_record(record)]
    for fact in [*facts, *state._reports._held.values()]:
        wanted[fact.program, fact.table].add(fact.row)
    for table in PASSED_ON:
        wanted["physical", table] = tables["logical"][table]
    for program, controller in (("logical", state.logical), ("physical", state.physical)):
        for table in controller.engine.program.tables.values():
            if table.kind == "input":
                assert tables[program][table.name] == wanted[program, table.name], table.name


def assert_whole(state, lab):
    """The tables are those of the facts, computed from nothing; the switches are as they say."""
    records, (logical, physical) = everything(state)
    assert_of_facts(state, records, {"logical": logical, "physical": physical})
    for tables, controller in ((logical, state.logical), (physical, state.physical)):
        fresh = controller.engine.recompute()
        for table, rows in tables.items():
            assert rows == set(fresh[table]), table
    assert_carried(state, lab)


def networks(state):
    """By switch, one of those that routers join to it, the same for all of these."""
    joined = networkx.Graph()
    joined.add_nodes_from(("switch", switch.name) for switch in state.entities("switch"))
    for port in state.entities("router-port"):
        assert port.peer is None
        joined.add_edge(("router", port.router), ("switch", port.switch))
    return {
        name: min(whole)
        for whole in networkx.connected_components(joined)
        for kind, name in whole
        if kind == "switch"
    }


def assert_carried(state, lab):
    """Each host's switch has one of the flows wanted for each identity, and the right ports."""
    hosts = {host.name: host for host in state.entities("host")}
    located = [port for port in state.entities("port") if port.host is not None]
    links = [port for port in state.entities("router-port") if port.switch is not None]
    joined = networks(state)
    met = {name: {joined[it.switch] for it in located if it.host == name} for name in hosts}
    assert set(lab.fabric.hosts) == set(hosts)
    for name, (ports, flows, buckets) in installed(lab).items():
        wanted = state.flows(name)
        assert flows | buckets <= set(wanted)
        for has in (flows, buckets):
            assert len(has) == len({entry.identity for entry in has})
        assert {entry.identity for entry in wanted} == {it.identity for it in flows | buckets}
        carried = {flow.match["reg15"][0] for flow in flows if flow.table == CARRY}
        near = [port for port in [*located, *links] if joined[port.switch] in met[name]]
        assert carried == {state.record(port.kind, port.name).tunnel_key for port in near}
        vifs = {port.name for port in ports.values() if port.kind == "vif"}
        assert vifs == {port.name for port in located if port.host == name}
        remotes = {it for it in hosts if it != name and met[it] & met[name]}
        tunnels = lab.fabric.hosts[name].tunnels
        assert {str(ip) for ip in tunnels.values()} == {hosts[it].ip for it in remotes}
        assert set(tunnels) == {port.number for port in ports.values() if port.kind == "tunnel"}


def a_step(random, state):
    """Operations, most of which the store does not refuse."""
    operations = []
    there = {(it.kind, it.key): it for kind in KINDS for it in state.entities(kind)}
    for _ in range(random.choice([1, 1, 1, 2, 3])):
        old = random.choice(list(there.values()) or [None])
        if old is not None and random.random() < 0.25:
            operations.append(("remove", old))
            del there[old.kind, old.key]
            continue
        new = changed(random, old) if random.random() < 0.5 else labs.an_entity(random)
        operations.append(("replace" if (new.kind, new.key) in there else "add", new))
        there[new.kind, new.key] = new
    return operations


def changed(random, old):
    """An entity with one thing different."""
    match old:
        case Host():
            return evolve(old, ip=random.choice(labs.UNDERLAY_IPS))
        case Acl():
            return evolve(old, action="allow" if old.action == "drop" else "drop")
        case Port():
            new = labs.a_port(random, old.name)
            part = random.choice([name for name in Port.__match_args__ if name != "name"])
            return evolve(old, **{part: getattr(new, part)})
    return labs.an_entity(random)


def commit(state, operations):
    with state.transaction() as tx:
        for verb, entity in operations:
            getattr(tx, verb)(entity)


@settings(labs.SEEDED, max_examples=16)
@given(labs.randoms)
def test_after_every_change_all_is_as_if_made_at_once(random):
    state, mirror = NetworkState(), NetworkState()
    lab = Emulation(state)
    commit(state, [("add", entity) for entity in labs.a_network(random)])
    for _ in range(STEPS):
        operations = a_step(random, state)
        before = everything(state), installed(lab)
        try:
            commit(state, operations)
        except StateError:
            event("refused")
            assert (everything(state), installed(lab)) == before
            continue
        assert_whole(state, lab)
        network = [entity for kind in KINDS for entity in state.entities(kind)]
        labs.assert_explained(random, lab, network, 6)
    mirror.load(state.dump())
    mirrored = zip(everything(mirror)[1], everything(state)[1], strict=True)
    for ours, theirs in mirrored:
        assert {name: len(rows) for name, rows in ours.items()} == {
            name: len(rows) for name, rows in theirs.items()
        }


def test_a_network_can_be_emptied_and_filled_again():
    state = NetworkState()
    lab = Emulation(state)
    empty = everything(state)
    state.load("examples/three_tier.json")
    full = everything(state), installed(lab)
    state.load({})
    assert everything(state) == empty
    assert not lab.fabric.hosts
    state.load("examples/three_tier.json")
    assert (everything(state), installed(lab)) == full
    assert_whole(state, lab)


def test_an_exception_in_a_transaction_leaves_all_as_it_was():
    state = NetworkState()
    state.load("examples/three_tier.json")
    lab = Emulation(state)
    before = everything(state), installed(lab)
    with pytest.raises(KeyError), state.transaction() as tx:
        tx.remove(("port", "web-1"))
        raise KeyError
    assert (everything(state), installed(lab)) == before


@pytest.mark.parametrize("is_published", [False, True])
def test_a_signal_at_the_commit_leaves_neither_controller_behind(monkeypatch, is_published):
    """Right before both controllers are published nothing has happened; right after, all has."""
    state = NetworkState()
    state.load("examples/three_tier.json")
    lab = Emulation(state)
    before = everything(state), installed(lab)
    publish = nlog.publish

    def interrupted(*transactions):
        if is_published:
            publish(*transactions)
        raise KeyboardInterrupt

    monkeypatch.setattr(nlog, "publish", interrupted)
    with pytest.raises(KeyboardInterrupt), state.transaction() as tx:
        tx.remove(("port", "web-1"))
    monkeypatch.undo()
    assert_whole(state, lab)
    assert ((everything(state), installed(lab)) == before) is not is_published
    assert (state.get("port", "web-1") is None) is is_published
    state.load("examples/three_tier.json")
    assert_whole(state, lab)
