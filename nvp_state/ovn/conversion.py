"""Rows of a northbound database as entities, and what of them is left out.

Names and meanings are those of ovn-nb(5). What OVN's northbound database does not have comes from
the caller: whose switches are (`external_ids:nvp-tenant` says it, if it is there), and the hosts,
which `options:requested-chassis` and gateways name.

Every column of every row is read here, or stands in `unsupported`; so does a row whose entity is
refused, or refers to one that is not there, with the reason.
"""

from collections.abc import Callable, Iterable
from ipaddress import ip_address, ip_network
from os import PathLike
from pathlib import Path
from typing import Any

from attrs import frozen

from nvp_state.document import Document, dump_document
from nvp_state.entities import KINDS, Entity, Host, PhysicalNetwork, references, title
from nvp_state.entities.access import Acl, AddressSet, Meter, PortGroup, Qos
from nvp_state.entities.balancing import LoadBalancer
from nvp_state.entities.routing import Nat, Policy, Route, Router, RouterPort, StaticMacBinding
from nvp_state.entities.services import DhcpOptions, DnsRecord, RouterAdvertisement
from nvp_state.entities.switching import Port, Switch, Uplink
from nvp_state.errors import StateError
from nvp_state.ovn.addresses import Addresses, addresses_of, renamed
from nvp_state.ovn.northbound import Row, Rows, read_rows

TENANT = "nvp-tenant"

# They say how the daemons meet, not what the network is.
_OF_DAEMONS = {"NB_Global", "Connection", "SSL"}


@frozen
class Unsupported:
    """Something that is not imported: of a row (all of it, if `column` is empty), and why."""

    table: str
    row: str
    column: str
    text: str

    def __str__(self) -> str:
        column = f" {self.column}" if self.column else ""
        return f"{self.table} {self.row}{column}: {self.text}"


@frozen
class Imported:
    """Entities that make a network, hosts included, and what of the database is not in it."""

    entities: tuple[Entity, ...]
    unsupported: tuple[Unsupported, ...]

    @property
    def document(self) -> Document:
        """The network document."""
        return dump_document(self.entities)


def import_northbound(
    source: str | PathLike[str], *, tenant: str = "imported", hosts: Iterable[Host] = ()
) -> Imported:
    """Read a northbound database.

    Args:
        source: the unix socket of its server (`unix:` before it may be there), or its file.
        tenant: whose switches are that do not say.
        hosts: those that ports and gateways may be on; they are part of what is returned.

    Raises:
        StateError: there is no such database there.
    """
    path = Path(str(source).removeprefix("unix:"))
    return _Conversion(read_rows(path), tenant, tuple(hosts)).done()


class _Conversion:
    def __init__(self, rows: Rows, tenant: str, hosts: tuple[Host, ...]) -> None:
        self.rows = rows
        self.tenant = tenant
        self.hosts = hosts
        self.host_names = {host.name for host in hosts}
        self.unsupported: list[Unsupported] = []
        self.found: dict[tuple[str, Any], tuple[Entity, Row]] = {}
        self.used: set[tuple[str, str]] = set()
        self.router_ends = self._router_ends()
        self.switch_at: dict[str, str] = {}
        self.served: dict[tuple[str, str], set[str]] = {}

    def done(self) -> Imported:
        """Everything: switches, then routers, then what is beside them."""
        for row in self.all("Logical_Switch"):
            self._switch(row)
        for row in self.all("Logical_Router"):
            self._router(row)
        for row in self.all("Load_Balancer"):
            self._balancer(row)
        for row in self.all("Static_MAC_Binding"):
            row.many("override_dynamic_mac")
            told = (row.one("logical_port"), row.one("ip"), row.one("mac"))
            self.add(row, StaticMacBinding, *told)
        for row in self.all("Address_Set"):
            self.add(row, AddressSet, row.name, tuple(sorted(row.many("addresses"))))
        for row in self.all("Port_Group"):
            self._port_group(row)
        for row in self.all("Meter"):
            self._meter(row)
        self._drop_dangling()
        self._note_served()
        self._note_unread()
        entities = [*self.hosts, *(entity for entity, _ in self.found.values())]
        order = list(KINDS)
        entities.sort(key=lambda it: (order.index(it.kind), it.kind != "host" and str(it.key)))
        return Imported(tuple(entities), tuple(sorted(self.unsupported, key=str)))

    def all(self, table: str) -> list[Row]:
        """All rows of a table, by name."""
        rows = sorted(self.rows.get(table, {}).values(), key=lambda row: (row.name, row.uuid))
        self.used |= {(table, row.uuid) for row in rows}
        return rows

    def referred(self, row: Row, column: str, table: str) -> list[Row]:
        """The rows that a column names."""
        found = [self.rows.get(table, {}).get(uuid) for uuid in row.many(column)]
        self.used |= {(table, it.uuid) for it in found if it}
        return sorted(filter(None, found), key=lambda it: (it.name, it.uuid))

    def add(self, row: Row, kind: type[Entity], *fields: Any, **named: Any) -> None:
        """Make an entity of a row, or say why there is none."""
        try:
            entity = kind(*fields, **named)
        except StateError as error:
            for problem in error.problems:
                self.leave(row, problem.field, problem.text)
            return
        there = self.found.get((entity.kind, entity.key))
        if there is not None and there[0] != entity:
            self.leave(row, "", f"another {entity.kind} is known as {entity.title} already")
            return
        self.found[entity.kind, entity.key] = (entity, row)

    def leave(self, row: Row, column: str, text: str) -> None:
        """Note what is not imported."""
        self.unsupported.append(Unsupported(row.table, row.name, column, text))

    def tenant_of(self, row: Row) -> str | None:
        told: str | None = row.entry("external_ids", TENANT)
        return told

    def placed(self, row: Row, column: str, names: Iterable[str]) -> tuple[str, ...]:
        """Those of the named hosts that there are; others are noted."""
        known = []
        for name in names:
            if name in self.host_names:
                known.append(name)
            else:
                self.leave(row, column, f"host {name} is not known here: give it with `hosts`")
        return tuple(known)

    def _router_ends(self) -> dict[str, str]:
        """The router port at each port of a switch that has one."""
        ports = self.rows.get("Logical_Switch_Port", {}).values()
        return {
            row.name: str(row.entry("options", "router-port"))
            for row in ports
            if row.one("type") == "router" and row.entry("options", "router-port")
        }

    def _switch(self, row: Row) -> None:
        self.add(row, Switch, row.name, self.tenant_of(row) or self.tenant)
        kinds: dict[str, Callable[[Row, str], None]] = {
            "": self._port,
            "router": self._router_end,
            "localnet": self._uplink,
            "l2gateway": self._uplink,
        }
        for port in self.referred(row, "ports", "Logical_Switch_Port"):
            kind = port.one("type", "")
            if kind in kinds:
                kinds[kind](port, row.name)
            else:
                self.leave(port, "type", f"there are no ports of type {kind}")
                self.used.discard((port.table, port.uuid))
        for acl in self.referred(row, "acls", "ACL"):
            self._acl(acl, row.name, None)
        for qos in self.referred(row, "qos_rules", "QoS"):
            self._qos(qos, row.name)
        for dns in self.referred(row, "dns_records", "DNS"):
            for name, addresses in sorted(dns.entries("records").items()):
                told = tuple(addresses.replace(",", " ").split())
                self.add(dns, DnsRecord, row.name, name, told)

    def _router_end(self, row: Row, switch: str) -> None:
        row.many("addresses")
        self.switch_at[self.router_ends.get(row.name, "")] = switch

    def _port(self, row: Row, switch: str) -> None:
        own = addresses_of(row, self.leave)
        if own is None:
            self.leave(row, "addresses", "no MAC address is among them, and a port has one")
            return
        requested = row.entry("options", "requested-chassis")
        host = self.placed(row, "options", [requested] if requested else [])
        named = {"port_security": self._guard(row, own), "enabled": row.one("enabled", True)}
        if row.one("parent_name"):
            named |= {"parent": row.one("parent_name"), "tag": row.one("tag")}
        place = (row.name, switch, own.mac, own.ip)
        self.add(
            *(row, Port, *place), ip6=own.ip6, host=host[0] if host else None,
            unknown=own.unknown, **named,
        )  # fmt: skip
        for column in ("dhcpv4_options", "dhcpv6_options"):
            for options in self.referred(row, column, "DHCP_Options"):
                self._dhcp(options, switch, row.name)

    def _guard(self, row: Row, own: Addresses) -> bool:
        """Whether a port may only use its addresses; what differs from those is noted."""
        guards = row.many("port_security")
        for guard in guards:
            if guard.split() != own.text.split():
                self.leave(
                    row, "port_security", f"{guard!r} is not as `addresses`: those are held to"
                )
        return bool(guards)

    def _dhcp(self, row: Row, switch: str, port: str) -> None:
        told = {
            name: value.strip("{}").replace(" ", "")
            for name, value in row.entries("options").items()
        }
        self.add(row, DhcpOptions, switch, row.one("cidr"), told)
        self.served.setdefault((switch, row.one("cidr")), set()).add(port)

    def _note_served(self) -> None:
        """Ports that DHCP serves in OVN are named one by one; here all in the prefix are."""
        ports = [it for it, _ in self.found.values() if isinstance(it, Port)]
        for options, row in list(self.found.values()):
            if isinstance(options, DhcpOptions):
                prefix = ip_network(options.prefix)
                named = self.served[options.switch, row.one("cidr")]
                for port in ports:
                    ip = port.ip if prefix.version == 4 else port.ip6
                    here = port.switch == options.switch and port.name not in named
                    if here and ip and ip_address(ip) in prefix:
                        self.leave(row, "cidr", f"{port.name} is served here, and not there")

    def _uplink(self, row: Row, switch: str) -> None:
        network = row.entry("options", "network_name", "")
        chassis = row.entry("options", "l2gateway-chassis")
        gateways = self.placed(row, "options", [chassis] if chassis else [])
        row.many("addresses")
        self.add(row, PhysicalNetwork, network)
        self.add(row, Uplink, row.name, switch, network, row.one("tag"), gateways)

    def _router(self, row: Row) -> None:
        self.add(row, Router, row.name, self.tenant_of(row))
        if row.one("enabled", True) is False:
            self.leave(row, "enabled", "routers are always enabled")
        for port in self.referred(row, "ports", "Logical_Router_Port"):
            self._router_port(port, row.name)
        for route in self.referred(row, "static_routes", "Logical_Router_Static_Route"):
            self._route(route, row.name)
        for policy in self.referred(row, "policies", "Logical_Router_Policy"):
            self._policy(policy, row.name)
        for nat in self.referred(row, "nat", "NAT"):
            if nat.entry("options", "stateless") == "true":
                self.leave(nat, "options:stateless", "connections are tracked")
            told = (nat.one("external_ip"), nat.one("logical_ip"), nat.one("logical_port"))
            self.add(nat, Nat, row.name, nat.one("type"), *told, nat.one("external_mac"))

    def _router_port(self, row: Row, router: str) -> None:
        networks: dict[str, str] = {}
        for network in row.many("networks"):
            field = "cidr6" if ":" in network else "cidr"
            if field in networks:
                self.leave(row, "networks", f"{network} is a second one of its family")
            networks.setdefault(field, network)
        if row.one("enabled", True) is False:
            self.leave(row, "enabled", "router ports are always enabled")
        where = {"switch": self.switch_at.get(row.name), "peer": row.one("peer")}
        gateways = self._gateways(row)
        self.add(row, RouterPort, row.name, router, row.one("mac"), **networks, **where,
                 gateways=gateways)  # fmt: skip
        self._advertisement(row)

    def _gateways(self, row: Row) -> tuple[str, ...]:
        """The hosts of a gateway port, the best first."""
        chassis = self.referred(row, "gateway_chassis", "Gateway_Chassis")
        for group in self.referred(row, "ha_chassis_group", "HA_Chassis_Group"):
            chassis += self.referred(group, "ha_chassis", "HA_Chassis")
        chassis.sort(key=lambda it: -int(it.one("priority", 0)))
        return self.placed(row, "gateway_chassis", [it.one("chassis_name") for it in chassis])

    def _advertisement(self, row: Row) -> None:
        mode = row.entry("ipv6_ra_configs", "address_mode")
        if not mode:
            return
        mtu, servers, domains = (
            row.entry("ipv6_ra_configs", name, "") for name in ("mtu", "rdnss", "dnssl")
        )
        self.add(
            *(row, RouterAdvertisement, row.name, mode, int(mtu) if mtu.isdecimal() else None),
            *(tuple(servers.replace(",", " ").split()), tuple(domains.replace(",", " ").split())),
        )

    def _route(self, row: Row, router: str) -> None:
        if row.one("policy") == "src-ip":
            self.leave(row, "policy", "routes go by destinations only")
            return
        if row.one("route_table"):
            self.leave(row, "route_table", f"{row.one('route_table')}: there is one table")
            return
        try:
            prefix = str(ip_network(row.one("ip_prefix"), strict=False))
        except ValueError as error:
            self.leave(row, "ip_prefix", str(error))
            return
        self.add(row, Route, router, prefix, row.one("nexthop"), row.one("output_port"))

    def _acl(self, row: Row, switch: str | None, group: str | None) -> None:
        match = renamed(row.one("match", ""), self.router_ends)
        place = (switch, row.one("direction"), row.one("priority"), match, row.one("action"))
        told = {name: row.one(name) for name in ("name", "severity", "meter")}
        tier, log = row.one("tier", 0), row.one("log", False)
        self.add(row, Acl, *place, port_group=group, tier=tier, log=log, **told)

    def _qos(self, row: Row, switch: str) -> None:
        match = renamed(row.one("match", ""), self.router_ends)
        told = {name: row.entry("bandwidth", name, 0) for name in ("rate", "burst")}
        place = (switch, row.one("direction"), row.one("priority"), match)
        self.add(row, Qos, *place, dscp=row.entry("action", "dscp"), **told)

    def _policy(self, row: Row, router: str) -> None:
        hops = [*row.many("nexthop"), *row.many("nexthops")]
        if len(set(hops)) > 1:
            self.leave(row, "nexthops", "a policy has one next hop")
            return
        told = (row.one("priority"), row.one("match"), row.one("action"))
        self.add(row, Policy, router, *told, hops[0] if hops else None)

    def _balancer(self, row: Row) -> None:
        switches, routers = (
            tuple(user.name for user in self.all(table) if row.uuid in user.many("load_balancer"))
            for table in ("Logical_Switch", "Logical_Router")
        )
        protocol = row.one("protocol") or "tcp"
        vips = sorted(row.entries("vips").items())
        for vip, backends in vips:
            name = row.name if len(vips) == 1 else f"{row.name} {vip}"
            told = (name, vip, tuple(backends.replace(",", " ").split()), protocol)
            self.add(row, LoadBalancer, *told, switches, routers)

    def _port_group(self, row: Row) -> None:
        ports = []
        for port in self.referred(row, "ports", "Logical_Switch_Port"):
            if port.one("type", ""):
                self.leave(row, "ports", f"{port.name} is no VM's port; groups are of those")
            else:
                ports.append(port.name)
        self.add(row, PortGroup, row.name, tuple(ports))
        for acl in self.referred(row, "acls", "ACL"):
            self._acl(acl, None, row.name)

    def _meter(self, row: Row) -> None:
        bands = self.referred(row, "bands", "Meter_Band")
        if len(bands) != 1 or bands[0].one("action") != "drop":
            self.leave(row, "bands", "a meter has one band, which drops")
            return
        (band,) = bands
        self.add(row, Meter, row.name, band.one("rate"), row.one("unit"), band.one("burst_size", 0))

    def _drop_dangling(self) -> None:
        """Drop what refers to something that is not there, until nothing does."""
        hosts = {(host.kind, host.key) for host in self.hosts}
        dangling = True
        while dangling:
            there = hosts | set(self.found)
            dangling = False
            for key, (entity, row) in list(self.found.items()):
                for field, target in references(entity):
                    if target not in there and key in self.found:
                        self.leave(row, field, f"{title(*target)} is not imported")
                        del self.found[key]
                        dangling = True

    def _note_unread(self) -> None:
        for table, rows in self.rows.items():
            for uuid, row in rows.items() if table not in _OF_DAEMONS else ():
                if (table, uuid) not in self.used:
                    self.leave(row, "", "nothing of ours is like it, or uses it")
                    continue
                for column, value in row.unread():
                    self.leave(row, column, f"{value!r} has no meaning here")
