"""What every rival is asked, the same for all: facts, rules, a script of commits; and the answers.

A `Workload` is made from a seed. `write` puts its facts and its script into a folder, from which
each rival reads them in a process of its own: `facts.bin` holds, for each input table in order, the
number of columns (32 bits), of rows (64 bits) and the rows in 32-bit values; `script.txt` has lines
`commit KIND`, `+ TABLE VALUE …` and `- TABLE VALUE …`, a table by its number.

An answer is a JSON object. `full_s`: from the facts in memory to all derived tables; `commits`:
`kind`, `us` and `changed` (rows of output tables that came or went) of each; `full_bytes` and
`bytes`: the most memory up to then; `full` and `end`: what the derived tables held, as their `rows`
and a `sum` over them that knows no order. Or else `cannot`: why there is no answer.
"""

from array import array
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

from attrs import field, frozen

Row = tuple[int, ...]


@frozen
class Change:
    """A row of an input table that comes or goes."""

    table: str
    row: Row
    inserted: bool


@frozen
class Commit:
    """Changes that happen together, and what kind of thing that is to whoever asked for it."""

    kind: str
    changes: tuple[Change, ...]


@frozen
class Workload:
    """Rules in the words of each rival, facts, and commits.

    `tables` gives the columns of input tables, `derived` those of all others; rivals whose language
    lacks something have no entry in `words`, or one that says so.
    """

    name: str
    rules: str
    tables: Mapping[str, tuple[str, ...]]
    derived: Mapping[str, tuple[str, ...]]
    facts: Mapping[str, Sequence[Row]]
    commits: Sequence[Commit]
    outputs: frozenset[str]
    words: Mapping[str, str] = field(factory=dict)

    @property
    def source(self) -> str:
        """The program in nlog."""
        lines = []
        for name, columns in self.tables.items():
            lines.append(f"input table {name}({_typed(columns)})")
        for name, columns in self.derived.items():
            kind = "output table" if name in self.outputs else "table"
            lines.append(f"{kind} {name}({_typed(columns)})")
        return "\n".join(lines) + "\n" + self.rules


def _typed(columns: Iterable[str]) -> str:
    return ", ".join(f"{column}: int" for column in columns)


def write(workload: Workload, folder: Path) -> None:
    """Writes the two files of a job."""
    numbers = {name: number for number, name in enumerate(workload.tables)}
    with (folder / "facts.bin").open("wb") as file:
        for name, columns in workload.tables.items():
            rows = workload.facts[name]
            file.write(array("I", [len(columns)]).tobytes() + array("Q", [len(rows)]).tobytes())
            array("I", (value for row in rows for value in row)).tofile(file)
    with (folder / "script.txt").open("w", encoding="utf-8") as script:
        for commit in workload.commits:
            script.write(f"commit {commit.kind}\n")
            for change in commit.changes:
                values = " ".join(map(str, change.row))
                script.write(
                    f"{'+' if change.inserted else '-'} {numbers[change.table]} {values}\n"
                )


@frozen
class Facts:
    """The rows of one input table, as a flat array of `columns` values for each."""

    columns: int
    values: "array[int]"

    def rows(self) -> Iterator[Row]:
        """The rows, made as they are asked for."""
        return zip(*self.by_column(), strict=True)

    def by_column(self) -> "list[array[int]]":
        """The same, an array for each column."""
        return [self.values[at :: self.columns] for at in range(self.columns)]


def read_facts(path: Path, tables: Iterable[str]) -> dict[str, Facts]:
    """The facts of a job by table."""
    facts = {}
    with path.open("rb") as file:
        for name in tables:
            columns = array("I", file.read(4))[0]
            rows = array("Q", file.read(8))[0]
            values = array("I")
            values.fromfile(file, rows * columns)
            facts[name] = Facts(columns, values)
    return facts


def read_script(path: Path, tables: Iterable[str]) -> list[Commit]:
    """The commits of a job."""
    names = list(tables)
    commits: list[tuple[str, list[Change]]] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        sign, *words = line.split()
        if sign == "commit":
            commits.append((words[0], []))
        else:
            table, *row = map(int, words)
            commits[-1][1].append(Change(names[table], tuple(row), inserted=sign == "+"))
    return [Commit(kind, tuple(changes)) for kind, changes in commits]


_FACTOR = 0xFF51AFD7ED558CCD
_ROWS_AT_ONCE = 200_000


def row_sum(rows: Iterable[Sequence[int]]) -> str:
    """A sum over rows in any order, as the floor computes it (`Tables::row_sum`)."""
    # Only here, since it would count as memory of every rival.
    import numpy  # noqa: PLC0415 as said

    total = 0
    left = iter(rows)
    while some := list(islice(left, _ROWS_AT_ONCE)):
        columns = numpy.array(some, dtype=numpy.uint64).T
        value = numpy.full(len(some), len(columns), dtype=numpy.uint64)
        for column in columns:
            value = (value ^ column) * numpy.uint64(_FACTOR)
            value ^= value >> numpy.uint64(32)
        total += int(value.sum())
    return f"{total & (1 << 64) - 1:016x}"


def tables_answer(tables: Mapping[str, Collection[Row]]) -> dict[str, dict[str, int | str]]:
    """What tables hold, as it stands in an answer."""
    return {name: {"rows": len(rows), "sum": row_sum(rows)} for name, rows in tables.items()}


def bytes_max() -> int:
    """The most memory that this process has had, without what its parent had before."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("/proc/self/status has no VmHWM")
