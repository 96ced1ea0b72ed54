"""Terms: what is left of a match expression when it is one conjunction, for the switch to match.

A term says what each flow for it matches, and which conditions can be met in several ways. What
other fields rest on, such as the Ethernet type, is one value in each term, since every flow must
name it (OpenFlow 1.3.5, section 7.2.3.8). In what order things stand depends on what they are
alone, so that equal expressions have equal terms.
"""

from collections.abc import Iterable, Iterator
from itertools import product

from attrs import evolve, frozen

from nvp_state.boxes import EXACT, Box, NamedSet, Test
from nvp_state.symbols import OXM_WIDTHS
from vswitch_sim import FIELDS as OXM


@frozen
class Clause:
    """Several ways to meet one condition of a term.

    Attributes:
        field: an OXM field's name, or `inport` or `outport`.
        values: values and masks (-1 if every bit counts), or ports' names, of which one will do.
        sets: address sets or port groups; to be in one of them will do as well.
    """

    field: str
    values: tuple[Test, ...] = ()
    sets: tuple[NamedSet, ...] = ()


@frozen
class Term:
    """A conjunction that the switch can match.

    Attributes:
        inport: the name of a logical port, or empty for any.
        outport: likewise.
        fields: triples of an OXM field's name, value and mask; the mask is -1 if every bit counts.
        clauses: conditions that can be met in several ways, or by a named set.
    """

    inport: str = ""
    outport: str = ""
    fields: tuple[tuple[str, int, int], ...] = ()
    clauses: tuple[Clause, ...] = ()

    @property
    def n_flows(self) -> int:
        """How many flows it takes, named sets being counted as one each."""
        sizes = [len(clause.values) + len(clause.sets) for clause in self.clauses]
        return sum(sizes) + (len(sizes) != 1)


# What other fields rest on, or cannot be told by parts.
_SPELT_OUT = frozenset({"ct_state", "eth_type", "ip_proto", "ip_frag"})
_LATER = 2
_FRAGMENTS = (0, 1, 3)


def spelt_out(box: Box) -> Iterator[Box]:
    """The box as one for each value of what other fields rest on, in a definite order."""
    needed = {
        name
        for field in box.bits
        if field in OXM
        for condition in OXM[field].conditions
        for name, _, _ in condition
    }
    apart = sorted(
        field
        for field, tests in box.bits.items()
        if len(tests) > 1 and field in needed | _SPELT_OUT
    )
    for chosen in product(*(sorted(box.bits[field], key=_in_order) for field in apart)):
        single = dict(zip(apart, chosen, strict=True))
        bits = {**box.bits, **{field: frozenset({test}) for field, test in single.items()}}
        if not _is_impossible(bits):
            yield evolve(box, bits=bits)


def _in_order(test: Test) -> tuple[str, int, int]:
    value, mask = test
    return (value, 0, mask) if isinstance(value, str) else ("", value, mask)


def _is_impossible(bits: dict[str, frozenset[Test]]) -> bool:
    """Whether a fragment is asked for that there is not, or a header that it lacks."""
    for value, mask in bits.get("ip_frag", ()):
        assert isinstance(value, int)
        if all(it & mask != value for it in _FRAGMENTS):
            return True
        above = any(field.startswith(("tcp", "udp", "sctp", "icmp", "nd")) for field in bits)
        return bool(value & _LATER) and above
    return False


def term_of(box: Box) -> Term:
    """The term of a box that is spelt out."""
    ports, fields, clauses = {"inport": "", "outport": ""}, [], []
    for name in (*ports, *OXM_WIDTHS):
        tests = _shown(name, box.bits.get(name, ()))
        match tests:
            case [(str(port), _)]:
                ports[name] = port
            case [(int(value), mask)]:
                fields.append((name, value, mask))
            case [_, *_]:
                clauses.append(Clause(name, tuple(tests)))
        clauses += sorted((_clause(*it) for it in box.sets if it[0] == name), key=repr)
    return Term(ports["inport"], ports["outport"], tuple(fields), tuple(clauses))


def _clause(field: str, choice: frozenset[Test | NamedSet]) -> Clause:
    tests = [it for it in choice if not isinstance(it, NamedSet)]
    sets = [it for it in choice if isinstance(it, NamedSet)]
    ordered = tuple(sorted(sets, key=lambda it: (it.name, it.inside)))
    return Clause(field, tuple(_shown(field, tests)), ordered)


def _shown(field: str, tests: Iterable[Test]) -> list[Test]:
    """Tests in order, with the mask -1 where every bit of the field counts."""
    full = OXM[field].maximum if field in OXM else EXACT
    return [
        (value, EXACT if mask == full else mask) for value, mask in sorted(tests, key=_in_order)
    ]
