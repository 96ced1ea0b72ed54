"""The corpus of cases: rule files, what happens to their inputs, and what must then be there.

A case is `cases/<name>.nlog` and beside it `<name>.yaml`, a list of steps. Each step is one
transaction:

    insert, delete   rows by input table
    then             by table, all the rows that it must have after the step
    fails            part of the error's text, for a transaction that must fail and change nothing

There is one expectation, and many ways to get there; test_cases.py walks them. YAML has no tuples:
lists stand for rows, records and lists alike. Addresses are quoted where YAML would see a number.
"""

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from attrs import evolve, frozen

from nlog import syntax
from nlog.compile import _check
from nlog.parser import closure, read_modules
from nlog.program import Program, Unit

FOLDER = Path(__file__).parent / "cases"

Row = tuple[Any, ...]
Rows = dict[str, frozenset[Row]]


@frozen
class Step:
    """One transaction of a case, the inputs there are after it, and the rows expected then."""

    insert: Rows
    delete: Rows
    inputs: Rows
    expected: Rows
    fails: str | None


@frozen
class Case:
    """A rule file and its steps."""

    name: str
    steps: tuple[Step, ...]

    @property
    def path(self) -> Path:
        return FOLDER / f"{self.name}.nlog"


def cases() -> list[Case]:
    """Every case, by name."""
    return [read_case(path) for path in sorted(FOLDER.glob("*.yaml"))]


def read_case(path: Path) -> Case:
    """The case whose steps `path` holds."""
    steps = []
    inputs: Rows = {}
    for written in yaml.safe_load(path.read_text()):
        unknown = set(written) - {"insert", "delete", "then", "fails"}
        assert not unknown, f"{path}: a step has no {unknown}"
        insert, delete = _rows(written.get("insert", {})), _rows(written.get("delete", {}))
        fails = written.get("fails")
        if fails is None:
            inputs = _after(inputs, insert, delete)
        steps.append(Step(insert, delete, inputs, _rows(written["then"]), fails))
    return Case(path.stem, tuple(steps))


def _rows(tables: Mapping[str, list[list[Any]]]) -> Rows:
    return {table: frozenset(_tuples(row) for row in rows) for table, rows in tables.items()}


def _tuples(value: Any) -> Any:
    return tuple(_tuples(part) for part in value) if isinstance(value, list) else value


def _after(inputs: Rows, insert: Rows, delete: Rows) -> Rows:
    none: frozenset[Row] = frozenset()
    names = {*inputs, *insert, *delete}
    return {n: inputs.get(n, none) - delete.get(n, none) | insert.get(n, none) for n in names}


def program(case: Case, seed: int | None = None) -> Program:
    """The case's program; with a seed, its items and the literals of its rules in other orders."""
    read, (root,) = read_modules([case.path])
    modules = closure(root, read)
    if seed is not None:
        order = random.Random(seed)
        modules = tuple(_shuffled(module, order) for module in modules)
    return _check([Unit(case.name, 0, modules)])


def _shuffled(module: syntax.Module, order: random.Random) -> syntax.Module:
    items = [
        evolve(item, body=tuple(order.sample(item.body, len(item.body))))
        if isinstance(item, syntax.RuleSyntax)
        else item
        for item in order.sample(module.items, len(module.items))
    ]
    return evolve(module, items=tuple(items))
