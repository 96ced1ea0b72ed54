"""Addresses of a switch's port, and names in matches, as a northbound database writes them."""

import re
from collections.abc import Callable, Mapping

from attrs import frozen

from nvp_state.ovn.northbound import Row

_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_MAC = re.compile(r"[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}")

Leave = Callable[[Row, str, str], None]
"""Notes that something of a column is not imported, and why."""


@frozen
class Addresses:
    """What a port has: `text` is as the database has it, without `unknown`."""

    mac: str
    ip: str | None
    ip6: str | None
    unknown: bool
    text: str


def addresses_of(row: Row, leave: Leave) -> Addresses | None:
    """The addresses of a port: a MAC and at most one IP address of each family; None without MAC.

    What is more than that is noted.
    """
    texts = row.many("addresses")
    with_mac = [text for text in texts if _MAC.match(text)]
    for text in texts:
        if text != "unknown" and text not in with_mac[:1]:
            leave(row, "addresses", f"{text!r} is more than one MAC address with its IP addresses")
    if not with_mac:
        return None
    mac, *ips = with_mac[0].split()
    found: dict[str, str] = {}
    for ip in ips:
        family = "ip6" if ":" in ip else "ip"
        if family in found:
            leave(row, "addresses", f"{ip} is a second one of its family")
        found.setdefault(family, ip)
    return Addresses(mac, found.get("ip"), found.get("ip6"), "unknown" in texts, with_mac[0])


def renamed(match: str, names: Mapping[str, str]) -> str:
    """A match with other names of ports: a router's port has one name here, and two in OVN."""
    return _QUOTED.sub(lambda it: f'"{names.get(it[1], it[1])}"', match)
