"""What a trial has, by name: so that a generator that stops drawing something is found out.

`drawn` reads a trial's whole program, as the checker sees it, and its history. `TOGETHER` is what a
trial must have to have everything at once.
"""

from collections.abc import Iterator

import nlog
from nlog.program import Aggregate, Apply, Assign, Atom, Const, Filter, If, Program, Rule
from nlog.types import FUNCTION
from tests.engine.histories import RuleChange, Script, Trial
from tests.engine.programs import FUNCTIONS

TOGETHER = frozenset(
    {
        "recursion",
        "negation above a recursion",
        "an aggregate above a recursion",
        "a recursion above an aggregate",
        "an optimum through recursion",
        "a Python function",
        "a Python function in a recursion",
        "a key",
        "a constraint",
        "live rules of a recursion",
        "a late exception",
    }
)


def drawn(trial: Trial) -> set[str]:
    """The names of what the trial has."""
    whole = "\n".join([trial.base, *map(trial.rules, trial.live_heaps)])
    program = nlog.parse(whole, functions=FUNCTIONS)
    return {*_of_program(program), *_of_history(trial, program)}


def _of_program(program: Program) -> Iterator[str]:
    optima = {optimum.table for stratum in program.strata for optimum in stratum.optima}
    recursive = {name for s in program.strata if s.recursive for name in s.tables}
    aggregated = {rule.head for rule in program.rules if rule.aggregates} - optima
    above = _above(program, recursive)
    above_aggregates = _above(program, aggregated)
    if recursive - optima:
        yield "recursion"
    if optima:
        yield "an optimum through recursion"
    if any(len(stratum.tables) > 1 for stratum in program.strata):
        yield "mutual recursion"
    for rule in program.rules:
        positive = {atom.table for atom in rule.atoms if not atom.negated}
        negated = {atom.table for atom in rule.atoms if atom.negated}
        is_recursive = rule.head in recursive
        if negated & above:
            yield "negation above a recursion"
        if negated and is_recursive:
            yield "negation in a recursion"
        if rule.head in aggregated and rule.aggregates and positive & above:
            yield "an aggregate above a recursion"
        if is_recursive and (positive | negated) & above_aggregates - {rule.head}:
            yield "a recursion above an aggregate"
        if _calls_python(rule):
            yield "a Python function"
            if is_recursive:
                yield "a Python function in a recursion"
        if sum(atom.table in _stratum_of(program, rule.head) for atom in rule.atoms) > 1:
            yield "non-linear recursion"
    if any(table.key for table in program.tables.values()):
        yield "a key"
    if any(table.kind == "constraint" for table in program.tables.values()):
        yield "a constraint"


def _of_history(trial: Trial, program: Program) -> Iterator[str]:
    changed = {event.heap for event in trial.history if isinstance(event, RuleChange)}
    recursive = {name for s in program.strata if s.recursive for name in s.tables}
    for heap in changed & {*trial.live_heaps}:
        yield "live rules"
        heads = {rule.partition("(")[0] for rule in trial.rules(heap).splitlines()}
        if heads & recursive:
            yield "live rules of a recursion"
    endings = {event.ending for event in trial.history if isinstance(event, Script)}
    names = {
        "exception": "an exception",
        "late exception": "a late exception",
        "poison": "a failure deep in a commit",
    }
    yield from (name for ending, name in names.items() if ending in endings)


def _above(program: Program, tables: set[str]) -> set[str]:
    """The tables, and all that depend on them."""
    found, before = {*tables}, -1
    while len(found) != before:
        before = len(found)
        found |= {r.head for r in program.rules if any(a.table in found for a in r.atoms)}
    return found


def _stratum_of(program: Program, table: str) -> tuple[str, ...]:
    return next(stratum.tables for stratum in program.strata if table in stratum.tables)


def _calls_python(rule: Rule) -> bool:
    parts: list[object] = [*rule.arguments]
    for literal in rule.body:
        match literal:
            case Atom():
                parts += literal.terms
            case Assign():
                parts.append(literal.value)
            case Filter():
                parts.append(literal.condition)
    return any(map(_calls, parts))


def _calls(part: object) -> bool:
    match part:
        case Aggregate():
            return _calls(part.value)
        case Const():
            return part.type == FUNCTION
        case Apply():
            return any(map(_calls, part.arguments))
        case If():
            return any(map(_calls, (part.condition, part.then, part.otherwise)))
    return False
