"""The head that comes with draftlab: small, free, of its target's shape, and not trained on what it is judged by."""

from __future__ import annotations

import json

import pytest
import torch

from draftlab.drafters.eagle.checkpoint import EagleCheckpoint, read_checkpoint
from draftlab.engines.tensors import load_tensors
from draftlab.models import CATALOGUE, DEFAULT_HEAD, SHIPPED, LoadOptions, resolve
from draftlab.suites import BUILT_IN
from draftlab.train.overlap import WINDOW, suite_digest, suites_here

FOLDER = SHIPPED / DEFAULT_HEAD
PROVENANCES = ["provenance-first.json", "provenance-second.json", "provenance.json"]  # of its trainings, in turn
WIDTH, VOCABULARY, LAYERS = 576, 49152, 30  # SmolLM2-135M's


@pytest.fixture(scope="module")
def head() -> EagleCheckpoint:
    return read_checkpoint(load_tensors(resolve(DEFAULT_HEAD), LoadOptions()))


def test_all_that_comes_with_draftlab_has_at_most_16_megabytes() -> None:
    assert sum(path.stat().st_size for path in SHIPPED.rglob("*") if path.is_file()) <= 16e6


def test_it_fits_its_target(head: EagleCheckpoint) -> None:
    assert (head.target_hidden_size, head.layer.vocab_size) == (WIDTH, VOCABULARY)
    assert max(head.layers_of(LAYERS)) <= LAYERS
    ids = head.target_ids()
    assert len(ids) == head.draft_vocab_size
    assert torch.equal(ids, ids.unique())  # sorted, each once
    assert int(ids[0]) >= 0
    assert int(ids[-1]) < VOCABULARY


def test_its_weights_are_numbers(head: EagleCheckpoint) -> None:
    for name, tensor in head.tensors.items():
        assert torch.isfinite(tensor.float()).all(), name


@pytest.mark.parametrize(
    "name",
    ["norm", "midlayer.hidden_norm", "midlayer.input_layernorm", "midlayer.post_attention_layernorm", "fc_norm.0"],
)
def test_it_has_learned(name: str, head: EagleCheckpoint) -> None:
    """These are ones before; the norm of the target's last hidden state is not, as it begins as the target's own."""
    assert float(head.tensors[f"{name}.weight"].float().std()) > 0.01


@pytest.mark.parametrize("provenance", PROVENANCES)
def test_no_prompt_of_the_suites_is_in_what_it_learned_from(provenance: str) -> None:
    """Counted when it was trained, over all of its texts; a suite that has changed since has to be looked for."""
    found = json.loads((FOLDER / provenance).read_text())["data"]["overlap"]
    assert found["window"] == WINDOW
    assert found["shared_windows"] == 0
    assert set(found["suites"]) == set(BUILT_IN)
    assert {name: found["suites"][name] for name in suites_here()} == {
        name: suite_digest(name) for name in suites_here()
    }


def test_its_trainings_follow_one_another() -> None:
    first, *others = (json.loads((FOLDER / name).read_text()) for name in PROVENANCES)
    assert not first["settings"].get("start_from")
    for other in others:
        assert other["settings"]["start_from"] == f"eagle:{DEFAULT_HEAD}"
        assert other["settings"]["target"] == first["settings"]["target"]
        assert other["data"]["draft_vocab"] == first["data"]["draft_vocab"]
    texts = [each["data"]["sha256"] for each in (first, *others)]
    began = [other["data"]["start"]["files"]["model.safetensors"] for other in others]
    assert len({*texts}) == len(texts) and len({*began}) == len(began)  # other texts, and a head that had learned on


def test_it_has_a_card_and_a_licence() -> None:
    card = (FOLDER / "README.md").read_text()
    assert card.startswith("---\n") and "license: apache-2.0" in card
    assert CATALOGUE[DEFAULT_HEAD].licence == "apache-2.0"
