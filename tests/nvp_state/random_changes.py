"""Random changes of networks that have everything: each kind of entity comes, changes and goes.

    random = Random(1)
    supply = Supply(random, a_network(random))
    supply.operations("replace", "acl")    # [("replace", Acl(…))], or [] if there is none to take

`MAKERS` has a function for every kind, which makes an entity that most often is accepted beside
those that are there: what it refers to exists, tenants are seldom joined. It shares domains so
small that names come again after they went, addresses overlap and rules match the same packets.

An operation that removes an entity removes also what refers to it, as far as that is not much.
"""

from attrs import evolve, fields

from nvp_state.entities import (
    DISCARD,
    KINDS,
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
    references,
)
from nvp_state.entities.access import ACTIONS, DIRECTIONS, SEVERITIES, TIER_MAX, UNITS
from nvp_state.entities.pipelines import STAGES
from nvp_state.entities.routing import NAT_TYPES, POLICY_ACTIONS
from nvp_state.entities.services import MODES
from nvp_state.errors import StateError

VERBS = ("add", "replace", "remove")
OPERATIONS_MAX = 4
ATTEMPTS = 20

NAMES = {
    "host": ("h", 6),
    "physical-network": ("w", 4),
    "switch": ("s", 6),
    "port": ("p", 12),
    "mirror": ("m", 3),
    "uplink": ("u", 4),
    "router": ("r", 5),
    "router-port": ("g", 9),
    "load-balancer": ("b", 4),
    "address-set": ("a", 3),
    "port-group": ("pg", 3),
    "meter": ("l", 3),
    "pipeline": ("t", 4),
}
TENANTS = ("acme", "globex")
MACS = [f"0a:00:00:00:00:{number:02x}" for number in range(8)]
ACL_MATCHES = (
    *("1", "ip4", "ip6", "arp", "tcp.dst == {80, 443}", "ip4.src == $a0", "ip4.dst != $a1"),
    *('inport == "p0"', "inport == @pg0", "ip4.src == $pg1_ip4 && udp", "ct.est && ct.rpl"),
    *("ip4.src == {10.0.0.10, 10.0.1.10} && tcp.dst == {22, 80}", "eth.src == $a2"),
)
EGRESS_MATCHES = ('outport == "p1"', "outport == @pg0 && ip4.src == $a0", "outport == @pg1")
PLAIN_MATCHES = ("1", "ip4", "ip4.dst == 10.0.1.0/24", "udp.dst == 53", "ip6", "tcp.src == {1, 2}")
PREFIXES = ("0.0.0.0/0", "10.0.1.0/24", "172.16.0.0/16", "172.16.1.0/24")
PREFIXES6 = ("::/0", "fd01::/64", "fd77::/16")


class Supply:
    """Entities as they are, or would be after some operations, and those that could be beside them.

    Args:
        random: a `random.Random`.
        entities: those that are there.
    """

    def __init__(self, random, entities=()):
        self.random = random
        self.there = {(it.kind, it.key): it for it in entities}

    def all(self, kind):
        """The entities of a kind."""
        return [it for it in self.there.values() if it.kind == kind]

    def one(self, kind, but=lambda _: True):
        """An entity of a kind, or None."""
        return self.random.choice([it for it in self.all(kind) if but(it)] or [None])

    def name(self, kind):
        """A name that none of a kind has; if all are taken, any of them."""
        letters, number = NAMES[kind]
        names = [f"{letters}{n}" for n in range(number)]
        free = [name for name in names if (kind, name) not in self.there]
        return self.random.choice(free or names)

    def names(self, kind, most, but=lambda _: True):
        """The names of some of a kind."""
        names = [it.name for it in self.all(kind) if but(it)]
        return tuple(self.random.sample(names, self.random.randint(0, min(most, len(names)))))

    def chance(self, probability):
        return self.random.random() < probability

    def tenant_of(self, port):
        """Whose switch a port is on."""
        return self.there["switch", port.switch].tenant

    def operations(self, verb, kind):
        """One of a kind that comes, changes or goes, and what must go with it; [] if none can."""
        match verb:
            case "add":
                found = [("add", self._new(kind))]
            case "replace":
                found = [("replace", self._changed(kind))]
            case "remove":
                found = [("remove", it) for it in self._gone(kind)]
        if not found or None in found[0]:
            return []
        for done, it in found:
            if done == "remove":
                del self.there[it.kind, it.key]
            else:
                self.there[it.kind, it.key] = it
        return found

    def made(self, kind):
        """An entity of a kind, there or not; None if what it needs is not there."""
        for _ in range(ATTEMPTS):
            try:
                return MAKERS[kind](self)
            except StateError:
                continue  # the parts do not go together: others may
            except LookupError:
                return None  # what it refers to is not there
        return None

    def _new(self, kind):
        for _ in range(ATTEMPTS):
            new = self.made(kind)
            if new is not None and (kind, new.key) not in self.there:
                return new
        return None

    def _changed(self, kind):
        """An entity that is there with one field different, or two that go together."""
        names = parts(KINDS[kind])
        olds = self.all(kind)
        if not names or not olds:
            return None if names else self.one(kind)
        for attempt in range(3 * ATTEMPTS):
            old, new = self.random.choice(olds), self.made(kind)
            some = self.random.sample(names, min(1 + attempt % 2, len(names)))
            try:
                changed = evolve(old, **{name: getattr(new, name) for name in some if new})
            except StateError:
                continue
            if changed != old and changed.key == old.key:
                return changed
        return None

    def _gone(self, kind):
        """What is to go with one of a kind: all that refers to it, and what refers to that."""
        users = {}
        for it in self.there.values():
            for _, target in references(it):
                users.setdefault(target, []).append((it.kind, it.key))
        whole = []
        for first in self.all(kind):
            gone = [(kind, first.key)]
            for reference in gone:
                gone += [it for it in dict.fromkeys(users.get(reference, ())) if it not in gone]
            if len(gone) <= OPERATIONS_MAX:
                whole.append([self.there[it] for it in gone])
        return self.random.choice(whole) if whole else []


def parts(kind):
    """The fields that may differ between entities of a kind with one key."""
    return [it.name for it in fields(kind) if it.name not in kind.key_fields]


def a_network(random):
    """Entities of every kind, each access rule's action and translation's type among them."""
    supply = Supply(random)
    counts = {"host": 4, "switch": 4, "port": 8, "router-port": 6, "acl": 6, "router": 3, "nat": 3}
    for kind in KINDS:
        for _ in range(counts.get(kind, 2)):
            supply.operations("add", kind)
    return list(supply.there.values())


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
    place, number = switch[1:], supply.random.randrange(10, 16)
    host, parent, tag = supply.one("host"), None, None
    if supply.chance(0.15):
        parents = [it.name for it in supply.all("port") if it.parent is None and it.name != name]
        parent, tag = supply.random.choice(parents), supply.random.randrange(1, 5)
    placed = host is not None and parent is None and supply.chance(0.85)
    return Port(
        name,
        switch,
        supply.random.choice(MACS),
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
    place, own = supply.random.randrange(6), supply.random.randrange(1, 4)
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
    if kind == "dnat_and_snat" and port is not None and supply.chance(0.5):
        mac = f"0e:00:00:00:09:0{supply.random.randrange(4)}"
        return Nat(router, kind, outside, port.ip, port.name, mac)
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
        () if is_ip6 else supply.names("router", 1),
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
    actions = ["next;", "next;", "drop;", f"next({table + 1});", "eth.src = 0a:00:00:00:00:77; next;"]
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
