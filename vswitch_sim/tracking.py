"""From the action `ct` to what the datapath is told."""

from typing import TYPE_CHECKING

from vswitch_sim.actions import SetField
from vswitch_sim.connection import Ct, Nat
from vswitch_sim.fields import FIELDS
from vswitch_sim.subject import Subject

if TYPE_CHECKING:
    from vswitch_sim.datapath._core import Connection
    from vswitch_sim.datapath._core import Nat as DatapathNat


def connection_of(action: Ct, subject: Subject) -> tuple["Connection", int]:
    """The datapath's arguments for a packet, and the bits of its key that were read."""
    read = 0
    zone = action.zone
    if not isinstance(zone, int):
        read |= zone.key_mask
        zone = zone.of_key(subject.key)
    connection: Connection = {"zone": zone, "commit": action.commit, "force": action.force}
    written, values = _written(action, subject)
    for name, (value, mask) in values.items():
        if name == "ct_mark":
            connection["mark"] = (value, mask)
        else:
            connection["label"] = (value, mask)
    if action.nat is not None:
        connection["nat"] = _nat(action.nat)
    if action.alg:
        connection["alg"] = action.alg
    return connection, read | written


def _written(action: Ct, subject: Subject) -> tuple[int, dict[str, tuple[int, int]]]:
    read, values = 0, dict[str, tuple[int, int]]()
    for each in action.actions:
        if isinstance(each, SetField):
            name, value, bits = each.field, each.value, each.bits
        else:
            part = each.destination
            name, value = part.name, each.source.of_key(subject.key) << part.low
            bits = part.key_mask >> FIELDS[name].shift
            read |= each.source.key_mask
        before, mask = values.get(name, (0, 0))
        values[name] = before & ~bits | value, mask | bits
    return read, values


def _nat(given: Nat) -> "DatapathNat":
    nat: DatapathNat = {}
    if given.kind:
        nat["source"] = given.kind == "src"
    if given.address_min:
        nat["address_min"] = given.address_min
        nat["address_max"] = given.address_max or given.address_min
    if given.port_min:
        nat["port_min"] = given.port_min
        nat["port_max"] = given.port_max or given.port_min
    if given.persistent:
        nat["persistent"] = True
    return nat
