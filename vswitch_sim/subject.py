"""The packet of a walk: what it is now, what is known of it, and what is not yet done to it.

A walk works out what happens to *every* packet of a megaflow from the key of one. So it tells bits
that it wrote itself, which are the same in all of them (`own`), from bits of the packet that it
was given; reading one of those puts it into the mask. Tags move when one is pushed or popped, and
their bits with them.

Writes are gathered in `pending` until the packet leaves, and then become one "set".
"""

from collections.abc import Iterator

from attrs import define, evolve

from vswitch_sim.fields import (
    CONNTRACK_MASK,
    DATAPATH_MASK,
    FIELDS,
    INNER_TAG_MASK,
    OFPVID_PRESENT,
    PIPELINE_MASK,
    TAG_BITS,
    TAG_MASK,
    TAG_SHIFT,
)

DatapathAction = tuple[object, ...]

_PRESENT = OFPVID_PRESENT << TAG_SHIFT
_TAGS = TAG_MASK | INNER_TAG_MASK
# What the datapath can write; the pipeline's part, and where a packet came from, it never learns.
_SETTABLE = DATAPATH_MASK & ~(
    FIELDS["in_port"].key_mask | FIELDS["recirc_id"].key_mask | CONNTRACK_MASK | _PRESENT
)
# The packet had two tags, 0 and 1, that a key shows; others are as if they were not there.
_UNTOUCHED = (0, 1)
_NONE = 2


@define(eq=False)
class Subject:
    """A packet on its walk.

    Attributes:
        key: its flow key as it is now.
        own: the bits of the key that the walk wrote.
        pending: those of them that actions have yet to write.
        tags: which tags of the given packet stand in the key as its first and second.
    """

    key: int
    own: int = PIPELINE_MASK
    pending: int = 0
    tags: tuple[int, int] = _UNTOUCHED

    def copy(self) -> "Subject":
        """The same packet again."""
        return evolve(self)

    def origin(self, bits: int) -> int:
        """The bits of the packet as it was given that these bits of the key are."""
        given = bits & ~self.own
        if self.tags == _UNTOUCHED:
            return given
        moved, given = given & _TAGS, given & ~_TAGS
        for place, tag in enumerate(self.tags):
            if tag != _NONE:
                given |= (moved >> place * TAG_BITS & TAG_MASK) << tag * TAG_BITS
        return given

    @property
    def known(self) -> int:
        """Bits of the key that do not stand for the same bits of the given packet."""
        return self.own if self.tags == _UNTOUCHED else self.own | _TAGS

    def write(self, shift: int, value: int, bits: int) -> None:
        """Write some bits of the field that begins at `shift`."""
        mask = bits << shift
        self.key = self.key & ~mask | (value & bits) << shift
        self.own |= mask
        self.pending |= mask & _SETTABLE

    def push_tag(self) -> None:
        """Have a new outermost tag; `pending` must be empty."""
        self._set_tags(_PRESENT | (self.key & TAG_MASK) << TAG_BITS)
        self.own = self.own & ~_TAGS | TAG_MASK | (self.own & TAG_MASK) << TAG_BITS
        self.tags = (_NONE, self.tags[0])

    def pop_tag(self) -> None:
        """Lose the outermost tag, and what was to be written into it."""
        self._set_tags((self.key & INNER_TAG_MASK) >> TAG_BITS)
        self.own = self.own & ~_TAGS | (self.own & INNER_TAG_MASK) >> TAG_BITS
        self.pending &= ~TAG_MASK
        self.tags = (self.tags[1], _NONE)

    def forget_connection(self) -> None:
        """Be as if connection tracking had not seen it."""
        self.key &= ~CONNTRACK_MASK
        self.own |= CONNTRACK_MASK

    def _set_tags(self, bits: int) -> None:
        self.key = self.key & ~_TAGS | bits


def commit(out: list[DatapathAction], subject: Subject) -> None:
    """Append what makes the packet itself what the walk has made of its key."""
    if subject.pending & TAG_MASK and out and out[-1][0] == "push_vlan":
        out[-1] = ("push_vlan", out[-1][1], tag_of(subject))
        subject.pending &= ~TAG_MASK
    if subject.pending:
        out.append(("set", subject.key & subject.pending, subject.pending))
        subject.pending = 0


def tag_of(subject: Subject) -> int:
    """The outermost tag's control information."""
    return (subject.key & TAG_MASK) >> TAG_SHIFT


# What leaves the packet changed, or a list of actions ended, for what comes after it.
_CHANGING = frozenset({"set", "push_vlan", "pop_vlan", "ct", "ct_clear", "meter", "recirc"})


def splice(out: list[DatapathAction], branch: list[DatapathAction]) -> None:
    """Append the actions of a copy, as a clone if the original would feel them."""
    if any(action[0] in _CHANGING for action in branch):
        out.append(("clone", tuple(branch)))
    else:
        out.extend(branch)


def finished(actions: list[DatapathAction]) -> tuple[DatapathAction, ...]:
    """Actions without clones that nothing comes after, and with those that recirculation needs."""
    out: list[DatapathAction] = []
    for place, action in enumerate(actions):
        is_last = place == len(actions) - 1
        if action[0] == "clone":
            assert isinstance(action[1], tuple)
            inner = finished(list(action[1]))
            out.extend(inner if is_last else [("clone", inner)])
        elif action[0] == "recirc" and not is_last:
            out.append(("clone", (action,)))
        else:
            out.append(action)
    return tuple(out)


def clone_depth(actions: tuple[DatapathAction, ...]) -> int:
    """How deep clones lie within clones."""
    return max((1 + clone_depth(inner) for inner in _clones(actions)), default=0)


def ends_somewhere(actions: tuple[DatapathAction, ...]) -> bool:
    """Whether anything becomes of the packet."""
    ends = ("output", "controller", "recirc", "drop")
    return any(action[0] in ends for action in actions) or any(
        ends_somewhere(inner) for inner in _clones(actions)
    )


def _clones(actions: tuple[DatapathAction, ...]) -> Iterator[tuple[DatapathAction, ...]]:
    for action in actions:
        if action[0] == "clone":
            assert isinstance(action[1], tuple)
            yield action[1]
