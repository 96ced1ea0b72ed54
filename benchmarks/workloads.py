"""All workloads, by name."""

from collections.abc import Callable, Mapping

from benchmarks import networks
from benchmarks.job import Workload

WORKLOADS: Mapping[str, Callable[[float, int, int], Workload]] = {
    "nvp": networks.nvp,
    "nvp-routers": networks.nvp_routers,
    "nvp-components": networks.nvp_components,
}


def make(name: str, scale: float, operations: int, seed: int) -> Workload:
    """A workload of a size, with facts and commits."""
    return WORKLOADS[name](scale, operations, seed)


def describe(name: str) -> Workload:
    """A workload's tables and rules; its facts are hardly any."""
    return make(name, 0.0, 0, 0)
