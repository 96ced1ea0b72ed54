"""What to say of a text that the grammar refuses: where it stopped, what could follow, a way out.

The parser's tables know which terminals could have come next, and that becomes the note. The helps
come from mistakes that people make: habits from other languages and other Datalogs. They are a
table of patterns tried on the text where reading stopped, so that a new one is a line. Then reading
goes on at the next statement (recovery.py). Cost: the text is read once more, by a parser that can
be asked what it would accept.
"""

import re
from contextlib import suppress

from lark import Lark, UnexpectedInput

from nlog.diagnostics import Diagnostic, Label, Source, Span, suggest
from nlog.recovery import resumption

TERMINALS = {
    "NAME": "a name",
    "STRING": "a string",
    "INT": "an integer",
    "TRUTH": "`true` or `false`",
    "MAC": "a MAC address",
    "IP4": "an IPv4 address",
    "PREFIX": "a prefix",
    "BYTES": "bytes",
    "IP6": "an IPv6 address",
    "END": "`.` (the end of the rule)",
    "COMPARISON": "a comparison",
    "LPAR": "`(`",
    "RPAR": "`)`",
    "LSQB": "`[`",
    "RSQB": "`]`",
    "COMMA": "`,`",
    "COLON": "`:`",
    "EQUAL": "`=`",
    "__ANON_0": "`:-`",
    "TABLE": "`table`",
    "RECORD": "`record`",
    "IMPORT": "`import`",
    "MODIFIER": "a modifier such as `input`",
    "KEY": "`key`",
    "NOT": "`not`",
    "$END": "the end of the file",
}
EXPRESSION_STARTS = {"STRING", "INT", "TRUTH", "MAC", "IP4", "IP6", "PREFIX", "BYTES", "LSQB"}
OPERATORS = {"BAR", "CARET", "AMPERSAND", "SHIFT", "SIGN", "FACTOR", "FIELD_DOT", "AND", "OR", "IN"}
KEYWORDS = (
    "constraint",
    "export",
    "import",
    "input",
    "open",
    "output",
    "record",
    "table",
    "union",
)
EXPECTED_MAX = 6
# Mistakes told of one text: nobody reads more.
MISTAKES_MAX = 100
WITH_A_STOP = ("end it with `.`",)

# What stands where reading stopped, which terminal must have been acceptable there ("" for any),
# and what to say.
HABITS: tuple[tuple[str, str, str], ...] = (
    (r";", "END", "literals are separated by `,`; for one thing or another write two rules"),
    (r"\.decl\b", "", "a table is declared `input table edge(a: int, b: int)`"),
    (r"[;.]", "TABLE", "a declaration needs no end"),
    (r"[,)]", "COLON", "say its type, as in `name: str`"),
    (r"=", "COLON", "a column is named with `:`, as in `column: value`"),
    (r"<-|<=", "__ANON_0", "the head and the body are separated by `:-`"),
    (r"!", "", "absence is written `not`, and inequality `!=`"),
    (r"'", "", 'a string stands in double quotes: `"text"`'),
    (r"#", "", "a comment begins with `//`"),
    (r"<>", "", "inequality is written `!=`"),
    (r"\.\d+\.\d", "", "an address has four parts, as in `10.0.0.1`"),
    (r"\.\d", "", "numbers are whole: there are no fractions"),
    (r"==|!=|<|>", "END", "comparisons do not chain: write two of them, separated by `,`"),
    (r"&&", "", "write `and`, or separate literals by `,`"),
    (r"\|\|", "", "write `or` between conditions; for one table or another write two rules"),
    (r"[,.)\]]", "ELSE", "a conditional has both: `if condition then value else value`"),
    (r"\(", "COLON", "a key is marked behind its column's type, as in `name: str key`"),
    (r"\?", "", "a conditional is written `if condition then value else value`"),
)

# Operators of other languages that begin like one of ours, so that reading stops within them.
FOREIGN = ("&&", "||", "<>")


def syntax_errors(grammar: Lark, source: Source, error: UnexpectedInput) -> list[Diagnostic]:
    """What is wrong with the text of `source`, which `grammar` refused with `error` first."""
    found: list[Diagnostic] = []
    begin = 0
    while len(found) < MISTAKES_MAX:
        start = _start(source.text, begin, error)
        found.append(_syntax_error(grammar, source, begin, error))
        is_unended = found[-1].helps == WITH_A_STOP and start > begin
        following = start if is_unended else resumption(source.text, begin, start)
        if following is None:
            break
        begin = following
        try:
            grammar.parse(source.text[begin:])
        except UnexpectedInput as another:
            error = another
        else:
            break
    return found


def _is_at_end(error: UnexpectedInput) -> bool:
    token = getattr(error, "token", None)
    return token is not None and token.type == "$END"


def _start(text: str, begin: int, error: UnexpectedInput) -> int:
    """Where reading stopped that began at `begin`."""
    return len(text.rstrip()) if _is_at_end(error) else begin + (error.pos_in_stream or 0)


def _syntax_error(grammar: Lark, source: Source, begin: int, error: UnexpectedInput) -> Diagnostic:
    """The diagnostic for the place at which reading stopped that began at `begin`."""
    text = source.text
    token = getattr(error, "token", None)
    at_end = _is_at_end(error)
    start = _start(text, begin, error)
    found = str(token) if token is not None else text[start : start + 1]
    if text.startswith("/*", start):
        helps: tuple[str, ...] = ("end it with `*/`",)
        return _diagnostic("this comment does not end", Span(source, start, start + 2), helps)
    brace = _brace(text, start)
    if found == '"' and brace is not None:
        helps = ("a brace that stands for itself is written `\\{` or `\\}`",)
        span = Span(source, brace, brace + 1)
        return _diagnostic("within a string, braces stand around a value", span, helps)
    if found == '"':
        helps = ('end it with `"` on the same line; within, a line break is written `\\n`',)
        return _diagnostic("this string does not end", Span(source, start, start + 1), helps)
    if text[start - 1 : start + 1] in FOREIGN:
        span = Span(source, start - 1, start + 1)
        foreign = text[start - 1 : start + 1]
        return _diagnostic(f"unexpected `{foreign}`", span, _habit(text, start - 1, set()))
    accepted, read_to = _accepted(grammar, text, begin)
    expected = _describe(accepted)
    helps = _habit(text, start, accepted) or _misspelled(text, start, accepted)
    if not helps and "END" in accepted and _begins_line(text, start):
        message, helps = "this rule does not end", WITH_A_STOP
        span = Span(source, read_to - 1, read_to)
    elif at_end:
        message, span = "the text ends too early", Span(source, start, start + 1)
    else:
        message = f"unexpected `{found}`"
        span = Span(source, start, start + len(found))
    return _diagnostic(message, span, helps, (f"expected {expected}",) if expected else ())


def _diagnostic(
    message: str, span: Span, helps: tuple[str, ...], notes: tuple[str, ...] = ()
) -> Diagnostic:
    return Diagnostic("syntax", message, Label(span), notes=notes, helps=helps)


def _accepted(grammar: Lark, text: str, begin: int) -> tuple[set[str], int]:
    """The terminals that could stand where reading stopped, and the end of what was read."""
    reader = grammar.parse_interactive(text[begin:])
    read_to = begin + 1
    with suppress(UnexpectedInput):
        for token in reader.iter_parse():
            read_to = begin + token.end_pos if token.end_pos else read_to
    accepted: set[str] = reader.accepts()  # type: ignore[no-untyped-call]  # lark forgot to say
    return accepted, read_to


def _describe(accepted: set[str]) -> str:
    names = accepted - OPERATORS
    words = []
    if names >= EXPRESSION_STARTS:
        names = names - EXPRESSION_STARTS - {"NAME", "LPAR", "SIGN", "NOT", "IF"}
        words.append("an expression")
    if "COMPARISON" in names:
        names = names - {"COMPARISON", "EQUAL"}
        words.append("an operator")
    words += [TERMINALS[name] for name in names if name in TERMINALS]
    return ", ".join(sorted(words)) if len(words) <= EXPECTED_MAX else ""


def _habit(text: str, start: int, accepted: set[str]) -> tuple[str, ...]:
    for pattern, terminal, advice in HABITS:
        if (not terminal or terminal in accepted) and re.match(pattern, text[start:]):
            return (advice,)
    return ()


def _brace(text: str, start: int) -> int | None:
    """Where a string that cannot be read has a brace without its other half."""
    line = text.rfind("\n", 0, start) + 1
    opened = re.search(r'"(?:\\.|[^"\\{}])*(\{)[^"}]*$', text[line:start])
    if opened:
        return line + opened.start(1)
    closed = re.compile(r'"(?:\\.|[^"\\\n{}])*(\})').match(text, start)
    return closed.start(1) if closed else None


def _misspelled(text: str, start: int, accepted: set[str]) -> tuple[str, ...]:
    """Two names in a row, as in `tabel port(…)` or `input tabel port(…)`: which is the keyword."""
    names = re.search(r"([A-Za-z_]+)\s+$", text[:start]), re.match(r"[A-Za-z_]+", text[start:])
    if "LPAR" not in accepted or names[0] is None or names[1] is None:
        return ()
    if names[0][1] in KEYWORDS:
        return suggest(names[1][0], ["table"])
    return suggest(names[0][1], KEYWORDS)


def _begins_line(text: str, start: int) -> bool:
    return "\n" in text[len(text[:start].rstrip()) : start] or start == len(text.rstrip())
