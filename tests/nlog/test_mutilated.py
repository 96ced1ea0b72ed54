"""Whatever stands in a rule file, the answer is a program or a `RuleError`, and nothing else.

Sound programs of the corpus are mutilated token by token: dropped, doubled, swapped, replaced by
one from elsewhere. What still is a program must also plan; what is none must say where and why.

Where some statements of a program get a character that has no place anywhere, each of them is
named, and no other.
"""

import random
import re
from pathlib import Path

import pytest

import nlog
from nlog.planner import plan
from nlog.syntax_errors import MISTAKES_MAX
from tests.engine.programs import random_program
from tests.nlog import corpus

TOKEN = re.compile(r'"(?:\\.|[^"\\\n])*"|//[^\n]*|\w+|:-|<=|>=|==|!=|<<|>>|\s+|.', re.DOTALL)
TEXTS = [
    path.read_text()
    for path in sorted(corpus.FOLDER.glob("*.nlog"))
    if "import" not in path.read_text()
]
POOL = sorted({token for text in TEXTS for token in TOKEN.findall(text) if not token.isspace()})
WORDS = ("int", "str", "7", '"a"', "10.0.0.1", "true", "len", "_")
SEEDS = range(20)


def mutilated(order: random.Random, text: str) -> str:
    tokens = TOKEN.findall(text)
    for _ in range(order.choice((1, 1, 2, 4))):
        place = order.randrange(len(tokens))
        other = order.randrange(len(tokens))
        match order.randrange(10):
            case 0:
                del tokens[place]
            case 1:
                tokens.insert(place, tokens[place])
            case 2:
                tokens[place], tokens[other] = tokens[other], tokens[place]
            case 3:
                tokens[place : place + order.randint(1, 8)] = []
            case 4:
                tokens[place] = order.choice(POOL)
            case _:
                words = [at for at, token in enumerate(tokens) if re.match(r'\w|"', token)]
                tokens[order.choice(words)] = order.choice([tokens[order.choice(words)], *WORDS])
    return "".join(tokens)


def answer(text: str) -> str:
    """The slugs of the mistakes, or "" for a program."""
    try:
        program = nlog.parse(text, str(Path("/nowhere") / "mutilated.nlog"))
    except nlog.RuleError as error:
        assert error.diagnostics
        for diagnostic in error.diagnostics:
            span = diagnostic.primary.span
            assert 0 <= span.start <= span.end <= len(text) + 1
            assert str(diagnostic).startswith(f"error[{diagnostic.slug}]: {diagnostic.message}")
        return " ".join(diagnostic.slug for diagnostic in error.diagnostics)
    plan(program)
    return ""


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_but_programs_and_diagnostics(seed: int):
    order = random.Random(f"mutilated {seed}")
    slugs = {answer(mutilated(order, text)) for text in TEXTS}
    assert len(slugs) > 3


@pytest.mark.parametrize("seed", SEEDS)
def test_each_statement_with_a_mistake_of_form_is_named_and_no_other(seed: int):
    order = random.Random(f"blemished {seed}")
    lines = random_program(order).text.splitlines()
    sound = [place for place, line in enumerate(lines) if "{" not in line]
    chosen = sorted(order.sample(sound, order.randint(1, len(sound))))
    for place in chosen:
        tokens = TOKEN.findall(lines[place])
        tokens.insert(order.randint(2, len(tokens)), order.choice("@$\\~"))
        lines[place] = "".join(tokens)
    with pytest.raises(nlog.RuleError) as caught:
        nlog.parse("\n".join(lines))
    found = [d.primary.span.source.position(d.primary.span.start) for d in caught.value.diagnostics]
    assert [line - 1 for line, _ in found] == chosen


def test_no_more_mistakes_are_told_than_anybody_reads():
    with pytest.raises(nlog.RuleError) as caught:
        nlog.parse("a(1) b(2).\n" * 1000)
    assert len(caught.value.diagnostics) == MISTAKES_MAX
