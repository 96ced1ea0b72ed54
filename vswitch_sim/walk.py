"""What a walk of the pipeline found: the way as a tree, the actions, and all that these rest on."""

from attrs import define, field, frozen

from vswitch_sim.actions import Action
from vswitch_sim.classifier import FlowEntry
from vswitch_sim.conjunction import Found
from vswitch_sim.fields import FIELDS
from vswitch_sim.flow import Bucket, Flow
from vswitch_sim.subject import DatapathAction
from vswitch_sim.tables import Count


@define(eq=False)
class Step:
    """One action done.

    Attributes:
        note: what was odd.
        ends: whether nothing came of it where something should have: a copy ended here.
        visits: lookups and buckets within it.
        steps: what a clone did.
    """

    action: Action
    note: str = ""
    ends: bool = False
    visits: list["Visit | BucketVisit"] = field(factory=list)
    steps: list["Step"] = field(factory=list)

    def end(self, note: str) -> None:
        """Note why a copy ended here."""
        self.note, self.ends = note, True


@define(eq=False)
class Visit:
    """One table passed: the entry that hit (None: a miss), and what its actions did.

    `met` are those that met the clauses, if it was hit by a conjunctive match.
    """

    table: int
    key_before: int
    entry: FlowEntry | None
    met: tuple[FlowEntry, ...] = ()
    steps: list[Step] = field(factory=list)
    key_after: int = 0


@define(eq=False)
class BucketVisit:
    """One bucket passed, with a copy of its own of the packet."""

    bucket: Bucket
    steps: list[Step] = field(factory=list)


@frozen
class FrozenState:
    """What the pipeline knows of a packet that it will want again.

    The packet is in connection tracking, or the controller makes another of it.

    Attributes:
        table: where it goes on.
        pipeline: metadata and registers, at their places in the key.
        in_port: what stands there instead of the port it comes by; -1 for that.
    """

    table: int
    pipeline: int = 0
    in_port: int = -1


_CONJ_ID = FIELDS["conj_id"]


@frozen(eq=False)
class LookUp:
    """One lookup of a walk.

    Attributes:
        table: the table.
        key: the key that was looked up.
        known: its bits that are the same in all packets of the megaflow, beside those of its mask.
        given: its bits that stand for the same bits of the packet as it was given.
        found: what was found.
    """

    table: int
    key: int
    known: int
    given: int
    found: Found

    def may_hit(self, flow: Flow, read: int) -> bool:
        """Whether a packet of the megaflow can hit a flow that is new in the table.

        `read` are the bits in which all its packets agree, as they were given.

        A packet that can is the key with its unknown bits as the flow wants them: it takes the
        same walk to this lookup. Where conjunctive matches are in play, a flow that may take part
        in one counts as one that can hit.
        """
        match, found = flow.match, self.found
        known = match.key_mask & (self.known | read & self.given)
        number, bits = match.get(_CONJ_ID.name)
        if any((it ^ number) & bits == 0 for it in found.tried):
            known &= ~_CONJ_ID.key_mask
        if (self.key ^ match.key_value) & known:
            return False
        if found.tried:
            return flow.priority >= found.floor
        if found.entry is None:
            return True
        if flow.clauses:
            return flow.priority > found.entry.flow.priority
        return flow.rank > found.entry.flow.rank


@define(eq=False)
class Needs:
    """What a walk's outcome depends on, beside the packet and the lookups.

    Attributes:
        groups: that were looked at, whether they were there or not.
        ports: whose being up was asked for.
        all_ports: whether it sends to whatever ports there are.
    """

    groups: set[int] = field(factory=set)
    ports: set[int] = field(factory=set)
    all_ports: bool = False


@define(eq=False)
class Walk:
    """The outcome of a walk.

    Attributes:
        read: the bits of the datapath's key that it depends on.
        mask: those that tell all of them; see `fields.widened`.
        actions: what it comes to.
        root: the way it took.
        lookups: in order.
        needs: what it depends on besides.
        entries: the flows that were hit, as often as they were.
        met: the flows that met clauses of conjunctive matches.
        counts: the counters of groups and buckets that were visited, as often as they were.
        states: those under which packets come back.
        learned: the flows that it adds.
    """

    read: int
    root: Visit
    mask: int = 0
    actions: tuple[DatapathAction, ...] = ()
    lookups: list[LookUp] = field(factory=list)
    needs: Needs = field(factory=Needs)
    entries: list[FlowEntry] = field(factory=list)
    met: list[FlowEntry] = field(factory=list)
    counts: list[Count] = field(factory=list)
    states: list[FrozenState] = field(factory=list)
    learned: list[Flow] = field(factory=list)
