"""The naive evaluator: what a program means, said as plainly as possible. The oracle of tests.

It shares the checked program with the engine and nothing else: no plan, no core, no lowering, and
its own implementation of every built-in function. A stratum is evaluated from nothing, again
and again over all its rules, until no row is new. Rows are Python tuples in Python sets. Cost: as
much as it takes; meant for tiny data.
"""

import ipaddress
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from nlog.program import Apply, Assign, Atom, BodyLiteral, Const, Expr, Program, Rule, Var

Row = tuple[Any, ...]
Bindings = dict[str, Any]


def evaluate(program: Program, inputs: Mapping[str, Iterable[Row]]) -> dict[str, frozenset[Row]]:
    """The rows of every table, given those of the input tables."""
    tables: dict[str, set[Row]] = {name: set() for name in program.tables}
    for name, rows in inputs.items():
        tables[name].update(rows)
    for stratum in program.strata:
        rules = [rule for rule in program.rules if rule.head in stratum.tables]
        before = -1
        while before != sum(len(tables[name]) for name in stratum.tables):
            before = sum(len(tables[name]) for name in stratum.tables)
            for rule in rules:
                tables[rule.head].update(list(_derive(rule, tables)))
    return {name: frozenset(rows) for name, rows in tables.items()}


def _derive(rule: Rule, tables: Mapping[str, set[Row]]) -> Iterator[Row]:
    for bindings in _solve(list(rule.body), {}, tables):
        yield tuple(_value(argument, bindings) for argument in rule.arguments)


def _solve(
    body: list[BodyLiteral], bindings: Bindings, tables: Mapping[str, set[Row]]
) -> Iterator[Bindings]:
    """Every way to satisfy the literals of `body`, taking the first that can be decided."""
    if not body:
        yield bindings
        return
    place = next(i for i, literal in enumerate(body) if _decidable(literal, bindings))
    rest = body[:place] + body[place + 1 :]
    for extended in _step(body[place], bindings, tables):
        yield from _solve(rest, extended, tables)


def _decidable(literal: BodyLiteral, bindings: Bindings) -> bool:
    match literal:
        case Atom(negated=False):
            return True
        case Atom():
            return all(term is None or _bound(term, bindings) for term in literal.terms)
        case Assign():
            return _bound(literal.value, bindings)
        case _:
            return _bound(literal.condition, bindings)


def _step(
    literal: BodyLiteral, bindings: Bindings, tables: Mapping[str, set[Row]]
) -> Iterator[Bindings]:
    match literal:
        case Atom():
            found = (_match(literal, row, bindings) for row in tables[literal.table])
            extended = [one for one in found if one is not None]
            if not literal.negated:
                yield from extended
            elif not extended:
                yield bindings
        case Assign():
            value = _value(literal.value, bindings)
            if bindings.get(literal.var.name, value) == value:
                yield {**bindings, literal.var.name: value}
        case _:
            if _value(literal.condition, bindings):
                yield bindings


def _match(atom: Atom, row: Row, bindings: Bindings) -> Bindings | None:
    extended = dict(bindings)
    for term, value in zip(atom.terms, row, strict=True):
        match term:
            case Const() if term.value != value:
                return None
            case Var() if extended.setdefault(term.name, value) != value:
                return None
    return extended


def _bound(expression: Expr, bindings: Bindings) -> bool:
    match expression:
        case Const():
            return True
        case Var():
            return expression.name in bindings
        case Apply():
            return all(_bound(argument, bindings) for argument in expression.arguments)


def _value(expression: Expr, bindings: Bindings) -> Any:
    match expression:
        case Const():
            return expression.value
        case Var():
            return bindings[expression.name]
        case Apply():
            values = [_value(argument, bindings) for argument in expression.arguments]
            return FUNCTIONS[expression.function](*values)


def _int(operation: Callable[..., int]) -> Callable[..., int]:
    def checked(*values: int) -> int:
        result = operation(*values)
        if not -(2**63) <= result < 2**63:
            raise OverflowError(f"{result} does not fit a signed 64-bit integer")
        return result

    return checked


def _below(width: int, show: Callable[[int], str]) -> Callable[[int], str]:
    def checked(value: int) -> str:
        if not 0 <= value < 1 << width:
            raise ValueError(f"{value} does not fit {width} bits")
        return show(value)

    return checked


def _number(value: Any) -> int:
    """The number that orders and converts a bool, mac or ip4."""
    if isinstance(value, bool):
        return int(value)
    return int(value.replace(":", ""), 16) if ":" in value else int(ipaddress.IPv4Address(value))


def _order(value: Any) -> tuple[int, ...]:
    if isinstance(value, str) and "/" in value:
        network = ipaddress.IPv4Network(value)
        return int(network.network_address), network.prefixlen
    return (_number(value),)


def _show_mac(value: int) -> str:
    return ":".join(f"{value:012x}"[i : i + 2] for i in range(0, 12, 2))


_network = ipaddress.IPv4Network
_SHIFTS = range(64)  # whose `index` refuses what is outside

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "int.lt": lambda a, b: a < b,
    "int.le": lambda a, b: a <= b,
    "word.lt": lambda a, b: _order(a) < _order(b),
    "word.le": lambda a, b: _order(a) <= _order(b),
    "str.lt": lambda a, b: a < b,
    "str.le": lambda a, b: a <= b,
    "int.add": _int(lambda a, b: a + b),
    "int.sub": _int(lambda a, b: a - b),
    "int.mul": _int(lambda a, b: a * b),
    "int.floordiv": _int(lambda a, b: a // b),
    "int.mod": _int(lambda a, b: a % b),
    "int.neg": _int(lambda a: -a),
    "int.and": lambda a, b: a & b,
    "int.or": lambda a, b: a | b,
    "int.xor": lambda a, b: a ^ b,
    "int.shl": _int(lambda a, b: a << _SHIFTS.index(b)),
    "int.shr": lambda a, b: a >> _SHIFTS.index(b),
    "int.of_word": _number,
    "str.concat": lambda *parts: "".join(parts),
    "str.of_bool": lambda value: "true" if value else "false",
    "str.len": len,
    "tuple.make": lambda *parts: tuple(parts),
    "tuple.get": lambda record, place: record[place],
    "list.concat": lambda a, b: tuple(a) + tuple(b),
    "list.len": len,
    "list.has": lambda items, item: item in items,
    "list.get": lambda items, place: items[place if place >= 0 else len(items)],
    "mac.of_int": _below(48, _show_mac),
    "ip4.of_int": _below(32, lambda value: str(ipaddress.IPv4Address(value))),
    "prefix.of": lambda ip, bits: str(ipaddress.IPv4Network((ip, bits), strict=False)),
    "prefix.has_ip4": lambda p, ip: ipaddress.IPv4Address(ip) in _network(p),
    "prefix.has_prefix": lambda p, q: _network(q).subnet_of(_network(p)),
    "prefix.network": lambda p: str(_network(p).network_address),
    "prefix.length": lambda p: _network(p).prefixlen,
    "prefix.mask": lambda p: str(_network(p).netmask),
    **{f"str.of_{type_}": str for type_ in ("str", "int", "mac", "ip4", "prefix")},
}
