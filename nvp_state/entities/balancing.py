"""Load balancers: one address for a service that several machines offer.

Names and meanings are those of OVN's northbound database (ovn-nb(5), `Load_Balancer`), whose rows
may have several addresses; here each has a load balancer of its own.
"""

import re
from typing import ClassVar

from attrs import field, frozen

from nvp_state.entities import checks
from nvp_state.entities.base import Entity
from nvp_state.entities.checks import checked, listed
from nvp_state.errors import Problem

PROTOCOLS = ("tcp", "udp")
_PORT_MAX = 65535
_ENDPOINT = re.compile(r"(\d[\d.]*)(?::(\d+))?|\[([^]]*)\](?::(\d+))?")


def endpoint(value: object) -> str:
    """An address of either family, with or without a port: `10.0.0.1:80`, `[2001:db8::1]:80`."""
    address, port = split_endpoint(value)
    if not port:
        return address
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def split_endpoint(value: object) -> tuple[str, int]:
    """The address and the port of an endpoint; 0 if it has none.

    Raises:
        ValueError: it is none.
    """
    text = value if isinstance(value, str) else ""
    parts = _ENDPOINT.fullmatch(text)
    if parts is None and text.count(":") < 2:
        example = "10.0.0.1:80 or [2001:db8::1]:80"
        raise ValueError(f"{value!r} is not an address and a port such as {example}")
    if parts is None:
        return checks.any_ip(text), 0
    address, port = (parts[1], parts[2]) if parts[1] else (parts[3], parts[4])
    if port is not None and not 0 < int(port) <= _PORT_MAX:
        raise ValueError(f"{value!r} has a port that is not from 1 to {_PORT_MAX}")
    return checks.any_ip(address), int(port or 0)


@frozen
class LoadBalancer(Entity):
    """An address whose connections are shared among machines, its backends.

    On a switch, connections that its VMs open are translated where the VM is; at a router, those
    that come in by its gateway port, there. All packets of a connection go to one backend. Backends
    that are reported to be down (`NetworkState.report_backend`) get no new connections.

    Args:
        name: its name.
        vip: the address, with a port or without: then all packets to it are meant.
        backends: the machines' addresses, of the same family, with ports if `vip` has one.
        protocol: `tcp` or `udp`; of no account if there is no port.
        switches: the switches whose VMs it serves.
        routers: the routers it is at.
    """

    kind: ClassVar[str] = "load-balancer"
    plural: ClassVar[str] = "load balancers"
    numbered: ClassVar[str] = "load-balancer"
    section: ClassVar[str] = "load_balancers"

    name: str = field(metadata=checked(checks.name))
    vip: str = field(metadata=checked(endpoint))
    backends: tuple[str, ...] = field(default=(), metadata=checked(listed(endpoint)))
    protocol: str = field(default="tcp", metadata=checked(checks.one_of(*PROTOCOLS)))
    switches: tuple[str, ...] = field(default=(), metadata=checked(listed(checks.name), "switch"))
    routers: tuple[str, ...] = field(default=(), metadata=checked(listed(checks.name), "router"))

    @property
    def is_ip6(self) -> bool:
        """Whether it is of IPv6."""
        return ":" in split_endpoint(self.vip)[0]

    def _contradictions(self) -> list[Problem]:
        problems = []
        vip, vip_port = split_endpoint(self.vip)
        for backend in self.backends:
            address, port = split_endpoint(backend)
            if (":" in address) != (":" in vip):
                problems.append(f"{backend} is not of the family of {self.vip}")
            elif bool(port) != bool(vip_port):
                one, other = ("no port", "one") if vip_port else ("a port", "none")
                problems.append(f"{backend} has {one}, and {self.vip} has {other}")
            elif (address, port) == (vip, vip_port):
                problems.append(f"{backend} is the load balancer's own address")
        return [Problem(self.title, "backends", text) for text in problems]
