"""Loading: what it costs grows with the program and no faster; operators and graphs by rivals."""

import sys
from collections.abc import Callable
from itertools import pairwise
from types import FrameType

import networkx
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nlog
from benchmarks.compiling import source
from nlog import syntax
from nlog.check.graph import components, shortest_path
from nlog.diagnostics import Source
from nlog.parser import NESTING_MAX, parse_module

# From what binds least, as docs/language.md has them; Python has the same order from `|` on.
OPERATORS = ["or", "and", "<", "|", "^", "&", "<<", "+", "-", "*", "%"]


def calls(work: Callable[[], object]) -> int:
    """How many Python functions `work` calls."""
    count = 0

    def note(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal count
        count += event == "call"

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


def test_loading_is_linear_in_the_rules() -> None:
    def load(rules: int) -> int:
        text = source(rules)
        return calls(lambda: nlog.Engine(nlog.parse(text)))

    load(5)
    few, many = load(50), load(200)
    assert many < 4.2 * few


def expression(text: str) -> syntax.Expression:
    (rule,) = parse_module(Source("<text>", f"t() :- {text}.")).items
    assert isinstance(rule, syntax.RuleSyntax)
    (literal,) = rule.body
    assert isinstance(literal, syntax.Condition)
    return literal.expression


def in_full(part: syntax.Expression) -> str:
    if isinstance(part, syntax.Operation):
        return f"({in_full(part.left)} {part.operator} {in_full(part.right)})"
    assert isinstance(part, syntax.Name)
    return part.name


def by_levels(operators: list[str]) -> str:
    """The row `a0 operator a1 …` with all parentheses: splits at the last operator of least level.

    This is slow and says what precedence means, no more.
    """

    def level(operator: str) -> int:
        same = {"-": "+", "%": "*"}
        return OPERATORS.index(same.get(operator, operator))

    def between(first: int, last: int) -> str:
        if first == last:
            return f"a{first}"
        least = min(level(operators[i]) for i in range(first, last))
        split = max(i for i in range(first, last) if level(operators[i]) == least)
        left, right = between(first, split), between(split + 1, last)
        return f"({left} {operators[split]} {right})"

    return between(0, len(operators))


@given(st.lists(st.sampled_from([o for o in OPERATORS if o not in {"<", "and"}]), min_size=1))
def test_operators_bind_as_their_levels_say(operators: list[str]) -> None:
    row = "a0" + "".join(f" {operator} a{i + 1}" for i, operator in enumerate(operators))
    assert in_full(expression(row)) == by_levels(operators)


def test_spans_of_operations_reach_around_parentheses() -> None:
    text = "(a) + ((b) * c) - d < (e)"
    tree = expression(text)
    found = []

    def visit(part: syntax.Expression) -> None:
        if isinstance(part, syntax.Operation):
            found.append(part.span.source.text[part.span.start : part.span.end])
            visit(part.left)
            visit(part.right)

    visit(tree)
    assert found == [text, "(a) + ((b) * c) - d", "(a) + ((b) * c)", "(b) * c"]


@pytest.mark.parametrize(
    "deep",
    [
        " + ".join(["1"] * NESTING_MAX),
        "-(" * NESTING_MAX + "x" + ")" * NESTING_MAX,
        "[" * NESTING_MAX + "]" * NESTING_MAX,
    ],
)
def test_nesting_has_a_limit_that_every_pass_can_reach(deep: str) -> None:
    text = "input table q(x: int)\ntable p(x: int)\np(x + {}) :- q(x)."
    with pytest.raises(nlog.RuleError, match="too deeply"):
        nlog.parse(text.format(deep))
    nlog.Engine(nlog.parse(text.format(" + ".join(["1"] * (NESTING_MAX - 10)))))


graphs = st.dictionaries(
    st.sampled_from("abcdef"), st.lists(st.sampled_from("abcdef"), unique=True)
).map(lambda g: g | {n: [] for after in g.values() for n in after if n not in g})


@given(graphs)
def test_components_are_those_of_networkx_in_an_order_that_follows_edges(
    graph: dict[str, list[str]],
) -> None:
    rival = networkx.DiGraph(graph)
    found = components(graph)
    condensed = networkx.condensation(rival)
    members = networkx.get_node_attributes(condensed, "members")
    order = list(graph)
    by_key = networkx.lexicographical_topological_sort(
        condensed, key=lambda node: min(order.index(name) for name in members[node])
    )
    assert found == [tuple(sorted(members[node], key=order.index)) for node in by_key]


@given(graphs)
def test_a_shortest_path_is_as_short_as_that_of_networkx(graph: dict[str, list[str]]) -> None:
    rival = networkx.DiGraph(graph)
    for start, lengths in networkx.all_pairs_shortest_path_length(rival):
        for end, length in lengths.items():
            path = shortest_path(graph, start, end)
            assert (path[0], path[-1], len(path)) == (start, end, length + 1)
            assert all(after in graph[node] for node, after in pairwise(path))
