"""Python code that runs in the middle of a read or a write, and uses the engine itself."""

import gc
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

import nlog

TEXT = """
record pair(left: str, right: int)
input table item(value: pair, name: str)
output table copy(value: pair, name: str)
copy(value, name) :- item(value, name).
"""
COUNT = 300


class Emptying(Mapping[str, Any]):
    """A record that empties the row it stands in as soon as it is looked at."""

    def __init__(self, row: list[Any]) -> None:
        self._row = row

    def __len__(self) -> int:
        self._row.clear()
        return 2

    def __iter__(self) -> Iterator[str]:
        return iter(("left", "right"))

    def __getitem__(self, name: str) -> Any:
        return {"left": "a", "right": 1}[name]


class Replacing:
    """Garbage that, when it is collected, exchanges all rows of an engine for others."""

    def __init__(self, engine: nlog.Engine) -> None:
        self._engine = engine
        self._itself = self

    def __del__(self) -> None:
        with self._engine.transaction() as tx:
            tx.delete_many("item", rows("old"))
        with self._engine.transaction() as tx:
            tx.insert_many("item", rows("new"))


def rows(kind: str) -> list[tuple[tuple[str, int], str]]:
    return [((f"{kind}{number}", number), f"{kind}-{number}") for number in range(COUNT)]


@pytest.fixture
def engine() -> nlog.Engine:
    engine = nlog.Engine(nlog.parse(TEXT))
    with engine.transaction() as tx:
        tx.insert_many("item", rows("old"))
    return engine


def test_a_row_that_changes_while_it_is_read_is_taken_as_it_was(engine: nlog.Engine):
    row: list[Any] = []
    row += [Emptying(row), "last"]
    with engine.transaction() as tx:
        tx.insert("item", row)
    assert row == []
    assert (("a", 1), "last") in engine["copy"]


@pytest.mark.parametrize("table", ["item", "copy"])
def test_a_read_shows_one_commit_though_another_happens_within_it(engine: nlog.Engine, table: str):
    for threshold in range(1, 400, 40):
        before = set(engine[table])
        thresholds = gc.get_threshold()
        gc.disable()
        try:
            gc.collect()  # which also gives back the tuples in stock, whose use is not counted
            Replacing(engine)
            gc.set_threshold(threshold, 1, 1)
            gc.enable()
            found = list(engine[table])
        finally:
            gc.set_threshold(*thresholds)
            gc.enable()
        gc.collect()
        assert len(found) == COUNT
        assert set(found) in (before, set(engine[table]))
        with engine.transaction() as tx:
            tx.delete_many("item", rows("new"))
            tx.insert_many("item", rows("old"))
