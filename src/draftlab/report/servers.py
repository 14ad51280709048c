"""What servers did, arm by arm: waits as their users had them, and what their own counts come to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from pydantic import BaseModel

from draftlab.metrics import all_or_none, block_efficiency, count, draft_utilization
from draftlab.records import Trace
from draftlab.report.reading import Run

_PERCENTILES = (50, 90, 99)


class ServedReport(BaseModel):
    """One server over all prompts. Figures of speculation are None where it did not tell enough."""

    arm: str
    url: str | None
    num_replies: int
    ttft_s: dict[str, float]
    """Percentiles of the time to the first chunk, by p50, p90 and p99."""
    tpot_s: dict[str, float]
    """Percentiles of the time from the first chunk to the last event, per further token."""
    drafted: int | None
    accepted: int | None
    drafts: int | None
    draft_utilization: float | None
    block_efficiency: float | None


def measure_servers(run: Run) -> list[ServedReport]:
    """Empty where draftlab decoded itself."""
    if run.manifest.target.get("kind") != "server":
        return []
    return [
        _report(arm.id, _url(run, arm.role), [t for t in run.traces_of(arm) if t.served is not None])
        for arm in run.manifest.arms
    ]


def server_lines(reports: Sequence[ServedReport]) -> Iterator[str]:
    """A line for each server, and what a reader has to know of the figures."""
    for found in reports:
        waits = [f"{name} {_ms(values)}" for name, values in (("TTFT", found.ttft_s), ("TPOT", found.tpot_s)) if values]
        yield f"{found.arm} ({found.num_replies} replies): {'; '.join([*waits, _drafts(found)])}"
    if reports:
        yield "times are those of a user of the servers, prefill included; rounds are the servers' own affair, so only"
        yield "their sums are known: accept rate is empty where they do not tell how many drafted tokens were judged"


def _url(run: Run, role: str) -> str | None:
    facts = run.manifest.drafters.get("server", {}) if role == "drafted" else run.manifest.target
    return facts.get("url")


def _report(arm: str, url: str | None, traces: Sequence[Trace]) -> ServedReport:
    served = [trace.served for trace in traces if trace.served is not None]
    counts = all_or_none([count(traces)])[0]
    told = bool(served) and all(each.drafted is not None for each in served)
    drafts = [each.drafts for each in served]
    return ServedReport(
        arm=arm,
        url=url,
        num_replies=len(served),
        ttft_s=_percentiles([(trace.first_ns or 0) / 1e9 for trace in traces]),
        tpot_s=_percentiles([seconds for trace in traces if (seconds := _per_token(trace)) is not None]),
        drafted=counts.drafted if told else None,
        accepted=counts.accepted if told else None,
        drafts=sum(n for n in drafts if n is not None) if told and None not in drafts else None,
        draft_utilization=draft_utilization(counts) if told else None,
        block_efficiency=block_efficiency(counts) if told else None,
    )


def _per_token(trace: Trace) -> float | None:
    """After the first chunk, which is counted as one token: servers send their first token as soon as there is one."""
    if trace.served is None or trace.served.num_tokens < 2 or trace.decode_ns is None or trace.first_ns is None:
        return None
    return (trace.decode_ns - trace.first_ns) / 1e9 / (trace.served.num_tokens - 1)


def _percentiles(seconds: Sequence[float]) -> dict[str, float]:
    return {f"p{p}": float(np.percentile(seconds, p)) for p in _PERCENTILES} if seconds else {}


def _ms(values: dict[str, float]) -> str:
    return ", ".join(f"{name} {1e3 * value:.0f} ms" for name, value in values.items())


def _drafts(found: ServedReport) -> str:
    if found.drafted is None:
        return "it tells nothing of speculation"
    if not found.drafted:
        return "nothing was drafted"
    rounds = "" if found.drafts is None else f" in {found.drafts} drafts"
    return (
        f"{found.drafted} drafted{rounds}, {found.accepted} accepted: draft utilization "
        f"{found.draft_utilization or 0:.2f}, block efficiency {found.block_efficiency or 0:.2f}"
    )
