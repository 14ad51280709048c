"""A tuning report as a page for the terminal."""

from __future__ import annotations

import shlex

from rich.console import Console
from rich.table import Table
from rich.text import Text

from draftlab.report.figure import figure
from draftlab.report.printable import printable
from draftlab.report.terminal import how_sampled, open_console
from draftlab.tune.findings import CandidateFinding, Confirmation, DrafterFinding, Recommendation, TuningReport

_SHOWN = (1, 2, 3, 4, 6, 8, 12, 16)  # draft lengths
_HOW_TO_READ = (
    "intervals are over prompts; that times vary is not in them. wins: in how many resamples\n"
    "it is faster than the fastest of all; for the fastest, than the second"
)

_HOLDS = {
    True: "the recommendation holds: it was measured to be faster, with its whole interval",
    False: "the recommendation does not hold: it was measured to be slower",
    None: "whether it is faster than plain decoding cannot be told from these prompts",
}


def print_tuning(report: TuningReport) -> None:
    """Print what was found, the recommendation last. All text of models and files is made harmless."""
    console = open_console()
    line = (
        f"{report.target}, {report.dtype}, {how_sampled(report.sampling)}; tuned on {report.num_prompts} prompts, "
        f"{report.num_tokens} tokens; gamma 1 to {report.max_gamma}"
    )
    console.print(Text(printable(line)))
    for drafter in report.drafters:
        console.print()
        _print_drafter(console, drafter, _of(report, drafter))
    console.print()
    console.print(Text(_HOW_TO_READ, style="dim"))
    for note in report.notes:
        console.print(Text(printable(note), style="yellow"))
    console.print()
    _print_recommendation(console, report)
    if report.confirmation is not None:
        console.print()
        _print_confirmation(console, report.confirmation, report.recommendation)
    console.print()
    took = ", ".join(f"{step} {seconds:.0f} s" for step, seconds in report.seconds.items())
    console.print(Text(f"it took: {took}", style="dim"))


def _of(report: TuningReport, drafter: DrafterFinding) -> list[CandidateFinding]:
    """All candidates of a drafter, the fastest first."""
    return [c for c in report.candidates if c.drafter in (drafter.drafter, f"{drafter.drafter},{c.policy}")]


def _best_of_each_kind(candidates: list[CandidateFinding]) -> list[CandidateFinding]:
    found: dict[str, CandidateFinding] = {}
    for candidate in candidates:
        found.setdefault(candidate.policy.partition("=")[0], candidate)
    return list(found.values())


def _print_drafter(console: Console, drafter: DrafterFinding, candidates: list[CandidateFinding]) -> None:
    console.print(Text(printable(f"drafter {drafter.drafter}"), style="bold"))
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("policy", min_width=20, no_wrap=True)
    for header in ("gamma", "predicted speed-up\n[95 % interval]", "block\neff.", "accept\nrate", "wins"):
        table.add_column(header, justify="right", no_wrap=True)
    for c in _best_of_each_kind(candidates):
        wins = "–" if c.win_probability is None else f"{c.win_probability:.0%}"
        table.add_row(
            c.policy,
            str(c.gamma),
            figure(c.predicted_speedup, ".2f", unit="x"),
            figure(c.block_efficiency, ".2f", interval=False),
            figure(c.acceptance_rate, ".2f", interval=False),
            wins,
        )
    console.print(table)
    fixed = {c.gamma: c.predicted_speedup.value or 0.0 for c in candidates if c.policy == "fixed"}
    if fixed:
        line = ", ".join(f"{gamma}: {fixed[gamma]:.2f}x" for gamma in _SHOWN if gamma in fixed)
        console.print(Text(f"fixed gammas: {line}", style="dim"))
    times = drafter.round_ms
    shown = [gamma for gamma in (0, *_SHOWN) if gamma < len(times)]
    console.print(
        Text("a round in ms, by tokens drafted: " + ", ".join(f"{g}: {times[g]:.3g}" for g in shown), style="dim")
    )
    share = "" if drafter.oracle_share is None else f"; the best policy reaches {drafter.oracle_share:.0%} of that gain"
    oracle = figure(drafter.oracle_speedup, ".2f", unit="x", interval=False)
    console.print(Text(f"knowing what will be accepted would bring at most {oracle}{share}", style="dim"))


def _print_recommendation(console: Console, report: TuningReport) -> None:
    found = report.recommendation
    if found is None:
        console.print(
            Text("recommendation: no speculation here; nothing is surely faster than plain decoding", style="bold")
        )
        return
    console.print(Text(printable(f"recommendation: --drafter {found.drafter} --gamma {found.gamma}"), style="bold"))
    arguments = ("--target", report.target, "--drafter", found.drafter, "--gamma", str(found.gamma))
    console.print(Text(printable(f"run it with: {shlex.join(('draftlab', 'bench', *arguments))}")), soft_wrap=True)
    lines = [f"predicted {figure(found.predicted_speedup, '.2f', unit='x')}"]
    if found.acceptance_rate is not None and _is_fixed(found, report):
        even = (
            "at no acceptance rate"
            if found.break_even is None
            else f"from an acceptance rate of {found.break_even:.2f} on"
        )
        lines.append(f"drafts of {found.gamma} tokens pay {even}; here it is {found.acceptance_rate:.2f}")
    if report.runner_up is not None:
        wins = "" if found.win_probability is None else f", beaten in {found.win_probability:.0%} of the resamples"
        second = report.runner_up
        lines.append(
            f"runner-up: --drafter {second.drafter} --gamma {second.gamma}, "
            f"{figure(second.predicted_speedup, '.2f', unit='x', interval=False)}{wins}"
        )
    for line in lines:
        console.print(Text(printable(line)))


def _is_fixed(found: Recommendation, report: TuningReport) -> bool:
    """Whether all its drafts are of one length; of others the break-even says nothing."""
    return (found.drafter, found.gamma, "fixed") in {(c.drafter, c.gamma, c.policy) for c in report.candidates}


def _print_confirmation(console: Console, confirmation: Confirmation, found: Recommendation | None) -> None:
    num, same = confirmation.num_prompts, confirmation.same_prompts
    where = f"{num} prompt{'s' if num > 1 else ''} that {'were' if num > 1 else 'was'} not tuned on"
    if same:
        where = f"{num} prompts, {same} of them tuned on"
    what = "a real run" if found is not None else "a real run of the fastest all the same,"
    console.print(Text(f"{what} on {where}"))
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("drafter", overflow="fold")
    for header in ("gamma", "predicted", "measured\n[95 % interval]", "off by", "block eff.\npredicted", "\nmeasured"):
        table.add_column(header, justify="right", no_wrap=True)
    for arm in confirmation.arms:
        table.add_row(
            Text(printable(arm.drafter)),
            str(arm.gamma),
            figure(arm.predicted_speedup, ".2f", unit="x", interval=False),
            figure(arm.walltime_speedup, ".2f", unit="x"),
            "–" if arm.error is None else f"{arm.error:+.0%}",
            "–" if arm.predicted_block_efficiency is None else f"{arm.predicted_block_efficiency:.2f}",
            "–" if arm.block_efficiency is None else f"{arm.block_efficiency:.2f}",
        )
    console.print(table)
    if found is not None:
        console.print(Text(_HOLDS[confirmation.holds], style="bold"))
