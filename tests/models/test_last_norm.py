"""What stands before a target's logits: its norm is found in every family, and what losses do not know is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import CohereConfig, Gemma2Config, GraniteConfig, LlamaForCausalLM

from draftlab.engines.batches import BatchNetwork, open_batches
from draftlab.engines.last_norm import final_scale, require_bare_head, try_bare_head
from draftlab.errors import DraftlabError, UnsupportedError
from draftlab.models import LoadOptions, resolve
from draftlab.train.head import new_head
from draftlab.train.progress import Silent
from draftlab.train.run import train
from draftlab.train.settings import TrainSettings
from tests.models.saved import save
from tests.models.tiny import FAMILIES, WIDTH, random_network, tiny_config, tiny_family

CPU = torch.device("cpu")
NORMS = {"gpt2": "ln_f", "gpt_neox": "final_layer_norm", "qwen2": "norm", "llama": "norm", "gemma3": "norm"}


@pytest.mark.parametrize("family", FAMILIES)
def test_the_scale_is_that_by_which_the_norm_multiplies(family: str) -> None:
    network = tiny_family(family).network
    weight = getattr(network.base_model, NORMS[family]).weight.detach()
    found = final_scale(network)
    assert found is not None
    torch.testing.assert_close(found, weight + 1.0 if family == "gemma3" else weight, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_new_head_begins_with_what_the_targets_head_reads(family: str) -> None:
    """Its own norms neither take a mean away nor add anything, so that for layer norms it is about that."""
    target = BatchNetwork(tiny_family(family).network, _no_tokenizer(), family)
    head = new_head(target, (1, 2), torch.arange(0, WIDTH, 2), seed=1)
    batch = target.write([[5, 9, 2, 11, 7, 3, 8, 1]], 4, (1, 2), 0.0)
    assert head.network.fc_norm is not None
    width = batch.final.shape[-1]
    with torch.no_grad():
        passed = head.network.fc_norm[-1](batch.features[..., -width:])
    off = float((passed - batch.final).norm() / batch.final.norm())
    assert off < (0.3 if family in ("gpt2", "gpt_neox") else 1e-4)
    assert torch.equal(head.network.fc.weight[:, -width:], torch.eye(width))


def _no_tokenizer() -> Any:
    return None


def _config(kind: type, **more: Any) -> Any:
    return kind(
        vocab_size=WIDTH, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, head_dim=16, max_position_embeddings=64, bos_token_id=None, eos_token_id=None,
        pad_token_id=None, tie_word_embeddings=False, **more,
    )  # fmt: skip


CHANGED = {
    "logit_scale = 0.0625": (CohereConfig, {"logit_scale": 0.0625}, {"logit_scale": 1.0}),
    "logits_scaling = 8.0": (GraniteConfig, {"logits_scaling": 8.0}, {"logits_scaling": 1.0}),
    "final_logit_softcapping = 2.0": (
        Gemma2Config, {"final_logit_softcapping": 2.0}, {"final_logit_softcapping": None},
    ),
}  # fmt: skip


@pytest.mark.parametrize("said", CHANGED)
def test_a_target_that_changes_its_logits_is_refused_before_anything_is_written(said: str, tmp_path: Path) -> None:
    kind, changing, _ = CHANGED[said]
    target = save(random_network(_config(kind, **changing), seed=1), tmp_path / "target")
    for student in ("head", "model"):
        with pytest.raises(DraftlabError, match=said) as caught:
            train(TrainSettings(target=str(target), student=student, minutes=0.01), tmp_path / "out", Silent())
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("said", CHANGED)
def test_what_a_pass_shows_is_what_the_configuration_says(said: str, tmp_path: Path) -> None:
    kind, changing, plain = CHANGED[said]
    with pytest.raises(UnsupportedError, match="as a pass over some tokens shows"):
        try_bare_head(random_network(_config(kind, **changing), seed=1), "changing", CPU)
    network = random_network(_config(kind, **plain), seed=1)
    try_bare_head(network, "plain", CPU)
    require_bare_head(resolve(str(save(network, tmp_path / "plain"))), LoadOptions())


@pytest.mark.parametrize("family", FAMILIES)
def test_ordinary_families_pass(family: str) -> None:
    try_bare_head(tiny_family(family).network, family, CPU)


def test_a_head_that_adds_something_is_refused_when_it_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No setting says that."""
    network = random_network(tiny_config("llama", WIDTH), seed=1)
    folder = save(network, tmp_path)
    whole = LlamaForCausalLM.forward

    def adding(self: Any, *args: Any, **given: Any) -> Any:
        out = whole(self, *args, **given)
        out.logits = out.logits + torch.arange(WIDTH)
        return out

    assert open_batches(resolve(str(folder)), LoadOptions(dtype="float32")).num_layers == 2
    monkeypatch.setattr(LlamaForCausalLM, "forward", adding)
    with pytest.raises(UnsupportedError, match="are not its head's product"):
        open_batches(resolve(str(folder)), LoadOptions(dtype="float32"))
