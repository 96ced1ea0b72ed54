"""The linear twin of the switch: the same flows, read off a list by the words of the manual.

It knows packets as dictionaries of fields (those the packet lacks are not in it, and match as
zero), scans every flow for every lookup, caches nothing, and has scapy build what leaves.
"""

from collections import Counter

from attrs import define, field

from tests.vswitch_sim.frames import Spec
from vswitch_sim import (
    FLOOD,
    IN_PORT,
    Bucket,
    Clone,
    Conjunction,
    DecTtl,
    Flow,
    FlowUpdate,
    Group,
    GroupType,
    Match,
    Move,
    Output,
    OutputRegister,
    Resubmit,
    SetField,
)

NOT_IN_FRAME = {"in_port", "tun_id", "metadata", *(f"reg{n}" for n in range(16))}


class LoopError(Exception):
    pass


class TtlExpiredError(Exception):
    pass


@define
class Outcome:
    """What leaves as (port, frame, tun_id), the drops, and what was passed.

    Passed, in order: (table, flow hit or None) and (group, its buckets).
    """

    out: list
    drops: Counter
    passed: list

    @property
    def flows(self) -> list[Flow]:
        return [what for _, what in self.passed if isinstance(what, Flow)]


@define
class LinearSwitch:
    ports: set[int]
    down: set[int] = field(factory=set)
    entries: list = field(factory=list)

    @property
    def flows(self) -> list[Flow]:
        return [entry for entry in self.entries if isinstance(entry, Flow)]

    @property
    def buckets(self) -> list[Bucket]:
        return [entry for entry in self.entries if isinstance(entry, Bucket)]

    def apply(self, update: FlowUpdate) -> None:
        for entry in update.remove:
            self.entries.remove(entry)
        self.entries.extend(update.add)

    def buckets_of(self, group: int) -> list[Bucket]:
        """The buckets that a packet gets, of a group of type all or ff."""
        buckets = sorted((b for b in self.buckets if b.group == group), key=lambda b: b.bucket)
        kinds = [e.kind for e in self.entries if isinstance(e, GroupType) and e.group == group]
        if kinds == ["ff"]:
            return [bucket for bucket in buckets if self.is_live(bucket)][:1]
        return buckets

    def is_live(self, bucket: Bucket) -> bool:
        return bucket.watch_port is None or bucket.watch_port in self.ports - self.down

    def process(self, in_port: int, spec: Spec, tun_id: int) -> "Outcome":
        run = _Run(self, in_port)
        out = run.result(spec, tun_id)
        return Outcome(out, run.drops, run.passed)


def hit(flows: list[Flow], packet: dict[str, int]) -> Flow | None:
    """The flow a packet hits, by ovs-actions(7), `conjunction`."""
    covering = [flow for flow in flows if covers(flow.match, packet)]
    parts = [flow for flow in covering if any(isinstance(a, Conjunction) for a in flow.actions)]
    plain = max((f for f in covering if f not in parts), key=lambda f: f.rank, default=None)
    floor = -1 if plain is None else plain.priority
    for priority in sorted({f.priority for f in parts if f.priority > floor}, reverse=True):
        clauses = {
            (a.number, a.clauses, a.clause)
            for flow in parts
            if flow.priority == priority
            for a in flow.actions
            if isinstance(a, Conjunction)
        }
        for number, n_clauses in sorted({(number, n) for number, n, _ in clauses}):
            if all((number, n_clauses, 1 + n) in clauses for n in range(n_clauses)):
                again = [flow for flow in flows if not any(
                    isinstance(a, Conjunction) for a in flow.actions
                )]  # fmt: skip
                found = hit(again, packet | {"conj_id": number})
                if found is not None:
                    return found
    return plain


def covers(match: Match, packet: dict[str, int]) -> bool:
    return all(packet.get(name, 0) & mask == value for name, value, mask in match.fields)


@define
class _Run:
    switch: LinearSwitch
    in_port: int
    out: list = field(factory=list)
    drops: Counter = field(factory=Counter)
    passed: list = field(factory=list)
    steps: int = 0
    at: int = 0

    def result(self, spec: Spec, tun_id: int) -> list:
        packet = dict.fromkeys(NOT_IN_FRAME, 0) | spec.fields
        packet |= {"in_port": self.in_port, "tun_id": tun_id}
        try:
            self.table(0, packet, 0)
        except LoopError as loop:
            self.out = []
            self.drops = Counter([str(loop)])
        if not self.out and not self.drops:
            self.drops["no_output"] += 1
        frames = []
        for port, left in self.out:
            if port not in self.switch.ports:
                self.drops["no_such_port"] += 1
                continue
            now = {name: value for name, value in left.items() if name not in NOT_IN_FRAME}
            frames.append((port, spec.with_fields(now).build(), left["tun_id"]))
        return frames

    def table(self, table: int, packet: dict[str, int], depth: int) -> None:
        flow = hit([f for f in self.switch.flows if f.table == table], packet)
        if flow is None:
            self.passed.append((table, None))
            self.drops["table_miss"] += 1
            return
        self.passed.append((table, flow))
        if not flow.actions:
            self.drops["drop_flow"] += 1
        self.run(flow.actions, packet, depth)

    def run(self, actions, packet: dict[str, int], depth: int) -> None:
        try:
            for action in actions:
                self.do(action, packet, depth)
        except TtlExpiredError:
            self.drops["ttl_expired"] += 1

    def do(self, action, packet: dict[str, int], depth: int) -> None:
        if isinstance(action, SetField):
            if action.field == "vlan_vid" and packet["vlan_vid"] == 0:
                packet |= {"vlan_vid": action.value, "vlan_pcp": 0}
            elif action.field in packet:
                packet[action.field] = packet[action.field] & ~action.bits | action.value
        elif isinstance(action, Move):
            source, destination = action.source, action.destination
            if source.name in packet and destination.name in packet:
                bits = (1 << source.n_bits) - 1
                moved = packet[source.name] >> source.low & bits
                kept = packet[destination.name] & ~(bits << destination.low)
                packet[destination.name] = kept | moved << destination.low
        elif isinstance(action, DecTtl):
            if "ip_ttl" in packet:
                if packet["ip_ttl"] <= 1:
                    raise TtlExpiredError
                packet["ip_ttl"] -= 1
        elif isinstance(action, Output):
            self.output(action.port, packet)
        elif isinstance(action, OutputRegister):
            bits = (1 << action.source.n_bits) - 1
            self.output(packet[action.source.name] >> action.source.low & bits, packet)
        elif isinstance(action, Clone):
            self.run(action.actions, dict(packet), depth)
        elif isinstance(action, Resubmit):
            self.step(depth)
            here, self.at = self.at, action.table
            self.table(action.table, packet, depth + (action.table <= here))
            self.at = here
        elif isinstance(action, Group):
            self.step(depth)
            buckets = self.switch.buckets_of(action.group)
            self.passed.append((action.group, tuple(buckets)))
            if not any(b.group == action.group for b in self.switch.buckets):
                self.drops["group_without_buckets"] += 1
            elif not buckets:
                self.drops["no_live_bucket"] += 1
            for bucket in buckets:
                self.run(bucket.actions, dict(packet), depth + 1)

    def output(self, port: int, packet: dict[str, int]) -> None:
        if port == FLOOD:
            for number in sorted(self.switch.ports - {packet["in_port"]}):
                self.out.append((number, dict(packet)))
            return
        if port == packet["in_port"]:
            self.drops["output_to_in_port"] += 1
            return
        self.out.append((packet["in_port"] if port == IN_PORT else port, dict(packet)))

    def step(self, depth: int) -> None:
        self.steps += 1
        if depth >= 64:
            raise LoopError("nested_too_deep")
        if self.steps > 4096:
            raise LoopError("too_many_steps")
