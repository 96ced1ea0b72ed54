"""Grounding: every variable of a rule gets its values from the body's positive atoms.

A variable is bound by a positive atom, or by an equality whose other side is bound. Everything
else, the head, negated atoms and conditions, only uses variables. `x = y` is turned so that the
side that can be bound first binds the other.
"""

from attrs import evolve

from nlog import syntax
from nlog.check.mistakes import WAYS_TO_BIND
from nlog.check.modifiers import Report
from nlog.diagnostics import Diagnostic, Label, Span, suggest
from nlog.program import Assign, Atom, BodyLiteral, Filter, Rule, Var, variables
from nlog.syntax import RuleSyntax


def ground(rule: Rule, source: RuleSyntax, report: Report) -> Rule | None:
    """The rule with its equalities turned, or None if a variable is bound nowhere."""
    body, bound = _bind(rule)
    users = [variable for argument in rule.arguments for variable in variables(argument)]
    for literal in rule.body:
        users += _uses(literal)
    loose = {variable.name: None for variable in users if variable.name not in bound}
    names = [name for name in loose if not name.startswith("$")]
    if loose and not names:
        message = "an argument of a negated atom is not bound by the rule body"
        report(Diagnostic("ungrounded-variable", message, Label(source.span)))
    for name in names:
        report(_ungrounded(name, source, sorted(n for n in bound if not n.startswith("$"))))
    return None if loose else evolve(rule, body=body)


def _bind(rule: Rule) -> tuple[tuple[BodyLiteral, ...], set[str]]:
    atoms = [atom for atom in rule.atoms if not atom.negated]
    bound = {v.name for atom in atoms for term in atom.terms for v in variables(term)}
    turned: dict[int, BodyLiteral] = {}
    progress = True
    while progress:
        progress = False
        for place, literal in enumerate(rule.body):
            if place in turned or not isinstance(literal, Assign):
                continue
            value = literal.value
            if all(variable.name in bound for variable in variables(value)):
                turned[place] = literal
                bound.add(literal.var.name)
                progress = True
            elif isinstance(value, Var) and literal.var.name in bound:
                turned[place] = Assign(value, literal.var)
                bound.add(value.name)
                progress = True
    return tuple(turned.get(place, literal) for place, literal in enumerate(rule.body)), bound


def _uses(literal: BodyLiteral) -> list[Var]:
    match literal:
        case Atom():
            return [variable for term in literal.terms for variable in variables(term)]
        case Assign():
            return [literal.var, *variables(literal.value)]
        case Filter():
            return list(variables(literal.condition))


def _ungrounded(name: str, source: RuleSyntax, bound: list[str]) -> Diagnostic:
    spans = [span for found, span in names_of_rule(source) if found == name]
    helps: tuple[str, ...] = WAYS_TO_BIND
    if len(spans) == 1 and any(_negates(literal, spans[0]) for literal in source.body):
        helps = ("`_` stands for any value", *helps)
    helps = suggest(name, bound) + helps
    note = f"the body binds {', '.join(f'`{other}`' for other in bound)}"
    return Diagnostic(
        "ungrounded-variable",
        f"variable `{name}` is not bound by the rule body",
        Label(spans[0], "used here, bound nowhere"),
        notes=(note if bound else "the body binds no variable",),
        helps=helps,
    )


def _negates(literal: syntax.Condition | syntax.Binding, span: Span) -> bool:
    """Whether `span` is within a negated literal."""
    within = literal.span.start <= span.start < literal.span.end
    return within and isinstance(literal, syntax.Condition) and literal.negated


def names_of_rule(rule: RuleSyntax) -> list[tuple[str, Span]]:
    """Every name in the rule and where it stands, the head's first."""
    found: list[tuple[str, Span]] = []

    def walk(node: syntax.Expression) -> None:
        if isinstance(node, syntax.Name):
            found.append((node.name, node.span))
        for child in syntax.children(node):
            walk(child)

    walk(rule.head)
    for literal in rule.body:
        if isinstance(literal, syntax.Condition):
            walk(literal.expression)
        else:
            walk(literal.left)
            walk(literal.right)
    return found
