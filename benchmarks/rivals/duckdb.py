"""DuckDB in memory, on all cores: a table by a query for each derived table."""

from collections.abc import Collection, Mapping

import duckdb
import numpy

from benchmarks.job import Row, Workload
from benchmarks.rivals.driver import Batch, run, told_in


def prepare(workload: Workload) -> Batch:
    """A batch that loads columns and runs the queries one after the other."""
    queries = told_in(workload, "sql").strip().removesuffix(";").split(";")

    def solve(facts: Mapping[str, Collection[Row]]) -> object:
        connection = duckdb.connect()
        for name, columns in workload.tables.items():
            values = numpy.array(list(facts[name]), dtype=numpy.int32).reshape(-1, len(columns))
            given = {column: values[:, at].copy() for at, column in enumerate(columns)}
            connection.register("given", given)
            connection.execute(f"CREATE TABLE {name} AS SELECT * FROM given")
            connection.unregister("given")
        for query in queries:
            connection.execute(query)

        def answer() -> dict[str, Collection[Row]]:
            return {
                name: connection.execute(f"SELECT {', '.join(columns)} FROM {name}").fetchall()
                for name, columns in workload.derived.items()
            }

        return answer

    return Batch(solve)


if __name__ == "__main__":
    run(prepare, is_batch=True)
