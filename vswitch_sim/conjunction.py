"""Conjunctive matches: flows that are joined by "and" (ovs-actions(7), `conjunction`).

A flow whose actions are `Conjunction`s decides nothing by itself. Of the flows that cover a packet,
those of one priority, higher than that of every plain one, are taken together: where they meet all
clauses of a conjunction, the packet is looked up again with the conjunction's number as `conj_id`,
now among plain flows only, and what that hits is what the packet hits. Else the next lower
priority is tried, down to the plain flow. So n sources and m destinations take n + m + 1 flows.

Open vSwitch leaves open which of several conjunctions of one priority is taken; here it is the one
with the least number whose second look-up hits. There, the second look-up does not see a plain flow
that has the match of a flow with a clause; that makes no difference if the flow for the `conj_id`
has the priority of its clauses.
"""

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from vswitch_sim.classifier import FlowEntry


class Found(NamedTuple):
    """What a look-up found.

    Attributes:
        entry: what the key hits, None for a miss.
        read: the bits that were read, `eth_type` not counted: keys that agree in these, and in
            `eth_type`, hit the same.
        tried: the numbers of conjunctions of which all clauses were met.
        met: the entries that met them.
        floor: where conjunctions were tried, new flows of less priority change nothing.
    """

    entry: "FlowEntry | None"
    read: int
    tried: tuple[int, ...] = ()
    met: tuple["FlowEntry", ...] = ()
    floor: int = 0


class Candidate(NamedTuple):
    """A conjunction of which entries of one priority meet all clauses."""

    number: int
    priority: int
    met: tuple["FlowEntry", ...]


def candidates(entries: Iterable["FlowEntry"]) -> Iterator[Candidate]:
    """The conjunctions whose clauses entries with clauses meet, in the order to try them."""

    def priority_of(entry: "FlowEntry") -> int:
        return entry.flow.priority

    ordered = sorted(entries, key=priority_of, reverse=True)
    for priority, same in groupby(ordered, priority_of):
        parts: dict[tuple[int, int], dict[int, list[FlowEntry]]] = {}
        for entry in same:
            for it in entry.clauses:
                of_number = parts.setdefault((it.number, it.clauses), {})
                of_number.setdefault(it.clause, []).append(entry)
        for (number, n_clauses), met in sorted(parts.items(), key=lambda item: item[0]):
            if len(met) == n_clauses:
                every = dict.fromkeys(entry for part in met.values() for entry in part)
                yield Candidate(number, priority, tuple(every))
