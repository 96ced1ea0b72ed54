"""The store against a twin that copies everything and looks at everything, every time."""

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from nvp_state.entities import Acl, Host, Port, Switch
from nvp_state.errors import StateError
from nvp_state.records import OFPORT_MAX, Change
from nvp_state.store import Store
from nvp_state.transaction import Transaction
from tests.nvp_state import networks

MAC = "0a:00:00:00:00:01"
ORDER = (
    "physical-network", "host", "switch", "port", "uplink", "router", "router-port", "route", "nat",
    "acl",
)  # fmt: skip
POOLS = {"router": "switch", "uplink": "port", "router-port": "port"}
"""Kinds that are numbered, and named, together with another."""
UNNUMBERED = ("nat",)
REFERENCES = {
    "switch": "switch", "router": "router", "host": "host", "network": "physical-network",
    "networks": "physical-network", "gateways": "host", "parent": "port",
}  # fmt: skip

START = [
    *(Host(f"h{number}", f"192.0.2.{number + 1}") for number in range(2)),
    *(Switch(f"s{number}", "acme") for number in range(3)),
    *(Port(f"p{number}", "s0", MAC, host=f"h{number // 2}") for number in range(3)),
    Acl("s1", "to-lport", 0, "1", "drop"),
]

operations = st.lists(
    st.tuples(st.sampled_from(["put", "put", "remove", "add", "replace"]), networks.entities),
    max_size=5,
)
steps = st.lists(
    st.tuples(
        st.one_of(operations, operations, operations, networks.networks()),
        st.sampled_from(["keep", "keep", "revert"]),
    ),
    max_size=12,
)


class Twin:
    """What a store shall be: a list of [entity, tunnel key, ofport], by reference."""

    def __init__(self, rows=()):
        self.rows = dict(rows)

    def after(self, operations):
        """The twin after the operations, or None if they must be refused."""
        wanted, good = {}, True
        for verb, entity in operations:
            reference = (entity.kind, entity.key)
            there = wanted[reference] if reference in wanted else self.entity(reference)
            good &= (there is None) == (verb == "add")
            wanted[reference] = None if verb == "remove" else entity
        return self._with(wanted) if good else None

    def become(self, entities):
        wanted = {(entity.kind, entity.key): entity for entity in entities}
        gone = {reference: None for reference in self.rows if reference not in wanted}
        twin = self._with(wanted | gone)
        twin.rows = {reference: twin.rows[reference] for reference in wanted}
        return twin

    def entity(self, reference):
        return self.rows[reference][0] if reference in self.rows else None

    def snapshot(self):
        rows = [(kind, row) for (kind, _), row in self.rows.items()]
        return [tuple(row) for kind in ORDER for of, row in rows if of == kind]

    def _with(self, wanted):
        rows = {reference: list(row) for reference, row in self.rows.items()}
        for reference, entity in wanted.items():
            if entity is None:
                rows.pop(reference, None)
            elif reference not in rows:
                rows[reference] = [entity, 0, 0]
            else:
                rows[reference][0] = entity
        moved = [it for it in rows if it in self.rows and host(self.rows, it) != host(rows, it)]
        for reference in moved:
            rows[reference][2] = 0
        for reference in [*wanted, *sorted(it for it in moved if it not in wanted)]:
            if reference in rows:
                self._number(rows, reference)
        twin = Twin(rows)
        return twin if twin._is_whole() else None

    def _number(self, rows, reference):
        _, key, ofport = rows[reference]
        kind, place = reference[0], host(rows, reference)
        pool = POOLS.get(kind, kind)
        if kind not in UNNUMBERED and not key:
            used = {row[1] for (it, _), row in rows.items() if POOLS.get(it, it) == pool}
            rows[reference][1] = min(set(range(1, 99)) - used)
        if place and not ofport:
            used = {row[2] for it, row in rows.items() if host(rows, it) == place}
            rows[reference][2] = min(set(range(1, 99)) - used)

    def _is_whole(self):
        entities = [row[0] for row in self.rows.values()]
        ips = [entity.ip for entity in entities if isinstance(entity, Host)]
        names = [(POOLS.get(kind, kind), key) for kind, key in self.rows]
        for entity in entities:
            for field, kind in REFERENCES.items():
                there = getattr(entity, field, None) or ()
                for name in (there,) if isinstance(there, str) else there:
                    if (kind, name) not in self.rows:
                        return False
                    if field == "parent" and self.rows[kind, name][0].parent is not None:
                        return False
        return len(ips) == len(set(ips)) and len(names) == len(set(names))


def host(rows, reference):
    """Where a port is: a child where its parent is."""
    entity = rows[reference][0]
    parent = rows.get(("port", getattr(entity, "parent", None)))
    return getattr(parent[0] if parent else entity, "host", None)


def snapshot(store):
    records = [record for kind in ORDER for record in store.records(kind)]
    assert [record.entity for record in records] == list(store)
    assert len(store) == len(records)
    return [(record.entity, record.tunnel_key, record.ofport) for record in records]


def resolved(twin, operations):
    """The operations with `put` read as what does not fail: adding or replacing."""
    here, result = dict.fromkeys(twin.rows, True), []
    for verb, entity in operations:
        reference = (entity.kind, entity.key)
        put = "replace" if here.get(reference) else "add"
        result.append((put if verb == "put" else verb, entity))
        here[reference] = verb != "remove"
    return result


def commit(store, operations):
    with Transaction(store) as tx:
        for verb, entity in operations:
            if verb == "remove":
                tx.remove((entity.kind, entity.key))
            else:
                getattr(tx, verb)(entity)
    return tx.change


@settings(max_examples=200)
@given(steps)
def test_store_is_its_twin(steps):
    store, twin = Store(), Twin()
    for step, afterwards in [(START, "keep"), *steps]:
        before = snapshot(store)
        if all(isinstance(operation, tuple) for operation in step):
            step = resolved(twin, step)  # noqa: PLW2901 - the same step
            expected = twin.after(step)
            if expected is None:
                with pytest.raises(StateError):
                    commit(store, step)
                assert snapshot(store) == before
                continue
            change = commit(store, step)
        else:
            expected = twin.become(step)
            with Transaction(store) as tx:
                tx.become(step)
            change = tx.change
        assert snapshot(store) == expected.snapshot()
        assert_explains(change, before, snapshot(store))
        if afterwards == "revert":
            store.revert(change)
            assert snapshot(store) == before
        else:
            twin = expected


def assert_explains(change, before, after):
    """The change is the difference between the two snapshots."""

    def rows(records):
        return {(it.entity, it.tunnel_key, it.ofport) for it in records}

    gone = rows(change.removed) | rows(old for old, _ in change.replaced)
    came = rows(change.added) | rows(new for _, new in change.replaced)
    assert gone == set(before) - set(after)
    assert came == set(after) - set(before)
    for old, new in change.replaced:
        assert (old.entity.kind, old.entity.key) == (new.entity.kind, new.entity.key)
    assert bool(change) == (set(before) != set(after))


def small_store():
    store = Store()
    with Transaction(store) as tx:
        tx.add(Port("p0", "s0", MAC, host="h0"), Port("p1", "s0", MAC, host="h0"))
        tx.add(Host("h0", "192.0.2.1"), Host("h1", "192.0.2.2"), Switch("s0", "acme"))
        tx.add(Acl("s0", "to-lport", 1, "ip4", "drop"))
    return store


def test_numbers_are_the_smallest_free_and_stay():
    store = small_store()
    with Transaction(store) as tx:
        tx.remove(("port", "p0"))
    with Transaction(store) as tx:
        tx.replace(Port("p1", "s0", MAC, ip="10.0.0.9", host="h0"))
    with Transaction(store) as tx:
        tx.add(Port("p2", "s0", MAC, host="h1"), Port("p3", "s0", MAC, host="h0"))
    numbers = {it.entity.key: (it.tunnel_key, it.ofport) for it in store.records("port")}
    assert numbers == {"p1": (2, 2), "p2": (1, 1), "p3": (3, 1)}


def test_moving_a_port_changes_its_ofport_only():
    store = small_store()
    with Transaction(store) as tx:
        tx.replace(Port("p1", "s0", MAC, host="h1"))
    ((old, new),) = tx.change.replaced
    assert (old.tunnel_key, old.ofport, new.tunnel_key, new.ofport) == (2, 2, 2, 1)


def test_all_problems_are_told_at_once():
    store = small_store()
    before = snapshot(store)
    with pytest.raises(StateError) as caught, Transaction(store) as tx:
        tx.add(Host("h0", "192.0.2.7"), Host("h2", "192.0.2.2"))
        tx.remove(("port", "p9"), Switch("s0", "acme"))
        tx.add(Port("p2", "s9", MAC, host="h9"))
        tx.replace(Acl("s0", "to-lport", 1, "arp", "drop"))
        tx.add(Acl("s9", "to-lport", 1, "ip4", "drop"))
    assert [str(problem) for problem in caught.value.problems] == [
        'host "h0": is there already; replace it to change it',
        'port "p9": does not exist',
        'acl "s0:to-lport:1:arp": does not exist; did you mean `s0:to-lport:1:ip4`?',
        (
            'switch "s0": is still used by ports "p0", "p1" and acl "s0:to-lport:1:ip4"; '
            "remove or move them in the same transaction"
        ),
        'port "p2": switch: switch "s9" does not exist',
        'port "p2": host: host "h9" does not exist',
        'acl "s0:to-lport:1:arp": switch: switch "s0" does not exist',
        'acl "s9:to-lport:1:ip4": switch: switch "s9" does not exist',
        'host "h2": ip: 192.0.2.2 is the address of host "h1"',
    ]
    assert str(caught.value).startswith("9 problems:\n  host")
    assert snapshot(store) == before


def test_hosts_swap_addresses():
    store = small_store()
    with Transaction(store) as tx:
        tx.replace(Host("h0", "192.0.2.2"), Host("h1", "192.0.2.1"))
    assert (store.host_with_ip("192.0.2.1"), store.host_with_ip("192.0.2.2")) == ("h1", "h0")
    with Transaction(store) as tx:
        tx.add(Host("h2", "192.0.2.3"))
    with pytest.raises(StateError, match="is the address of"), Transaction(store) as tx:
        tx.add(Host("h3", "192.0.2.1"))


def test_a_host_has_only_so_many_ports():
    store = small_store()
    with Transaction(store) as tx:
        for number in range(2, OFPORT_MAX):
            tx.add(Port(f"p{number}", "s0", MAC, host="h0"))
    with pytest.raises(StateError, match='host "h0": would carry 28672 ports; 28671 are the most'):
        commit(store, [("add", Port("last", "s0", MAC, host="h0"))])
    with Transaction(store) as tx:
        tx.remove(("port", "p17"))
        tx.add(Port("last", "s0", MAC, host="h0"))
    assert store.record("port", "last").ofport == 18


def test_an_exception_discards_the_transaction():
    store = small_store()
    before = snapshot(store)
    with pytest.raises(ZeroDivisionError), Transaction(store) as tx:
        tx.remove(("port", "p0"))
        raise ZeroDivisionError
    assert snapshot(store) == before
    with pytest.raises(ValueError, match="not been committed"):
        _ = tx.change


def test_only_the_last_change_can_be_reverted_and_once():
    store = small_store()
    first = commit(store, [("remove", Port("p0", "s0", MAC))])
    second = commit(store, [("remove", Port("p1", "s0", MAC))])
    with pytest.raises(ValueError, match="only the last change"):
        store.revert(first)
    store.revert(second)
    with pytest.raises(ValueError, match="only the last change"):
        store.revert(second)
    assert Port("p1", "s0", MAC, host="h0") in store
    assert Port("p1", "s0", MAC) not in store


def test_a_transaction_commits_once():
    transaction = Transaction(small_store())
    assert transaction.commit() == Change()
    with pytest.raises(ValueError, match="already"):
        transaction.commit()


def test_what_is_no_reference_is_refused_with_the_way_to_write_one():
    tx = Transaction(small_store())
    for thing in ("p0", "h1", ("port",), ("port", 3), None):
        with pytest.raises(
            TypeError, match=r"a pair of its kind and key; .* tx\.remove\(\(\"host\","
        ):
            tx.remove(thing)
    with pytest.raises(ValueError, match=r"'prt' is not a kind of entity: .*did you mean `port`"):
        small_store().record("prt", "p0")
    with pytest.raises(ValueError, match=r"'ports' is not a kind .*did you mean `port`"):
        small_store().records("ports")


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="did you mean `port`"):
        Transaction(small_store()).remove(("prt", "p0"))


def test_become_with_little_changed_changes_little():
    store = small_store()
    entities = list(store)
    with Transaction(store) as tx:
        tx.become([evolve(it, ip="10.0.0.3") if it.key == "p1" else it for it in entities])
    assert not tx.change.added
    assert not tx.change.removed
    assert [new.entity.name for _, new in tx.change.replaced] == ["p1"]


def test_become_takes_nothing_twice():
    store = small_store()
    with pytest.raises(StateError, match="is there already"), Transaction(store) as tx:
        tx.become([*store, Switch("s0", "globex")])
