"""What nlog has to say to the author of a rule file, as data; and the one place that prints it.

A stage of the compiler collects `Diagnostic`s and raises one `RuleError` with all of them: one
diagnostic a cause, each with a slug, a message, the place it is about, places that explain it,
notes (facts) and helps (ways out). Nobody but `render` formats them for people, and `as_data` for
programs. A fault of our own is an assertion and never takes this form.
"""

import difflib
from collections.abc import Iterable
from typing import Any

from attrs import field, frozen


@frozen
class Source:
    """A text that rules were read from; `name` is its path, or what the caller called it."""

    name: str
    text: str = field(repr=False)

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column of a character, both counted from 1."""
        before = self.text[:offset]
        return before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1

    def line(self, number: int) -> str:
        """The text of a line counted from 1, without its end."""
        lines = self.text.splitlines()
        return lines[number - 1] if number <= len(lines) else ""


@frozen
class Span:
    """Characters `start` to `end` (exclusive) of a source."""

    source: Source
    start: int
    end: int

    def __str__(self) -> str:
        line, _ = self.source.position(self.start)
        return f"{self.source.name}:{line}"


@frozen
class Label:
    """A place in a source, and what to say under it."""

    span: Span
    text: str = ""


@frozen
class Diagnostic:
    """One mistake, or by its severity a warning: where it is, what it is, and the way out."""

    slug: str
    message: str
    primary: Label
    secondary: tuple[Label, ...] = ()
    notes: tuple[str, ...] = ()
    helps: tuple[str, ...] = ()
    severity: str = "error"

    def __str__(self) -> str:
        return render(self)


class RuleError(Exception):
    """Rules that cannot be run; `diagnostics` has every mistake the stage found."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        super().__init__("\n\n".join(render(diagnostic) for diagnostic in self.diagnostics))


class TransactionError(Exception):
    """A transaction that was refused and rolled back; the text names the table, row or rule."""


def suggest(word: str, known: Iterable[str]) -> tuple[str, ...]:
    """A help that offers the nearest known word, if one is near; TypeError if it is no word."""
    if not isinstance(word, str):
        raise TypeError(f"{word!r} is no name, but a {type(word).__name__}")
    near = difflib.get_close_matches(word, sorted(known), n=1)
    return (f"did you mean `{near[0]}`?",) if near else ()


def render(diagnostic: Diagnostic) -> str:
    """The plain-text form: header, the lines it is about with carets, notes and helps.

    Of a source without text, such as a file that cannot be read, there are no lines to show.
    """
    header = f"{diagnostic.severity}[{diagnostic.slug}]: {diagnostic.message}"
    if not diagnostic.primary.span.source.text:
        return "\n".join([header, *_advice(diagnostic, "")])
    labels = sorted(
        (diagnostic.primary, *diagnostic.secondary),
        key=lambda label: (label.span.source.name, label.span.start),
    )
    gutter = max(len(str(label.span.source.position(label.span.start)[0])) for label in labels)
    place = diagnostic.primary.span
    line, column = place.source.position(place.start)
    pad = " " * gutter
    lines = [
        header,
        f"{pad}--> {place.source.name}:{line}:{column}",
        f"{pad} |",
    ]
    shown = ""
    for label in labels:
        mark = "^" if label is diagnostic.primary else "-"
        excerpt = _excerpt(label, gutter, mark, place.source)
        lines += excerpt[-1:] if str(label.span) == shown else excerpt
        shown = str(label.span)
    if diagnostic.notes or diagnostic.helps:
        lines.append(f"{pad} |")
    return "\n".join([*lines, *_advice(diagnostic, pad)])


def as_data(diagnostic: Diagnostic) -> dict[str, Any]:
    """The form for programs: plain data, as docs/language.md has it.

    Of a source without text, such as a file that cannot be read, there are no spans.
    """
    labels = (diagnostic.primary, *diagnostic.secondary)
    return {
        "severity": diagnostic.severity,
        "slug": diagnostic.slug,
        "message": diagnostic.message,
        "file": diagnostic.primary.span.source.name,
        "spans": [_span_data(label, diagnostic) for label in labels if label.span.source.text],
        "notes": [*diagnostic.notes],
        "helps": [*diagnostic.helps],
    }


def _span_data(label: Label, diagnostic: Diagnostic) -> dict[str, Any]:
    source = label.span.source
    line, column = source.position(label.span.start)
    end_line, end_column = source.position(label.span.end)
    return {
        "file": source.name,
        "line": line,
        "column": column,
        "end_line": end_line,
        "end_column": end_column,
        "is_primary": label is diagnostic.primary,
        "text": label.text,
    }


def _advice(diagnostic: Diagnostic, pad: str) -> list[str]:
    notes = [f"{pad} = note: {note}" for note in diagnostic.notes]
    return notes + [f"{pad} = help: {text}" for text in diagnostic.helps]


def _excerpt(label: Label, gutter: int, mark: str, home: Source) -> list[str]:
    """The label's source line and its underline, clipped to that line."""
    source = label.span.source
    line, column = source.position(label.span.start)
    text = source.line(line)
    width = max(1, min(label.span.end - label.span.start, len(text) - column + 1))
    pad = " " * gutter
    underline = " " * (column - 1) + mark * width
    lines = [] if source == home else [f"{pad}::: {source.name}:{line}:{column}"]
    lines.append(f"{line:>{gutter}} | {text}")
    lines.append(f"{pad} | {underline} {label.text}".rstrip())
    return lines
