"""How much a change costs beside a computation from nothing, on the network program itself.

    .venv/bin/python benchmarks/move_vm.py [--switches 1000] [--ports 9] [--hosts 300] [--moves 50]

Loads logical switches whose ports are on random hosts, then moves VMs one transaction at a time,
and recomputes both controllers from their inputs. Prints counters (the same on every machine) and
times, with ratios. The seed is fixed and printed.
"""

import argparse
import random
import statistics
import time
from collections.abc import Iterator

from attrs import evolve
from rich.console import Console
from rich.table import Table

from nvp_state import Entity, Host, NetworkState, Port, Switch

COUNTERS = ("rows_read", "probes", "derived", "retracted")


def network(switches: int, ports: int, hosts: int, chance: random.Random) -> Iterator[Entity]:
    """Hosts `hv0`, …, and switches `s0`, … with ports `s0p0`, … on random ones of them."""
    for number in range(hosts):
        yield Host(f"hv{number}", f"192.0.{2 + number // 250}.{1 + number % 250}")
    for number in range(switches):
        yield Switch(f"s{number}", f"tenant{number}")
        for port in range(ports):
            mac = (number * ports + port).to_bytes(4, "big").hex(":")
            yield Port(
                name=f"s{number}p{port}",
                switch=f"s{number}",
                mac=f"0a:00:{mac}",
                ip=f"10.0.0.{1 + port}",
                host=f"hv{chance.randrange(hosts)}",
            )


def counters(state: NetworkState) -> dict[str, int]:
    """What the last commit did in both controllers together."""
    works = (state.logical.engine.work, state.physical.engine.work)
    return {name: sum(getattr(work, name) for work in works) for name in COUNTERS}


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    for name, default in (("switches", 1000), ("ports", 9), ("hosts", 300), ("moves", 50)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    console = Console()
    console.print(f"seed {options.seed}, {options.switches} switches of {options.ports} ports")
    state = NetworkState()
    entities = list(network(options.switches, options.ports, options.hosts, chance))
    with console.status("loading"), state.transaction() as tx:
        tx.add(*entities)
    physical = state.physical.engine
    rows = sum(len(physical[table]) for table in ("physical_flow", "physical_bucket", "tunnel"))
    console.print(f"{rows:,} rows of flows, buckets and tunnels")

    ports = [entity for entity in entities if isinstance(entity, Port)]
    times_s, works = [], []
    for port in chance.sample(ports, options.moves):
        moved = evolve(port, host=f"hv{chance.randrange(options.hosts)}")
        begin = time.perf_counter()
        with state.transaction() as tx:
            tx.replace(moved)
        times_s.append(time.perf_counter() - begin)
        works.append(counters(state))
    with console.status("computing from nothing"):
        begin = time.perf_counter()
        fresh = (state.logical.engine.recompute(), physical.recompute())
        recompute_s = time.perf_counter() - begin

    table = Table("", "a move (median)", "a move (most)", "from nothing", "ratio to median")
    for name in COUNTERS:
        moves = [work[name] for work in works]
        whole = sum(getattr(engine.work, name) for engine in fresh)
        middle = statistics.median(moves)
        ratio = f"{whole / middle:,.0f}" if middle else "-"
        table.add_row(name, f"{middle:,.0f}", f"{max(moves):,}", f"{whole:,}", ratio)
    middle_s = statistics.median(times_s)
    table.add_row(
        "time",
        f"{middle_s * 1e3:.2f} ms",
        f"{max(times_s) * 1e3:.2f} ms",
        f"{recompute_s:.2f} s",
        f"{recompute_s / middle_s:,.0f}",
    )
    console.print(table)


if __name__ == "__main__":
    main()
