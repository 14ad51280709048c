"""What servers tell of their speculation, as raw counts; our figures are computed from them, never taken over.

Engines do not mean the same by their own figures: vLLM and llama.cpp have 1 + accepted / drafts and leave rounds
without a draft out, SGLang has tokens / target passes with the token of the prefill above. Of counts there are no two
opinions.
Sources: vLLM 0.32.0 v1/spec_decode/metrics.py, llama.cpp b11434 tools/server, SGLang 0.5.23 tokenizer_manager.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from draftlab.errors import DraftlabError

_HINT = "Does the server have another version than those that draftlab knows?"


@dataclass(frozen=True, slots=True)
class SpeculationCounts:
    """Sums over the rounds of one reply, or of all between two looks at the counters."""

    drafted: int
    accepted: int
    drafts: int | None = None
    """Rounds that drafted; None where the server does not count them."""
    accepted_at: tuple[int, ...] = ()
    """Entry i: the drafts whose token i was accepted. Empty where the server does not count by position."""

    @property
    def draft_utilization(self) -> float | None:
        """accepted / drafted; None where nothing was drafted."""
        return self.accepted / self.drafted if self.drafted else None

    def rounds(self, num_tokens: int) -> int:
        """The target passes behind `num_tokens` new tokens, each of which gave one token that was not drafted.

        Exact but for drafted tokens that were accepted in the last pass and cut off by the end of the text.
        """
        return num_tokens - self.accepted

    def block_efficiency(self, num_tokens: int) -> float | None:
        """Tokens per target pass, rounds without a draft included."""
        rounds = self.rounds(num_tokens)
        return num_tokens / rounds if rounds > 0 else None


def counts_of_reply(extras: Mapping[str, Any]) -> SpeculationCounts | None:
    """The counts in what a server adds to a reply; None where it adds none."""
    metrics = extras.get("metrics")
    if isinstance(metrics, Mapping) and isinstance(found := metrics.get("speculative_decoding"), Mapping):
        return _of_vllm(found)
    if isinstance(found := extras.get("timings"), Mapping):
        if "draft_n" not in found:  # llama-server leaves it out where it is 0
            return SpeculationCounts(0, 0)
        return checked(_whole(found, "draft_n"), _whole(found, "draft_n_accepted"))
    if isinstance(found := extras.get("meta_info"), Mapping) and "spec_verify_ct" in found:
        return _of_sglang(found)
    return None


def require_speculation(counts: SpeculationCounts | None) -> SpeculationCounts:
    """Refuse to measure as speculation what was none: servers go on plainly where it could not be started."""
    if counts is None:
        raise DraftlabError(
            "the server tells nothing of speculation",
            "Start vLLM with --per-request-spec-decode-metrics summary, llama-server with --metrics, or TensorRT-LLM "
            "with return_perf_metrics and perf_metrics_max_requests.",
        )
    if not counts.drafted:
        raise DraftlabError("the server drafted nothing", "Look in its log for why speculation was not started.")
    return counts


def checked(
    drafted: int, accepted: int, drafts: int | None = None, accepted_at: Sequence[int] = ()
) -> SpeculationCounts:
    """The counts, if they can be true together."""
    at = tuple(accepted_at)
    falling = all(later <= earlier for earlier, later in pairwise(at))
    possible = (
        0 <= accepted <= drafted
        and (drafts is None or 0 <= drafts <= drafted)
        and (not at or (falling and at[-1] >= 0 and sum(at) == accepted and (drafts is None or at[0] <= drafts)))
    )
    if not possible:
        raise DraftlabError(
            f"the server's counts contradict one another: {drafted} drafted in {drafts} drafts, {accepted} accepted, "
            f"by position {list(at)}",
            _HINT,
        )
    return SpeculationCounts(drafted, accepted, drafts, at)


def _of_vllm(found: Mapping[str, Any]) -> SpeculationCounts:
    """`acceptance_histogram` entry n: how many drafts had n tokens accepted."""
    return checked(
        _whole(found, "num_draft_tokens"),
        _whole(found, "num_accepted_draft_tokens"),
        _whole(found, "num_spec_steps"),
        _by_position(found.get("acceptance_histogram")),
    )


def _of_sglang(found: Mapping[str, Any]) -> SpeculationCounts:
    """`spec_verify_ct` counts target passes, each with a draft."""
    return checked(
        _whole(found, "spec_num_proposed_drafts"),
        _whole(found, "spec_num_correct_drafts"),
        _whole(found, "spec_verify_ct"),
        _by_position(found.get("spec_correct_drafts_histogram")),
    )


def _by_position(histogram: Any) -> tuple[int, ...]:
    if histogram is None:
        return ()
    if not isinstance(histogram, list) or not all(type(n) is int and n >= 0 for n in histogram):
        raise DraftlabError(f"the server's histogram of accepted tokens is {histogram!r}", _HINT)
    return tuple(sum(histogram[i:]) for i in range(1, len(histogram)))


def _whole(found: Mapping[str, Any], name: str) -> int:
    value = found.get(name)
    if type(value) is not int:
        raise DraftlabError(f"the server's count {name} is {value!r}", _HINT)
    return value
