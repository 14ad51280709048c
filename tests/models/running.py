"""Decode with the engine, and what is asked of a finished text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from draftlab.chance import PhiloxChance
from draftlab.decoding import Decoder
from draftlab.draft_length import Fixed
from draftlab.drafters.model import ModelDrafter
from draftlab.engines.transformers import TransformersModel
from draftlab.events import Committed, Finished
from draftlab.rules.rejection import RejectionRule
from draftlab.sampling import Warper
from draftlab.spec import Sampling
from draftlab.stopping import Stopping
from draftlab.types import Drafter, DraftLength, LanguageModel, Round, StopReason

GREEDY = Sampling()


class Counted(TransformersModel):
    """Notes every pass: where it started, and over which tokens it went."""

    passes: list[tuple[int, list[int]]]

    def reset(self, capacity: int | None = None) -> None:
        super().reset(capacity)
        self.passes = []

    def forward(self, tokens: Sequence[int], num_rows: int | None = None) -> Tensor:
        self.passes.append((self.length, list(tokens)))
        return super().forward(tokens, num_rows)

    @property
    def num_forwarded(self) -> int:
        return sum(len(tokens) for _, tokens in self.passes)


@dataclass(frozen=True)
class Run:
    """A finished text: its new tokens and how they came about."""

    tokens: list[int]
    rounds: list[Round]
    stop: StopReason

    @property
    def stopped_inside_a_draft(self) -> bool:
        """An accepted token was a stop, so that the block was cut there."""
        return self.stop == "stop_token" and len(self.rounds[-1].emitted) <= self.rounds[-1].num_accepted


def model_drafter(target: LanguageModel, model: LanguageModel, sampling: Sampling = GREEDY) -> ModelDrafter:
    """A drafter on `model`, as `draftlab.workbench` wires it."""
    return ModelDrafter(model, Warper(sampling, model.name, width=target.vocab_size))


def decoder(
    target: LanguageModel,
    drafter: Drafter,
    gamma: int | DraftLength,
    sampling: Sampling = GREEDY,
    stop: frozenset[int] = frozenset(),
) -> Decoder:
    length = Fixed(gamma) if isinstance(gamma, int) else gamma
    return Decoder(target, drafter, RejectionRule(), Warper(sampling, target.name), length, Stopping(stop))


def run(subject: Decoder, prompt: Sequence[int], max_new_tokens: int, seed: int = 0) -> Run:
    """Decode to the end."""
    events = list(subject.decode(prompt, max_new_tokens=max_new_tokens, chance=PhiloxChance(seed)))
    rounds = [event.outcome for event in events if isinstance(event, Committed)]
    last = events[-1]
    assert isinstance(last, Finished)
    return Run([token for outcome in rounds for token in outcome.emitted], rounds, last.reason)


def acceptance_rate(runs: Sequence[Run]) -> float:
    """Accepted of judged tokens; those after a rejection are not judged."""
    rounds = [outcome for run in runs for outcome in run.rounds]
    accepted = sum(outcome.num_accepted for outcome in rounds)
    rejected = sum(outcome.num_accepted < outcome.num_drafted for outcome in rounds)
    return accepted / (accepted + rejected)
