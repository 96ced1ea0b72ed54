"""The linear twin of the switch: the same flows, read off a list by the words of the manual.

It knows packets as dictionaries of fields (those the packet lacks match as zero), scans every
flow for every lookup, caches nothing, and has scapy build what leaves.
"""

from collections import Counter

from attrs import define, field

from tests.vswitch_sim.frames import Spec
from vswitch_sim import (
    IN_PORT,
    DecTtl,
    Flow,
    FlowUpdate,
    Group,
    Match,
    Move,
    Output,
    Resubmit,
    SetField,
)

WIDTHS = {
    **{f"reg{n}": 32 for n in range(16)},
    "eth_src": 48,
    "eth_dst": 48,
    "ipv4_src": 32,
    "ipv4_dst": 32,
    "arp_spa": 32,
    "arp_tpa": 32,
    "metadata": 64,
}
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
    flows: list = field(factory=list)
    buckets: list = field(factory=list)

    def apply(self, update: FlowUpdate) -> None:
        for entry in update.remove:
            (self.flows if isinstance(entry, Flow) else self.buckets).remove(entry)
        for entry in update.add:
            (self.flows if isinstance(entry, Flow) else self.buckets).append(entry)

    def process(self, in_port: int, spec: Spec, tun_id: int) -> "Outcome":
        run = _Run(self, in_port)
        out = run.result(spec, tun_id)
        return Outcome(out, run.drops, run.passed)


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
        covering = [f for f in self.switch.flows if f.table == table and covers(f.match, packet)]
        if not covering:
            self.passed.append((table, None))
            self.drops["table_miss"] += 1
            return
        flow = max(covering, key=lambda f: f.rank)
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
            absent = action.field == "vlan_vid" and packet["vlan_vid"] == 0
            if action.field in packet and not absent:
                packet[action.field] = action.value
        elif isinstance(action, Move):
            if action.source in packet and action.destination in packet:
                low = (1 << WIDTHS[action.source]) - 1
                kept = packet[action.destination] & ~low
                packet[action.destination] = kept | packet[action.source]
        elif isinstance(action, DecTtl):
            if "ip_ttl" in packet:
                if packet["ip_ttl"] <= 1:
                    raise TtlExpiredError
                packet["ip_ttl"] -= 1
        elif isinstance(action, Output):
            self.output(action.port, packet)
        elif isinstance(action, Resubmit):
            self.step(depth)
            here, self.at = self.at, action.table
            self.table(action.table, packet, depth + (action.table <= here))
            self.at = here
        elif isinstance(action, Group):
            self.step(depth)
            buckets = [b for b in self.switch.buckets if b.group == action.group]
            self.passed.append((action.group, set(buckets)))
            if not buckets:
                self.drops["group_without_buckets"] += 1
            for bucket in sorted(buckets, key=lambda b: b.bucket):
                self.run(bucket.actions, dict(packet), depth + 1)

    def output(self, port: int, packet: dict[str, int]) -> None:
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
