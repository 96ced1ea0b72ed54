"""At which size each rival is measured.

Not every rival finishes a workload at its default size: pyDatalog would take days for the network
that the engine derives in a second. Such a rival is measured at the largest size that it is known
to finish within about half a minute, in a contest of its own, in which the floor and the engine
have that size, too: ratios are always of one size and one run. Who wants it otherwise asks for one
size (`--one-size`), and gets "no answer" where there is none.
"""

from collections.abc import Iterable, Mapping

from attrs import frozen

BESIDE = ("floor", "engine")

# Shares of a workload's default size, found by trying; what is not named here finishes that.
_LARGEST: Mapping[str, Mapping[str, float]] = {
    "clingo": {
        "nvp": 0.1,
        "nvp-routers": 0.1,
        "nvp-components": 0.1,
        "closure-random": 0.3,
        "closure-chain": 0.3,
        "closure-cycle": 0.3,
        "closure-ways-round": 0.3,
        "points-to": 0.1,
    },
    "pydatalog": {
        "nvp": 0.02,
        "nvp-routers": 0.02,
        "nvp-components": 0.02,
        "closure-random": 0.1,
        "closure-chain": 0.1,
        "closure-cycle": 0.1,
        "closure-ways-round": 0.1,
    },
    "pathway": {"nvp": 0.1},
}


@frozen
class Entry:
    """A workload, a size, and who is measured at it."""

    workload: str
    scale: float
    rivals: tuple[str, ...]


def largest(rival: str, workload: str, scale: float) -> float:
    """The size at which a rival is measured when `scale` is asked for."""
    return min(scale, _LARGEST.get(rival, {}).get(workload, scale))


def entries(workload: str, scale: float, rivals: Iterable[str]) -> list[Entry]:
    """The contests, the largest first, in which each rival takes part at a size it can finish.

    Those of `BESIDE` that are among the rivals take part in all.
    """
    everyone = tuple(rivals)
    sizes = {rival: largest(rival, workload, scale) for rival in everyone}
    return [
        Entry(
            workload,
            size,
            tuple(rival for rival in everyone if rival in BESIDE or sizes[rival] == size),
        )
        for size in sorted(set(sizes.values()), reverse=True)
    ]
