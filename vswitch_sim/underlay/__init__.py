"""The underlay: an L3 network that joins the hosts' NICs, in simulated time.

`topology` has nodes, links and routes; `underlay` carries packets over them; `icmp` has the errors
that a dropped packet is answered with, and `addresses` what all of these read of an IP header.
"""

from vswitch_sim.underlay.addresses import IpAddress
from vswitch_sim.underlay.icmp import IcmpError, read_error
from vswitch_sim.underlay.topology import MTU_DEFAULT, MTU_MAX, MTU_MIN, Link, Topology
from vswitch_sim.underlay.underlay import Crossing, Underlay

__all__ = [
    "MTU_DEFAULT",
    "MTU_MAX",
    "MTU_MIN",
    "Crossing",
    "IcmpError",
    "IpAddress",
    "Link",
    "Topology",
    "Underlay",
    "read_error",
]
