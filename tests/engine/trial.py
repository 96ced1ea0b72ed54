"""A trial: a random program and a history of transactions, run against everything that can object.

After each transaction of a history

- every table of the engine equals what the naive evaluator makes of the inputs;
- what the transaction announced is the difference of the states around it;
- snapshots taken earlier, some never read before, are what they were;
- a trial run by `what_if` announced the same;
- if it did not commit, be it for an exception in its block or an operation without a value in the
  middle of the evaluation, nothing at all has changed;

and now and then the engine equals one computed anew, and its explanations are derivations.

A trial that fails raises `TrialError`, with the program, the history and the seed, after taking
out of both whatever was not needed to fail. `python -m tests.long_run` runs many trials.
"""

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Literal

from attrs import evolve, frozen

import nlog
from nlog.engine import reference
from nlog.program import Atom, Program
from tests.engine.programs import RandomProgram, random_program, random_row
from tests.engine.shapes import TableShape

Row = tuple[Any, ...]
State = dict[str, frozenset[Row]]
Ending = Literal["commit", "exception", "poison"]

RECOMPUTE_EVERY = 4
EXPLAINED_MAX = 3
POISON = TableShape("poison", "input", ("int",), 0)


class TrialError(Exception):
    """A trial that failed, with all it takes to see it fail again."""


class GivingUpError(Exception):
    """Raised within a transaction, to see it rolled back."""


@frozen
class Operation:
    """Rows to insert or delete by one call."""

    action: Literal["insert", "delete"]
    table: str
    rows: tuple[Row, ...]


@frozen
class Script:
    """A transaction: its operations in order, and how it ends."""

    operations: tuple[Operation, ...]
    ending: Ending


@frozen
class Trial:
    """A program and what happens to it."""

    program: RandomProgram
    history: tuple[Script, ...]

    def __str__(self) -> str:
        lines = [self.program.text]
        for number, script in enumerate(self.history):
            lines.append(f"transaction {number} ({script.ending})")
            lines += [f"  {op.action} {op.table} {list(op.rows)}" for op in script.operations]
        return "\n".join(lines)


def random_trial(seed: int, transactions: int) -> Trial:
    """The trial that belongs to a seed."""
    order = random.Random(seed)
    program = _poisonable(random_program(order))
    inputs: State = {table.name: frozenset() for table in program.inputs}
    history = []
    for _ in range(transactions):
        script = _random_script(order, program, inputs)
        if script.ending == "commit":
            inputs = _apply(inputs, script.operations)
        history.append(script)
    return Trial(program, tuple(history))


def run(trial: Trial, seed: int = 0) -> None:
    """Run a trial; AssertionError, or whatever it was that the engine raised, if it fails."""
    program = nlog.parse(trial.program.text, "random.nlog")
    engine = nlog.Engine(program)
    inputs: State = {table.name: frozenset() for table in trial.program.inputs}
    state = _compare(engine, inputs)
    order = random.Random(seed)
    snapshots: list[tuple[nlog.Snapshot, State]] = []
    for number, script in enumerate(trial.history):
        if order.random() < 0.4:
            snapshots.append((engine.snapshot(), state))
        changes = _transact(engine, script)
        if script.ending == "commit":
            inputs = _apply(inputs, script.operations)
        before, state = state, _compare(engine, inputs)
        if changes is not None:
            _check_changes(engine.program, changes, before, state)
        _check_snapshots(snapshots, order)
        if number % RECOMPUTE_EVERY == RECOMPUTE_EVERY - 1 or number == len(trial.history) - 1:
            assert contents(engine.recompute()) == state, "the engine differs from a recomputed one"
            _check_explanations(engine, state, order)


def run_seed(seed: int, transactions: int) -> None:
    """Run the trial of a seed; TrialError has the smallest trial found that fails likewise."""
    trial = random_trial(seed, transactions)
    error = _failure(trial)
    if error is not None:
        smallest = shrink(trial, lambda candidate: _kind(_failure(candidate)) == _kind(error))
        error = _failure(smallest)
        text = f"seed {seed}, {transactions} transactions\n\n{smallest}\n\n"
        raise TrialError(f"{text}{type(error).__name__}: {error}") from error


def shrink(trial: Trial, fails: Callable[[Trial], bool]) -> Trial:
    """Take out rules, transactions, operations and rows one by one while the trial still fails."""
    progress = True
    while progress:
        progress = False
        for candidate in _smaller(trial):
            if fails(candidate):
                trial, progress = candidate, True
                break
    return trial


def contents(engine: nlog.Engine) -> State:
    """All rows of all tables."""
    return {name: frozenset(engine[name]) for name in engine.program.tables}


def _failure(trial: Trial) -> Exception | None:
    try:
        run(trial)
    except Exception as error:  # noqa: BLE001  # whatever the engine raises is a finding
        return error
    return None


def _kind(error: Exception | None) -> tuple[type, str]:
    """What must stay the same while a trial shrinks: another failure is another matter."""
    return type(error), str(error).partition(":")[0]


def _smaller(trial: Trial) -> Iterator[Trial]:
    rules = trial.program.rules
    for place in range(len(rules)):
        program = evolve(trial.program, rules=rules[:place] + rules[place + 1 :])
        yield evolve(trial, program=program)
    history = trial.history
    for place, script in enumerate(history):
        yield evolve(trial, history=history[:place] + history[place + 1 :])
        for smaller in _smaller_scripts(script):
            yield evolve(trial, history=(*history[:place], smaller, *history[place + 1 :]))


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


def _poisonable(program: RandomProgram) -> RandomProgram:
    """The program with a table whose row 0 fails a commit, when all else has been evaluated."""
    last = program.tables[-1]
    guard = TableShape("guard", "internal", (), last.level + 1)
    failing = TableShape("failing", "output", ("int",), last.level + 2)
    wildcards = ", ".join("_" for _ in last.types)
    rules = (
        f"guard() :- {last.name}({wildcards}).",
        f"guard() :- not {last.name}({wildcards}).",
        "failing(6 / n) :- guard(), poison(n).",
    )
    tables = (POISON, *program.tables, guard, failing)
    return RandomProgram(tables, program.rules + rules)


def _random_script(order: random.Random, program: RandomProgram, inputs: State) -> Script:
    tables = [table for table in program.inputs if table != POISON]
    operations = []
    for _ in range(order.randint(1, 6)):
        table = order.choice(tables)
        if order.random() < 0.55:
            rows = [random_row(order, table) for _ in range(order.randint(1, 4))]
            operations.append(Operation("insert", table.name, tuple(rows)))
        else:
            there = sorted(inputs[table.name], key=repr)
            some = order.sample(there, order.randint(0, min(3, len(there))))
            rows = some if some and order.random() < 0.8 else [random_row(order, table)]
            operations.append(Operation("delete", table.name, tuple(rows)))
    if order.random() < 0.2:
        again = order.choice(operations)
        action: Literal["insert", "delete"] = "delete" if again.action == "insert" else "insert"
        operations.append(evolve(again, action=action))
    endings: list[Ending] = ["commit"] * 8 + ["exception", "poison"]
    ending = order.choice(endings)
    if ending == "poison":
        place = order.randint(0, len(operations))
        operations.insert(place, Operation("insert", POISON.name, ((0,), (3,))))
    return Script(tuple(operations), ending)


def _apply(inputs: State, operations: Iterable[Operation]) -> State:
    after = dict(inputs)
    for operation in operations:
        rows = frozenset(operation.rows)
        there = after[operation.table]
        after[operation.table] = there | rows if operation.action == "insert" else there - rows
    return after


def _transact(engine: nlog.Engine, script: Script) -> nlog.Changes | None:
    """Try what the script says, then do it; the changes if it commits."""
    tried = _carry_out(engine.what_if(), script)
    changes = _carry_out(engine.transaction(), script)
    if changes is not None:
        assert tried is not None
        assert _plain(tried) == _plain(changes), "a change differs from what it was said to be"
    return changes


def _check_snapshots(snapshots: list[tuple[nlog.Snapshot, State]], order: random.Random) -> None:
    """Read some of them, and let some go."""
    for snapshot, state in [kept for kept in snapshots if order.random() < 0.5]:
        for name, rows in state.items():
            assert frozenset(snapshot[name]) == rows, f"a snapshot of {name} changed"
            assert len(snapshot[name]) == len(rows), f"a snapshot of {name} has a wrong length"
            assert all(row in snapshot[name] for row in rows)
    if snapshots and order.random() < 0.3:
        snapshots.pop(order.randrange(len(snapshots)))


def _plain(changes: nlog.Changes) -> dict[str, tuple[frozenset[Row], frozenset[Row]]]:
    return {name: (delta.inserted, delta.deleted) for name, delta in changes.items()}


def _carry_out(tx: nlog.Transaction, script: Script) -> nlog.Changes | None:
    try:
        with tx:
            for operation in script.operations:
                method = tx.insert_many if operation.action == "insert" else tx.delete_many
                method(operation.table, operation.rows)
            if script.ending == "exception":
                raise GivingUpError
    except GivingUpError:
        return None
    except nlog.TransactionError as error:
        assert script.ending == "poison", f"a sound transaction failed: {error}"
        assert "division by zero" in str(error)
        return None
    assert script.ending == "commit", "a division by zero was committed"
    return tx.changes


def _compare(engine: nlog.Engine, inputs: State) -> State:
    """The engine's tables, which must be the naive evaluator's."""
    found, expected = contents(engine), reference.evaluate(engine.program, inputs)
    wrong = [
        f"{name}: too many {sorted(found[name] - rows, key=repr)}, "
        f"missing {sorted(rows - found[name], key=repr)}"
        for name, rows in expected.items()
        if found[name] != rows
    ]
    assert not wrong, "the engine differs from the naive evaluator: " + "; ".join(wrong)
    for name, rows in found.items():
        assert len(engine[name]) == len(rows), f"{name} has a wrong length"
    return found


def _check_changes(program: Program, changes: nlog.Changes, before: State, after: State) -> None:
    outputs = {table.name for table in program.tables.values() if table.kind == "output"}
    assert set(changes) == outputs
    for name in outputs:
        inserted, deleted = after[name] - before[name], before[name] - after[name]
        assert changes[name].inserted == inserted, f"{name}: announced insertions are wrong"
        assert changes[name].deleted == deleted, f"{name}: announced deletions are wrong"


def _check_explanations(engine: nlog.Engine, state: State, order: random.Random) -> None:
    rows = [(name, row) for name, rows in sorted(state.items()) for row in sorted(rows, key=repr)]
    for table, row in order.sample(rows, min(EXPLAINED_MAX, len(rows))):
        check_derivation(engine.program, state, engine.explain(table, row))


def check_derivation(
    program: Program, state: State, tree: nlog.Derivation, path: Sequence[tuple[str, Row]] = ()
) -> None:
    """See that a tree derives its root: each step by its rule, from rows that are there.

    A step is judged by the naive evaluator: the rule, with its positive atoms reading nothing but
    the premises, must derive the row.
    """
    here = (tree.table, tree.row)
    assert tree.row in state[tree.table], f"{here} is explained and not there"
    assert here not in path, f"{here} serves to derive itself"
    if tree.rule is None:
        assert program.tables[tree.table].kind == "input", f"{here} is no input, and a leaf"
        assert not tree.premises
        return
    rule = program.rules[tree.rule.number]
    assert rule.head == tree.table
    tables: dict[str, set[Row]] = {name: set(rows) for name, rows in state.items()}
    for premise in tree.premises:
        tables.setdefault(f"+{premise.table}", set()).add(premise.row)
    body = []
    for literal in rule.body:
        if isinstance(literal, Atom) and not literal.negated:
            tables.setdefault(f"+{literal.table}", set())
            body.append(evolve(literal, table=f"+{literal.table}"))
        else:
            body.append(literal)
    if not rule.aggregates:
        assert len(tree.premises) <= len([a for a in rule.atoms if not a.negated])
    derived = set(reference._derive(evolve(rule, body=tuple(body)), tables))
    assert tree.row in derived, f"{here} does not follow from its premises"
    for premise in tree.premises:
        check_derivation(program, state, premise, (*path, here))
