"""Strata: tables in the order of evaluation, those that depend on each other together.

The dependency graph has an edge from each table of a body to the table of the head. Its strongly
connected components, in topological order, are the strata (Apt, Blair and Walker 1988). A
negation or an aggregate within a component has no meaning here, and is refused, but for `min` and
`max` where they have one (monotone.py).
"""

from collections.abc import Iterable

import networkx as nx

from nlog.check.modifiers import Report
from nlog.check.monotone import may_recur, optima
from nlog.diagnostics import Diagnostic, Label
from nlog.program import Atom, Rule, Stratum


def stratify(
    tables: Iterable[str], rules: Iterable[Rule], report: Report | None = None
) -> tuple[Stratum, ...]:
    """The strata of the tables that rules derive; reports what a cycle may not have."""
    rules = tuple(rules)
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(tables)
    for rule in rules:
        graph.add_edges_from((atom.table, rule.head) for atom in rule.atoms)
    derived = {rule.head for rule in rules}
    order = {name: place for place, name in enumerate(graph.nodes)}
    condensed = nx.condensation(graph)
    component = condensed.graph["mapping"]
    if report is not None:
        for rule in rules:
            for atom in rule.atoms:
                if component[atom.table] == component[rule.head]:
                    if atom.negated:
                        report(_negation(rule, atom, graph))
                    elif not may_recur(rule):
                        report(_aggregate(rule, atom, graph))
    strata = []
    for node in nx.lexicographical_topological_sort(
        condensed, key=lambda n: min(order[name] for name in condensed.nodes[n]["members"])
    ):
        members = sorted(condensed.nodes[node]["members"], key=order.__getitem__)
        if derived.intersection(members):
            first = members[0]
            recursive = len(members) > 1 or graph.has_edge(first, first)
            own = [rule for rule in rules if rule.head in members]
            best = optima(own, members, report or (lambda _: None)) if recursive else ()
            strata.append(Stratum(tuple(members), recursive, best))
    return tuple(strata)


def _negation(rule: Rule, atom: Atom, graph: "nx.DiGraph[str]") -> Diagnostic:
    assert atom.span is not None
    return Diagnostic(
        "unstratified-negation",
        f"`{rule.head}` depends on its own absence",
        Label(atom.span, "negated here"),
        (Label(rule.span, "derived here"),) if rule.span else (),
        notes=(_cycle(rule, atom, graph),),
        helps=("negate a table that does not depend on this one",),
    )


def _aggregate(rule: Rule, atom: Atom, graph: "nx.DiGraph[str]") -> Diagnostic:
    assert atom.span is not None
    return Diagnostic(
        "unstratified-aggregate",
        f"`{rule.head}` depends on an aggregate over its own rows",
        Label(atom.span, "read here"),
        (Label(rule.span, "aggregated here"),) if rule.span else (),
        notes=(_cycle(rule, atom, graph),),
        helps=("take the aggregate in another table, which this one does not depend on",),
    )


def _cycle(rule: Rule, atom: Atom, graph: "nx.DiGraph[str]") -> str:
    path = [*nx.shortest_path(graph, rule.head, atom.table), rule.head]
    return f"the cycle is {' → '.join(f'`{name}`' for name in path)}"
