"""clingo, whose grounder answers programs like ours without any search."""

from collections.abc import Collection, Mapping

import clingo

from benchmarks.job import Row, Workload
from benchmarks.rivals.driver import Batch, run, told_in


def prepare(workload: Workload) -> Batch:
    """A batch that grounds the rules over facts in text."""
    rules = told_in(workload, "clingo")

    def solve(facts: Mapping[str, Collection[Row]]) -> object:
        control = clingo.Control(["--warn=none"])
        control.add("base", [], rules)
        for name, rows in facts.items():
            text = "\n".join(f"{name}({','.join(map(str, row))})." for row in rows)
            control.add("base", [], text)
        control.ground([("base", [])])

        def answer() -> dict[str, Collection[Row]]:
            return {
                name: [
                    tuple(value.number for value in atom.symbol.arguments)
                    for atom in control.symbolic_atoms.by_signature(name, len(columns))
                ]
                for name, columns in workload.derived.items()
            }

        return answer

    return Batch(solve)


if __name__ == "__main__":
    run(prepare, is_batch=True)
