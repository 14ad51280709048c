"""Why greedy texts differ: planted ties, planted rounding and planted faults each get their name."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch

from draftlab.bench.clock import WallClock
from draftlab.bench.divergence import Examiner
from draftlab.bench.recorder import record
from draftlab.chance import PhiloxChance
from draftlab.decoding import Decoder
from draftlab.draft_length import Fixed
from draftlab.drafters.model import ModelDrafter
from draftlab.drafters.none import NoDrafter
from draftlab.engines.toy import ToyModel
from draftlab.records import Divergence, Trace
from draftlab.rules.rejection import RejectionRule
from draftlab.sampling import Warper
from draftlab.spec import Sampling
from draftlab.stopping import Stopping
from draftlab.types import Drafter, LanguageModel

SIZE = 60
SCALE = 0.5  # the flatter the logits, the sooner rounding decides
PROMPT = [1, 4, 2]
EPS = 2**-6  # as if the toys were in a coarse dtype
WARP = Warper(Sampling(), "toy")


class Rounding(ToyModel):
    """A toy whose passes over several rows come out a little different, as kernels in 16 bit do."""

    def __init__(self, step: float) -> None:
        super().__init__(SIZE, scale=SCALE)
        self.step = step

    def forward(self, tokens: Sequence[int], num_rows: int | None = None) -> torch.Tensor:
        logits = super().forward(tokens, num_rows)
        if len(tokens) == 1:
            return logits
        # Up for some tokens, down for others.
        signs = torch.tensor([1.0 if t % 3 else -1.0 for t in range(SIZE)])
        return logits + self.step * signs


def decode(target: LanguageModel, drafter: Drafter, arm: str, num_tokens: int = 30) -> Trace:
    decoder = Decoder(target, drafter, RejectionRule(), WARP, Fixed(4), Stopping())
    found = record(decoder.decode(PROMPT, max_new_tokens=num_tokens, chance=PhiloxChance(0)), WallClock(lambda: None))
    return Trace(
        arm=arm, prompt_id="p", repetition=0, seed=0, status="ok", tokens=found.tokens, rounds=found.rounds, decode_ns=1
    )


def drafter() -> ModelDrafter:
    return ModelDrafter(ToyModel(SIZE, 0.3, SCALE), WARP)


def scores(logits: torch.Tensor, text: Sequence[int]) -> torch.Tensor:
    return WARP.scores(logits, text, ())[0]


def look(target: LanguageModel, plain: Trace, drafted: Trace, exact: LanguageModel | None = None) -> Divergence | None:
    return Examiner(target, scores, EPS, lambda: exact).examine(PROMPT, 64, plain, drafted)


def test_equal_texts_have_no_divergence() -> None:
    target = ToyModel(SIZE)
    assert look(target, decode(target, NoDrafter(), "none"), decode(target, drafter(), "model")) is None


@pytest.mark.parametrize("step", [0.05, 0.1, 0.15])
def test_what_rounding_decided_is_a_tie_or_rounding_and_never_real(step: float) -> None:
    target = Rounding(step)
    plain, drafted = decode(target, NoDrafter(), "none"), decode(target, drafter(), "model")
    found = look(target, plain, drafted)
    assert found is not None
    assert found.rounding == pytest.approx(step)
    assert found.margin is not None
    assert 0 <= found.margin <= 2 * step
    assert found.kind == ("tie" if found.margin <= step else "rounding")
    assert plain.tokens[: found.position] == drafted.tokens[: found.position]
    assert plain.tokens[found.position] != drafted.tokens[found.position]


def test_a_fault_is_real() -> None:
    """A token that no pass of the target chose: here the text of the arm was changed behind its back."""
    target = ToyModel(SIZE)
    plain, drafted = decode(target, NoDrafter(), "none"), decode(target, drafter(), "model")
    wrong = (drafted.tokens[9] + 1) % SIZE
    found = look(
        target, plain, drafted.model_copy(update={"tokens": (*drafted.tokens[:9], wrong, *drafted.tokens[10:])})
    )
    assert found is not None
    assert (found.position, found.kind) == (9, "real")
    assert found.margin is not None
    assert found.margin > 0


def test_a_text_that_ends_early_for_no_reason_is_a_fault() -> None:
    target = ToyModel(SIZE)
    plain, drafted = decode(target, NoDrafter(), "none"), decode(target, drafter(), "model", num_tokens=12)
    found = look(target, plain, drafted)
    assert found is not None
    assert (found.position, found.kind, found.margin) == (12, "real", None)


def test_the_float32_margin_comes_from_the_reference() -> None:
    target, exact = Rounding(0.15), ToyModel(SIZE, scale=SCALE)
    plain, drafted = decode(target, NoDrafter(), "none"), decode(target, drafter(), "model")
    found = look(target, plain, drafted, exact)
    assert found is not None
    # One-row passes of this toy do not round, and so agree with the reference.
    assert found.margin_float32 == pytest.approx(found.margin)


class Broken(ToyModel):
    """An engine with a fault in every pass over several rows: all rows but the first are wrong, each time alike."""

    def forward(self, tokens: Sequence[int], num_rows: int | None = None) -> torch.Tensor:
        logits = super().forward(tokens, num_rows).clone()
        logits[1:] = -logits[1:]
        return logits


def test_a_fault_that_replays_faithfully_is_real_all_the_same() -> None:
    target = Broken(SIZE)
    found = look(target, decode(target, NoDrafter(), "none"), decode(target, drafter(), "model"))
    assert found is not None
    assert found.kind == "real"


def test_a_margin_that_float32_does_not_know_is_real() -> None:
    target, other = Rounding(0.1), ToyModel(SIZE, variation=3.0)
    plain, drafted = decode(target, NoDrafter(), "none"), decode(target, drafter(), "model")
    found = look(target, plain, drafted, other)
    assert found is not None
    assert (abs(found.margin_float32 or 0.0) > 0.4, found.kind) == (True, "real")


class Counting(Rounding):
    """Counts the texts that are replayed through it."""

    num_texts = 0

    def reset(self, capacity: int | None = None) -> None:
        super().reset(capacity)
        self.num_texts += 1


def test_arms_that_leave_a_text_at_one_place_are_examined_against_one_replay() -> None:
    target, exact = Counting(0.1), Counting(0.0)
    plain, drafted = decode(target, NoDrafter(), "none"), decode(target, drafter(), "model")
    examiner = Examiner(target, scores, EPS, lambda: exact)
    target.num_texts = exact.num_texts = 0
    first = examiner.examine(PROMPT, 64, plain, drafted)
    again = examiner.examine(PROMPT, 64, plain, drafted.model_copy(update={"arm": "another"}))
    assert first is not None
    assert again == first.model_copy(update={"arm": "another"})
    assert (target.num_texts, exact.num_texts) == (3, 1)  # the baseline's and each arm's; the reference's
    examiner.examine(PROMPT, 64, plain.model_copy(update={"prompt_id": "other"}), drafted)
    assert exact.num_texts == 2
