"""What was measured, as tables on a terminal."""

from rich.console import Console
from rich.table import Table

from benchmarks.contest import Contest

MB = 1e6


def show(contest: Contest, console: Console) -> None:
    """Prints a contest: the full evaluation by rival, then commits by kind."""
    title = f"{contest.workload}, scale {contest.scale:g}: {contest.facts:,} facts"
    table = Table(
        "", "full", "× floor", "MB", "× floor", title=f"{title}, {contest.derived:,} rows"
    )
    floor = contest.results.get("floor")
    for name, result in contest.results.items():
        if result.cannot is not None:
            table.add_row(name, result.cannot)
        elif result.answers:
            ratio = contest.ratio(name)
            memory = floor.full_bytes if floor is not None and floor.answers else 0
            table.add_row(
                name,
                f"{result.full_s:.3f} s",
                f"{ratio:.2f}" if ratio else "-",
                f"{result.full_bytes / MB:,.0f}",
                f"{result.full_bytes / memory:.2f}" if memory else "-",
            )
    console.print(table)
    show_commits(contest, console)


def show_commits(contest: Contest, console: Console) -> None:
    """Prints a line for each kind of commit."""
    changing = {n: r for n, r in contest.results.items() if r.timed and r.timed[0]["commits"]}
    if not changing:
        return
    table = Table("a commit (median)", "rows changed", title=contest.workload)
    for name in changing:
        table.add_column(name, justify="right", no_wrap=True)
        if name != "floor":
            table.add_column("full / it", justify="right", no_wrap=True)
    kinds = {name: result.kinds() for name, result in changing.items()}
    for kind, first in next(iter(kinds.values())).items():
        cells = [kind, f"{first.changed:,.0f}"]
        floor = kinds.get("floor", {}).get(kind)
        for name, result in changing.items():
            one = kinds[name][kind]
            told = f"{one.us:,.1f} µs"
            if name == "floor":
                cells.append(told)
                continue
            cells.append(f"{told}  {one.us / floor.us:,.1f} ×" if floor else told)
            cells.append(f"{result.full_s / one.us * 1e6:,.0f}")
        table.add_row(*cells)
    console.print(table)
