"""From source to checked program: the passes in order, and the ways in.

`load` reads files, `parse` a text; `extend` and `without` make another program of one that there
is. All follow imports, run every pass over the whole, and raise one `RuleError` with all the
mistakes of the first stage that found any. Files that a file with mistakes of form would import
are not read.
"""

import os
from collections.abc import Iterable
from typing import Any

from attrs import evolve

from nlog import syntax
from nlog.check import check_rule, declare, ground, stratify, warnings
from nlog.diagnostics import Diagnostic, RuleError, Source, TransactionError, suggest
from nlog.parser import closure, follow_imports, parse_module, read_modules
from nlog.program import Program, Rule, Unit
from nlog.python_functions import Function, by_name
from nlog.types import case_class


def load(*paths: str | os.PathLike[str], functions: Iterable[Function[..., Any]] = ()) -> Program:
    """Read, parse and check rule files and all they import, as one program.

    Its rules may call `functions`, made by `@nlog.function`, and so may those that are added.

    Raises RuleError with every mistake of the first stage that found any.
    """
    if not paths:
        raise TypeError("load() takes the paths of rule files; parse(text) takes rules as text")
    for path in paths:
        if not isinstance(path, str | os.PathLike):
            raise TypeError(f"{path!r} is no path: write load(*paths) if it holds some")
    modules, roots = read_modules(paths)
    named = zip(paths, roots, strict=True)
    units = [Unit(str(path), 0, closure(root, modules)) for path, root in named]
    return _check(units, functions)


def parse(text: str, name: str = "<text>", functions: Iterable[Function[..., Any]] = ()) -> Program:
    """Parse and check a text; `name` is used in messages, and imports are relative to it.

    `functions` as for `load`.
    """
    if not isinstance(text, str):
        raise TypeError(
            f"parse() takes rules as str, not {type(text).__name__}: load() reads files"
        )
    _check_name(name)
    unit = Unit(name, 0, follow_imports(parse_module(Source(name, text))))
    return _check([unit], functions)


def extend(program: Program, source: str | os.PathLike[str], name: str) -> Program:
    """The program with one more unit, a text or a file; RuleError if they do not go together.

    The unit sees what the files show that were given to `load`, or added before.
    """
    _check_name(name)
    if any(unit.name == name for unit in program.units):
        raise TransactionError(
            f"there are rules named `{name}` already: remove them first, or give these another name"
        )
    if isinstance(source, str):
        modules = follow_imports(parse_module(Source(name, source)))
    else:
        read, (root,) = read_modules([source])
        modules = closure(root, read)
    turn = 1 + max((unit.turn for unit in program.units), default=0)
    return _check([*program.units, Unit(name, turn, modules)], program.functions)


def without(program: Program, name: str) -> Program:
    """The program without a unit; RuleError if others need it."""
    kept = [unit for unit in program.units if unit.name != name]
    if len(kept) == len(program.units):
        hint = suggest(name, [unit.name for unit in program.units])
        raise TransactionError("; ".join([f"there are no rules named `{name}`", *hint]))
    try:
        return _check(kept, program.functions)
    except RuleError as error:
        text = f"`{name}` cannot be removed, for without it"
        needed = [evolve(it, message=f"{text} {it.message}") for it in error.diagnostics]
        raise RuleError(needed) from None


def _check_name(name: object) -> None:
    if not isinstance(name, str):
        raise TypeError(f"the name of rules is a str, not {name!r}")


def _check(units: list[Unit], functions: Iterable[Function[..., Any]] = ()) -> Program:
    callable_ = by_name(functions)
    modules = _linked(units)
    diagnostics: list[Diagnostic] = []
    report = diagnostics.append
    tables, seen = declare(modules, callable_, report)
    _raise(diagnostics)
    rules: list[Rule] = []
    for module, declarations in zip(modules, seen, strict=True):
        for source in module.items:
            if isinstance(source, syntax.RuleSyntax):
                rule = check_rule(source, len(rules), declarations, report)
                rule = ground(rule, source, report) if rule else None
                if rule:
                    rules.append(rule)
    _raise(diagnostics)
    strata = stratify(tables, rules, report)
    _raise(diagnostics)
    cases = {
        name: case_class(union, name)
        for declarations in reversed(seen)
        for name, union in declarations.cases.items()
    }
    given = tuple(callable_.values())
    warned = tuple(warnings(list(zip(modules, seen, strict=True)), tables, rules))
    return Program(tables, tuple(rules), strata, tuple(units), cases, given, warned)


def _linked(units: list[Unit]) -> list[syntax.Module]:
    """The modules of all units, each once; a unit's own imports those of units no later than it."""
    modules = {module.key: module for unit in reversed(units) for module in unit.modules}
    order = dict.fromkeys(module.key for unit in units for module in unit.modules)
    for unit in units:
        links = [syntax.Link(other.root.key, False) for other in units if other.turn <= unit.turn]
        root = modules[unit.root.key]
        modules[root.key] = evolve(root, links=(*root.links, *links))
    return [modules[key] for key in order]


def _raise(diagnostics: list[Diagnostic]) -> None:
    if diagnostics:
        raise RuleError(diagnostics)
