"""Whether actions may stand where they stand, by the rules that Open vSwitch goes by."""

from collections.abc import Iterable

from vswitch_sim.actions import (
    Action,
    Clone,
    Conjunction,
    Controller,
    DecTtl,
    Group,
    Move,
    Note,
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
from vswitch_sim.values import CT_STATES

# A flow key has room for so many.
TAGS_MAX = 2
_INVALID = 1 << CT_STATES.index("inv")
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
        case Ct(nat=nat, alg=alg):
            address = "" if nat is None else nat.address_min
            version = ("ipv6" if ":" in address else "ipv4") if address else "ip"
            return (version, *({"ftp": ("tcp",), "tftp": ("udp",)}.get(alg, ())))
        case DecTtl():
            return ("ip",)
        case PopVlan():
            return ("vlan",)
    return ()


def lacking_layer(match: Match, actions: Iterable[Action], n_tags: int | None = None) -> str:
    """What a match does not promise that one of the actions needs; "" if it promises all.

    `n_tags` is how many tags there are for sure by then, as one may be pushed before it is needed;
    at first those that the match promises.
    """
    untagged = match.missing_layer("vlan")
    if n_tags is None:
        n_tags = 0 if untagged else 1
    for action in actions:
        if isinstance(action, Clone):
            lacking = lacking_layer(match, action.actions, n_tags)
            if lacking:
                return lacking
        for needs in needed_layers(action):
            lacking = match.missing_layer(needs)
            if needs == "vlan":
                lacking = "" if n_tags else untagged or "a second tag, which cannot be asked for"
            if lacking:
                return f"{action} needs {lacking}"
        if isinstance(action, PushVlan) and n_tags >= TAGS_MAX:
            return f"{action} needs fewer than {TAGS_MAX} tags"
        if isinstance(action, Ct) and action.commit and match.get("ct_state")[0] & _INVALID:
            return f"{action} needs packets other than ct_state=+inv"
        n_tags += isinstance(action, PushVlan) - isinstance(action, PopVlan)
    return ""


def stray_clause(actions: Iterable[Action]) -> Action | None:
    """The first action that may not stand beside a `Conjunction`, or within another."""
    listed = tuple(actions)
    for action in listed:
        if isinstance(action, Clone):
            inner = next((it for it in action.actions if isinstance(it, Conjunction)), None)
            if inner is not None:
                return inner
    if any(isinstance(action, Conjunction) for action in listed):
        return next((it for it in listed if not isinstance(it, Conjunction | Note)), None)
    return None


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


def unreachable(actions: Iterable[Action]) -> Controller | None:
    """The first action at which the packet stops, if something follows it in its list."""
    actions = tuple(actions)
    for place, action in enumerate(actions):
        if isinstance(action, Clone):
            inner = unreachable(action.actions)
            if inner is not None:
                return inner
        is_last = place == len(actions) - 1
        if isinstance(action, Controller) and action.table is not None and not is_last:
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
