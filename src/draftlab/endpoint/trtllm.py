"""What TensorRT-LLM tells at `/perf_metrics`: a record of each reply, once. Their sums are counters like any other.

Its `/metrics` is JSON about passes, of which no count of a reply can be made.
Source: tensorrt_llm/serve/openai_server.py, get_perf_metrics.
"""

from __future__ import annotations

import json
from typing import Any

from draftlab.endpoint.prometheus import ACCEPTED, DRAFTED, Counters
from draftlab.errors import DraftlabError

_NAMES = ("total_draft_tokens", "total_accepted_draft_tokens")
_REPLIES = "replies"
"""Beside the others, so that it shows when the record of a reply has come that drafted nothing."""
NOTHING = Counters({DRAFTED: 0, ACCEPTED: 0, _REPLIES: 0})


def with_records(so_far: Counters, page: str) -> Counters:
    """The counters after the replies on a page."""
    totals = dict(so_far.totals)
    for drafted, accepted in map(_told, _records(page)):
        totals[DRAFTED] += drafted
        totals[ACCEPTED] += accepted
        totals[_REPLIES] += 1
    return Counters(totals)


def _records(page: str) -> list[dict[str, Any]]:
    try:
        found = json.loads(page)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, list) or not all(isinstance(record, dict) for record in found):
        raise DraftlabError(f"the server's /perf_metrics is no list of records: {page[:60]!r}", "Is it TensorRT-LLM?")
    return found


def _told(record: dict[str, Any]) -> tuple[int, int]:
    """Drafted and accepted; a reply without drafts does not tell of them."""
    metrics = record.get("perf_metrics")
    told = metrics.get("speculative_decoding") if isinstance(metrics, dict) else None
    if told is None:
        return 0, 0
    drafted, accepted = (told.get(name) if isinstance(told, dict) else None for name in _NAMES)
    if type(drafted) is not int or type(accepted) is not int or not 0 <= accepted <= drafted:
        raise DraftlabError(
            f"the server's record of a reply tells of {drafted!r} drafted and {accepted!r} accepted tokens",
            "Does the server have another version than those that draftlab knows?",
        )
    return drafted, accepted
