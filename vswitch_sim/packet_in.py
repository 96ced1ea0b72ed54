"""What the controller gets of a packet, and what it needs to answer it.

A packet that waits for an answer has left the pipeline: a controller makes one new frame of it, and
`Switch.resume` lets that go on in the table that the action names, with the metadata and registers
that the packet had. This is what `pause` does in Open vSwitch, or `resubmit` in a packet-out.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from attrs import frozen

from vswitch_sim.fields import FIELDS
from vswitch_sim.records import States
from vswitch_sim.walk import FrozenState

if TYPE_CHECKING:
    from vswitch_sim.datapath._core import Copy


@frozen
class PacketIn:
    """A copy that went to the controller.

    Attributes:
        reason: why.
        in_port: the port it came in by; 0 if a controller made it.
        frame: its bytes.
        tun_id: the tunnel key it has.
        state: where and how an answer goes on; None if none is waited for.
    """

    reason: str
    in_port: int
    frame: bytes
    tun_id: int = 0
    state: FrozenState | None = None

    @property
    def registers(self) -> Mapping[str, int]:
        """Metadata and registers (`reg0`, `xxreg1`, …) of a packet that waits; else none."""
        if self.state is None:
            return {}
        pipeline = self.state.pipeline
        return {
            known.name: known.of(pipeline) for known in FIELDS.values() if not known.in_datapath
        }


def packet_in_of(copy: "Copy", states: States) -> PacketIn:
    """What the controller gets, of what the datapath gave."""
    reason, recirc_id, in_port, tun_id, frame = copy
    state = states[recirc_id] if recirc_id else None
    return PacketIn(reason, in_port, frame, tun_id, state)
