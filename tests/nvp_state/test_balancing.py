"""Load balancers, beside a proxy of a few lines that remembers who was given to whom."""

import random
from collections import Counter

import pytest
from attrs import evolve
from hypothesis import given, settings
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP, Ether

from nvp_state import (
    Acl,
    Emulation,
    Host,
    LoadBalancer,
    NetworkState,
    Port,
    Router,
    RouterPort,
    StateError,
    Switch,
)
from tests.nvp_state import labs
from tests.nvp_state.test_gateways import DNAT, SNAT, asked, edge, inbound, outbound, told

VMS = [f"vm{number}" for number in range(6)]
FORMS = {"tcp": TCP, "udp": UDP}


def mac(number):
    return f"0a:00:00:00:00:0{number}"


def address(number, family):
    return f"10.0.{number // 3}.1{number}" if family == 4 else f"fd0{number // 3}::1{number}"


def gate(number):
    return f"0e:00:00:00:00:0{number // 3}"


def endpoint(ip, port):
    text = f"[{ip}]" if ":" in ip else ip
    return f"{text}:{port}" if port else ip


def members(choose):
    """Two switches of three VMs, and a router between them."""
    hosts = [f"h{number}" for number in range(3)]
    yield from (Host(name, f"192.0.2.{n}") for n, name in enumerate(hosts, 1))
    yield from (Switch(name, "acme") for name in ("s0", "s1"))
    yield Router("r0")
    for n in (0, 1):
        cidrs = f"10.0.{n}.1/24", f"fd0{n}::1/64"
        yield RouterPort(f"r0s{n}", "r0", gate(3 * n), cidrs[0], f"s{n}", cidr6=cidrs[1])
    for n, name in enumerate(VMS):
        ips = {"ip": address(n, 4), "ip6": address(n, 6)}
        yield Port(name, f"s{n // 3}", mac(n), host=choose.choice(hosts), **ips)


def a_balancer(choose, number):
    family, port = choose.choice([4, 4, 6]), choose.choice([80, 80, 0])
    vip = f"10.9.0.{number}" if family == 4 else f"fd09::{number}"
    protocol, service = choose.choice(["tcp", "udp"]), 8080 if port else 0
    some = choose.sample(range(len(VMS)), choose.randint(1, 4))
    backends = tuple(endpoint(address(each, family), service) for each in some)
    switches = choose.choice([("s0",), ("s0", "s1")])
    return LoadBalancer(f"b{number}", endpoint(vip, port), backends, protocol, switches)


class Proxy:
    """What clients and backends of random load balancers must see."""

    def __init__(self, choose):
        self.choose = choose
        self.state = NetworkState()
        self.balancers = {f"b{n}": a_balancer(choose, n) for n in (1, 2, 3)}
        with self.state.transaction() as tx:
            tx.add(*members(choose), *self.balancers.values())
        self.lab = Emulation(self.state)
        self.down = set()
        self.talks = {}
        self.answered = set()
        self.seen = Counter()

    def packet(self, source, gateway, ends, ports, protocol, flags):
        layer = IPv6 if ":" in ends[0] else IP
        transport = FORMS[protocol](sport=ports[0], dport=ports[1])
        if protocol == "tcp":
            transport.flags = flags
        head = Ether(src=mac(VMS.index(source)), dst=gateway)
        return bytes(head / layer(src=ends[0], dst=ends[1]) / transport / b"x")

    def came(self, source, frame):
        """Who got it, with the addresses and ports; what a VM sends itself passes no router."""
        out = []
        for delivery in self.lab.send(source, frame):
            got = Ether(delivery.frame)
            ip = got[IPv6] if IPv6 in got else got[IP]
            ttl = ip.hlim if IPv6 in got else ip.ttl
            assert ttl == (64 if delivery.port == source else 63)
            out.append((delivery.port, ip.src, ip.dst, ip.payload.sport, ip.payload.dport, got.src))
        return out

    def open(self):
        """A connection that begins: it goes to some backend that is up."""
        balancer = self.choose.choice([*self.balancers.values()])
        client = self.choose.choice(VMS)
        number, port = VMS.index(client), 1000 + len(self.talks)
        vip, service = parted(balancer.vip)
        own, service = address(number, 6 if ":" in vip else 4), service or 443
        talk = (client, balancer.name, port)
        frame = self.packet(
            client, gate(number), (own, vip), (port, service), balancer.protocol, "S"
        )
        came = self.came(client, frame)
        up = [it for it in balancer.backends if not {it, parted(it)[0]} & self.down]
        if balancer.switches == ("s0",) and number >= 3:
            assert all(it[0] == client for it in came)
            self.seen["unserved"] += 1
        elif not up:
            assert came == []
            self.seen["none up"] += 1
        else:
            (got,) = came
            given = endpoint(got[2], got[4] if parted(balancer.vip)[1] else 0)
            assert given in up
            source = vip if got[2] == own else own
            assert got[:5] == (vm_at(got[2]), source, got[2], port, parted(given)[1] or service)
            self.talks[talk] = (given, balancer.vip, service, got[5])
            self.seen["to itself" if source == vip else "to another"] += 1

    def go_on(self):
        """A connection goes on: its backend answers as who was asked, and is asked again.

        Whatever was reported of the backend since then; only to itself a VM must still be one.
        """
        talk = self.choose.choice([*self.talks])
        (client, name, port), (given, vip, service, router) = talk, self.talks[talk]
        protocol, (vip, _) = self.balancers[name].protocol, parted(vip)
        backend, offered = parted(given)
        number, offered = VMS.index(client), offered or service
        own = address(number, 6 if ":" in vip else 4)
        if backend == own and given not in self.balancers[name].backends:
            return
        asked_by = vip if backend == own else own
        ends, ports = (backend, asked_by), (offered, port)
        flags = "A" if talk in self.answered else "SA"
        self.answered.add(talk)
        frame = self.packet(vm_at(backend), router, ends, ports, protocol, flags)
        ((*answer, _),) = self.came(vm_at(backend), frame)
        assert answer == [client, vip, own, service, port]
        frame = self.packet(client, gate(number), (own, vip), (port, service), protocol, "A")
        ((*again, _),) = self.came(client, frame)
        assert again == [vm_at(backend), asked_by, backend, port, offered]
        self.seen["gone on"] += 1

    def report(self):
        """A backend goes down or comes back, for one service or altogether."""
        backend = self.choose.choice(self.choose.choice([*self.balancers.values()]).backends)
        backend = self.choose.choice([backend, parted(backend)[0]])
        self.state.report_backend(backend, up=backend in self.down)
        self.down ^= {backend}

    def change(self):
        """A load balancer gets other backends."""
        balancer = self.balancers[self.choose.choice([*self.balancers])]
        ip, port = parted(balancer.vip)
        family, service = 6 if ":" in ip else 4, 8080 if port else 0
        some = self.choose.sample(range(len(VMS)), self.choose.randint(1, 4))
        told = tuple(endpoint(address(each, family), service) for each in some)
        self.balancers[balancer.name] = evolve(balancer, backends=told)
        with self.state.transaction() as tx:
            tx.replace(self.balancers[balancer.name])


def parted(text):
    if text.startswith("["):
        ip, _, port = text[1:].partition("]:")
    elif text.count(":") == 1:
        ip, _, port = text.partition(":")
    else:
        ip, port = text, "0"
    return ip, int(port)


def vm_at(ip):
    return VMS[int(ip[-1])]


def test_connections_keep_to_what_they_were_given():
    seen = Counter()

    @settings(labs.SEEDED, max_examples=10)
    @given(labs.randoms)
    def converse(choose):
        proxy = Proxy(choose)
        for _ in range(40):
            steps = [proxy.open, proxy.open, proxy.report, proxy.change]
            choose.choice([*steps, proxy.go_on, proxy.go_on] if proxy.talks else steps)()
        seen.update(proxy.seen)

    converse()
    cases = ("unserved", "none up", "to itself", "to another", "gone on")
    assert min(seen[case] for case in cases) > 5, seen


def test_the_backends_that_are_up_share_the_connections():
    choose = random.Random(1)
    proxy = Proxy(choose)
    state = proxy.state
    backends = tuple(f"{address(number, 4)}:8080" for number in (1, 2, 3))
    with state.transaction() as tx:
        tx.add(LoadBalancer("web", "10.9.0.99:80", backends, switches=("s0",)))
    counts = Counter()
    for port in range(300):
        frame = proxy.packet("vm0", gate(0), (address(0, 4), "10.9.0.99"), (port, 80), "tcp", "S")
        counts.update(it[0] for it in proxy.came("vm0", frame))
    assert set(counts) == {"vm1", "vm2", "vm3"}
    assert min(counts.values()) > 60


def test_an_allowed_connection_is_answered_through_the_load_balancer():
    """Rules see the address that was asked of the first packet, and the backend's of later ones."""
    proxy = Proxy(random.Random(3))
    drop = [Acl("s0", way, 1, "ip4", "drop") for way in ("from-lport", "to-lport")]
    allow = "tcp && (ip4.dst == 10.9.0.50 || ip4.dst == 10.0.1.14)"
    with proxy.state.transaction() as tx:
        tx.add(LoadBalancer("web", "10.9.0.50:80", ("10.0.1.14:8080",), switches=("s0",)))
        tx.add(*drop, Acl("s0", "from-lport", 2, allow, "allow-related"))
        tx.add(Acl("s0", "from-lport", 2, 'inport == "r0s0"', "allow"))
        tx.add(Acl("s0", "to-lport", 2, 'outport == "r0s0"', "allow"))
    ends, ports = (address(0, 4), "10.9.0.50"), (7, 80)
    ((*got, router),) = proxy.came("vm0", proxy.packet("vm0", gate(0), ends, ports, "tcp", "S"))
    assert got == ["vm4", "10.0.0.10", "10.0.1.14", 7, 8080]
    back = proxy.packet("vm4", router, ("10.0.1.14", "10.0.0.10"), (8080, 7), "tcp", "SA")
    ((*answer, _),) = proxy.came("vm4", back)
    assert answer == ["vm0", "10.9.0.50", "10.0.0.10", 80, 7]
    stray = proxy.packet("vm4", router, ("10.0.1.14", "10.0.0.10"), (8080, 8), "tcp", "S")
    assert proxy.came("vm4", stray) == []


def test_an_address_on_the_network_is_told_to_be_at_the_router():
    proxy = Proxy(random.Random(4))
    with proxy.state.transaction() as tx:
        tx.add(LoadBalancer("web", "10.0.0.99:80", ("10.0.0.11:8080",), switches=("s0",)))
    request = ARP(hwsrc=mac(0), psrc=address(0, 4), pdst="10.0.0.99")
    frame = bytes(Ether(src=mac(0), dst="ff:ff:ff:ff:ff:ff") / request)
    ((port, answer),) = [(it.port, Ether(it.frame)) for it in proxy.lab.send("vm0", frame)]
    assert (port, answer[ARP].hwsrc, answer[ARP].psrc) == ("vm0", gate(0), "10.0.0.99")
    ends, ports = (address(0, 4), "10.0.0.99"), (7, 80)
    ((*got, _),) = proxy.came("vm0", proxy.packet("vm0", gate(0), ends, ports, "tcp", "S"))
    assert got == ["vm1", "10.0.0.10", "10.0.0.11", 7, 8080]


AT_ROUTER = LoadBalancer("out", "203.0.113.30:6", ("10.0.0.10:60",), "udp", routers=("r0",))


def test_at_a_router_the_gateway_shares_what_comes_from_outside():
    state = edge(AT_ROUTER, Port("vm2", "s0", "0a:00:00:00:00:02", "10.0.0.20", "h1"))
    lab = Emulation(state)
    assert asked(lab, "203.0.113.30") == ["0e:00:00:00:00:02"]
    there = inbound("203.0.113.30", sport=7, dport=6)
    assert told(lab.send("net", there)) == [("vm", "198.51.100.7", "10.0.0.10", 8)]
    (back,) = told(lab.send("vm", outbound(sport=60, dport=7)))
    assert back == ("net", "203.0.113.30", "198.51.100.7", 8)
    with state.transaction() as tx:
        tx.replace(evolve(AT_ROUTER, backends=("10.0.0.20:60",)))
    assert told(lab.send("net", there))[0][2] == "10.0.0.10"
    fresh = inbound("203.0.113.30", sport=8, dport=6)
    assert told(lab.send("net", fresh)) == [("vm2", "198.51.100.7", "10.0.0.20", 8)]
    state.report_backend("10.0.0.20", up=False)
    assert told(lab.send("net", inbound("203.0.113.30", sport=9, dport=6))) == []
    assert told(lab.send("net", inbound("203.0.113.30", sport=9, dport=5))) == []


@pytest.mark.parametrize("beside", [(), (SNAT, DNAT)], ids=["alone", "beside NAT"])
def test_at_a_router_its_own_address_can_be_shared(beside):
    shared = evolve(AT_ROUTER, vip="203.0.113.1:6")
    lab = Emulation(edge(shared, *beside))
    there = inbound("203.0.113.1", sport=7, dport=6)
    assert told(lab.send("net", there)) == [("vm", "198.51.100.7", "10.0.0.10", 8)]
    (back,) = told(lab.send("vm", outbound(sport=60, dport=7)))
    assert back == ("net", "203.0.113.1", "198.51.100.7", 8)
    (out,) = told(lab.send("vm", outbound(sport=9, dport=53)))
    assert out[0] == "net"


def test_warnings():
    state = edge(
        LoadBalancer("none", "10.9.0.1:80", switches=("s0",)),
        LoadBalancer("one", "10.9.0.2:80", ("10.0.0.10:80",), switches=("s0",)),
        LoadBalancer("two", "10.9.0.2:80", ("10.0.0.10:81",), switches=("s0",)),
        LoadBalancer("other", "10.9.0.2:80", ("10.0.0.10:81",), "udp", switches=("s0",)),
        Router("inner"),
        LoadBalancer("lost", "10.9.0.3:80", ("10.0.0.10:80",), routers=("inner",)),
    )
    found = {(name, code) for name, code, _ in state.warnings() if code.startswith("balancer")}
    assert found == {
        ("none", "balancer-without-backends"),
        ("one", "balancer-shared"),
        ("two", "balancer-shared"),
        ("lost", "balancer-without-gateway"),
    }
    state.report_backend("10.0.0.10:80", up=False)
    assert ("one", "balancer-without-backends") in {it[:2] for it in state.warnings()}
    for backend in ("10.0.0.10:82", "10.0.0.10", "10.0.0.11", "[fd00::9]:80"):
        state.report_backend(backend, up=False)
    assert {name for name, code, _ in state.warnings() if code == "backend-unknown"} == {
        "10.0.0.10 port 82",
        "10.0.0.11 port 0",
        "fd00::9 port 80",
    }


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"vip": "10.9.0.1:0"}, "from 1 to 65535"),
        ({"vip": "web:80"}, "such as 10.0.0.1:80"),
        ({"vip": "[10.9.0.1]:80x"}, "such as 10.0.0.1:80"),
        ({"vip": "10.9.0.1"}, "has a port, and 10.9.0.1 has none"),
        ({"backends": ("10.0.0.1",)}, "has no port, and 10.9.0.1:80 has one"),
        ({"backends": ("[fd00::1]:80",)}, "not of the family"),
        ({"backends": ("10.9.0.1:80",)}, "own address"),
        ({"protocol": "sctp"}, "`tcp` or `udp`"),
    ],
)
def test_what_is_refused(fields, text):
    good = {"name": "web", "vip": "10.9.0.1:80", "backends": ("10.0.0.1:80",)}
    with pytest.raises(StateError, match=text):
        LoadBalancer(**good | fields)


def test_a_report_on_what_is_no_backend_is_refused():
    with pytest.raises(StateError, match="not an address and a port"):
        NetworkState().report_backend("web", up=False)
