"""The text of a match expression to its syntax tree, or to a message that points at the mistake."""

import re
from pathlib import Path

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from nvp_state.errors import ExpressionError

_AFTER_RELATION = re.compile(r"[=!<>]=?\s*(\{[^}]*)?$")
_AFTER_PORT = re.compile(r"\b(in|out)port\b[^&|()]*$")
_LARK = Lark(Path(__file__).with_name("expression.lark").read_text("utf-8"), parser="lalr")


def parse(text: str) -> Tree[Token]:
    """The syntax tree of an expression, whose rules are those of expression.lark.

    Raises:
        ExpressionError: the text is no expression.
    """
    try:
        return _LARK.parse(text)
    except UnexpectedInput as error:
        raise _explained(text, error) from None


def _explained(text: str, error: UnexpectedInput) -> ExpressionError:
    """The parser's complaint in words of the language."""
    if isinstance(error, UnexpectedCharacters):
        start = error.pos_in_stream or 0
        character = text[start]
        helps = {
            "=": "equality is `==`",
            "&": "the operator is `&&`",
            "|": "the operator is `||`",
            "$": "an address set is written `$name`",
            "@": "a port group is written `@name`",
            "[": "a part of a field is written `eth.dst[40]` or `ip4.dst[24..31]`",
            '"': "the quoted text has no end",
            "'": "texts stand in double quotes",
        }
        message = f"`{character}` cannot stand here"
        return ExpressionError("syntax", message, text, start, start + 1, helps.get(character, ""))
    assert isinstance(error, UnexpectedToken)
    token = error.token
    if token.type == "$END":
        return ExpressionError(
            "syntax",
            "the expression ends too early" if text.strip() else "the expression is empty",
            text,
            len(text),
            len(text) + 1,
        )
    start, end = token.start_pos or 0, token.end_pos or 0
    if token in {"&&", "||"} and not re.search(r"(&&|\|\||[!(])\s*$", text[:start]):
        return ExpressionError(
            "mixed-operators",
            "`&&` and `||` side by side need parentheses",
            text,
            start,
            end,
            "such as `(a && b) || c`",
        )
    if token.type == "RELATION" and re.search(r"!\s*[\w.]+\s*$", text[:start]):
        return ExpressionError(
            "negation",
            "a comparison after `!` needs parentheses",
            text,
            start,
            end,
            "such as `!(tcp.dst == 80)`",
        )
    if token.type == "SYMBOL" and _AFTER_RELATION.search(text[:start]):
        help = "a constant is a number or an address, or a port's name in double quotes"
        if _AFTER_PORT.search(text[:start]):
            name = re.match(r"[\w.:-]+", text[start:])
            end = start + len(name[0] if name else token)
            help = f'write the name of a port in quotes, `"{text[start:end]}"`'
        message = f"`{text[start:end]}` is not a constant"
        return ExpressionError("syntax", message, text, start, end, help)
    words = {"and": "`&&`", "or": "`||`"}
    operator = "`!`" if re.search(r"\bnot\s*$", text[:start]) else words.get(token, "")
    help = f"the operator is {operator}" if operator else ""
    return ExpressionError("syntax", f"`{token}` cannot stand here", text, start, end, help)
