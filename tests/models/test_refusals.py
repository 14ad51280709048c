"""What cannot be loaded is refused before its weights are read, in one line that says what and why."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForCausalLM,
    JambaConfig,
    Lfm2Config,
    MambaConfig,
    PreTrainedConfig,
    Qwen3NextConfig,
    RwkvConfig,
)

from draftlab.engines.transformers import load
from draftlab.errors import DraftlabError, UnsupportedError
from draftlab.models import LoadOptions, resolve
from tests.models.saved import load_folder, save
from tests.models.tiny import tiny_family

SHAPE: dict[str, Any] = {"vocab_size": 60, "hidden_size": 16, "bos_token_id": None, "eos_token_id": None}
HEADS: dict[str, Any] = {"intermediate_size": 32, "num_attention_heads": 2, "num_key_value_heads": 1}


def recurrent(kind: str) -> PreTrainedConfig:
    """Models whose state is overwritten as they read: wholly, or in layers between attention."""
    match kind:
        case "mamba":
            return MambaConfig(num_hidden_layers=2, state_size=4, **SHAPE)
        case "rwkv":
            return RwkvConfig(num_hidden_layers=2, attention_hidden_size=16, intermediate_size=32, **SHAPE)
        case "jamba":
            experts = {"num_experts": 2, "expert_layer_period": 2, "expert_layer_offset": 1}
            attention = {"attn_layer_period": 2, "attn_layer_offset": 1}
            return JambaConfig(num_hidden_layers=2, mamba_d_state=4, **experts, **attention, **SHAPE, **HEADS)
        case "qwen3_next":
            linear = {f"linear_{part}": 8 for part in ("key_head_dim", "value_head_dim")}
            linear |= {f"linear_num_{part}_heads": 2 for part in ("key", "value")}
            experts = {"num_experts": 2, "num_experts_per_tok": 1, "moe_intermediate_size": 16}
            return Qwen3NextConfig(num_hidden_layers=4, head_dim=8, **linear, **experts, **SHAPE, **HEADS)
        case "lfm2":
            return Lfm2Config(num_hidden_layers=2, layer_types=["conv", "full_attention"], **SHAPE, **HEADS)
    raise ValueError(kind)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return save(tiny_family("llama").network, tmp_path / "model")


@pytest.fixture
def no_weights_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(*args: object, **kwargs: object) -> None:
        pytest.fail("weights were read of a model that had to be refused")

    monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", read)


def refusal(folder: Path, options: LoadOptions | None = None) -> str:
    """The one line with which `folder` is refused."""
    with pytest.raises(DraftlabError) as caught:
        load_folder(folder, options)
    assert caught.value.hint
    message = str(caught.value)
    assert "\n" not in message
    assert str(folder) in message
    return message


@pytest.mark.usefixtures("no_weights_are_read")
@pytest.mark.parametrize("kind", ["mamba", "rwkv", "jamba", "qwen3_next", "lfm2"])
def test_a_recurrent_state(kind: str, tmp_path: Path) -> None:
    network = AutoModelForCausalLM.from_config(recurrent(kind))
    folder = save(network, tmp_path / kind)
    with pytest.raises(UnsupportedError, match="attention cache"):  # the hint
        load_folder(folder)
    message = refusal(folder)
    assert type(network).__name__ in message
    assert "keeps a recurrent state that cannot be rolled back" in message


def without_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def without_config(folder: Path) -> None:
    (folder / "config.json").unlink()


def broken_config(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": ')


def unknown_family(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "nonesuch"}')


def not_causal(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "t5", "vocab_size": 60, "d_model": 16, "num_layers": 1}')


def without_tokenizer(folder: Path) -> None:
    for path in folder.glob("tokenizer*"):
        path.unlink()


def pickled(folder: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def cut_weights(share: float) -> Callable[[Path], None]:
    def cut(folder: Path) -> None:
        path = folder / "model.safetensors"
        path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])

    return cut


@pytest.mark.usefixtures("no_weights_are_read")
@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (without_weights, "has no weights"),
        (without_config, "it has no config.json"),
        (broken_config, "cannot load the configuration"),
        (unknown_family, "nonesuch"),
        (not_causal, "T5Config"),
        (pickled, "has only pickled weights (pytorch_model.bin)"),
        (cut_weights(0.0), "model.safetensors is damaged or cut short"),
        (cut_weights(0.01), "model.safetensors is damaged or cut short"),
        (cut_weights(0.999), "model.safetensors is damaged or cut short"),
    ],
    ids=["weights", "config", "json", "family", "encoder", "pickle", "empty", "header", "tail"],
)
def test_a_folder_that_is_not_whole(folder: Path, damage: Callable[[Path], None], reason: str) -> None:
    damage(folder)
    assert reason in refusal(folder)


@pytest.mark.parametrize("name", ["gpt2", "gemma3"])
def test_a_folder_without_a_tokenizer(tmp_path: Path, name: str) -> None:
    """transformers makes an empty one in silence, with which every prompt is empty."""
    folder = save(tiny_family(name).network, tmp_path / name)
    without_tokenizer(folder)
    assert "tokenizer" in refusal(folder)


def test_weights_of_which_some_are_missing(folder: Path) -> None:
    """transformers would put random numbers in their place."""
    weights = load_file(folder / "model.safetensors")
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    assert "lacks 1 of its weights, for example model.layers.1.mlp.up_proj.weight" in refusal(folder)


def test_a_shard_that_is_missing(tmp_path: Path) -> None:
    folder = save(tiny_family("llama").network, tmp_path / "model")
    without_weights(folder)
    tiny_family("llama").network.save_pretrained(folder, max_shard_size="40KB")
    shards = sorted(folder.glob("model-*.safetensors"))
    assert len(shards) > 1
    load_folder(folder)
    shards[0].unlink()
    assert shards[0].name in refusal(folder)


def test_too_little_memory(folder: Path, monkeypatch: pytest.MonkeyPatch, no_weights_are_read: None) -> None:
    needed = 4 * sum(parameter.numel() for parameter in tiny_family("llama").network.parameters())
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=needed))
    message = refusal(folder)
    assert "not enough memory" in message
    with pytest.raises(pytest.fail.Exception):  # half of it fits: now the weights would be read
        load_folder(folder, LoadOptions(device="cpu", dtype="bfloat16"))


@pytest.mark.parametrize("device", ["nonesuch", "meta"])
def test_a_device_that_is_not_here(folder: Path, device: str, no_weights_are_read: None) -> None:
    with pytest.raises(DraftlabError, match=device):
        load_folder(folder, LoadOptions(device=device))


def test_a_hub_id_where_there_is_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked for offline, the client raises before any connection, so that this test needs no closed network."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(DraftlabError, match=r"^cannot reach the model hub for 'nobody/nothing' .*offline mode"):
        load(resolve("nobody/nothing"), LoadOptions(device="cpu"))
