"""Random network documents with routers, routes, access lists and all: what the referee judges.

    document = a_network(random, Features())
    document = a_network(random, Features.switching(acls=True, stateful=False))

All is drawn from a `random.Random`, so a seed says everything. Domains are small, so that rules
overlap, routes shadow each other and frames hit something; MACs are the same on every switch.

Networks keep to what OVN has one meaning for: no address twice on a switch, no two networks of a
router that overlap, no two routes of a router for one prefix, no two access rules of one direction
with equal priority and tier. Everything else may come, also what is a mistake: next hops that no
network has, routing loops, ports without addresses.
"""

from random import Random
from typing import Any

from attrs import frozen

Document = dict[str, Any]

HOSTS = 3
PREFIX_LENGTH = 24
FAR = ["172.16.0.0/16", "172.16.1.0/24", "172.16.1.8/30"]
FAR6 = ["fd77::/16", "fd77:1::/32"]


@frozen
class Features:
    """What a random network may have."""

    without_ip: bool = True
    open_ports: bool = True
    unknown: bool = True
    disabled: bool = True
    ip6: bool = True
    routers: bool = True
    links: bool = True
    routes: bool = True
    acls: bool = True
    stateful: bool = True
    stateless: bool = True
    reject: bool = True
    tiers: bool = True
    groups: bool = True

    @classmethod
    def switching(cls, **more: bool) -> "Features":
        """Switches and their ports only, without IPv6; `more` are features all the same."""
        without = dict.fromkeys(("ip6", "routers", "acls", "tiers", "groups"), False)
        return cls(**(without | more))


def a_network(random: Random, features: Features) -> Document:
    """A network document, as plain data."""
    return _Network(random, features).document


class _Network:
    def __init__(self, random: Random, features: Features) -> None:
        self._random = random
        self._features = features
        hosts = [{"name": f"h{n}", "ip": f"192.0.2.{1 + n}"} for n in range(HOSTS)]
        self.document: Document = {"hosts": hosts, "switches": [], "acls": []}
        count = random.choice([2, 2, 3, 3] if features.routers else [1, 1, 2, 3])
        for number in range(count):
            self.document["switches"].append(self._switch(number))
        self._ports = [port for it in self.document["switches"] for port in it["ports"]]
        if features.routers:
            self._routers(count)
        if features.groups:
            self._groups()
        if features.acls:
            self._acls()

    def _switch(self, number: int) -> Document:
        ports = [self._port(number, each) for each in range(1, self._random.randint(3, 5))]
        return {"name": f"s{number}", "tenant": "acme", "ports": ports}

    def _port(self, switch: int, number: int) -> Document:
        random, features = self._random, self._features
        port: Document = {"name": f"s{switch}p{number}", "mac": f"0a:00:00:00:00:{number:02x}"}
        port["host"] = f"h{random.randrange(HOSTS)}"
        if not features.without_ip or random.random() < 0.85:
            port["ip"] = f"10.0.{switch}.{10 + number}"
            if features.ip6 and random.random() < 0.7:
                port["ip6"] = f"fd0{switch}::1{number}"
        elif features.ip6 and random.random() < 0.3:
            port["ip6"] = f"fd0{switch}::1{number}"
        port["port_security"] = not (features.open_ports and random.random() < 0.4)
        port["unknown"] = features.unknown and random.random() < 0.15
        port["enabled"] = not (features.disabled and random.random() < 0.12)
        return port

    def _routers(self, switches: int) -> None:
        random = self._random
        count = random.choice([1, 2, 2, 3]) if self._features.links else 1
        routers: list[Document] = []
        for router in range(count):
            on = random.sample(range(switches), random.randint(1, switches))
            ports = [self._router_port(router, switch) for switch in sorted(on)]
            routers.append({"name": f"r{router}", "ports": ports})
        self.document |= {"routers": routers, "routes": []}
        neighbours: list[list[tuple[str, str, str]]] = [[] for _ in routers]
        for first in range(count - 1):
            self._link(routers, first, neighbours)
        if self._features.routes:
            for router, known in zip(routers, neighbours, strict=True):
                self._routes(router, known)

    def _router_port(self, router: int, switch: int) -> Document:
        port = {
            "name": f"r{router}s{switch}",
            "mac": f"0e:00:00:00:{router:02x}:{switch:02x}",
            "cidr": f"10.0.{switch}.{router + 1}/{PREFIX_LENGTH}",
            "switch": f"s{switch}",
        }
        if self._features.ip6 and self._random.random() < 0.8:
            port["cidr6"] = f"fd0{switch}::{router + 1}/64"
        return port

    def _link(
        self, routers: list[Document], first: int, neighbours: list[list[tuple[str, str, str]]]
    ) -> None:
        """Join a router with the next, by a switch without VMs or as peers."""
        transit = self._random.random() < 0.5
        if transit:
            switch = {"name": f"t{first}", "tenant": "acme", "ports": []}
            self.document["switches"].append(switch)
        names = f"r{first}up", f"r{first + 1}down"
        for here, (name, other) in enumerate([names, names[::-1]]):
            port = {
                "name": name,
                "mac": f"0e:00:00:01:{first:02x}:{here:02x}",
                "cidr": f"192.168.{first}.{here + 1}/30",
            }
            if self._features.ip6:
                port["cidr6"] = f"fd99:{first}::{here + 1}/64"
            port |= {"switch": f"t{first}"} if transit else {"peer": other}
            routers[first + here]["ports"].append(port)
            there = f"192.168.{first}.{2 - here}", f"fd99:{first}::{2 - here}"
            neighbours[first + here].append((*there, name))

    def _routes(self, router: Document, neighbours: list[tuple[str, str, str]]) -> None:
        random = self._random
        switches = [port.get("switch") for port in router["ports"]]
        hops = [*neighbours, *neighbours]
        for it in self.document["switches"]:
            for port in it["ports"] if it["name"] in switches else ():
                out = f"{router['name']}{it['name']}"
                hops.append((port.get("ip", ""), port.get("ip6", ""), out))
        hops += [("203.0.113.9", "", "")] if random.random() < 0.1 else []
        inner = [f"10.0.{n}.{rest}" for n in range(3) for rest in ("0/24", "8/29", "11/32")]
        inner += ["0.0.0.0/0", "10.0.0.0/16", *FAR]
        inner6 = ["::/0", "fd00::/8", "fd01::/64", "fd02::11/128", *FAR6]
        done: set[str] = set()
        for _ in range(random.randint(1, 6)):
            ip, ip6, out = random.choice(hops)
            six = bool(ip6) and self._features.ip6 and random.random() < 0.4
            prefix = random.choice(inner6 if six else inner)
            hop = ip6 if six else ip
            if not hop or prefix in done:
                continue
            done.add(prefix)
            route = {"router": router["name"], "prefix": prefix, "nexthop": hop}
            if out and random.random() < 0.3:
                route["port"] = out
            self.document["routes"].append(route)

    def _groups(self) -> None:
        names = [port["name"] for port in self._ports]
        ips = [port["ip"] for port in self._ports if "ip" in port] + ["10.0.0.0/24", "10.0.1.8/30"]
        sample = self._random.sample
        groups = [
            {"name": f"g{n}", "ports": sorted(sample(names, min(len(names), 1 + n)))}
            for n in range(2)
        ]
        sets = [{"name": f"a{n}", "addresses": sorted(sample(ips, 1 + n))} for n in range(2)]
        self.document |= {"port_groups": groups, "address_sets": sets}

    def _acls(self) -> None:
        random, features = self._random, self._features
        actions = ["allow", "drop", "drop"]
        actions += ["allow-related", "allow-related"] if features.stateful else []
        actions += ["allow-stateless"] if features.stateless else []
        actions += ["reject"] if features.reject else []
        tiered = features.tiers and random.random() < 0.2
        priorities = random.sample([0, *range(1, 12), 32767], 13)
        for _ in range(random.choice([0, 1, 2, 3, 5])):
            group = random.choice(["", "", "g0", "g1"]) if features.groups else ""
            place = {"port_group": group} if group else {"switch": self._a_switch()["name"]}
            direction = random.choice(["from-lport", "to-lport"])
            match = _Matches(random, self._features, self._ports, direction, self._known(place))
            acl = {"direction": direction, "priority": priorities.pop()}
            acl |= {"match": match.expression(), "action": random.choice(actions)}
            tier = {"tier": random.randrange(3)} if tiered else {}
            self.document["acls"].append(place | acl | tier)

    def _known(self, place: Document) -> list[str]:
        """The port groups that an access rule may name: OVN knows no others where it applies."""
        if "port_group" in place:
            return [place["port_group"]]
        names = {port["name"] for port in self._ports if place["switch"] == port["name"][:2]}
        groups = self.document.get("port_groups", ())
        return [group["name"] for group in groups if names & set(group["ports"])]

    def _a_switch(self) -> Document:
        found = self._random.choice(self.document["switches"])
        assert isinstance(found, dict)
        return found


class _Matches:
    """Match expressions for access rules of a direction, which may name some port groups."""

    def __init__(
        self,
        random: Random,
        features: Features,
        ports: list[Document],
        direction: str,
        groups: list[str],
    ) -> None:
        self._random = random
        self._features = features
        self._ports = [port["name"] for port in ports]
        self._ips = [port["ip"] for port in ports if "ip" in port] or ["10.0.0.11"]
        self._direction = direction
        self._groups = groups

    def expression(self, depth: int = 2) -> str:
        """A match expression with at most `depth` levels of operators."""
        random = self._random
        choice = random.random()
        if depth and choice < 0.3:
            parts = [self.expression(depth - 1) for _ in range(2)]
            return f" {random.choice(['&&', '&&', '||'])} ".join(f"({part})" for part in parts)
        if choice < 0.4:
            return f"!({self._comparison()})"
        if choice < 0.6:
            return self._port()
        return self._comparison() if choice < 0.85 else self._predicate()

    def _port(self) -> str:
        random = self._random
        either = self._direction == "to-lport" and random.random() < 0.7
        side = "outport" if either else "inport"
        if self._groups and random.random() < 0.5:
            return f"{side} == @{random.choice(self._groups)}"
        return f'{side} == "{random.choice(self._ports)}"'

    def _predicate(self) -> str:
        six = ["ip6", "icmp6", "ip6 && udp.dst == 53"] if self._features.ip6 else []
        four = ["ip4", "ip", "arp", "tcp", "udp", "icmp4", "1", "eth.mcast", "ip.ttl == {62, 64}"]
        four += ["icmp4.type == 8", "icmp4.type == {0, 3}"]
        return self._random.choice(four + six)

    def _comparison(self) -> str:
        """A comparison that OVN lets be negated."""
        random, ips = self._random, self._ips
        layer = random.choice(["tcp", "udp"])
        forms = [
            f"ip4.{self._end()} == {random.choice(ips)}",
            f"ip4.{self._end()} == {{{random.choice(ips)}, 10.0.1.0/24}}",
            f"ip4.{self._end()} != 10.0.{random.randrange(3)}.0/28",
            f"eth.{self._end()} == 0a:00:00:00:00:0{random.randint(1, 3)}",
            f"{layer}.dst == {random.choice([53, 80])}",
            f"tcp.dst == {{22, 80}} && ip4.src == {random.choice(ips)}",
            f"50 <= {layer}.{self._end()} < 81",
        ]
        forms += [f"ip4.{self._end()} == $a{random.randrange(2)}"] * 2 * self._features.groups
        forms += [f"ip6.{self._end()} == fd0{random.randrange(2)}::/64"] * self._features.ip6
        return random.choice(forms)

    def _end(self) -> str:
        return self._random.choice(["src", "dst"])
