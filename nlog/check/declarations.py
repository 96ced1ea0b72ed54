"""Records and tables: who declares which name, and the types of their columns.

Declarations of all files share one name space and may stand in any order. Records may contain
records but not themselves, since every value is finite and interned bottom up.
"""

from collections.abc import Callable, Iterable
from typing import cast

from attrs import define, field

from nlog import syntax
from nlog.diagnostics import Diagnostic, Label, Span, suggest
from nlog.functions import FUNCTIONS
from nlog.program import Column, Kind, Table
from nlog.types import SCALARS, List, Record, Type

# What other languages call a list.
LISTS = ("array", "list", "vec", "vector")

Report = Callable[[Diagnostic], None]


@define
class Declarations:
    """What rules can refer to."""

    records: dict[str, Record] = field(factory=dict)
    tables: dict[str, Table] = field(factory=dict)


def declare(modules: Iterable[syntax.Module], report: Report) -> Declarations:
    """The declarations of all modules together."""
    return _Declarer(modules, report).run()


class _Declarer:
    """Resolves record types on demand, so that their order does not matter."""

    def __init__(self, modules: Iterable[syntax.Module], report: Report) -> None:
        self._report = report
        self._declarations = Declarations()
        self._record_syntax: dict[str, syntax.RecordSyntax] = {}
        self._table_syntax: dict[str, syntax.TableSyntax] = {}
        self._open: list[str] = []
        for module in modules:
            for item in module.items:
                if isinstance(item, syntax.RecordSyntax | syntax.TableSyntax):
                    self._enter(item)

    def run(self) -> Declarations:
        for name in self._record_syntax:
            self._record(name)
        for table in self._table_syntax.values():
            columns = self._columns(table.columns)
            self._declarations.tables[table.name] = Table(
                table.name,
                cast(Kind, table.kind),
                tuple(Column(name, type_) for name, type_ in columns),
                table.span,
            )
        return self._declarations

    def _enter(self, item: syntax.RecordSyntax | syntax.TableSyntax) -> None:
        earlier = self._record_syntax.get(item.name) or self._table_syntax.get(item.name)
        if earlier is not None:
            self._duplicate(f"`{item.name}` is declared twice", item.span, earlier.span)
        elif item.name in SCALARS or item.name in FUNCTIONS:
            message = f"`{item.name}` is the name of a built-in type or function"
            label = Label(item.span)
            helps = ("give it another name",)
            self._report(Diagnostic("duplicate-declaration", message, label, helps=helps))
        elif isinstance(item, syntax.RecordSyntax):
            self._record_syntax[item.name] = item
        else:
            self._table_syntax[item.name] = item

    def _duplicate(self, message: str, span: Span, earlier: Span) -> None:
        self._report(
            Diagnostic(
                "duplicate-declaration",
                message,
                Label(span, "again here"),
                (Label(earlier, "first here"),),
            )
        )

    def _record(self, name: str) -> Record | None:
        known = self._declarations.records
        if name not in known:
            declared = self._record_syntax[name]
            if name in self._open:
                message = f"record `{name}` contains itself"
                helps = ("refer to the other by a key, such as its name",)
                label = Label(declared.span)
                self._report(Diagnostic("endless-record", message, label, helps=helps))
                return None
            self._open.append(name)
            known[name] = Record(name, self._columns(declared.fields))
            self._open.pop()
        return known[name]

    def _columns(self, columns: tuple[syntax.ColumnSyntax, ...]) -> tuple[tuple[str, Type], ...]:
        seen: dict[str, Span] = {}
        result = []
        for column in columns:
            if column.name in seen:
                message = f"`{column.name}` is declared twice"
                self._duplicate(message, column.span, seen[column.name])
                continue
            seen[column.name] = column.span
            type_ = self._type(column.type)
            if type_ is not None:
                result.append((column.name, type_))
        return tuple(result)

    def _type(self, type_: syntax.TypeSyntax) -> Type | None:
        if isinstance(type_, syntax.ListType):
            element = self._type(type_.element)
            return None if element is None else List(element)
        if type_.name in SCALARS:
            return SCALARS[type_.name]
        if type_.name in self._record_syntax:
            return self._record(type_.name)
        self._report(
            Diagnostic(
                "unknown-type",
                f"there is no type `{type_.name}`",
                Label(type_.span),
                notes=(f"the built-in types are {', '.join(f'`{name}`' for name in SCALARS)}",),
                helps=self._ways_out(type_.name),
            )
        )
        return None

    def _ways_out(self, name: str) -> tuple[str, ...]:
        """What to write instead of the name of a type that there is not."""
        if name.lower() in LISTS:
            return ("a list is written `[type]`, as in `[str]`",)
        declare_it = f"declare it, or import the file that does: `record {name}(field: type)`"
        return suggest(name, [*SCALARS, *self._record_syntax]) or (declare_it,)
