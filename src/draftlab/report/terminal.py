"""A run's figures as a table for the terminal."""

from __future__ import annotations

from collections import Counter
from itertools import groupby

from rich.console import Console
from rich.table import Table
from rich.text import Text

from draftlab.records import RunManifest, Trace
from draftlab.report.cost_lines import cost_lines
from draftlab.report.figure import figure
from draftlab.report.measure import ArmReport, Report, measure
from draftlab.report.names import key_of, title_of
from draftlab.report.narrow import Column, Row, figures, fitting
from draftlab.report.notes import machine_notes, within_noise
from draftlab.report.printable import printable, printable_line
from draftlab.report.servers import server_lines
from draftlab.report.small_plots import MIN_WIDTH, print_plots
from draftlab.report.why_words import why_sentences
from draftlab.spec import Sampling
from draftlab.stats import MIN_PROMPTS
from draftlab.store import Store

_MOST_FAILURES = 5
_WIDTH = 100  # columns, where the output is no terminal


def print_report(store: Store, *, plots: bool | None = False) -> Report:
    """Print what a run found, and return it; `plots` None: where a terminal is wide enough for them."""
    console = open_console()
    manifest = store.manifest()
    report = measure(store)
    console.print(_heading(manifest, report))
    for _, group in groupby(report.arms, key=key_of):
        rows = list(group)
        console.print()
        console.print(_title(rows[0]))
        console.print(_table(rows, console.width))
        if note := within_noise(rows):
            console.print(Text(printable(note), style="dim"))
        for line in cost_lines(rows):
            console.print(Text(printable(line), style="dim"))
    console.print()
    if plots if plots is not None else console.is_terminal and console.width >= MIN_WIDTH:
        print_plots(console, report, manifest, list(store.traces()))
        console.print()
    _print_notes(console, store, manifest, report)
    return report


def open_console() -> Console:
    """Standard output; wide enough for the tables where it is no terminal."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=max(console.width, _WIDTH))


def what_was_decoded(manifest: RunManifest, repetitions: int | None = None) -> str:
    """The target, how it was sampled, and the prompts, in one line; `repetitions` where other than planned."""
    return (
        f"{target_and_place(manifest)}, {how_sampled(manifest.sampling)}; "
        f"{len(manifest.prompts)} prompts of {', '.join(manifest.suites)}, "
        f"repetitions: {repetitions or manifest.repetitions}"
    )


def target_and_place(manifest: RunManifest) -> str:
    """What decoded plainly, and where."""
    target = manifest.target
    if target.get("kind") == "server":
        return f"{target['source']}, served at {target['url']}"
    device = target.get("device")
    place = ", ".join(dict.fromkeys(device)) if isinstance(device, list) else device
    if parts := target.get("tensor_parallel"):
        place = f"{place}, in {parts} parts"
    return f"{target.get('source')}, {target.get('dtype')} on {place}"


def how_sampled(sampling: Sampling) -> str:
    """The settings that do something, in words."""
    how = "greedy" if sampling.temperature == 0.0 else f"temperature {sampling.temperature:g}"
    extras = [f"top-k {sampling.top_k}"] if sampling.temperature and sampling.top_k else []
    extras += [f"top-p {sampling.top_p:g}"] if sampling.temperature and sampling.top_p < 1 else []
    extras += [f"min-p {sampling.min_p:g}"] if sampling.temperature and sampling.min_p else []
    extras += [f"repetition penalty {sampling.repetition_penalty:g}"] if sampling.repetition_penalty != 1 else []
    return ", ".join([how, *extras])


def _heading(manifest: RunManifest, report: Report) -> Text:
    line = what_was_decoded(manifest, report.precision.repetitions if report.precision else None)
    if report.exact_rows:
        line += (
            f"\nexact mode: every pass of the target has {report.exact_rows} rows, plain decoding's too, which makes "
            "it slower than plain decoding elsewhere"
        )
    plain = report.baseline.tokens_per_s
    who = "the server" if report.servers and not report.arms else "plain decoding"
    return Text(printable(f"{line}\n{who}: {figure(plain, '.1f')} tokens/s"))


def _title(arm: ArmReport) -> Text:
    title = Text(printable_line(title_of(arm)), style="bold")
    if not arm.lossless:
        title.append(" (lossy: its texts do not have the target's law)", style="red")
    return title


# All of them fit into 80 columns, and several arms stand in line.
_COLUMNS = (
    Column("tok/s\nplain", 7, rank=5),
    Column("tok/s\ndrafted", 7, rank=4),
    Column("speed-up\n[95 % interval]", 18, rank=0),
    Column("accept\nrate", 6, rank=1),
    Column("draft\nutil.", 5, rank=6),
    Column("block\neff.", 5, rank=3),
    Column("identical\ntexts", 13, rank=2),
)


def _table(arms: list[ArmReport], width: int) -> Table:
    """One arm, a row for each category; the 95 % interval stands where decisions are made."""
    rows = [Row(_category(arm), _row(arm), style="bold" if arm.category == "all" else "") for arm in arms]
    return figures("prompts", _COLUMNS, rows, width)


def _category(arm: ArmReport) -> Text:
    return Text(printable_line(f"{arm.category} ({arm.num_prompts})"))


def _row(arm: ArmReport) -> list[Text | str]:
    speedup = arm.walltime_speedup
    style = ""
    if speedup.value is not None and arm.within_noise is False:
        style = "green" if speedup.value > 1 else "red"
    return [
        figure(arm.baseline_tokens_per_s, ".1f", interval=False),
        figure(arm.tokens_per_s, ".1f", interval=False),
        Text(figure(speedup, ".2f", unit="x"), style=style),
        figure(arm.acceptance_rate, ".2f", interval=False),
        figure(arm.draft_utilization, ".2f", interval=False),
        figure(arm.block_efficiency, ".2f", interval=False),
        _identical(arm),
    ]


def _identical(arm: ArmReport) -> Text:
    """How many texts are the baseline's, and what the others are."""
    if not arm.compared:
        return Text("–")
    kinds: Counter[str] = Counter(divergence.kind or "unexamined" for divergence in arm.divergences)
    names = {"tie": "tied", "rounding": "rounding", "real": "REAL", "unexamined": "differ"}
    rest = "".join(f", {kinds[kind]} {name}" for kind, name in names.items() if kinds[kind])
    return Text(f"{arm.identical}/{arm.compared}{rest}", style="red" if kinds["real"] else "")


def _print_notes(console: Console, store: Store, manifest: RunManifest, report: Report) -> None:
    if left_out := [c for c in _COLUMNS if c not in fitting(_COLUMNS, console.width)]:
        names = ", ".join(column.header.replace("\n", " ") for column in left_out)
        console.print(Text(f"left out for want of width: {names}", style="dim"))
    if any(arm.num_prompts < MIN_PROMPTS for arm in report.arms):
        console.print(f"no interval is given for fewer than {MIN_PROMPTS} prompts")
    for line in (*server_lines(report.servers), *why_sentences(report.why), *machine_notes(report)):
        console.print(Text(printable(line)))
    if report.native is not None:
        native = report.native
        same = f"; {native.identical} of {native.compared} texts identical" if native.compared else ""
        exact = " (generate does not run in exact mode)" if report.exact_rows else ""
        console.print(
            f"check on the baseline: plain loop {figure(native.baseline_tokens_per_s, '.1f')} tokens/s, the engine's "
            f"own generate {figure(native.tokens_per_s, '.1f')} (prefill included in both){same}{exact}",
            markup=False,
        )
    _print_divergence(console, manifest, report)
    if manifest.sampling_ignored:
        names = ", ".join(manifest.sampling_ignored)
        console.print(Text(printable(f"not applied, though the checkpoint's generation config sets it: {names}")))
    if report.has_failures:
        _print_failures(console, [trace for trace in store.traces() if trace.status == "failed"])
    if not report.complete:
        console.print("this run is not complete: figures are of what is there", style="yellow")


def _print_divergence(console: Console, manifest: RunManifest, report: Report) -> None:
    """What the words in the column of identical texts mean, with an example."""
    found = [d for arm in report.arms if arm.category == "all" for d in arm.divergences]
    kinds = {divergence.kind for divergence in found}
    if not found:
        return
    lines = []
    if kinds & {"tie", "rounding"}:
        first = next(d for d in found if d.kind in ("tie", "rounding"))
        lines.append(
            f"tied: in {manifest.target['dtype']} a pass over several rows rounds differently from a pass over one, "
            f"and the best two tokens lay closer together than that ({first.prompt_id}: token {first.position}, "
            f"{first.margin:.3g} apart). --exact makes such texts identical."
        )
    if "rounding" in kinds:
        lines.append("rounding: likewise, with a margin larger than the difference measured at that place.")
    if None in kinds:
        first = next(d for d in found if d.kind is None)
        served = manifest.target.get("kind") == "server"
        place = f"{first.prompt_id}, for one, at {'character' if served else 'token'} {first.position}"
        remedy = "in 16 bit use --exact"
        if manifest.sampling.temperature == 0.0:
            remedy = "a server does not tell why" if served else "bench --resume looks for the reason"
        lines.append(f"differ: {place}; {remedy}.")
    if "real" in kinds:
        first = next(d for d in found if d.kind == "real")
        lines.append(
            f"REAL: the target's own passes do not choose as the arm did ({first.prompt_id}, token {first.position}); "
            "the drafter, rule or engine is at fault."
        )
    for line in lines:
        console.print(Text(printable(line)))


def _print_failures(console: Console, failed: list[Trace]) -> None:
    for trace in failed[:_MOST_FAILURES]:
        where = f"{trace.prompt_id}, {trace.arm}, repetition {trace.repetition}"
        console.print(Text(printable(f"failed: {where}: {trace.error}"), style="red"))
    if len(failed) > _MOST_FAILURES:
        console.print(f"and {len(failed) - _MOST_FAILURES} more failed", style="red")
