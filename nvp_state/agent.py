"""The agent of one host: keeps its switch's flows equal to what the rules want there.

Rules are sets of rows, and two rules may want two flows with one table, priority and match, of
which a switch holds only one. The agent keeps all that are wanted, installs the least of them, and
the next when that one goes: what is installed depends on what is wanted, never on the order in
which it came. It also remembers which row each installed flow is, for traces.

A change is either applied at once, or in the steps of a rollout (see `rollout`): `prepare` puts
what is new beside what is old, each for the packets of its own version; `switch` has packets that
come in from now on belong to the new one; `clean` leaves what is new, for every packet.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from attrs import define, field, frozen

from nvp_state.controllers import HostDelta
from nvp_state.flows import to_bucket, to_flow, to_group
from nvp_state.versions import beside, groups_of, is_for_all, only, stamped
from vswitch_sim import Bucket, Flow, FlowUpdate, GroupType, Match, Resubmit, SetField, Switch

Row = tuple[Any, ...]
Entry = Flow | Bucket | GroupType


@frozen
class _Exchange:
    """One entry in the place of another; None for none."""

    before: Entry | None
    after: Entry | None


@define
class _Steps:
    """The updates of a rollout that are still to come, and the rows of entries until then."""

    switch: tuple[list[Entry], list[Entry]] = field(factory=lambda: ([], []))
    clean: tuple[list[Entry], list[Entry]] = field(factory=lambda: ([], []))
    rows: dict[object, Row] = field(factory=dict)


class Agent:
    """Turns deltas of rows into updates of one switch, a bundle for each.

    Args:
        switch: the switch.
        stamp: the flow table in which packets that come in get their version, and the next.
    """

    def __init__(self, switch: Switch, stamp: tuple[int, int] = (0, 0)) -> None:
        self._switch = switch
        self._stamp = stamp
        self._stamped: Flow | None = None
        self._wanted: dict[object, dict[Row, Entry]] = {}
        self._installed: dict[object, tuple[Entry, Row]] = {}
        # Of each group, its own entries and the flows that use it.
        self._members: defaultdict[int, set[object]] = defaultdict(set)
        self._users: defaultdict[int, set[object]] = defaultdict(set)
        self._steps: _Steps | None = None

    def apply(self, delta: HostDelta) -> None:
        """Bring the switch from what was wanted to what is wanted after `delta`, at once."""
        exchanges = self._exchanges(delta)
        self._switch.apply(
            FlowUpdate(
                remove=[it.before for it in exchanges if it.before is not None],
                add=[it.after for it in exchanges if it.after is not None],
            )
        )

    def prepare(self, delta: HostDelta, old: int, new: int) -> None:
        """Put what `delta` brings beside what is there, each for packets of its version.

        `clean` must have ended the rollout before.
        """
        assert self._steps is None
        self._steps = steps = _Steps()
        exchanges = self._exchanges(delta)
        groups = {it.group for one in exchanges for it in _both(one) if not isinstance(it, Flow)}
        changed = {_identity(it) for one in exchanges for it in _both(one)}
        users = {user for group in groups for user in self._users[group]} - changed
        for user in users:
            entry = self._installed[user][0]
            exchanges.append(_Exchange(entry, entry))
        removed: list[Entry] = []
        added: list[Entry] = []
        for exchange in exchanges:
            if not any(isinstance(it, Flow) for it in _both(exchange)):
                steps.clean[0].extend([exchange.before] if exchange.before else [])
                steps.clean[1].extend([exchange.after] if exchange.after else [])
            elif is_for_all(exchange.before or exchange.after):
                self._stage_entrance(exchange, old, removed, added)
            else:
                self._stage(exchange, groups, (old, new), removed, added)
        for group in groups:
            others = [beside(self._installed[it][0], groups) for it in self._members[group]]
            added += others
            steps.clean[0].extend(others)
        self._switch.apply(FlowUpdate(remove=removed, add=added))

    def switch(self, version: int) -> None:
        """Have packets that come in belong to a version."""
        stamp, following = self._stamp
        actions = (SetField("reg12", version), Resubmit(following))
        flow = Flow(stamp, 1, Match(), actions)
        removed, added = self._steps.switch if self._steps else ([], [])
        removed = [*removed, *([self._stamped] if self._stamped else [])]
        self._stamped = flow
        self._switch.apply(FlowUpdate(remove=removed, add=[*added, flow]))

    def clean(self) -> None:
        """Leave only what is wanted; no packet of the old version is under way any more."""
        if self._steps is not None:
            removed, added = self._steps.clean
            self._steps = None
            self._switch.apply(FlowUpdate(remove=removed, add=added))

    def row_of(self, entry: Entry) -> Row | None:
        """The row that an installed flow or bucket is, without its host.

        None for one that is there for the packets of an old configuration, or to stamp them.
        """
        identity = _identity(entry)
        if self._steps is not None and identity in self._steps.rows:
            return self._steps.rows[identity]
        entry_and_row = self._installed.get(identity)
        return None if entry_and_row is None else entry_and_row[1]

    def _stage(
        self,
        exchange: _Exchange,
        groups: set[int],
        versions: tuple[int, int],
        removed: list[Entry],
        added: list[Entry],
    ) -> None:
        """A flow for each of both versions, until it is the new one's for all."""
        assert self._steps is not None
        before, after = exchange.before, exchange.after
        if before is not None:
            removed.append(before)
        for flow, version in zip((before, after), versions, strict=True):
            if isinstance(flow, Flow):
                alone = only(beside(flow, groups) if flow is after else flow, version)
                added.append(alone)
                self._steps.clean[0].append(alone)
                if flow is after:
                    self._steps.rows[_identity(alone)] = self._installed[_identity(flow)][1]
        if after is not None:
            self._steps.clean[1].append(after)

    def _stage_entrance(
        self, exchange: _Exchange, old: int, removed: list[Entry], added: list[Entry]
    ) -> None:
        """A flow for packets that have no version yet is exchanged when they get the new one.

        One that only goes has its packets belong to the old version as long as it is there.
        """
        assert self._steps is not None
        before, after = exchange.before, exchange.after
        if before is None:
            added += [after] if after is not None else []
        elif after is None:
            last = stamped(before, *self._stamp, old)
            removed.append(before)
            added.append(last)
            self._steps.clean[0].append(last)
        else:
            self._steps.switch[0].append(before)
            self._steps.switch[1].append(after)

    def _exchanges(self, delta: HostDelta) -> list[_Exchange]:
        """Take note of what is wanted now; what that exchanges in the switch."""
        touched: dict[object, None] = {}
        for row, entry in _entries(
            delta.flows_removed, delta.groups_removed, delta.buckets_removed
        ):
            del self._wanted[_identity(entry)][row]
            touched[_identity(entry)] = None
        for row, entry in _entries(delta.flows_added, delta.groups_added, delta.buckets_added):
            self._wanted.setdefault(_identity(entry), {})[row] = entry
            touched[_identity(entry)] = None
        exchanges = (self._exchange(identity) for identity in touched)
        return [it for it in exchanges if it.before != it.after]

    def _exchange(self, identity: object) -> _Exchange:
        before = self._installed.pop(identity, None)
        if before is not None:
            self._index(identity, before[0], is_there=False)
        wanted = self._wanted[identity]
        if not wanted:
            del self._wanted[identity]
            return _Exchange(before[0] if before else None, None)
        row = min(wanted, key=repr)
        self._installed[identity] = (wanted[row], row)
        self._index(identity, wanted[row], is_there=True)
        return _Exchange(before[0] if before else None, wanted[row])

    def _index(self, identity: object, entry: Entry, *, is_there: bool) -> None:
        place, groups = (
            (self._users, groups_of(entry))
            if isinstance(entry, Flow)
            else (self._members, {entry.group})
        )
        for group in groups:
            if is_there:
                place[group].add(identity)
            else:
                place[group].discard(identity)


def installed(delta: HostDelta) -> list[Entry]:
    """What an agent installs in an empty switch: flows by table and rank, groups, buckets."""
    switch = Switch("")
    Agent(switch).apply(delta)
    explicit = (group for group in switch.groups() if group.kind != "all")
    return [*switch.flows(), *explicit, *switch.buckets()]


def _entries(
    flows: Iterable[Row], groups: Iterable[Row], buckets: Iterable[Row]
) -> Iterator[tuple[Row, Entry]]:
    for row in flows:
        flow = to_flow(*row)
        if flow is not None:
            yield row, flow
    for row in groups:
        yield row, to_group(*row)
    for row in buckets:
        yield row, to_bucket(*row)


def _both(exchange: _Exchange) -> Iterator[Entry]:
    return (it for it in (exchange.before, exchange.after) if it is not None)


def _identity(entry: Entry) -> object:
    return type(entry), entry.identity
