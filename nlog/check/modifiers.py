"""Modifiers: what the words before a declaration, and `key` within it, may be said of.

    export      files that import this one see it: internal tables, constraints, records, unions,
                imports
    open        rules of other files may derive it: tables that these files see
    input, output, constraint       what kind of table it is; without one it is internal

Importing files see input and output tables anyway; only input tables have keys.
"""

from collections.abc import Callable
from typing import cast

from nlog import syntax
from nlog.diagnostics import Diagnostic, Label
from nlog.program import Kind

Report = Callable[[Diagnostic], None]

KINDS = ("input", "output", "constraint")


def kind_of(table: syntax.TableSyntax) -> Kind:
    """The kind of a table, which is the first one said."""
    words = (modifier.word for modifier in table.modifiers)
    return cast(Kind, next((word for word in words if word in KINDS), "internal"))


def judge_item(item: syntax.Item, report: Report) -> None:
    """Report modifiers and keys that make no sense."""
    if isinstance(item, syntax.RuleSyntax):
        return
    words = [modifier.word for modifier in item.modifiers]
    for place, modifier in enumerate(item.modifiers):
        trouble = _trouble(item, modifier.word, words[:place], words)
        if trouble:
            message, *helps = trouble
            label = Label(modifier.span)
            report(Diagnostic("misplaced-modifier", message, label, helps=tuple(helps)))
    if isinstance(item, syntax.RecordSyntax):
        _judge_keys(item.fields, "a record has no keys: tables have", report)
    elif isinstance(item, syntax.TableSyntax) and kind_of(item) != "input":
        _judge_keys(item.columns, f"`{item.name}` has no keys: rules derive it", report)


def _trouble(
    item: syntax.Import | syntax.RecordSyntax | syntax.UnionSyntax | syntax.TableSyntax,
    word: str,
    before: list[str],
    words: list[str],
) -> tuple[str, ...]:
    """What is wrong with a modifier, and the ways out; nothing if it is right."""
    if word in before:
        return (f"`{word}` is said twice",)
    if not isinstance(item, syntax.TableSyntax):
        what = "a record" if isinstance(item, syntax.RecordSyntax) else "a union"
        what = "an import" if isinstance(item, syntax.Import) else what
        return () if word == "export" else (f"`{word}` is for tables, and this is {what}",)
    kind = kind_of(item)
    if word in KINDS:
        first = f"`{item.name}` is an {kind} table already".replace("an constraint", "a constraint")
        return () if word == kind else (first, "a table is of one kind")
    if word == "export" and kind in {"input", "output"}:
        return (f"files that import this one see its {kind} tables anyway", "leave `export` out")
    if word == "open" and kind == "input":
        return (
            f"`{item.name}` is an input table: transactions write it, rules do not",
            "leave `open` out",
        )
    if word == "open" and kind != "output" and "export" not in words:
        return (
            f"no other file sees `{item.name}`, so none can have rules for it",
            f"write `export open{'' if kind == 'internal' else f' {kind}'} table {item.name}(…)`",
        )
    return ()


def _judge_keys(columns: tuple[syntax.ColumnSyntax, ...], message: str, report: Report) -> None:
    for column in columns:
        if column.key is not None:
            refuse = "to refuse rows that disagree, derive them into a `constraint table`"
            helps = ("keys are for input tables", refuse)
            report(Diagnostic("misplaced-key", message, Label(column.key), helps=helps))
