"""Importing OVN's northbound database: what was exported comes back, and what is lost is named.

The databases are real ones, with a private `ovsdb-server` each; what is in them is written by
`ovn-nbctl`, or by the operations that tests of the network program load networks with.
"""

import json
from random import Random

import attrs
import pytest

from nvp_state import Acl, Host, LoadBalancer, NetworkState, StateError
from nvp_state.cli import main
from nvp_state.document import dump_document, load_document
from nvp_state.expression import normalise
from nvp_state.ovn import import_northbound
from tests.daemons import ControlSocket, Daemons
from tests.nvp_state.random_networks import Features, a_network
from tests.ovn import SCHEMAS, installed
from tests.ovn_document import operations

pytestmark = installed
SCHEMA = f"{SCHEMAS}/ovn-nb.ovsschema"
PREFIX = "zz_"
ROWS = ("Logical_Switch", "Logical_Router", "Port_Group", "Address_Set")


@pytest.fixture
def server(tmp_path):
    with Daemons(tmp_path / "ovn") as daemons:
        daemons.spawn_database("nb", SCHEMA)
        yield daemons


def nbctl(server, *commands):
    """Run `ovn-nbctl` with commands, each a text."""
    words = [word for command in commands for word in ("--", *command.split())]
    server.run("ovn-nbctl", f"--db=unix:{server.folder}/nb.sock", "--no-leader-only", *words)


def socket_of(server):
    return str(server.folder / "nb.sock")


def told(imported):
    return [str(it) for it in imported.unsupported]


def entities_of(document):
    """Entities without what OVN's northbound database does not have; of ACLs, what matches mean."""
    document = json.loads(json.dumps(document))
    document.pop("hosts", None)
    for switch in document.get("switches", ()):
        for port in switch.get("ports", ()):
            port.pop("host", None)
    return {
        (*attrs.astuple(it)[:3], normalise(it.match), it.action, it.port_group)
        if isinstance(it, Acl)
        else it
        for it in load_document(document)
    }


@pytest.mark.parametrize("with_file", [False, True], ids=["server", "file"])
def test_random_networks_come_back(server, with_file):
    database, random, kinds = ControlSocket(server.folder / "nb.sock"), Random(4), set()
    for _ in range(8 if with_file else 25):
        document = a_network(random, Features(tiers=False))
        clear = [{"op": "delete", "table": table, "where": []} for table in ROWS]
        done = database.call("transact", ["OVN_Northbound", *clear, *operations(document, PREFIX)])
        assert not any(it.get("error") for it in done), done
        source = server.folder / ("nb.db" if with_file else "nb.sock")
        imported = import_northbound(source, tenant="acme")
        again = json.loads(json.dumps(imported.document).replace(PREFIX, ""))
        assert entities_of(again) == entities_of(document)
        assert told(imported) == []
        kinds |= {entity.kind for entity in imported.entities}
    assert kinds >= {"switch", "port", "router", "router-port", "route", "acl"}


SET_UP = (
    "ls-add front",
    "set logical_switch front external_ids:nvp-tenant=acme",
    "lsp-add front web",
    "set logical_switch_port web options:requested-chassis=hv1",
    "ls-add world",
    "lsp-add world wire",
    "lsp-set-type wire localnet",
    "lsp-set-addresses wire unknown",
    "lsp-set-options wire network_name=physnet",
    "set logical_switch_port wire tag=7",
    "lr-add r",
    "lrp-add r r-f 0e:00:00:00:00:01 10.0.0.1/24 2001:db8::1/64",
    "lrp-add r r-w 0e:00:00:00:00:02 172.16.0.1/24",
    "lsp-add front f-r",
    "lsp-set-type f-r router",
    "lsp-set-addresses f-r router",
    "lsp-set-options f-r router-port=r-f",
    "lsp-add world w-r",
    "lsp-set-type w-r router",
    "lsp-set-addresses w-r router",
    "lsp-set-options w-r router-port=r-w",
    "lrp-set-gateway-chassis r-w hv2 5",
    "lrp-set-gateway-chassis r-w hv1 9",
    "lr-route-add r 0.0.0.0/0 172.16.0.254",
    "lr-route-add r 10.7.0.1 10.0.0.10",
    "lr-nat-add r snat 172.16.0.1 10.0.0.0/24",
    "lr-nat-add r dnat_and_snat 172.16.0.9 10.0.0.10 web 0a:00:00:00:00:99",
    "set logical_router_port r-f ipv6_ra_configs:address_mode=slaac",
    "set logical_router_port r-f ipv6_ra_configs:mtu=1400",
    "lr-policy-add r 10 ip4.src==10.0.0.10 reroute 172.16.0.253",
    "qos-add front from-lport 5 ip4 dscp=46 rate=1000",
    "static-mac-binding-add r-w 172.16.0.254 0e:00:00:00:00:77",
    "meter-add slow drop 100 kbps 20",
)

EXPECTED = {
    "physical_networks": [{"name": "physnet"}],
    "hosts": [{"name": "hv1", "ip": "192.0.2.1"}, {"name": "hv2", "ip": "192.0.2.2"}],
    "switches": [
        {
            "name": "front",
            "tenant": "acme",
            "ports": [
                {
                    "name": "web",
                    "mac": "0a:00:00:00:00:01",
                    "ip": "10.0.0.10",
                    "ip6": "2001:db8::10",
                    "host": "hv1",
                    "port_security": False,
                    "unknown": True,
                }
            ],
        },
        {"name": "world", "tenant": "imported"},
    ],
    "uplinks": [{"name": "wire", "switch": "world", "network": "physnet", "tag": 7}],
    "routers": [
        {
            "name": "r",
            "ports": [
                {
                    "name": "r-f",
                    "mac": "0e:00:00:00:00:01",
                    "cidr": "10.0.0.1/24",
                    "switch": "front",
                    "cidr6": "2001:db8::1/64",
                },
                {
                    "name": "r-w",
                    "mac": "0e:00:00:00:00:02",
                    "cidr": "172.16.0.1/24",
                    "switch": "world",
                    "gateways": ["hv1", "hv2"],
                },
            ],
        }
    ],
    "routes": [
        {"router": "r", "prefix": "0.0.0.0/0", "nexthop": "172.16.0.254"},
        {"router": "r", "prefix": "10.7.0.1/32", "nexthop": "10.0.0.10"},
    ],
    "policies": [
        {
            "router": "r",
            "priority": 10,
            "match": "ip4.src==10.0.0.10",
            "action": "reroute",
            "nexthop": "172.16.0.253",
        }
    ],
    "static_mac_bindings": [{"port": "r-w", "ip": "172.16.0.254", "mac": "0e:00:00:00:00:77"}],
    "qos": [
        {
            "switch": "front",
            "direction": "from-lport",
            "priority": 5,
            "match": "ip4",
            "dscp": 46,
            "rate": 1000,
        }
    ],
    "nats": [
        {
            "router": "r",
            "type": "dnat_and_snat",
            "external_ip": "172.16.0.9",
            "logical_ip": "10.0.0.10",
            "logical_port": "web",
            "external_mac": "0a:00:00:00:00:99",
        },
        {
            "router": "r",
            "type": "snat",
            "external_ip": "172.16.0.1",
            "logical_ip": "10.0.0.0/24",
        },
    ],
    "meters": [{"name": "slow", "rate": 100, "unit": "kbps", "burst": 20}],
    "acls": [
        {
            "switch": "front",
            "direction": "from-lport",
            "priority": 9,
            "match": 'inport == "r-f" && ip4',
            "action": "allow-related",
        }
    ],
    "dhcp_options": [
        {
            "switch": "front",
            "prefix": "10.0.0.0/24",
            "options": {
                "dns_server": "10.0.0.1,10.0.0.2",
                "server_id": "10.0.0.1",
                "server_mac": "0e:00:00:00:00:01",
            },
        }
    ],
    "dns": [{"switch": "front", "name": "web.example", "addresses": ["10.0.0.10", "2001:db8::10"]}],
    "router_advertisements": [{"port": "r-f", "mtu": 1400}],
}


def test_what_an_administrator_has_set_up(server):
    nbctl(server, *SET_UP)
    server.run("ovn-nbctl", f"--db=unix:{socket_of(server)}", "lsp-set-addresses", "web",
               "0a:00:00:00:00:01 10.0.0.10 2001:db8::10", "unknown")  # fmt: skip
    server.run("ovn-nbctl", f"--db=unix:{socket_of(server)}", "acl-add", "front", "from-lport", "9",
               'inport == "f-r" && ip4', "allow-related")  # fmt: skip
    server.run("ovn-nbctl", f"--db=unix:{socket_of(server)}", "--", "--id=@d", "create", "DNS",
               'records={web.example="10.0.0.10 2001:db8::10"}', "--", "add", "logical_switch",
               "front", "dns_records", "@d")  # fmt: skip
    server.run("ovn-nbctl", f"--db=unix:{socket_of(server)}", "--", "--id=@d", "create",
               "DHCP_Options", "cidr=10.0.0.0/24", "options:server_id=10.0.0.1",
               "options:server_mac=0e:00:00:00:00:01", "options:dns_server={10.0.0.1, 10.0.0.2}",
               "--", "set", "logical_switch_port", "web", "dhcpv4_options=@d")  # fmt: skip
    hosts = [Host("hv1", "192.0.2.1", networks=()), Host("hv2", "192.0.2.2")]
    imported = import_northbound(socket_of(server), hosts=hosts)
    assert told(imported) == []
    assert imported.document == EXPECTED


def test_what_is_not_supported_is_named(server):
    nbctl(
        server,
        "ls-add s",
        "set logical_switch s other_config:mcast_snoop=true",
        "lsp-add s bare",
        "lsp-add s good",
        "lsp-set-addresses good 0a:00:00:00:00:01",
        "lsp-set-options good requested-chassis=hv9 qos_burst=5",
        "lsp-add s tap",
        "lsp-set-type tap localport",
        "lsp-add s lost",
        "lsp-set-addresses lost 0a:00:00:00:00:02",
        "lsp-set-port-security lost 0a:00:00:00:00:03",
        "lr-add r",
        "--policy=src-ip lr-route-add r 10.5.0.0/16 10.0.0.9",
        "lb-add lb0 10.0.0.100:80 10.0.0.1:80 sctp",
        "ls-lb-add s lb0",
        "ha-chassis-group-add far",
        "set logical_router r options:chassis=hv1",
    )
    imported = import_northbound(socket_of(server))
    lines = told(imported)
    starts = [
        "HA_Chassis_Group far: nothing of ours is like it",
        "Load_Balancer lb0 protocol: 'sctp' is not `tcp` or `udp`",
        "Logical_Router r options:chassis: 'hv1' has no meaning here",
        "Logical_Switch s other_config:mcast_snoop: 'true' has no meaning here",
        "Logical_Switch_Port bare addresses: no MAC address",
        "Logical_Switch_Port good options: host hv9 is not known here",
        "Logical_Switch_Port good options:qos_burst: '5' has no meaning here",
        "Logical_Switch_Port lost port_security: '0a:00:00:00:00:03' is not as `addresses`",
        "Logical_Switch_Port tap type: there are no ports of type localport",
    ]
    for start in starts:
        assert any(line.startswith(start) for line in lines), (start, lines)
    assert any(it.table == "Logical_Router_Static_Route" and it.column == "policy"
               for it in imported.unsupported)  # fmt: skip
    assert {it.key for it in imported.entities} == {"s", "good", "lost", "r"}
    NetworkState().load(imported.document)


def test_each_address_of_a_load_balancer_is_one_of_ours(server):
    nbctl(
        server,
        "ls-add s",
        "lr-add r",
        "lb-add web 10.9.0.1:80 10.0.0.1:8080,10.0.0.2:8080 tcp",
        "lb-add web [fd09::1]:80 [fd00::1]:8080 tcp",
        "lb-add all 10.9.0.2 10.0.0.1",
        "ls-lb-add s web",
        "ls-lb-add s all",
        "lr-lb-add r all",
        "set load_balancer web options:reject=true",
    )
    imported = import_northbound(socket_of(server))
    assert [it for it in imported.entities if isinstance(it, LoadBalancer)] == [
        LoadBalancer("all", "10.9.0.2", ("10.0.0.1",), "tcp", ("s",), ("r",)),
        LoadBalancer(
            "web 10.9.0.1:80", "10.9.0.1:80", ("10.0.0.1:8080", "10.0.0.2:8080"), "tcp", ("s",)
        ),
        LoadBalancer("web [fd09::1]:80", "[fd09::1]:80", ("[fd00::1]:8080",), "tcp", ("s",)),
    ]
    assert told(imported) == ["Load_Balancer web options:reject: 'true' has no meaning here"]


def test_what_refers_to_what_is_left_out_is_left_out_too(server):
    nbctl(
        server,
        "ls-add s",
        "lsp-add s bare",
        "lr-add r",
        "lrp-add r up 0e:00:00:00:00:01 172.16.0.1/24 peer=away",
        "lr-route-add r 0.0.0.0/0 172.16.0.9 up",
        "lr-nat-add r dnat_and_snat 172.16.0.9 10.0.0.10 bare 0a:00:00:00:00:99",
    )
    imported = import_northbound(socket_of(server))
    assert {it.key for it in imported.entities} == {"s", "r"}
    texts = {it.text for it in imported.unsupported}
    missing = {'port "bare"', 'router-port "away"', 'router-port "up"'}
    assert texts >= {f"{it} is not imported" for it in missing}


def test_sources_that_are_none_are_refused(server, tmp_path):
    with pytest.raises(StateError, match="No such file"):
        import_northbound(tmp_path / "nothing")
    (tmp_path / "text").write_text("OVSDB JSON x\n")
    for path, said in (("text", "is no file of a database"), ("sb.db", "is no file of a database")):
        if path == "sb.db":
            server.run("ovsdb-tool", "create", f"{tmp_path}/sb.db", f"{SCHEMAS}/ovn-sb.ovsschema")
        with pytest.raises(StateError, match=said):
            import_northbound(tmp_path / path)
    server.spawn_database("sb", f"{SCHEMAS}/ovn-sb.ovsschema", "south")
    with pytest.raises(StateError, match="has no database OVN_Northbound"):
        import_northbound(server.folder / "sb.sock")
    server.run("ovsdb-tool", "create-cluster", f"{tmp_path}/c.db", SCHEMA, f"unix:{tmp_path}/raft")
    with pytest.raises(StateError, match="is of a cluster's server"):
        import_northbound(tmp_path / "c.db")


def test_the_commands(server, tmp_path, capsys):
    nbctl(
        server,
        "ls-add s",
        "lsp-add s p",
        "lsp-set-addresses p 0a:00:00:00:00:01",
        "ha-chassis-group-add l",
    )
    hosts = tmp_path / "hosts.json"
    hosts.write_text(json.dumps({"hosts": [{"name": "h", "ip": "192.0.2.1"}]}))
    command = ["import-ovn", socket_of(server), "--tenant", "acme", "--hosts", str(hosts)]
    main(command, standalone_mode=False)
    out, err = capsys.readouterr()
    document = json.loads(out)
    port = {"name": "p", "mac": "0a:00:00:00:00:01", "port_security": False}
    assert document == {
        "hosts": [{"name": "h", "ip": "192.0.2.1"}],
        "switches": [{"name": "s", "tenant": "acme", "ports": [port]}],
    }
    assert err == "not supported: HA_Chassis_Group l: nothing of ours is like it, or uses it\n"
    there = tmp_path / "network.yaml"
    main([*command, "--to", str(there)], standalone_mode=False)
    main(["export", str(there)], standalone_mode=False)
    assert json.loads(capsys.readouterr().out) == document
    assert dump_document(load_document(there)) == document
