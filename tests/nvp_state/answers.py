"""Packets put to `answer` as a switch would put them, and frames as VMs send them."""

from scapy.layers.l2 import Ether
from scapy.packet import Packet

from nvp_state.answers import answer
from vswitch_sim import FIELDS, PacketIn
from vswitch_sim.walk import FrozenState

VM, ROUTER = "0a:00:00:00:00:01", "0e:00:00:00:00:01"
V4 = {"src": "10.0.0.10", "dst": "10.0.1.20"}
V6 = {"src": "fd00::10", "dst": "fd01::20"}


def packet_in(reason: str, frame: bytes, **registers: int) -> PacketIn:
    pipeline = 0
    for name, value in registers.items():
        pipeline = FIELDS[name].put(pipeline, value)
    return PacketIn(reason, 1, frame, 0, FrozenState(9, pipeline, 0))


def answered(reason: str, packet: Packet, **registers: int) -> bytes:
    """What is made of a packet, which has an answer."""
    frame = made(reason, packet, **registers)
    assert frame is not None
    return frame


def made(reason: str, packet: Packet, **registers: int) -> bytes | None:
    """What is made of a packet from the VM to its router, by the bytes."""
    frame = packet if isinstance(packet, Ether) else Ether(src=VM, dst=ROUTER) / packet
    return answer(packet_in(reason, bytes(frame), **registers))
