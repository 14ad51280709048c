"""Time per token of every prompt, plainly and drafted: the pairs that the speed-up is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from draftlab.metrics import count
from draftlab.records import Arm
from draftlab.report.names import key_of, one_line, short_names
from draftlab.report.plots.plot import Plot
from draftlab.report.plots.style import INK, MUTED, WIDTH, legend_below, legend_label, look, styled
from draftlab.report.reading import Run

_COLUMNS = ("prompt", "category", "plain_ms_per_token", "drafted_ms_per_token", "speedup")


@dataclass(frozen=True)
class PairedTime:
    """One prompt, in milliseconds of decoding for each new token."""

    prompt_id: str
    category: str
    plain_ms: float
    drafted_ms: float

    @property
    def speedup(self) -> float:
        """How many times as fast the drafted decode was."""
        return self.plain_ms / self.drafted_ms


def paired_times(run: Run, arm: Arm) -> list[PairedTime]:
    """Every prompt that has times on both sides, over all its repetitions."""
    category = {prompt.id: prompt.category for prompt in run.manifest.prompts}
    found = []
    for name, pairs in run.pairs(arm).by_prompt.items():
        plain, drafted = count(ours for ours, _ in pairs), count(theirs for _, theirs in pairs)
        if plain.tokens and drafted.tokens and plain.decode_ns and drafted.decode_ns:
            ours, theirs = plain.decode_ns / plain.tokens / 1e6, drafted.decode_ns / drafted.tokens / 1e6
            found.append(PairedTime(one_line(name), one_line(category.get(name, "")), ours, theirs))
    return found


def plot_paired_times(run: Run, arm: Arm) -> Plot | None:
    """None where no prompt was decoded both plainly and by this arm."""
    points = paired_times(run, arm)
    if not points:
        return None
    name = short_names(run.arms("drafted"))[key_of(arm)]
    rows = [(p.prompt_id, p.category, p.plain_ms, p.drafted_ms, p.speedup) for p in points]
    title = f"Time per token of each prompt, plain against {name}"
    return Plot("paired-times", title, caption(points), _COLUMNS, rows, draw_paired_times(points))


def caption(points: Sequence[PairedTime]) -> str:
    """How many prompts gained, and the range of gains."""
    gained = sum(point.speedup > 1 for point in points)
    least, most = min(points, key=lambda p: p.speedup), max(points, key=lambda p: p.speedup)
    return (
        f"{gained} of {len(points)} prompts lie below the line of equal times, so they are faster with the draft; from "
        f"{least.speedup:.2f}x ({least.prompt_id}) to {most.speedup:.2f}x ({most.prompt_id})."
    )


@styled
def draw_paired_times(points: Sequence[PairedTime]) -> Figure:
    """Both times on logarithmic axes of one scale, with the lines of 1x and 2x."""
    figure = Figure(figsize=(WIDTH, 3.6), layout="constrained")
    axes = figure.add_subplot()
    for index, category in enumerate(dict.fromkeys(point.category for point in points)):
        mine = [point for point in points if point.category == category]
        how = look(index)
        xs, ys = [point.plain_ms for point in mine], [point.drafted_ms for point in mine]
        axes.plot(
            xs,
            ys,
            how.mark,
            color=how.color,
            label=legend_label(category),
            markersize=4.5,
            alpha=0.85,
            markeredgewidth=0,
        )
    everything = [x for point in points for x in (point.plain_ms, point.drafted_ms)]
    low, high = min(everything) / 1.25, max(everything) * 1.25
    axes.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low, high), aspect="equal")
    _diagonals(axes, low, high)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_formatter(NullFormatter())
    axes.grid()
    axes.set_xlabel("time per token, plain (ms)")
    axes.set_ylabel("time per token, drafted (ms)")
    legend_below(figure, axes, columns=3)
    return figure


def _diagonals(axes: Axes, low: float, high: float) -> None:
    for factor, line in ((1, (0, (4, 2))), (2, (0, (1, 2)))):
        axes.plot([low, high], [low / factor, high / factor], color=INK, linewidth=0.9, linestyle=line)
        axes.annotate(
            f"{factor}x",
            (high, high / factor),  # beyond the edge, where no point can cover it
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=7.5,
            color=MUTED,
            annotation_clip=False,
        )
