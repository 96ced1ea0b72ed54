"""Network documents as OVN's northbound database has them.

    operations(document, prefix) -> the OVSDB operations that insert the network

Every name gets the prefix, also in match expressions, so that many networks stand side by side in
one database and do not know of each other. A router port that is on a switch has a port of type
`router` there, called `switch_side(name)`. Hosts, and whatever else OVN's northbound database does
not have, are left out.

OVN 23.03 has no tiers: a network that has some gets its ACLs renumbered, the first tier above the
second and so on, which comes to the same as long as no ACL passes packets to the next tier.
"""

import re
from collections.abc import Iterable, Mapping
from itertools import count
from typing import Any

Document = Mapping[str, Any]
Operation = dict[str, Any]

_NAMES = re.compile(r'"((?:[^"\\]|\\.)*)"|([@$])([A-Za-z_.][\w.]*)')
ROOTS = ("Logical_Switch", "Logical_Router", "Port_Group", "Address_Set")


def switch_side(router_port: str) -> str:
    """The name of a router port's other end, which is a port of the switch."""
    return f"{router_port}-switch"


def peers(document: Document) -> dict[str, str]:
    """What each router port is joined with: another one, or its other end on a switch."""
    ports = [port for router in document.get("routers", ()) for port in router["ports"]]
    joined = {it["name"]: switch_side(it["name"]) for it in ports if it.get("switch")}
    for it in ports:
        if it.get("peer"):
            joined |= {it["name"]: it["peer"], it["peer"]: it["name"]}
    return joined


def operations(document: Document, prefix: str) -> list[Operation]:
    """The operations of one transaction, for "transact" of OVSDB's protocol (RFC 7047)."""
    return _Northbound(document, prefix).operations


class _Northbound:
    def __init__(self, document: Document, prefix: str) -> None:
        self.operations: list[Operation] = []
        self._prefix = prefix
        self._number = count()
        self._acls = _ranked(document.get("acls", ()))
        routers = document.get("routers", ())
        self._router_ports = [port for router in routers for port in router["ports"]]
        self._peers = peers(document)
        self._lsp: dict[str, list[str]] = {}
        for switch in document.get("switches", ()):
            self._switch(switch)
        for router in routers:
            self._router(router, document.get("routes", ()))
        for group in document.get("port_groups", ()):
            ports = [self._lsp[port] for port in group["ports"]]
            acls = self._add_acls("port_group", group["name"])
            self._insert("Port_Group", group["name"], ports=_set(ports), acls=acls)
        for addresses in document.get("address_sets", ()):
            row = {"addresses": _set(addresses["addresses"])}
            self._insert("Address_Set", addresses["name"], **row)

    def _insert(self, table: str, name: str | None, **row: Any) -> list[str]:
        uuid = f"{self._prefix}{next(self._number)}"
        if name is not None:
            row["name"] = self._prefix + name
        self.operations.append({"op": "insert", "table": table, "row": row, "uuid-name": uuid})
        return ["named-uuid", uuid]

    def _switch(self, switch: Document) -> None:
        ports = [self._switch_port(port) for port in switch.get("ports", ())]
        for port in self._router_ports:
            if port.get("switch") == switch["name"]:
                name = switch_side(port["name"])
                row = {"type": "router", "addresses": "router"}
                options = ["map", [["router-port", self._prefix + port["name"]]]]
                self._lsp[name] = self._insert("Logical_Switch_Port", name, options=options, **row)
                ports.append(self._lsp[name])
        acls = self._add_acls("switch", switch["name"])
        self._insert("Logical_Switch", switch["name"], ports=_set(ports), acls=acls)

    def _switch_port(self, port: Document) -> list[str]:
        own = " ".join(port[field] for field in ("mac", "ip", "ip6") if port.get(field))
        addresses = [own, "unknown"] if port.get("unknown", False) else [own]
        guard = [own] if port.get("port_security", True) else []
        name, enabled = port["name"], port.get("enabled", True)
        row = {"addresses": _set(addresses), "port_security": _set(guard), "enabled": enabled}
        self._lsp[name] = self._insert("Logical_Switch_Port", name, **row)
        return self._lsp[name]

    def _router(self, router: Document, routes: Iterable[Document]) -> None:
        ports = [self._router_port(port) for port in router["ports"]]
        rows = []
        for route in routes:
            if route["router"] == router["name"]:
                row = {"ip_prefix": route["prefix"], "nexthop": route["nexthop"]}
                if route.get("port"):
                    row["output_port"] = self._prefix + route["port"]
                rows.append(self._insert("Logical_Router_Static_Route", None, **row))
        self._insert("Logical_Router", router["name"], ports=_set(ports), static_routes=_set(rows))

    def _router_port(self, port: Document) -> list[str]:
        networks = [port[field] for field in ("cidr", "cidr6") if port.get(field)]
        row: dict[str, Any] = {"mac": port["mac"], "networks": _set(networks)}
        if not port.get("switch") and port["name"] in self._peers:
            row["peer"] = self._prefix + self._peers[port["name"]]
        return self._insert("Logical_Router_Port", port["name"], **row)

    def _add_acls(self, where: str, name: str) -> list[Any]:
        rows = []
        for acl in self._acls:
            if acl.get(where) == name:
                row = {field: acl[field] for field in ("direction", "priority", "action")}
                row["match"] = f"({_NAMES.sub(self._prefixed, acl['match'])})"
                rows.append(self._insert("ACL", None, **row))
        return _set(rows)

    def _prefixed(self, found: re.Match) -> str:
        quoted, sigil, name = found.groups()
        return f"{sigil}{self._prefix}{name}" if sigil else f'"{self._prefix}{quoted}"'


def _ranked(acls: Iterable[Document]) -> list[Document]:
    acls = list(acls)
    if not any(acl.get("tier", 0) for acl in acls):
        return acls
    places = sorted({(-acl.get("tier", 0), acl["priority"]) for acl in acls})
    ranks = {place: rank for rank, place in enumerate(places)}
    return [{**acl, "priority": ranks[-acl.get("tier", 0), acl["priority"]]} for acl in acls]


def _set(values: Iterable[Any]) -> list[Any]:
    return ["set", list(values)]
