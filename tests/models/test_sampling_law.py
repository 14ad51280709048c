"""Sampled texts follow the target's own law, whatever the drafter: counted exactly, and by a test on real draws."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import pytest
import torch
from torch import Tensor

from draftlab.chance import PhiloxChance
from draftlab.decoding import Decoder
from draftlab.distributions import join
from draftlab.drafters.model import ModelDrafter
from draftlab.engines.transformers import TransformersModel
from draftlab.events import Committed
from draftlab.sampling import Warper
from draftlab.spec import Sampling
from draftlab.testing import law_of_decoding, law_of_target, total_variation
from draftlab.types import Distributions, Draft, LanguageModel, Rng, Row, Warp
from tests.models.running import decoder, model_drafter
from tests.models.tiny import FAMILIES, WINDOW, letter_family

PROMPT = [0, 1, 2, 0, 2, 1, 1]  # longer than gemma3's window
STOP = frozenset({1})
TOLERANCE = 1e-5  # float32 against itself, cached and uncached; a wrong q is off by thousands of times as much
LEVEL = 1e-3
WARM = Sampling(temperature=1.0)
CUT = Sampling(temperature=0.7, top_k=3, top_p=0.9)


def uncached(network: Callable[..., object]) -> Callable[[Sequence[int]], list[float]]:
    """The next token's logits from a full forward pass of the library's own model, without a cache."""

    @torch.inference_mode()
    def logits(text: Sequence[int]) -> list[float]:
        out = network(torch.tensor([list(text)]), use_cache=False)
        row: list[float] = out.logits[0, -1].double().tolist()  # type: ignore[attr-defined]
        return row

    return logits


class WrongQ(ModelDrafter):
    """Draws from q, and reports another temperature's: the bug that both tests have to see."""

    def __init__(self, model: LanguageModel, drawn: Warp, reported: Warp) -> None:
        super().__init__(model, self._both)
        self._drawn = drawn
        self._reported = reported
        self._rows: list[Row] = []

    def _both(self, logits: Tensor, prefix: Sequence[int], tail: Sequence[int]) -> Distributions:
        self._rows.append(self._reported(logits, prefix, tail)[0])
        return self._drawn(logits, prefix, tail)

    def propose(self, tokens: Sequence[int], limit: int, rng: Rng) -> Draft:
        self._rows.clear()
        draft = super().propose(tokens, limit, rng)
        return Draft(draft.tokens, join(self._rows)) if self._rows else draft


def subject(name: str, which: str, gamma: int, sampling: Sampling, *, planted: bool = False) -> Decoder:
    family = letter_family(name)
    target = TransformersModel(family.network, name)
    small = TransformersModel(family.drafters[which], which)
    assert small.vocab_size != target.vocab_size
    if not planted:
        return decoder(target, model_drafter(target, small, sampling), gamma, sampling, STOP)
    warps = (Warper(s, which, width=target.vocab_size) for s in (sampling, Sampling(temperature=3.0)))
    return decoder(target, WrongQ(small, *warps), gamma, sampling, STOP)


def distance(name: str, which: str, gamma: int, sampling: Sampling, *, planted: bool = False) -> float:
    """Between the laws of three tokens, of the decoder and of the target."""
    expected = law_of_target(uncached(letter_family(name).network), PROMPT, sampling, 3, STOP)
    assert len(expected) > 5, "a law of so few texts shows little"
    assert max(expected.values()) < 0.7
    law = law_of_decoding(subject(name, which, gamma, sampling, planted=planted), PROMPT, 3)
    assert sum(law.values()) == pytest.approx(1.0)
    return total_variation(law, expected)


@pytest.mark.parametrize("which", ["narrower", "wider"])
@pytest.mark.parametrize(("gamma", "sampling"), [(1, WARM), (2, CUT)], ids=["gamma1-warm", "gamma2-cut"])
@pytest.mark.parametrize("name", FAMILIES)
def test_the_exact_law_is_the_targets(name: str, gamma: int, sampling: Sampling, which: str) -> None:
    assert len(PROMPT) > WINDOW
    assert distance(name, which, gamma, sampling) < TOLERANCE


def test_the_exact_law_with_two_drafted_tokens_at_temperature_one() -> None:
    assert distance("gpt2", "narrower", 2, WARM) < TOLERANCE


@pytest.mark.parametrize("name", ["gpt2", "gemma3"])
def test_the_exact_law_finds_a_planted_bug(name: str) -> None:
    assert distance(name, "wider", 1, WARM, planted=True) > 1000 * TOLERANCE


def two_tokens(decode: Decoder, seed: int) -> tuple[int, ...]:
    """Two tokens after token 2, by draws that nothing but the seed decides."""
    events = decode.decode([2], max_new_tokens=2, chance=PhiloxChance(seed))
    return tuple(token for event in events if isinstance(event, Committed) for token in event.outcome.emitted)


def p_value(counts: Mapping[tuple[int, ...], float], law: Mapping[tuple[int, ...], float]) -> float:
    """Pearson's chi-square test of goodness of fit; cells that expect fewer than five are one cell."""
    total = sum(counts.values())
    assert counts.keys() <= law.keys(), "a text that the target cannot write"
    cells = {text: total * mass for text, mass in law.items()}
    rare = {text for text, expected in cells.items() if expected < 5.0}
    pairs = [(counts.get(text, 0), expected) for text, expected in cells.items() if text not in rare]
    if rare:
        pairs.append((sum(counts.get(text, 0) for text in rare), sum(cells[text] for text in rare)))
    statistic = sum((seen - expected) ** 2 / expected for seen, expected in pairs)
    half = torch.tensor([(len(pairs) - 1) / 2, statistic / 2], dtype=torch.float64)
    return float(torch.special.gammaincc(half[0], half[1]))


def fit(name: str, which: str, *, planted: bool = False) -> float:
    law = law_of_target(uncached(letter_family(name).network), [2], WARM, 2, STOP)
    decode = subject(name, which, 1, WARM, planted=planted)
    return p_value(Counter(two_tokens(decode, seed) for seed in range(2000)), law)


def test_real_draws_fit_the_targets_law() -> None:
    assert fit("gpt_neox", "wider") > LEVEL


def test_real_draws_of_a_planted_bug_do_not_fit() -> None:
    assert fit("gpt_neox", "wider", planted=True) < LEVEL


def test_the_p_value_is_the_tabled_one() -> None:
    """18.467 is the 0.1 % point of chi-square with four degrees of freedom."""
    off = (18.467 * 200 / 2) ** 0.5
    counts = {(0,): 200.0, (1,): 200.0, (2,): 200.0, (3,): 200.0 + off, (4,): 200.0 - off}
    assert p_value(counts, dict.fromkeys(counts, 0.2)) == pytest.approx(0.001, rel=1e-3)
