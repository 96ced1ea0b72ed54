"""Random programs under random histories: the engine says what the naive evaluator and clingo say.

Each seed is a program and a history (trial.py): more than 10,000 transactions in all. A failure
shows the smallest that was found. The long run over more of them is `python -m tests.long_run`.
"""

import random
import re
from collections import Counter

import pytest
from attrs import evolve

import nlog
from nlog.check import stratify
from nlog.engine import reference
from nlog.functions import AGGREGATES
from nlog.lower import lower
from nlog.program import Atom
from tests import long_run
from tests.engine import clingo_voice
from tests.engine.features import TOGETHER, drawn
from tests.engine.histories import RuleChange, Script, random_trial
from tests.engine.programs import FUNCTIONS, random_program
from tests.engine.trial import HAPPENINGS, run, run_seed, shrink

SEEDS = range(992)
BATCH = 8
EVENTS = 12


@pytest.mark.parametrize("first", SEEDS[::BATCH])
def test_the_engine_is_the_reference(first: int):
    for seed in range(first, first + BATCH):
        run_seed(seed, EVENTS)


def test_histories_have_what_they_should():
    """Keys, constraints, rules that come and go, and every ending; and enough of them."""
    trials = [random_trial(seed, EVENTS) for seed in SEEDS[:200]]
    events = [event for trial in trials for event in trial.history]
    scripts = [event for event in events if isinstance(event, Script)]
    endings = Counter(script.ending for script in scripts)
    actions = Counter(op.action for script in scripts for op in script.operations)
    changed = [t for t in trials if any(isinstance(e, RuleChange) for e in t.history)]
    constrained = [t for t in trials if t.program.tables[-1].kind == "constraint"]
    within = [
        clingo_voice.is_within_reach(nlog.parse(trial.base, functions=FUNCTIONS))
        for trial in trials
    ]
    assert min(endings[e] for e in ("commit", "exception", "late exception", "poison")) > 100
    assert min(actions[a] for a in ("insert", "delete", "put", "remove")) > 100
    assert len(changed) > 60
    assert len(constrained) > 30
    assert sum(within) > 80


def test_there_are_ten_thousand_transactions():
    """Changes of rules not counted, nor that each transaction is tried by `what_if` before."""
    histories = [random_trial(seed, EVENTS).history for seed in SEEDS]
    scripts = [event for history in histories for event in history if isinstance(event, Script)]
    assert len(scripts) >= 10_000
    assert sum(script.ending == "commit" for script in scripts) > 7_000


def test_trials_draw_everything_and_everything_at_once():
    """Of 200 trials; the counts of 1,000 are in docs/status.md."""
    counts: Counter[str] = Counter()
    for seed in SEEDS[:200]:
        found = drawn(random_trial(seed, EVENTS))
        counts.update(found)
        counts["everything at once"] += found >= TOGETHER
    least = {
        "recursion": 90,
        "mutual recursion": 30,
        "non-linear recursion": 40,
        "negation above a recursion": 90,
        "negation in a recursion": 70,
        "an aggregate above a recursion": 35,
        "a recursion above an aggregate": 50,
        "an optimum through recursion": 60,
        "a Python function": 55,
        "a Python function in a recursion": 35,
        "a key": 75,
        "a constraint": 45,
        "live rules": 80,
        "live rules of a recursion": 60,
        "an exception": 85,
        "a late exception": 80,
        "a failure deep in a commit": 85,
        "everything at once": 7,
    }
    assert not {name: counts[name] for name, count in least.items() if counts[name] < count}
    assert set(counts) == set(least)


def test_trials_do_what_they_draw():
    """What happened in some crowded trials, as the trial itself counted."""
    counts: Counter[str] = Counter()
    for seed in [seed for seed in SEEDS[:220] if drawn(random_trial(seed, EVENTS)) >= TOGETHER]:
        counts.update(run(random_trial(seed, EVENTS), seed))
    assert not {name for name in HAPPENINGS if counts[name] < 4}, counts


def test_a_seed_is_a_trial():
    assert str(random_trial(7, 5)) == str(random_trial(7, 5))
    assert str(random_trial(7, 5)) != str(random_trial(8, 5))


def test_random_programs_have_what_they_should():
    """A generator that never negates, or never recurs, would test less than it seems to."""
    programs = [
        nlog.parse(random_program(random.Random(seed)).text, functions=FUNCTIONS)
        for seed in range(200)
    ]
    recursive = [p for p in programs if any(stratum.recursive for stratum in p.strata)]
    mutual = [p for p in programs if any(len(stratum.tables) > 1 for stratum in p.strata)]
    negating = [p for p in programs if any(a.negated for rule in p.rules for a in rule.atoms)]
    nonlinear = [p for p in programs if any(_recursive_atoms(p, rule) > 1 for rule in p.rules)]
    deep = [p for p in programs if len(p.strata) >= 4]
    aggregates = [a.function for p in programs for rule in p.rules for a in rule.aggregates]
    optima = [len(s.optima) for p in programs for s in p.strata if s.optima]
    assert len(recursive) > 100
    assert len(optima) > 40
    assert max(optima) == 2
    assert len(mutual) > 15
    assert len(negating) > 100
    assert len(nonlinear) > 20
    assert len(deep) > 40
    asking = [p for p in programs if _projected(p) - {a.table for a in _atoms(p) if a.negated}]
    assert len(asking) > 40
    assert set(AGGREGATES) <= set(aggregates)
    assert len(aggregates) > 150
    assert all(stratify(p.tables, p.rules) == p.strata for p in programs)


def _atoms(program: nlog.Program) -> list[Atom]:
    return [atom for rule in program.rules for atom in rule.atoms]


def _projected(program: nlog.Program) -> set[str]:
    """The tables of which a positive atom reads some columns, at least one, in place of a row."""
    read = [atom.table for atom in _atoms(lower(program)) if not atom.negated]
    return {name[1:].partition("(")[0] for name in read if re.fullmatch(r"\$\w+\(.+\)", name)}


def _recursive_atoms(program: nlog.Program, rule) -> int:
    stratum = next(s for s in program.strata if rule.head in s.tables)
    return sum(atom.table in stratum.tables for atom in rule.atoms)


def test_shrinking_keeps_what_fails_and_nothing_else():
    trial = random_trial(3, 6)
    marked = trial.program.rules[2]
    smallest = shrink(
        trial,
        lambda t: (
            marked in t.program.rules
            and any(isinstance(e, Script) and e.ending == "commit" for e in t.history)
        ),
    )
    assert smallest.program.rules == (marked,)
    assert smallest.history == (Script((), "commit"),)


def test_the_long_run_counts_what_it_compared(capsys: pytest.CaptureFixture[str]):
    assert long_run.main(["--programs", "3", "--events", "4", "--seed", "900"]) == 0
    out = capsys.readouterr().out
    assert "3 programs from seed 900" in out
    assert "12 events over 3 programs: engine = reference = clingo" in out


def test_a_difference_is_shown_with_all_it_takes_to_see_it_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """A naive evaluator that forgets a rule stands in for an engine that does."""
    evaluate = reference.evaluate

    def forgetful(program: nlog.Program, inputs):
        return evaluate(evolve(program, rules=program.rules[1:]), inputs)

    monkeypatch.setattr(reference, "evaluate", forgetful)
    assert long_run.main(["--programs", "5", "--events", "4", "--seed", "900"]) == 1
    shown = capsys.readouterr().err
    assert "seed 90" in shown
    assert "the engine differs from the naive evaluator" in shown
    assert shown.count(" :- ") < 4
