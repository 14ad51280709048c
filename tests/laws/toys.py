"""Small worlds in which every outcome can be counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from draftlab.decoding import Decoder
from draftlab.drafters.reference import DrafterReference, build_drafter
from draftlab.engines.toy import ToyModel, ToyTokenizer
from draftlab.rules import RULES
from draftlab.sampling import Warper
from draftlab.spec import Sampling
from draftlab.stopping import Stopping
from draftlab.testing import law_of_target
from draftlab.types import Drafter, DrafterContext, LoadedModel

PROMPT = [0, 1, 0]  # repeats itself, so that prompt lookup drafts from the first round on
STOP = frozenset({2})
SCALE = 1.0  # flat enough that every branch has weight: a peaked world hides bugs

SAMPLINGS = {
    "greedy": Sampling(),
    "greedy-penalty": Sampling(repetition_penalty=1.8),
    "t1": Sampling(temperature=1.0),
    "t.7-k2": Sampling(temperature=0.7, top_k=2),
    "t1.3-p.8": Sampling(temperature=1.3, top_p=0.8),
    "t1-minp.3": Sampling(temperature=1.0, min_p=0.3),
    "t1-penalty": Sampling(temperature=1.0, repetition_penalty=1.8),
}


@dataclass(frozen=True)
class Widths:
    """The rows of both models' logits; three tokens are real, the rest is padding as real families have it."""

    target: int = 3
    drafter: int = 3


WIDTHS = {"equal": Widths(), "target-padded": Widths(target=4), "drafter-padded": Widths(drafter=4)}


def context(sampling: Sampling, widths: Widths = Widths()) -> DrafterContext:
    """What a drafter is built from, on toys."""

    def load(reference: str) -> LoadedModel:
        return LoadedModel(ToyModel(widths.drafter, 0.5, SCALE), ToyTokenizer(), {}, {})

    target = LoadedModel(ToyModel(widths.target, scale=SCALE), ToyTokenizer(), {}, {})
    return DrafterContext(target, load, lambda name: Warper(sampling, name, width=widths.target))


def build(name: str, sampling: Sampling, widths: Widths = Widths()) -> Drafter:
    """The registered drafter `name`."""
    argument = "toy" if name == "model" else None
    return build_drafter(DrafterReference(name, argument, {}), context(sampling, widths))


def decoder(
    drafter: Drafter,
    sampling: Sampling,
    gamma: int,
    *,
    rule: str = "rejection",
    stop: frozenset[int] = STOP,
    widths: Widths = Widths(),
) -> Decoder:
    """A decoder on a fresh toy target."""
    target = ToyModel(widths.target, scale=SCALE)
    return Decoder(target, drafter, RULES.load(rule)(), Warper(sampling, "toy"), gamma, Stopping(stop))


def oracle(
    sampling: Sampling, max_new_tokens: int, *, stop: frozenset[int] = STOP, widths: Widths = Widths()
) -> dict[tuple[int, ...], float]:
    """The target's own law, by the chain rule."""

    def logits(text: Sequence[int]) -> list[float]:
        model = ToyModel(widths.target, scale=SCALE)
        last: list[float] = model.forward(text)[-1].tolist()
        return last

    return law_of_target(logits, PROMPT, sampling, max_new_tokens, stop)
