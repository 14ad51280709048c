"""A drafter of some of the tokens: the same logits for these, none for others, and the same texts in the end."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch

from draftlab.engines.captured import CapturedModel
from draftlab.engines.restricted_head import RestrictedHead, choose_tokens, restrict_head
from draftlab.engines.transformers import TransformersModel
from draftlab.errors import DraftlabError, UnsupportedError
from draftlab.models import LoadOptions
from draftlab.spec import Experiment, Sampling
from draftlab.workbench import Workbench
from tests.models.native import MAX_NEW_TOKENS, PROMPTS, STOP, native_texts
from tests.models.running import acceptance_rate, decoder, model_drafter, run
from tests.models.saved import load_folder, save
from tests.models.tiny import Family, tiny_family

ADDED = {1, 47}
NUM = 30
KEPT = [*range(29), 47]


def cut(network: Any) -> Any:
    small = copy.deepcopy(network)
    restrict_head(small, NUM, ADDED, "small")
    return small


def test_added_tokens_are_kept_and_of_the_others_the_lowest() -> None:
    assert choose_tokens(5, 100, {90, 2, 300}, "small") == [0, 1, 2, 3, 90]


@pytest.mark.parametrize("num", [2, 60, 1000])
def test_senseless_sizes_are_refused(num: int) -> None:
    with pytest.raises(DraftlabError, match=f"the head of 'small' cannot be cut to {num} tokens") as raised:
        choose_tokens(num, 60, {1, 2}, "small")
    assert "60 and keeps 2" in str(raised.value.hint)


def test_kept_tokens_have_their_logits_and_others_none(family: Family) -> None:
    small, whole = TransformersModel(cut(family.network), "small"), TransformersModel(family.network, "whole")
    found, expected = small.forward(PROMPTS[7]), whole.forward(PROMPTS[7])
    assert found.shape == expected.shape
    torch.testing.assert_close(found[:, KEPT], expected[:, KEPT])
    others = [token for token in range(found.shape[1]) if token not in KEPT]
    assert found[:, others].isneginf().all()


@pytest.mark.parametrize("engine", [TransformersModel, lambda network, name: CapturedModel(network, name, 5)])
def test_greedy_texts_are_the_librarys(family: Family, engine: Any) -> None:
    target = TransformersModel(family.network, family.name)
    drafter = engine(cut(family.network), "small")
    subject = decoder(target, model_drafter(target, drafter), 4, stop=STOP)
    runs = [run(subject, prompt, MAX_NEW_TOKENS) for prompt in PROMPTS]
    assert [finished.tokens for finished in runs] == native_texts(family.name)
    assert 0.1 < acceptance_rate(runs) < 1.0, "the target's own weights, without a third of its tokens"


def test_what_is_sampled_is_drafted_by_what_is_left() -> None:
    family = tiny_family("llama")
    target = TransformersModel(family.network, "target")
    warm = Sampling(temperature=1.0, top_k=40, repetition_penalty=1.1)
    subject = decoder(target, model_drafter(target, TransformersModel(cut(family.network), "small"), warm), 4, warm)
    runs = [run(subject, PROMPTS[7], 24, seed) for seed in range(10)]
    assert 0.1 < acceptance_rate(runs) < 1.0


def test_a_tied_embedding_stays_whole(tmp_path: Path) -> None:
    network = copy.deepcopy(tiny_family("qwen2").network)
    network.config.tie_word_embeddings = True
    network.lm_head.weight = network.model.embed_tokens.weight
    folder = save(network, tmp_path / "tied")
    for compress in ("none", "int8", "int4"):
        loaded = load_folder(folder, LoadOptions(device="cpu", head=NUM, compress=compress))
        assert loaded.description["head"] == NUM
        assert loaded.model.embedding().shape == network.lm_head.weight.shape
        assert int(loaded.model.forward([50])[0].isfinite().sum()) == NUM


def test_a_network_that_bends_its_logits_is_refused() -> None:
    network = copy.deepcopy(tiny_family("gemma3").network)
    network.config.final_logit_softcapping = 30.0
    with pytest.raises(UnsupportedError, match="does more with its logits"):
        restrict_head(network, NUM, ADDED, "small")


def test_a_head_that_is_no_linear_layer_is_refused() -> None:
    network = cut(tiny_family("llama").network)
    with pytest.raises(UnsupportedError, match="is a RestrictedHead and cannot be cut"):
        restrict_head(network, 10, ADDED, "small")


def test_other_drafters_of_the_same_model_keep_theirs(tmp_path: Path) -> None:
    folder = save(tiny_family("llama").network, tmp_path / "model")
    subject = Workbench.open(Experiment(target=str(folder), drafters=("none",), device="cpu"))
    for options in (",compress=none", ",compress=none,head=20", ",head=20,compress=int8"):
        subject.drafter(f"model:{folder}{options}")
    heads = {name: loaded.description.get("head") for name, loaded in subject.drafter_models.items()}
    assert heads == {
        f"{folder},compress=none": None,
        f"{folder},compress=none,head=20": 20,
        f"{folder},compress=int8,head=20": 20,
    }
    finite = [int(loaded.model.forward([3])[0].isfinite().sum()) for loaded in subject.drafter_models.values()]
    assert finite == [60, 20, 20]


def test_a_toy_can_be_cut_too() -> None:
    subject = Workbench.open(Experiment(target="toy", drafters=("none",)))
    subject.drafter("model:toy:0.5,head=20")
    (loaded,) = subject.drafter_models.values()
    assert int(loaded.model.forward([3])[0].isfinite().sum()) == 20
    with pytest.raises(DraftlabError, match="cannot be cut to 200"):
        subject.drafter("model:toy:0.5,head=200")


def test_its_bias_is_cut_with_it() -> None:
    torch.manual_seed(0)
    head = torch.nn.Linear(4, 6)
    x = torch.randn(1, 2, 4)
    found = RestrictedHead(head, torch.tensor([0, 3, 5]))(x)
    torch.testing.assert_close(found[..., [0, 3, 5]], head(x)[..., [0, 3, 5]])
    assert found[..., [1, 2, 4]].isneginf().all()
