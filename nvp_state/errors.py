"""What can be wrong with a network, said so that a person can act on it.

A `Problem` names the object, the field and what is wrong with it. A `StateError` carries every
problem of one attempt, never only the first: whoever wrote a document with five mistakes reads
five lines. Nothing has changed when a `StateError` is raised; the attempt can be repeated once
its problems are put right.

Mistakes which still make a network (two ports with one MAC address, an ACL for a port that is not
there) are not errors here: the rules derive rows that name them.
"""

from collections.abc import Iterable
from difflib import get_close_matches

from attrs import frozen

_SUGGESTED_FROM_MAX = 2000


@frozen
class Problem:
    """One thing that is wrong.

    `object` names what is affected, such as `port "web-1"`; `field` is the field of it, or empty
    if the object as a whole is meant; `text` says what is wrong and, where there is one, the way
    out. A text may have several lines.
    """

    object: str
    field: str
    text: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.object, self.field, self.text) if part)


class StateError(Exception):
    """A request was refused as a whole; `problems` says why, and nothing has changed."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        if len(self.problems) == 1:
            return str(self.problems[0])
        lines = [f"{len(self.problems)} problems:"]
        for problem in self.problems:
            lines += ["  " + line for line in str(problem).splitlines()]
        return "\n".join(lines)


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """Return `; did you mean …?` for the known word nearest to `word`, or nothing.

    Among very many words none is looked for: it would take seconds.
    """
    words = sorted(known)
    if not isinstance(word, str) or len(words) > _SUGGESTED_FROM_MAX:
        return ""
    near = get_close_matches(word, words, n=1)
    return f"; did you mean `{near[0]}`?" if near else ""


class ExpressionError(ValueError):
    """A match expression cannot be understood, or cannot become flows.

    `slug` names the kind of error, `text` says what is wrong, `expression[start:end]` is where, and
    `help` is the way out, if there is one to name. As a string it shows all of them, with the
    place underlined.
    """

    def __init__(
        self, slug: str, text: str, expression: str, start: int, end: int, help: str = ""
    ) -> None:
        super().__init__(slug, text, expression, start, end, help)
        self.slug = slug
        self.text = text
        self.expression = expression
        self.start = start
        self.end = end
        self.help = help

    def __str__(self) -> str:
        line_start = self.expression.rfind("\n", 0, self.start) + 1
        line = self.expression[line_start:].split("\n")[0]
        marks = min(self.end, line_start + len(line)) - self.start
        lines = [
            f"{self.text} [{self.slug}]",
            "   |",
            f"   | {line.replace(chr(9), ' ')}",
            f"   | {' ' * (self.start - line_start)}{'^' * max(marks, 1)}",
        ]
        if self.help:
            lines += ["   |", f"   = help: {self.help}"]
        return "\n".join(lines)
