"""Rows of the programs in OpenFlow's terms: a change of form, in which nothing is decided.

The programs derive flows and buckets as rows of plain values (nlog/rules/flow.nlog says what each
means). Here they become the messages a switch takes. A match that asks two things of one field
is a flow only if a packet can satisfy both, so `to_flow` may answer None.
"""

from collections.abc import Iterable
from typing import Any

from nvp_state.cubes import EXACT
from vswitch_sim import (
    FIELDS,
    Action,
    Bucket,
    Flow,
    FlowError,
    Group,
    Match,
    Output,
    Resubmit,
    SetField,
)

Row = tuple[Any, ...]


def to_flow(number: int, priority: int, match: Row, actions: Row) -> Flow | None:
    """The flow of a row, or None if no packet can match it.

    Args:
        number: the flow table.
        priority: 0 to 65535.
        match: rows of record `Field`, (name, value, mask).
        actions: rows of record `Action`, (verb, field, value).

    Raises:
        FlowError: the row is not a flow that a switch accepts.
    """
    fields = _merge(match)
    if fields is None:
        return None
    return Flow(number, priority, Match.of(**fields), to_actions(actions))


def to_bucket(group: int, bucket: int, actions: Row) -> Bucket:
    """The bucket of a row. Raises FlowError if a switch would not accept it."""
    return Bucket(group, bucket, to_actions(actions))


def to_actions(actions: Iterable[Row]) -> tuple[Action, ...]:
    """The actions of rows of record `Action`. Raises FlowError for one there is not."""
    return tuple(_action(*action) for action in actions)


def _action(verb: str, field: str, value: int) -> Action:
    match verb:
        case "set_field":
            return SetField(field, value)
        case "resubmit":
            return Resubmit(value)
        case "output":
            return Output(value)
        case "group":
            return Group(value)
    raise FlowError(
        f"no action is named {verb!r}; there are 'set_field', 'resubmit', 'output' and 'group'"
    )


def _merge(match: Iterable[Row]) -> dict[str, tuple[int, int]] | None:
    merged: dict[str, tuple[int, int]] = {}
    for name, value, mask in match:
        if name not in FIELDS:
            raise FlowError(f"no field is named {name!r}; there are {', '.join(FIELDS)}")
        bits = FIELDS[name].maximum if mask == EXACT else mask
        known_value, known_bits = merged.get(name, (0, 0))
        if (known_value ^ value) & known_bits & bits:
            return None
        merged[name] = (known_value | value, known_bits | bits)
    return merged
