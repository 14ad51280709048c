"""A head that cannot be run with its target is refused in one line that says what does not fit."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from draftlab.drafters.eagle.drafter import EagleDrafter
from draftlab.engines import tensors as loading
from draftlab.engines.tensors import load_tensors
from draftlab.engines.toy import ToyModel, ToyTokenizer
from draftlab.errors import DraftlabError, UnsupportedError
from draftlab.models import LoadOptions, ModelSource, resolve
from draftlab.sampling import Warper
from draftlab.spec import Sampling
from draftlab.types import DrafterContext, LoadedModel
from tests.models.eagle import eagle_config, eagle_tensors, save_eagle

VOCAB, WIDTH = 6, ToyModel(6).hidden_size
Config = dict[str, Any]
Tensors = dict[str, Tensor]


class Mute:
    """An engine that shows logits and nothing else."""

    name = "mute"
    vocab_size = VOCAB
    context_length = None
    length = 0

    def reset(self, capacity: int | None = None) -> None: ...

    def forward(self, tokens: Any, num_rows: int | None = None) -> Tensor:
        return torch.zeros(len(tokens), VOCAB)

    def rollback(self, length: int) -> None: ...


def published() -> tuple[Config, Tensors]:
    config = eagle_config(VOCAB, WIDTH, 3)
    return config, eagle_tensors(config)


SAFE = LoadOptions()


def build(folder: Path, options: LoadOptions = SAFE, target: Any = None) -> EagleDrafter:
    loaded = LoadedModel(target or ToyModel(VOCAB), ToyTokenizer(), {}, {})
    context = DrafterContext(
        loaded,
        lambda *_: loaded,
        lambda name: Warper(Sampling(), name),
        lambda reference: load_tensors(resolve(reference), options),
    )
    return EagleDrafter.build(context, argument=str(folder))


def without(name: str) -> Callable[[Config, Tensors], object]:
    return lambda config, tensors: tensors.pop(name)


def saying(**keys: Any) -> Callable[[Config, Tensors], object]:
    return lambda config, tensors: config.update(keys)


def holding(**more: Tensor) -> Callable[[Config, Tensors], object]:
    return lambda config, tensors: tensors.update(more)


CASES: list[tuple[str, Callable[[Config, Tensors], object], str]] = [
    ("vocabulary", saying(vocab_size=7), "made for a vocabulary of 7, and 'toy' has 6"),
    ("width", saying(target_hidden_size=4), "reads hidden states of 4 numbers, and those of 'toy' have 8"),
    ("missing", without("midlayer.mlp.up_proj.weight"), "lacks the tensor midlayer.mlp.up_proj.weight"),
    ("unknown", holding(mask_hidden=torch.zeros(3)), "has the tensor mask_hidden"),
    ("shape", holding(**{"norm.weight": torch.ones(3)}), r"norm.weight of .* has the shape \(3,\), and not \(8,\)"),
    ("no fc", without("fc.weight"), "is no EAGLE-3 drafter"),
    ("EAGLE-1", saying(num_hidden_layers=2), "of several layers"),
    ("no d2t", without("d2t"), "has 3 of 6 tokens, and no d2t"),
    ("d2t of another", holding(d2t=torch.tensor([0, 1, 9])), "does not name 3 different tokens of the 6"),
    ("d2t twice", holding(d2t=torch.tensor([1, 0, 0])), "does not name 3 different tokens"),
    ("d2t short", holding(d2t=torch.tensor([1, 0])), "should have 3 integers"),
    ("layers", saying(eagle_aux_hidden_state_layer_ids=[2, 4, 9]), "after 2, 4, 9 of the 8 layers"),
    ("two layers", saying(eagle_aux_hidden_state_layer_ids=[2, 4]), "fuses 3 hidden states"),
    ("embedding", holding(**{"embed_tokens.weight": torch.ones(6, 4)}), r"embedding .* shape \(6, 8\)"),
    ("no width", saying(hidden_size="wide"), "says hidden_size = 'wide'"),
    ("draft vocabulary", saying(draft_vocab_size="3"), "says draft_vocab_size = '3'"),
    ("target's width", saying(target_hidden_size="wide"), "says target_hidden_size = 'wide'"),
    ("one layer", saying(eagle_aux_hidden_state_layer_ids=2), "says eagle_aux_hidden_state_layer_ids = 2"),
    ("named layers", saying(eagle_aux_hidden_state_layer_ids=["2"]), r"layer_ids = \['2'\]"),
    ("no table", saying(eagle_config="yes"), "says eagle_config = 'yes'"),
    ("scale", saying(logit_scale="x"), "says logit_scale = 'x'"),
    ("heads", saying(num_attention_heads=0), "config"),
]


@pytest.mark.parametrize(("change", "what"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_head_that_does_not_fit(tmp_path: Path, change: Callable[[Config, Tensors], object], what: str) -> None:
    config, tensors = published()
    change(config, tensors)
    with pytest.raises(DraftlabError, match=what) as caught:
        build(save_eagle(tmp_path, config, tensors))
    assert caught.value.hint
    assert "\n" not in str(caught.value)


def test_the_unchanged_one_fits(tmp_path: Path) -> None:
    assert build(save_eagle(tmp_path, *published())).layers == [2, 4, 5]


def test_an_engine_that_shows_no_hidden_states() -> None:
    with pytest.raises(UnsupportedError, match="the engine of 'mute' does not show them"):
        build(Path("nowhere"), target=Mute())


def pickled(folder: Path, content: Any) -> Path:
    (folder / "config.json").write_text(json.dumps(published()[0]))
    torch.save(content, folder / "pytorch_model.bin")
    return folder


def test_pickled_weights_wait_for_leave(tmp_path: Path) -> None:
    """As the authors' own heads are published."""
    folder = pickled(tmp_path, published()[1])
    with pytest.raises(DraftlabError, match="only pickled weights") as caught:
        build(folder)
    assert "--allow-pickle" in (caught.value.hint or "")
    assert build(folder, LoadOptions(allow_pickle=True)).layers == [2, 4, 5]


class Explosive:
    """What a pickle may do when it is loaded."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("exploded"),))


@pytest.mark.parametrize("content", [{"fc.weight": Explosive()}, [1, 2], {"fc.weight": 3}], ids=["code", "list", "int"])
def test_pickled_code_is_not_run_even_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: Any) -> None:
    monkeypatch.chdir(tmp_path)
    folder = pickled(tmp_path, content)
    with pytest.raises(DraftlabError, match=r"holds more than tensors|no table of tensors"):
        build(folder, LoadOptions(allow_pickle=True))
    assert not Path("exploded").exists()


@pytest.mark.parametrize(("text", "what"), [("{", "is not valid JSON"), ("[]", "is no configuration")])
def test_a_configuration_that_cannot_be_read(tmp_path: Path, text: str, what: str) -> None:
    save_eagle(tmp_path, *published())
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(DraftlabError, match=what):
        build(tmp_path)


def test_a_reference_without_files() -> None:
    with pytest.raises(DraftlabError, match="neither a folder nor a hub id"):
        load_tensors(ModelSource("toy", "toy", "toy"), LoadOptions())


def test_from_the_hub_nothing_pickled_is_fetched_without_leave(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []

    def download(repo: str, *, allow_patterns: list[str], local_files_only: bool) -> str:
        asked.append(allow_patterns)
        return str(tmp_path)

    monkeypatch.setattr(loading, "require_hub", lambda repo: True)
    monkeypatch.setattr(loading, "snapshot_download", download)
    pickled(tmp_path, published()[1]).joinpath("pytorch_model.bin").rename(tmp_path / "kept")
    with pytest.raises(DraftlabError, match="no safetensors weights"):
        build(Path("owner/head"))
    (tmp_path / "kept").rename(tmp_path / "pytorch_model.bin")
    assert build(Path("owner/head"), LoadOptions(allow_pickle=True)).layers == [2, 4, 5]
    assert ["*.bin" in patterns for patterns in asked] == [False, True]
