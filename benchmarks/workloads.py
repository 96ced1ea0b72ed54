"""All workloads, by name."""

from collections.abc import Callable, Mapping

from benchmarks import closures, networks, pointers
from benchmarks.job import Workload

WORKLOADS: Mapping[str, Callable[[float, int, int], Workload]] = {
    "nvp": networks.nvp,
    "nvp-routers": networks.nvp_routers,
    "nvp-components": networks.nvp_components,
    "closure-random": closures.closure_random,
    "closure-chain": closures.closure_chain,
    "closure-cycle": closures.closure_cycle,
    "closure-ways-round": closures.closure_ways_round,
    "points-to": pointers.points_to,
}


def make(name: str, scale: float, operations: int, seed: int) -> Workload:
    """A workload of a size, with facts and commits."""
    return WORKLOADS[name](scale, operations, seed)


def describe(name: str) -> Workload:
    """A workload's tables and rules; its facts are hardly any."""
    return make(name, 0.0, 0, 0)
