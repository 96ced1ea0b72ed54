"""Falsified plans at the door of the core, for test_falsified.py.

`visit(order)` takes the plan of a sound program (the corpus, and the program of boundary.py), and
changes a few things of it: numbers, types, texts, constants, the order and number of what stands
in its tuples, whole steps and rules. The core may refuse it with a ValueError that names a place,
or take it, if it can be run: then rows go in and out, and what a commit is refused for leaves
nothing behind. Plans that contradict themselves may come to an AssertionError in a commit. Nothing
else comes out, and the process lives on.
"""

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from typing import Any

import attrs

import nlog
from nlog import plan as p
from nlog import types as t
from nlog.compile import extend, without
from nlog.engine import _core
from nlog.planner import plan
from nlog.transition import Transition, transition
from tests.nlog.boundary import PROGRAM
from tests.nlog.test_mutilated import TEXTS

OPTIMA = """
input table edge(a: int, b: int, w: int)
output table near(a: int, b: int)
near(a, min(w)) :- edge(a, _, w).
near(b, min(d + 1)) :- near(a, d), edge(a, b, _).
"""
MORE = "output table more(text: str)\nmore(x) :- seen(x), not nothing().\n"
REFUSED = (
    _core.EvaluationError,
    _core.KeyConflictError,
    _core.ConstraintError,
    _core.LimitError,
    _core.CapacityError,
    AssertionError,
)
NUMBERS = (-(2**31), -2, -1, 0, 1, 2, 3, 5, 7, 63, 255, 2**28, 2**31 - 1, 2**31, 2**32 - 1, 2**32)
ODD: tuple[Any, ...] = (None, True, "x", "", "\ud800", 0.5, 2**80, -(2**80), (), (0,), [], object())
TYPES: tuple[t.Type, ...] = (
    *t.SCALARS.values(), t.TREE, t.List(t.INT), t.List(t.STR), t.Optional(t.IP6),
    t.Record("pair", (("number", t.INT), ("name", t.STR))),
    t.Union("action", (t.Record("stop", ()), t.Record("send", (("number", t.INT),)))),
)  # fmt: skip
KINDS = ("input", "output", "constraint", "internal", "retired", "no kind")
AGGREGATES = ("count", "distinct", "sum", "min", "max", "list", "set")

Path = tuple[str | int, ...]


@cache
def programs() -> tuple[nlog.Program, ...]:
    """The sound ones."""
    return tuple(nlog.parse(text, "/nowhere/base") for text in (*TEXTS, PROGRAM, OPTIMA))


@cache
def transitions() -> tuple[Transition, ...]:
    """From the program of boundary.py to one with a rule more, and back."""
    base = nlog.parse(PROGRAM)
    more = extend(base, MORE, "more")
    _, layout = plan(base)
    there = transition(base, more, layout)
    return there, transition(more, without(more, "more"), there.layout)


def spots(thing: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Everything in a plan that can be changed, with the way to it."""
    yield path, thing
    if isinstance(thing, tuple):
        for place, part in enumerate(thing):
            yield from spots(part, (*path, place))
    elif attrs.has(type(thing)) and not isinstance(thing, t.Type):
        for field in attrs.fields(type(thing)):
            yield from spots(getattr(thing, field.name), (*path, field.name))


def replaced(thing: Any, path: Path, value: Any) -> Any:
    """The plan with another value at the end of the way."""
    if not path:
        return value
    step, *rest = path
    if isinstance(step, int):
        inner = replaced(thing[step], tuple(rest), value)
        return (*thing[:step], inner, *thing[step + 1 :])
    return attrs.evolve(thing, **{step: replaced(getattr(thing, step), tuple(rest), value)})


def falsified(order: random.Random, whole: Any) -> Any:
    """The plan with a few things changed."""
    for _ in range(order.choice((1, 1, 1, 2, 3))):
        places = [(path, value) for path, value in spots(whole) if path]
        path, value = order.choice(places)
        alike = [other for _, other in places if type(other) is type(value)]
        whole = replaced(whole, path, _another(order, value, alike))
    return whole


def _another(order: random.Random, value: Any, alike: list[Any]) -> Any:
    dice = order.random()
    if dice < 0.04:
        return order.choice(ODD)
    if isinstance(value, tuple) and dice < 0.8:
        return _rearranged(order, value, alike)
    if isinstance(value, bool):
        return not value
    if isinstance(value, int) and dice < 0.6:
        return order.choice((value + 1, value - 1, order.randrange(6), order.choice(NUMBERS)))
    if isinstance(value, str) and dice < 0.6:
        return order.choice((*_core.functions(), *KINDS, *AGGREGATES))
    if isinstance(value, t.Type) and dice < 0.6:
        return order.choice(TYPES)
    return order.choice(alike)


def _rearranged(order: random.Random, parts: tuple[Any, ...], alike: list[Any]) -> tuple[Any, ...]:
    rest = list(parts)
    match order.randrange(5):
        case 0 if rest:
            del rest[order.randrange(len(rest))]
        case 1 if rest:
            rest.insert(order.randrange(len(rest) + 1), order.choice(rest))
        case 2:
            order.shuffle(rest)
        case 3:
            others = [part for other in alike for part in other]
            rest.insert(order.randrange(len(rest) + 1), order.choice(others or [0]))
        case _:
            rest = rest[: order.randrange(len(rest) + 1)]
    return tuple(rest)


def value_of(order: random.Random, type_: t.Type) -> Any:
    """A value of a type; of few, so that rows meet."""
    match type_:
        case t.Record():
            return tuple(value_of(order, part) for _, part in type_.fields)
        case t.Union():
            case = order.choice(type_.cases)
            return {case.name: [value_of(order, part) for _, part in case.fields]}
        case t.List():
            return [value_of(order, type_.element) for _ in range(order.randrange(3))]
        case t.Optional():
            return order.choice((None, value_of(order, type_.element)))
    return order.choice(_SCALARS[type_.name])


_SCALARS: dict[str, tuple[Any, ...]] = {
    "bool": (True, False),
    "int": (0, 1, 2, 3, -1, 2**63 - 1),
    "str": ("", "a", "é", "a,b"),
    "mac": (0, 1, 2**48 - 1),
    "ip4": ("10.0.0.1", "10.0.0.2", 0),
    "ip6": ("::1", "2001:db8::1"),
    "prefix": ("10.0.0.0/8", "10.0.0.1/32", "::/0"),
    "bytes": (b"", b"ab", b"\xff"),
}


def visit(order: random.Random) -> Counter[str]:
    """Falsify a plan, and a change of programs; how many were refused and run."""
    answers: Counter[str] = Counter()
    whole, _ = plan(order.choice(programs()))
    database = _made(falsified(order, whole), answers)
    if database is not None:
        _run(order, whole, database, answers)
    _derive(order, whole, answers)
    _change(order, answers)
    return answers


def _made(whole: Any, answers: Counter[str]) -> _core.Database | None:
    try:
        database = _core.Database(whole, rows_max=5000, seconds_max=2.0)
    except ValueError as error:
        assert str(error)
        answers["plan refused"] += 1
    except REFUSED:
        answers["plan failed"] += 1
    else:
        answers["plan run"] += 1
        return database
    return None


def _state(database: _core.Database, count: int) -> list[Any]:
    return [sorted(database.rows(number, {}), key=repr) for number in range(count)]


def _run(
    order: random.Random, whole: p.Plan, database: _core.Database, answers: Counter[str]
) -> None:
    """Put rows in and take some out; what is refused leaves no trace."""
    count = 0
    with suppress(IndexError):
        while True:
            database.size(count)
            count += 1
    for _ in range(3):
        before = _state(database, count)
        for number, table in enumerate(whole.tables[:count]):
            rows = [[value_of(order, type_) for type_ in table.columns] for _ in range(4)]
            with suppress(ValueError, _core.RowError):
                insert, put, delete = database.insert, database.put, database.delete
                order.choice((insert, insert, put, delete))(number, rows)
        try:
            database.commit()
            answers["commit"] += 1
        except REFUSED as error:
            answers["contradiction" if isinstance(error, AssertionError) else "commit refused"] += 1
            assert _state(database, count) == before


def _derive(order: random.Random, whole: p.Plan, answers: Counter[str]) -> None:
    """Ask for derivations by a falsified check plan."""
    checks = [rule.check for stratum in whole.strata for rule in stratum.rules if rule.check]
    if not checks:
        return
    check = falsified(order, order.choice(checks))
    database = _core.Database(whole)
    _run(order, whole, database, answers)
    try:
        row = [value_of(order, type_) for type_ in whole.tables[check.table].columns]
        database.derivations(check, row, 5)
        answers["check run"] += 1
    except (ValueError, IndexError, TypeError, AttributeError, _core.RowError):
        answers["check refused"] += 1


def _change(order: random.Random, answers: Counter[str]) -> None:
    """Go from one program to another, or to another plan of it, where a plan is falsified."""
    there, _ = transitions()
    first, _ = plan(nlog.parse(PROGRAM))
    database = _core.Database(first, rows_max=5000, seconds_max=2.0)
    _run(order, first, database, Counter())
    count = len(first.tables)
    before = _state(database, count)
    during, after, other = there.during, there.after, first
    match order.randrange(3):
        case 0:
            during = falsified(order, during)
        case 1:
            after = falsified(order, after)
        case _:
            other = falsified(order, first)
    is_replanned = other is not first
    try:
        if is_replanned:
            database.replan(other)
        else:
            database.change_program(during, after)
        with suppress(ValueError, IndexError):
            database.insert(there.changed, [()])
        database.commit()
    except (ValueError, *REFUSED) as error:
        database.rollback()
        answers["change refused" if isinstance(error, ValueError) else "change failed"] += 1
        assert _state(database, count) == before
        _run(order, first, database, answers)
    else:
        answers["change run"] += 1
        _run(order, first if is_replanned else there.during, database, answers)
