"""Parts of fields: `reg0[0..15]` in the words of `ovs-ofctl`."""

import re

from attrs import field, frozen

from vswitch_sim.errors import FlowError
from vswitch_sim.fields import FIELDS, Field, known_field

_TEXT = re.compile(r"(\w+)(?:\[(?:(\d+)(?:\.\.(\d+))?)?\])?")


@frozen
class Subfield:
    """`n_bits` bits of a field, from its `low`est one on.

    `Subfield.of("reg0[0..15]")` is the handy way to make one; `reg0`, `reg0[]` and `reg0[3]` will
    do, too.

    Raises:
        FlowError: there is no such field, or it has not so many bits.
    """

    name: str
    low: int = 0
    n_bits: int = field(kw_only=True)

    def __attrs_post_init__(self) -> None:
        wrong = known_field(self.name)
        if wrong:
            raise FlowError(wrong)
        width = FIELDS[self.name].width
        if self.low < 0 or self.n_bits < 1 or self.low + self.n_bits > width:
            end = self.low + self.n_bits - 1
            raise FlowError(f"{self.name} has bits 0..{width - 1}, not {self.low}..{end}")

    @classmethod
    def of(cls, text: "str | Subfield") -> "Subfield":
        """The part that a text names; a `Subfield` is taken as it is.

        Raises:
            FlowError: the text does not read as a part of a field, or there is no such part.
        """
        if isinstance(text, Subfield):
            return text
        read = _TEXT.fullmatch(text)
        if read is None:
            raise FlowError(f"{text!r} is no part of a field, such as reg0, reg0[3] or reg0[0..15]")
        name, low, high = read[1], read[2], read[3]
        if known_field(name):
            raise FlowError(known_field(name))
        if low is None:
            return cls(name, 0, n_bits=FIELDS[name].width)
        return cls(name, int(low), n_bits=int(high or low) - int(low) + 1)

    @property
    def field(self) -> Field:
        """The field that it is part of."""
        return FIELDS[self.name]

    @property
    def is_whole(self) -> bool:
        """Whether it is all of the field."""
        return self.n_bits == self.field.width

    @property
    def key_mask(self) -> int:
        """Its bits in the flow key."""
        return ((1 << self.n_bits) - 1) << self.shift

    @property
    def shift(self) -> int:
        """Where it begins in the flow key."""
        return self.field.shift + self.low

    def of_key(self, key: int) -> int:
        """Its value in a flow key."""
        return (key >> self.shift) & ((1 << self.n_bits) - 1)

    def __str__(self) -> str:
        name = self.field.register_name
        if self.is_whole:
            return f"{name}[]"
        end = self.low + self.n_bits - 1
        return f"{name}[{self.low}]" if self.n_bits == 1 else f"{name}[{self.low}..{end}]"


def as_subfield(part: str | Subfield) -> Subfield:
    """The part that a text names; see `Subfield.of`."""
    return Subfield.of(part)
