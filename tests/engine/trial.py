"""A trial: a random program and a history (histories.py), run against everything that can object.

After each transaction and each change of the rules

- every table of the engine equals what the naive evaluator makes of the inputs;
- what was announced is the difference of the states around it;
- snapshots taken earlier, some never read before, are what they were;
- a trial run by `what_if` announced the same;
- if it did not commit, be it for an exception in its block or after `prepare`, an operation without
  a value in the middle of the evaluation, a key or a constraint, nothing at all has changed; and
  it committed unless it should not;

and now and then the engine equals one computed anew, clingo agrees where its language reaches, and
the engine's explanations are derivations.

A trial that fails raises `TrialError`, with the program, the history and the seed, after taking
out of both whatever was not needed to fail. `python -m tests.long_run` runs many trials.
"""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial

from attrs import define, evolve, field

import nlog
from nlog.compile import extend, without
from nlog.engine import reference
from nlog.program import Atom, Program
from tests.engine import clingo_voice
from tests.engine.histories import (
    Event,
    Row,
    RuleChange,
    Script,
    State,
    Trial,
    apply,
    random_trial,
    smaller,
)
from tests.engine.programs import FUNCTIONS

RECOMPUTE_EVERY = 4
EXPLAINED_MAX = 3
# What a trial counts.
HAPPENINGS = (
    "committed",
    "failed or given up",
    "refused",
    "tried by what_if",
    "rules came",
    "rules went",
    "snapshots read",
    "recomputed",
)


class TrialError(Exception):
    """A trial that failed, with all it takes to see it fail again."""


class GivingUpError(Exception):
    """Raised within a transaction, to see it rolled back."""


def run(trial: Trial, seed: int = 0) -> Counter[str]:
    """Run a trial, and count HAPPENINGS; if it fails, AssertionError or what the engine raised."""
    program = nlog.parse(trial.base, "base", FUNCTIONS)
    try:
        engine = nlog.Engine(program)
    except nlog.ConstraintError:
        empty = reference.evaluate(program, {})
        assert reference.is_refused(program, empty), "a sound program was refused"
        return Counter()
    running = _Running(trial, engine, random.Random(seed))
    for number, event in enumerate(trial.history):
        running.happen(event)
        if number % RECOMPUTE_EVERY == RECOMPUTE_EVERY - 1 or number == len(trial.history) - 1:
            running.consult()
    return running.counts


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
        for candidate in smaller(trial):
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


def _plain(changes: nlog.Changes) -> dict[str, tuple[frozenset[Row], frozenset[Row]]]:
    return {name: (delta.inserted, delta.deleted) for name, delta in changes.items()}


def _carry_out(tx: nlog.Transaction, script: Script) -> None:
    with tx:
        for operation in script.operations:
            if operation.action == "remove":
                keys = [key[0] if len(key) == 1 else key for key in operation.rows]
                tx.remove(operation.table, *keys)
            else:
                getattr(tx, f"{operation.action}_many")(operation.table, operation.rows)
        if script.ending == "late exception":
            tx.prepare()
        if script.ending.endswith("exception"):
            raise GivingUpError


def _difference(found: State, expected: State) -> str:
    wrong = [
        f"{name}: too many {sorted(found[name] - rows, key=repr)}, "
        f"missing {sorted(rows - found[name], key=repr)}"
        for name, rows in expected.items()
        if found[name] != rows
    ]
    return "; ".join(wrong)


@define
class _Running:
    """An engine in the course of its trial, and what is known of it."""

    trial: Trial
    engine: nlog.Engine
    order: random.Random
    inputs: State = field(init=False)
    state: State = field(init=False)
    snapshots: list[tuple[nlog.Snapshot, State]] = field(factory=list)
    counts: Counter[str] = field(factory=Counter)

    def __attrs_post_init__(self) -> None:
        self.inputs = {table.name: frozenset() for table in self.trial.program.inputs}
        self.state = reference.evaluate(self.engine.program, self.inputs)
        assert not reference.is_refused(self.engine.program, self.state)
        self._compare()

    def happen(self, event: Event) -> None:
        """Let it happen, and see that the engine is then what it must be, and said so."""
        if self.order.random() < 0.4:
            self.snapshots.append((self.engine.snapshot(), self.state))
        before = self.state
        changes = self._change(event) if isinstance(event, RuleChange) else self._transact(event)
        self._compare()
        if changes is not None:
            _check_changes(self.engine.program, changes, before, self.state)
        self._check_snapshots()

    def consult(self) -> None:
        """Ask a recomputation, clingo, and explanations."""
        self.counts["recomputed"] += 1
        anew = contents(self.engine.recompute())
        assert anew == self.state, f"a recomputation differs: {_difference(anew, self.state)}"
        if clingo_voice.is_within_reach(self.engine.program):
            told = clingo_voice.ask(self.engine.program, self.inputs)
            assert told == self.state, f"clingo differs: {_difference(told, self.state)}"
        _check_explanations(self.engine, self.state, self.order)

    def _compare(self) -> None:
        """The engine's tables must be what is expected, and their lengths, too."""
        found = contents(self.engine)
        wrong = _difference(found, self.state)
        assert not wrong, f"the engine differs from the naive evaluator: {wrong}"
        for name, rows in found.items():
            assert len(self.engine[name]) == len(rows), f"{name} has a wrong length"

    def _transact(self, script: Script) -> nlog.Changes | None:
        """Try what the script says, then do it; the changes if it commits."""
        after = apply(self.trial.program, self.inputs, script.operations)
        sound = {name: rows - {(0,)} if name == "poison" else rows for name, rows in after.items()}
        expected = reference.evaluate(self.engine.program, sound)
        refused = script.ending != "exception" and reference.is_refused(
            self.engine.program, expected
        )
        changes = []
        for tx in (self.engine.what_if(), self.engine.transaction()):
            try:
                _carry_out(tx, script)
            except GivingUpError:
                assert not refused, "what is forbidden was prepared"
            except nlog.TransactionError as error:
                text = str(error)
                assert refused or script.ending == "poison", f"a sound transaction failed: {text}"
                assert refused or "division by zero" in text, f"it failed otherwise: {text}"
            else:
                assert not refused, "what is forbidden was committed"
                assert script.ending == "commit", "a division by zero was committed"
                changes.append(tx.changes)
        self.counts["tried by what_if"] += 1
        if not changes:
            self.counts["refused" if refused else "failed or given up"] += 1
            return None
        self.counts["committed"] += 1
        tried, done = changes
        assert _plain(tried) == _plain(done), "a change differs from what it was said to be"
        self.inputs, self.state = after, expected
        return done

    def _change(self, change: RuleChange) -> nlog.Changes | None:
        """Add a heap of rules, or remove it; the changes if that is not refused."""
        if change.heap not in self.trial.live_heaps:
            return None
        name, text = self.trial.name(change.heap), self.trial.rules(change.heap)
        engine = self.engine
        happens = "rules went" if name in engine.rules else "rules came"
        if name in engine.rules:
            program, act = without(engine.program, name), partial(engine.remove_rules, name)
        else:
            program = extend(engine.program, text, name)
            act = partial(engine.add_rules, text, name)
        expected = reference.evaluate(program, self.inputs)
        refused = reference.is_refused(program, expected)
        try:
            tx = act()
        except nlog.ConstraintError as error:
            assert refused, f"a sound change of rules failed: {error}"
            return None
        assert not refused, "what is forbidden was committed"
        self.counts[happens] += 1
        self.state = expected
        return tx.changes

    def _check_snapshots(self) -> None:
        """Read some of them, and let some go."""
        for snapshot, state in [kept for kept in self.snapshots if self.order.random() < 0.5]:
            self.counts["snapshots read"] += 1
            for name, rows in state.items():
                assert frozenset(snapshot[name]) == rows, f"a snapshot of {name} changed"
                assert len(snapshot[name]) == len(rows), f"a snapshot of {name} has a wrong length"
                assert all(row in snapshot[name] for row in rows)
        if self.snapshots and self.order.random() < 0.3:
            self.snapshots.pop(self.order.randrange(len(self.snapshots)))


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
