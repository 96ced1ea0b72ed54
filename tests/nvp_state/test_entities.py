"""Entities: canonical text in, one error with everything that is wrong out."""

import pytest
from attrs.exceptions import FrozenInstanceError

from nvp_state.entities import (
    Acl,
    AddressSet,
    Host,
    Meter,
    Port,
    PortGroup,
    Switch,
    references,
)
from nvp_state.errors import StateError

MAC = "0a:00:00:00:00:01"
PORT = {"name": "p", "switch": "s", "mac": MAC}
ACL = {"switch": "s", "direction": "to-lport", "priority": 1, "match": "1", "action": "drop"}


def test_addresses_become_canonical():
    assert Port("p", "s", "0A:00:00:00:00:0F").mac == "0a:00:00:00:00:0f"
    assert Port("p", "s", MAC.upper()) == Port("p", "s", MAC)


def test_defaults_are_those_of_the_document():
    port = Port("p", "s", MAC)
    assert (port.ip, port.host) == (None, None)
    assert (port.port_security, port.enabled, port.unknown) == (True, True, False)


def test_keys_and_titles():
    acl = Acl("s", "to-lport", 7, "ip4", "drop")
    assert [it.key for it in (Host("h", "192.0.2.1"), Switch("s", "t"), Port("p", "s", MAC))] == [
        "h",
        "s",
        "p",
    ]
    assert acl.key == ("s", "to-lport", 7, "ip4")
    assert acl.title == 'acl "s:to-lport:7:ip4"'


def test_references():
    assert references(Host("h", "192.0.2.1")) == ()
    assert references(Port("p", "s", MAC)) == (("switch", ("switch", "s")),)
    assert dict(references(Port("p", "s", MAC, host="h")))["host"] == ("host", "h")
    assert references(Acl(**ACL)) == (("switch", ("switch", "s")),)


def test_entities_do_not_change():
    with pytest.raises(FrozenInstanceError):
        Switch("s", "t").tenant = "u"


@pytest.mark.parametrize(
    ("kind", "fields", "problem"),
    [
        (Port, {"mac": "0a:00"}, "mac: '0a:00' is not a MAC address such as 0a:00:00:00:00:01"),
        (Port, {"mac": 5}, "mac: 5 is not a MAC address such as 0a:00:00:00:00:01"),
        (Port, {"mac": "0a-00-00-00-00-01"}, "mac: '0a-00-00-00-00-01' is not a MAC address"),
        (Port, {"mac": f"{MAC}\n"}, "is not a MAC address"),
        (Port, {"mac": "01:00:00:00:00:00"}, "is a multicast address; a port has a unicast one"),
        (Port, {"ip": "10.0.0"}, "ip: '10.0.0' is not an IPv4 address such as 10.0.0.1"),
        (Port, {"ip": "10.0.0.01"}, "is not an IPv4 address"),
        (Port, {"ip": 167772161}, "ip: 167772161 is not an IPv4 address"),
        (Port, {"ip": "224.0.0.1"}, "is not the address of one machine"),
        (Port, {"ip": "0.0.0.0"}, "is not the address of one machine"),
        (Port, {"name": ""}, "name: is empty"),
        (Port, {"name": 3}, "name: 3 is not a text"),
        (Port, {"name": " p"}, "name: ' p' has control characters, or blanks at an end"),
        (Port, {"name": "p\n"}, "has control characters, or blanks at an end"),
        (Port, {"name": "p" * 256}, "name: has 256 characters; 255 are the most"),
        (Port, {"host": ""}, "host: is empty"),
        (Port, {"enabled": 1}, "enabled: 1 is neither true nor false"),
        (Port, {"unknown": "no"}, "unknown: 'no' is neither true nor false"),
        (Acl, {"priority": 32768}, "priority: 32768 is not a whole number from 0 to 32767"),
        (Acl, {"priority": True}, "priority: True is not a whole number from 0 to 32767"),
        (Acl, {"direction": "to-port"}, "direction: 'to-port' is not `from-lport` or `to-lport`;"),
        (Acl, {"direction": None}, "direction: None is not `from-lport` or `to-lport`"),
        (Acl, {"action": "permit"}, "action: 'permit' is not `allow` or `allow-related` or"),
        (Acl, {"action": ["drop"]}, "action: ['drop'] is not `allow` or `allow-related` or"),
        (Acl, {"switch": None}, "give one of `switch` and `port_group`"),
        (Acl, {"port_group": "g"}, "give one of `switch` and `port_group`"),
        (Acl, {"tier": 4}, "tier: 4 is not a whole number from 0 to 3"),
        (Acl, {"severity": "high"}, "severity: 'high' is not `alert`"),
        (AddressSet, {"name": "a b"}, "name: 'a b' is not a word of letters, digits, `_` and `.`"),
        (AddressSet, {"addresses": "10.0.0.1"}, "addresses: '10.0.0.1' is not a list"),
        (AddressSet, {"addresses": ["10.0.0.1/8"]}, "bits are set behind the prefix"),
        (AddressSet, {"addresses": ["ten"]}, "'ten' is not an IP address, a prefix such as"),
        (PortGroup, {"ports": [""]}, "ports: is empty"),
        (Meter, {"rate": 0}, "rate: 0 is not a whole number from 1 to 4294967295"),
        (Acl, {"match": 1}, "match: 1 is not a text"),
        (Acl, {"match": "tcp.dts == 1"}, "match: there is no field or predicate `tcp.dts`"),
        (
            Acl,
            {"direction": "from-lport", "match": 'outport == "a"'},
            "match: `outport` is not known yet when a packet enters; use it with `to-lport`",
        ),
    ],
)
def test_a_bad_field_is_named(kind, fields, problem):
    with pytest.raises(StateError) as caught:
        kind(**(GOOD[kind] | fields))
    assert len(caught.value.problems) == 1
    assert problem in str(caught.value)


def test_all_bad_fields_are_told_at_once():
    with pytest.raises(StateError) as caught:
        Port("p0", "", "0a:zz", ip="x", enabled=None)
    assert [(it.object, it.field) for it in caught.value.problems] == [
        ('port "p0"', "switch"),
        ('port "p0"', "mac"),
        ('port "p0"', "ip"),
        ('port "p0"', "enabled"),
    ]


GOOD = {
    Port: PORT,
    Acl: ACL,
    AddressSet: {"name": "a"},
    PortGroup: {"name": "g"},
    Meter: {"name": "m", "rate": 1},
}
