"""Simulated switches, and the network that joins them.

A `Switch` is an OpenFlow switch over real frames: flow tables, groups, meters, connection
tracking, caches that never change an answer, and traces. A `Fabric` puts one on each host of an L3
`Underlay` and carries frames between them in STT tunnels. Errors are `FlowError` and
`TopologyError`; packets never raise, they are dropped under a name.

Imports nothing else of this project.
"""

from vswitch_sim.actions import (
    ALL,
    FLOOD,
    IN_PORT,
    Action,
    Clone,
    Controller,
    DecTtl,
    Group,
    Meter,
    Move,
    Note,
    Output,
    OutputRegister,
    PopVlan,
    PushVlan,
    Resubmit,
    SetField,
)
from vswitch_sim.connection import Ct, Nat
from vswitch_sim.errors import FlowError, TopologyError
from vswitch_sim.fabric import Delivery, Fabric, Host
from vswitch_sim.fields import FIELDS, OFPVID_PRESENT, Field
from vswitch_sim.flow import Bucket, Entry, Flow, FlowUpdate, GroupType, MeterBand
from vswitch_sim.learn import Learn, LearnLoad, LearnMatch, LearnOutput
from vswitch_sim.match import Match
from vswitch_sim.ofctl import flow_lines, group_lines, meter_lines
from vswitch_sim.port import Egress, Port
from vswitch_sim.statistics import (
    CacheStatistics,
    FlowStatistics,
    GroupStatistics,
    PortStatistics,
)
from vswitch_sim.subfield import Subfield
from vswitch_sim.switch import PacketIn, Switch
from vswitch_sim.trace import Trace, TraceAction, TraceBucket, TracePass, TraceTable
from vswitch_sim.underlay import Underlay

__all__ = [
    "ALL",
    "FIELDS",
    "FLOOD",
    "IN_PORT",
    "OFPVID_PRESENT",
    "Action",
    "Bucket",
    "CacheStatistics",
    "Clone",
    "Controller",
    "Ct",
    "DecTtl",
    "Delivery",
    "Egress",
    "Entry",
    "Fabric",
    "Field",
    "Flow",
    "FlowError",
    "FlowStatistics",
    "FlowUpdate",
    "Group",
    "GroupStatistics",
    "GroupType",
    "Host",
    "Learn",
    "LearnLoad",
    "LearnMatch",
    "LearnOutput",
    "Match",
    "Meter",
    "MeterBand",
    "Move",
    "Nat",
    "Note",
    "Output",
    "OutputRegister",
    "PacketIn",
    "PopVlan",
    "Port",
    "PortStatistics",
    "PushVlan",
    "Resubmit",
    "SetField",
    "Subfield",
    "Switch",
    "TopologyError",
    "Trace",
    "TraceAction",
    "TraceBucket",
    "TracePass",
    "TraceTable",
    "Underlay",
    "flow_lines",
    "group_lines",
    "meter_lines",
]
