"""A target that is spread over several devices teaches as one that is on one. There is no second device here."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from draftlab.drafters.eagle.network import EagleNetwork
from draftlab.engines.batch_texts import Texts
from draftlab.engines.batches import BatchNetwork, open_batches
from draftlab.engines.loading import Checkpoint
from draftlab.errors import UnsupportedError
from draftlab.models import LoadOptions, resolve
from draftlab.train.head import new_head
from draftlab.train.unrolled import run_ahead
from tests.models.saved import save
from tests.models.test_spread import fetched, with_hooks
from tests.models.tiny import FAMILIES, WIDTH, tiny_family

PROMPTS = [[(7 * i + 3 * j) % 40 + 2 for j in range(3 + i)] for i in range(8)]
LAYERS = (1, 2)


def _target(network: Any) -> BatchNetwork:
    tokenizer: Any = None
    return BatchNetwork(network, tokenizer, "large")


def _stops(target: BatchNetwork) -> list[int]:
    """At which some of the texts end early."""
    return target.write(PROMPTS, 4, LAYERS, 0.0).tokens[:2, 5].tolist()


@pytest.mark.parametrize("name", FAMILIES)
def test_it_writes_the_same_texts(name: str) -> None:
    network = tiny_family(name).network
    one, several = _target(network), _target(with_hooks(copy.deepcopy(network)))
    stops = _stops(one)
    expected, found = (each.write(PROMPTS, 12, LAYERS, 0.7, stops, seed=3) for each in (one, several))
    assert torch.equal(expected.tokens, found.tokens)
    torch.testing.assert_close(expected.features, found.features)
    assert torch.equal(one.embedding(), several.embedding()) and several.free_memory() > 0


def test_weights_that_do_not_fit_are_refused_when_it_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = save(tiny_family("llama").network, tmp_path / "model")
    network = fetched(copy.deepcopy(tiny_family("llama").network))
    monkeypatch.setattr(Checkpoint, "load_network", lambda *_: network)
    with pytest.raises(UnsupportedError, match=rf"the embedding of '{folder}' does not fit its GPUs"):
        open_batches(resolve(str(folder)), LoadOptions(dtype="float32"))


class _OnTheHost(torch.Tensor):
    """An index that every device takes, as long as nobody moves it to one; what is made of it is an ordinary tensor."""

    __torch_function__ = torch._C._disabled_torch_function_impl

    def to(self, *args: Any, **given: Any) -> Tensor:
        raise AssertionError(f"it was moved to {args}")


def test_layers_are_told_on_the_host_which_texts_remain(monkeypatch: pytest.MonkeyPatch) -> None:
    target = _target(tiny_family("llama").network)
    stops, drops, whole = _stops(target), [], Texts.drop_ended

    def dropped(self: Texts) -> Tensor | None:
        kept = whole(self)
        drops.append(kept)
        return None if kept is None else kept.as_subclass(_OnTheHost)

    expected = target.write(PROMPTS, 12, LAYERS, 0.0, stops)
    monkeypatch.setattr(Texts, "drop_ended", dropped)
    assert torch.equal(target.write(PROMPTS, 12, LAYERS, 0.0, stops).tokens, expected.tokens)
    assert any(kept is not None for kept in drops)


class _Elsewhere:
    """The rows of a vocabulary on another device; they are looked up there, and come back on any."""

    device = torch.device("meta")

    def __init__(self, width: int) -> None:
        self.width = width
        self.asked: list[Tensor] = []

    def __getitem__(self, ids: Tensor) -> Tensor:
        self.asked.append(ids)
        return torch.zeros(*ids.shape, self.width)


def test_tokens_are_looked_up_where_the_embedding_is() -> None:
    target = _target(tiny_family("llama").network)
    network: EagleNetwork = new_head(target, LAYERS, torch.arange(WIDTH), seed=1).network
    batch = target.write(PROMPTS[:2], 4, LAYERS, 0.0)
    rows: Any = _Elsewhere(target.head().shape[1])
    network.embedding = rows
    outs = list(run_ahead(network, batch.tokens, batch.features, 2))
    assert [ids.device.type for ids in rows.asked] == ["meta", "meta"]
    assert all(out.device == target.head().device for out in outs)
