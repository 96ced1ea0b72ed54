"""Flows for the packets of one version of the configuration.

A packet gets its version where it comes in and keeps it: in bits 0 to 7 of reg12, in tunnels in
bits 48 to 55 of the context ID. A flow that matches on it is one that only packets of that version
meet. Where a packet has no version yet, flows are for all.

Groups cannot match; so a group that changes has the new content under another number meanwhile,
and flows of the new version use that.
"""

from collections.abc import Collection
from typing import TypeVar

from attrs import evolve

from vswitch_sim import Action, Bucket, Flow, Group, GroupType, Match, Resubmit, SetField

VERSIONS = 256
_REGISTER = ("reg12", 0, VERSIONS - 1)
_TUNNEL_SHIFT = 48
_OTHER_NUMBER = 1 << 30
_CLASSIFY = 0

Entry = TypeVar("Entry", Flow, Bucket, GroupType, "Bucket | GroupType")


def is_for_all(flow: Flow) -> bool:
    """Whether a flow is met by packets that have no version yet."""
    return flow.table == _CLASSIFY and "tun_id" not in flow.match


def only(flow: Flow, version: int) -> Flow:
    """The flow for packets of a version alone."""
    fields = {name: flow.match[name] for name in flow.match}
    if flow.table == _CLASSIFY:
        value, mask = fields["tun_id"]
        version_mask = VERSIONS - 1 << _TUNNEL_SHIFT
        fields["tun_id"] = (
            value & ~version_mask | version << _TUNNEL_SHIFT,
            mask | version_mask,
        )
    else:
        fields["reg12"] = (version, VERSIONS - 1)
    return evolve(flow, match=Match.of(**fields))


def stamped(flow: Flow, stamp: int, following: int, version: int) -> Flow:
    """The flow with a version given by itself, where it would lead to table `stamp` for that."""
    actions: list[Action] = []
    for action in flow.actions:
        is_stamp = action == Resubmit(stamp)
        actions += [SetField("reg12", version), Resubmit(following)] if is_stamp else [action]
    return evolve(flow, actions=tuple(actions))


def groups_of(flow: Flow) -> set[int]:
    """The groups that a flow gives packets to."""
    return {action.group for action in flow.actions if isinstance(action, Group)}


def beside(entry: Entry, groups: Collection[int]) -> Entry:
    """The entry as it is beside the old one: with the other numbers of some groups."""
    if isinstance(entry, Flow):
        return evolve(entry, actions=tuple(_beside(action, groups) for action in entry.actions))
    return evolve(entry, group=entry.group | _OTHER_NUMBER)


def _beside(action: Action, groups: Collection[int]) -> Action:
    if isinstance(action, Group) and action.group in groups:
        return Group(action.group | _OTHER_NUMBER)
    return action
