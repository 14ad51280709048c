"""Hidden states that an engine hands out are those of its tokens, once each, whatever was rolled back in between."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from draftlab.engines.captured import CapturedModel
from draftlab.engines.fixed_shape import FixedShapeModel
from draftlab.engines.toy import ToyModel
from draftlab.engines.transformers import TransformersModel
from draftlab.errors import ContractError, UnsupportedError
from draftlab.features import ShowsFeatures
from tests.models.tiny import Family, tiny_family

TEXT = [5, 40, 2, 2, 17, 33, 8, 21, 0, 46, 11, 5, 40]
Engine = TransformersModel | FixedShapeModel | CapturedModel
ENGINES: dict[str, Callable[[Family], Engine]] = {
    "growing": lambda family: TransformersModel(family.network, family.name),
    "captured": lambda family: CapturedModel(family.network, family.name, 4),
    "fixed": lambda family: FixedShapeModel(family.network, family.name, 4),
}


@torch.inference_mode()
def states(family: Family, text: list[int]) -> Tensor:
    """What enters both layers, by the library's own account: [tokens, 2 * width]."""
    found = family.network(torch.tensor([text]), use_cache=False, output_hidden_states=True).hidden_states
    return torch.cat([found[0][0], found[1][0]], dim=-1)


@pytest.mark.parametrize("engine", ENGINES)
def test_they_are_the_librarys_own(family: Family, engine: str) -> None:
    model = ENGINES[engine](family)
    assert isinstance(model, ShowsFeatures)
    model.reset(len(TEXT) + 8)
    tap = model.features([0, 1])
    model.forward(TEXT[:6], num_rows=1)
    model.forward([1, 2, 3])  # of which one token stays
    model.rollback(7)
    expected = states(family, [*TEXT[:6], 1, *TEXT[6:]])
    assert tap.num_waiting == 7
    torch.testing.assert_close(tap.take(), expected[:7], rtol=0, atol=1e-4)
    model.forward(TEXT[6:8])
    model.rollback(8)
    model.forward(TEXT[7:])
    torch.testing.assert_close(tap.take(), expected[7:], rtol=0, atol=1e-4)
    assert tap.num_waiting == 0


@pytest.mark.parametrize("engine", ENGINES)
def test_what_leaves_the_last_layer_goes_through_norm_and_head_to_the_logits(engine: str) -> None:
    family = tiny_family("llama")
    model = ENGINES[engine](family)
    model.reset(len(TEXT))
    tap = model.features([model.num_layers])
    logits = model.forward(TEXT)
    with torch.inference_mode():
        last = family.network.model.norm(tap.take())
    torch.testing.assert_close(last @ model.head().T, logits, rtol=0, atol=1e-4)
    torch.testing.assert_close(model.embedding(), family.network.model.embed_tokens.weight)
    assert model.hidden_size == last.shape[1]


def num_hooks(family: Family) -> int:
    return sum(len(layer._forward_hooks) + len(layer._forward_pre_hooks) for layer in family.network.model.layers)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_reset_ends_it_and_leaves_no_hook(engine: str) -> None:
    family = tiny_family("llama")
    model = ENGINES[engine](family)
    before = num_hooks(family)  # the library leaves some of its own
    tap = model.features([0, 1, 2])
    assert num_hooks(family) == before + 3
    model.reset(8)
    assert num_hooks(family) == before
    model.forward(TEXT[:4])
    assert tap.num_waiting == 0


def test_nothing_is_taken_back_behind_what_was_taken() -> None:
    model = TransformersModel(tiny_family("llama").network, "llama")
    tap = model.features([1])
    model.forward(TEXT)
    tap.take()
    with pytest.raises(ContractError, match="were taken"):
        model.rollback(4)
    model.reset()


def test_a_layer_that_is_not_there_is_refused() -> None:
    model = TransformersModel(tiny_family("llama").network, "llama")
    with pytest.raises(UnsupportedError, match="after 3 layers: the target has 2"):
        model.features([0, 3])
    model.reset()


def test_a_toy_has_them_too() -> None:
    model, again = ToyModel(5), ToyModel(5)
    tap, other = model.features([2, 4]), again.features([2, 4])
    model.forward([1, 2, 0])
    model.rollback(2)
    model.forward([3])
    again.forward([1, 2, 3])
    rows = tap.take()
    assert rows.shape == (3, 2 * model.hidden_size)
    assert torch.equal(rows, other.take())
    assert model.embedding().shape == model.head().shape == (5, model.hidden_size)
