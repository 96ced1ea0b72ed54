"""Whether actions may stand where they stand, by the rules that Open vSwitch goes by."""

from collections.abc import Iterable

from vswitch_sim.actions import (
    Action,
    Clone,
    DecTtl,
    Group,
    Move,
    Output,
    OutputRegister,
    PopVlan,
    PushVlan,
    Resubmit,
    SetField,
)
from vswitch_sim.connection import Ct
from vswitch_sim.fields import FIELDS
from vswitch_sim.match import Match

# When an action set writes fields.
_SETTING = 3


def needed_layers(action: Action) -> tuple[str, ...]:
    """The headers that an action works on, by their names in `fields.CONDITIONS`."""
    match action:
        case SetField(field=name):
            # Setting vlan_vid needs a tag to set it in.
            return ("vlan",) if name == "vlan_vid" else (FIELDS[name].needs,)
        case Move(source=source, destination=destination):
            tag = ("vlan",) if destination.name == "vlan_vid" else ()
            return (source.field.needs, destination.field.needs, *tag)
        case OutputRegister(source=source):
            return (source.field.needs,)
        case DecTtl() | Ct():
            return ("ip",)
        case PopVlan():
            return ("vlan",)
    return ()


def lacking_layer(match: Match, actions: Iterable[Action], tagged: bool = False) -> str:
    """What a match does not promise that one of the actions needs; "" if it promises all.

    A tag that was pushed before is there: `tagged` says that one was.
    """
    for action in actions:
        if isinstance(action, Clone):
            lacking = lacking_layer(match, action.actions, tagged)
            if lacking:
                return lacking
        for needs in needed_layers(action):
            lacking = "" if needs == "vlan" and tagged else match.missing_layer(needs)
            if lacking:
                return f"{action} needs {lacking}"
        tagged = isinstance(action, PushVlan) or (tagged and not isinstance(action, PopVlan))
    return ""


def misplaced(actions: Iterable[Action]) -> Action | None:
    """The first action that may only stand within `ct`."""
    for action in actions:
        if isinstance(action, Clone):
            inner = misplaced(action.actions)
            if inner is not None:
                return inner
        elif isinstance(action, SetField | Move):
            name = action.field if isinstance(action, SetField) else action.destination.name
            if FIELDS[name].writable == "ct":
                return action
    return None


def is_action_set(actions: Iterable[Action]) -> bool:
    """Whether actions mean the same as a list and as a set, which has an order of its own."""
    ranks = [_set_rank(action) for action in actions]
    single = [rank for rank in ranks if rank != _SETTING]
    return -1 not in ranks and ranks == sorted(ranks) and len(set(single)) == len(single)


def _set_rank(action: Action) -> int:
    """When an action set does the action, whatever the order in which it was written; -1: never."""
    match action:
        case PopVlan():
            return 0
        case PushVlan():
            return 1
        case DecTtl():
            return 2
        case SetField() | Move():
            return _SETTING
        case Output() | Group() | Resubmit() | Ct():
            return 4
    return -1
