"""The checked program: every name resolved, every expression typed, every rule grounded.

This is what the passes of `compile.py` make from syntax trees, and all that the planner, the
reference evaluator and explanations know of the source. A program is immutable.
"""

from collections.abc import Iterator
from typing import Any, Literal

from attrs import field, frozen

from nlog.diagnostics import Diagnostic, Span, suggest
from nlog.python_functions import Function
from nlog.syntax import Module
from nlog.types import Case, Type

Kind = Literal["input", "output", "internal", "constraint"]


@frozen
class Column:
    """A table's column."""

    name: str
    type: Type


@frozen
class Table:
    """A declared table.

    `name` is unique in the program: where files have private tables of one name, it begins with
    the file's. At a commit no two rows agree in the columns `key` (places, ascending), if there are
    any. A file other than the one of `span` may have rules for an open table.
    """

    name: str
    kind: Kind
    columns: tuple[Column, ...]
    key: tuple[int, ...] = ()
    is_open: bool = False
    span: Span | None = field(default=None, eq=False, repr=False)

    def position(self, column: str) -> int | None:
        """The place of `column`, or None."""
        return next((i for i, c in enumerate(self.columns) if c.name == column), None)


@frozen
class Var:
    """A variable of a rule."""

    name: str
    type: Type = field(eq=False)


@frozen
class Const:
    """A value in its Python form."""

    value: Any
    type: Type


@frozen
class Apply:
    """`function(arguments)`; `function` is the core's name of it."""

    function: str
    arguments: tuple["Expr", ...]
    type: Type


@frozen
class If:
    """`then` if `condition` is true, else `otherwise`; the other is not evaluated."""

    condition: "Expr"
    then: "Expr"
    otherwise: "Expr"
    type: Type


@frozen
class Aggregate:
    """The value of an aggregate over the group that the rule's other arguments make.

    `function` is the core's name of it (functions.py), `value` what it is taken of, None for
    `count()`.
    """

    function: str
    value: "Expr | None"
    type: Type
    span: Span | None = field(default=None, eq=False, repr=False)


Expr = Var | Const | Apply | If
Term = Var | Const | None


@frozen
class Atom:
    """A table with a term for each column; None is the wildcard.

    `negated` asks for the absence of every row that agrees with the terms.
    """

    table: str
    terms: tuple[Term, ...]
    negated: bool = False
    span: Span | None = field(default=None, eq=False, repr=False)


@frozen
class Assign:
    """`var = value`: binds `var` if nothing else does, and otherwise tests that they agree.

    One that is `implied` follows from the rest of the body: it may help to bind, or be left out.
    """

    var: Var
    value: Expr
    implied: bool = False


@frozen
class Filter:
    """A boolean expression that must be true."""

    condition: Expr


BodyLiteral = Atom | Assign | Filter


@frozen
class Rule:
    """`head(arguments) :- body.`; `number` is its place in the program."""

    number: int
    head: str
    arguments: tuple[Expr | Aggregate, ...]
    body: tuple[BodyLiteral, ...]
    span: Span | None = field(default=None, eq=False, repr=False)

    @property
    def name(self) -> str:
        """Where the rule stands, `file:line`."""
        return str(self.span) if self.span else f"rule {self.number}"

    @property
    def atoms(self) -> tuple[Atom, ...]:
        """The atoms of the body, in order."""
        return tuple(literal for literal in self.body if isinstance(literal, Atom))

    @property
    def aggregates(self) -> tuple[Aggregate, ...]:
        """The aggregates of the head, in order; its other arguments are the group."""
        return tuple(a for a in self.arguments if isinstance(a, Aggregate))

    @property
    def group(self) -> tuple[Expr, ...]:
        """The arguments of the head that are no aggregates, in order: often all of them."""
        return tuple(a for a in self.arguments if not isinstance(a, Aggregate))


@frozen
class Optimum:
    """A table of a recursion over `min` or `max`: one row a group, `column` has its value."""

    table: str
    column: int
    function: str


@frozen
class Stratum:
    """Tables evaluated together, after all that they depend on; inputs are in none.

    `optima` has each of the tables if they are optimized over themselves, and else nothing. One
    that is `renewed` is derived from nothing, whatever there is of it (see transition.py).
    """

    tables: tuple[str, ...]
    recursive: bool
    optima: tuple[Optimum, ...] = ()
    renewed: bool = False


@frozen
class Unit:
    """Rules that come and go together: a file or a text by its name, and before it what it imports.

    `turn` tells when they came: 0 for what the program began with.
    """

    name: str
    turn: int
    modules: tuple[Module, ...] = field(repr=False)

    @property
    def root(self) -> Module:
        """The file or text itself."""
        return self.modules[-1]


@frozen(repr=False)
class Program:
    """Tables by name, rules by number, strata in the order of evaluation.

    `units` is what the program was made from, from which larger and smaller ones can be made.
    `cases` has, by name, the class of every case of a union: `program.cases["output"](port=1)`.
    `functions` are the Python functions that its rules, and those added later, may call.
    `warnings` are what is no mistake, but looks like one.
    """

    tables: dict[str, Table]
    rules: tuple[Rule, ...]
    strata: tuple[Stratum, ...]
    units: tuple[Unit, ...] = field(default=(), eq=False)
    cases: dict[str, type[Case]] = field(factory=dict, eq=False)
    functions: tuple[Function[..., Any], ...] = field(default=(), eq=False)
    warnings: tuple[Diagnostic, ...] = field(default=(), eq=False)

    def table(self, name: str) -> Table:
        """The table of that name; KeyError has the nearest if there is none."""
        if not isinstance(name, str) or name not in self.tables:
            hint = suggest(name, self.tables)
            raise KeyError("; ".join([f"there is no table `{name}`", *hint]))
        return self.tables[name]

    def __repr__(self) -> str:
        return f"<Program: {len(self.tables)} tables, {len(self.rules)} rules>"


def variables(expression: Expr | Aggregate | None) -> Iterator[Var]:
    """Every variable that `expression` mentions, in order, repeated ones too."""
    match expression:
        case Var():
            yield expression
        case Apply(arguments=arguments):
            for argument in arguments:
                yield from variables(argument)
        case Aggregate():
            yield from variables(expression.value)
        case If():
            for part in (expression.condition, expression.then, expression.otherwise):
                yield from variables(part)
