"""Flows and buckets in the language of `ovs-ofctl`: what Open vSwitch reads and dumps.

A flow is its own `str`. A group is written as a whole, all its buckets on one line. A group that
is used and has no buckets is written too: ours is a group that delivers nothing, but Open vSwitch
refuses a flow that names a group which it has not been told of.
"""

from collections.abc import Iterable

from vswitch_sim.flow import Bucket, Flow, Group, format_actions


def flow_lines(entries: Iterable[Flow | Bucket]) -> list[str]:
    """A line for each flow, as `ovs-ofctl add-flows` reads it."""
    return [str(entry) for entry in entries if isinstance(entry, Flow)]


def group_lines(entries: Iterable[Flow | Bucket]) -> dict[int, str]:
    """A line for each group that there is or that is used, as `ovs-ofctl add-groups` reads it."""
    members: dict[int, dict[int, str]] = {}
    for entry in entries:
        for action in entry.actions:
            if isinstance(action, Group):
                members.setdefault(action.group, {})
        if isinstance(entry, Bucket):
            actions = format_actions(entry.actions)
            text = f",bucket=bucket_id:{entry.bucket},actions={actions}"
            members.setdefault(entry.group, {})[entry.bucket] = text
    return {
        group: f"group_id={group},type=all" + "".join(text for _, text in sorted(buckets.items()))
        for group, buckets in sorted(members.items())
    }
