"""Small worlds in which every outcome can be counted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial

from torch import Tensor

from draftlab.decoding import Decoder
from draftlab.draft_length import Fixed
from draftlab.drafters.reference import DrafterReference, build_drafter
from draftlab.engines.toy import ToyModel, ToyTokenizer
from draftlab.events import Committed
from draftlab.rules import RULES
from draftlab.sampling import Warper
from draftlab.spec import Sampling
from draftlab.stopping import Stopping
from draftlab.testing import enumerate_law, law_of_target
from draftlab.types import (
    Chance,
    Compression,
    Distributions,
    Drafter,
    DrafterContext,
    DraftLength,
    LoadedModel,
    Round,
    StoredTensors,
)
from tests.models.eagle import eagle_config, eagle_tensors, stored

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
TWO = Widths(target=2, drafter=2)  # two tokens only: the branches of a deep draft can still be walked


class RememberingWarper(Warper):
    """Warps the same logits after the same text once; enumeration asks for them in every branch.

    The key holds all that a warp is a function of, so that logits of a wrong cache are not taken for the right ones.
    """

    def __init__(self, sampling: Sampling, model: str, width: int | None = None) -> None:
        super().__init__(sampling, model, width)
        self._known: dict[tuple[object, ...], Distributions] = {}

    def __call__(self, logits: Tensor, prefix: Sequence[int], tail: Sequence[int]) -> Distributions:
        key = (logits.numpy().tobytes(), tuple(logits.shape), tuple(prefix), tuple(tail))
        if key not in self._known:
            self._known[key] = super().__call__(logits, prefix, tail)
        return self._known[key]


def context(sampling: Sampling, widths: Widths = Widths()) -> DrafterContext:
    """What a drafter is built from, on toys."""

    def load(reference: str, compress: Compression = "none", head: int = 0) -> LoadedModel:
        return LoadedModel(ToyModel(widths.drafter, 0.5, SCALE, cut=head), ToyTokenizer(), {}, {})

    def load_tensors(reference: str) -> StoredTensors:
        config = eagle_config(widths.target, toy_target(widths).hidden_size, widths.target - 1)
        return stored(config, eagle_tensors(config, gain=2.0))

    target = LoadedModel(toy_target(widths), ToyTokenizer(), {}, {})
    warp_for = partial(RememberingWarper, sampling, width=widths.target)
    return DrafterContext(target, load, warp_for, load_tensors)


@cache
def toy_target(widths: Widths) -> ToyModel:
    """The one that decoders decode with, and whose hidden states a drafter may read."""
    return ToyModel(widths.target, scale=SCALE)


# The model drafter with options that end drafts early, at thresholds that end some drafts of the toy and not others.
EARLY = {"model-product": {"stop_product": "0.2"}, "model-confidence": {"stop_confidence": "0.4"}}
# And with options that change what it can draft: tokens with q = 0 where p > 0.
OPTIONS = {**EARLY, "model-head": {"head": "2"}}
# Drafters behind prompt lookup.
BEHIND = {"lookup": "model:toy", "lookup-eagle": "eagle:toy", "lookup-early": "model:toy,stop_confidence=0.4"}


def build(name: str, sampling: Sampling, widths: Widths = Widths()) -> Drafter:
    """The registered drafter `name`, the model drafter with some of its options, or one behind prompt lookup."""
    if name in OPTIONS:
        return build_drafter(DrafterReference("model", "toy", OPTIONS[name]), context(sampling, widths))
    if name in BEHIND:  # two tokens are a long match in a text of four, and none in the prompt
        reference = DrafterReference("lookup", BEHIND[name], {"lookup_min_ngram": "2"})
        return build_drafter(reference, context(sampling, widths))
    argument = "toy" if name in ("model", "eagle") else None
    return build_drafter(DrafterReference(name, argument, {}), context(sampling, widths))


def decoder(
    drafter: Drafter,
    sampling: Sampling,
    gamma: int | DraftLength,
    *,
    rule: str = "rejection",
    stop: frozenset[int] = STOP,
    widths: Widths = Widths(),
) -> Decoder:
    """A decoder on the toy target."""
    target = toy_target(widths)
    length = Fixed(gamma) if isinstance(gamma, int) else gamma
    return Decoder(target, drafter, RULES.load(rule)(), RememberingWarper(sampling, "toy"), length, Stopping(stop))


def oracle(
    sampling: Sampling, max_new_tokens: int, *, stop: frozenset[int] = STOP, widths: Widths = Widths()
) -> dict[tuple[int, ...], float]:
    """The target's own law, by the chain rule."""

    def logits(text: Sequence[int]) -> list[float]:
        model = ToyModel(widths.target, scale=SCALE)
        last: list[float] = model.forward(text)[-1].tolist()
        return last

    return law_of_target(logits, PROMPT, sampling, max_new_tokens, stop)


def rounds_of(subject: Decoder, num_tokens: int, chance: Chance) -> tuple[Round, ...]:
    """The rounds of one decode."""
    events = subject.decode(PROMPT, max_new_tokens=num_tokens, chance=chance)
    return tuple(event.outcome for event in events if isinstance(event, Committed))


def text_of(rounds: Sequence[Round]) -> tuple[int, ...]:
    """The text that rounds have written."""
    return tuple(token for outcome in rounds for token in outcome.emitted)


def law_of_rounds(
    subject: Decoder, num_tokens: int, wrap: Callable[[Chance], Chance] = lambda chance: chance
) -> dict[tuple[Round, ...], float]:
    """Every way in which a text can come about, round by round, with its probability."""
    return enumerate_law(lambda chance: rounds_of(subject, num_tokens, wrap(chance)))


def law_of_texts(law: dict[tuple[Round, ...], float]) -> dict[tuple[int, ...], float]:
    """What is left of a law of rounds where only the text is looked at."""
    texts: dict[tuple[int, ...], float] = {}
    for rounds, mass in law.items():
        texts[text_of(rounds)] = texts.get(text_of(rounds), 0.0) + mass
    return texts


def mean_accepted(law: dict[tuple[Round, ...], float]) -> float:
    """The expected number of accepted tokens of a text."""
    return sum(mass * sum(outcome.num_accepted for outcome in rounds) for rounds, mass in law.items())
