"""A run as a page."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from draftlab.report.html import facts
from draftlab.report.html.assets import Assets
from draftlab.report.html.document import render
from draftlab.report.html.failures import failures
from draftlab.report.measure import ArmReport, DivergenceReport, Report
from draftlab.report.names import key_of, one_line, short_names
from draftlab.report.noise import noise_reach
from draftlab.report.plots.of_run import plots_of
from draftlab.report.reading import Run
from draftlab.report.verdict import identical_texts, verdict


@dataclass(frozen=True)
class _Row:
    """An arm on a category, with its names as the page shows them."""

    name: str
    category: str
    arm: ArmReport
    identical: str


@dataclass(frozen=True)
class _Parting:
    name: str
    found: DivergenceReport


def report_page(run: Run, report: Report, token_view: Assets | None = None) -> str:
    """The whole page; `token_view` shows texts token by token, where the run has them."""
    names = short_names(report.arms)
    rows = [_Row(names[key_of(a)], one_line(a.category), a, identical_texts(a)) for a in report.arms]
    partings = [_Parting(row.name, d) for row in rows if row.category == "all" for d in row.arm.divergences]
    plots = plots_of(run, report)
    return render(
        "page.html.j2",
        report.model_dump_json(by_alias=True),
        [token_view] if token_view else [],
        title=f"draftlab: {report.target}",
        run=run.folder,
        report=report,
        verdict=verdict(report),
        kinds=Counter(parting.found.kind for parting in partings),
        rows=rows,
        num_arms=len(names),
        first_plots=[plot for plot in plots if plot.name == "speedup"],
        plots=[plot for plot in plots if plot.name != "speedup"],
        partings=partings,
        failed=failures(run),
        reach=noise_reach(report.noise_floor),
        pair=facts.pair(run.manifest),
        machine=facts.machine(run.manifest),
        warnings=facts.warnings(run, report),
        how_measured=list(facts.how_measured(run, report)),
        configuration=facts.configuration(run.manifest),
        token_view=token_view,
    )
