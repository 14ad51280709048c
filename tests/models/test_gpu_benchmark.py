"""benchmarks/gpu measures what it says: in the published shapes, at the stated acceptance; a tiny run of all of it."""

from __future__ import annotations

import json
import sys
from math import sqrt
from pathlib import Path

import pytest
import torch
from benchmarks.gpu.__main__ import main
from benchmarks.gpu.imposed import ImposedAcceptance
from benchmarks.gpu.networks import bytes_read, random_network
from benchmarks.gpu.shapes import real_pairs, tiny_pairs
from transformers import AutoModelForCausalLM

from draftlab.chance import PhiloxChance
from draftlab.distributions import PointMasses
from draftlab.types import Draft

PARAMETERS = {  # of the published checkpoints; what is tied counts once
    "qwen2.5": (7_615_616_512, 494_032_768),
    "pythia": (11_846_072_320, 70_426_624),
    "gpt2": (774_030_080, 81_912_576),
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_shapes_are_those_of_the_published_models(name: str) -> None:
    pair = real_pairs()[name]
    with torch.device("meta"):
        networks = [AutoModelForCausalLM.from_config(config) for config in (pair.target, pair.drafter)]
    assert tuple(sum(p.numel() for p in network.parameters()) for network in networks) == PARAMETERS[name]


@pytest.mark.parametrize("rate", [0.0, 0.3, 0.8, 1.0])
def test_the_imposed_acceptance_is_the_one_asked_for(rate: float) -> None:
    rule, chance = ImposedAcceptance(rate), PhiloxChance(3)
    draft, p = Draft([0, 1, 2, 3]), PointMasses([4, 5, 6, 7, 8])
    accepted = judged = 0
    for number in range(1000):
        verdict = rule.verify(draft, p, chance.round(number))
        kept = len(verdict.accepted)
        assert verdict.next_token == 4 + kept  # the target's own, after what was kept
        accepted += kept
        judged += min(kept + 1, 4)
    assert abs(accepted / judged - rate) <= 4 * sqrt(rate * (1 - rate) / judged)


def test_networks_are_tied_as_configured_and_padding_never_wins() -> None:
    pair = tiny_pairs()["pythia"]
    network = random_network(pair.target, torch.device("cpu"), torch.float32, 256, seed=1)
    logits = network(torch.arange(256)[None]).logits
    assert logits.argmax(-1).max() < 256 < logits.shape[-1]
    weights = sum(p.numel() for p in network.parameters()) - network.get_input_embeddings().weight.numel()
    assert bytes_read(network) == 4 * weights
    tied = random_network(tiny_pairs()["qwen2.5"].drafter, torch.device("cpu"), torch.float32, 256, seed=1)
    assert tied.get_input_embeddings().weight is tied.get_output_embeddings().weight
    assert bytes_read(tied) == 4 * sum(p.numel() for p in tied.parameters())


def test_a_tiny_run_on_the_cpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "gpu.json"
    few = "--context 8 --new-tokens 12 --repeats 1 --times 1 --gamma 2 --acceptance 1"
    monkeypatch.setattr(sys, "argv", ["gpu", "--tiny", "--device", "cpu", "--json", str(file), *few.split()])
    assert main() == 0
    out = capsys.readouterr().out
    assert "only the system is measured" in " ".join(out.split())
    document = json.loads(file.read_text())
    assert [pair["name"].split()[0] for pair in document["pairs"]] == [pair.name for pair in real_pairs().values()]
    for pair in document["pairs"]:
        assert pair["name"] in out
        assert len(pair["bars"]) == 3
        assert not pair["captured"]
        for way in (pair["eager"], pair["fast"]):
            assert list(way["target_ms"]) == ["1", "2", "3"]
            assert (way["rounds"], way["acceptance_rate"], way["host_gap_ms"]) == (4, 1.0, None)
        assert pair["assisted"]["rounds"] >= 4


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
@pytest.mark.parametrize("flags", [[], ["--device", "cpu"]])
def test_without_a_gpu_it_says_so(
    flags: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["gpu", *flags])
    assert main() == 2
    assert capsys.readouterr().out.count("\n") == 1
