"""The cache that does not copy itself gives what the library's own gives, bit for bit."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import DynamicCache

from draftlab.engines import growing_cache as module
from draftlab.engines.growing_cache import GrowingLayer, growing_cache
from tests.models.tiny import REAL, WINDOW, Family, tiny_family

TEXT = [(7 * i + 3) % REAL for i in range(60)]
ROUNDS = [(5, 3), (1, 0), (5, 5), (4, 0), (8, 1), (1, 0), (6, 2), (3, 3), (5, 1)]  # tokens passed, taken back


@torch.inference_mode()
def decode(network: Any, cache: DynamicCache) -> Tensor:
    """The logits of a prompt, and of rounds of drafting and taking back."""
    cache.activate_past_recording()
    start, logits = 0, []
    for passed, taken_back in [(9, 0), *ROUNDS]:
        ids = torch.tensor([TEXT[start : start + passed]])
        logits.append(network(input_ids=ids, past_key_values=cache, use_cache=True).logits[0])
        cache.crop(-taken_back)
        start += passed - taken_back
    assert cache.get_seq_length() == start
    return torch.cat(logits)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32], ids=str)
@pytest.mark.parametrize("least", [1, 4, 256])
def test_it_is_the_librarys_cache_bit_for_bit(
    family: Family, dtype: torch.dtype, least: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the buffers have to grow several times."""
    monkeypatch.setattr(module, "_LEAST", least)
    network = copy.deepcopy(family.network).to(dtype)
    expected = decode(network, DynamicCache(config=network.config))
    assert torch.equal(decode(network, growing_cache(network.config, None)), expected)


def test_buffers_are_used_again_and_hold_nothing_of_the_last_text(family: Family) -> None:
    config = family.network.config
    first = growing_cache(config, 80)
    expected = decode(family.network, first)
    buffers = [layer._key_buffer.data_ptr() for layer in first.layers if isinstance(layer, GrowingLayer)]
    second = growing_cache(config, 80, first)
    assert second.get_seq_length() == 0
    assert torch.equal(decode(family.network, second), expected)
    assert buffers == [layer._key_buffer.data_ptr() for layer in second.layers if isinstance(layer, GrowingLayer)]


def layer_with(length: int, room: int = 0) -> GrowingLayer:
    layer = GrowingLayer()
    layer.forget(room)
    states = torch.randn(1, 2, length, 4)
    layer.update(states, 2.0 * states)
    return layer


def test_what_is_given_out_lies_in_the_buffer() -> None:
    layer = layer_with(3)
    keys, values = layer.update(torch.ones(1, 2, 2, 4), torch.ones(1, 2, 2, 4))
    assert keys.shape == values.shape == (1, 2, 5, 4)
    assert keys.data_ptr() == layer._key_buffer.data_ptr()
    assert values.data_ptr() == layer._value_buffer.data_ptr()


def test_room_that_was_announced_is_made_at_once() -> None:
    assert layer_with(3, room=1000)._key_buffer.shape[-2] == 1000


def test_room_doubles() -> None:
    layer = layer_with(256)
    before = layer.keys.clone()
    layer.update(torch.ones(1, 2, 1, 4), torch.ones(1, 2, 1, 4))
    assert layer._key_buffer.shape[-2] == layer._value_buffer.shape[-2] == 512
    assert torch.equal(layer.keys[..., :256, :], before)
    assert torch.equal(layer.values[..., :256, :], 2.0 * before)


def test_sliding_windows_stay_the_librarys() -> None:
    kinds = [type(layer).__name__ for layer in growing_cache(tiny_family("gemma3").network.config, None).layers]
    assert kinds == ["DynamicSlidingWindowLayer", "GrowingLayer"]
    assert len(TEXT) > WINDOW
