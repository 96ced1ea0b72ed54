"""The slow path of a switch: answers for the first packet of each megaflow, and keeps them true.

It owns the datapath, translates for it, remembers what each megaflow rests on (`records`), and
takes away those that an update changes, before any packet can meet them again. It pulls the
megaflows' counters into those of flows, lets flows time out, and adds those that packets learn.

Threads: packets hold `lock` on all of their way, so that they see one version whole, recirculation
included. An update is prepared without it, holding only `writing`, and takes it to publish. A
packet that may have to write itself (flows learn, or time out) takes both, `writing` first.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from threading import RLock

from vswitch_sim.datapath._core import Datapath
from vswitch_sim.errors import TopologyError
from vswitch_sim.fields import FIELDS
from vswitch_sim.flow import Flow, FlowUpdate
from vswitch_sim.port import Port
from vswitch_sim.records import Record, Records, States, attribute, pull
from vswitch_sim.subject import DatapathAction
from vswitch_sim.tables import Change, Tables, View
from vswitch_sim.timeouts import Timeouts
from vswitch_sim.translate import translate
from vswitch_sim.walk import FrozenState

# As Open vSwitch has it: other-config:max-idle.
MEGAFLOW_IDLE_S = 10.0
SWEEP_INTERVAL_S = 1.0

_RECIRC_ID = FIELDS["recirc_id"]


class SlowPath:
    """Tables and datapath of one switch."""

    def __init__(self, name: str, megaflows_max: int) -> None:
        self.tables = Tables(name)
        self.ports: Mapping[int, Port] = {}
        self.datapath = Datapath(self._translate, megaflows_max=megaflows_max)
        self.records = Records()
        self.states = States()
        self.timeouts = Timeouts()
        self.lock = RLock()
        self.writing = RLock()
        self.now_s = 0.0
        self.n_invalidated = 0
        self._megaflows_max = megaflows_max
        self._swept_s = 0.0
        # How many calls to the datapath are under way, one within the other.
        self._under_way = 0
        # Numbers of states that perhaps no megaflow sends packets into any more.
        self._loose: set[int] = set()
        self._is_full = False

    @contextmanager
    def packets(self, now_s: float | None) -> Iterator[float]:
        """Let packets pass while it lasts, at a time, or at the time it is.

        Raises:
            TopologyError: the time is before one that was.
        """
        while True:
            is_writer = self._may_write(now_s)
            with self.writing if is_writer else nullcontext(), self.lock:
                if is_writer != self._may_write(now_s):
                    continue
                self._advance(now_s)
                self._under_way += 1
                try:
                    yield self.now_s
                finally:
                    self._under_way -= 1
                    self._settle()
                return

    def apply(self, update: FlowUpdate) -> None:
        """Do an update: all of it, or nothing; see `Switch.apply`."""
        with self.writing:
            change = self.tables.prepare(update, self.now_s)
            with self.lock:
                self.tables.publish(update, change)
                self._revalidate(change)

    def set_ports(self, ports: Mapping[int, Port], number: int, *, comes_or_goes: bool) -> None:
        """Have other ports; port `number` is what differs."""
        with self.lock:
            if comes_or_goes:
                change = self.datapath.add_port if number in ports else self.datapath.remove_port
                change(number)
            self.ports = ports
            self._kill(self.records.of_port(number, comes_or_goes=comes_or_goes))
            self._settle()

    def recirc_id(self, state: FrozenState) -> int:
        """The number under which a packet may go on in a state; good while `packets` lasts."""
        number = self.states.number(state)
        self._loose.add(number)
        return number

    def pull(self) -> None:
        """Bring the counters of flows, groups and buckets up to date; hold `lock`."""
        for megaflow in self.datapath.megaflows():
            pull(self.records.get(megaflow.number), megaflow)

    def view(self, version: int) -> View:
        """What a packet in a version sees."""
        return View(self.tables, version, self.ports)

    def _translate(
        self, number: int, key: int, frame: bytes
    ) -> tuple[int, tuple[DatapathAction, ...], bool]:
        numbers: list[int] = []

        def recirc_id(state: FrozenState) -> int:
            numbers.append(self.states.number(state))
            return numbers[-1]

        view = self.view(self.tables.versions.current)
        walk = translate(view, key, recirc_id, self.states[_RECIRC_ID.of(key)])
        self._loose.update(numbers)
        self._is_full = len(self.records) >= self._megaflows_max
        if not self._is_full:
            self.records.add(Record(number, key, walk, tuple(numbers)))
        for flow in walk.learned:
            self._learn(number, flow)
        # Gone again if what it learned changes itself.
        is_kept = number in self.records
        if not is_kept:
            attribute(walk, 1, len(frame), self.now_s)
        return walk.mask, walk.actions, is_kept

    def _learn(self, number: int, flow: Flow) -> None:
        entry = self.tables.find(flow)
        if entry is None or entry.flow != flow:
            self.apply(FlowUpdate(() if entry is None else (entry.flow,), (flow,)))
            entry = self.tables.find(flow)
        assert entry is not None
        entry.modified_s = self.now_s
        if number in self.records:
            self.records.add_learned(self.records.get(number), entry)

    def _revalidate(self, change: Change) -> None:
        self._kill(self.records.changed_by(change))
        for entry in change.removed:
            self.timeouts.discard(entry)
        for entry in change.added:
            self.timeouts.add(entry)
        for meter in change.meters:
            band = self.tables.meters.get(meter, self.tables.versions.current)
            if band is None:
                self.datapath.remove_meter(meter)
            else:
                self.datapath.set_meter(meter, band.unit, band.rate, band.burst)
        self._settle()

    def _kill(self, numbers: Iterable[int]) -> None:
        wanted = list(numbers)
        self.n_invalidated += len(wanted)
        for megaflow in self.datapath.remove(wanted):
            pull(self.records.get(megaflow.number), megaflow)
        for number in wanted:
            self._loose.update(self.records.forget(number).recirc_ids)

    def _settle(self) -> None:
        """Do what must wait until no packet is under way: forget states, make room."""
        if self._under_way:
            return
        if self._is_full:
            self._is_full = False
            by_use = sorted(self.datapath.megaflows(), key=lambda megaflow: megaflow.used_s)
            self._kill(it.number for it in by_use[: 1 + len(by_use) // 4])
        while self._loose:
            number = self._loose.pop()
            if not self.records.sends_into(number) and number in self.states:
                self._kill(self.records.received_from(number))
                self.states.forget(number)

    def _may_write(self, now_s: float | None) -> bool:
        due = self.timeouts.may_be_due(self.now_s if now_s is None else now_s)
        return due or self.tables.n_learning > 0

    def _advance(self, now_s: float | None) -> None:
        if now_s is None:
            return
        if not self.now_s <= now_s < float("inf"):
            name = self.tables.name
            raise TopologyError(f"switch {name}: time does not go from {self.now_s} to {now_s}")
        self.now_s = now_s
        if self.timeouts.may_be_due(now_s):
            self.pull()
            due = self.timeouts.due(now_s)
            self.apply(FlowUpdate(remove=[entry.flow for entry in due]))
        if now_s >= self._swept_s + SWEEP_INTERVAL_S:
            self._swept_s = now_s
            for megaflow in self.datapath.expire(now_s, MEGAFLOW_IDLE_S):
                pull(self.records.get(megaflow.number), megaflow)
                self._loose.update(self.records.forget(megaflow.number).recirc_ids)
            self._settle()
