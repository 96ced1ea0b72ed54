"""How many packets a second a switch passes: by each cache, and by the pipeline.

    .venv/bin/python benchmarks/switching.py [--flows 10000] [--json build/switching.json]

One host of an L2 network: VIFs, port security, access rules, switching by MAC, a tunnel to each
other host. Frames are of as many TCP, UDP and ARP flows as one says, in random order, of 64, 570
and 1,514 bytes in the proportion 7:4:1, in batches of 256.

exact      a tenth of the flows, all of which the exact-match cache holds
mixed      all flows, some of which it holds, and megaflows the rest
megaflow   the same, but every TCP and UDP frame is of a new flow: a megaflow finds it
pipeline   no megaflow is kept: each frame goes through the flow tables

What is counted is all from the batch to the list of what leaves, in Python, on one core, in
processor time of the process; the best of some rounds.

Open vSwitch is not beside it. Its userspace datapath could be asked for its own count of cycles,
but what feeds it here are dummy ports, which hand out frames one by one, and of which polling costs
far more than passing a frame: measured, 30,000 cycles and more for each frame with 40 ports, where
its authors report some hundreds with a NIC. That would say something of dummy ports only. What
can be compared is compared by a test: how many megaflows the same frames make in both.
"""

import argparse
import json
import random
import struct
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from attrs import asdict, frozen
from rich.console import Console
from rich.table import Table

from vswitch_sim import Flow, FlowUpdate, Match, Output, Resubmit, SetField, Switch

VIFS, TUNNELS = 32, 8
MACS_PER_TUNNEL = 60
SIZES = (64,) * 7 + (570,) * 4 + (1514,)
BATCH = 256
ACCEPTED_PORTS = (22, 80, 443, 8080)

Frames = list[tuple[int, bytes]]


@frozen
class Result:
    """How one way passes frames: so many a second, found where."""

    name: str
    packets_per_s: float
    exact_hits: float
    megaflow_hits: float
    misses: float


def mac(number: int) -> int:
    """The MAC of a VM: local ones first, then those behind the tunnels."""
    return 0x0A0000000000 + number


def ip(number: int) -> int:
    """Its IPv4 address."""
    return 0x0A000000 + number + 1


def network() -> list[Flow]:
    """The host's flows: 0 admits VIFs, 1 has access rules, 2 switches."""
    flows: list[Flow] = []
    for vif in range(1, VIFS + 1):
        who = {"in_port": vif, "eth_src": mac(vif)}
        into = (SetField("metadata", 7), Resubmit(1))
        kinds = {"eth_type": 0x0800, "ipv4_src": ip(vif)}, {"eth_type": 0x0806, "arp_spa": ip(vif)}
        flows += [Flow(0, 100, Match.of(**who, **kind), into) for kind in kinds]
    for port in ACCEPTED_PORTS:
        match = {"metadata": 7, "eth_type": 0x0800, "ip_proto": 6, "tcp_dst": port}
        flows.append(Flow(1, 20, Match.of(**match), (Resubmit(2),)))
    udp = {"metadata": 7, "eth_type": 0x0800, "ip_proto": 17}
    arp = {"metadata": 7, "eth_type": 0x0806}
    flows += [Flow(1, 10, Match.of(**kind), (Resubmit(2),)) for kind in (udp, arp)]
    for number in range(1, VIFS + TUNNELS * MACS_PER_TUNNEL + 1):
        to = Match.of(metadata=7, eth_dst=mac(number))
        out = VIFS + 1 + (number - VIFS - 1) // MACS_PER_TUNNEL
        local = (Output(number),)
        remote = (SetField("tun_id", number), Output(out))
        flows.append(Flow(2, 50, to, local if number <= VIFS else remote))
    return flows


def frame(source: int, destination: int, chance: random.Random) -> bytes:
    """The frame of a new flow between two VMs, by their numbers."""
    ether = mac(destination).to_bytes(6, "big") + mac(source).to_bytes(6, "big")
    kind = chance.choices(("tcp", "udp", "arp"), (70, 27, 3))[0]
    if kind == "arp":
        arp = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + ether[6:] + ip(source).to_bytes(4, "big")
        return (ether + b"\x08\x06" + arp + bytes(6) + ip(destination).to_bytes(4, "big")).ljust(
            60, b"\0"
        )
    size = chance.choice(SIZES)
    proto, port = (6, chance.choice(ACCEPTED_PORTS)) if kind == "tcp" else (17, 53)
    header = struct.pack(
        "!BBHHHBBHII", 0x45, 0, size - 14, 0, 0x4000, 64, proto, 0, ip(source), ip(destination)
    )
    total: int = sum(struct.unpack("!10H", header))
    header = header[:10] + (~(total % 0xFFFF) & 0xFFFF).to_bytes(2, "big") + header[12:]
    ports = struct.pack("!HH", chance.randrange(1024, 65536), port)
    rest = (
        struct.pack("!IIBBHHH", 1, 1, 0x50, 0x10, 1000, 0, 0)
        if kind == "tcp"
        else struct.pack("!HH", size - 34, 0)
    )
    return (ether + b"\x08\0" + header + ports + rest).ljust(size, b"\0")


def flows_of(count: int, chance: random.Random) -> Frames:
    """One frame of each of so many flows, and the VIF that it comes from."""
    last = VIFS + TUNNELS * MACS_PER_TUNNEL
    sources = [chance.randrange(1, VIFS + 1) for _ in range(count)]
    return [(source, frame(source, chance.randrange(1, last + 1), chance)) for source in sources]


def renewed(frames: Frames, chance: random.Random) -> Frames:
    """The same frames with other source ports, which no flow of the network looks at."""
    fresh = []
    for port, one in frames:
        has_ports = one[12:14] == b"\x08\0"
        new = chance.randrange(1024, 65536).to_bytes(2, "big") if has_ports else one[34:36]
        fresh.append((port, one[:34] + new + one[36:]))
    return fresh


def batches(frames: Frames) -> list[tuple[list[int], list[bytes]]]:
    """The frames in batches, as the switch takes them."""
    parts = (frames[place : place + BATCH] for place in range(0, len(frames), BATCH))
    return [([port for port, _ in part], [one for _, one in part]) for part in parts]


def switch_with(flows: Iterable[Flow], **limits: int) -> Switch:
    """A switch with the ports and flows of the network."""
    switch = Switch("hv1", **limits)
    for port in range(1, VIFS + TUNNELS + 1):
        switch.add_port(port, f"p{port}", "vif" if port <= VIFS else "tunnel")
    switch.apply(FlowUpdate(add=tuple(flows)))
    return switch


def measure(name: str, switch: Switch, warm: Frames, rounds: Sequence[Frames]) -> Result:
    """Pass some frames, then others in rounds of which the best counts."""
    for ports, frames in batches(warm):
        switch.process_batch(ports, frames)
    before = switch.cache
    best_s = float("inf")
    for one in rounds:
        parts = batches(one)
        begin = time.process_time()
        for ports, frames in parts:
            switch.process_batch(ports, frames)
        best_s = min(best_s, time.process_time() - begin)
    after = switch.cache
    passed = sum(len(one) for one in rounds)
    return Result(
        name,
        len(rounds[0]) / best_s,
        (after.exact_hits - before.exact_hits) / passed,
        (after.megaflow_hits - before.megaflow_hits) / passed,
        (after.misses - before.misses) / passed,
    )


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--flows", type=int, default=10_000)
    parser.add_argument("--packets", type=int, default=200_000, help="a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    console = Console()
    tables = network()
    console.print(f"seed {options.seed}, {len(tables)} flows in the tables")
    all_flows = flows_of(options.flows, chance)
    few = all_flows[: options.flows // 10]

    def rounds(flows: Frames, count: int) -> list[Frames]:
        return [chance.choices(flows, k=count)] * options.rounds

    fresh = [
        renewed(chance.choices(all_flows, k=options.packets), chance) for _ in range(options.rounds)
    ]
    switch = switch_with(tables)
    results = [
        measure("exact", switch, few, rounds(few, options.packets)),
        measure("mixed", switch, all_flows, rounds(all_flows, options.packets)),
        measure("megaflow", switch, all_flows, fresh),
        measure(
            "pipeline",
            switch_with(tables, megaflows_max=0),
            few,
            rounds(few, options.packets // 100),
        ),
    ]
    table = Table("", "packets a second", "× pipeline", "exact", "megaflow", "missed")
    pipeline = next(result for result in results if result.name == "pipeline")
    for result in results:
        shares = (result.exact_hits, result.megaflow_hits, result.misses)
        ratio = result.packets_per_s / pipeline.packets_per_s
        rate = f"{result.packets_per_s:,.0f}"
        table.add_row(result.name, rate, f"{ratio:,.0f}", *(f"{share:.1%}" for share in shares))
    console.print(table)
    if options.json is not None:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        whole = {"seed": options.seed, "results": [asdict(result) for result in results]}
        options.json.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
