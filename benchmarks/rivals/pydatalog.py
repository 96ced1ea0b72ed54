"""pyDatalog, asked for each derived table in turn."""

from collections.abc import Collection, Mapping

from pyDatalog import pyDatalog

from benchmarks.job import Row, Workload
from benchmarks.rivals.driver import Batch, run, told_in


def prepare(workload: Workload) -> Batch:
    """A batch that tells pyDatalog facts and rules, and asks."""
    rules = told_in(workload, "pydatalog")

    def solve(facts: Mapping[str, Collection[Row]]) -> object:
        pyDatalog.clear()
        told = []
        for name, columns in workload.tables.items():
            nothing = ", ".join("-1" for _ in columns)
            told += [f"+ {name}({nothing})", f"- {name}({nothing})"]
        pyDatalog.load("\n".join(told))
        for name, rows in facts.items():
            for row in rows:
                pyDatalog.assert_fact(name, *row)
        pyDatalog.load(rules)
        found = {name: _ask(name, len(columns)) for name, columns in workload.derived.items()}
        return lambda: found

    return Batch(solve)


def _ask(table: str, columns: int) -> list[Row]:
    goal = ", ".join(f"X{place}" for place in range(columns))
    answer = pyDatalog.ask(f"{table}({goal})")
    return [tuple(map(int, row)) for row in answer.answers] if answer else []


if __name__ == "__main__":
    run(prepare, is_batch=True)
