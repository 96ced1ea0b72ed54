r"""Match expressions of ACLs, from text to what OpenFlow can match.

`normalise(text)` gives the disjunctive normal form of an expression: a packet matches the
expression if and only if it matches one of the `Term`s, and each term is one OpenFlow match.

    >>> normalise('tcp.dst == 80 && inport == "web-1"')
    (Term(inport='web-1', outport='',
          fields=(('eth_type', 2048, -1), ('ip_proto', 6, -1), ('tcp_dst', 80, -1))),)

The language is a subset of OVN's (ovn-sb(5), column `match` of Logical_Flow; the grammar is in
expression.lark, the symbols are in symbols.py), and means the same:

- A comparison implies what its field requires: `tcp.dst == 80` is `tcp && tcp.dst == 80`. A packet
  without the field does not match it, and no more does it match `tcp.dst != 80`.
- `!` turns around the comparisons it reaches, and what they require stays required:
  `!(tcp.dst == 80)` is `tcp.dst != 80`, so it matches TCP packets only; `!(a && b)` is `!a || !b`.
  Before a predicate it is the complement: `!tcp` matches whatever is not TCP.
- `f == {a, b}` is `f == a || f == b`, and `f != {a, b}` is `f != a && f != b`.

Beyond OVN, fields that cannot be masked (`ip.proto`, `ip.ttl`, …) may be compared in every way if
they have at most 8 bits, at the price of a term for each value. `eth.type`, `arp.op`, `inport` and
`outport` have too many values: `!=` on them is refused unless another condition settles it, as
in `ip4 && !tcp`.

Cost: in proportion to the terms that arise on the way; an expression that needs more than 4,096
is refused. Results are cached.
"""

import re
from collections.abc import Callable
from functools import cache, lru_cache
from pathlib import Path
from typing import NoReturn

from attrs import frozen
from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from nvp_state.constants import constant_of
from nvp_state.cubes import (
    ANYTHING,
    CUBES_MAX,
    EXACT,
    Algebra,
    Cube,
    Cubes,
    Pair,
    TooManyCubes,
    between,
    complement,
    is_prefix,
    outside,
)
from nvp_state.errors import ExpressionError, did_you_mean
from nvp_state.symbols import FIELDS, ORDINAL, OXM_WIDTHS, PREDICATES, WRITTEN_OUT_WIDTH_MAX, Field

DEPTH_MAX = 100

_INVERSE = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
_TURNED = {"==": "==", "!=": "!=", "<": ">", ">": "<", "<=": ">=", ">=": "<="}
_HELPS = {
    "eth_type": "name the protocols that are meant, such as `arp || ip4`",
    "arp_op": "name the operation that is meant, such as `arp.op == 1`",
    "inport": 'name the ports that are meant, such as `inport == {"a", "b"}`',
    "outport": 'name the ports that are meant, such as `outport == {"a", "b"}`',
}
_AFTER_RELATION = re.compile(r"[=!<>]=?\s*(\{[^}]*)?$")
_AFTER_PORT = re.compile(r"\b(in|out)port\b[^&|()]*$")
_LARK = Lark(Path(__file__).with_suffix(".lark").read_text("utf-8"), parser="lalr")


@frozen
class Term:
    """A conjunction that OpenFlow can match.

    `inport` and `outport` are names of logical ports, or empty for any. `fields` are triples of an
    OXM field's name, value and mask; the mask is -1 if every bit counts.
    """

    inport: str = ""
    outport: str = ""
    fields: tuple[tuple[str, int, int], ...] = ()


@lru_cache(maxsize=1024)
def normalise(text: str) -> tuple[Term, ...]:
    """Return the terms of the disjunctive normal form; none if no packet can match.

    Raises:
        ExpressionError: `text` is not an expression, or cannot be matched by at most 4,096 flows.
    """
    reading = _Reading(text)
    try:
        return tuple(map(_term, reading.settled(reading.cubes(reading.parse(), negated=False))))
    except TooManyCubes:
        raise ExpressionError(
            "too-many-terms",
            f"the expression expands to too many flows; {CUBES_MAX:,} are the most",
            text,
            0,
            len(text),
            "split it into several ACLs, or use fewer `!=`, ranges and sets side by side",
        ) from None


def _term(cube: Cube) -> Term:
    ports = {name: value for name, (value, _) in cube.bits.items() if isinstance(value, str)}
    fields = []
    for name, width in OXM_WIDTHS.items():
        value, mask = cube.bits.get(name, (0, 0))
        if isinstance(value, int) and mask:
            fields.append((name, value, EXACT if mask == (1 << width) - 1 else mask))
    return Term(ports.get("inport", ""), ports.get("outport", ""), tuple(fields))


class _Reading:
    """One text on its way to cubes; it knows where things stand, for messages."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.algebra = Algebra()
        self.excluded_at: dict[Pair, Token] = {}

    def parse(self) -> Tree[Token]:
        try:
            return _LARK.parse(self.text)
        except UnexpectedInput as error:
            raise _syntax_error(self.text, error) from None

    def cubes(self, tree: Tree[Token], *, negated: bool, depth: int = 0) -> Cubes:
        """The disjunctive normal form of a part of the expression, or of its negation."""
        if depth > DEPTH_MAX:
            raise ExpressionError(
                "too-deep", "the expression is nested too deeply", self.text, 0, len(self.text)
            )
        match tree.data, tree.children:
            case "negation", [Tree() as inner]:
                return self.cubes(inner, negated=not negated, depth=depth + 1)
            case ("conjunction" | "disjunction") as operator, parts:
                subtrees = [part for part in parts if isinstance(part, Tree)]
                operands = [self.cubes(it, negated=negated, depth=depth + 1) for it in subtrees]
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

    def boolean(self, number: Token, negated: bool) -> Cubes:
        if number not in {"0", "1"}:
            self.fail(
                "boolean",
                f"{number} is not a condition",
                number,
                "`1` matches every packet, `0` none",
            )
        return ANYTHING if (number == "1") != negated else []

    def symbol(self, symbol: Token, negated: bool) -> Cubes:
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

    def predicate(self, symbol: Token, negated: bool) -> Cubes:
        cubes = _predicate(symbol.value, negated)
        for pair in (pair for cube in cubes for pair in cube.excluded):
            self.excluded_at.setdefault(pair, symbol)
        return cubes

    def comparison(
        self, symbol: Token, relation: Token, constants: Tree[Token], negated: bool
    ) -> Cubes:
        operator = _INVERSE[relation] if negated else relation.value
        listed = constants.children if constants.data == "set" else [constants]
        trees = [tree for tree in listed if isinstance(tree, Tree)]
        predicate = symbol in PREDICATES
        field = Field("", 1) if predicate else self.field(symbol)
        values = [constant_of(tree, symbol, field, self.fail) for tree in trees]
        if relation not in {"==", "!="}:
            self.check_order(symbol, field, relation, constants, values[0][1])
        if not predicate:
            return self.tested(symbol, field, operator, values)
        tests = [self.predicate(symbol, (value == 1) != (operator == "==")) for value, _ in values]
        return self.joined(tests, conjunction=operator != "==")

    def check_order(
        self, symbol: Token, field: Field, relation: Token, constants: Tree[Token], mask: int
    ) -> None:
        """Refuse what only `==` and `!=` can compare."""
        if (
            symbol in PREDICATES
            or not field.width
            or (field.level != ORDINAL and field.width > WRITTEN_OUT_WIDTH_MAX)
        ):
            text = f"`{symbol}` has no order: `{relation}` cannot compare it"
            self.fail("relation", text, relation, "use `==`")
        if constants.data == "set":
            self.fail("relation", f"`{relation}` cannot compare with a set", relation, "")
        if mask != (1 << field.width) - 1:
            token = next(constants.scan_values(lambda _: True))
            self.fail("relation", f"`{relation}` cannot compare under a mask", token, "")

    def field(self, symbol: Token) -> Field:
        if re.fullmatch(r"ct(_\w+)?|ct\..*", symbol):
            text = f"there is no field or predicate `{symbol}`"
            self.fail(
                "unknown-symbol", text, symbol, "ACLs keep no connection state in this version"
            )
        if symbol not in FIELDS:
            nearest = did_you_mean(symbol.value, [*FIELDS, *PREDICATES]).removeprefix("; ")
            text = f"there is no field or predicate `{symbol}`"
            self.fail("unknown-symbol", text, symbol, nearest)
        return FIELDS[symbol]

    def tested(
        self, at: Token, field: Field, operator: str, values: list[tuple[int | str, int]]
    ) -> Cubes:
        """The cubes of a comparison with one value or a set, and what the field requires."""
        numbers = [(value, mask) for value, mask in values if isinstance(value, int)]
        if field.level == ORDINAL and operator == "!=":
            tests = _differing(field, numbers)
        elif field.level == ORDINAL:
            tests = [_ordinal(field, operator, *number) for number in numbers]
        elif field.width and field.width <= WRITTEN_OUT_WIDTH_MAX:
            tests = [_nominal(field, operator, *number) for number in numbers]
        elif operator == "==":
            tests = [[Cube({field.oxm: it})] for it in values]
        else:
            tests = [[Cube({}, frozenset((field.oxm, value) for value, _ in values))]]
        cubes = self.joined(tests, conjunction=operator != "==")
        for pair in (pair for cube in cubes for pair in cube.excluded):
            self.excluded_at.setdefault(pair, at)
        if not field.requires:
            return cubes
        required = self.symbol(at.update(value=field.requires), negated=False)
        return self.joined([required, cubes], conjunction=True)

    def joined(self, operands: list[Cubes], *, conjunction: bool) -> Cubes:
        algebra = self.algebra
        return algebra.conjunction(operands) if conjunction else algebra.disjunction(operands)

    def settled(self, cubes: Cubes) -> Cubes:
        """The cubes without exclusions, or an error where one remains that has to."""
        few = {
            field.oxm: 1 << field.width
            for field in FIELDS.values()
            if field.width <= WRITTEN_OUT_WIDTH_MAX and field.level == "nominal"
        }
        try:
            return self.algebra.written_out(cubes, few)
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
def _predicate(name: str, negated: bool) -> Cubes:
    reading = _Reading(PREDICATES[name])
    return reading.cubes(reading.parse(), negated=negated)


def _differing(field: Field, values: list[tuple[int, int]]) -> list[Cubes]:
    """What has none of some values, in a field whose bits can be masked, as a conjunction."""
    if all(is_prefix(mask, field.width) for _, mask in values):
        return [outside(field.oxm, values, field.offset, field.width)]
    shifted = ((value << field.offset, mask << field.offset) for value, mask in values)
    return [complement(field.oxm, *it) for it in shifted]


def _ordinal(field: Field, operator: str, value: int, mask: int) -> Cubes:
    """A comparison, but for `!=`, of a field whose bits can be masked."""
    last = (1 << field.width) - 1
    if operator == "==":
        bits = (value << field.offset, mask << field.offset)
        return [Cube({field.oxm: bits} if mask else {})]
    low, high = {
        "<": (0, value - 1),
        "<=": (0, value),
        ">": (value + 1, last),
        ">=": (value, last),
    }[operator]
    return between(field.oxm, low, high, field.offset, field.width)


def _nominal(field: Field, operator: str, value: int, mask: int) -> Cubes:
    """A comparison of a field of few values which cannot be masked."""
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
        return [Cube({field.oxm: (it, full)}) for it in good]
    return [Cube({}, frozenset((field.oxm, it) for it in everything if not holds(it)))]


def _syntax_error(text: str, error: UnexpectedInput) -> ExpressionError:
    """The parser's complaint in words of the language."""
    if isinstance(error, UnexpectedCharacters):
        start = error.pos_in_stream or 0
        character = text[start]
        helps = {
            "=": "equality is `==`",
            "&": "the operator is `&&`",
            "|": "the operator is `||`",
            "$": "address sets are not carried: write the addresses, as `{10.0.0.1, 10.0.0.2}`",
            "@": 'port groups are not carried: write the ports, as `{"a", "b"}`',
            "[": "subfields are not carried: use a mask, such as `ip4.dst == 224.0.0.0/4`",
            '"': "the quoted text has no end",
            "'": "texts stand in double quotes",
        }
        message = f"`{character}` cannot stand here"
        return ExpressionError("syntax", message, text, start, start + 1, helps.get(character, ""))
    assert isinstance(error, UnexpectedToken)
    token = error.token
    if token.type == "$END":
        return ExpressionError(
            "syntax",
            "the expression ends too early" if text.strip() else "the expression is empty",
            text,
            len(text),
            len(text) + 1,
        )
    start, end = token.start_pos or 0, token.end_pos or 0
    if token in {"&&", "||"} and not re.search(r"(&&|\|\||[!(])\s*$", text[:start]):
        return ExpressionError(
            "mixed-operators",
            "`&&` and `||` side by side need parentheses",
            text,
            start,
            end,
            "such as `(a && b) || c`",
        )
    if token.type == "RELATION" and re.search(r"!\s*[\w.]+\s*$", text[:start]):
        return ExpressionError(
            "negation",
            "a comparison after `!` needs parentheses",
            text,
            start,
            end,
            "such as `!(tcp.dst == 80)`",
        )
    if token.type == "SYMBOL" and _AFTER_RELATION.search(text[:start]):
        help = "a constant is a number or an address, or a port's name in double quotes"
        if _AFTER_PORT.search(text[:start]):
            name = re.match(r"[\w.:-]+", text[start:])
            end = start + len(name[0] if name else token)
            help = f'write the name of a port in quotes, `"{text[start:end]}"`'
        message = f"`{text[start:end]}` is not a constant"
        return ExpressionError("syntax", message, text, start, end, help)
    words = {"and": "`&&`", "or": "`||`"}
    operator = "`!`" if re.search(r"\bnot\s*$", text[:start]) else words.get(token, "")
    help = f"the operator is {operator}" if operator else ""
    return ExpressionError("syntax", f"`{token}` cannot stand here", text, start, end, help)
