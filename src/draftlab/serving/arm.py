"""One server as an arm of a bench. What it answers is kept as it came; what it does not tell is not made up."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, Literal

from draftlab.bench.recorder import Recording
from draftlab.endpoint.client import Client
from draftlab.endpoint.counts import SpeculationCounts, require_speculation
from draftlab.endpoint.prometheus import Counters
from draftlab.endpoint.reply import Reply
from draftlab.errors import DraftlabError
from draftlab.records import PromptRecord
from draftlab.served import Served
from draftlab.types import StopReason

Duty = Literal["plain", "speculative", "either"]
"""What a server has been started for; one that does something else is not measured."""

_STOPS: dict[str | None, StopReason] = {"length": "length"}
_SEEDS = 2**31  # some servers keep a seed in 32 bits with a sign
_SETTLED_S = 0.05
_MOST_LOOKS = 20


@dataclass
class ServedArm:
    """A server, the model on it and what every request asks for."""

    client: Client
    model: str
    duty: Duty
    settings: dict[str, Any]
    sampled: bool
    has_drafted: bool = field(default=False, init=False)
    """A reply without drafts is believed once there was one with them: prompt lookup may find nothing in a text."""

    def __call__(self, prompt: PromptRecord, max_new_tokens: int, seed: int) -> Recording:
        """Send a prompt and wait for its reply. Looks at counters are outside of the time that is kept."""
        before = self.client.counters()
        reply = self._ask(prompt, max_new_tokens, seed)
        if not reply.num_tokens or reply.first_ns is None:
            raise DraftlabError("the server answered without any text", "Does it stop at once? See its log.")
        counts = self._checked(reply.speculation or self._difference(before))
        return Recording(
            tokens=(),
            text=reply.text,
            decode_ns=reply.total_ns,
            first_ns=reply.first_ns,
            stop=_STOPS.get(reply.finish_reason),
            served=_served(reply, counts),
        )

    def _ask(self, prompt: PromptRecord, max_new_tokens: int, seed: int) -> Reply:
        settings = {**self.settings, **({"seed": seed % _SEEDS} if self.sampled else {})}
        if prompt.messages is not None:
            return self.client.chat(self.model, prompt.messages, max_new_tokens, **settings)
        return self.client.complete(self.model, prompt.prompt or "", max_new_tokens, **settings)

    def _difference(self, before: Counters | None) -> SpeculationCounts | None:
        """What the counters say of the reply; a server may write them a moment after it."""
        if before is None:
            return None
        last = None
        for _ in range(_MOST_LOOKS):
            now = self.client.counters()
            if now is None:
                raise DraftlabError("the server's counters of speculation have gone", "Was it started again?")
            if now == last and now != before:  # as long as nothing has come, it may be late
                break
            last = now
            time.sleep(_SETTLED_S)
        return None if last is None else last.since(before)

    def _checked(self, counts: SpeculationCounts | None) -> SpeculationCounts | None:
        if self.duty == "plain" and counts is not None and counts.drafted:
            raise DraftlabError(
                f"the plain server at {self.client.url} speculates: it drafted {counts.drafted} tokens",
                "Start the one at --plain-url without speculation.",
            )
        if self.duty == "speculative" and (counts is None or not (counts.drafted or self.has_drafted)):
            counts = require_speculation(counts)
        self.has_drafted = self.has_drafted or bool(counts and counts.drafted)
        return counts


def _served(reply: Reply, counts: SpeculationCounts | None) -> Served:
    # Of the last pass, the end of the text may have cut off as much as a draft has.
    if counts is not None and counts.accepted >= reply.num_tokens + (len(counts.accepted_at) or counts.drafted):
        raise DraftlabError(
            f"the server counts {counts.accepted} accepted tokens in a reply of {reply.num_tokens}",
            "Does somebody else use it? Counters are of all requests.",
        )
    return Served(
        num_tokens=reply.num_tokens,
        num_prompt_tokens=reply.num_prompt_tokens,
        chunk_ns=reply.chunk_ns,
        drafted=counts.drafted if counts else None,
        accepted=counts.accepted if counts else None,
        drafts=counts.drafts if counts else None,
        accepted_at=counts.accepted_at if counts else (),
    )
