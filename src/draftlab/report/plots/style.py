"""How every plot looks. The colours are those of Okabe and Ito (2008), which colour-blind people can tell apart.

Colour never stands alone: every series has a mark, a line and a hatch of its own as well.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Of the light page. A page replaces each by a variable of its own style, so none of them may be used for two things.
INK = "#1b1f24"
MUTED = "#59636e"
GRID = "#dde1e6"
PAPER = "#fefefe"
BAND = "#e9ecf0"
SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
MARKS = ("o", "s", "^", "D", "v", "P")
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)))
HATCHES = ("", "///", "\\\\\\", "|||", "xx", "--")
# From few to many, in one hue, by lightness.
STEPS = ("#d7dde4", "#b3cde0", "#86b0d3", "#5592c3", "#2a74ae", "#0b558c", "#083a63")
# Letters on the first steps, and on the others.
ON_FEW, ON_MANY = "#101418", "#fdfdfd"
FIRST_STEPS = 4

WIDTH = 4.9  # inches; a column of a page
_SETTINGS: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 8.5,
    "axes.titlesize": 8.5,
    "axes.labelsize": 8.5,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "text.color": INK,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": MUTED,
    "axes.facecolor": "none",
    "figure.facecolor": PAPER,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "hatch.linewidth": 0.6,
    "lines.linewidth": 1.6,
    "lines.markersize": 5.5,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "text.parse_math": False,  # a name with two dollar signs is no formula
    "svg.fonttype": "none",
    "svg.hashsalt": "draftlab",
    "svg.image_inline": True,
}

P = ParamSpec("P")
R = TypeVar("R")


@contextmanager
def settings() -> Iterator[None]:
    """Within it, matplotlib draws as we want, whatever the user's own configuration says."""
    with matplotlib.rc_context(), warnings.catch_warnings():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_SETTINGS)
        warnings.filterwarnings("ignore", message="Glyph .* missing from")  # in a name; a browser has more letters
        yield


def styled(draw: Callable[P, R]) -> Callable[P, R]:
    """A function that draws with our settings."""

    @wraps(draw)
    def drawn(*arguments: P.args, **options: P.kwargs) -> R:
        with settings():
            return draw(*arguments, **options)

    return drawn


@dataclass(frozen=True)
class Look:
    """How one series looks."""

    color: str
    mark: str
    line: Any
    hatch: str


def look(index: int) -> Look:
    """Of the series at this place; beyond the number of colours the marks and lines shift against them."""
    shift = index + index // len(SERIES)
    return Look(
        SERIES[index % len(SERIES)],
        MARKS[shift % len(MARKS)],
        LINES[shift % len(LINES)],
        HATCHES[shift % len(HATCHES)],
    )


def new_figure(height: float, *, width: float = WIDTH) -> tuple[Figure, Axes]:
    """A figure with one pair of axes; sizes in inches."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def legend_below(figure: Figure, axes: Axes, *, columns: int = 2, handles: Sequence[Any] | None = None) -> None:
    """A legend where it covers nothing."""
    found, labels = (handles, [h.get_label() for h in handles]) if handles else axes.get_legend_handles_labels()
    if found:
        longest = max(len(str(label)) for label in labels)
        figure.legend(found, labels, loc="outside lower left", ncols=columns if longest < 34 else 1)


def legend_label(name: str) -> str:
    """`name` such that a legend shows it: matplotlib takes a first underscore for "leave this out"."""
    return f"\u200b{name}" if name.startswith("_") else name


def whiskers(value: float, low: float | None, high: float | None) -> list[list[float]]:
    """An interval as matplotlib wants it: how far it reaches below and above; nothing where there is none."""
    return [[max(0.0, value - low)], [max(0.0, high - value)]] if low is not None and high is not None else [[0], [0]]
