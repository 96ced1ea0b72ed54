"""Warnings: what can be run as it stands, but is most often not what its author meant.

- A variable that stands once in a rule: it binds and is never looked at, as a misspelt one would.
- A variable that is called like a case of a union: it takes any value, and matches no case.
- A rule that reads a table which nothing fills: no rule derives it, and no transaction writes it.
- A `count()` whose groups have one binding each: the head has every variable of the body.

They are diagnostics of severity `warning`, collected when a program is without mistakes. Cost: a
walk over each rule's syntax.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from nlog import syntax
from nlog.check.declarations import Declarations
from nlog.check.grounding import names_of_rule
from nlog.diagnostics import Diagnostic, Label
from nlog.program import Rule, Table, Var, variables
from nlog.types import Union


def warnings(
    modules: Sequence[tuple[syntax.Module, Declarations]],
    tables: Mapping[str, Table],
    rules: Iterable[Rule],
) -> Iterator[Diagnostic]:
    """What there is to say of the rules of a program, given with what each module sees."""
    for module, declarations in modules:
        for item in module.items:
            if isinstance(item, syntax.RuleSyntax):
                yield from _of_rule(item, declarations.cases)
    given = tuple(rules)
    for rule in given:
        yield from _of_groups(rule)
    yield from _of_empty_tables(tables, given)


def _of_groups(rule: Rule) -> Iterator[Diagnostic]:
    group = {argument for argument in rule.group if isinstance(argument, Var)}
    bound = {
        variable
        for atom in rule.atoms
        if not atom.negated
        for term in atom.terms
        for variable in variables(term)
    }
    for aggregate in rule.aggregates:
        counts = (aggregate.function, aggregate.value) == ("count", None)
        if counts and bound <= group and aggregate.span is not None:
            yield Diagnostic(
                "group-of-one",
                "`count()` is always 1 here: it counts bindings, and each is a group of its own",
                Label(aggregate.span),
                notes=("bindings differ by variables; `_` and columns left out tell none apart",),
                helps=("name what is to be counted by a variable that is not in the head",),
                severity="warning",
            )


def _of_rule(rule: syntax.RuleSyntax, cases: Mapping[str, Union]) -> Iterator[Diagnostic]:
    named = [(name, span) for name, span in names_of_rule(rule) if not name.startswith("_")]
    uses = Counter(name for name, _ in named)
    for name, span in dict(reversed(named)).items():
        if name in cases:
            yield Diagnostic(
                "case-as-variable",
                f"`{name}` is a variable here, though a case of `{cases[name]}` is called so",
                Label(span, "takes any value"),
                helps=(f"`{name}(…)` is the case; give a variable another name",),
                severity="warning",
            )
        elif uses[name] == 1:
            yield Diagnostic(
                "single-use",
                f"variable `{name}` is used once",
                Label(span),
                helps=(f"write `_`, or `_{name}`, if any value will do",),
                severity="warning",
            )


def _of_empty_tables(tables: Mapping[str, Table], rules: tuple[Rule, ...]) -> Iterator[Diagnostic]:
    filled = {rule.head for rule in rules}
    filled |= {table.name for table in tables.values() if table.kind == "input" or table.is_open}
    for rule in rules:
        for atom in rule.atoms:
            if atom.table in filled or atom.negated or atom.span is None:
                continue
            declared = tables[atom.table].span
            yield Diagnostic(
                "empty-table",
                f"the rule derives nothing: `{atom.table}` has no rules, and is no input table",
                Label(atom.span, "never has a row"),
                (Label(declared, "declared here"),) if declared is not None else (),
                helps=(
                    "make it an `input table`, derive it, or declare it `open` for other files",
                ),
                severity="warning",
            )
