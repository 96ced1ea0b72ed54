"""Ports of a switch, and frames that leave by them."""

from attrs import frozen


@frozen
class Port:
    """A port of a switch.

    Attributes:
        number: its OpenFlow number.
        name: its name, one of its kind.
        kind: what it leads to (`vif`, `tunnel`, …).
        is_up: what a fast failover group goes by.
    """

    number: int
    name: str
    kind: str = "vif"
    is_up: bool = True


@frozen
class Egress:
    """A frame leaving by a port; `tun_id` is the tunnel key, for ports that are tunnels."""

    port: int
    frame: bytes
    tun_id: int = 0
