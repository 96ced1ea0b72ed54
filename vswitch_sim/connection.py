"""The action `ct`: a packet goes through connection tracking.

Without a `table` the packet is the same for the actions after it, but that addresses may have been
rewritten. With one, a copy is looked up there with `ct_state` and its like set; the actions after
`ct` go on without them.
"""

from collections.abc import Iterable
from ipaddress import AddressValueError, IPv4Address, IPv6Address, ip_address
from typing import Literal

from attrs import field, frozen

from vswitch_sim.actions import TABLE_MAX, Move, SetField
from vswitch_sim.errors import FlowError
from vswitch_sim.subfield import Subfield

ZONE_MAX = 0xFFFF


@frozen
class Nat:
    """How `ct` rewrites addresses.

    Attributes:
        kind: "src" or "dst" for the end to rewrite when a connection begins; "" only does to a
            packet what was decided for its connection.
        address_min: the lowest address to give; "" leaves addresses.
        address_max: the highest; "" for the lowest.
        port_min: the lowest port to give; 0 leaves ports if it can.
        port_max: the highest; 0 for the lowest.
        persistent: whether one source always gets the same address.

    Raises:
        FlowError: an address that is none, or a range that ends before it begins.
    """

    kind: Literal["", "src", "dst"] = ""
    address_min: str = ""
    address_max: str = ""
    port_min: int = 0
    port_max: int = 0
    persistent: bool = False

    def __attrs_post_init__(self) -> None:
        low, high = _address(self.address_min), _address(self.address_max or self.address_min)
        if low is not None and high is not None:
            if low.version != high.version or int(high) < int(low):
                raise FlowError(f"{self}: the range of addresses ends before it begins")
        elif self.address_max:
            raise FlowError(f"{self}: address_max needs an address_min")
        if not 0 <= self.port_min <= 0xFFFF or not self._ports_fit():
            raise FlowError(f"{self}: ports must be in 1..65535, the lowest first")
        if not self.kind and (self.address_min or self.port_min or self.persistent):
            raise FlowError(f"{self}: a range needs a kind, src or dst")
        if self.kind not in ("", "src", "dst"):
            raise FlowError(f"a NAT is of kind src or dst, not {self.kind!r}")

    def _ports_fit(self) -> bool:
        if not self.port_max:
            return True
        return 0 < self.port_min <= self.port_max <= 0xFFFF

    def __str__(self) -> str:
        if not self.kind:
            return "nat"
        text: str = self.kind
        if self.address_min:
            colon = ":" in self.address_min and self.port_min
            low, high = self.address_min, self.address_max
            text += "=" + (f"[{low}]" if colon else low)
            if high and high != low:
                text += "-" + (f"[{high}]" if colon else high)
        if self.port_min:
            text += ("" if self.address_min else "=") + f":{self.port_min}"
            text += f"-{self.port_max}" if self.port_max > self.port_min else ""
        return f"nat({text}{',persistent' if self.persistent else ''})"


def _zone(zone: int | str | Subfield) -> int | Subfield:
    return zone if isinstance(zone, int) else Subfield.of(zone)


def _as_actions(actions: Iterable[SetField | Move]) -> tuple[SetField | Move, ...]:
    return tuple(actions)


@frozen
class Ct:
    """Put the packet through connection tracking.

    Attributes:
        zone: a number, or the part of a field that has it.
        table: where to look the packet up again; None if nowhere.
        commit: whether a connection that is new is kept.
        force: whether one whose first packet went the other way is replaced.
        actions: what to write into `ct_mark` and `ct_label` of a connection that is committed.
        nat: how addresses are rewritten; None leaves them.
        alg: the helper for connections that open others: "ftp", "tftp" or "".

    Raises:
        FlowError: a zone, table, helper or action that cannot be.
    """

    zone: int | Subfield = field(default=0, converter=_zone)
    table: int | None = None
    commit: bool = False
    force: bool = False
    actions: tuple[SetField | Move, ...] = field(default=(), converter=_as_actions)
    nat: Nat | None = None
    alg: str = ""

    def __attrs_post_init__(self) -> None:
        if isinstance(self.zone, int):
            if not 0 <= self.zone <= ZONE_MAX:
                raise FlowError(f"{self}: zone must be in 0..{ZONE_MAX}")
        elif self.zone.n_bits > 16:
            raise FlowError(f"{self}: a zone has at most 16 bits")
        if self.table is not None and not 0 <= self.table <= TABLE_MAX:
            raise FlowError(f"{self}: table must be in 0..{TABLE_MAX}")
        if self.force and not self.commit:
            raise FlowError(f"{self}: force needs commit")
        if self.alg not in ("", "ftp", "tftp"):
            raise FlowError(f"{self}: alg must be ftp or tftp")
        if self.actions and not self.commit:
            raise FlowError(f"{self}: ct_mark and ct_label are written on commit only")
        for action in self.actions:
            written = action.field if isinstance(action, SetField) else action.destination.name
            if written not in ("ct_mark", "ct_label"):
                raise FlowError(f"{self}: within ct only ct_mark and ct_label can be written")

    def __str__(self) -> str:
        parts = ["commit"] * self.commit + ["force"] * self.force
        if self.table is not None:
            parts.append(f"table={self.table}")
        if self.zone != 0:
            parts.append(f"zone={self.zone}")
        if self.nat is not None:
            parts.append(str(self.nat))
        if self.actions:
            parts.append(f"exec({','.join(map(str, self.actions))})")
        if self.alg:
            parts.append(f"alg={self.alg}")
        return f"ct({','.join(parts)})"


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text) if text else None
    except (AddressValueError, ValueError) as error:
        raise FlowError(f"{text!r} is no IP address") from error
