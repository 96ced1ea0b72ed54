"""Records, unions and tables: the types of their columns, and what each file's rules can refer to.

Declarations may stand in any order; scopes.py says which file sees which. Records and unions may
contain others but not themselves, since every value is finite and interned bottom up.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from attrs import define, field, frozen

from nlog import syntax
from nlog.check.modifiers import Report, judge_item, kind_of
from nlog.check.scopes import Declared, Scope, duplicate, is_shown, public_names, scopes
from nlog.diagnostics import Diagnostic, Label, Span, suggest
from nlog.program import Column, Table
from nlog.python_functions import Function
from nlog.types import SCALARS, List, Optional, Record, Type, Union

# What other languages call a list.
LISTS = ("array", "list", "vec", "vector")
MAYBE = ("maybe", "option", "optional")
# What other languages call the types.
ELSEWHERE = {
    **dict.fromkeys(("atom", "string", "symbol", "text", "varchar"), "str"),
    **dict.fromkeys(("integer", "long", "number", "unsigned"), "int"),
    **dict.fromkeys((f"{sign}{bits}" for sign in "iu" for bits in (8, 16, 32, 64)), "int"),
    **dict.fromkeys(("inet", "ip", "ipaddr", "ipaddress", "ipv4"), "ip4"),
    "ipv6": "ip6",
    "boolean": "bool",
    "cidr": "prefix",
    "ether": "mac",
}
FRACTIONS = ("decimal", "double", "f32", "f64", "float", "real")


@frozen
class Structure:
    """A record, or a case at its `place` in a union: the type it has, and its fields."""

    type: Record | Union
    record: Record
    what: str
    place: int | None = None


Seen = TypeVar("Seen")


@define
class Declarations:
    """What the rules of one file can refer to, and the declarations that they cannot."""

    records: dict[str, Record] = field(factory=dict)
    # By the name of a case, its union.
    cases: dict[str, Union] = field(factory=dict)
    tables: dict[str, Table] = field(factory=dict)
    hidden: Mapping[str, Declared] = field(factory=dict)
    functions: Mapping[str, Function[..., Any]] = field(factory=dict)

    def ways_to_see(self, name: str) -> tuple[str, ...]:
        """How to make a declaration of another file seen here, if one has this name."""
        return _ways_to_see(name, self.hidden)

    def named_types(self) -> dict[str, Type]:
        """The records and unions."""
        return {**self.records, **{union.name: union for union in self.cases.values()}}

    def structure(self, name: str) -> Structure | None:
        """What `name(…)` makes, if it is a record or a case."""
        if name in self.records:
            record = self.records[name]
            return Structure(record, record, f"record `{name}`")
        union = self.cases.get(name)
        place = union.place(name) if union is not None else None
        if union is None or place is None:
            return None
        return Structure(union, union.cases[place], f"case `{name}`", place)


def declare(
    modules: Sequence[syntax.Module], functions: Mapping[str, Function[..., Any]], report: Report
) -> tuple[dict[str, Table], list[Declarations]]:
    """All tables by their names outside of rules, and the declarations that each module sees."""
    for module in modules:
        for item in module.items:
            judge_item(item, report)
    return _Declarer(scopes(modules, functions, report), functions, report).run()


class _Declarer:
    """Resolves records and unions on demand, so that their order does not matter."""

    def __init__(
        self, all_scopes: list[Scope], functions: Mapping[str, Function[..., Any]], report: Report
    ) -> None:
        self._report = report
        self._functions = functions
        self._scopes = all_scopes
        self._home = {id(item): scope for scope in all_scopes for item in scope.own.values()}
        self._types: dict[int, Record | Union] = {}
        # Of cases.
        self._unions: dict[int, Union] = {}
        self._unfinished: list[int] = []
        self._endless: set[int] = set()

    def run(self) -> tuple[dict[str, Table], list[Declarations]]:
        names = public_names(self._scopes)
        tables: dict[int, Table] = {}
        for scope in self._scopes:
            for item in scope.own.values():
                if isinstance(item, syntax.TableSyntax):
                    tables[id(item)] = self._table(item, names[id(item)])
                elif not isinstance(item, syntax.CaseSyntax):
                    self._structured(item)
        return {table.name: table for table in tables.values()}, [
            Declarations(
                {
                    n: type_
                    for n, type_ in self._seen(scope, self._types)
                    if isinstance(type_, Record)
                },
                dict(self._seen(scope, self._unions)),
                {n: tables[id(i)] for n, i in scope.names.items() if id(i) in tables},
                scope.hidden,
                self._functions,
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

    def _seen(self, scope: Scope, known: Mapping[int, Seen]) -> list[tuple[str, Seen]]:
        """Of what is known by declaration, that which a scope has names for."""
        return [(name, known[id(i)]) for name, i in scope.names.items() if id(i) in known]

    def _structured(self, item: syntax.RecordSyntax | syntax.UnionSyntax) -> Record | Union | None:
        if id(item) in self._unfinished and id(item) not in self._endless:
            self._endless.add(id(item))
            what = "record" if isinstance(item, syntax.RecordSyntax) else "union"
            message = f"{what} `{item.name}` contains itself"
            helps = ("refer to the other by a key, such as its name",)
            self._report(Diagnostic("endless-record", message, Label(item.span), helps=helps))
        if id(item) in self._unfinished:
            return None
        if id(item) not in self._types:
            self._unfinished.append(id(item))
            self._types[id(item)] = self._resolve(item)
            self._unfinished.pop()
        return self._types[id(item)]

    def _resolve(self, item: syntax.RecordSyntax | syntax.UnionSyntax) -> Record | Union:
        scope = self._home[id(item)]
        if isinstance(item, syntax.RecordSyntax):
            return Record(item.name, self._columns(item.fields, scope))
        cases = (Record(case.name, self._columns(case.fields, scope)) for case in item.cases)
        union = Union(item.name, tuple(cases))
        self._unions.update((id(case), union) for case in item.cases)
        return union

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
        if isinstance(type_, syntax.OptionalType):
            return self._optional(type_, scope)
        if type_.name in SCALARS:
            return SCALARS[type_.name]
        named = scope.names.get(type_.name)
        if isinstance(named, syntax.RecordSyntax | syntax.UnionSyntax):
            return self._structured(named)
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

    def _optional(self, type_: syntax.OptionalType, scope: Scope) -> Type | None:
        element = self._type(type_.element, scope)
        if isinstance(element, Optional):
            message = f"`{element}?` cannot tell `none` from `some(none)`"
            helps = ("make it a field of a record or union, or leave out one `?`",)
            self._report(Diagnostic("nested-optional", message, Label(type_.span), helps=helps))
            return None
        return None if element is None else Optional(element)


def _ways_out(name: str, scope: Scope) -> tuple[str, ...]:
    """What to write instead of the name of a type that there is not."""
    if name.lower() in LISTS:
        return ("a list is written `[type]`, as in `[str]`",)
    if name.lower() in MAYBE:
        return ("a value that may be missing has the type `type?`, as in `int?`",)
    if name.lower() in FRACTIONS:
        return ("numbers are whole: `int` is the only type of them",)
    if name.lower() in ELSEWHERE:
        return (f"the type is called `{ELSEWHERE[name.lower()]}` here",)
    types = syntax.RecordSyntax | syntax.UnionSyntax
    named = [key for key, item in scope.names.items() if isinstance(item, types)]
    declare_it = f"declare it, or import the file that does: `record {name}(field: type)`"
    seen = _ways_to_see(name, scope.hidden)
    return seen or suggest(name, [*SCALARS, *named]) or (declare_it,)


def _ways_to_see(name: str, hidden: Mapping[str, Declared]) -> tuple[str, ...]:
    item = hidden.get(name)
    if item is None:
        return ()
    home = item.span.source.name
    if is_shown(item):
        return (f"`{home}` declares it: import that file here",)
    if isinstance(item, syntax.UnionSyntax | syntax.CaseSyntax):
        return (f"`{home}` has one for itself: `export union …` shows it to other files",)
    what = "record" if isinstance(item, syntax.RecordSyntax) else "table"
    return (f"`{home}` has one for itself: `export {what} {name}(…)` shows it to other files",)
