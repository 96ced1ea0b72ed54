"""The corpus again, on the ways that go beyond transactions: one answer there, too.

Rules are added last, when the rows are there already, and removed and added again, all at once and
one by one (but for the case of imports, whose rules see other files by what stands beside them); a
transaction is tried by `what_if` before it is made; snapshots stay what they are.
"""

import random
import re
from collections.abc import Iterator

import pytest

import nlog
from nlog.compile import without
from nlog.engine import reference
from tests.nlog import corpus
from tests.nlog.corpus import Case, Rows, Step
from tests.nlog.test_cases import CASES, check_rows, contents, move

DECLARATION = re.compile(r"(?:(?:export|open|input|output|constraint) )*(?:table|record|union) \w")
MODIFIERS = {"output": "open ", "input": "", "record": "export ", "union": "export "}

ALONE = [case for case in CASES if case.name != "imports"]

each_lone_case = pytest.mark.parametrize("case", ALONE, ids=lambda case: case.name)
each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def split(case: Case) -> tuple[str, list[str]]:
    """The declarations of a case, for rules of other texts to see, and its rules."""
    base, rules = [], []
    for statement in _statements(case.path.read_text()):
        if DECLARATION.match(statement):
            plain = re.sub(r"^(export |open )*", "", statement)
            base.append(MODIFIERS.get(plain.split()[0], "export open ") + plain)
        else:
            rules.append(statement)
    return "\n".join(base), rules


def _statements(text: str) -> Iterator[str]:
    """Each begins a line; those that go on are indented, or close a parenthesis."""
    text = re.sub(r"(?m)//.*$", "", text)
    yield from (part.strip() for part in re.split(r"(?m)^(?=[a-z_A-Z])", text) if part.strip())


def attempted(before: Rows, step: Step) -> Rows:
    """The inputs that a step leads to, or would if it did not fail."""
    none: frozenset = frozenset()
    names = {*before, *step.insert, *step.delete}
    return {
        n: before.get(n, none) - step.delete.get(n, none) | step.insert.get(n, none) for n in names
    }


@each_lone_case
def test_rules_added_last(case: Case):
    base, rules = split(case)
    text, before = "\n".join(rules), {}
    for step in case.steps:
        engine = nlog.Engine(nlog.parse(base, str(case.path)))
        if step.fails is not None:
            with pytest.raises(nlog.TransactionError, match=step.fails):
                move(engine, {}, attempted(before, step))
                bare = contents(engine)
                engine.add_rules(text, "rules")
            assert contents(engine) == bare
            continue
        before = step.inputs
        move(engine, {}, step.inputs)
        bare = contents(engine)
        for _ in range(2):
            added = engine.add_rules(text, "rules")
            found = contents(engine)
            check_rows(found, step.expected)
            assert found == reference.evaluate(engine.program, step.inputs)
            removed = engine.remove_rules("rules")
            assert contents(engine) == bare
            for name, delta in added.changes.items():
                assert delta.inserted == removed.changes[name].deleted == found[name] - bare[name]


@each_lone_case
def test_rules_come_and_go_one_by_one(case: Case):
    base, rules = split(case)
    program = nlog.parse(base + "\n" + "\n".join(rules), str(case.path))
    engine = nlog.Engine(nlog.parse(base, str(case.path)))
    order, inputs = random.Random(case.name), {}
    for step in case.steps:
        if step.fails is not None:
            continue
        move(engine, inputs, step.inputs)
        inputs = step.inputs
        for number in order.sample(range(len(rules)), len(rules)):
            _toggle(engine, f"rule {number}", rules[number])
            assert contents(engine) == reference.evaluate(engine.program, inputs)
        for number in order.sample(range(len(rules)), len(rules)):
            if f"rule {number}" not in engine.rules:
                _toggle(engine, f"rule {number}", rules[number])
        if len(engine.rules) == len(rules) + 1:
            check_rows(contents(engine), step.expected)
            assert contents(engine) == reference.evaluate(program, inputs)
        else:
            assert case.name == "optima", "rules were refused"


def _toggle(engine: nlog.Engine, name: str, rule: str) -> None:
    """Add a rule or remove it, unless that puts a recursion over optima together anew."""
    try:
        if name in engine.rules:
            without(engine.program, name)
            engine.remove_rules(name)
        else:
            engine.add_rules(rule, name)
    except nlog.RuleError as error:
        assert "would be put together anew" in str(error) or "not-monotone" in str(error)


@each_case
def test_tried_and_then_done(case: Case):
    engine = nlog.Engine(corpus.program(case))
    kept: list[tuple[nlog.Snapshot, Rows]] = []
    for step in case.steps:
        before = contents(engine)
        kept.append((engine.snapshot(), before))
        changes = []
        for begin in (engine.what_if, engine.transaction):
            assert contents(engine) == before
            try:
                with begin() as tx:
                    for table, rows in step.delete.items():
                        tx.delete_many(table, rows)
                    for table, rows in step.insert.items():
                        tx.insert_many(table, rows)
            except nlog.TransactionError as error:
                assert step.fails is not None
                assert re.search(step.fails, str(error))
            else:
                assert step.fails is None
                pairs = tx.changes.items()
                changes.append({name: (delta.inserted, delta.deleted) for name, delta in pairs})
        assert changes[:1] == changes[1:]
        check_rows(contents(engine), step.expected)
    for snapshot, state in kept:
        assert {name: frozenset(snapshot[name]) for name in state} == state
