"""What a network tells its machines: leases of DHCP, names of DNS, advertisements of routers.

Names and meanings are those of OVN's northbound database (ovn-nb(5)): `DHCP_Options`, `DNS`, and
`ipv6_ra_configs` of a router's port.
"""

from collections.abc import Iterator, Mapping
from ipaddress import ip_network
from typing import ClassVar

from attrs import field, frozen

from nvp_state.dhcp_options import domain, encoded4, encoded6
from nvp_state.entities import checks
from nvp_state.entities.base import Entity
from nvp_state.entities.checks import checked, listed
from nvp_state.errors import Problem

MODES = ("slaac", "dhcpv6_stateful", "dhcpv6_stateless")
STATELESS = "dhcpv6_stateless"
_MTU_MIN, _MTU_MAX = 1280, 65535


@frozen
class Options(Mapping[str, str]):
    """Names and values, in the order of the names."""

    pairs: tuple[tuple[str, str], ...] = ()

    def __getitem__(self, name: str) -> str:
        return dict(self.pairs)[name]

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self.pairs)

    def __len__(self) -> int:
        return len(self.pairs)


def _options(value: object) -> Options:
    """A mapping of texts, numbers, truth values, or lists of them."""
    if not isinstance(value, Mapping):
        raise ValueError(f"{value!r} is not an object of names and values")
    pairs = ((_word(name, "name"), _word(each, str(name))) for name, each in value.items())
    return Options(tuple(sorted(pairs)))


def _word(value: object, name: str) -> str:
    if isinstance(value, list | tuple):
        return ",".join(_word(each, name) for each in value)
    if isinstance(value, bool):
        return str(value).lower()
    text = str(value) if isinstance(value, str | int) else ""
    if not text or not text.isprintable() or " " in text or "=" in text:
        raise ValueError(f"{name}: {value!r} is no text without blanks, number or truth value")
    return text


@frozen
class DhcpOptions(Entity):
    """What the ports of a switch with addresses in a prefix are told by DHCP, or by DHCPv6.

    Args:
        switch: the switch's name.
        prefix: of either family; ports whose address is in it are served that.
        options: by OVN's names. For IPv4 there must be `server_id`, the server's address, and
            `server_mac`; `netmask` follows from the prefix, and `lease_time` is 3600 seconds. For
            IPv6 `server_id` is the server's MAC; with `dhcpv6_stateless` no address is granted.
    """

    kind: ClassVar[str] = "dhcp-options"
    plural: ClassVar[str] = "DHCP options"
    key_fields: ClassVar[tuple[str, ...]] = ("switch", "prefix")
    section: ClassVar[str] = "dhcp_options"

    switch: str = field(metadata=checked(checks.name, "switch"))
    prefix: str = field(metadata=checked(checks.prefix))
    options: Options = field(metadata=checked(_options))

    @property
    def version(self) -> int:
        """4 or 6."""
        return ip_network(self.prefix).version

    @property
    def told(self) -> tuple[tuple[str, str], ...]:
        """The options that are options of the protocol."""
        own = ("server_id", "server_mac") if self.version == 4 else ("server_id", STATELESS)
        return tuple(pair for pair in self.options.pairs if pair[0] not in own)

    def _contradictions(self) -> list[Problem]:
        needed = {"server_id": checks.ip, "server_mac": checks.mac}
        encoded = encoded4
        if self.version == 6:
            needed, encoded = {"server_id": checks.mac}, encoded6
        problems = []
        for name, check in needed.items():
            if name not in self.options:
                text = f"is missing: DHCPv{self.version} needs it"
                problems.append(Problem(self.title, f"options.{name}", text))
                continue
            try:
                check(self.options[name])
            except ValueError as error:
                problems.append(Problem(self.title, f"options.{name}", str(error)))
        if self.options.get(STATELESS, "true") not in ("true", "false"):
            text = f"{self.options[STATELESS]!r} is neither true nor false"
            problems.append(Problem(self.title, f"options.{STATELESS}", text))
        for name, value in self.told:
            try:
                encoded(name, value)
            except ValueError as error:
                problems.append(Problem(self.title, f"options.{name}", str(error)))
        return problems


def _domain(value: object) -> str:
    text = value if isinstance(value, str) else ""
    domain(text)
    return text.lower().removesuffix(".")


@frozen
class DnsRecord(Entity):
    """A name that machines of a switch, and who asks through it, are told the addresses of.

    Args:
        switch: the switch's name.
        name: the domain name, in capitals or not.
        addresses: of either family; an address that is asked for its name gets it, too.
    """

    kind: ClassVar[str] = "dns-record"
    plural: ClassVar[str] = "DNS records"
    key_fields: ClassVar[tuple[str, ...]] = ("switch", "name")
    section: ClassVar[str] = "dns"

    switch: str = field(metadata=checked(checks.name, "switch"))
    name: str = field(metadata=checked(_domain))
    addresses: tuple[str, ...] = field(metadata=checked(listed(checks.any_ip)))

    def _contradictions(self) -> list[Problem]:
        if not self.addresses:
            return [Problem(self.title, "addresses", "has none: give one at least")]
        return []


def _mtu(value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not _MTU_MIN <= value <= _MTU_MAX:
        raise ValueError(f"{value!r} is not a whole number from {_MTU_MIN} to {_MTU_MAX}")
    return value


@frozen
class RouterAdvertisement(Entity):
    """What a router tells machines that solicit it by one of its ports.

    Args:
        port: the router port; the prefixes of its network are told.
        address_mode: how machines get addresses: `slaac` from the prefixes, `dhcpv6_stateful` from
            DHCPv6, `dhcpv6_stateless` from the prefixes and the rest from DHCPv6.
        mtu: of the network; left out, nothing is told.
        dns_servers: IPv6 addresses (RFC 8106).
        domain_search: domains to look for names in.
    """

    kind: ClassVar[str] = "router-advertisement"
    plural: ClassVar[str] = "router advertisements"
    key_fields: ClassVar[tuple[str, ...]] = ("port",)
    section: ClassVar[str] = "router_advertisements"

    port: str = field(metadata=checked(checks.name, "router-port"))
    address_mode: str = field(default="slaac", metadata=checked(checks.one_of(*MODES)))
    mtu: int | None = field(default=None, metadata=checked(_mtu))
    dns_servers: tuple[str, ...] = field(default=(), metadata=checked(listed(checks.ip6)))
    domain_search: tuple[str, ...] = field(default=(), metadata=checked(listed(_domain)))
