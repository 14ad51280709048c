"""Greedy text in float32 is token for token what transformers' own `generate` writes."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch

from draftlab.adaptive import Adaptive
from draftlab.drafters.ngram import NgramDrafter
from draftlab.drafters.none import NoDrafter
from draftlab.engines.transformers import TransformersModel
from draftlab.spec import Sampling
from draftlab.types import Drafter
from tests.models.native import MAX_NEW_TOKENS, PROMPTS, STOP, generate, native_texts
from tests.models.running import GREEDY, Run, acceptance_rate, decoder, model_drafter, run
from tests.models.tiny import (
    DRAFTER_WIDTHS,
    FAMILIES,
    WIDTH,
    Family,
    derived_network,
    random_network,
    tiny_config,
    tiny_family,
)

PENALISED = Sampling(repetition_penalty=1.3)


def decode_all(target: TransformersModel, drafter: Drafter, gamma: int, sampling: Sampling = GREEDY) -> list[Run]:
    subject = decoder(target, drafter, gamma, sampling, STOP)
    return [run(subject, prompt, MAX_NEW_TOKENS) for prompt in PROMPTS]


def texts(runs: Sequence[Run]) -> list[list[int]]:
    return [finished.tokens for finished in runs]


@pytest.mark.parametrize("gamma", range(1, 9))
@pytest.mark.parametrize("which", DRAFTER_WIDTHS)
def test_a_model_drafter_of_another_width_changes_nothing(family: Family, which: str, gamma: int) -> None:
    target = TransformersModel(family.network, family.name)
    small = TransformersModel(family.drafters[which], which)
    assert small.vocab_size != target.vocab_size
    runs = decode_all(target, model_drafter(target, small), gamma)
    assert texts(runs) == native_texts(family.name)
    # Without these the identity could hold for want of anything to accept, reject or cut.
    assert 0.05 < acceptance_rate(runs) < 0.98
    assert any(finished.stopped_inside_a_draft for finished in runs)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_references_vary_and_end_in_both_ways(name: str) -> None:
    found = native_texts(name)
    assert sum(len(set(text)) >= 5 for text in found) >= 10
    assert 5 <= sum(text[-1] in STOP for text in found) < len(found)
    assert max(map(len, found)) == MAX_NEW_TOKENS


@pytest.mark.parametrize("name", FAMILIES)
def test_a_wider_drafter_prefers_tokens_that_the_target_lacks(name: str) -> None:
    """Else its padding would never have to be cut off."""
    family = tiny_family(name)
    with torch.no_grad():
        favourites = [
            int(token)
            for prompt, text in zip(PROMPTS, native_texts(name), strict=True)
            for token in family.drafters["wider"](torch.tensor([prompt + text])).logits[0].argmax(-1)
        ]
    assert max(favourites) >= WIDTH


@pytest.mark.parametrize("gamma", [1, 4])
def test_ngram_changes_nothing(family: Family, gamma: int) -> None:
    runs = decode_all(TransformersModel(family.network, family.name), NgramDrafter(), gamma)
    assert texts(runs) == native_texts(family.name)
    assert 0.05 < acceptance_rate(runs) < 0.98


@pytest.mark.parametrize("which", [*DRAFTER_WIDTHS, "ngram"])
def test_a_draft_length_that_adapts_changes_nothing(family: Family, which: str) -> None:
    """Drafts of many lengths, rounds without one between them, and a drafter that has missed some rounds."""
    target = TransformersModel(family.network, family.name)
    if which == "ngram":
        drafter: Drafter = NgramDrafter()
    else:
        drafter = model_drafter(target, TransformersModel(family.drafters[which], which))
    policy = Adaptive([1.0] + [1.2 + 0.15 * num for num in range(1, 9)])
    subject = decoder(target, drafter, policy, stop=STOP)
    runs = [run(subject, prompt, MAX_NEW_TOKENS) for prompt in PROMPTS]
    assert texts(runs) == native_texts(family.name)
    lengths = {outcome.num_drafted for finished in runs for outcome in finished.rounds}
    assert 0 in lengths and len(lengths) > 3


def test_the_baseline_is_generates_own(family: Family) -> None:
    runs = decode_all(TransformersModel(family.network, family.name), NoDrafter(), 5)
    assert texts(runs) == native_texts(family.name)
    assert not any(outcome.num_drafted for finished in runs for outcome in finished.rounds)


@pytest.mark.parametrize("which", DRAFTER_WIDTHS)
@pytest.mark.parametrize("name", ["gpt2", "gemma3"])
def test_a_repetition_penalty_is_generates_own(name: str, which: str) -> None:
    assert native_texts(name, 1.3) != native_texts(name)
    family = tiny_family(name)
    target = TransformersModel(family.network, name)
    drafter = model_drafter(target, TransformersModel(family.drafters[which], which), PENALISED)
    runs = decode_all(target, drafter, 4, PENALISED)
    assert texts(runs) == native_texts(name, 1.3)
    assert 0.05 < acceptance_rate(runs) < 0.98


@pytest.mark.parametrize("name", ["gpt2", "qwen2"])
def test_a_token_that_the_drafter_lacks_ends_drafting_and_nothing_else(name: str) -> None:
    """The target may write an id beyond the drafter's rows, or the prompt may hold one: a marker only it knows."""
    network = random_network(tiny_config(name, WIDTH), seed=0, real=WIDTH)
    small = derived_network(network, DRAFTER_WIDTHS["narrower"], noise=0.05)
    target = TransformersModel(network, name)
    subject = decoder(target, model_drafter(target, TransformersModel(small, "narrower")), 4)
    foreign = WIDTH - 1
    prompts = [[*PROMPTS[0], foreign, 3], *PROMPTS[:10]]
    runs = [run(subject, prompt, MAX_NEW_TOKENS) for prompt in prompts]
    assert texts(runs) == [generate(network, prompt, MAX_NEW_TOKENS, frozenset()) for prompt in prompts]
    assert not any(outcome.num_drafted for outcome in runs[0].rounds)
    assert any(max(finished.tokens) >= DRAFTER_WIDTHS["narrower"] for finished in runs[1:])
    assert any(finished.rounds[0].num_drafted for finished in runs[1:])
