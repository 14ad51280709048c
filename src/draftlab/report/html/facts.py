"""What the page says around the figures: the pair, the machine, how it was measured, what was asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from draftlab.records import RunManifest
from draftlab.report.measure import Report
from draftlab.report.names import one_line
from draftlab.report.notes import machine_notes
from draftlab.report.reading import Run
from draftlab.report.terminal import how_sampled, target_and_place
from draftlab.stats import CONFIDENCE, MIN_PROMPTS, NUM_RESAMPLES

Facts = list[tuple[str, str]]
_MUCH_DRIFT = 0.10


def pair(manifest: RunManifest) -> Facts:
    """Who drafts for whom, and on what."""
    drafters = dict.fromkeys(arm.drafter for arm in manifest.arms if arm.role == "drafted")
    rules = dict.fromkeys(arm.rule for arm in manifest.arms if arm.role == "drafted")
    repeated = f", {manifest.repetitions} repetitions each" if manifest.repetitions > 1 else ""
    found = {
        "Target": target_and_place(manifest),
        "Drafter" if len(drafters) == 1 else "Drafters": ", ".join(drafters) or "none",
        "Rule" if len(rules) == 1 else "Rules": ", ".join(rules) or "none",
        "Prompts": f"{len(manifest.prompts)} of {', '.join(manifest.suites)}{repeated}",
        "Sampling": how_sampled(manifest.sampling),
    }
    return [(name, one_line(value)) for name, value in found.items()]


def machine(manifest: RunManifest) -> Facts:
    """Where it was measured."""
    known = manifest.environment
    found: dict[str, str] = {"Processor": f"{known.get('cpu', 'not known')}, {known.get('cores', '?')} cores"}
    if known.get("threads"):
        found["Processor"] += f", threads used: {known['threads']}"
    if gpus := known.get("gpus"):
        found["GPU"] = ", ".join(_short(gpu) for gpu in gpus)
    if memory := known.get("memory_bytes"):
        found["Memory"] = f"{memory / 2**30:.0f} GiB"
    packages = known.get("packages") or {}
    software = [f"{name} {packages[name]}" for name in ("draftlab", "torch", "transformers") if packages.get(name)]
    found["Software"] = ", ".join(software) or "not known"
    found["Date"] = _moment(manifest.created)
    return [(name, one_line(value)) for name, value in found.items()]


def _moment(created: str) -> str:
    """A time as people read it; what is no time as it stands."""
    try:
        return datetime.fromisoformat(created).astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (ValueError, OverflowError):
        return created


def has_drifted(report: Report) -> bool:
    """Whether the machine changed its speed so much over the run that its times are in doubt."""
    found = report.drift
    if found is None or found.value is None or found.low is None or found.high is None:
        return False
    return not found.low <= 1.0 <= found.high and abs(found.value - 1) > _MUCH_DRIFT


def _short(gpu: Any) -> str:
    return str(gpu.get("name", gpu)) if isinstance(gpu, Mapping) else str(gpu)


def warnings(run: Run, report: Report) -> list[tuple[str, bool]]:
    """What has to be known before any figure is believed; and of each line whether it puts the figures in doubt."""
    found = [line for line in machine_notes(report) if not line.startswith("noise floor")]
    if not report.complete:
        found.append("This run is not complete: figures are of what is there.")
    if any(not arm.lossless for arm in report.arms):
        rules = dict.fromkeys(arm.rule for arm in report.arms if not arm.lossless)
        found.append(f"Lossy: texts of the rule {', '.join(rules)} do not have the target's law.")
    if any(arm.num_prompts < MIN_PROMPTS for arm in report.arms):
        found.append(f"No interval is given for fewer than {MIN_PROMPTS} prompts.")
    if run.manifest.sampling_ignored:
        names = ", ".join(run.manifest.sampling_ignored)
        found.append(f"Not applied, though the checkpoint's generation config sets it: {names}.")
    if report.exact_rows:
        found.append(
            f"Exact mode: every pass of the target has {report.exact_rows} rows, plain decoding's too, which makes it "
            "slower than plain decoding elsewhere."
        )
    doubtful = "drift" if has_drifted(report) else None
    return [(one_line(line[:1].upper() + line[1:]), line.partition(":")[0] == doubtful) for line in found]


def how_measured(run: Run, report: Report) -> Iterator[str]:
    """One sentence or two for each thing that a reviewer would ask."""
    manifest = run.manifest
    yield (
        "A speed-up is the time that plain decoding takes for a token over the time that the arm takes: a ratio of "
        "sums over the prompts that succeeded in both. Prefill is not part of it."
    )
    yield (
        "Each prompt is a block in which every arm decodes it, in an order that rotates from block to block, so that "
        "what the machine does over time meets all arms alike."
    )
    yield (
        f"Intervals are {100 * CONFIDENCE:.0f} % percentile intervals from a paired bootstrap over prompts, with "
        f"{NUM_RESAMPLES:,} resamples. Below {MIN_PROMPTS} prompts none is given."
    )
    if report.noise_floor is None:
        yield "Plain decoding ran once in each block, so the noise of the machine is not known."
    else:
        yield (
            "Plain decoding ran twice in each block. What it differs from itself is the noise floor; a speed-up whose "
            "interval holds 1, or which lies within the floor, is named as within noise."
        )
    if warm_up := manifest.warm_up:
        settled = "two times in a row were alike" if warm_up.settled else "patience ended"
        yield f"Before anything was timed one prompt was decoded {len(warm_up.tokens)} times, until {settled}."
    if manifest.phase_prompts:
        yield (
            f"The phases of a round come from {len(manifest.phase_prompts)} prompts that were decoded once more with a "
            "look at the clock at every step. Those decodes are no part of any speed-up."
        )
    native = report.native
    if native and native.tokens_per_s.value is not None and native.baseline_tokens_per_s.value is not None:
        yield (
            f"A check on the baseline, prefill included: {native.baseline_tokens_per_s.value:.1f} tokens/s by the loop "
            f"that all arms use, {native.tokens_per_s.value:.1f} by the engine's own generate."
        )


def flat(values: Mapping[str, Any], prefix: str = "") -> Facts:
    """Nested settings as rows: a name with dots, and a value as JSON where it is no text."""
    rows: Facts = []
    for name, value in values.items():
        key = f"{prefix}{name}"
        if isinstance(value, Mapping) and value:
            rows += flat(value, f"{key}.")
        else:
            rows.append((one_line(key), one_line(value if isinstance(value, str) else json.dumps(value, default=str))))
    return rows


def configuration(manifest: RunManifest) -> list[tuple[str, Facts]]:
    """Everything that was asked for and what it came to, by topic."""
    resolved = {
        "command": " ".join(manifest.command),
        "fingerprint": manifest.fingerprint,
        "seed": manifest.seed,
        "repetitions": manifest.repetitions,
        "stop_tokens": list(manifest.stop_tokens),
        "stop_strings": list(manifest.stop_strings),
        "sampling": manifest.sampling.model_dump(),
        "suites": manifest.suites,
    }
    found = [
        ("As asked", flat(manifest.experiment)),
        ("As resolved", flat(resolved)),
        ("Target", flat(manifest.target)),
        *((f"Drafter {one_line(name)}", flat(facts)) for name, facts in manifest.drafters.items()),
        ("Environment", flat(manifest.environment)),
    ]
    return [(title, rows) for title, rows in found if rows]
