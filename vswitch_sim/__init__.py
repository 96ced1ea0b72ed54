"""Simulated switches, and the network that joins them.

A `Switch` is an OpenFlow switch over real frames: flow tables, groups, meters, connection tracking,
caches that never change an answer, and traces. A `Fabric` puts one on each host of an L3 `Underlay`
and carries frames between them in STT tunnels, in simulated time. A `TunnelEnd` is one host's end
of STT, Geneve or VXLAN tunnels over a `Nic` with or without offloads; bytes in, bytes out. Errors
are `FlowError` and `TopologyError`; packets never raise, they are dropped under a name.

Imports nothing else of this project.
"""

from vswitch_sim.actions import (
    ALL,
    FLOOD,
    IN_PORT,
    Action,
    Clone,
    Conjunction,
    Controller,
    CtClear,
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
from vswitch_sim.capture import AtLink, AtVif
from vswitch_sim.connection import Ct, Nat
from vswitch_sim.errors import FlowError, TopologyError
from vswitch_sim.fabric import Delivery, Fabric, TunnelHealth
from vswitch_sim.fields import FIELDS, OFPVID_PRESENT, Field
from vswitch_sim.flow import Bucket, Entry, Flow, FlowUpdate, GroupKind, GroupType, MeterBand
from vswitch_sim.host import Host
from vswitch_sim.learn import Learn, LearnLoad, LearnMatch, LearnOutput
from vswitch_sim.match import Match
from vswitch_sim.ofctl import flow_lines, group_lines, meter_lines
from vswitch_sim.packet_in import PacketIn
from vswitch_sim.port import Egress, Port
from vswitch_sim.statistics import CacheStatistics, FlowStatistics, GroupStatistics, PortStatistics
from vswitch_sim.subfield import Subfield
from vswitch_sim.switch import Switch
from vswitch_sim.trace import Trace, TraceAction, TraceBucket, TracePass, TraceTable
from vswitch_sim.tunnel import (
    Nic,
    Offload,
    Reassembler,
    Received,
    Send,
    Tunnel,
    TunnelEnd,
    TunnelFrame,
    Work,
    finish,
    partial_checksum,
)
from vswitch_sim.underlay import Link, Underlay

__all__ = [
    "ALL",
    "FIELDS",
    "FLOOD",
    "IN_PORT",
    "OFPVID_PRESENT",
    "Action",
    "AtLink",
    "AtVif",
    "Bucket",
    "CacheStatistics",
    "Clone",
    "Conjunction",
    "Controller",
    "Ct",
    "CtClear",
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
    "GroupKind",
    "GroupStatistics",
    "GroupType",
    "Host",
    "Learn",
    "LearnLoad",
    "LearnMatch",
    "LearnOutput",
    "Link",
    "Match",
    "Meter",
    "MeterBand",
    "Move",
    "Nat",
    "Nic",
    "Note",
    "Offload",
    "Output",
    "OutputRegister",
    "PacketIn",
    "PopVlan",
    "Port",
    "PortStatistics",
    "PushVlan",
    "Reassembler",
    "Received",
    "Resubmit",
    "Send",
    "SetField",
    "Subfield",
    "Switch",
    "TopologyError",
    "Trace",
    "TraceAction",
    "TraceBucket",
    "TracePass",
    "TraceTable",
    "Tunnel",
    "TunnelEnd",
    "TunnelFrame",
    "TunnelHealth",
    "Underlay",
    "Work",
    "finish",
    "flow_lines",
    "group_lines",
    "meter_lines",
    "partial_checksum",
]
