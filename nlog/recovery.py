"""Where to read on after a mistake of form, so that each mistake is told, and each but once.

A statement ends with `.`, or where the next begins: at a line that begins a declaration, or whose
very start looks like that of a rule or of a declaration, where the text before does not ask for
more. Brackets are not counted, since one that is missing is a mistake like any other; what stands
in strings and comments is not looked at. To skip a sound statement hides its mistakes until the
others are mended; to begin within one makes up mistakes, which is worse.

Cost: linear in what is skipped.
"""

import re

BOUNDARY = re.compile(
    r"""
    (?P<hidden> //[^\n]* | /\*[\s\S]*?(?:\*/|\Z) | \#[^\n]* )
    | (?P<string> "(?:\\.|[^"\\\n])*" )
    | (?P<unended> "[^\n]* )
    | (?P<end> \.(?![A-Za-z_0-9]) )
    | (?P<declaration> ^[\ \t]*
        (?:(?:export|open|constraint|input|output)\s+)* (?:table|record|union|import)\s+[A-Za-z_"] )
    | (?P<head> ^(?:
        (?!(?:and|or|not|if|then|else|in)\b) [A-Za-z_]\w* (?:[\ \t]+[A-Za-z_]\w*)* \(
        | (?:export|open|constraint|input|output|table|record|union|import)\b (?![\ \t]*:) ) )
    | (?P<word> \w+ )
    | (?P<other> \S )
    """,
    re.VERBOSE | re.MULTILINE,
)
# After one of these a line goes on with what was begun before.
UNFINISHED = {*",([{:-=+*/%&|^<>!", "and", "or", "not", "if", "then", "else", "in"}


def resumption(text: str, begin: int, mistake: int) -> int | None:
    """Where to read on after a mistake at `mistake`, in a reading that began at `begin`.

    None if there is no place for it.
    """
    before = ""
    for found in BOUNDARY.finditer(text, begin):
        kind, place = found.lastgroup, found.start()
        if place >= max(mistake, begin + 1):
            if kind == "declaration" or (kind == "head" and before not in UNFINISHED):
                return place
            if kind == "end":
                return found.end()
        if kind == "unended" and found.end() > mistake and found[0].rstrip().endswith("."):
            return found.end()
        if kind != "hidden":
            before = found[0] if kind == "word" else found[0][-1]
    return None
