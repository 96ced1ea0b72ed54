"""Random programs, as text, that are always well formed and always come to an end.

`random_program` draws a program from a `random.Random`, so that a seed is all it takes to see it
again. Everything is small on purpose: columns of two to four values, tables of few columns, so that
rows meet, derivations multiply, and one change cancels another.

How each program is kept meaningful:

- every table has a level; a rule reads tables up to its head's level, and negates only tables of
  lower levels, so that strata exist while tables of one level may depend on each other in any way;
- a rule that reads a table of its own level may compute only values of which there are finitely
  many however often it runs (`finite` below); other rules run once and may compute what they like;
- recursions over `min` and `max` have tables and rules of their own (optima.py);
- operators are chosen such that none can fail, except in a risky program.

Python knows nothing here of what a program means: that is for the reference to say.
"""

import random
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Annotated, Any

from attrs import define, field, frozen

import nlog
from nlog.types import INT, Record, Union, case_class
from tests.engine.optima import Optima
from tests.engine.shapes import TableShape

ACTION = Union("action", (Record("stop", ()), Record("send", (("number", INT),))))
STOP, SEND = (case_class(ACTION, name) for name in ("stop", "send"))

DOMAINS: dict[str, tuple[Any, ...]] = {
    "int": (-1, 0, 1, 2),
    "str": ("", "a", "b"),
    "bool": (False, True),
    "mac": ("00:00:00:00:00:01", "0a:00:00:00:00:01"),
    "ip4": ("10.0.0.1", "10.0.1.1"),
    "prefix": ("0.0.0.0/0", "10.0.0.0/24", "10.0.1.1/32"),
    "pair": ((0, "a"), (1, "a"), (1, "b")),
    "[int]": ((), (0,), (0, 1)),
    "int?": (None, 0, 1),
    "action": (STOP(), SEND(0), SEND(1)),
    "ip6": ("::", "2001:db8::1", "::ffff:10.0.0.1"),
    "bytes": (b"", b"\x00", b"ab"),
}
PALETTES = (
    ("int",),
    ("str",),
    ("int", "str"),
    ("int", "bool"),
    ("int", "str", "bool"),
    ("int", "str", "pair"),
    ("int", "[int]"),
    ("ip4", "prefix", "int"),
    ("mac", "str"),
    ("int", "int?", "bool"),
    ("int", "action", "str"),
    ("action", "pair", "int?"),
    ("ip6", "bytes", "int"),
)
PLAIN_PALETTES = PALETTES[:3]
TYPES = """\
record pair(number: int, name: str)
union action = stop | send(number: int)"""
# The types of the parts of patterns.
PARTS = {
    "pair": (("pair", ("int", "str")),),
    "action": (("send", ("int",)), ("stop", ())),
    "int?": (("some", ("int",)),),
    "[int]": (("", ("int",)), ("", ("int", "int"))),
}


@nlog.function
def mixed(number: int, name: str) -> int:
    """One of a few numbers."""
    return (number * 5 + len(name)) % 3


@nlog.function
def swapped(whole: Annotated[Any, "pair"], action: Annotated[Any, "action"] | None) -> nlog.ip4:
    """An address of a domain."""
    return "10.0.0.1" if whole[0] or isinstance(action, SEND) else "10.0.1.1"


@nlog.function
def parts(numbers: tuple[int, ...]) -> Annotated[Any, "pair"]:
    """A pair of a domain."""
    return (len(numbers) % 2, "a")


@nlog.function
def root(number: int) -> int:
    """The root of a square; other numbers have none."""
    return {0: 0, 1: 1, 4: 2}[number]


FUNCTIONS = (mixed, swapped, parts, root)
WIDTHS = (0, 1, 1, 1, 2, 2, 2, 2, 3)
LEVELS = (1, 1, 1, 2, 2, 3)
OPTIMA_SHARE = 0.35
# How often an atom has wildcards: some have none, and some little else.
WILD_PERCENTS = (0, 10, 10, 45)


@frozen
class RandomProgram:
    """A program in parts, so that rules can be taken out."""

    tables: tuple[TableShape, ...]
    rules: tuple[str, ...]

    @property
    def text(self) -> str:
        """The program as a rule file."""
        return "\n".join([TYPES, *(table.declaration() for table in self.tables), *self.rules, ""])

    @property
    def inputs(self) -> tuple[TableShape, ...]:
        """The tables that transactions write."""
        return tuple(table for table in self.tables if table.kind == "input")


def random_program(
    order: random.Random, *, plain: bool = False, risky: bool = False
) -> RandomProgram:
    """A program of 3 to 12 rules.

    A plain one has only numbers, texts and bare variables; a risky one has numbers, and computes
    what may not have a value in heads, conditions, equalities and arguments.
    """
    palette = order.choice(PLAIN_PALETTES if plain else PALETTES)
    if risky:
        palette = ("int",)
    tables = [_table(order, f"in{i}", "input", palette, 0) for i in range(order.randint(1, 3))]
    levels = sorted(order.choice(LEVELS) for _ in range(order.randint(2, 5)))
    for number, level in enumerate(levels):
        kind = order.choice(("output", "output", "internal"))
        tables.append(_table(order, f"t{number}", kind, palette, level))
    if plain:
        tables = [table if table.types else TableShape(*_widened(table)) for table in tables]
    derived = [table for table in tables if table.kind != "input"]
    count = max(len(derived), order.randint(3, 12))
    optima = None
    if not (plain or risky) and order.random() < OPTIMA_SHARE:
        optima = Optima(order, palette, order.choice((1, 2)))
        tables = [*tables[: -len(derived)], *optima.tables, *derived]
    write = partial(_RuleWriter, order, tables, plain=plain, risky=risky)
    rules = [write(head).write_first() for head in derived]
    if optima is not None:
        rules += optima.rules([write(optima.tables[0]) for _ in range(order.randint(2, 5))])
    for _ in range(count - len(derived)):
        rules.append(write(order.choice(derived)).write())
    order.shuffle(rules)
    return RandomProgram(tuple(tables), tuple(rules))


def random_row(order: random.Random, table: TableShape) -> tuple[Any, ...]:
    """A row of the table's domains."""
    return tuple(order.choice(DOMAINS[type_]) for type_ in table.types)


def literal(type_: str, value: Any) -> str:
    """How a rule writes a value of a domain."""
    if type_ == "str":
        return f'"{value}"'
    if type_ == "bool":
        return "true" if value else "false"
    if type_ == "pair":
        return f'pair({value[0]}, "{value[1]}")'
    if type_ == "int?":
        return "none" if value is None else f"some({value})"
    if type_ == "action":
        return "stop()" if value == STOP() else f"send({value.number})"
    if type_ == "bytes":
        return f'x"{value.hex()}"'
    return str(list(value)) if type_ == "[int]" else str(value)


def _table(
    order: random.Random, name: str, kind: str, palette: Sequence[str], level: int
) -> TableShape:
    types = tuple(order.choice(palette) for _ in range(order.choice(WIDTHS)))
    return TableShape(name, kind, types, level)


def _widened(table: TableShape) -> tuple[str, str, tuple[str, ...], int]:
    return table.name, table.kind, ("int",), table.level


@define
class _RuleWriter:
    """Writes one rule: positive atoms first, then literals over what they bind, then the head."""

    order: random.Random
    tables: list[TableShape]
    head: TableShape
    plain: bool
    risky: bool
    variables: dict[str, list[str]] = field(factory=dict)
    wild_percent: int = 9
    finite: bool = False
    fresh: int = 0

    def write_first(self) -> str:
        """A rule of few conditions, so that there is something in the table."""
        return self._rule(self.order.choice((1, 1, 2)), self.order.choice((0, 0, 0, 1)), 0)

    def write(self) -> str:
        """Any rule, recursive ones often."""
        return self._rule(
            self.order.choice((0, 1, 1, 2, 2, 2, 3)), self.order.choice((0, 0, 1, 1, 2)), 45
        )

    def _rule(self, atom_count: int, other_count: int, recursive_percent: int) -> str:
        atoms = [self._positive_atom(recursive_percent) for _ in range(atom_count)]
        others = [self._other() for _ in range(other_count)]
        body = [*atoms, *(other for other in others if other)]
        self.order.shuffle(body)
        arguments = [self._head_argument(type_, body) for type_ in self.head.types]
        if not (self.finite or self.plain) and self._chance(25):
            arguments = [
                self._aggregate(type_) if self._chance(60) else argument
                for type_, argument in zip(self.head.types, arguments, strict=True)
            ]
        head = self._call(self.head, arguments)
        return f"{head} :- {', '.join(body)}." if body else f"{head}."

    def lower_atom(self) -> str:
        """An atom of a table of a lower level."""
        return self._positive_atom(0)

    def value(self, type_: str) -> str:
        """A bound variable if there is one, or else a constant."""
        return self._value(type_)

    def _chance(self, percent: int) -> bool:
        return self.order.randrange(100) < percent

    def _call(self, table: TableShape, arguments: Sequence[str]) -> str:
        """By position or by name; by name, wildcards may be left out."""
        if not self._chance(30):
            return f"{table.name}({', '.join(arguments)})"
        named = list(zip(table.columns, arguments, strict=True))
        self.order.shuffle(named)
        kept = [f"{name}: {value}" for name, value in named if value != "_" or self._chance(20)]
        return f"{table.name}({', '.join(kept)})"

    def _positive_atom(self, recursive_percent: int) -> str:
        own = [table for table in self.tables if table.level == self.head.level]
        own += [table for table in own if table != self.head] * 2
        lower = [table for table in self.tables if table.level < self.head.level]
        table = self.order.choice(own if self._chance(recursive_percent) else lower)
        self.finite = self.finite or table.level == self.head.level
        self.wild_percent = self.order.choice(WILD_PERCENTS)
        return self._call(table, [self._argument(type_) for type_ in table.types])

    def _argument(self, type_: str) -> str:
        """Of a positive atom: mostly variables, which is what makes joins."""
        known = self.variables.setdefault(type_, [])
        if type_ in PARTS and not self.plain and self._chance(35):
            name, parts = self.order.choice(PARTS[type_])
            inner = ", ".join(self._argument(part) for part in parts)
            return f"{name}({inner})" if name else f"[{inner}]"
        if self._chance(self.wild_percent):
            return "_"
        dice = self.order.randrange(100)
        if dice < 50 and known:
            return self.order.choice(known)
        if dice < 91:
            return self._new_variable(type_)
        if dice < 95 and not self.plain:
            return self._risk() if self.risky and self._chance(50) else self._expression(type_)
        return self._constant(type_)

    def _risk(self) -> str:
        """A number that may have no value, most often of variables of several atoms."""
        x, y, z = (self._value("int") for _ in range(3))
        if self._chance(20):
            return f"root({self.order.choice([x, f'{y} - {z}'])})"
        signs = "/%" if self.finite else ("/", "%", "<<", ">>")
        return f"{x} {self.order.choice(signs)} {self.order.choice([y, f'({y} - {z})'])}"

    def _new_variable(self, type_: str) -> str:
        name = f"x{self.fresh}"
        self.fresh += 1
        self.variables.setdefault(type_, []).append(name)
        return name

    def _constant(self, type_: str) -> str:
        return literal(type_, self.order.choice(DOMAINS[type_]))

    def _value(self, type_: str) -> str:
        """A bound variable if there is one, or else a constant."""
        known = self.variables.get(type_)
        return self.order.choice(known) if known else self._constant(type_)

    def _other(self) -> str:
        """A negated atom, a comparison, an equality that binds, or a test by a function."""
        dice = self.order.randrange(100)
        known = [type_ for type_, names in self.variables.items() if names]
        if dice < 45 or not known:
            lower = [table for table in self.tables if table.level < self.head.level]
            table = self.order.choice(lower)
            return "not " + self._call(table, [self._negated_argument(t) for t in table.types])
        type_ = self.order.choice(known)
        if self.risky and dice < 80:
            risk = self._risk()
            if self._chance(60):
                return f"{risk} {self.order.choice(['>', '!=', '=='])} {self._value('int')}"
            again = self.variables["int"][-1] if self._chance(25) else self._new_variable("int")
            return f"{again} = {risk}"
        if dice < 75:
            signs = ["!="] if self.plain else ["==", "!=", "<", "<=", ">"]
            right = self._value(type_) if self._chance(70) else self._constant(type_)
            return f"{self._value(type_)} {self.order.choice(signs)} {right}"
        if self.plain:
            return ""
        if dice < 90:
            value = self._expression(type_).replace("[]", "[1]").replace("none", "some(1)")
            return f"{self._new_variable(type_)} = {value}"
        tests = [*self._tests()]
        return self.order.choice(tests) if tests else ""

    def _negated_argument(self, type_: str) -> str:
        dice = self.order.randrange(100)
        if dice < 30:
            return "_"
        if dice < 40:
            return self._constant(type_)
        if dice < 47 and not self.plain:
            return self._expression(type_)
        return self._value(type_)

    def _tests(self) -> Iterator[str]:
        has = {type_ for type_, names in self.variables.items() if names}
        negation = "not " if self._chance(40) else ""
        if "prefix" in has:
            yield f"{negation}contains({self._value('prefix')}, {self._value('ip4')})"
            yield f"{negation}contains({self._value('prefix')}, {self._value('prefix')})"
        if "[int]" in has:
            yield f"{negation}has({self._value('[int]')}, {self._value('int')})"
            yield f"{self._value('int')} in {self._value('[int]')}"
        if "bool" in has:
            yield self._value("bool")

    def _head_argument(self, type_: str, body: list[str]) -> str:
        dice = self.order.randrange(100)
        known = self.variables.get(type_)
        if self.risky and dice < 15:
            return self._risk()
        if self.plain or (dice < 65 and known):
            return self._value(type_)
        if dice < 75 and known and type_ == "int":
            name = self.order.choice(known)
            body.append(f"{name} < 3")
            return f"{name} + 1"
        return self._expression(type_)

    def _aggregate(self, type_: str) -> str:
        """An aggregate of a type, most often of a bound variable."""
        value = self._value(type_) if self._chance(75) else self._expression(type_)
        if self.risky and self._chance(40):
            value = self._risk()
        forms = [f"any({value})"]
        forms += [f"min({value})", f"max({value})"] * 2
        if type_ == "int":
            counted = self._value(self.order.choice([*self.variables, "int"]))
            forms += [f"sum({value})", f"sum({value})", "count()", f"count({counted})"]
        if type_ == "[int]":
            element = self._value("int")
            forms = [f"list({element})", f"set({element})", *forms]
        return self.order.choice(forms).replace("[]", "[1]").replace("none", "some(1)")

    def _expression(self, type_: str) -> str:
        """A value computed from bound variables; of finitely many values in all if it must be."""
        if self._chance(15):
            condition = self.order.choice([self._bool(), f"{self._bool()} or not {self._bool()}"])
            return f"(if {condition} then {self._value(type_)} else {self._value(type_)})"
        build = {
            "int": self._int,
            "str": self._str,
            "bool": self._bool,
            "pair": self._pair,
            "[int]": self._list,
            "ip4": self._ip4,
            "prefix": self._prefix,
            "int?": lambda: f"some({self._int()})",
            "action": lambda: f"send({self._int()})",
        }.get(type_, lambda: self._value(type_))
        return build()

    def _int(self) -> str:
        x, y = self._value("int"), self._value("int")
        finite = [f"({x} + {y}) % 3", f"({x} - {y}) & 1", f"{x} ^ 1", f"{x} / 4 % 2", f"{x} % -2"]
        if self.variables.get("str") and not self.finite:
            finite.append(f"len({self._value('str')})")
        if self.variables.get("[int]") and not self.finite:
            finite.append(f"len({self._value('[int]')})")
        if self.variables.get("pair"):
            finite.append(f"{self._value('pair')}.number & 1")
        if self.variables.get("int?"):
            finite.append(f"unwrap_or({self._value('int?')}, {x}) & 1")
        finite.append(f"mixed({x}, {self._value('str')})")
        growing = [f"{x} + {y}", f"{x} - {y}", f"{x} * 2", f"-{x}", f"{x} | 4", f"({x} & 7) << 1"]
        return self.order.choice(finite if self.finite else finite + growing)

    def _str(self) -> str:
        a, b, x = self._value("str"), self._value("str"), self._value("int")
        finite = [a, f"str({x} & 1)"]
        if self.variables.get("pair"):
            finite.append(f"{self._value('pair')}.name")
        growing = [
            f"{a} + {b}",
            f'{a} + "b"',
            f"str({x}) + {a}",
            f"str({x} == 1)",
            f'"{{{x}}}{{{a}}}"',
        ]
        return self.order.choice(finite if self.finite else finite + growing)

    def _bool(self) -> str:
        x, y = self._value("int"), self._value("int")
        return self.order.choice([f"{x} < {y}", f"({x} == {y}) == {self._value('bool')}", "true"])

    def _pair(self) -> str:
        number, name = self._value("int"), self._value("str")
        by_name = f"pair(name: {name}, number: {number})"
        made = [f"pair({number}, {name})", by_name, self._value("pair")]
        if not self.finite:
            made.append(f"parts({self._value('[int]')})".replace("[]", "[1]"))
        return self.order.choice(made)

    def _list(self) -> str:
        one, x = self._value("[int]"), self._value("int")
        finite = [one, f"[{x}]", f"[{x}, 0]", "[]"]
        growing = [f"{one} + [{x}]", f"{one} + {self._value('[int]')}"]
        return self.order.choice(finite if self.finite else finite + growing)

    def _ip4(self) -> str:
        swapped = f"swapped({self._value('pair')}, some({self._value('action')}))"
        return self.order.choice([self._value("ip4"), f"network({self._value('prefix')})", swapped])

    def _prefix(self) -> str:
        length = self.order.choice(["0", "8", "24", "32", f"length({self._value('prefix')})"])
        return f"prefix_of({self._value('ip4')}, {length})"
