"""A sweep as a page."""

from __future__ import annotations

from draftlab.grid.heat_map import plots_of_grid
from draftlab.grid.measure import Best, GridReport
from draftlab.grid.terminal import heading, notes
from draftlab.report.html.document import render
from draftlab.report.names import one_line, short_drafter


def grid_page(report: GridReport) -> str:
    """The whole page."""
    return render(
        "grid.html.j2",
        report.model_dump_json(by_alias=True),
        [],
        title=f"draftlab: sweep {report.sweep}",
        run=report.sweep,
        report=report,
        sentence=grid_verdict(report),
        heading=[one_line(line) for line in heading(report)],
        notes=[one_line(line) for line in notes(report)],
        plots=plots_of_grid(report),
        short=short_drafter,
        token_view=None,
    )


def grid_verdict(report: GridReport) -> str:
    """In one sentence: for how many suites speculation pays, and with what best."""
    judged = [best for best in report.best if best.suite != "all"] or report.best
    paying = [best for best in judged if best.pays]
    if not judged:
        return "No cell has run yet."
    if not paying:
        return f"In none of {len(judged)} settings does speculation pay with its whole interval."
    top = max(paying, key=_gain)
    return (
        f"Speculation pays in {len(paying)} of {len(judged)} settings; the most, {_gain(top):.2f}x, is on "
        f"{one_line(top.suite)} with {one_line(short_drafter(top.best.drafter))} and draft length {top.best.gamma}."
    )


def _gain(best: Best) -> float:
    return best.best.walltime_speedup.value or 0.0
