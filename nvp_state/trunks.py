"""Trunks: VMs by whose VIF other logical ports have their frames, each in a VLAN of its own.

What a port of a VLAN sends leaves its parent's VIF with the tag (IEEE 802.1Q), and what comes out
there with the tag is the port's.

Cost: in proportion to the ports that change.
"""

from collections.abc import Iterator

from attrs import define, field

from nvp_state.entities import Port
from nvp_state.records import Change, Record

_TPID = b"\x81\x00"
_MACS_BYTES, _TAG_BYTES, _VLAN_BITS = 12, 4, 0xFFF


@define
class Trunks:
    """The ports that are in a VLAN of another's VM."""

    _children: dict[tuple[str, int], str] = field(factory=dict)
    _places: dict[str, tuple[str, int]] = field(factory=dict)

    def follow(self, change: Change) -> None:
        """Take a change of the store."""
        for port in _ports([*change.removed, *(old for old, _ in change.replaced)]):
            place = self._places.pop(port.name, None)
            if place is not None and self._children.get(place) == port.name:
                del self._children[place]
        for port in _ports([*change.added, *(new for _, new in change.replaced)]):
            if port.parent is not None and port.tag is not None:
                self._places[port.name] = port.parent, port.tag
                self._children[port.parent, port.tag] = port.name

    def carrier(self, port: str) -> str:
        """The port at whose VIF a port's frames are: its parent, or itself."""
        return self._places[port][0] if port in self._places else port

    def sent(self, port: str, frame: bytes) -> bytes:
        """A port's frame as its VM sends it."""
        if port not in self._places:
            return frame
        tag = _TPID + self._places[port][1].to_bytes(2, "big")
        return frame[:_MACS_BYTES] + tag + frame[_MACS_BYTES:]

    def heard(self, vif: str, frame: bytes) -> tuple[str, bytes]:
        """Whose the frame is that came out at the VIF of a port, and without the tag it has."""
        if frame[_MACS_BYTES : _MACS_BYTES + 2] != _TPID:
            return vif, frame
        body = _MACS_BYTES + _TAG_BYTES
        tag = int.from_bytes(frame[body - 2 : body], "big") & _VLAN_BITS
        child = self._children.get((vif, tag))
        return (vif, frame) if child is None else (child, frame[:_MACS_BYTES] + frame[body:])


def _ports(records: list[Record]) -> Iterator[Port]:
    return (record.entity for record in records if isinstance(record.entity, Port))
