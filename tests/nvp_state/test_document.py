"""Documents: what is written comes back, and what is wrong is named, all of it."""

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given

from nvp_state.document import dump_document, load_document, parse_document, save_document
from nvp_state.entities import (
    KINDS,
    Acl,
    Host,
    Nat,
    PhysicalNetwork,
    Port,
    Route,
    Router,
    RouterPort,
    Switch,
    Uplink,
)
from nvp_state.errors import StateError
from nvp_state.store import Store
from nvp_state.transaction import Transaction
from tests.nvp_state import networks

EXAMPLE = Path(__file__).parents[2] / "examples" / "three_tier.json"

DOCUMENT = {
    "physical_networks": [{"name": "office"}],
    "hosts": [
        {"name": "hv1", "ip": "192.0.2.1"},
        {"name": "gw1", "ip": "192.0.2.9", "networks": ["office"], "service_node": True},
    ],
    "switches": [
        {
            "name": "s0",
            "tenant": "acme",
            "ports": [
                {"name": "p0", "mac": "0a:00:00:00:00:01", "ip": "10.0.0.10", "host": "hv1"},
                {"name": "p1", "mac": "0a:00:00:00:00:02", "enabled": False, "unknown": True},
            ],
        },
        {"name": "s1", "tenant": "acme", "replication": "service-node"},
    ],
    "uplinks": [{"name": "u1", "switch": "s1", "network": "office", "tag": 7}],
    "routers": [
        {
            "name": "r0",
            "tenant": "acme",
            "ports": [
                {
                    "name": "r0-s0",
                    "mac": "0a:00:00:00:00:f0",
                    "cidr": "10.0.0.1/24",
                    "switch": "s0",
                    "cidr6": "fd00::1/64",
                },
                {
                    "name": "r0-s1",
                    "mac": "0a:00:00:00:00:f1",
                    "cidr": "172.16.0.1/24",
                    "switch": "s1",
                    "gateways": ["gw1"],
                },
            ],
        },
        {"name": "r1"},
    ],
    "routes": [
        {"router": "r0", "prefix": "0.0.0.0/0", "nexthop": "172.16.0.254"},
        {"router": "r0", "prefix": "10.9.0.0/16", "nexthop": "discard"},
    ],
    "nats": [
        {
            "router": "r0",
            "type": "snat",
            "external_ip": "172.16.0.1",
            "logical_ip": "10.0.0.0/24",
        }
    ],
    "acls": [
        {
            "switch": "s0",
            "direction": "from-lport",
            "priority": 100,
            "match": "ip4 && tcp.dst == 80",
            "action": "allow",
        }
    ],
}


SECTIONS = ", ".join(dict.fromkeys(it.section for it in KINDS.values() if not it.owner))


def problems_of(document, name="network.json"):
    with pytest.raises(StateError) as caught:
        if isinstance(document, str):
            parse_document(document, name)
        else:
            load_document(document)
    return [str(problem) for problem in caught.value.problems]


def test_a_document_becomes_entities_in_its_order():
    assert load_document(DOCUMENT) == (
        PhysicalNetwork("office"),
        Host("hv1", "192.0.2.1"),
        Host("gw1", "192.0.2.9", networks=("office",), service_node=True),
        Switch("s0", "acme"),
        Port("p0", "s0", "0a:00:00:00:00:01", "10.0.0.10", "hv1"),
        Port("p1", "s0", "0a:00:00:00:00:02", enabled=False, unknown=True),
        Switch("s1", "acme", replication="service-node"),
        Uplink("u1", "s1", "office", 7),
        Router("r0", "acme"),
        RouterPort("r0-s0", "r0", "0a:00:00:00:00:f0", "10.0.0.1/24", "s0", cidr6="fd00::1/64"),
        RouterPort("r0-s1", "r0", "0a:00:00:00:00:f1", "172.16.0.1/24", "s1", gateways=("gw1",)),
        Router("r1"),
        Route("r0", "0.0.0.0/0", "172.16.0.254"),
        Route("r0", "10.9.0.0/16", "discard"),
        Nat("r0", "snat", "172.16.0.1", "10.0.0.0/24"),
        Acl("s0", "from-lport", 100, "ip4 && tcp.dst == 80", "allow"),
    )


def test_a_canonical_document_comes_back():
    assert dump_document(load_document(DOCUMENT)) == DOCUMENT
    assert dump_document(load_document({})) == {}


def test_defaults_and_empty_sections_are_left_out():
    port = {"name": "p0", "mac": "0A:00:00:00:00:01", "ip": None, "host": None, "enabled": True}
    switch = {"name": "s0", "tenant": "t", "ports": [port]}
    document = {"hosts": [], "switches": [switch], "routers": [], "routes": [], "acls": []}
    assert dump_document(load_document(document)) == {
        "switches": [
            {"name": "s0", "tenant": "t", "ports": [{"name": "p0", "mac": "0a:00:00:00:00:01"}]}
        ]
    }


@pytest.mark.parametrize("suffix", ["json", "yaml", "yml"])
@given(network=networks.networks())
def test_what_is_saved_is_loaded(tmp_path_factory, suffix, network):
    path = tmp_path_factory.mktemp("document") / f"network.{suffix}"
    save_document(path, network)
    loaded = load_document(path)
    assert dump_document(loaded) == dump_document(network)
    assert set(loaded) == set(network)
    assert parse_document(path.read_text("utf-8"), path.name) == loaded
    assert load_document(dump_document(loaded)) == loaded


@given(network=networks.networks())
def test_a_store_dumps_what_it_loaded(network):
    document = dump_document(network)
    store = Store()
    for _ in range(2):
        with Transaction(store) as tx:
            tx.become(load_document(document))
        assert dump_document(store) == document
    assert not tx.change


def test_yaml_reads_no_number_into_an_address_and_no_truth_into_a_name():
    text = """
    hosts: [{name: no, ip: 192.0.2.1}]
    switches:
    - {name: 1e5, tenant: 2026-01-01, ports: [{name: on, mac: 10:20:30:40:50:59, host: no}]}
    """
    assert parse_document(text, "network.yaml") == (
        Host("no", "192.0.2.1"),
        Switch("1e5", "2026-01-01"),
        Port("on", "1e5", "10:20:30:40:50:59", host="no"),
    )


def test_all_problems_of_a_document_are_told_at_once():
    document = {
        "hosts": [{"name": "h", "ipp": "192.0.2.1"}, {"ip": 3}, 5, {"name": "h", "ip": "192.0.2.1"},
                  {"name": "h", "ip": "192.0.2.2"}],
        "switchs": [],
        "switches": [
            {"name": "s", "tenant": "t", "ports": [
                {"name": "p", "mac": "0a:zz", "enabeld": False},
                {"name": "q", "mac": "0a:00:00:00:00:01", "switch": "s"}]},
            {"name": "u", "tenant": None, "ports": [
                {"name": "q", "mac": "0a:00:00:00:00:01", "ip": "10.0.0"}]},
            {"tenant": "t", "ports": {"name": "p"}},
            {"tenant": "t", "ports": [{"name": "q"}]},
        ],
        "routers": [{"name": "r0"}, {}],
        "routes": "none",
        "acls": [{"switch": "s", "direction": "to-port", "priority": -1, "match": "tcp.dts == 1"}],
    }  # fmt: skip
    assert problems_of(document) == [
        "the document: switchs: there is no such section; did you mean `switches`?",
        'host "h": ipp: there is no such field; did you mean `ip`?',
        'host "h": ip: is missing',
        "hosts[1]: name: is missing",
        "hosts[1]: ip: 3 is not an IPv4 address such as 10.0.0.1",
        "hosts[2]: is the value 5, not an object with named fields",
        'host "h": is there twice: hosts[3] and hosts[4]',
        'port "p": enabeld: there is no such field; did you mean `enabled`?',
        "port \"p\": mac: '0a:zz' is not a MAC address such as 0a:00:00:00:00:01",
        'port "q": switch: there is no such field',
        'switch "u": tenant: None is not a text',
        "port \"q\": ip: '10.0.0' is not an IPv4 address such as 10.0.0.1",
        "switches[2]: name: is missing",
        "switches[2]: ports: is an object, not a list",
        "switches[3]: name: is missing",
        'port "q": mac: is missing',
        "routers[1]: name: is missing",
        "the document: routes: is a text, not a list",
        "acls[0]: action: is missing",
        "acls[0]: direction: 'to-port' is not `from-lport` or `to-lport`; did you mean `to-lport`?",
        "acls[0]: priority: -1 is not a whole number from 0 to 32767",
        (
            "acls[0]: match: there is no field or predicate `tcp.dts` [unknown-symbol]\n"
            "   |\n   | tcp.dts == 1\n   | ^^^^^^^\n   |\n   = help: did you mean `tcp.dst`?"
        ),
    ]


def test_a_name_used_in_two_switches_is_told_with_both_places():
    port = {"name": "p", "mac": "0a:00:00:00:00:01"}
    switches = [{"name": name, "tenant": "t", "ports": [port]} for name in ("a", "b")]
    assert problems_of({"switches": switches}) == [
        'port "p": is there twice: switches[0].ports[0] and switches[1].ports[0]'
    ]


@pytest.mark.parametrize(
    ("text", "name", "problem"),
    [
        ('{"hosts": [\n}', "n.json", "n.json: line 2 column 1: Expecting value"),
        ("[]", "n.json", f"n.json: is a list; a document is an object of {SECTIONS}"),
        ("null", "n.json", f"n.json: is null; a document is an object of {SECTIONS}"),
        ('{"hosts": 3}', "n.json", "n.json: hosts: is the value 3, not a list"),
        ('{"hosts": [], "hosts": []}', "n.json",
         "n.json: the field 'hosts' is there twice in one object"),
        ('{"hosts": [{"name": "h", "ip": 1, "ip": 2}]}', "n.json",
         "n.json: the field 'ip' of 'h' is there twice in one object"),
        ("[" * 100_000, "n.json", "n.json: is nested too deeply"),
        ("hosts: [", "n.yaml",
         "n.yaml: line 1 column 9: expected the node content, but found '<stream end>'"),
        ("hosts: []\nhosts: []", "n.yaml",
         "n.yaml: line 2 column 1: the field 'hosts' is there twice in one object"),
        ("a:\n- \x00", "n.yaml",
         "n.yaml: line 2 column 3: special characters are not allowed"),
        ("{[]: 1}", "n.yaml", "n.yaml: line 1 column 2: found unhashable key"),
        ("a: !!python/object:x y", "n.yaml", ("n.yaml: line 1 column 4: could not determine a "
         "constructor for the tag 'tag:yaml.org,2002:python/object:x'")),
        ("{}", "n.toml",
         "n.toml: the suffix '.toml' does not tell its form; use .json, .yaml, .yml"),
    ],
)  # fmt: skip
def test_what_is_no_document_is_refused(text, name, problem):
    assert problems_of(text, name) == [problem]


def test_files_that_cannot_be_read(tmp_path):
    for name, content, problem in [
        ("absent.json", None, "No such file or directory"),
        ("latin.json", b'{"hosts": "\xe9"}', "byte 11 is not UTF-8 text"),
    ]:
        path = tmp_path / name
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(StateError) as caught:
            load_document(path)
        assert str(caught.value) == f"{path}: {problem}"
    with pytest.raises(StateError, match=r"this is text, not a path; use `parse_document`"):
        load_document('{"hosts": []}')
    with pytest.raises(StateError, match="No such file or directory"):
        save_document(tmp_path / "absent" / "network.json", [])
    with pytest.raises(StateError, match="does not tell its form"):
        save_document(tmp_path / "network", [])


def test_a_byte_order_mark_is_no_obstacle(tmp_path):
    path = tmp_path / "network.json"
    path.write_text(json.dumps(DOCUMENT), "utf-8-sig")
    assert load_document(str(path)) == load_document(DOCUMENT)


def test_json_and_yaml_say_the_same():
    for text, name in ((json.dumps(DOCUMENT), "a.json"), (yaml.safe_dump(DOCUMENT), "a.yml")):
        assert parse_document(text, name) == load_document(DOCUMENT)


def test_the_example_has_two_tenants_with_the_same_addresses():
    entities = load_document(EXAMPLE)
    store = Store()
    with Transaction(store) as tx:
        tx.become(entities)
    tenants = {it.name: it.tenant for it in entities if isinstance(it, Switch)}
    assert sorted(set(tenants.values())) == ["acme", "globex"]
    addresses = {tenant: set() for tenant in tenants.values()}
    for port in entities:
        if isinstance(port, Port):
            addresses[tenants[port.switch]].add((port.mac, port.ip))
    assert addresses["globex"] < addresses["acme"]
    assert len(store.records("host")) == len(store.records("switch")) == 3
