"""Source text to syntax tree: drives the grammar in nlog.lark.

`parse_module` reads one source; `read_modules` reads files and, once each, what they import.
Both raise `RuleError`; syntax_errors.py says what a mistake of form is called. Lark keeps the lexer
and the LALR tables; this file holds only the translation of its events into ours. Cost: linear in
the text, and what counts is how many rules of the grammar a token goes through: so operators of all
levels stand in one, as a row, which `operations` turns into a tree.
"""

import ipaddress
import os
import string
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, NoReturn

from attrs import evolve
from lark import Lark, Token, Tree, UnexpectedInput
from lark.tree import Meta

from nlog import syntax
from nlog.diagnostics import Diagnostic, Label, RuleError, Source, Span
from nlog.syntax_errors import syntax_errors
from nlog.types import BOOL, BYTES, INT, IP4, IP6, MAC, PREFIX, STR

INT_MAX = 2**63 - 1
INT_DIGITS_MAX = len(str(INT_MAX))

# Operators from those that bind least; of one level, the first written is applied first.
LEVELS = (
    ("or",),
    ("and",),
    ("==", "!=", "<=", ">=", "<", ">", "in"),
    ("|",),
    ("^",),
    ("&",),
    ("<<", ">>"),
    ("+", "-"),
    ("*", "/", "%"),
)
LEVEL_OF = {operator: level for level, operators in enumerate(LEVELS) for operator in operators}
# What later passes, which visit a tree by recursion, are sure to reach the bottom of.
NESTING_MAX = 200


def parse_module(source: Source) -> syntax.Module:
    """Parse one source; RuleError if it is not nlog."""
    try:
        tree = _grammar().parse(source.text)
    except UnexpectedInput as error:
        raise RuleError(syntax_errors(_grammar(), source, error)) from None
    builder = _Builder(source)
    items: tuple[syntax.Item, ...] = builder.build(tree)
    if builder.mistakes:
        raise RuleError(builder.mistakes)
    return syntax.Module(source, items)


def read_modules(
    paths: Iterable[str | os.PathLike[str]],
) -> tuple[list[syntax.Module], list[str]]:
    """The modules at `paths` and all they import, each once and imported ones first; their keys."""
    reader = _Reader()
    roots = [reader.read(Path(path), None) for path in paths]
    return reader.finish(), roots


def follow_imports(module: syntax.Module) -> tuple[syntax.Module, ...]:
    """`module` after all the files it imports; paths are relative to its source's name."""
    reader = _Reader()
    reader.enter(module, f"text:{module.source.name}", Path(module.source.name).parent)
    return tuple(reader.finish())


def closure(root: str, modules: Iterable[syntax.Module]) -> tuple[syntax.Module, ...]:
    """Of modules that were read together all that `root` imports, in their order, then `root`."""
    by_key = {module.key: module for module in modules}
    reached: set[str] = set()
    rest = [root]
    while rest:
        key = rest.pop()
        if key not in reached:
            reached.add(key)
            rest += [link.key for link in by_key[key].links]
    below = [module for key, module in by_key.items() if key in reached and key != root]
    return (*below, by_key[root])


@cache
def _grammar() -> Lark:
    text = resources.files("nlog").joinpath("nlog.lark").read_text(encoding="utf-8")
    return Lark(text, parser="lalr", propagate_positions=True, maybe_placeholders=False)


class _Reader:
    """Reads files once each; collects the mistakes of all before it raises."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._modules: list[syntax.Module] = []
        self._diagnostics: list[Diagnostic] = []

    def read(self, path: Path, imported_at: Span | None) -> str:
        """Read the module at `path`, unless that was done before; its key."""
        key = str(path.resolve())
        if key in self._seen:
            return key
        self._seen.add(key)
        try:
            source = Source(str(path), path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            if imported_at is None:
                imported_at = Span(Source(str(path), ""), 0, 0)
            message = f"cannot read `{path}`: {reason}"
            self._diagnostics.append(Diagnostic("unreadable-file", message, Label(imported_at)))
            return key
        try:
            self.enter(parse_module(source), key, path.parent)
        except RuleError as error:
            self._diagnostics.extend(error.diagnostics)
        return key

    def enter(self, module: syntax.Module, key: str, folder: Path) -> None:
        """Add a module, after all that it imports."""
        links = tuple(
            syntax.Link(self.read(folder / item.path, item.span), bool(item.modifiers))
            for item in module.items
            if isinstance(item, syntax.Import)
        )
        self._modules.append(evolve(module, key=key, links=links))

    def finish(self) -> list[syntax.Module]:
        if self._diagnostics:
            raise RuleError(self._diagnostics)
        return self._modules


class _BadLiteralError(Exception):
    def __init__(self, diagnostic: Diagnostic) -> None:
        self.diagnostic = diagnostic


class _Builder:
    """Lark's tree, bottom up, to ours: a method for each kind of node, of its place and parts.

    `mistakes` are of literals, which have stand-ins in what was built.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self.mistakes: list[Diagnostic] = []

    def build(self, tree: Tree[Token], depth: int = 0) -> Any:
        """What `tree` stands for. `depth` is how deep in the whole it is nested."""
        below = depth + (len(tree.children) // 2 if tree.data == "operations" else 1)
        if below > NESTING_MAX:
            text = "an expression in this text is nested too deeply to be read"
            raise RuleError([Diagnostic("too-deep", text, Label(Span(self._source, 0, 0)))])
        parts = [
            self.build(child, below) if isinstance(child, Tree) else child
            for child in tree.children
        ]
        if tree.data == "operations":
            return self._operations(parts, [_outer(child) for child in tree.children])
        try:
            return getattr(self, tree.data)(tree.meta, parts)
        except _BadLiteralError as error:
            self.mistakes.append(error.diagnostic)
            return syntax.NoneValue(error.diagnostic.primary.span)

    def _span(self, at: Meta | Token) -> Span:
        start = at.start_pos if at.start_pos is not None else 0
        return Span(self._source, start, at.end_pos if at.end_pos is not None else start)

    def start(self, meta: Meta, items: list[syntax.Item]) -> tuple[syntax.Item, ...]:
        return tuple(items)

    def modifiers(self, meta: Meta, parts: list[Token]) -> tuple[syntax.Modifier, ...]:
        return tuple(syntax.Modifier(str(part), self._span(part)) for part in parts)

    def import_(self, meta: Meta, parts: list[Any]) -> syntax.Import:
        modifiers, path = _modified(parts)
        return syntax.Import(modifiers, _unquote(path), self._span(meta))

    def record(self, meta: Meta, parts: list[Any]) -> syntax.RecordSyntax:
        modifiers, name, *rest = _modified(parts)
        fields = rest[0] if rest else ()
        return syntax.RecordSyntax(modifiers, str(name), fields, self._span(name))

    def union(self, meta: Meta, parts: list[Any]) -> syntax.UnionSyntax:
        modifiers, name, *rest = _modified(parts)
        cases = tuple(
            syntax.CaseSyntax(modifiers, *part) for part in rest if isinstance(part, tuple)
        )
        return syntax.UnionSyntax(modifiers, str(name), cases, self._span(name))

    def case(self, meta: Meta, parts: list[Any]) -> tuple[Any, ...]:
        name, *rest = parts
        return str(name), rest[0] if rest else (), self._span(name)

    def table(self, meta: Meta, parts: list[Any]) -> syntax.TableSyntax:
        modifiers, name, *rest = _modified(parts)
        columns = rest[0] if rest else ()
        return syntax.TableSyntax(modifiers, str(name), columns, self._span(name))

    def columns(self, meta: Meta, parts: list[Any]) -> tuple[syntax.ColumnSyntax, ...]:
        return tuple(part for part in parts if part is not None)

    def column(self, meta: Meta, parts: list[Any]) -> syntax.ColumnSyntax:
        key = self._span(parts[2]) if len(parts) > 2 else None
        return syntax.ColumnSyntax(str(parts[0]), parts[1], self._span(parts[0]), key)

    def named_type(self, meta: Meta, parts: list[Token]) -> syntax.NamedType:
        return syntax.NamedType(str(parts[0]), self._span(meta))

    def list_type(self, meta: Meta, parts: list[Any]) -> syntax.ListType:
        return syntax.ListType(parts[0], self._span(meta))

    def optional_type(self, meta: Meta, parts: list[Any]) -> syntax.OptionalType:
        return syntax.OptionalType(parts[0], self._span(meta))

    def rule(self, meta: Meta, parts: list[Any]) -> syntax.RuleSyntax:
        head, *literals, _ = parts
        body = (one for literal in literals for one in _conjuncts(literal))
        return syntax.RuleSyntax(head, tuple(body), self._span(meta))

    def condition(self, meta: Meta, parts: list[Any]) -> syntax.Condition:
        return syntax.Condition(parts[0], False, self._span(meta))

    def binding(self, meta: Meta, parts: list[Any]) -> syntax.Binding:
        return syntax.Binding(parts[0], parts[1], self._span(meta))

    def call(self, meta: Meta, parts: list[Any]) -> syntax.Call:
        arguments = parts[1] if len(parts) > 1 else ()
        return syntax.Call(str(parts[0]), arguments, self._span(meta), self._span(parts[0]))

    def arguments(self, meta: Meta, parts: list[Any]) -> tuple[syntax.Argument, ...]:
        return tuple(parts)

    def positional(self, meta: Meta, parts: list[Any]) -> syntax.Argument:
        return syntax.Argument(None, parts[0], self._span(meta))

    def named(self, meta: Meta, parts: list[Any]) -> syntax.Argument:
        return syntax.Argument(str(parts[0]), parts[1], self._span(meta))

    def _operations(self, parts: list[Any], places: list[tuple[int, int]]) -> syntax.Expression:
        """Operands with operators between them, as a tree; `places` are theirs in the text."""
        operands = [(parts[0], *places[0])]
        waiting: list[str] = []

        def apply() -> None:
            right, _, end = operands.pop()
            left, start, _ = operands.pop()
            span = Span(self._source, start, end)
            operands.append((syntax.Operation(waiting.pop(), left, right, span), start, end))

        for place in range(1, len(parts), 2):
            operator = str(parts[place])
            while waiting and LEVEL_OF[waiting[-1]] >= LEVEL_OF[operator]:
                apply()
            waiting.append(operator)
            operands.append((parts[place + 1], *places[place + 1]))
        while waiting:
            apply()
        operation: syntax.Operation = operands[0][0]
        return operation

    def negative(self, meta: Meta, parts: list[Any]) -> syntax.Expression:
        sign, operand = parts
        if sign == "+":
            help_ = "a number needs no `+`, and texts and lists are joined by one"
            label = Label(self._span(sign))
            raise _BadLiteralError(Diagnostic("syntax", "unexpected `+`", label, helps=(help_,)))
        if isinstance(operand, syntax.Literal) and operand.value == INT_MAX + 1:
            self.mistakes.pop()  # it fits with its sign
        is_number = isinstance(operand, syntax.Literal) and operand.type == INT
        if is_number and operand.value != -INT_MAX - 1:
            return syntax.Literal(-operand.value, INT, self._span(meta))
        return syntax.Negative(operand, self._span(meta))

    def not_(self, meta: Meta, parts: list[Any]) -> syntax.Not:
        return syntax.Not(parts[0], self._span(meta))

    def conditional(self, meta: Meta, parts: list[Any]) -> syntax.Conditional:
        condition, then, otherwise = parts
        return syntax.Conditional(condition, then, otherwise, self._span(meta))

    def field(self, meta: Meta, parts: list[Any]) -> syntax.FieldAccess:
        return syntax.FieldAccess(parts[0], str(parts[2]), self._span(meta))

    def list_display(self, meta: Meta, parts: list[Any]) -> syntax.ListDisplay:
        return syntax.ListDisplay(parts[0] if parts else (), self._span(meta))

    def items(self, meta: Meta, parts: list[Any]) -> tuple[syntax.Expression, ...]:
        return tuple(parts)

    def name(self, meta: Meta, parts: list[Token]) -> syntax.Name:
        return syntax.Name(str(parts[0]), self._span(meta))

    def truth(self, meta: Meta, parts: list[Token]) -> syntax.Literal:
        return syntax.Literal(parts[0] == "true", BOOL, self._span(meta))

    def int(self, meta: Meta, parts: list[Token]) -> syntax.Literal:
        digits, base = (parts[0][2:], 16) if parts[0][:2] in {"0x", "0X"} else (parts[0], 10)
        digits = digits.lstrip("0") or "0"
        too_large = Diagnostic(
            "bad-literal",
            "this number does not fit a signed 64-bit integer",
            Label(self._span(meta)),
            notes=(f"the greatest is {INT_MAX}, the least {-INT_MAX - 1}",),
        )
        if len(digits) > INT_DIGITS_MAX or int(digits, base) > INT_MAX + 1:
            raise _BadLiteralError(too_large)
        if int(digits, base) > INT_MAX:
            self.mistakes.append(too_large)  # `negative` takes it back
        return syntax.Literal(int(digits, base), INT, self._span(meta))

    def string(self, meta: Meta, parts: list[Token]) -> syntax.Literal:
        return syntax.Literal(_unquote(parts[0]), STR, self._span(meta))

    def interpolation(self, meta: Meta, parts: list[Any]) -> syntax.Interpolation:
        literals = (
            syntax.Literal(_unquote(part), STR, self._span(part))
            if isinstance(part, Token)
            else part
            for part in parts
        )
        return syntax.Interpolation(tuple(literals), self._span(meta))

    def bytes(self, meta: Meta, parts: list[Token]) -> syntax.Literal:
        digits = parts[0][2:-1]
        if len(digits) % 2 or not all(digit in string.hexdigits for digit in digits):
            helps = ('write two hexadecimal digits a byte, as in `x"0aff"`',)
            self._fail(meta, f"`{parts[0]}` is no sequence of bytes", *helps)
        return syntax.Literal(bytes.fromhex(digits), BYTES, self._span(meta))

    def none(self, meta: Meta, parts: list[Token]) -> syntax.NoneValue:
        return syntax.NoneValue(self._span(meta))

    def mac(self, meta: Meta, parts: list[Token]) -> syntax.Literal:
        return syntax.Literal(parts[0].lower(), MAC, self._span(meta))

    def ip4(self, meta: Meta, parts: list[Token]) -> syntax.Literal:
        try:
            address = ipaddress.IPv4Address(str(parts[0]))
        except ValueError:
            what = "its four parts are numbers from 0 to 255, without zeros before them"
            self._fail(meta, f"`{parts[0]}` is not an IPv4 address", what)
        return syntax.Literal(str(address), IP4, self._span(meta))

    def ip6(self, meta: Meta, parts: list[Token]) -> syntax.Literal:
        try:
            address = ipaddress.IPv6Address(str(parts[0]))
        except ValueError:
            what = "it has eight parts of up to four hexadecimal digits, and `::` once for zeros"
            self._fail(meta, f"`{parts[0]}` is not an IPv6 address", what)
        return syntax.Literal(ip6_text(address), IP6, self._span(meta))

    def prefix(self, meta: Meta, parts: list[Token]) -> syntax.Literal:
        try:
            family = ipaddress.IPv6Network if ":" in parts[0] else ipaddress.IPv4Network
            network = family(str(parts[0]), strict=False)
        except ValueError:
            most = 128 if ":" in parts[0] else 32
            what = f"it is an address, `/`, and a length from 0 to {most}"
            self._fail(meta, f"`{parts[0]}` is not a prefix", what)
        text = str(network)
        address = str(parts[0]).partition("/")[0]
        if isinstance(network, ipaddress.IPv6Network):
            text = f"{ip6_text(network.network_address)}/{network.prefixlen}"
        if ipaddress.ip_address(address) != network.network_address:
            self._fail(meta, f"`{parts[0]}` has host bits set", f"write `{text}`")
        return syntax.Literal(text, PREFIX, self._span(meta))

    def _fail(self, meta: Meta, message: str, *helps: str) -> NoReturn:
        label = Label(self._span(meta))
        raise _BadLiteralError(Diagnostic("bad-literal", message, label, helps=helps))


def _outer(part: Tree[Token] | Token) -> tuple[int, int]:
    """Where a part stands in the text, with the parentheses around it."""
    if isinstance(part, Token):
        return part.start_pos or 0, part.end_pos or 0
    meta: Any = part.meta  # lark forgot to say that these are there
    return meta.container_start_pos, meta.container_end_pos


def _modified(parts: list[Any]) -> list[Any]:
    """The parts of a declaration, with the tuple of its modifiers first."""
    return parts if isinstance(parts[0], tuple) else [(), *parts]


def ip6_text(address: ipaddress.IPv6Address) -> str:
    """The canonical text: that of RFC 5952, with an IPv4 address where one is mapped."""
    mapped = address.ipv4_mapped
    return f"::ffff:{mapped}" if mapped is not None else str(address)


def _conjuncts(
    literal: syntax.Condition | syntax.Binding,
) -> Iterator[syntax.Condition | syntax.Binding]:
    """`a and b` as a literal is two, and `not a` one that is negated."""
    match literal:
        case syntax.Condition(syntax.Operation(operator="and", left=left, right=right)):
            for operand in (left, right):
                yield from _conjuncts(syntax.Condition(operand, False, operand.span))
        case syntax.Condition(syntax.Not(operand=operand)):
            yield syntax.Condition(operand, True, literal.span)
        case _:
            yield literal


def _unquote(token: Token) -> str:
    escapes = {"n": "\n", "t": "\t"}
    characters = []
    rest = iter(token[1:-1])
    for character in rest:
        if character == "\\":
            escaped = next(rest)
            characters.append(escapes.get(escaped, escaped))
        else:
            characters.append(character)
    return "".join(characters)
