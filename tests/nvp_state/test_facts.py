"""Facts: deltas add up to what is there, whatever the way."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from nvp_state.entities import KINDS, Acl, Host, Port, Switch
from nvp_state.facts import facts_of, facts_of_record
from nvp_state.store import Store
from nvp_state.transaction import Transaction
from tests.nvp_state.networks import networks

MAC = "0a:00:00:00:00:01"


def apply(facts, deltas):
    seen = [(delta.program, delta.table) for delta in deltas]
    assert len(seen) == len(set(seen))
    for delta in deltas:
        assert delta.inserted or delta.deleted
        table = facts.setdefault((delta.program, delta.table), set())
        deleted = set(delta.deleted)
        assert len(deleted) == len(delta.deleted)
        assert deleted <= table
        table -= deleted
        inserted = set(delta.inserted)
        assert len(inserted) == len(delta.inserted)
        assert not inserted & (table | deleted)
        table |= inserted


@settings(max_examples=100)
@given(st.lists(networks(), max_size=5))
def test_deltas_add_up(states):
    store, facts = Store(), {}
    for state in states:
        with Transaction(store) as tx:
            tx.become(state)
        apply(facts, facts_of(tx.change))
        expected = Counter(
            (fact.program, fact.table, fact.row)
            for kind in KINDS
            for record in store.records(kind)
            for fact in facts_of_record(record)
        )
        assert set(expected.values()) <= {1}
        found = {(*table, row) for table, rows in facts.items() for row in rows}
        assert found == set(expected)


def test_the_rows_of_a_network():
    store = Store()
    with Transaction(store) as tx:
        tx.add(Host("h0", "192.0.2.1"), Host("h1", "192.0.2.2"), Switch("s0", "acme"))
        tx.add(
            Port("p0", "s0", MAC, "10.0.0.1", "h1"),
            Port("p1", "s0", MAC, port_security=False, enabled=False, unknown=True),
        )
        tx.add(Acl("s0", "to-lport", 5, 'outport == "p0" && tcp.dst == {80, 82/82}', "drop"))
    name = 's0:to-lport:5:outport == "p0" && tcp.dst == {80, 82/82}'
    tcp, way = ("ip_proto", 6, -1), {(("tcp_dst", 80, -1),), (("tcp_dst", 82, 82),)}
    facts = {}
    apply(facts, facts_of(tx.change))
    assert facts == {
        ("physical", "host"): {("h0", "192.0.2.1", 1), ("h1", "192.0.2.2", 2)},
        ("physical", "vif"): {("p0", "h1", 1)},
        ("logical", "logical_switch"): {("s0", 1)},
        ("logical", "datapath_tenant"): {("s0", "acme")},
        ("logical", "logical_port"): {("p0", "s0", 1, MAC), ("p1", "s0", 2, MAC)},
        ("logical", "port_address"): {("p0", "10.0.0.1")},
        ("logical", "port_security"): {("p0",)},
        ("logical", "port_enabled"): {("p0",)},
        ("logical", "port_unknown"): {("p1",)},
        ("logical", "acl"): {(name, 1, "to-lport", 0, 5, "drop")},
        ("logical", "acl_switch"): {(name, "s0")},
        ("logical", "acl_term"): {
            (name, 0, 1, "", "p0", -1, (("eth_type", 0x800, -1), tcp)),
            (name, 1, 1, "", "p0", -1, (("eth_type", 0x86DD, -1), tcp)),
        },
        ("logical", "acl_value"): {(name, term, 1, match) for term in (0, 1) for match in way},
    }


def test_a_moved_port_is_one_row_of_the_physical_program():
    store = Store()
    with Transaction(store) as tx:
        tx.add(Host("h0", "192.0.2.1"), Host("h1", "192.0.2.2"), Switch("s0", "acme"))
        tx.add(Port("p0", "s0", MAC, host="h0"))
    with Transaction(store) as tx:
        tx.replace(Port("p0", "s0", MAC, host="h1"))
    (delta,) = facts_of(tx.change)
    assert (delta.program, delta.table) == ("physical", "vif")
    assert (delta.inserted, delta.deleted) == ((("p0", "h1", 1),), (("p0", "h0", 1),))
