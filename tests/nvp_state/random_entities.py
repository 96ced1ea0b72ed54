"""Random entities of every kind, for random_changes.py.

`MAKERS` has a function for every kind, which makes an entity that most often is accepted beside
those that are there: what it refers to exists, tenants are seldom joined. Domains are so small
that names come again after they went, addresses overlap and rules match the same packets.
"""

from nvp_state.entities import (
    DISCARD,
    Acl,
    AddressSet,
    DhcpOptions,
    DnsRecord,
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
)
from nvp_state.entities.access import ACTIONS, DIRECTIONS, SEVERITIES, TIER_MAX, UNITS
from nvp_state.entities.pipelines import STAGES
from nvp_state.entities.routing import NAT_TYPES, POLICY_ACTIONS
from nvp_state.entities.services import MODES

TENANTS = ("acme", "globex")
MACS = [f"0a:00:00:00:00:{number:02x}" for number in range(12)]
ACL_MATCHES = (
    *("1", "ip4", "ip6", "arp", "tcp.dst == {80, 443}", "ip4.src == $a0", "ip4.dst != $a1"),
    *('inport == "p0"', "inport == @pg0", "ip4.src == $pg1_ip4 && udp", "ct.est && ct.rpl"),
    *("ip4.src == {10.0.0.10, 10.0.1.10} && tcp.dst == {22, 80}", "eth.src == $a2"),
)
EGRESS_MATCHES = ('outport == "p1"', "outport == @pg0 && ip4.src == $a0", "outport == @pg1")
PLAIN_MATCHES = ("1", "ip4", "ip4.dst == 10.0.1.0/24", "udp.dst == 53", "ip6", "tcp.src == {1, 2}")
PREFIXES = ("0.0.0.0/0", "10.0.1.0/24", "172.16.0.0/16", "172.16.1.0/24")
PREFIXES6 = ("::/0", "fd01::/64", "fd77::/16")


def _host(supply):
    name, free = supply.name("host"), {f"192.0.2.{n}" for n in range(1, 20)}
    ip = supply.random.choice(sorted(free - {it.ip for it in supply.all("host")}))
    networks = supply.names("physical-network", 2)
    return Host(name, ip, networks=networks, service_node=supply.chance(0.25))


def _network(supply):
    return PhysicalNetwork(supply.name("physical-network"))


def _switch(supply):
    name = supply.name("switch")
    usual = TENANTS[name in {"s4", "s5"}]
    tenant = usual if supply.chance(0.9) else supply.random.choice(TENANTS)
    replication = "service-node" if supply.chance(0.25) else "source"
    return Switch(name, tenant, replication=replication)


def _port(supply):
    name, switch = supply.name("port"), _required(supply.one("switch")).name
    place, number = switch[1:], 10 + supply.own_number(name)
    host, parent, tag = supply.one("host"), None, None
    if supply.chance(0.15):
        parents = [it.name for it in supply.all("port") if it.parent is None and it.name != name]
        parent, tag = supply.random.choice(parents), supply.random.randrange(1, 5)
    placed = host is not None and parent is None and supply.chance(0.85)
    return Port(
        name,
        switch,
        MACS[number - 10],
        ip=f"10.0.{place}.{number}" if supply.chance(0.8) else None,
        ip6=f"fd0{place}::{number}" if supply.chance(0.4) else None,
        host=host.name if placed else None,
        port_security=supply.chance(0.7),
        enabled=supply.chance(0.85),
        unknown=supply.chance(0.2),
        parent=parent,
        tag=tag,
    )


def _mirror(supply):
    sink = _required(supply.one("port"))
    tenant = supply.tenant_of(sink)
    ports = supply.names("port", 3, lambda it: it != sink and supply.tenant_of(it) == tenant)
    direction = supply.random.choice([*DIRECTIONS, "both"])
    return Mirror(supply.name("mirror"), ports, sink.name, direction)


def _uplink(supply):
    switch, network = supply.one("switch"), supply.one("physical-network")
    tag, gateways = supply.random.choice([None, 5, 6]), supply.names("host", 2)
    name = supply.name("uplink")
    return Uplink(name, _required(switch).name, _required(network).name, tag, gateways)


def _router(supply):
    tenant = supply.random.choice(["acme", "acme", "globex", None])
    others = tuple(it for it in TENANTS if it != tenant and supply.chance(0.4))
    return Router(supply.name("router"), tenant, shared_with=others if tenant else ())


def _router_port(supply):
    router, name = _required(supply.one("router")), supply.name("router-port")
    tenants = {router.tenant or "acme", *router.shared_with}
    switch = supply.one("switch", lambda it: it.tenant in tenants)
    place, own = supply.random.randrange(6), 1 + supply.own_number(name)
    peer = None
    if switch is None or supply.chance(0.2):
        near = {it.name for it in supply.all("router") if it.tenant == router.tenant}
        far = supply.one("router-port", lambda it: it.switch is None and it.router in near)
        switch, peer = None, far and far.name
    elif supply.chance(0.9):
        place = switch.name[1:]
    return RouterPort(
        name,
        router.name,
        f"0e:00:00:00:0{own}:0{place}",
        cidr=f"10.0.{place}.{own}/24" if supply.chance(0.85) else None,
        switch=switch and switch.name,
        peer=peer,
        cidr6=f"fd0{place}::{own}/64" if supply.chance(0.5) else None,
        gateways=supply.names("host", 2) if supply.chance(0.4) else (),
    )


def _nexthop(supply, router, is_ip6):
    """An address on a network of the router, or far away; which port that is at."""
    port = supply.one("router-port", lambda it: it.router == router)
    cidr = port and (port.cidr6 if is_ip6 else port.cidr)
    if cidr is None or supply.chance(0.1):
        return "2001:db8::9" if is_ip6 else "203.0.113.9", None
    base = cidr.partition("/")[0].rpartition("::" if is_ip6 else ".")[0]
    number = supply.random.choice([9, 10, 11])
    return f"{base}::{number}" if is_ip6 else f"{base}.{number}", port.name


def _route(supply):
    router, is_ip6 = _required(supply.one("router")).name, supply.chance(0.3)
    hop, port = _nexthop(supply, router, is_ip6)
    prefix = supply.random.choice(PREFIXES6 if is_ip6 else PREFIXES)
    if supply.chance(0.15):
        return Route(router, prefix, DISCARD)
    return Route(router, prefix, hop, port if supply.chance(0.5) else None)


def _policy(supply):
    router = _required(supply.one("router")).name
    port = supply.one("router-port", lambda it: it.router == router)
    matches = [*PLAIN_MATCHES, f'inport == "{port.name}"' if port else "ip4"]
    action, match = supply.random.choice(POLICY_ACTIONS), supply.random.choice(matches)
    hop = _nexthop(supply, router, supply.chance(0.2))[0] if action == "reroute" else None
    return Policy(router, supply.random.randrange(3), match, action, hop)


def _binding(supply):
    port = _required(supply.one("router-port"))
    ip, _ = _nexthop(supply, port.router, supply.chance(0.3))
    return StaticMacBinding(port.name, ip, supply.random.choice(MACS))


def _nat(supply):
    gates = [it.router for it in supply.all("router-port") if it.gateways]
    routers = gates * 3 + [it.name for it in supply.all("router")]
    known = {it.type for it in supply.all("nat")}
    kinds = [it for it in NAT_TYPES if it not in known] or [*NAT_TYPES, *NAT_TYPES[-1:] * 2]
    kind = supply.random.choice(kinds)
    outside = f"203.0.113.{supply.random.randrange(1, 5)}"
    port = supply.one("port", lambda it: it.ip is not None)
    inside = "10.0.0.0/24" if kind == "snat" and supply.chance(0.5) else "10.0.0.10"
    router = supply.random.choice(routers)
    if supply.chance(0.3):
        outside = f"fd0f::{supply.random.randrange(1, 5)}"
        inside = "fd00::/64" if "/" in inside else "fd00::10"
        port = supply.one("port", lambda it: it.ip6 is not None)
    if kind == "dnat_and_snat" and port is not None and supply.chance(0.7):
        mac = f"0e:00:00:00:09:0{supply.random.randrange(4)}"
        own = port.ip6 if ":" in outside else port.ip
        return Nat(router, kind, outside, own, port.name, mac)
    return Nat(router, kind, outside, inside)


def _balancer(supply):
    is_ip6, has_port = supply.chance(0.25), supply.chance(0.7)
    addresses = [it.ip6 if is_ip6 else it.ip for it in supply.all("port")]
    known = sorted({it for it in addresses if it is not None})
    some = supply.random.sample(known, min(len(known), supply.random.randrange(4)))
    vip = "fd0f::1" if is_ip6 else "10.9.9.9"
    if has_port:
        vip, *some = (f"[{it}]:80" if is_ip6 else f"{it}:80" for it in (vip, *some))
    return LoadBalancer(
        supply.name("load-balancer"),
        vip,
        tuple(some),
        supply.random.choice(["tcp", "udp"]),
        supply.names("switch", 2),
        supply.names("router", 1),
    )


def _address_set(supply):
    every = ["10.0.0.10", "10.0.1.0/24", "10.0.1.8/29", "fd00::10", "fd01::/64", *MACS[:2]]
    return AddressSet(supply.name("address-set"), tuple(supply.random.sample(every, 3)))


def _port_group(supply):
    return PortGroup(supply.name("port-group"), supply.names("port", 4))


def _meter(supply):
    rate, burst = supply.random.choice([1, 100]), supply.random.choice([0, 5])
    return Meter(supply.name("meter"), rate, supply.random.choice(UNITS), burst)


def _acl(supply):
    random = supply.random
    group = supply.one("port-group") if supply.chance(0.3) else None
    switch = _required(supply.one("switch")).name if group is None else None
    direction, meter = random.choice(DIRECTIONS), supply.one("meter")
    matches = ACL_MATCHES + EGRESS_MATCHES * 3 * (direction == "to-lport")
    known = {it.action for it in supply.all("acl")}
    return Acl(
        switch,
        direction,
        random.choice([0, 1, 2, 32767]),
        random.choice(matches),
        random.choice([it for it in ACTIONS if it not in known] or ACTIONS),
        port_group=group and group.name,
        tier=random.choice([0, 0, *range(1, TIER_MAX + 1)]),
        name=random.choice([None, "rule"]),
        log=supply.chance(0.4),
        severity=random.choice([None, *SEVERITIES]),
        meter=meter.name if meter and supply.chance(0.5) else None,
    )


def _qos(supply):
    switch, direction = _required(supply.one("switch")).name, supply.random.choice(DIRECTIONS)
    match = supply.random.choice(PLAIN_MATCHES + EGRESS_MATCHES[:1] * (direction == "to-lport"))
    dscp, rate = supply.random.choice([None, 0, 10, 46]), supply.random.choice([0, 100, 1000])
    place = switch, direction, supply.random.randrange(3), match
    return Qos(*place, dscp=dscp, rate=rate, burst=supply.random.choice([0, 50]))


def _dhcp(supply):
    switch, random = _required(supply.one("switch")).name, supply.random
    mac = f"0e:00:00:00:08:0{random.randrange(3)}"
    if supply.chance(0.4):
        told = {"server_id": mac, "dhcpv6_stateless": supply.chance(0.5), "dns_server": "fd00::53"}
        return DhcpOptions(switch, f"fd0{switch[1:]}::/64", told)
    told = {"server_id": f"10.0.{switch[1:]}.2", "server_mac": mac}
    told |= {"mtu": random.choice([1400, 1500])} if supply.chance(0.5) else {}
    length, host = random.choice([(24, 0), (29, 8)])
    return DhcpOptions(switch, f"10.0.{switch[1:]}.{host}/{length}", told)


def _dns(supply):
    switch, name = _required(supply.one("switch")).name, supply.random.choice(["vm1", "vm2.acme"])
    addresses = ["10.0.0.10", "10.0.1.11", "fd00::10"]
    return DnsRecord(switch, name, tuple(supply.random.sample(addresses, 2)))


def _advertisement(supply):
    port = _required(supply.one("router-port")).name
    mode, mtu = supply.random.choice(MODES), supply.random.choice([None, 1400, 1500])
    return RouterAdvertisement(
        port, mode, mtu, ("fd00::53",) * supply.chance(0.5), ("acme",) * supply.chance(0.5)
    )


def _pipeline(supply):
    tenant, stage = TENANTS[supply.chance(0.15)], STAGES[supply.chance(0.3)]
    taken = {name for it in supply.all("pipeline") if it.stage == stage for name in it.switches}
    free = supply.names("switch", 2, lambda it: it.tenant == tenant and it.name not in taken)
    return Pipeline(supply.name("pipeline"), tenant, stage, free)


def _logical_flow(supply):
    pipeline = _required(supply.one("pipeline"))
    table, match = supply.random.randrange(3), supply.random.choice(PLAIN_MATCHES)
    actions = [
        "next;",
        "next;",
        "drop;",
        f"next({table + 1});",
        "eth.src = 0a:00:00:00:00:77; next;",
    ]
    port = supply.one("port", lambda it: it.switch in pipeline.switches)
    if pipeline.stage == "egress":
        match = supply.random.choice([match, *EGRESS_MATCHES[:1]])
    elif port is not None:
        actions.append(f'outport = "{port.name}"; output;')
    actions += ["ip.ttl--; next;"] if match.startswith("ip") else []
    does = supply.random.choice(actions)
    return LogicalFlow(pipeline.name, table, supply.random.randrange(3), match, does)


def _required(entity):
    if entity is None:
        raise LookupError
    return entity


MAKERS = {
    "physical-network": _network,
    "host": _host,
    "switch": _switch,
    "port": _port,
    "mirror": _mirror,
    "uplink": _uplink,
    "router": _router,
    "router-port": _router_port,
    "route": _route,
    "policy": _policy,
    "static-mac-binding": _binding,
    "nat": _nat,
    "load-balancer": _balancer,
    "address-set": _address_set,
    "port-group": _port_group,
    "meter": _meter,
    "acl": _acl,
    "qos": _qos,
    "dhcp-options": _dhcp,
    "dns-record": _dns,
    "router-advertisement": _advertisement,
    "pipeline": _pipeline,
    "logical-flow": _logical_flow,
}
