"""Rules that can never hold, as their facts stand: a misspelt constant, most often.

Some tables rest on no input, as those of facts: they are the same whatever is committed. A rule
that asks such a table for a value that it has not derives nothing, ever. That cannot be told from
the rules' form, since such tables may be derived; so an engine is asked.

Cost: a look at every rule, and a look-up for each of its atoms that has constants.
"""

from collections.abc import Callable, Iterator
from typing import Any

from nlog.check.graph import components
from nlog.diagnostics import Diagnostic, Label, suggest
from nlog.program import Atom, Const, Program, Table
from nlog.show import show_value
from nlog.tables import TableView


def never_holding(program: Program, read: Callable[[str], TableView]) -> Iterator[Diagnostic]:
    """A warning for each atom that no row can meet; `read` gives a table by its name."""
    fixed = _fixed(program)
    for rule in program.rules:
        for atom in rule.atoms:
            if atom.table in fixed and not atom.negated and atom.span is not None:
                yield from _of_atom(program.tables[atom.table], atom, read)


def _of_atom(table: Table, atom: Atom, read: Callable[[str], TableView]) -> Iterator[Diagnostic]:
    asked = {
        column.name: term
        for column, term in zip(table.columns, atom.terms, strict=True)
        if isinstance(term, Const)
    }
    view = read(table.name)
    if not view or not asked or view.where(**{it: term.value for it, term in asked.items()}):
        return
    odd = next((it for it, term in asked.items() if not view.where(**{it: term.value})), None)
    named = {odd: asked[odd]} if odd is not None else asked
    values = " and ".join(f"{it} {show_value(term.value, term.type)}" for it, term in named.items())
    assert atom.span is not None, "asked for before"
    yield Diagnostic(
        "no-such-row",
        f"the rule derives nothing: no row of `{table.name}` has the {values}",
        Label(atom.span),
        (Label(table.span, "rests on no input table"),) if table.span is not None else (),
        helps=_near(view, table, odd, asked[odd].value) if odd is not None else (),
        severity="warning",
    )


def _near(view: TableView, table: Table, column: str, value: Any) -> tuple[str, ...]:
    place = table.position(column)
    if not isinstance(value, str) or place is None:
        return ()
    return suggest(value, {str(row[place]) for row in view})


def _fixed(program: Program) -> frozenset[str]:
    """The tables that rest on no input."""
    above: dict[str, list[str]] = {name: [] for name in program.tables}
    for rule in program.rules:
        for atom in rule.atoms:
            above[atom.table].append(rule.head)
    moving = {name for name, table in program.tables.items() if table.kind == "input"}
    for members in components(above):
        if moving.intersection(members):
            moving.update(members)
            moving.update(after for member in members for after in above[member])
    return frozenset(program.tables) - moving
