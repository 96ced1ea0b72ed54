"""The action `learn`: a packet adds a flow, made of what it has (NXAST_LEARN).

As far as a table of learned addresses needs it: the flow matches parts of fields, each on a value
or on what the packet has there or elsewhere; it writes fields, likewise, and outputs.
"""

from collections.abc import Iterable, Iterator

from attrs import field, frozen

from vswitch_sim.actions import (
    TABLE_MAX,
    Action,
    Output,
    OutputRegister,
    SetField,
)
from vswitch_sim.errors import FlowError
from vswitch_sim.flow import Flow, format_timeouts
from vswitch_sim.match import Match
from vswitch_sim.subfield import Subfield, as_subfield
from vswitch_sim.values import format_value


def _source(source: int | str | Subfield) -> int | Subfield:
    return source if isinstance(source, int) else Subfield.of(source)


@frozen
class _Copy:
    """A part of a field of the learned flow, and the value or the part of the packet for it."""

    destination: Subfield = field(converter=as_subfield)
    source: int | Subfield = field(converter=_source)

    def __attrs_post_init__(self) -> None:
        destination, source = self.destination, self.source
        if isinstance(source, int):
            if not 0 <= source < 1 << destination.n_bits:
                raise FlowError(f"{source:#x} does not fit {destination}")
        elif source.n_bits != destination.n_bits:
            raise FlowError(f"{source} and {destination} have different sizes")

    def value(self, key: int) -> int:
        """The value for a packet."""
        return self.source if isinstance(self.source, int) else self.source.of_key(key)


class LearnMatch(_Copy):
    """The learned flow matches `destination`; without a `source`, on what the packet has there."""

    def __init__(
        self, destination: str | Subfield, source: int | str | Subfield | None = None
    ) -> None:
        super().__init__(destination, destination if source is None else source)

    def __str__(self) -> str:
        if self.source == self.destination:
            return str(self.destination)
        if isinstance(self.source, Subfield):
            return f"{self.destination}={self.source}"
        part = self.destination
        if part.is_whole:
            return f"{part.field.action_name}={format_value(part.field, self.source)}"
        return f"{part}={self.source:#x}"


class LearnLoad(_Copy):
    """The learned flow writes `source` into `destination`."""

    def __str__(self) -> str:
        value = self.source if isinstance(self.source, Subfield) else f"{self.source:#x}"
        return f"load:{value}->{self.destination}"


@frozen
class LearnOutput:
    """The learned flow sends packets to the port whose number stands in `source` now."""

    source: Subfield = field(converter=as_subfield)

    def __str__(self) -> str:
        return f"output:{self.source}"


Spec = LearnMatch | LearnLoad | LearnOutput


def _as_specs(specs: Iterable[Spec]) -> tuple[Spec, ...]:
    return tuple(specs)


@frozen
class Learn:
    """Add a flow, or bring the one that is there up to date, which restarts its hard timeout.

    Raises:
        FlowError: a table, priority, timeout or cookie that a flow cannot have.
    """

    table: int
    specs: tuple[Spec, ...] = field(converter=_as_specs)
    priority: int = 32768
    idle_timeout: int = 0
    hard_timeout: int = 0
    cookie: int = 0

    def __attrs_post_init__(self) -> None:
        if not 0 <= self.table <= TABLE_MAX:
            raise FlowError(f"{self}: table must be in 0..{TABLE_MAX}")
        self._flow(Match(), ())

    @property
    def sources(self) -> Iterator[Subfield]:
        """The parts of the packet that the learned flow depends on."""
        for spec in self.specs:
            if isinstance(spec.source, Subfield):
                yield spec.source

    def flow(self, key: int) -> Flow:
        """The flow that a packet with this key adds.

        Raises:
            FlowError: no switch would take it: it lacks a prerequisite, say.
        """
        fields: dict[str, tuple[int, int]] = {}
        actions: list[Action] = []
        for spec in self.specs:
            if isinstance(spec, LearnOutput):
                port = OutputRegister(spec.source).port_of(key)
                if port:
                    actions.append(Output(port))
            elif isinstance(spec, LearnMatch):
                part = spec.destination
                value, mask = fields.get(part.name, (0, 0))
                bits = part.key_mask >> part.field.shift
                value = value & ~bits | spec.value(key) << part.low
                fields[part.name] = value, mask | bits
            else:
                actions.append(SetField.part(spec.destination, spec.value(key)))
        return self._flow(Match.of(**fields), tuple(actions))

    def _flow(self, match: Match, actions: tuple[Action, ...]) -> Flow:
        timeouts = (self.idle_timeout, self.hard_timeout)
        return Flow(self.table, self.priority, match, actions, self.cookie, *timeouts)

    def __str__(self) -> str:
        timeouts = format_timeouts(self.idle_timeout, self.hard_timeout)
        parts = [f"table={self.table}", *timeouts]
        if self.priority != 32768:
            parts.append(f"priority={self.priority}")
        if self.cookie:
            parts.append(f"cookie={self.cookie:#x}")
        return f"learn({','.join([*parts, *map(str, self.specs)])})"
