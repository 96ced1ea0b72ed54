"""Small random networks: few names, hosts and addresses, so that things collide."""

from hypothesis import strategies as st

from nvp_state.entities import Acl, Host, Port, Switch

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
entities = st.one_of(hosts, switches, ports, ports, ports, acls)


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
    keys = set()
    for acl in draw(st.lists(acls, max_size=4)) if switch_names else []:
        acl_here = _evolved(acl, {"switch": draw(st.sampled_from(switch_names))})
        if acl_here.key not in keys:
            keys.add(acl_here.key)
            result.append(acl_here)
    return result


def _evolved(entity, changes):
    fields = {name: getattr(entity, name) for name in type(entity).__match_args__}
    return type(entity)(**(fields | changes))
