"""The plan: what the planner writes and the core runs.

A plan is plain data: tables, and strata of rules in the order of evaluation. It holds no names
that the core would have to look up, only numbers; the core knows neither nlog's syntax nor
networks.

Every way of enumerating a rule's body is a `Pipeline`: a file of registers, one word each,
and steps that run as nested loops from first to last. A register is written by exactly one
place (a constant, a load, a call) before any step reads it, and there are no others. After the last
step the registers named by `head` hold the head's row.

The core takes no plan on trust: it checks every number and every type (core/program.h), and refuses
a plan that it cannot run with an error that names the place in it.

A rule has one pipeline for each atom of its body, positive or negated: the *delta plan* that
starts at a change of that atom's table and joins the rest. Atoms are numbered by their
`position` among the atoms of the rule. When rules of a non-recursive stratum are counted, the
delta of the atom at position i is joined with the new content of atoms before i and the old
content of atoms after it, so that every changed binding of the body is counted exactly once.

A rule whose body has no positive atom gets the table `$unit`, which has no columns and one
row, inserted when the database is made. So every rule starts somewhere, and evaluation from
nothing is a commit like any other.

A rule that calls a function that can fail has a *verify plan*, too, for each atom. It starts at
the same row as the delta plan, joins all positive atoms first, and then calls and tests; it emits
nothing, but decides whether the rule fails (see core/verification.h, which runs it). Where a
variable has a value from an atom, what is computed for it is compared with that.

A *check plan* starts at a row of the head instead and asks whether (and from which rows) the
body derives it. Rules of recursive strata carry one, for deletion; for others one is planned
when somebody asks for an explanation.

An *aggregate plan* fills a table of its own with one row for each group of another table's rows,
and is all of its stratum: rules below it fill the table that it reads, rules above it make heads
of its rows.
"""

from typing import Any, Literal

from attrs import frozen

from nlog.functions import ForeignFunction
from nlog.types import Type

UNIT_TABLE = "$unit"
NOT_USED = -1


@frozen
class Lookup:
    """Join with a table: for each row whose index columns equal `key`.

    `index` numbers the table's `indexes`; one on no columns takes no key and gives every row.
    `loads` are (column, register) pairs written from the row; `checks` are (column, register)
    pairs that must agree with registers written before, or with loads of this very step.
    """

    table: int
    index: int
    key: tuple[int, ...]
    loads: tuple[tuple[int, int], ...]
    checks: tuple[tuple[int, int], ...]
    position: int


@frozen
class Exists:
    """Go on if the row held by registers `key`, one a column, is in the table (or is not)."""

    table: int
    key: tuple[int, ...]
    negated: bool
    position: int


@frozen
class Call:
    """Write the value of a function of `arguments` (registers) into register `result`.

    `type` is that of the value: a function may make a record, a list or another value of its parts.
    """

    function: str
    arguments: tuple[int, ...]
    result: int
    type: Type


@frozen
class Test:
    """Go on if a boolean function of `arguments` (registers) is true."""

    function: str
    arguments: tuple[int, ...]


Step = Lookup | Exists | Call | Test


@frozen
class Constant:
    """A register that holds `value`, in its Python form, from the start."""

    register: int
    type: Type
    value: Any


@frozen
class Pipeline:
    """Nested loops over a rule's body; `head` are the registers of the row it emits."""

    registers: int
    constants: tuple[Constant, ...]
    steps: tuple[Step, ...]
    head: tuple[int, ...]


@frozen
class StartPlan:
    """A pipeline that starts at given rows of `table`.

    `loads` and `checks` are as in `Lookup` and fill registers from the starting row. For a delta
    plan the row is a change of the atom at `position`; `negated` says that the atom is, so that a
    row that comes retracts and a row that goes derives. For a check plan the row is one of
    the head's, and `position` is -1.
    """

    table: int
    position: int
    negated: bool
    loads: tuple[tuple[int, int], ...]
    checks: tuple[tuple[int, int], ...]
    pipeline: Pipeline


@frozen
class RulePlan:
    """A rule: `number` names it in errors and profiles; `check` only in recursive strata.

    `verifies` has a verify plan for each of `deltas`, or is empty if no function can fail.
    """

    number: int
    head: int
    deltas: tuple[StartPlan, ...]
    verifies: tuple[StartPlan, ...]
    check: StartPlan | None


@frozen
class AggregateFunction:
    """One value for a group of rows, taken from their column `column`, which is of type `type`.

    `function` is one of

        count       how many rows; reads no column
        distinct    how many different values
        sum         the sum of an int column
        min, max    the first or the last value, in the order of its type
        list, set   all values, or all different ones, as a list in that order

    `index` numbers the index of the source by which rows are found again when the change of a
    group does not tell all: for min and max on the group's columns, for distinct and set on those
    and `column`. The others need none. Where a function has no column or index, it is NOT_USED.
    """

    function: str
    column: int
    type: Type
    index: int


@frozen
class AggregatePlan:
    """Fill `head` with one row for each group of the rows of `source`.

    The rows of a group agree in the first `group` columns of `source`. The head's row is those,
    then the values of `functions`, at least one of which is not a sum, since a sum alone does not
    tell a group without rows. `index` numbers the index of `head` on the group's columns.
    `number` is that of the rule.
    """

    number: int
    source: int
    head: int
    group: int
    index: int
    functions: tuple[AggregateFunction, ...]


@frozen
class OptimumPlan:
    """A table of which only the row with the best value in `column` is kept in each group.

    The least is best if `least`, else the greatest, in the order of `type`. `index` numbers the
    table's index on all other columns, which tell the group.
    """

    column: int
    least: bool
    type: Type
    index: int


@frozen
class StratumPlan:
    """Tables that depend on each other (or one that does not), and what fills them.

    That is rules, or an aggregate for one table that is not recursive. `optima` has one for each
    of the tables of a recursion over their best values; a rule's check plan then starts at the
    columns of a group, and emits every row that the body derives for it. The tables of one that is
    `renewed` are emptied first, in every commit: such a plan is for a change of programs.
    """

    recursive: bool
    tables: tuple[int, ...]
    rules: tuple[RulePlan, ...]
    aggregate: AggregatePlan | None = None
    optima: tuple[OptimumPlan, ...] = ()
    renewed: bool = False


@frozen
class TablePlan:
    """A table: its columns' types and the column sets (ascending) that are indexed.

    `kind` is "input" (written by transactions), "output" (deltas are kept for readers),
    "constraint" (rows in it refuse the commit), "internal", or "retired": no rule of this program
    mentions it, and its number waits for it to come back. No two rows of an input table may agree
    in the columns `key` (ascending), if there are any; one of the indexes is on them, unless all
    columns are.
    """

    name: str
    kind: Literal["input", "output", "constraint", "internal", "retired"]
    columns: tuple[Type, ...]
    indexes: tuple[tuple[int, ...], ...]
    key: tuple[int, ...] = ()


@frozen
class Plan:
    """Everything the core needs; tables are numbered by their place, Python functions likewise.

    A later plan for the same core has the functions of earlier ones, and may have more.
    """

    tables: tuple[TablePlan, ...]
    strata: tuple[StratumPlan, ...]
    functions: tuple[ForeignFunction, ...] = ()
