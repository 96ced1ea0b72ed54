"""The command `python -m benchmarks`: contests, tables, and a file of figures.

Ctrl-C ends it at once, and what was measured until then is still printed and written.
"""

import json
import platform
import sys
from pathlib import Path

import click
from rich.console import Console

from benchmarks import contest, figures, sizes
from benchmarks.contest import Contest, DisagreementError, Terms
from benchmarks.sizes import Entry
from benchmarks.workloads import WORKLOADS


def _split(spec: str, scale: float) -> tuple[str, float]:
    name, _, size = spec.partition("@")
    if name not in WORKLOADS:
        raise click.BadParameter(f"there is no workload {name}; there are {', '.join(WORKLOADS)}")
    try:
        return name, float(size) if size else scale
    except ValueError:
        raise click.BadParameter(f"{size} is no scale; write {name}@0.1") from None


@click.command()
@click.argument("specs", metavar="[WORKLOAD[@SCALE]]...", nargs=-1)
@click.option("--scale", default=1.0, show_default=True, help="Size, where a workload names none.")
@click.option("--rivals", default=",".join(contest.RIVALS), show_default=True)
@click.option("--rounds", default=3, show_default=True, help="Turns of each rival.")
@click.option("--operations", default=500, show_default=True, help="Commits of each kind.")
@click.option("--seed", default=1, show_default=True)
@click.option("--limit", default=600.0, show_default=True, help="Seconds for one turn.")
@click.option(
    "--patience",
    default=60.0,
    show_default=True,
    help="Seconds after which a rival has no more turns in a contest.",
)
@click.option(
    "--one-size",
    is_flag=True,
    help="Every rival at the size asked for, also those that are known not to finish it.",
)
@click.option("--json", "file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--plots", "folder", type=click.Path(file_okay=False, path_type=Path))
def main(
    specs: tuple[str, ...],
    scale: float,
    rivals: str,
    rounds: int,
    operations: int,
    seed: int,
    limit: float,
    patience: float,
    one_size: bool,
    file: Path | None,
    folder: Path | None,
) -> None:
    """Measures nlog beside its rivals, on WORKLOADs (all of them if none is named)."""
    names = rivals.split(",")
    if unknown := [name for name in names if name not in contest.RIVALS]:
        known = ", ".join(contest.RIVALS)
        raise click.BadParameter(f"there is no rival {unknown[0]}; there are {known}")
    chosen = [_split(spec, scale) for spec in specs or WORKLOADS]
    terms = Terms(rounds, operations, seed, limit, patience)
    entries = [
        entry
        for name, size in chosen
        for entry in (
            [Entry(name, size, tuple(names))] if one_size else sizes.entries(name, size, names)
        )
    ]
    console = Console(width=None if sys.stdout.isatty() else 120)
    contests: list[Contest] = []
    trouble = ""
    try:
        for entry in entries:
            with console.status("") as status:
                contest.hold(entry, terms, status.update, contests.append)
            figures.show(contests[-1], console)
    except KeyboardInterrupt:
        trouble = "interrupted: what follows was measured until then"
        console.print(trouble)
        if contests:
            figures.show(contests[-1], console)
    except DisagreementError as error:
        trouble = f"the rivals disagree: {error}"
    if file is not None:
        machine = {"python": platform.python_version(), "machine": platform.machine()}
        whole = {"machine": machine, "seed": seed, "contests": [one.as_json() for one in contests]}
        file.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
    if folder is not None:
        # Only whoever asks for pictures needs what draws them.
        from benchmarks import plots  # noqa: PLC0415 matplotlib is not among the test requirements

        for one in contests:
            plots.draw(one, folder)
        console.print(f"drawn: {folder}/*.png, all together in {plots.draw_all(contests, folder)}")
    if trouble:
        raise click.ClickException(trouble)


if __name__ == "__main__":
    main()
