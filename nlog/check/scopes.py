"""Names: which declarations each file's rules can see, and what tables are called outside of rules.

A file sees what it declares itself and what the files that it imports show. A file shows its input
and output tables, which are the face of the program, and what it marks with `export`; with `export
import` also what that file shows. The cases of a union are seen where the union is. All else is
private, so that two files may each have a private table of one name. What is shown has a name that
nothing else shown has in the whole program, and no file has a private name beside the same name
from elsewhere: nothing hides anything.

Outside of rules, as in `engine[name]`, a table goes by its own name. Of private tables with one
name the first keeps it, unless a table that is shown has it; the others are called `file::name`.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import PurePath

from attrs import frozen

from nlog import syntax
from nlog.check.modifiers import Report
from nlog.diagnostics import Diagnostic, Label, Span
from nlog.functions import AGGREGATES, FUNCTIONS, SOME
from nlog.types import SCALARS

Declared = syntax.RecordSyntax | syntax.UnionSyntax | syntax.CaseSyntax | syntax.TableSyntax
Names = dict[str, Declared]


@frozen
class Scope:
    """What one file sees: `names` by name; and `hidden`, what only other files do."""

    own: Names
    names: Names
    hidden: Names


def scopes(
    modules: Sequence[syntax.Module], functions: Collection[str], report: Report
) -> list[Scope]:
    """The scope of each module, in their order; `functions` are the names of Python functions."""
    own = {module.key: _own(module, functions, report) for module in modules}
    _judge_shown(own.values(), report)
    shown = _shown(modules, own)
    everything = {name: item for names in own.values() for name, item in names.items()}
    result = []
    for module in modules:
        names = dict(own[module.key])
        for link in module.links:
            for name, item in shown[link.key].items():
                earlier = names.setdefault(name, item)
                if earlier is not item and not is_shown(earlier):
                    private = ("give the private one another name",)
                    duplicate(name, earlier.span, item.span, report, private)
        hidden = {name: item for name, item in everything.items() if name not in names}
        result.append(Scope(own[module.key], names, hidden))
    return result


def is_shown(item: Declared) -> bool:
    """Whether files that import the item's see it."""
    words = {modifier.word for modifier in item.modifiers}
    return not words.isdisjoint({"export", "input", "output"})


def public_names(all_scopes: Iterable[Scope]) -> dict[int, str]:
    """What each declared table is called outside of rules, by the `id` of its declaration."""
    tables = [
        item
        for scope in all_scopes
        for item in scope.own.values()
        if isinstance(item, syntax.TableSyntax)
    ]
    names: dict[str, syntax.TableSyntax] = {}
    for table in sorted(tables, key=lambda table: not is_shown(table)):
        path = PurePath(table.span.source.name)
        candidates = [table.name, f"{path.stem}::{table.name}", f"{path}::{table.name}"]
        names[next(name for name in candidates if name not in names)] = table
    return {id(table): name for name, table in names.items()}


def duplicate(
    name: str, span: Span, earlier: Span, report: Report, helps: tuple[str, ...] = ()
) -> None:
    """Report that `name` is declared at `span`, and was at `earlier`."""
    again, first = Label(span, "again here"), (Label(earlier, "first here"),)
    message = f"`{name}` is declared twice"
    report(Diagnostic("duplicate-declaration", message, again, first, helps=helps))


def _own(module: syntax.Module, functions: Collection[str], report: Report) -> Names:
    names: Names = {}
    for item in _declared(module):
        if item.name in names:
            duplicate(item.name, item.span, names[item.name].span, report)
        elif _is_built_in(item):
            message = f"`{item.name}` is the name of a built-in type, function or aggregate"
            label = Label(item.span)
            helps = ("give it another name",)
            report(Diagnostic("duplicate-declaration", message, label, helps=helps))
        elif item.name in functions:
            message = f"`{item.name}` is the name of a Python function that the program is given"
            helps = ("give one of them another name, or leave the function out",)
            label = Label(item.span)
            report(Diagnostic("duplicate-declaration", message, label, helps=helps))
        else:
            names[item.name] = item
    return names


def _is_built_in(item: Declared) -> bool:
    """Whether a declaration takes a name that has a meaning in its place already."""
    if item.name in {SOME, *AGGREGATES}:
        return not isinstance(item, syntax.TableSyntax)
    return item.name in SCALARS or item.name in FUNCTIONS


def _declared(module: syntax.Module) -> Iterator[Declared]:
    """What a module gives names to, with the cases of unions."""
    for item in module.items:
        if isinstance(item, syntax.RecordSyntax | syntax.UnionSyntax | syntax.TableSyntax):
            yield item
        if isinstance(item, syntax.UnionSyntax):
            yield from item.cases


def _judge_shown(all_names: Iterable[Names], report: Report) -> None:
    seen: Names = {}
    for names in all_names:
        for name, item in names.items():
            if is_shown(item) and seen.setdefault(name, item) is not item:
                duplicate(name, item.span, seen[name].span, report)


def _shown(modules: Sequence[syntax.Module], own: dict[str, Names]) -> dict[str, Names]:
    """What each module shows to those that import it."""
    shown = {
        key: {name: item for name, item in names.items() if is_shown(item)}
        for key, names in own.items()
    }
    passed_on = [(m.key, link.key) for m in modules for link in m.links if link.exported]
    size = -1
    while size != (size := sum(map(len, shown.values()))):
        for key, source in passed_on:
            shown[key] = {**shown[source], **shown[key]}
    return shown
