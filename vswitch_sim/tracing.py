"""Tracing: a frame through a datapath of its own, which forgets everything after.

The pipeline it walks is the switch's, in one version. The datapath is a fresh one, so that nothing
is counted, cached or learned, and no meter is over its rate; it knows no connections, so what goes
through connection tracking is new there unless `ct_states` say otherwise. What stops for the
controller to answer is told, and waits: `Trace.waiting`.
"""

from collections.abc import Sequence

from vswitch_sim.datapath._core import Datapath
from vswitch_sim.fields import FIELDS
from vswitch_sim.packet_in import packet_in_of
from vswitch_sim.port import Egress
from vswitch_sim.records import States
from vswitch_sim.subject import DatapathAction
from vswitch_sim.tables import View
from vswitch_sim.trace import Trace, TracePass, pass_of
from vswitch_sim.translate import translate
from vswitch_sim.walk import FrozenState

_RECIRC_ID = FIELDS["recirc_id"]
_CT_STATE = FIELDS["ct_state"]


class Tracer:
    """Traces one frame."""

    def __init__(self, name: str, view: View, ct_states: Sequence[int]) -> None:
        """For a frame in a view; `ct_states` are what it comes back from `ct` with, in turn."""
        self._name = name
        self._passes: list[TracePass] = []
        self._view = view
        self._ct_states = list(ct_states)
        self._states = States()

    def run(self, in_port: int, frame: bytes, tun_id: int, state: FrozenState) -> Trace:
        """What becomes of a frame that begins in a state."""
        datapath = Datapath(self._translate, megaflows_max=1, exact_max=1)
        for number in self._view.ports:
            datapath.add_port(number)
        number = 0 if state == self._states[0] else self._states.number(state)
        outcome = datapath.process(in_port, frame, tun_id, 0.0, number)
        copies = (packet_in_of(copy, self._states) for copy in outcome.controller)
        egresses = tuple(Egress(port, left, key) for port, key, left in outcome.egress)
        return Trace(
            self._name,
            tuple(self._passes),
            egresses,
            tuple(outcome.drops),
            tuple(self._view.ports[egress.port].name for egress in egresses),
            tuple(copy for copy in copies if copy.state is not None),
        )

    def _translate(
        self, _number: int, key: int, _frame: bytes
    ) -> tuple[int, tuple[DatapathAction, ...], bool]:
        recirc_id = _RECIRC_ID.of(key)
        if recirc_id and self._ct_states:
            key = _CT_STATE.put(key, self._ct_states.pop(0))
        walk = translate(self._view, key, self._states.number, self._states[recirc_id])
        self._passes.append(pass_of(recirc_id, walk))
        return walk.mask, walk.actions, False
