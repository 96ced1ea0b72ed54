"""Entities as facts: the rows that the logical and the physical program read.

`facts_of(change)` gives the rows that a change of the store brings and takes. Nothing else goes
into the programs, and nothing here decides anything: what a flow does with a row is the rules'
business.

    logical    logical_switch(name, key)
               logical_port(name, ls, key, mac)
               port_address(port, ip)  port_address6(port, ip)    ports with an IP address
               nested(port, parent, tag)                     ports of a VLAN of another's VM
               mirrored(mirror, port, sink)
               port_security(port)  port_enabled(port)  port_unknown(port)    where the flag is set
               address_set(name)  address_set_prefix(set, prefix)  address_set_mac(set, mac)
               port_group(name)  port_group_port(group, port)
               meter(name, key, unit, rate, burst)
               acl(id, key, direction, tier, priority, action)
               acl_switch(acl, ls)  acl_group(acl, group)    where it stands
               acl_log(acl, name, severity, meter)           if it is logged; "" if left out
               acl_term(acl, number, clauses, inport, outport, tracked, match)
                                                             one for each term of its expression;
                                                             match is a list of (name, value, mask),
                                                             tracked -1 if that does not matter
               acl_value(acl, number, clause, match)         ways to meet a clause of a term
               acl_port(acl, number, clause, side, port)     likewise: `inport` or `outport`
               acl_group_port(acl, number, clause, side, group)
               acl_address(acl, number, clause, field, set, inside)
               logical_router(name, key)
               datapath_tenant(datapath, tenant)             of switches, and routers that have one
               router_shared(lr, tenant)
               router_port(name, lr, key, mac)
               router_address(port, ip, network)  router_address6(port, ip, network)
               router_link(port, ls)  router_peer(port, peer)     what the port is joined to
               route(id, key, lr, prefix, nexthop, port)  route6(…)    port is "" if left out
               route_discard(id, lr, prefix)
               policy(id, lr, priority, action)  policy_hop(id, nexthop)  policy_hop6(…)
               policy_term(policy, number, inport, outport, match)
               qos(id, key, ls, direction, priority, dscp, rate, burst)   dscp is -1, rate 0 if none
               qos_term(qos, number, inport, outport, match)
               static_mac(id, port, ip, mac)  static_mac6(…)
               uplink(name, ls, key)  gateway_port(port)
               snat(id, lr, external, inside, port)          inside is a prefix
               dnat(id, lr, external, inside, port)  nat_mac(id, mac)
               snat6(id, lr, external, inside, port)  dnat6(id, lr, external, inside, port)
               load_balancer(name, key, protocol, port)      port is 0 if all packets are meant
               vip(name, ip)  vip6(name, ip)
               backend(name, number, ip, port)  backend6(…)
               balancer_switch(name, ls)  balancer_router(name, lr)
               dhcp4(id, ls, prefix, server, server_mac)  dhcp6(id, ls, prefix, server_mac)
               dhcp_option(options, name, value)  dhcp_stateless(options)
               dns_record(id, ls, name, address)
               advertised(port, mode)  advertised_option(port, name, value)
               pipeline(name, tenant, stage)  pipeline_switch(pipeline, ls)
               own_flow(id, pipeline, number, priority, steps, verdict, target, port)
               own_step(flow, number, field, value)          field "" takes one from the TTL
               own_term(flow, number, inport, outport, match)
    physical   host(name, ip, key)
               nic(host, network)  physical_network(name, key)
               service_node(host, key)  served(ls)                who copies broadcasts for whom
               vif(port, host, ofport)                       ports on a host
               child(port, parent, tag)                      as `nested`
               child_zone(port, zone)                        of those whose parents are on a host
               mirror_source(mirror, port, side)             side 0 is what it sends, 1 what it gets
               mirror_sink(mirror, port)
               uplink_network(port, network, tag)            tag is -1 if there is none
               gateway(port, host, rank)                     of uplinks and router ports; 0 is best

`key` is the tunnel key. Of 128 bits a match has two halves, as `ipv6_src[64..127]`. An ACL's id
reads `switch:direction:priority:match`.

Invariant: the deltas of successive changes add up to the facts of all records; a row is never in
two of them at once, since each carries its entity's name. Cost: in proportion to the change.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from ipaddress import ip_interface, ip_network
from typing import Any

from attrs import frozen

from nvp_state.entities import (
    DISCARD,
    STATELESS,
    Acl,
    AddressSet,
    DhcpOptions,
    DnsRecord,
    Entity,
    Host,
    LoadBalancer,
    LogicalFlow,
    Meter,
    Mirror,
    Nat,
    PhysicalNetwork,
    Pipeline,
    Policy,
    Port,
    PortGroup,
    Qos,
    Route,
    Router,
    RouterAdvertisement,
    RouterPort,
    StaticMacBinding,
    Switch,
    Uplink,
    readable,
    split_endpoint,
)
from nvp_state.expression import normalise
from nvp_state.plain_match import plain_terms
from nvp_state.records import Change, Record
from nvp_state.terms import Term

LOGICAL, PHYSICAL = "logical", "physical"
# Of ct_state: connection tracking has seen the packet.
TRACKED = 0x20
_MAC = r"[0-9a-f]{2}(:[0-9a-f]{2}){5}"

Value = str | int | tuple["Value", ...]
Row = tuple[Value, ...]


@frozen
class Fact:
    """A row of an input table of one of the two programs."""

    program: str
    table: str
    row: Row


@frozen
class FactDelta:
    """The rows that come into and go from one table."""

    program: str
    table: str
    inserted: tuple[Row, ...]
    deleted: tuple[Row, ...]


def facts_of_record(record: Record) -> tuple[Fact, ...]:
    """Return the facts that stand for an entity."""
    return tuple(_FACTS[type(record.entity)](record.entity, record))


def facts_of(change: Change) -> tuple[FactDelta, ...]:
    """Return what a change does to the tables: each changed table once, in order of appearance."""
    deltas: dict[tuple[str, str], tuple[list[Row], list[Row]]] = {}
    pairs: list[tuple[Record | None, Record | None]] = [(old, None) for old in change.removed]
    pairs += change.replaced
    pairs += [(None, new) for new in change.added]
    for old, new in pairs:
        before = dict.fromkeys(facts_of_record(old) if old else ())
        after = dict.fromkeys(facts_of_record(new) if new else ())
        for side, facts, others in ((0, after, before), (1, before, after)):
            for fact in facts:
                if fact not in others:
                    table = deltas.setdefault((fact.program, fact.table), ([], []))
                    table[side].append(fact.row)
    return tuple(
        FactDelta(program, table, tuple(inserted), tuple(deleted))
        for (program, table), (inserted, deleted) in deltas.items()
    )


def _host_facts(host: Host, record: Record) -> Iterator[Fact]:
    yield Fact(PHYSICAL, "host", (host.name, host.ip, record.tunnel_key))
    for network in host.networks:
        yield Fact(PHYSICAL, "nic", (host.name, network))
    if host.service_node:
        yield Fact(PHYSICAL, "service_node", (host.name, record.tunnel_key))


def _network_facts(network: PhysicalNetwork, record: Record) -> Iterator[Fact]:
    yield Fact(PHYSICAL, "physical_network", (network.name, record.tunnel_key))


def _switch_facts(switch: Switch, record: Record) -> Iterator[Fact]:
    yield Fact(LOGICAL, "logical_switch", (switch.name, record.tunnel_key))
    yield Fact(LOGICAL, "datapath_tenant", (switch.name, switch.tenant))
    if switch.replication == "service-node":
        yield Fact(PHYSICAL, "served", (switch.name,))


def _uplink_facts(uplink: Uplink, record: Record) -> Iterator[Fact]:
    yield Fact(LOGICAL, "uplink", (uplink.name, uplink.switch, record.tunnel_key))
    tag = -1 if uplink.tag is None else uplink.tag
    yield Fact(PHYSICAL, "uplink_network", (uplink.name, uplink.network, tag))
    yield from _gateway_facts(uplink.name, uplink.gateways)


def _gateway_facts(port: str, hosts: Iterable[str]) -> Iterator[Fact]:
    for rank, host in enumerate(hosts):
        yield Fact(PHYSICAL, "gateway", (port, host, rank))


def _port_facts(port: Port, record: Record) -> Iterator[Fact]:
    row = (port.name, port.switch, record.tunnel_key, port.mac)
    yield Fact(LOGICAL, "logical_port", row)
    if port.ip is not None:
        yield Fact(LOGICAL, "port_address", (port.name, port.ip))
    if port.ip6 is not None:
        yield Fact(LOGICAL, "port_address6", (port.name, port.ip6))
    for table, flag in (
        ("port_security", port.port_security),
        ("port_enabled", port.enabled),
        ("port_unknown", port.unknown),
    ):
        if flag:
            yield Fact(LOGICAL, table, (port.name,))
    if port.parent is not None and port.tag is not None:
        place = (port.name, port.parent, port.tag)
        yield Fact(LOGICAL, "nested", place)
        yield Fact(PHYSICAL, "child", place)
        if record.ofport:
            yield Fact(PHYSICAL, "child_zone", (port.name, record.ofport))
    if port.host is not None:
        yield Fact(PHYSICAL, "vif", (port.name, port.host, record.ofport))


def _mirror_facts(mirror: Mirror, _: Record) -> Iterator[Fact]:
    sides = {"from-lport": (0,), "to-lport": (1,), "both": (0, 1)}[mirror.direction]
    yield Fact(PHYSICAL, "mirror_sink", (mirror.name, mirror.sink))
    for port in mirror.ports:
        yield Fact(LOGICAL, "mirrored", (mirror.name, port, mirror.sink))
        for side in sides:
            yield Fact(PHYSICAL, "mirror_source", (mirror.name, port, side))


def _router_facts(router: Router, record: Record) -> Iterator[Fact]:
    yield Fact(LOGICAL, "logical_router", (router.name, record.tunnel_key))
    if router.tenant is not None:
        yield Fact(LOGICAL, "datapath_tenant", (router.name, router.tenant))
    for tenant in router.shared_with:
        yield Fact(LOGICAL, "router_shared", (router.name, tenant))


def _router_port_facts(port: RouterPort, record: Record) -> Iterator[Fact]:
    row = (port.name, port.router, record.tunnel_key, port.mac)
    yield Fact(LOGICAL, "router_port", row)
    for table, cidr in (("router_address", port.cidr), ("router_address6", port.cidr6)):
        if cidr is not None:
            there = ip_interface(cidr)
            yield Fact(LOGICAL, table, (port.name, str(there.ip), str(there.network)))
    if port.switch is not None:
        yield Fact(LOGICAL, "router_link", (port.name, port.switch))
    if port.peer is not None:
        yield Fact(LOGICAL, "router_peer", (port.name, port.peer))
    if port.gateways:
        yield Fact(LOGICAL, "gateway_port", (port.name,))
    yield from _gateway_facts(port.name, port.gateways)


def _route_facts(route: Route, record: Record) -> Iterator[Fact]:
    name = readable(route.key)
    if route.nexthop == DISCARD:
        yield Fact(LOGICAL, "route_discard", (name, route.router, route.prefix))
        return
    table = "route6" if ":" in route.nexthop else "route"
    row = (
        name,
        record.tunnel_key,
        route.router,
        route.prefix,
        route.nexthop,
        route.port or "",
    )
    yield Fact(LOGICAL, table, row)


def _policy_facts(policy: Policy, _: Record) -> Iterator[Fact]:
    name = readable(policy.key)
    row = (name, policy.router, policy.priority, policy.action)
    yield Fact(LOGICAL, "policy", row)
    if policy.nexthop is not None:
        table = "policy_hop6" if ":" in policy.nexthop else "policy_hop"
        yield Fact(LOGICAL, table, (name, policy.nexthop))
    yield from _plain_facts("policy_term", name, policy.match)


def _qos_facts(qos: Qos, record: Record) -> Iterator[Fact]:
    name, dscp = readable(qos.key), -1 if qos.dscp is None else qos.dscp
    row = (name, record.tunnel_key, qos.switch, qos.direction, qos.priority, dscp)
    yield Fact(LOGICAL, "qos", (*row, qos.rate, qos.burst))
    yield from _plain_facts("qos_term", name, qos.match)


def _plain_facts(table: str, name: str, match: str) -> Iterator[Fact]:
    for number, term in enumerate(plain_terms(match)):
        tests = tuple(half for test in term.fields for half in _halves(*test))
        yield Fact(LOGICAL, table, (name, number, term.inport, term.outport, tests))


def _binding_facts(binding: StaticMacBinding, _: Record) -> Iterator[Fact]:
    table = "static_mac6" if ":" in binding.ip else "static_mac"
    row = (readable(binding.key), binding.port, binding.ip, binding.mac)
    yield Fact(LOGICAL, table, row)


def _nat_facts(nat: Nat, _: Record) -> Iterator[Fact]:
    name, inside = readable(nat.key), ip_network(nat.logical_ip)
    family = "6" if inside.version == 6 else ""
    if nat.type != "dnat":
        row = (name, nat.router, nat.external_ip, str(inside), nat.logical_port or "")
        yield Fact(LOGICAL, f"snat{family}", row)
    if nat.type != "snat":
        address = str(inside.network_address)
        row = (name, nat.router, nat.external_ip, address, nat.logical_port or "")
        yield Fact(LOGICAL, f"dnat{family}", row)
    if nat.external_mac is not None:
        yield Fact(LOGICAL, "nat_mac", (name, nat.external_mac))


def _balancer_facts(balancer: LoadBalancer, record: Record) -> Iterator[Fact]:
    name, family = balancer.name, "6" if balancer.is_ip6 else ""
    vip, port = split_endpoint(balancer.vip)
    row = (name, record.tunnel_key, balancer.protocol, port)
    yield Fact(LOGICAL, "load_balancer", row)
    yield Fact(LOGICAL, f"vip{family}", (name, vip))
    for number, backend in enumerate(balancer.backends):
        yield Fact(LOGICAL, f"backend{family}", (name, number, *split_endpoint(backend)))
    for switch in balancer.switches:
        yield Fact(LOGICAL, "balancer_switch", (name, switch))
    for router in balancer.routers:
        yield Fact(LOGICAL, "balancer_router", (name, router))


def _address_set_facts(addresses: AddressSet, _: Record) -> Iterator[Fact]:
    yield Fact(LOGICAL, "address_set", (addresses.name,))
    for address in addresses.addresses:
        if re.fullmatch(_MAC, address):
            yield Fact(LOGICAL, "address_set_mac", (addresses.name, address))
        else:
            row = (addresses.name, str(ip_network(address)))
            yield Fact(LOGICAL, "address_set_prefix", row)


def _port_group_facts(group: PortGroup, _: Record) -> Iterator[Fact]:
    yield Fact(LOGICAL, "port_group", (group.name,))
    for port in group.ports:
        yield Fact(LOGICAL, "port_group_port", (group.name, port))


def _meter_facts(meter: Meter, record: Record) -> Iterator[Fact]:
    row = (meter.name, record.tunnel_key, meter.unit, meter.rate, meter.burst)
    yield Fact(LOGICAL, "meter", row)


def _acl_facts(acl: Acl, record: Record) -> Iterator[Fact]:
    name = readable(acl.key)
    row = (name, record.tunnel_key, acl.direction, acl.tier, acl.priority, acl.action)
    yield Fact(LOGICAL, "acl", row)
    if acl.switch is not None:
        yield Fact(LOGICAL, "acl_switch", (name, acl.switch))
    if acl.port_group is not None:
        yield Fact(LOGICAL, "acl_group", (name, acl.port_group))
    if acl.log:
        told = (name, acl.name or "", acl.severity or "info", acl.meter or "")
        yield Fact(LOGICAL, "acl_log", told)
    for number, term in enumerate(normalise(acl.match)):
        yield from _term_facts((name, number), term)


def _term_facts(place: tuple[str, int], term: Term) -> Iterator[Fact]:
    tracked, match = -1, list[Value]()
    for name, value, mask in term.fields:
        known = TRACKED if name == "ct_state" else 0
        if known & mask:
            tracked = int(bool(value & TRACKED))
        match += _halves(name, value & ~known, mask & ~known)
    row = (*place, len(term.clauses), term.inport, term.outport, tracked, tuple(match))
    yield Fact(LOGICAL, "acl_term", row)
    for number, clause in enumerate(term.clauses, 1):
        here = (*place, number)
        for test, mask in clause.values:
            if isinstance(test, str):
                yield Fact(LOGICAL, "acl_port", (*here, clause.field, test))
            else:
                yield Fact(LOGICAL, "acl_value", (*here, _halves(clause.field, test, mask)))
        for named in clause.sets:
            it = named.name[1:]
            if named.name.startswith("@"):
                yield Fact(LOGICAL, "acl_group_port", (*here, clause.field, it))
            else:
                where: Row = (*here, clause.field, it, named.inside)
                yield Fact(LOGICAL, "acl_address", where)


def _halves(field: str, value: int, mask: int) -> tuple[Value, ...]:
    """A test as records `Field`: two for a field of 128 bits, whose halves are signed numbers."""
    if not field.startswith(("ipv6_s", "ipv6_d", "nd_target")):
        return ((field, value, mask),) if mask else ()
    parts = (("[64..127]", 64), ("[0..63]", 0))
    halves = ((f"{field}{part}", value >> low, mask >> low) for part, low in parts)
    return tuple((name, _signed(it), _signed(bits)) for name, it, bits in halves if _signed(bits))


def _signed(number: int) -> int:
    number &= (1 << 64) - 1
    return number - (1 << 64) if number >> 63 else number


def _pipeline_facts(pipeline: Pipeline, _: Record) -> Iterator[Fact]:
    yield Fact(LOGICAL, "pipeline", (pipeline.name, pipeline.tenant, pipeline.stage))
    for switch in pipeline.switches:
        yield Fact(LOGICAL, "pipeline_switch", (pipeline.name, switch))


def _logical_flow_facts(flow: LogicalFlow, _: Record) -> Iterator[Fact]:
    name, told = readable(flow.key), flow.steps
    steps = [step for field, value in told.changes for step in _parts(field, value)]
    does = (len(steps), told.verdict, told.table, told.port)
    yield Fact(LOGICAL, "own_flow", (name, flow.pipeline, flow.table, flow.priority, *does))
    for number, step in enumerate(steps):
        yield Fact(LOGICAL, "own_step", (name, number, *step))
    yield from _plain_facts("own_term", name, flow.match)


def _parts(field: str, value: int) -> list[tuple[str, int]]:
    """A field that is set, as far as numbers of rules have 64 bits."""
    if not field.startswith("ipv6_"):
        return [(field, value)]
    return [(f"{field}[64..127]", _signed(value >> 64)), (f"{field}[0..63]", _signed(value))]


def _dhcp_facts(told: DhcpOptions, _: Record) -> Iterator[Fact]:
    name, server = readable(told.key), told.options["server_id"]
    row = (name, told.switch, told.prefix, server)
    if told.version == 4:
        yield Fact(LOGICAL, "dhcp4", (*row, told.options["server_mac"].lower()))
    else:
        yield Fact(LOGICAL, "dhcp6", (*row[:-1], server.lower()))
        if told.options.get(STATELESS) == "true":
            yield Fact(LOGICAL, "dhcp_stateless", (name,))
    for option, value in told.told:
        yield Fact(LOGICAL, "dhcp_option", (name, option, value))


def _dns_facts(known: DnsRecord, _: Record) -> Iterator[Fact]:
    for address in known.addresses:
        row = (readable(known.key), known.switch, known.name, address)
        yield Fact(LOGICAL, "dns_record", row)


def _advertisement_facts(told: RouterAdvertisement, _: Record) -> Iterator[Fact]:
    yield Fact(LOGICAL, "advertised", (told.port, told.address_mode))
    options = {
        "mtu": str(told.mtu or ""),
        "dns_server": ",".join(told.dns_servers),
        "domain_search": ",".join(told.domain_search),
    }
    for name, value in options.items():
        if value:
            yield Fact(LOGICAL, "advertised_option", (told.port, name, value))


_FACTS: Mapping[type[Entity], Callable[[Any, Record], Iterator[Fact]]] = {
    PhysicalNetwork: _network_facts,
    Host: _host_facts,
    Switch: _switch_facts,
    Port: _port_facts,
    Mirror: _mirror_facts,
    Uplink: _uplink_facts,
    Router: _router_facts,
    RouterPort: _router_port_facts,
    Route: _route_facts,
    Policy: _policy_facts,
    StaticMacBinding: _binding_facts,
    Nat: _nat_facts,
    LoadBalancer: _balancer_facts,
    AddressSet: _address_set_facts,
    PortGroup: _port_group_facts,
    Meter: _meter_facts,
    Acl: _acl_facts,
    Qos: _qos_facts,
    DhcpOptions: _dhcp_facts,
    DnsRecord: _dns_facts,
    RouterAdvertisement: _advertisement_facts,
    Pipeline: _pipeline_facts,
    LogicalFlow: _logical_flow_facts,
}
