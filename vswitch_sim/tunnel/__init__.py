"""Tunnels between hosts: STT, and Geneve and VXLAN to compare it with, over NICs with offloads.

    outer       the outer IP header, and what a tunnel is
    inner       the frame that is carried: its headers, and what was left to be offloaded
    marking     DSCP and ECN between the two
    segmentation  cutting TCP packets, by software or by a NIC
    stt, udp    encapsulation
    reassembly  STT segments to frames
    nic         checksum offload, TSO, LRO
    endpoint    a host's end of its tunnels: all of this together

Bytes in, bytes out: no clock, no network, no switch. Each part says what it raises; packets from
the network never raise, they are dropped under a name.
"""

from vswitch_sim.tunnel.endpoint import TunnelEnd
from vswitch_sim.tunnel.inner import NO_OFFLOAD, Offload, partial_checksum
from vswitch_sim.tunnel.nic import Nic, Received
from vswitch_sim.tunnel.outer import Tunnel
from vswitch_sim.tunnel.reassembly import Reassembler, TunnelFrame
from vswitch_sim.tunnel.segmentation import Send, finish
from vswitch_sim.tunnel.stt import FRAME_BYTES_MAX, encapsulate
from vswitch_sim.tunnel.work import Work

__all__ = [
    "FRAME_BYTES_MAX",
    "NO_OFFLOAD",
    "Nic",
    "Offload",
    "Reassembler",
    "Received",
    "Send",
    "Tunnel",
    "TunnelEnd",
    "TunnelFrame",
    "Work",
    "encapsulate",
    "finish",
    "partial_checksum",
]
