"""Ports of a switch, and frames that leave by them."""

from attrs import frozen


@frozen
class Port:
    """A port: its OpenFlow number, its name and what it leads to (`vif`, `tunnel`, …)."""

    number: int
    name: str
    kind: str = "vif"


@frozen
class Egress:
    """A frame leaving by a port; `tun_id` is the tunnel key, for ports that are tunnels."""

    port: int
    frame: bytes
    tun_id: int = 0
