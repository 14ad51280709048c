"""Where a text has to end, where a drafter has to stop, and what a broken model is answered with."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor

from draftlab.drafters.ngram import NgramDrafter
from draftlab.drafters.none import NoDrafter
from draftlab.engines.transformers import TransformersModel
from draftlab.errors import DraftlabError, NonFiniteLogitsError
from draftlab.spec import Sampling
from draftlab.types import Drafter
from tests.models.native import PROMPTS, generate
from tests.models.running import Counted, decoder, model_drafter, run
from tests.models.tiny import (
    CONTEXT,
    FAMILIES,
    WIDTH,
    Family,
    derived_network,
    random_network,
    tiny_config,
    tiny_family,
)

NEVER: frozenset[int] = frozenset()
PROMPT = PROMPTS[4]
SHORT = 20


def short(name: str) -> Any:
    """A network whose context holds `SHORT` tokens."""
    return random_network(tiny_config(name, WIDTH, context=SHORT), seed=3)


def make(kind: str, target: TransformersModel, network: Any) -> Drafter:
    if kind == "model":
        small = derived_network(network, WIDTH + 4, noise=0.03, context=CONTEXT)
        return model_drafter(target, TransformersModel(small, "small"))
    return NgramDrafter() if kind == "ngram" else NoDrafter()


@pytest.mark.parametrize("kind", ["none", "ngram", "model"])
@pytest.mark.parametrize("name", FAMILIES)
def test_a_text_ends_where_the_context_ends(name: str, kind: str) -> None:
    network = short(name)
    target = Counted(network, name)
    finished = run(decoder(target, make(kind, target, network), 5), PROMPT, 100)
    assert finished.stop == "context"
    assert len(PROMPT) + len(finished.tokens) == SHORT
    assert max(start + len(tokens) for start, tokens in target.passes) < SHORT
    assert finished.tokens == generate(network, PROMPT, SHORT - len(PROMPT), NEVER)


def test_a_length_that_just_fits_is_a_length() -> None:
    target = TransformersModel(short("gpt2"), "gpt2")
    assert run(decoder(target, NoDrafter(), 0), PROMPT, SHORT - len(PROMPT)).stop == "length"
    assert run(decoder(target, NoDrafter(), 0), PROMPT, SHORT - len(PROMPT) + 1).stop == "context"


def test_a_prompt_that_fills_the_context_is_refused() -> None:
    target = TransformersModel(short("gpt2"), "my-target")
    with pytest.raises(DraftlabError, match=f"{SHORT} tokens, and the context of 'my-target' holds {SHORT}"):
        run(decoder(target, NoDrafter(), 0), [1] * SHORT, 1)
    assert len(run(decoder(target, NoDrafter(), 0), [1] * (SHORT - 1), 9).tokens) == 1


@pytest.mark.parametrize("context", [len(PROMPT) - 2, len(PROMPT), len(PROMPT) + 1, SHORT])
@pytest.mark.parametrize("name", FAMILIES)
def test_a_drafter_of_shorter_context_falls_silent(name: str, context: int) -> None:
    """Its learned positions (gpt2) would otherwise run out with an IndexError in the middle of a text."""
    family = tiny_family(name)
    target = TransformersModel(family.network, name)
    small = Counted(derived_network(family.network, 56, noise=0.03, context=context), "small")
    finished = run(decoder(target, model_drafter(target, small), 4), PROMPT, 30)
    assert finished.tokens == generate(family.network, PROMPT, 30, NEVER)
    assert finished.rounds[-2].num_drafted == 0
    assert any(outcome.num_drafted for outcome in finished.rounds) == (context > len(PROMPT))
    assert all(start + len(tokens) <= context for start, tokens in small.passes)


@pytest.mark.parametrize("sampling", [Sampling(), Sampling(temperature=1.0, top_k=5)], ids=["greedy", "sampled"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_broken_target_is_named_with_the_position(family: Family, sampling: Sampling, value: float) -> None:
    network = broken(family.network, token=PROMPT[-1], value=value)
    target = TransformersModel(network, "broken-target")
    with pytest.raises(NonFiniteLogitsError, match=rf"'broken-target' .* at position {len(PROMPT)}\b"):
        run(decoder(target, NoDrafter(), 0, sampling), PROMPT, 5)


def test_a_broken_row_inside_a_block_is_found_where_it_is() -> None:
    network = copy.deepcopy(tiny_family("qwen2").network)
    target = TransformersModel(network, "broken-target")
    drafter = model_drafter(target, TransformersModel(tiny_family("qwen2").network, "sound"))
    network.get_output_embeddings().register_forward_hook(break_third_row)
    with pytest.raises(NonFiniteLogitsError, match=rf"'broken-target' .* at position {len(PROMPT) + 2}\b"):
        run(decoder(target, drafter, 8), PROMPT, 12)


@pytest.mark.parametrize("sampling", [Sampling(), Sampling(temperature=1.0)], ids=["greedy", "sampled"])
def test_a_broken_drafter_is_named_with_the_position(family: Family, sampling: Sampling) -> None:
    target = TransformersModel(family.network, "target")
    small = TransformersModel(broken(family.drafters["wider"], token=PROMPT[-1], value=float("nan")), "broken-drafter")
    with pytest.raises(NonFiniteLogitsError, match=rf"'broken-drafter' .* at position {len(PROMPT)}\b"):
        run(decoder(target, model_drafter(target, small, sampling), 3, sampling), PROMPT, 5)


def break_third_row(module: torch.nn.Module, inputs: object, logits: Tensor) -> None:
    logits[:, 2:3] = torch.nan


@torch.no_grad()
def broken(network: Any, token: int, value: float) -> Any:
    """A copy that stumbles over one token."""
    damaged = copy.deepcopy(network)
    damaged.get_input_embeddings().weight[token, 0] = value
    return damaged
