"""From source to checked program: the passes in order, and the two ways in.

`load` reads files, `parse` a text; both follow imports, run every pass, and raise one `RuleError`
with all the mistakes of the first stage that found any; of what cannot be read, the first in each
file.
"""

import os
from collections.abc import Iterable

from nlog import syntax
from nlog.check import check_rule, declare, ground, stratify
from nlog.diagnostics import Diagnostic, RuleError, Source
from nlog.parser import follow_imports, parse_module, read_modules
from nlog.program import Program, Rule


def load(*paths: str | os.PathLike[str]) -> Program:
    """Read, parse and check rule files and all they import, as one program.

    Raises RuleError with every mistake of the first stage that found any, but of each file only the
    first mistake of syntax.
    """
    if not paths:
        raise TypeError("load() takes the paths of rule files; parse(text) takes rules as text")
    for path in paths:
        if not isinstance(path, str | os.PathLike):
            raise TypeError(f"{path!r} is no path: write load(*paths) if it holds some")
    return _check(read_modules(paths))


def parse(text: str, name: str = "<text>") -> Program:
    """Parse and check a text; `name` is used in messages, and imports are relative to it."""
    if not isinstance(text, str):
        raise TypeError(
            f"parse() takes rules as str, not {type(text).__name__}: load() reads files"
        )
    return _check(follow_imports(parse_module(Source(name, text))))


def _check(modules: Iterable[syntax.Module]) -> Program:
    modules = list(modules)
    diagnostics: list[Diagnostic] = []
    report = diagnostics.append
    tables, seen = declare(modules, report)
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
    return Program(tables, tuple(rules), strata)


def _raise(diagnostics: list[Diagnostic]) -> None:
    if diagnostics:
        raise RuleError(diagnostics)
