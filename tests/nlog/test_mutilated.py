"""Whatever stands in a rule file, the answer is a program or a `RuleError`, and nothing else.

Sound programs of the corpus are mutilated token by token: dropped, doubled, swapped, replaced by
one from elsewhere. What still is a program must also plan; what is none must say where and why.
"""

import random
import re
from pathlib import Path

import pytest

import nlog
from nlog.planner import plan
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
