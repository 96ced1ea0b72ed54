"""The agent of one host: keeps its switch's flows equal to what the rules want there.

A change is either applied at once, or in the steps of a rollout (see `rollout`): `prepare` puts
what is new beside what is old, each for the packets of its own version; `switch` has packets that
come in from now on belong to the new one; `clean` leaves what is new, for every packet. Each step
is one bundle.
"""

from attrs import define, field

from nvp_state.controllers import HostDelta
from nvp_state.versions import beside, is_for_all, only, stamped
from nvp_state.wanted import Entry, Exchange, Identity, Row, Wanted, identity_of
from vswitch_sim import (
    Bucket,
    Flow,
    FlowUpdate,
    GroupType,
    Match,
    Resubmit,
    SetField,
    Switch,
)


@define
class _Bundle:
    remove: list[Entry] = field(factory=list)
    add: list[Entry] = field(factory=list)

    def exchange(self, exchange: Exchange) -> None:
        self.remove += [exchange.before] if exchange.before is not None else []
        self.add += [exchange.after] if exchange.after is not None else []

    def update(self) -> FlowUpdate:
        return FlowUpdate(remove=self.remove, add=self.add)


@define
class _Steps:
    """The bundles of a rollout, and the rows of flows that are for the new version alone."""

    prepare: _Bundle = field(factory=_Bundle)
    switch: _Bundle = field(factory=_Bundle)
    clean: _Bundle = field(factory=_Bundle)
    rows: dict[Identity, Row | None] = field(factory=dict)


class Agent:
    """Turns deltas of rows into updates of one switch.

    Args:
        switch: the switch.
        stamp: the flow table in which packets that come in get their version, and the next.
    """

    def __init__(self, switch: Switch, stamp: tuple[int, int] = (0, 0)) -> None:
        self._switch = switch
        self._stamp = stamp
        self._stamped: list[Entry] = []
        self._wanted = Wanted()
        self._steps: _Steps | None = None

    def apply(self, delta: HostDelta) -> None:
        """Bring the switch from what was wanted to what is wanted after `delta`, at once."""
        bundle = _Bundle()
        for exchange in self._wanted.change(delta):
            bundle.exchange(exchange)
        self._switch.apply(bundle.update())

    def prepare(self, delta: HostDelta, old: int, new: int) -> None:
        """Put what `delta` brings beside what is there, each for packets of its version.

        `clean` must have ended the rollout before.
        """
        assert self._steps is None
        self._steps = steps = _Steps()
        exchanges = self._wanted.change(delta)
        groups = {
            it.group
            for exchange in exchanges
            for it in exchange.both
            if isinstance(it, Bucket | GroupType)
        }
        changed = {identity_of(it) for exchange in exchanges for it in exchange.both}
        users = {user for group in groups for user in self._wanted.users(group)}
        exchanges += [Exchange(it, it) for it in users if identity_of(it) not in changed]
        for exchange in exchanges:
            match exchange.both[0]:
                case Bucket() | GroupType():
                    steps.clean.exchange(exchange)
                case Flow() as flow if not is_for_all(flow):
                    self._stage(steps, exchange, groups, (old, new))
                case _:
                    self._stage_for_all(steps, exchange, old)
        for group in groups:
            others = [beside(it, groups) for it in self._wanted.members(group)]
            steps.prepare.add += others
            steps.clean.remove += others
        self._switch.apply(steps.prepare.update())

    def switch(self, version: int) -> None:
        """Have packets that come in belong to a version."""
        stamp, following = self._stamp
        bundle = self._steps.switch if self._steps else _Bundle()
        bundle.remove += self._stamped
        actions = (SetField("reg12", version), Resubmit(following))
        self._stamped = [Flow(stamp, 1, Match(), actions)]
        bundle.add += self._stamped
        self._switch.apply(bundle.update())

    def clean(self) -> None:
        """Leave only what is wanted; no packet of the old version is under way any more."""
        if self._steps is not None:
            self._switch.apply(self._steps.clean.update())
            self._steps = None

    def row_of(self, entry: Entry) -> Row | None:
        """The row that an installed flow or bucket is, without its host.

        None for one that is there for the packets of an old configuration, or to stamp them.
        """
        if self._steps is not None and identity_of(entry) in self._steps.rows:
            return self._steps.rows[identity_of(entry)]
        return self._wanted.row_of(entry)

    def _stage(
        self, steps: _Steps, exchange: Exchange, groups: set[int], versions: tuple[int, int]
    ) -> None:
        """A flow for each of both versions, until it is the new one's for all."""
        old, new = versions
        if isinstance(exchange.before, Flow):
            steps.prepare.remove.append(exchange.before)
            alone = only(exchange.before, old)
            steps.prepare.add.append(alone)
            steps.clean.remove.append(alone)
        if isinstance(exchange.after, Flow):
            alone = only(beside(exchange.after, groups), new)
            steps.prepare.add.append(alone)
            steps.clean.remove.append(alone)
            steps.clean.add.append(exchange.after)
            steps.rows[identity_of(alone)] = self._wanted.row_of(exchange.after)

    def _stage_for_all(self, steps: _Steps, exchange: Exchange, old: int) -> None:
        """What packets of every version meet is exchanged when they get the new one.

        A flow by which they come in, and that only goes, has them belong to the old version as
        long as it is there.
        """
        if exchange.before is None:
            steps.prepare.exchange(exchange)
        elif exchange.after is not None:
            steps.switch.exchange(exchange)
        elif isinstance(exchange.before, Flow):
            last = stamped(exchange.before, *self._stamp, old)
            steps.prepare.exchange(Exchange(exchange.before, last))
            steps.clean.remove.append(last)
        else:
            steps.clean.exchange(exchange)


def installed(delta: HostDelta) -> list[Entry]:
    """What an agent installs in an empty switch: flows by table and rank, groups, buckets."""
    switch = Switch("")
    Agent(switch).apply(delta)
    explicit = (group for group in switch.groups() if group.kind != "all")
    return [*switch.flows(), *explicit, *switch.buckets()]
