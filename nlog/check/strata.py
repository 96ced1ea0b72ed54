"""Strata: tables in the order of evaluation, those that depend on each other together.

The dependency graph has an edge from each table of a body to the table of the head. Its strongly
connected components, in topological order, are the strata (Apt, Blair and Walker 1988). A
negation or an aggregate within a component has no meaning here, and is refused, but for `min` and
`max` where they have one (monotone.py).
"""

from collections.abc import Iterable

from nlog.check.graph import Graph, components, shortest_path
from nlog.check.modifiers import Report
from nlog.check.monotone import may_recur, optima
from nlog.diagnostics import Diagnostic, Label
from nlog.program import Atom, Rule, Stratum


def stratify(
    tables: Iterable[str], rules: Iterable[Rule], report: Report | None = None
) -> tuple[Stratum, ...]:
    """The strata of the tables that rules derive; reports what a cycle may not have."""
    rules = tuple(rules)
    edges: dict[str, dict[str, None]] = {name: {} for name in tables}
    for rule in rules:
        for atom in rule.atoms:
            edges[atom.table][rule.head] = None
    ordered = components(edges)
    home = {name: number for number, members in enumerate(ordered) for name in members}
    if report is not None:
        for rule in rules:
            for atom in rule.atoms:
                if home[atom.table] == home[rule.head]:
                    if atom.negated:
                        report(_negation(rule, atom, edges))
                    elif not may_recur(rule):
                        report(_aggregate(rule, atom, edges))
    owned: list[list[Rule]] = [[] for _ in ordered]
    for rule in rules:
        owned[home[rule.head]].append(rule)
    strata = []
    for members, own in zip(ordered, owned, strict=True):
        if own:
            recursive = len(members) > 1 or members[0] in edges[members[0]]
            best = optima(own, members, report or (lambda _: None)) if recursive else ()
            strata.append(Stratum(members, recursive, best))
    return tuple(strata)


def _negation(rule: Rule, atom: Atom, graph: Graph) -> Diagnostic:
    assert atom.span is not None
    return Diagnostic(
        "unstratified-negation",
        f"`{rule.head}` depends on its own absence",
        Label(atom.span, "negated here"),
        (Label(rule.span, "derived here"),) if rule.span else (),
        notes=(_cycle(rule, atom, graph),),
        helps=("negate a table that does not depend on this one",),
    )


def _aggregate(rule: Rule, atom: Atom, graph: Graph) -> Diagnostic:
    assert atom.span is not None
    return Diagnostic(
        "unstratified-aggregate",
        f"`{rule.head}` depends on an aggregate over its own rows",
        Label(atom.span, "read here"),
        (Label(rule.span, "aggregated here"),) if rule.span else (),
        notes=(_cycle(rule, atom, graph),),
        helps=("take the aggregate in another table, which this one does not depend on",),
    )


def _cycle(rule: Rule, atom: Atom, graph: Graph) -> str:
    path = [*shortest_path(graph, rule.head, atom.table), rule.head]
    return f"the cycle is {' → '.join(f'`{name}`' for name in path)}"
