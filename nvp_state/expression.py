r"""Match expressions of ACLs, from text to what OpenFlow can match.

`normalise(text)` gives the disjunctive normal form of an expression: a packet matches the
expression if and only if it matches one of the `Term`s, and each term is one OpenFlow match.

    >>> normalise('ip4 && tcp.dst == {80, 443} && inport == "web-1"')
    (Term(inport='web-1', outport='', fields=(('eth_type', 2048, -1), ('ip_proto', 6, -1)),
          clauses=(Clause('tcp_dst', values=((80, -1), (443, -1))),)),)

The language is OVN's (ovn-sb(5), column `match` of Logical_Flow; the grammar is in expression.lark,
the symbols are in symbols.py), and means the same:

- A comparison implies what its field requires: `tcp.dst == 80` is `tcp && tcp.dst == 80`. A packet
  without the field does not match it, and no more does it match `tcp.dst != 80`.
- `!` turns around the comparisons it reaches, and what they require stays required:
  `!(tcp.dst == 80)` is `tcp.dst != 80`, so it matches TCP packets only; `!(a && b)` is `!a || !b`.
  Before a predicate it is the complement: `!tcp` matches whatever is not TCP.
- `f == {a, b}` is `f == a || f == b`, and `f != {a, b}` is `f != a && f != b`.
- `$name` stands for the addresses of an address set, `@name` for the ports of a port group. They
  are not looked up here: a term says which it asks for, and stays true when they change.
- `f[a..b]` and `f[a]` are parts of a field whose bits can be masked.

Beyond OVN, fields that cannot be masked (`ip.proto`, `ip.ttl`, …) may be compared in every way if
they have at most 8 bits, at the price of a term for each value. `eth.type`, `arp.op`, `inport` and
`outport` have too many values: `!=` on them is refused unless another condition settles it, as
in `ip4 && !tcp`.

Sets stay sets: a term of several sources and several destinations has a clause for each, which the
switch joins by itself (a conjunctive match), so that it takes as many flows as the sets have
members together. What other fields rest on (`eth.type`, `ip.proto`, the state of connections) is
spelt out in terms of their own.

Cost: in proportion to the tests that arise on the way; an expression that needs more than 4,096
flows is refused. Results are cached.
"""

import re
from collections.abc import Callable
from functools import cache, lru_cache
from itertools import islice
from typing import NoReturn

from attrs import evolve
from lark import Token, Tree

from nvp_state.boxes import (
    ANYTHING,
    Algebra,
    Box,
    Boxes,
    NamedSet,
    Pair,
    Test,
    TooManyTests,
    Value,
    between,
    box_of,
    complement,
    is_prefix,
    outside,
)
from nvp_state.constants import constant_of
from nvp_state.errors import ExpressionError, did_you_mean
from nvp_state.symbols import FIELDS, ORDINAL, PREDICATES, WRITTEN_OUT_WIDTH_MAX, Field
from nvp_state.syntax import parse
from nvp_state.terms import Term, spelt_out, term_of

DEPTH_MAX = 100
FLOWS_MAX = 4096
# Of so many terms those that others cover are looked for.
_COMPARED_MAX = 512

_INVERSE = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
_TURNED = {"==": "==", "!=": "!=", "<": ">", ">": "<", "<=": ">=", ">=": "<="}
_HELPS = {
    "eth_type": "name the protocols that are meant, such as `arp || ip4`",
    "arp_op": "name the operation that is meant, such as `arp.op == 1`",
    "inport": 'name the ports that are meant, such as `inport == {"a", "b"}`',
    "outport": 'name the ports that are meant, such as `outport == {"a", "b"}`',
}
_PART = re.compile(r"([\w.]+)\s*(?:\[\s*(\d+)\s*(?:\.\.\s*(\d+)\s*)?\])?")
# Of addresses whose sets have a complement in prefixes: IPv4 and IPv6.
_COMPLEMENTED_WIDTHS = (32, 128)


@lru_cache(maxsize=1024)
def normalise(text: str) -> tuple[Term, ...]:
    """Return the terms of the disjunctive normal form; none if no packet can match.

    Raises:
        ExpressionError: `text` is not an expression, or cannot be matched by at most 4,096 flows.
    """
    reading = _Reading(text)
    try:
        boxes = reading.settled(reading.boxes(parse(text), negated=False))
        apart = list(islice((it for box in boxes for it in spelt_out(box)), FLOWS_MAX + 1))
        if len(apart) <= _COMPARED_MAX:
            apart = reading.algebra.uncovered(apart)
        terms = tuple(map(term_of, apart))
        if sum(term.n_flows for term in terms) > FLOWS_MAX:
            raise TooManyTests
    except TooManyTests:
        raise ExpressionError(
            "too-many-terms",
            f"the expression expands to too many flows; {FLOWS_MAX:,} are the most",
            text,
            0,
            len(text),
            "split it into several ACLs, or use fewer `!=`, ranges and sets side by side",
        ) from None
    return terms


class _Reading:
    """One text on its way to boxes; it knows where things stand, for messages."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.algebra = Algebra()
        self.excluded_at: dict[Pair, Token] = {}

    def boxes(self, tree: Tree[Token], *, negated: bool, depth: int = 0) -> Boxes:
        """The disjunctive normal form of a part of the expression, or of its negation."""
        if depth > DEPTH_MAX:
            raise ExpressionError(
                "too-deep", "the expression is nested too deeply", self.text, 0, len(self.text)
            )
        match tree.data, tree.children:
            case "negation", [Tree() as inner]:
                return self.boxes(inner, negated=not negated, depth=depth + 1)
            case ("conjunction" | "disjunction") as operator, parts:
                subtrees = [part for part in parts if isinstance(part, Tree)]
                operands = [self.boxes(it, negated=negated, depth=depth + 1) for it in subtrees]
                return self.joined(operands, conjunction=(operator == "conjunction") != negated)
            case "boolean", [Token() as number]:
                return self.boolean(number, negated)
            case "symbol", [Token() as symbol]:
                return self.symbol(symbol, negated)
            case "comparison", [Token() as symbol, Token() as relation, Tree() as constants]:
                return self.comparison(symbol, relation, constants, negated)
            case "reversed", [Tree() as constants, Token() as relation, Token() as symbol]:
                turned = relation.update(value=_TURNED[relation])
                return self.comparison(symbol, turned, constants, negated)
            case "range", [
                Tree() as low,
                Token() as first,
                Token() as symbol,
                Token() as second,
                Tree() as high,
            ]:
                if first[0] != second[0] or first[0] not in "<>":
                    self.fail(
                        "range",
                        "the two relations of a range point the same way",
                        second,
                        "such as `80 <= tcp.dst <= 90`",
                    )
                turned = first.update(value=_TURNED[first])
                sides = [
                    self.comparison(symbol, turned, low, negated),
                    self.comparison(symbol, second, high, negated),
                ]
                return self.joined(sides, conjunction=not negated)
        raise AssertionError(tree)

    def boolean(self, number: Token, negated: bool) -> Boxes:
        if number not in {"0", "1"}:
            self.fail(
                "boolean",
                f"{number} is not a condition",
                number,
                "`1` matches every packet, `0` none",
            )
        return ANYTHING if (number == "1") != negated else []

    def symbol(self, symbol: Token, negated: bool) -> Boxes:
        """A symbol by itself: a predicate, or a field of one bit."""
        if symbol in PREDICATES:
            return self.predicate(symbol, negated)
        field = self.field(symbol)
        if field.width != 1:
            self.fail(
                "bare-field",
                f"`{symbol}` is compared with nothing",
                symbol,
                f"write what it shall be, such as `{symbol} == …`",
            )
        return self.tested(symbol, field, "!=" if negated else "==", [(1, 1)])

    def predicate(self, symbol: Token, negated: bool) -> Boxes:
        boxes = _predicate(symbol.value, negated)
        for pair in (pair for box in boxes for pair in box.excluded):
            self.excluded_at.setdefault(pair, symbol)
        return boxes

    def comparison(
        self, symbol: Token, relation: Token, constants: Tree[Token], negated: bool
    ) -> Boxes:
        operator = _INVERSE[relation] if negated else relation.value
        listed = constants.children if constants.data == "set" else [constants]
        trees = [tree for tree in listed if isinstance(tree, Tree)]
        predicate = symbol in PREDICATES
        field = Field("", 1) if predicate else self.field(symbol)
        values = [constant_of(tree, symbol, field, self.fail) for tree in trees]
        if relation not in {"==", "!="}:
            self.check_order(symbol, field, relation, constants, values[0])
        if not predicate:
            return self.tested(symbol, field, operator, values)
        tests = [
            self.predicate(symbol, (test[0] == 1) != (operator == "=="))
            for test in values
            if not isinstance(test, NamedSet)
        ]
        return self.joined(tests, conjunction=operator != "==")

    def check_order(
        self,
        symbol: Token,
        field: Field,
        relation: Token,
        constants: Tree[Token],
        value: Test | NamedSet,
    ) -> None:
        """Refuse what only `==` and `!=` can compare."""
        if (
            symbol in PREDICATES
            or not field.width
            or (field.level != ORDINAL and field.width > WRITTEN_OUT_WIDTH_MAX)
        ):
            text = f"`{symbol}` has no order: `{relation}` cannot compare it"
            self.fail("relation", text, relation, "use `==`")
        if constants.data == "set" or isinstance(value, NamedSet):
            self.fail("relation", f"`{relation}` cannot compare with a set", relation, "")
        if value[1] != (1 << field.width) - 1:
            token = next(constants.scan_values(lambda _: True))
            self.fail("relation", f"`{relation}` cannot compare under a mask", token, "")

    def field(self, symbol: Token) -> Field:
        """The field of a symbol, or the part of one that `name[low..high]` is."""
        part = _PART.fullmatch(symbol)
        assert part is not None
        name, low, high = part.groups()
        if name not in FIELDS:
            if name in PREDICATES:
                self.fail("subfield", f"`{name}` is a condition, and has no parts", symbol, "")
            nearest = did_you_mean(name, [*FIELDS, *PREDICATES]).removeprefix("; ")
            text = f"there is no field or predicate `{name}`"
            self.fail("unknown-symbol", text, symbol, nearest)
        field = FIELDS[name]
        if low is None:
            return field
        first, last = int(low), int(high or low)
        if field.level != ORDINAL:
            text = f"`{name}` is matched as a whole, not in parts"
            self.fail("subfield", text, symbol, f"compare `{name}` itself")
        if not first <= last < field.width:
            text = f"`{name}` has bits 0 to {field.width - 1}, the lowest first"
            self.fail("subfield", text, symbol, f"such as `{name}[0..{field.width - 1}]`")
        return evolve(field, width=last - first + 1, offset=field.offset + first)

    def tested(
        self, at: Token, field: Field, operator: str, values: list[Test | NamedSet]
    ) -> Boxes:
        """The boxes of a comparison with one value or a set, and what the field requires."""
        named = [it for it in values if isinstance(it, NamedSet)]
        numbers = [it for it in values if not isinstance(it, NamedSet)]
        if named and operator == "!=" and field.width not in _COMPLEMENTED_WIDTHS:
            text = "a set can be excluded from an IP address only"
            help = _HELPS.get(field.oxm, "let an ACL of higher priority take what is in the set")
            self.fail("negative-match", text, at, help)
        parts = [box_of(field.oxm, [NamedSet(it.name, operator == "==")]) for it in named]
        parts += _compared(field, operator, numbers)
        boxes = self.joined(parts, conjunction=operator != "==")
        for pair in (pair for box in boxes for pair in box.excluded):
            self.excluded_at.setdefault(pair, at)
        if not field.requires:
            return boxes
        required = self.symbol(at.update(value=field.requires), negated=False)
        return self.joined([required, boxes], conjunction=True)

    def joined(self, operands: list[Boxes], *, conjunction: bool) -> Boxes:
        algebra = self.algebra
        return algebra.conjunction(operands) if conjunction else algebra.disjunction(operands)

    def settled(self, boxes: Boxes) -> Boxes:
        """The boxes without exclusions, or an error where one remains that has to."""
        few = {
            field.oxm: 1 << field.width
            for field in FIELDS.values()
            if field.width <= WRITTEN_OUT_WIDTH_MAX and field.level == "nominal"
        }
        try:
            return self.algebra.written_out(boxes, few)
        except KeyError as error:
            pair: Pair = error.args[0]
            token = self.excluded_at[pair]
            name = next(name for name, field in FIELDS.items() if field.oxm == pair[0])
            self.fail(
                "negative-match",
                f"`{name}` would have to differ from a value, which no flow can match",
                token,
                f"{_HELPS[pair[0]]}, or let an ACL of higher priority take the others",
            )

    def fail(self, slug: str, text: str, at: Token, help: str) -> NoReturn:
        start, end = at.start_pos or 0, at.end_pos or 0
        raise ExpressionError(slug, text, self.text, start, end, help)


@cache
def _predicate(name: str, negated: bool) -> Boxes:
    reading = _Reading(PREDICATES[name])
    return reading.boxes(parse(PREDICATES[name]), negated=negated)


def _compared(field: Field, operator: str, values: list[Test]) -> list[Boxes]:
    """A comparison with each of some values, to be joined by "or", for `!=` by "and"."""
    if field.level == ORDINAL and operator == "!=":
        return _differing(field, values)
    if field.level == ORDINAL:
        return [_ordinal(field, operator, *test) for test in values]
    if field.width and field.width <= WRITTEN_OUT_WIDTH_MAX:
        return [_nominal(field, operator, *test) for test in values]
    if operator == "==":
        return [box_of(field.oxm, [test]) for test in values]
    return [[Box(excluded=frozenset((field.oxm, value) for value, _ in values))]] if values else []


def _differing(field: Field, values: list[Test]) -> list[Boxes]:
    """What has none of some values, in a field whose bits can be masked, as a conjunction."""
    if not values:
        return []
    if all(is_prefix(mask, field.width) for _, mask in values):
        return [box_of(field.oxm, outside(values, field.offset, field.width))]
    return [
        box_of(field.oxm, complement(value << field.offset, mask << field.offset))
        for value, mask in values
        if isinstance(value, int)
    ]


def _ordinal(field: Field, operator: str, value: Value, mask: int) -> Boxes:
    """A comparison, but for `!=`, of a field whose bits can be masked."""
    assert isinstance(value, int)
    last = (1 << field.width) - 1
    if operator == "==":
        return box_of(field.oxm, [(value << field.offset, mask << field.offset)])
    low, high = {
        "<": (0, value - 1),
        "<=": (0, value),
        ">": (value + 1, last),
        ">=": (value, last),
    }[operator]
    return box_of(field.oxm, between(low, high, field.offset, field.width))


def _nominal(field: Field, operator: str, value: Value, mask: int) -> Boxes:
    """A comparison of a field of few values which cannot be masked."""
    assert isinstance(value, int)
    tests: dict[str, Callable[[int], bool]] = {
        "==": lambda it: it & mask == value,
        "!=": lambda it: it & mask != value,
        "<": lambda it: it < value,
        "<=": lambda it: it <= value,
        ">": lambda it: it > value,
        ">=": lambda it: it >= value,
    }
    holds = tests[operator]
    everything = range(1 << field.width)
    good = [it for it in everything if holds(it)]
    if 2 * len(good) <= len(everything):
        full = len(everything) - 1
        return box_of(field.oxm, ((it, full) for it in good))
    return [Box(excluded=frozenset((field.oxm, it) for it in everything if not holds(it)))]
