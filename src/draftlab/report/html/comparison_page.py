"""A comparison of runs as a page."""

from __future__ import annotations

from collections.abc import Iterable

from draftlab.records import RunManifest
from draftlab.report.compare import ArmComparison, Comparison
from draftlab.report.html import facts
from draftlab.report.html.document import render
from draftlab.report.names import one_line
from draftlab.report.plots.of_comparison import entry_names, plots_of_comparison
from draftlab.stats import MIN_PROMPTS


def comparison_page(comparison: Comparison, manifest: RunManifest) -> str:
    """The whole page; the manifest is the reference's."""
    reference = comparison.reference
    return render(
        "compare.html.j2",
        comparison.model_dump_json(by_alias=True),
        [],
        title=f"draftlab: {reference.run} compared",
        run=reference.run,
        comparison=comparison,
        sentence=comparison_verdict(comparison.arms),
        entries=list(zip(entry_names(comparison), comparison.arms, strict=True)),
        plots=plots_of_comparison(comparison),
        pair=facts.pair(manifest),
        machine=facts.machine(manifest),
        min_prompts=MIN_PROMPTS,
        token_view=None,
    )


def comparison_verdict(arms: Iterable[ArmComparison]) -> str:
    """In one sentence: how many arms became faster or slower, over all prompts, and whether texts are the same."""
    whole = [entry for entry in arms if entry.category == "all"]
    if len(whole) == 1:
        entry = whole[0]
        ratio = entry.walltime_speedup_ratio.value
        factor = "" if ratio is None else f": {ratio:.2f} times the speed-up before"
        parts = [f"{one_line(entry.verdict)}{factor}"]
    else:
        kinds = list(dict.fromkeys(entry.verdict for entry in whole))
        parts = [f"{sum(e.verdict == kind for e in whole)} of {len(whole)} arms: {kind}" for kind in kinds]
    same, compared = sum(e.same_texts for e in whole), sum(e.same_texts_compared for e in whole)
    if compared:
        parts.append(f"{same} of {compared} texts are the same as before")
    sentence = "; ".join(parts)
    return f"{sentence[:1].upper()}{sentence[1:]}."
