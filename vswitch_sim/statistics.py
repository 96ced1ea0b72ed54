"""Counters as they were when asked for."""

from collections.abc import Mapping

from attrs import frozen


@frozen
class FlowStatistics:
    """How many packets, and bytes of frames, hit a flow; a packet counts each time it hits.

    Attributes:
        duration_s: how long the flow has been there.
        idle_s: how long ago it was last hit, or came.
    """

    n_packets: int
    n_bytes: int
    duration_s: float = 0.0
    idle_s: float = 0.0


@frozen
class GroupStatistics:
    """How many packets, and bytes, a group had, and each of its buckets by number."""

    n_packets: int
    n_bytes: int
    buckets: Mapping[int, tuple[int, int]]


@frozen
class PortStatistics:
    """What a port received and sent."""

    rx_packets: int
    rx_bytes: int
    tx_packets: int
    tx_bytes: int


@frozen
class CacheStatistics:
    """What the caches did.

    Attributes:
        exact_hits: packets, and passes after connection tracking, that the exact-match cache knew.
        megaflow_hits: those that a megaflow covered.
        misses: those that the slow path was asked for.
        exact_entries: how many the exact-match cache knows now.
        megaflows: how many there are.
        masks: how many masks they have.
        invalidated: how many updates took away so far.
    """

    exact_hits: int
    megaflow_hits: int
    misses: int
    exact_entries: int
    megaflows: int
    masks: int
    invalidated: int

    @property
    def hits(self) -> int:
        """Those that the slow path was not asked for."""
        return self.exact_hits + self.megaflow_hits
