"""What was measured, drawn: a picture for each contest, and one of all.

A rival has one colour everywhere. Scales are logarithmic, since what is compared spans five orders
of magnitude; so things are dots on lines and not bars, whose length would mean nothing, and each
has its figure beside it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib import pyplot
from matplotlib.axes import Axes

from benchmarks.contest import RIVALS, Contest, Result

COLOURS = dict(
    zip(
        RIVALS,
        ("#7f7f7f", "#d62728", "#ff7f0e", "#9467bd", "#1f77b4", "#2ca02c"),
        strict=True,
    )
)
BELOW = ("engine", "clingo", "pydatalog")  # whose figures stand below their dots
ROOM = 1.35  # right of the last dot, for its figure
LINE, HEAD = 0.4, 1.3  # inches


def draw(contest: Contest, folder: Path) -> Path:
    """Writes the picture of one contest: full evaluation, memory, and commits by kind."""
    folder.mkdir(parents=True, exist_ok=True)
    results = {name: result for name, result in contest.results.items() if result.answers}
    kinds = {name: result.kinds() for name, result in results.items()}
    kinds = {name: some for name, some in kinds.items() if some}
    lines = max(len(results), len(next(iter(kinds.values()), ())), 3)
    figure, (full, memory, commits) = pyplot.subplots(
        1, 3, figsize=(15, HEAD + LINE * lines), width_ratios=(1, 1, 1.5)
    )
    _dots(full, results, {name: one.full_s for name, one in results.items()}, "{:.3g} s")
    full.set_title("from nothing")
    _dots(memory, results, {name: one.full_bytes / 1e6 for name, one in results.items()}, "{:,.0f}")
    memory.set_title("most memory until then, MB")
    for name, some in kinds.items():
        figures = [kind.us for kind in some.values()]
        commits.plot(figures, list(some), "o", color=COLOURS[name], label=name, markersize=8)
        _widen(commits, figures)
    commits.set_title("a commit (median), µs")
    commits.invert_yaxis()
    if kinds:
        commits.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    else:
        commits.set_axis_off()
    figure.suptitle(
        f"{contest.workload} at {contest.scale:g}: "
        f"{contest.facts:,} facts, {contest.derived:,} derived rows",
        fontweight="bold",
    )
    return _saved(figure, folder / f"{contest.workload}-{contest.scale:g}.png")


def draw_all(contests: Sequence[Contest], folder: Path) -> Path:
    """Writes the picture of all contests: how many times the floor's time each rival takes."""
    folder.mkdir(parents=True, exist_ok=True)
    shown = [one for one in contests if any(one.ratio(name) for name in one.results)]
    figure, axes = pyplot.subplots(figsize=(11, HEAD + LINE * max(len(shown), 3)))
    labels = [f"{one.workload} at {one.scale:g}" for one in shown]
    for name in RIVALS:
        ratios = [(one.ratio(name), label) for one, label in zip(shown, labels, strict=True)]
        told = [(ratio, label) for ratio, label in ratios if ratio is not None]
        if told:
            axes.plot(*zip(*told, strict=True), "o", color=COLOURS[name], label=name, markersize=9)
            for ratio, label in told if name != "floor" else ():
                axes.annotate(
                    f"{ratio:.2g}" if ratio < 10 else f"{ratio:,.0f}",
                    (ratio, label),
                    xytext=(0, -14 if name in BELOW else 8),
                    textcoords="offset points",
                    ha="center",
                    fontsize="x-small",
                    color=COLOURS[name],
                )
            _widen(axes, [ratio for ratio, _ in told])
    axes.set_ylim(len(shown) - 0.3, -0.9)
    axes.set_title("full evaluation, × the hand-written floor", fontweight="bold")
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    return _saved(figure, folder / "all.png")


def _dots(
    axes: Axes, results: Mapping[str, Result], figures: Mapping[str, float], text: str
) -> None:
    floor = figures.get("floor")
    for name in results:
        told = text.format(figures[name])
        if floor and name != "floor":
            told += f"   {figures[name] / floor:,.3g} ×"
        axes.plot([figures[name]], [name], "o", color=COLOURS[name], markersize=9)
        axes.annotate(
            told,
            (figures[name], name),
            xytext=(9, 0),
            textcoords="offset points",
            va="center",
            fontsize="small",
        )
    axes.invert_yaxis()
    _widen(axes, list(figures.values()), room=12)


def _widen(axes: Axes, figures: Sequence[float], room: float = ROOM) -> None:
    axes.set_xscale("log")
    axes.grid(axis="both", alpha=0.3)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    if figures:
        left, right = min(figures) / ROOM, max(figures) * room
        if axes.dataLim.x0 < axes.dataLim.x1:
            left, right = min(left, axes.dataLim.x0 / ROOM), max(right, axes.dataLim.x1 * room)
        axes.set_xlim(left, right)


def _saved(figure: pyplot.Figure, path: Path) -> Path:
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
    return path
