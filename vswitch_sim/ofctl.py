"""Flows, groups and meters in the language of `ovs-ofctl`: what Open vSwitch reads and dumps.

A flow is its own `str`. A group is written as a whole, all its buckets on one line. A group that
is used and has no buckets is written too: ours is a group that delivers nothing, but Open vSwitch
refuses a flow that names a group which it has not been told of.
"""

from collections.abc import Iterable, Iterator

from vswitch_sim.actions import Action, Clone, Group
from vswitch_sim.flow import Bucket, Entry, Flow, GroupType, MeterBand


def flow_lines(entries: Iterable[Entry]) -> list[str]:
    """A line for each flow, as `ovs-ofctl add-flows` reads it."""
    return [str(entry) for entry in entries if isinstance(entry, Flow)]


def group_lines(entries: Iterable[Entry]) -> dict[int, str]:
    """A line for each group that there is or that is used, as `ovs-ofctl add-groups` reads it."""
    members: dict[int, dict[int, str]] = {}
    types: dict[int, GroupType] = {}
    for entry in entries:
        if isinstance(entry, Bucket):
            members.setdefault(entry.group, {})[entry.bucket] = f",{entry.text}"
        elif isinstance(entry, GroupType):
            types[entry.group] = entry
            members.setdefault(entry.group, {})
        if isinstance(entry, Flow | Bucket):
            for group in _groups_of(entry.actions):
                members.setdefault(group, {})
    return {
        group: str(types.get(group, GroupType(group)))
        + "".join(text for _, text in sorted(buckets.items()))
        for group, buckets in sorted(members.items())
    }


def meter_lines(entries: Iterable[Entry]) -> list[str]:
    """A line for each meter, as `ovs-ofctl add-meter` reads it."""
    return [
        f"meter={band.meter},{band.unit}"
        + (",burst" if band.burst else "")
        + f",bands=type=drop,rate={band.rate}"
        + (f",burst_size={band.burst}" if band.burst else "")
        for band in entries
        if isinstance(band, MeterBand)
    ]


def _groups_of(actions: Iterable[Action]) -> Iterator[int]:
    for action in actions:
        if isinstance(action, Group):
            yield action.group
        elif isinstance(action, Clone):
            yield from _groups_of(action.actions)
