"""What was measured, drawn: for each contest a picture of bars, on logarithmic scales."""

from pathlib import Path

from matplotlib import pyplot

from benchmarks.contest import Contest


def draw(contest: Contest, folder: Path) -> Path:
    """Writes the picture of one contest: full evaluation, memory, and commits by kind."""
    folder.mkdir(parents=True, exist_ok=True)
    results = {name: result for name, result in contest.results.items() if result.answers}
    names = list(results)
    figure, (full, memory, commits) = pyplot.subplots(1, 3, figsize=(14, 4))
    full.bar(names, [result.full_s for result in results.values()])
    full.set_title("full evaluation, s")
    memory.bar(names, [result.full_bytes / 1e6 for result in results.values()])
    memory.set_title("memory, MB")
    for name, result in results.items():
        kinds = result.kinds()
        commits.plot(list(kinds), [kind.us for kind in kinds.values()], "o", label=name)
    commits.set_title("a commit, µs (median)")
    commits.tick_params(axis="x", rotation=30)
    for axes in (full, memory, commits):
        axes.set_yscale("log")
    commits.legend()
    figure.suptitle(f"{contest.workload}, scale {contest.scale:g}, {contest.derived:,} rows")
    figure.tight_layout()
    path = folder / f"{contest.workload}-{contest.scale:g}.png"
    figure.savefig(path)
    pyplot.close(figure)
    return path
