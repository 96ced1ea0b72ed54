"""Records and tables: the types of their columns, and what each file's rules can refer to.

Declarations may stand in any order; scopes.py says which file sees which. Records may contain
records but not themselves, since every value is finite and interned bottom up.
"""

from collections.abc import Mapping, Sequence

from attrs import define, field

from nlog import syntax
from nlog.check.modifiers import Report, judge_item, kind_of
from nlog.check.scopes import Declared, Scope, duplicate, is_shown, public_names, scopes
from nlog.diagnostics import Diagnostic, Label, Span, suggest
from nlog.program import Column, Table
from nlog.types import SCALARS, List, Record, Type

# What other languages call a list.
LISTS = ("array", "list", "vec", "vector")


@define
class Declarations:
    """What the rules of one file can refer to, and the declarations that they cannot."""

    records: dict[str, Record] = field(factory=dict)
    tables: dict[str, Table] = field(factory=dict)
    hidden: Mapping[str, Declared] = field(factory=dict)

    def ways_to_see(self, name: str) -> tuple[str, ...]:
        """How to make a declaration of another file seen here, if one has this name."""
        return _ways_to_see(name, self.hidden)


def declare(
    modules: Sequence[syntax.Module], report: Report
) -> tuple[dict[str, Table], list[Declarations]]:
    """All tables by their names outside of rules, and the declarations that each module sees."""
    for module in modules:
        for item in module.items:
            judge_item(item, report)
    return _Declarer(scopes(modules, report), report).run()


class _Declarer:
    """Resolves record types on demand, so that their order does not matter."""

    def __init__(self, all_scopes: list[Scope], report: Report) -> None:
        self._report = report
        self._scopes = all_scopes
        self._home = {id(item): scope for scope in all_scopes for item in scope.own.values()}
        self._records: dict[int, Record] = {}
        self._unfinished: list[int] = []

    def run(self) -> tuple[dict[str, Table], list[Declarations]]:
        names = public_names(self._scopes)
        tables: dict[int, Table] = {}
        for scope in self._scopes:
            for item in scope.own.values():
                if isinstance(item, syntax.RecordSyntax):
                    self._record(item)
                else:
                    tables[id(item)] = self._table(item, names[id(item)])
        return {table.name: table for table in tables.values()}, [
            Declarations(
                {n: self._records[id(i)] for n, i in scope.names.items() if id(i) in self._records},
                {n: tables[id(i)] for n, i in scope.names.items() if id(i) in tables},
                scope.hidden,
            )
            for scope in self._scopes
        ]

    def _table(self, item: syntax.TableSyntax, name: str) -> Table:
        columns = self._columns(item.columns, self._home[id(item)])
        keys = {column.name for column in item.columns if column.key is not None}
        return Table(
            name,
            kind_of(item),
            tuple(Column(column, type_) for column, type_ in columns),
            tuple(place for place, (column, _) in enumerate(columns) if column in keys),
            any(modifier.word == "open" for modifier in item.modifiers),
            item.span,
        )

    def _record(self, item: syntax.RecordSyntax) -> Record | None:
        if id(item) not in self._records:
            if id(item) in self._unfinished:
                message = f"record `{item.name}` contains itself"
                helps = ("refer to the other by a key, such as its name",)
                label = Label(item.span)
                self._report(Diagnostic("endless-record", message, label, helps=helps))
                return None
            self._unfinished.append(id(item))
            fields = self._columns(item.fields, self._home[id(item)])
            self._records[id(item)] = Record(item.name, fields)
            self._unfinished.pop()
        return self._records[id(item)]

    def _columns(
        self, columns: tuple[syntax.ColumnSyntax, ...], scope: Scope
    ) -> tuple[tuple[str, Type], ...]:
        seen: dict[str, Span] = {}
        result = []
        for column in columns:
            if column.name in seen:
                duplicate(column.name, column.span, seen[column.name], self._report)
                continue
            seen[column.name] = column.span
            type_ = self._type(column.type, scope)
            if type_ is not None:
                result.append((column.name, type_))
        return tuple(result)

    def _type(self, type_: syntax.TypeSyntax, scope: Scope) -> Type | None:
        if isinstance(type_, syntax.ListType):
            element = self._type(type_.element, scope)
            return None if element is None else List(element)
        if type_.name in SCALARS:
            return SCALARS[type_.name]
        named = scope.names.get(type_.name)
        if isinstance(named, syntax.RecordSyntax):
            return self._record(named)
        self._report(
            Diagnostic(
                "unknown-type",
                f"there is no type `{type_.name}`",
                Label(type_.span),
                notes=(f"the built-in types are {', '.join(f'`{name}`' for name in SCALARS)}",),
                helps=_ways_out(type_.name, scope),
            )
        )
        return None


def _ways_out(name: str, scope: Scope) -> tuple[str, ...]:
    """What to write instead of the name of a type that there is not."""
    if name.lower() in LISTS:
        return ("a list is written `[type]`, as in `[str]`",)
    records = [key for key, item in scope.names.items() if isinstance(item, syntax.RecordSyntax)]
    declare_it = f"declare it, or import the file that does: `record {name}(field: type)`"
    seen = _ways_to_see(name, scope.hidden)
    return seen or suggest(name, [*SCALARS, *records]) or (declare_it,)


def _ways_to_see(name: str, hidden: Mapping[str, Declared]) -> tuple[str, ...]:
    item = hidden.get(name)
    if item is None:
        return ()
    home = item.span.source.name
    if is_shown(item):
        return (f"`{home}` declares it: import that file here",)
    what = "record" if isinstance(item, syntax.RecordSyntax) else "table"
    return (f"`{home}` has one for itself: `export {what} {name}(…)` shows it to other files",)
