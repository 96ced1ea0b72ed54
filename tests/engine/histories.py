"""Random histories: what happens to the program of a trial (trial.py), and what inputs become.

A history is a sequence of transactions and of changes of the rules. Transactions insert, delete,
put and remove rows, and end well, by an exception in their block, by one after `prepare`, or by a
division by zero in the middle of the evaluation. The rules of a program are dealt out: heap 0 is
there from the beginning, the others come and go.

A share of the trials is crowded: it has everything at once (crowded.py), keys, a constraint and
live rules included. `guarded` gives a random program what histories need: keys of input tables, a
constraint table, and a table of which row 0 fails a commit, when all else has been evaluated.
`apply` says plainly what operations do to the input rows.
"""

import random
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

from attrs import evolve, frozen

from tests.engine.crowded import crowded
from tests.engine.programs import TYPES, RandomProgram, random_program, random_row
from tests.engine.shapes import TableShape

Row = tuple[Any, ...]
State = dict[str, frozenset[Row]]
Action = Literal["insert", "delete", "put", "remove"]
Ending = Literal["commit", "exception", "late exception", "poison"]

POISON = TableShape("poison", "input", ("int",), 0)
KEYED_SHARE, CONSTRAINED_SHARE, LIVE_SHARE = 0.3, 0.3, 0.5
# Of trials whose programs and histories have everything at once.
CROWDED_SHARE = 0.12
HEAPS_MAX = 4


@frozen
class Operation:
    """Rows, or for `remove` keys, and the call that is given them."""

    action: Action
    table: str
    rows: tuple[Row, ...]


@frozen
class Script:
    """A transaction: its operations in order, and how it ends."""

    operations: tuple[Operation, ...]
    ending: Ending


@frozen
class RuleChange:
    """That a heap of rules comes, or goes if it is there."""

    heap: int


Event = Script | RuleChange


@frozen
class Trial:
    """A program, the heap of each of its rules, and what happens to it."""

    program: RandomProgram
    heaps: Mapping[str, int]
    history: tuple[Event, ...]

    def __str__(self) -> str:
        lines = [self.base, *(f"// {self.name(n)}\n{self.rules(n)}" for n in self.live_heaps)]
        for number, event in enumerate(self.history):
            if isinstance(event, RuleChange):
                lines.append(f"change {number}: {self.name(event.heap)} come or go")
                continue
            lines.append(f"transaction {number} ({event.ending})")
            lines += [f"  {op.action} {op.table} {list(op.rows)}" for op in event.operations]
        return "\n".join(lines)

    @property
    def base(self) -> str:
        """What is there from the beginning: every table, and the rules of heap 0."""
        types = [f"export {line}" for line in TYPES.splitlines()]
        return "\n".join([*types, *map(_declaration, self.program.tables), self.rules(0), ""])

    @property
    def live_heaps(self) -> list[int]:
        """The heaps that come and go and have rules."""
        return sorted({self.heaps[rule] for rule in self.program.rules} - {0})

    def rules(self, heap: int) -> str:
        """The rules of a heap, as a text."""
        return "\n".join(rule for rule in self.program.rules if self.heaps[rule] == heap)

    def name(self, heap: int) -> str:
        """What the engine shall call a heap."""
        return f"heap {heap}"


def random_trial(seed: int, events: int) -> Trial:
    """The trial that belongs to a seed."""
    order = random.Random(seed)
    is_crowded = order.random() < CROWDED_SHARE
    plain = random_program(order)
    if is_crowded:
        plain = crowded(order, plain)
    program = guarded(order, plain, all_of_it=is_crowded)
    heaps = dict.fromkeys(program.rules, 0)
    count = order.randint(1, HEAPS_MAX) if is_crowded or order.random() < LIVE_SHARE else 0
    heaps.update({rule: order.randint(0, count) for rule in plain.rules})
    inputs: State = {table.name: frozenset() for table in program.inputs}
    history: list[Event] = []
    for _ in range(events):
        if count and order.random() < 0.25:
            history.append(RuleChange(order.randint(1, count)))
            continue
        script = _random_script(order, program, inputs)
        after = apply(program, inputs, script.operations)
        if script.ending == "commit" and keeps_keys(program, after):
            inputs = after
        history.append(script)
    return Trial(program, heaps, tuple(history))


def guarded(
    order: random.Random, program: RandomProgram, *, all_of_it: bool = False
) -> RandomProgram:
    """The program with keys, a constraint, and a table that can fail a commit."""
    keyed, constrained = (1.0, 1.0) if all_of_it else (KEYED_SHARE, CONSTRAINED_SHARE)
    tables = [_keyed(order, t, keyed) if t.kind == "input" else t for t in program.tables]
    last = tables[-1]
    guard = TableShape("guard", "internal", (), last.level + 1)
    failing = TableShape("failing", "output", ("int",), last.level + 2)
    wildcards = ", ".join("_" for _ in last.types)
    rules = [
        f"guard() :- {last.name}({wildcards}).",
        f"guard() :- not {last.name}({wildcards}).",
        "failing(6 / n) :- guard(), poison(n).",
    ]
    tables = [POISON, *tables, guard, failing]
    if order.random() < constrained:
        rule = _constraint(order, program)
        if rule is not None:
            tables.append(TableShape("forbidden", "constraint", (), last.level + 3))
            rules.append(rule)
    return RandomProgram(tuple(tables), (*program.rules, *rules))


def apply(program: RandomProgram, inputs: State, operations: Iterable[Operation]) -> State:
    """The input rows after operations, one after the other; keys may disagree then."""
    keys = {table.name: table.key for table in program.inputs}
    after = dict(inputs)
    for operation in operations:
        name, key = operation.table, keys[operation.table]
        for row in operation.rows:
            if operation.action in {"put", "remove"}:
                wanted = row if operation.action == "remove" else _of(row, key)
                after[name] = frozenset(r for r in after[name] if _of(r, key) != wanted)
            if operation.action in {"put", "insert"}:
                after[name] |= {row}
            if operation.action == "delete":
                after[name] -= {row}
    return after


def keeps_keys(program: RandomProgram, inputs: State) -> bool:
    """Whether no two rows have one key."""
    return all(
        not table.key
        or len({_of(row, table.key) for row in inputs[table.name]}) == len(inputs[table.name])
        for table in program.inputs
    )


def smaller(trial: Trial) -> Iterator[Trial]:
    """The trial less one rule, event, operation or row, in each way."""
    rules = trial.program.rules
    for place in range(len(rules)):
        program = evolve(trial.program, rules=rules[:place] + rules[place + 1 :])
        yield evolve(trial, program=program)
    history = trial.history
    for place, event in enumerate(history):
        yield evolve(trial, history=history[:place] + history[place + 1 :])
        for less in _smaller_scripts(event) if isinstance(event, Script) else ():
            yield evolve(trial, history=(*history[:place], less, *history[place + 1 :]))


def _smaller_scripts(script: Script) -> Iterator[Script]:
    operations = script.operations
    for place, operation in enumerate(operations):
        if operation.table == POISON.name:
            continue
        yield evolve(script, operations=operations[:place] + operations[place + 1 :])
        for row in range(len(operation.rows) if len(operation.rows) > 1 else 0):
            fewer = evolve(operation, rows=operation.rows[:row] + operation.rows[row + 1 :])
            operations_left = (*operations[:place], fewer, *operations[place + 1 :])
            yield evolve(script, operations=operations_left)


def _declaration(table: TableShape) -> str:
    modifiers = {"output": "open ", "internal": "export open ", "constraint": "export open "}
    return modifiers.get(table.kind, "") + table.declaration()


def _keyed(order: random.Random, table: TableShape, share: float) -> TableShape:
    if not table.types or order.random() > share:
        return table
    places = range(len(table.types))
    key = order.sample(places, order.choice((1, 1, len(places))))
    return evolve(table, key=tuple(sorted(key)))


def _constraint(order: random.Random, program: RandomProgram) -> str | None:
    """A rule that forbids two things that are rarely there together."""
    wide = [table for table in program.tables if len(table.types) > 1]
    if not wide:
        return None
    one, other = order.choice(wide), order.choice(wide)
    pairs = [(x, y) for x in range(len(one.types)) for y in range(len(other.types))]
    pairs = [(x, y) for x, y in pairs if one.types[x] == other.types[y]]
    if not pairs:
        return None
    x, y = order.choice(pairs)
    first = ", ".join("v" if place == x else f"a{place}" for place in range(len(one.types)))
    second = ", ".join("v" if place == y else f"b{place}" for place in range(len(other.types)))
    same = [p for p in range(min(len(one.types), len(other.types))) if p not in {x, y}]
    apart = [f"a{p} != b{p}" for p in same if one.types[p] == other.types[p]]
    return (
        f"forbidden() :- {', '.join([f'{one.name}({first})', f'{other.name}({second})', *apart])}."
    )


def _of(row: Row, key: tuple[int, ...]) -> Row:
    return tuple(row[place] for place in key)


def _random_script(order: random.Random, program: RandomProgram, inputs: State) -> Script:
    tables = [table for table in program.inputs if table != POISON]
    operations = [
        _random_operation(order, order.choice(tables), inputs) for _ in range(order.randint(1, 6))
    ]
    if order.random() < 0.2:
        again = order.choice(operations)
        back: dict[Action, Action] = {"insert": "delete", "delete": "insert", "put": "delete"}
        if again.action in back:
            operations.append(evolve(again, action=back[again.action]))
    endings: list[Ending] = ["commit"] * 9 + ["exception", "late exception", "poison"]
    ending = order.choice(endings)
    if ending == "poison":
        place = order.randint(0, len(operations))
        operations.insert(place, Operation("insert", POISON.name, ((0,), (3,))))
    return Script(tuple(operations), ending)


def _random_operation(order: random.Random, table: TableShape, inputs: State) -> Operation:
    there = sorted(inputs[table.name], key=repr)
    dice = order.random()
    if dice < 0.55:
        rows = [random_row(order, table) for _ in range(order.randint(1, 4))]
        if not table.key:
            return Operation("insert", table.name, tuple(rows))
        return Operation(order.choice(("put", "put", "put", "insert")), table.name, tuple(rows))
    some = order.sample(there, order.randint(0, min(3, len(there))))
    chosen = some if some and order.random() < 0.8 else [random_row(order, table)]
    if table.key and order.random() < 0.5:
        return Operation("remove", table.name, tuple(_of(row, table.key) for row in chosen))
    return Operation("delete", table.name, tuple(chosen))
