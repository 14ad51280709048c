"""Turn the events of one decode into a record of every token: what was drafted, how likely it was, and how it ended."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from draftlab.distributions import proposal
from draftlab.events import Committed, Drafted, Event, Scored
from draftlab.records import Detail, WatchedRound
from draftlab.types import Distributions, Draft, Round


def record_detail(events: Iterator[Event], arm: str, prompt_id: str) -> Detail:
    """Listen to a decode from beginning to end. It takes its time: such a decode is not timed."""
    rounds = []
    draft = Draft(())
    p: Distributions
    logits: Tensor
    for event in events:
        match event:
            case Drafted(found):
                draft = found
            case Scored(p, logits):
                pass
            case Committed(outcome):
                rounds.append(_watched(draft, p, logits, outcome))
    return Detail(arm=arm, prompt_id=prompt_id, rounds=tuple(rounds))


def _watched(draft: Draft, p: Distributions, logits: Tensor, outcome: Round) -> WatchedRound:
    target = _log_probabilities(logits)
    own_row = outcome.num_accepted
    is_whole = len(outcome.emitted) > own_row
    q = proposal(draft)
    return WatchedRound(
        drafted=tuple(draft.tokens),
        accepted=outcome.num_accepted,
        emitted=outcome.emitted,
        p=tuple(_of_tokens(target, draft.tokens)),
        q=None if draft.logits is None else tuple(_of_tokens(_log_probabilities_of_rows(draft.logits), draft.tokens)),
        entropy=tuple((-(target.exp() * target.clamp(min=-1e4)).sum(-1)).tolist()),
        overlap=tuple(min(1.0, 1.0 - p[i].excess(q[i])) for i in range(len(draft.tokens))),
        own_p=float(target[own_row, outcome.emitted[-1]].exp()) if is_whole else 0.0,
    )


def _log_probabilities(logits: Tensor) -> Tensor:
    return torch.log_softmax(logits.detach().to("cpu", torch.float32), dim=-1)


def _log_probabilities_of_rows(rows: Sequence[Tensor]) -> Tensor:
    return _log_probabilities(torch.stack(list(rows))) if rows else torch.empty(0, 1)


def _of_tokens(log_probabilities: Tensor, tokens: Sequence[int]) -> list[float]:
    """The probability of tokens[i] in row i; 0 beyond the width."""
    width = log_probabilities.shape[-1]
    return [float(log_probabilities[i, t].exp()) if t < width else 0.0 for i, t in enumerate(tokens)]
