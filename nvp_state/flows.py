"""Rows of the programs in OpenFlow's terms: a change of form, in which nothing is decided.

The programs derive flows and buckets as rows of plain values (nlog/rules/flow.nlog says what each
means). Here they become the messages a switch takes. A match that asks two things of one field
is a flow only if a packet can satisfy both, so `to_flow` may answer None.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, cast

from nvp_state.answers import parse
from nvp_state.boxes import EXACT
from vswitch_sim import (
    FIELDS,
    Action,
    Bucket,
    Clone,
    Conjunction,
    Controller,
    Ct,
    CtClear,
    DecTtl,
    Flow,
    FlowError,
    Group,
    GroupKind,
    GroupType,
    Match,
    Meter,
    MeterBand,
    Move,
    Nat,
    Output,
    PopVlan,
    PushVlan,
    Resubmit,
    SetField,
    Subfield,
)

Row = tuple[Any, ...]


def to_flow(number: int, priority: int, match: Row, actions: Row) -> Flow | None:
    """The flow of a row, or None if no packet can match it.

    Args:
        number: the flow table.
        priority: 0 to 65535.
        match: rows of record `Field`, (name, value, mask).
        actions: values of union `Action`.

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


def to_group(group: int, kind: str) -> GroupType:
    """The type of a group, of a row. Raises FlowError if a switch would not accept it."""
    return GroupType(group, cast(GroupKind, kind))


def to_meter(number: int, unit: str, rate: int, burst: int) -> MeterBand:
    """The meter of a row. Raises FlowError if a switch would not accept it."""
    return MeterBand(number, rate, burst, cast(Literal["kbps", "pktps"], unit))


def to_actions(actions: Iterable[Any]) -> tuple[Action, ...]:
    """The actions of values of union `Action`. Raises FlowError for one no switch accepts."""
    return tuple(_action(action) for action in actions)


def _action(case: Any) -> Action:
    """Cases are classes of the program that declares them: they are known by their names."""
    values = tuple(getattr(case, name) for name in type(case).__match_args__)
    return _ACTIONS[type(case).__name__](*values)


def _set_field(field: str, value: int) -> SetField:
    part = Subfield.of(field)
    return SetField.part(part, _unsigned(value, part.n_bits))


def _unsigned(value: int, n_bits: int) -> int:
    """Numbers of rules have 64 bits and a sign: half an IPv6 address may come as less than 0."""
    return value % (1 << 64) if value < 0 and n_bits >= 64 else value


def _ct(zone: str, table: int | None, nat: Any) -> Ct:
    return Ct(_zone(zone), table, nat=_nat(nat))


def _commit(zone: str, table: int | None, nat: Any, mark: Any, label: Any) -> Ct:
    written = tuple(
        SetField(name, value, mask) for name, value, mask in filter(None, (mark, label))
    )
    return Ct(_zone(zone), table, commit=True, actions=written, nat=_nat(nat))


def _report(reason: str, meter: int) -> Action:
    report = Controller(reason)
    return Clone((Meter(meter), report)) if meter else report


def _controller(reason: str, table: int | None) -> Controller:
    if table is not None:
        try:
            parse(reason)
        except ValueError as error:
            raise FlowError(f"controller: {error}") from None
    return Controller(reason, table)


def _zone(zone: str) -> int | str:
    return int(zone) if zone.isdecimal() else zone


def _nat(nat: Row | None) -> Nat | None:
    return None if nat is None else Nat(*nat)


_ACTIONS: Mapping[str, Callable[..., Action]] = {
    "SetField": _set_field,
    "Move": Move,
    "PushVlan": PushVlan,
    "PopVlan": PopVlan,
    "DecTtl": DecTtl,
    "Resubmit": Resubmit,
    "Output": Output,
    "Group": Group,
    "Meter": Meter,
    "Report": _report,
    "Conjunction": Conjunction,
    "Controller": _controller,
    "Ct": _ct,
    "CtClear": CtClear,
    "CtCommit": _commit,
}


def _merge(match: Iterable[Row]) -> dict[str, tuple[int, int]] | None:
    merged: dict[str, tuple[int, int]] = {}
    for name, value, mask in match:
        part = Subfield.of(name)
        every = (1 << part.n_bits) - 1
        bits = every if mask == EXACT else _unsigned(mask, part.n_bits)
        wanted = _unsigned(value, part.n_bits) << part.low
        bits <<= part.low
        if bits & ~FIELDS[part.name].maximum or wanted & ~FIELDS[part.name].maximum:
            raise FlowError(f"{name} has {part.n_bits} bits: {value:#x}/{mask:#x} does not fit")
        known_value, known_bits = merged.get(part.name, (0, 0))
        if (known_value ^ wanted) & known_bits & bits:
            return None
        merged[part.name] = (known_value | wanted, known_bits | bits)
    return merged
