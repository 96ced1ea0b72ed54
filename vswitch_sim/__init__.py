"""Simulated switches, and the network that joins them.

A `Switch` is an OpenFlow switch over real frames: flow tables, groups, a cache that never changes
an answer, and traces. A `Fabric` puts one on each host of an L3 `Underlay` and carries frames
between them in STT tunnels. Errors are `FlowError` and `TopologyError`; packets never raise, they
are dropped under a name.

Imports nothing else of this project.
"""

from vswitch_sim.cache import CacheStatistics
from vswitch_sim.errors import FlowError, TopologyError
from vswitch_sim.fabric import Delivery, Fabric, Host
from vswitch_sim.fields import FIELDS, OFPVID_PRESENT, Field
from vswitch_sim.flow import (
    IN_PORT,
    Action,
    Bucket,
    DecTtl,
    Flow,
    FlowUpdate,
    Group,
    Move,
    Output,
    Resubmit,
    SetField,
)
from vswitch_sim.match import Match
from vswitch_sim.ofctl import flow_lines, group_lines
from vswitch_sim.port import Egress, Port
from vswitch_sim.switch import FlowStatistics, Switch
from vswitch_sim.trace import Trace, TraceAction, TraceBucket, TraceTable
from vswitch_sim.underlay import Underlay

__all__ = [
    "FIELDS",
    "IN_PORT",
    "OFPVID_PRESENT",
    "Action",
    "Bucket",
    "CacheStatistics",
    "DecTtl",
    "Delivery",
    "Egress",
    "Fabric",
    "Field",
    "Flow",
    "FlowError",
    "FlowStatistics",
    "FlowUpdate",
    "Group",
    "Host",
    "Match",
    "Move",
    "Output",
    "Port",
    "Resubmit",
    "SetField",
    "Switch",
    "TopologyError",
    "Trace",
    "TraceAction",
    "TraceBucket",
    "TraceTable",
    "Underlay",
    "flow_lines",
    "group_lines",
]
