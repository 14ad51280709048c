"""How long one waits for the first token and for each further one, and which arm is the fastest."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel

from draftlab.metrics import count
from draftlab.pairs import Pairs
from draftlab.records import Trace
from draftlab.report.reading import Run
from draftlab.stats import Estimate, fastest_shares, ratio_of_sums


class Times(BaseModel):
    """What one waits for, in seconds."""

    ttft_s: Estimate
    """Time to the first new tokens: prefill and the first round; of a server, the first chunk."""
    baseline_ttft_s: Estimate
    tpot_s: Estimate
    """Decode time for each new token; of a server with prefill, from which it cannot be told apart."""
    baseline_tpot_s: Estimate


def measure_times(pairs: Pairs) -> dict[str, Any]:
    """The fields of `Times`, of an arm and of the baseline on the same decodes."""
    both = list(pairs.by_prompt.values())
    ours, theirs = [[a for a, _ in each] for each in both], [[b for _, b in each] for each in both]
    return {
        "ttft_s": _to_first(theirs),
        "baseline_ttft_s": _to_first(ours),
        "tpot_s": _per_token(theirs),
        "baseline_tpot_s": _per_token(ours),
    }


def win_probabilities(run: Run, category: str) -> dict[str, float]:
    """By arm: in how many resamples of the prompts it is faster than plain decoding and than every other arm.

    Over the prompts that all arms decoded; empty for one arm, and where there are too few prompts.
    """
    arms = [run.baseline, *run.arms("drafted")]
    by_prompt = [_by_prompt(run.traces_of(arm, category)) for arm in arms]
    common = set.intersection(*(set(found) for found in by_prompt))
    prompts = [prompt.id for prompt in run.manifest.prompts if prompt.id in common]
    counts = [[count(found[prompt]) for prompt in prompts] for found in by_prompt]
    shares = fastest_shares([([c.decode_ns for c in each], [c.tokens for c in each]) for each in counts])
    return {} if shares is None or len(arms) < 3 else dict(zip((a.id for a in arms[1:]), shares[1:], strict=True))


def _by_prompt(traces: Iterable[Trace]) -> dict[str, list[Trace]]:
    found: dict[str, list[Trace]] = {}
    for trace in traces:
        if trace.status == "ok":
            found.setdefault(trace.prompt_id, []).append(trace)
    return found


def _to_first(prompts: list[list[Trace]]) -> Estimate:
    known = [
        [t for t in traces if t.first_ns is not None and (t.prefill_ns is not None or t.served)] for traces in prompts
    ]
    seconds = [sum((t.prefill_ns or 0) + (t.first_ns or 0) for t in traces) / 1e9 for traces in known]
    return ratio_of_sums(seconds, [len(traces) for traces in known])


def _per_token(prompts: list[list[Trace]]) -> Estimate:
    counts = [count(traces) for traces in prompts]
    return ratio_of_sums([c.decode_ns / 1e9 for c in counts], [c.tokens for c in counts])
