"""Facts files: input rows as JSON, for the command `nlog`.

A file is an object that gives each input table its rows. A row is a list of values in the order of
the columns, or an object that names every column:

    {"edge": [["a", "b"], {"src": "b", "dst": "c"}]}

`read_facts` reads a file and `insert_facts` writes what it read in one transaction. What is wrong
is a ValueError that names the file and, where there is one, the table and the row, counted from 1.
A key that stands twice in an object is refused, since one of its values would be lost.
Cost: linear in the file, all of which is held in memory.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from nlog.diagnostics import TransactionError, suggest
from nlog.runtime import Engine

Facts = dict[str, list[Any]]


def read_facts(path: Path) -> Facts:
    """The rows by table, as they stand in the file. ValueError if it is no facts file."""
    try:
        facts = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_object)
    except UnicodeDecodeError:
        raise ValueError(f"{path}: it is not UTF-8 text") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}: not JSON: {error}") from None
    except RecursionError:
        raise ValueError(f"{path}: it is nested too deeply to be read") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    if not isinstance(facts, dict) or not all(isinstance(rows, list) for rows in facts.values()):
        raise ValueError(f'{path}: facts are an object of lists, such as {{"edge": [["a", "b"]]}}')
    return facts


def insert_facts(engine: Engine, facts: Facts, path: Path) -> None:
    """Insert what was read from `path`, all of it or, with a ValueError, nothing."""
    with engine.transaction() as tx:
        for table, written in facts.items():
            rows = _Rows(engine, table, written)
            try:
                tx.insert_many(table, rows)
            except (TransactionError, ValueError) as error:
                where = f"{path}: `{table}`, row {rows.place}" if rows.place else str(path)
                raise ValueError(f"{where}: {error}") from None


class _Rows:
    """The rows of one table in the order of its columns; `place` is that of the last one read."""

    def __init__(self, engine: Engine, table: str, written: list[Any]) -> None:
        self._engine = engine
        self._table = table
        self._written = written
        self.place = 0

    def __iter__(self) -> Iterator[Any]:
        columns = self._engine[self._table].columns
        for place, row in enumerate(self._written, 1):
            self.place = place
            yield _by_column(columns, row) if isinstance(row, dict) else row


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"`{key}` stands twice in one object: put all under one `{key}`")
        found[key] = value
    return found


def _by_column(columns: Sequence[str], row: dict[str, Any]) -> list[Any]:
    """The values of a row that names its columns, in their order."""
    for name in row:
        if name not in columns:
            raise ValueError("; ".join([f"there is no column `{name}`", *suggest(name, columns)]))
    missing = [f"`{column}`" for column in columns if column not in row]
    if missing:
        raise ValueError(f"a row names every column: {', '.join(missing)} is missing")
    return [row[column] for column in columns]
