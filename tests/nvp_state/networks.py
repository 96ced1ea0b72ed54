"""Small random networks: few names, hosts and addresses, so that things collide."""

from hypothesis import strategies as st

from nvp_state.entities import (
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

NASTY_NAMES = ["no", "~", "1e5", "10:20", "null", "0x1", "a b", "é", '"', "- a", "#x", "2026-01-01"]

hosts = st.builds(
    Host,
    name=st.sampled_from(["h0", "h1", "h2"]),
    ip=st.sampled_from(["192.0.2.1", "192.0.2.2", "192.0.2.3"]),
)
switches = st.builds(
    Switch, name=st.sampled_from(["s0", "s1", "s2"]), tenant=st.sampled_from(["acme", "globex"])
)
ports = st.builds(
    Port,
    name=st.sampled_from(["p0", "p1", "p2", "p3", "p4"]),
    switch=st.sampled_from(["s0", "s1", "s2"]),
    mac=st.sampled_from(["0a:00:00:00:00:01", "0A:00:00:00:00:02"]),
    ip=st.sampled_from([None, "10.0.0.1", "10.0.0.2"]),
    host=st.sampled_from([None, "h0", "h1", "h2"]),
    port_security=st.booleans(),
    enabled=st.booleans(),
    unknown=st.booleans(),
)
acls = st.builds(
    Acl,
    switch=st.sampled_from(["s0", "s1", "s2"]),
    direction=st.sampled_from(["from-lport", "to-lport"]),
    priority=st.sampled_from([0, 32767]),
    match=st.sampled_from(["1", "ip4 && tcp.dst == {80, 443}", 'inport == "p0"']),
    action=st.sampled_from(["allow", "drop"]),
)
router_ports = st.builds(
    RouterPort,
    name=st.just("r"),
    router=st.just("r"),
    mac=st.just("0a:00:00:00:00:09"),
    cidr=st.sampled_from(["10.0.0.1/24", "10.0.1.1/31"]),
    cidr6=st.sampled_from([None, "fd00::1/64"]),
)
routes = st.builds(
    Route,
    router=st.just("r"),
    prefix=st.sampled_from(["0.0.0.0/0", "10.0.0.0/8", "192.168.1.0/24"]),
    nexthop=st.sampled_from(["10.0.0.2", "10.0.1.0", "discard"]),
)
nats = st.builds(
    Nat,
    router=st.just("r"),
    type=st.sampled_from(["snat", "dnat", "dnat_and_snat"]),
    external_ip=st.sampled_from(["172.16.0.1", "172.16.0.2"]),
    logical_ip=st.sampled_from(["10.0.0.1", "10.0.0.2"]),
)
outside = st.just(PhysicalNetwork("outside"))
uplinks = st.builds(
    Uplink,
    name=st.sampled_from(["p0", "u0"]),
    switch=st.sampled_from(["s0", "s1", "s2"]),
    network=st.just("outside"),
    gateways=st.sampled_from([(), ("h0",), ("h1", "h2")]),
)
routers = st.builds(Router, name=st.sampled_from(["r", "s0"]))
entities = st.one_of(
    hosts,
    switches,
    ports,
    ports,
    ports,
    acls,
    outside,
    uplinks,
    routers,
    router_ports,
    routes,
    nats,
)


@st.composite
def networks(draw):
    """A list of entities that is a network: nothing twice, nothing that refers to nothing."""
    names = draw(st.lists(st.sampled_from([*NASTY_NAMES, "x"]), unique=True, min_size=1))
    host_names = draw(st.lists(st.sampled_from(names), unique=True))
    switch_names = draw(st.lists(st.sampled_from(names), unique=True))
    result = [Host(name, f"192.0.2.{1 + index}") for index, name in enumerate(host_names)]
    unused = list(names)
    for name in switch_names:
        result.append(Switch(name, draw(st.sampled_from(names))))
        for _ in range(draw(st.integers(0, 3))):
            if unused:
                port = draw(ports)
                host = draw(st.sampled_from([None, *host_names]))
                changes = {"switch": name, "name": unused.pop(), "host": host}
                result.append(_evolved(port, changes))
    result += draw(_outside(unused, switch_names, host_names))
    result += draw(_routing([it for it in names if it not in switch_names], unused, switch_names))
    keys = set()
    for acl in draw(st.lists(acls, max_size=4)) if switch_names else []:
        acl_here = _evolved(acl, {"switch": draw(st.sampled_from(switch_names))})
        if acl_here.key not in keys:
            keys.add(acl_here.key)
            result.append(acl_here)
    return result


@st.composite
def _outside(draw, unused, switch_names, host_names):
    """Uplinks, with the names of ports that are `unused`, and a physical network for them."""
    result = [PhysicalNetwork("outside")]
    for name in switch_names:
        if unused and draw(st.booleans()):
            gateways = (
                draw(st.lists(st.sampled_from(host_names), unique=True)) if host_names else ()
            )
            tag = draw(st.sampled_from([None, 1, 4094]))
            result.append(Uplink(unused.pop(), name, "outside", tag, gateways=tuple(gateways)))
    return result if draw(st.booleans()) or len(result) > 1 else []


@st.composite
def _routing(draw, router_names, unused, switch_names):
    """Routers with ports, whose names are `unused` ones, routes and NAT."""
    result = []
    for name in draw(st.lists(st.sampled_from(router_names), unique=True)) if router_names else []:
        result.append(Router(name, draw(st.sampled_from([None, "acme"]))))
        for _ in range(draw(st.integers(0, 2))):
            if unused:
                switch = draw(st.sampled_from([None, *switch_names]))
                changes = {"router": name, "name": unused.pop(), "switch": switch}
                result.append(_evolved(draw(router_ports), changes))
        more = draw(st.lists(st.one_of(routes, nats), max_size=2))
        result += {it.key: it for it in (_evolved(it, {"router": name}) for it in more)}.values()
    return result


def _evolved(entity, changes):
    fields = {name: getattr(entity, name) for name in type(entity).__match_args__}
    return type(entity)(**(fields | changes))
