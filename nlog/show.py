"""Rows and counts as people read them: one style, that of a rule, wherever the engine prints rows.

`show_row` gives `port("web 1", 10.0.0.1, field("eth", 1), [1, 2])`: text in quotes, addresses
without, records by their names. What it prints of a row that a table holds could stand in a rule as
it is. Cost: linear in the row.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from nlog.program import Table
from nlog.types import BOOL, BYTES, STR, List, Optional, Record, Type, Union

_ESCAPES = str.maketrans(
    {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "{": "\\{", "}": "\\}"}
)


def show_row(table: Table, row: Iterable[Any]) -> str:
    """`table(value, …)`, as in a rule. The row must fit the table."""
    columns = zip(row, table.columns, strict=True)
    return f"{table.name}({', '.join(show_value(value, column.type) for value, column in columns)})"


def show_value(value: Any, type_: Type) -> str:
    """A value of a type in any of the forms that a row may have it in, as in a rule."""
    match type_:
        case Record():
            parts = _parts(value, type_)
            shown = (show_value(part, t) for part, (_, t) in zip(parts, type_.fields, strict=True))
            return f"{type_.name}({', '.join(shown)})"
        case Union():
            if isinstance(value, Mapping):
                ((name, values),) = value.items()
                return show_value(values, next(one for one in type_.cases if one.name == name))
            return show_value(value._values, type_.cases[value._place])
        case List(element=element):
            return f"[{', '.join(show_value(part, element) for part in value)}]"
        case Optional(element=element):
            return "none" if value is None else f"some({show_value(value, element)})"
    if type_ == STR:
        return f'"{str(value).translate(_ESCAPES)}"'
    if type_ == BYTES:
        return f'x"{value.hex() if isinstance(value, bytes) else value}"'
    return str(value).lower() if type_ == BOOL else str(value)


def counted(number: int, one: str, many: str | None = None) -> str:
    """`1 rule`, `2 rules`; `many` is the plural if it is not `one` and an s."""
    return f"{number} {one if number == 1 else many or f'{one}s'}"


def _parts(value: Any, record: Record) -> Sequence[Any]:
    if isinstance(value, Mapping):
        return [value[name] for name, _ in record.fields]
    parts: Sequence[Any] = value
    return parts
