"""When flows go by themselves: so long after they were last hit, or after they came.

Cost: nothing until the first flow can be due; then a look at each flow that has a timeout.
"""

from math import inf

from vswitch_sim.classifier import FlowEntry


class Timeouts:
    """The flows that have a timeout."""

    def __init__(self) -> None:
        self._entries: dict[int, FlowEntry] = {}
        self._due_s = inf

    def add(self, entry: FlowEntry) -> None:
        """Watch a flow, if it has a timeout."""
        if any(entry.flow.timeouts):
            self._entries[id(entry)] = entry
            self._due_s = min(self._due_s, due_s(entry))

    def discard(self, entry: FlowEntry) -> None:
        """Watch a flow no more."""
        self._entries.pop(id(entry), None)

    def may_be_due(self, now_s: float) -> bool:
        """Whether a flow's time can be over; False is sure."""
        return now_s >= self._due_s

    def due(self, now_s: float) -> list[FlowEntry]:
        """The flows whose time is over, by their counters as they are."""
        due = [entry for entry in self._entries.values() if due_s(entry) <= now_s]
        rest = (due_s(entry) for entry in self._entries.values())
        self._due_s = min((time_s for time_s in rest if time_s > now_s), default=inf)
        return due


def due_s(entry: FlowEntry) -> float:
    """When a flow goes if nothing hits it."""
    flow = entry.flow
    idle_s = entry.used_s + flow.idle_timeout if flow.idle_timeout else inf
    hard_s = entry.modified_s + flow.hard_timeout if flow.hard_timeout else inf
    return min(idle_s, hard_s)
