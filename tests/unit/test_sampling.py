"""Warping: the library's own processors are the reference."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers.generation.logits_process import (
    LogitsProcessorList,
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from draftlab import sampling as module
from draftlab.distributions import DenseRow
from draftlab.errors import NonFiniteLogitsError
from draftlab.sampling import Warper
from draftlab.spec import Sampling
from draftlab.types import Distributions

SIZE = 40
PREFIX = [3, 7, 7, 1]
TAIL = [9, 3, 20]


def logits(seed: int, rows: int = 4) -> torch.Tensor:
    return 3 * torch.randn(rows, SIZE, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def dense(found: Distributions, index: int) -> torch.Tensor:
    row = found[index]
    assert isinstance(row, DenseRow)
    return row.mass


def reference(scores: torch.Tensor, text: list[int], sampling: Sampling) -> torch.Tensor:
    """One row through transformers' processors, in the order of its `generate`."""
    steps = LogitsProcessorList()
    if sampling.repetition_penalty != 1.0:
        steps.append(RepetitionPenaltyLogitsProcessor(sampling.repetition_penalty))
    steps.append(TemperatureLogitsWarper(float(sampling.temperature)))
    if sampling.top_k:
        steps.append(TopKLogitsWarper(sampling.top_k))
    if sampling.top_p < 1:
        steps.append(TopPLogitsWarper(sampling.top_p))
    if sampling.min_p:
        steps.append(MinPLogitsWarper(sampling.min_p))
    return torch.softmax(steps(torch.tensor([text]), scores[None].clone()), dim=-1)[0]


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(temperature=1.0),
        Sampling(temperature=0.6, top_k=5),
        Sampling(temperature=1.4, top_p=0.7),
        Sampling(temperature=1.0, min_p=0.1),
        Sampling(temperature=0.8, top_k=12, top_p=0.9, min_p=0.05, repetition_penalty=1.3),
        Sampling(temperature=0.8, top_k=1000),
        Sampling(temperature=2.0, top_p=0.001),
        Sampling(temperature=1.0, repetition_penalty=0.7),
    ],
    ids=str,
)
@pytest.mark.parametrize("seed", range(5))
def test_each_row_is_what_transformers_makes_of_it_with_its_true_prefix(sampling: Sampling, seed: int) -> None:
    scores = logits(seed)
    found = Warper(sampling, "m")(scores, PREFIX, TAIL)
    assert len(found) == len(scores)
    for i, row in enumerate(scores):
        torch.testing.assert_close(dense(found, i), reference(row, PREFIX + TAIL[:i], sampling))


@pytest.mark.parametrize("seed", range(5))
def test_greedy_is_a_point_mass_on_the_best_token_after_the_penalty(seed: int) -> None:
    scores = logits(seed)
    found = Warper(Sampling(repetition_penalty=2.5), "m")(scores, PREFIX, TAIL)
    for i, row in enumerate(scores):
        steps = RepetitionPenaltyLogitsProcessor(2.5)
        best = int(steps(torch.tensor([PREFIX + TAIL[:i]]), row[None].clone()).argmax())
        assert found[i].support() == [(best, 1.0)]


@given(st.integers(0, 999), st.floats(0.01, 5.0), st.integers(0, 50), st.floats(0.05, 1.0), st.floats(0.0, 0.9))
def test_a_row_sums_to_one_and_keeps_the_best_token(seed: int, t: float, k: int, top_p: float, min_p: float) -> None:
    scores = logits(seed, 2)
    sampling = Sampling(temperature=t, top_k=k, top_p=top_p, min_p=min_p)
    found = Warper(sampling, "m")(scores, PREFIX, TAIL[:1])
    for i in range(2):
        mass = dense(found, i)
        assert float(mass.sum()) == pytest.approx(1.0)
        assert int(mass.argmax()) == int(scores[i].argmax())


@pytest.mark.parametrize("size", [256, 300, 1000])
@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16], ids=str)
def test_the_first_of_the_largest_is_found_in_a_long_row(
    size: int, kind: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_LONG", 256)
    generator = torch.Generator().manual_seed(size)
    scores = torch.randn(200, size, generator=generator).to(kind)
    scores[:50] = scores[:50].round()  # ties, within a block and over several
    scores[50, -1] = scores[51, 0] = scores[52, size // 2] = 9.0
    found = Warper(Sampling(), "m")(scores, [1], [2] * 199)
    first = [row.index(max(row)) for row in scores.tolist()]
    assert [found[i].support()[0][0] for i in range(200)] == first


@pytest.mark.parametrize("place", [0, 130, 299])
@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
def test_a_bad_logit_is_found_anywhere_in_a_long_row(place: int, bad: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LONG", 256)
    scores = torch.randn(3, 300, generator=torch.Generator().manual_seed(1))
    if bad == -torch.inf:
        scores[1] = bad
    scores[1, place] = bad
    for sampling in (Sampling(), Sampling(temperature=1.0), Sampling(temperature=1.0, top_k=5)):
        with pytest.raises(NonFiniteLogitsError, match="position 2"):
            Warper(sampling, "m")(scores, [1], [2, 3])


@pytest.mark.parametrize("size", [1280, 1300, 5001])
@pytest.mark.parametrize(
    "sampling", [Sampling(temperature=0.9, top_k=5), Sampling(temperature=0.5, top_p=0.6)], ids=str
)
def test_the_likeliest_of_a_long_row_are_all_found(
    sampling: Sampling, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever they stand: in the last few tokens, in one block, or each in a block of its own."""
    monkeypatch.setattr(module, "_LIKELIEST", 8)
    monkeypatch.setattr(module, "_LONG", 256)
    scores = torch.randn(6, size, generator=torch.Generator().manual_seed(size), dtype=torch.float64)
    for i, best in enumerate((range(size - 9, size), range(64, 73), range(0, 1216, 135))):
        scores[i, list(best)] += 9.0
    found = Warper(sampling, "m")(scores, PREFIX, TAIL)
    for i, row in enumerate(scores):
        torch.testing.assert_close(dense(found, i), reference(row, PREFIX + TAIL[:i], sampling))


@pytest.mark.parametrize("top_p", [1.0, 0.8])
@pytest.mark.parametrize("min_p", [0.0, 0.3])
def test_ties_with_the_last_of_the_k_stay(top_p: float, min_p: float) -> None:
    """Also more of them than are looked at first, and in the order of the vocabulary where a nucleus cuts them."""
    scores = torch.randn(4, 600, generator=torch.Generator().manual_seed(2)).round().double()
    sampling = Sampling(temperature=0.9, top_k=8, top_p=top_p, min_p=min_p)
    found = Warper(sampling, "m")(scores, PREFIX, TAIL)
    for i, row in enumerate(scores):
        tempered = row / 0.9
        mass = torch.softmax(tempered.masked_fill(tempered < tempered.topk(8).values[-1], -torch.inf), -1)
        order = mass.sort(descending=True, stable=True)
        before = order.values.cumsum(0) - order.values
        mass[order.indices[before >= top_p]] = 0.0
        mass[mass < min_p * mass.max()] = 0.0
        torch.testing.assert_close(dense(found, i), mass / mass.sum())


def test_the_logits_are_left_as_they_were() -> None:
    for kind in (torch.float64, torch.float32, torch.bfloat16):
        for penalty, top_k in ((1.0, 0), (1.0, 3), (2.0, 0), (2.0, 3)):
            scores = logits(1).to(kind)
            before = scores.clone()
            Warper(Sampling(temperature=0.5, top_k=top_k, repetition_penalty=penalty), "m")(scores, PREFIX, TAIL)
            assert torch.equal(scores, before)


def test_half_precision_logits_are_warped_in_float32() -> None:
    found = Warper(Sampling(temperature=1.0), "m")(logits(2).bfloat16(), PREFIX, TAIL)
    assert dense(found, 0).dtype == torch.float32


def test_a_tiny_temperature_does_not_overflow() -> None:
    mass = dense(Warper(Sampling(temperature=1e-30), "m")(logits(3).float(), PREFIX, TAIL), 0)
    assert float(mass.max()) == 1.0


def test_padding_beyond_the_width_is_cut_before_the_softmax() -> None:
    scores = logits(4)
    scores[:, 30:] = 50.0
    found = Warper(Sampling(temperature=1.0), "m", width=30)(scores, PREFIX, TAIL)
    torch.testing.assert_close(dense(found, 0), torch.softmax(scores[0, :30], dim=-1))


def test_minus_infinity_is_a_forbidden_token_and_no_error() -> None:
    scores = logits(5)
    scores[:, ::2] = -torch.inf
    mass = dense(Warper(Sampling(temperature=1.0, top_p=0.9), "m")(scores, PREFIX, TAIL), 0)
    assert float(mass[::2].sum()) == 0.0


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("row", range(4))
def test_a_bad_logit_names_the_model_and_the_position(bad: float, temperature: float, row: int) -> None:
    scores = logits(6)
    scores[row, 17] = bad
    with pytest.raises(NonFiniteLogitsError, match=f"'small one' .* position {len(PREFIX) + row}\\b"):
        Warper(Sampling(temperature=temperature, top_k=5, top_p=0.9), "small one")(scores, PREFIX, TAIL)


def test_a_row_without_any_possible_token_is_bad() -> None:
    scores = logits(7)
    scores[1] = -torch.inf
    for temperature in (0.0, 1.0):
        with pytest.raises(NonFiniteLogitsError, match=f"position {len(PREFIX) + 1}"):
            Warper(Sampling(temperature=temperature), "m")(scores, PREFIX, TAIL)
