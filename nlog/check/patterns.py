"""Patterns: values taken apart in the atoms of a body and by equalities.

`flow(p, output(port))` asks for rows whose second column is that case, and binds `port`. A pattern
is a record, a case, `some(…)` or a list of fixed length with a variable or `_` for a part; it
becomes literals about a variable that stands for the whole: conditions on its shape, then an
equality for each part. The conditions come first, and the functions that read parts have a value
where they hold, so nothing here makes a rule fail.

Where no part is left open, the whole also follows from its parts, and an equality says so that is
`implied`: the planner may start from the parts and look the whole up.
"""

from collections.abc import Callable, Iterable, Iterator

from nlog import syntax
from nlog.check.declarations import Declarations
from nlog.check.expressions import Expressions, MistakeError
from nlog.diagnostics import Diagnostic, Label
from nlog.functions import SOME
from nlog.program import Apply, Assign, BodyLiteral, Const, Expr, Filter, Var
from nlog.types import BOOL, INT, List, Optional, Type

# A part as written, None if it is left out, and the expression that reads it.
Part = tuple[syntax.Expression | None, Expr]


class Patterns:
    """Takes values of one rule apart; `fresh` gives new variables."""

    def __init__(
        self,
        declarations: Declarations,
        expressions: Expressions,
        fresh: Callable[[Type], Var],
    ) -> None:
        self._declarations = declarations
        self._expressions = expressions
        self._fresh = fresh

    def is_pattern(self, expression: syntax.Expression | None) -> bool:
        """Whether this has parts, one of which is a variable, a wildcard or left out."""
        return expression is not None and bool(self._open_names(expression))

    def names(self, pattern: syntax.Expression) -> set[str]:
        """The variables that a pattern binds; `_` if it leaves a part open."""
        return set(self._open_names(pattern))

    def typed_names(
        self, pattern: syntax.Expression, type_: Type
    ) -> Iterator[tuple[syntax.Name, Type]]:
        """The variables of a pattern for values of a type, with the types that they get."""
        _, parts = self._take_apart(pattern, Var("", type_))
        for part, read in parts:
            if isinstance(part, syntax.Name):
                if not part.is_wildcard:
                    yield part, read.type
            elif part is not None and self.is_pattern(part):
                yield from self.typed_names(part, read.type)

    def match(self, pattern: syntax.Expression, whole: Var) -> list[BodyLiteral]:
        """What holds if `whole` is of the pattern's form, binding its variables."""
        conditions, parts = self._take_apart(pattern, whole)
        literals: list[BodyLiteral] = [Filter(condition) for condition in conditions]
        for part, read in parts:
            literals += self._part(part, read)
        return literals

    def implied(self, pattern: syntax.Expression, whole: Var) -> list[BodyLiteral]:
        """That the whole follows from its parts, if it does."""
        if "_" in self._open_names(pattern):
            return []
        return [Assign(whole, self._expressions.check(pattern, whole.type), implied=True)]

    def _part(self, part: syntax.Expression | None, read: Expr) -> list[BodyLiteral]:
        if part is None or (isinstance(part, syntax.Name) and part.is_wildcard):
            return []
        if isinstance(part, syntax.Name):
            return [Assign(Var(part.name, read.type), read)]
        if self.is_pattern(part):
            inner = self._fresh(read.type)
            return [Assign(inner, read), *self.match(part, inner)]
        return [Filter(Apply("eq", (read, self._expressions.check(part, read.type)), BOOL))]

    def _open_names(self, expression: syntax.Expression) -> list[str]:
        """Names that stand for parts, at any depth; `_` also for what is left out."""
        if not self._has_parts(expression):
            return []
        found = ["_"] if self._leaves_out(expression) else []
        for child in syntax.children(expression):
            if isinstance(child, syntax.Name):
                found.append(child.name)
            else:
                found += self._open_names(child)
        return found

    def _has_parts(self, expression: syntax.Expression) -> bool:
        match expression:
            case syntax.ListDisplay():
                return True
            case syntax.Call():
                name = expression.name
                return name == SOME or self._declarations.structure(name) is not None
        return False

    def _leaves_out(self, expression: syntax.Expression) -> bool:
        if not isinstance(expression, syntax.Call):
            return False
        structure = self._declarations.structure(expression.name)
        is_named = not expression.arguments or expression.arguments[0].name is not None
        return (
            structure is not None
            and is_named
            and len(expression.arguments) < len(structure.record.fields)
        )

    def _take_apart(
        self, pattern: syntax.Expression, whole: Expr
    ) -> tuple[list[Expr], Iterable[Part]]:
        """The conditions under which `whole` has the parts of the pattern, and those parts."""
        match pattern, whole.type:
            case syntax.ListDisplay(), List(element=element):
                size = Apply("list.len", (whole,), INT)
                shape = Apply("eq", (size, Const(len(pattern.items), INT)), BOOL)
                parts = (
                    (item, Apply("tuple.get", (whole, Const(place, INT)), element))
                    for place, item in enumerate(pattern.items)
                )
                return [shape], parts
            case syntax.Call(name="some"), Optional(element=element):
                part = (
                    self._expressions.only_argument(pattern),
                    Apply("optional.part", (whole,), element),
                )
                return [Apply("optional.has", (whole,), BOOL)], [part]
            case syntax.Call(), _ if pattern.name != SOME:
                return self._take_structure(pattern, whole)
        found = "a list" if isinstance(pattern, syntax.ListDisplay) else "an optional value"
        raise self._fail(pattern, f"this is {found}, but {whole.type} is needed")

    def _take_structure(self, call: syntax.Call, whole: Expr) -> tuple[list[Expr], Iterable[Part]]:
        structure = self._declarations.structure(call.name)
        assert structure is not None
        if structure.type != whole.type:
            raise self._expressions.mismatch(call, whole.type, structure.type)
        fields = structure.record.fields
        values = self._expressions.arrange(call, [name for name, _ in fields], structure.what)
        conditions: list[Expr] = []
        reader: tuple[str, tuple[Expr, ...]] = ("tuple.get", (whole,))
        if structure.place is not None:
            number = Const(structure.place, INT)
            reader = ("union.field", (whole, number))
            case = Apply("union.case", (whole,), INT)
            conditions = [Apply("eq", (case, number), BOOL)]
        function, read = reader
        parts = [
            (value, Apply(function, (*read, Const(place, INT)), type_))
            for place, (value, (_, type_)) in enumerate(zip(values, fields, strict=True))
        ]
        return conditions, parts

    def _fail(self, pattern: syntax.Expression, message: str) -> MistakeError:
        return self._expressions.fail(Diagnostic("type-mismatch", message, Label(pattern.span)))


def names_in(expression: syntax.Expression) -> set[str]:
    """Every name in an expression."""
    if isinstance(expression, syntax.Name):
        return {expression.name}
    return set().union(*(names_in(child) for child in syntax.children(expression)))
