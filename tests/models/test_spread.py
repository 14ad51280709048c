"""A target that accelerate spreads over several places: the same texts, and no weights on the disk.

There is no second device here, so hooks that move nothing, and weights that accelerate takes away between passes, stand
for GPUs and for memory beside them.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import accelerate
import pytest
import torch
from transformers.integrations import accelerate as their_accelerate

from draftlab.drafters.none import NoDrafter
from draftlab.engines import loading, placement
from draftlab.engines.loading import Checkpoint
from draftlab.engines.placement import Placement, choose_device, place
from draftlab.engines.transformers import TransformersModel
from draftlab.errors import DraftlabError, UnsupportedError
from draftlab.models import LoadOptions, ModelSource
from draftlab.spec import Experiment
from draftlab.types import LanguageModel
from draftlab.workbench import Workbench
from tests.models.native import PROMPTS, STOP, native_texts
from tests.models.running import decoder, model_drafter, run
from tests.models.saved import load_folder, save
from tests.models.tiny import FAMILIES, tiny_family

GIB = 2**30
CPU = torch.device("cpu")


def with_hooks(network: Any) -> Any:
    """Every layer in the hands of accelerate, on the device where it was."""
    parts = [
        name for name, module in network.base_model.named_children() if not isinstance(module, torch.nn.ModuleList)
    ]
    layers = [
        f"{name}.{i}" for name, m in network.base_model.named_children() if name not in parts for i in range(len(m))
    ]
    places = {f"{network.base_model_prefix}.{name}": "cpu" for name in (*parts, *layers)}
    head = next(name for name, module in network.named_modules() if module is network.get_output_embeddings())
    return accelerate.dispatch_model(network, {**places, head: "cpu"}, force_hooks=True)


def fetched(network: Any) -> Any:
    """Its weights are fetched in every pass and taken away again."""
    return accelerate.cpu_offload(network, execution_device=CPU)


@pytest.mark.parametrize("move", [with_hooks, fetched])
@pytest.mark.parametrize("name", FAMILIES)
def test_the_texts_are_those_of_one_device(name: str, move: Any) -> None:
    family = tiny_family(name)
    target = TransformersModel(move(copy.deepcopy(family.network)), name)
    target.synchronize()
    small = TransformersModel(family.drafters["narrower"], "small")
    for prompt, expected in zip(PROMPTS[:4], native_texts(name), strict=False):
        assert run(decoder(target, NoDrafter(), 0, stop=STOP), prompt, 24).tokens == expected
        assert run(decoder(target, model_drafter(target, small), 4, stop=STOP), prompt, 24).tokens == expected


def test_weights_that_are_elsewhere_cannot_be_shared_with_a_drafter() -> None:
    target = TransformersModel(fetched(copy.deepcopy(tiny_family("llama").network)), "large")
    with pytest.raises(UnsupportedError, match="embedding of 'large' does not fit its GPUs"):
        target.embedding()
    with pytest.raises(UnsupportedError, match="head of 'large'"):
        target.head()


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """What is free, in GiB: two GPUs and the machine, as placement sees them; a test may change it."""
    free = {"cpu": 8, "cuda:0": 4, "cuda:1": 4, "cuda": 4}
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(placement, "free_memory", lambda device: free[str(device)] * GIB)
    return free


@pytest.mark.parametrize(("gib", "asked", "spread"), [(2, "auto", False), (2, "spread", True), (6, "auto", True)])
def test_what_is_spread(gpus: dict[str, int], gib: int, asked: str, spread: bool) -> None:
    assert place("large", gib * GIB, asked) == Placement(torch.device("cuda"), spread=spread)


def test_what_fits_nowhere_is_refused(gpus: dict[str, int]) -> None:
    with pytest.raises(DraftlabError, match=r"about 20\.0 GiB, 16\.0 GiB are available"):
        place("large", 20 * GIB, "spread")
    with pytest.raises(DraftlabError, match=r"about 6\.0 GiB, 4\.0 GiB are available"):
        place("large", 6 * GIB, "cuda:1")


def test_the_fullest_gpu_decides_what_can_be_split(gpus: dict[str, int]) -> None:
    assert place("large", 7 * GIB, "auto", parts=2) == Placement(torch.device("cuda", 0), split=True)
    gpus["cuda:1"] = 3
    with pytest.raises(DraftlabError, match=r"about 7\.0 GiB, 6\.0 GiB are available"):
        place("large", 7 * GIB, "auto", parts=2)
    with pytest.raises(UnsupportedError, match="cannot be split over 4 GPUs: torch finds 2"):
        place("large", 2 * GIB, "auto", parts=4)


def test_without_a_gpu_there_is_nothing_to_spread_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UnsupportedError, match="no GPU to spread over"):
        choose_device("spread")


def test_weights_on_the_disk_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """transformers itself would read them from the checkpoint in every pass, and say nothing."""
    folder = save(tiny_family("llama").network, tmp_path / "model")
    monkeypatch.setattr(loading, "place", lambda *_: Placement(CPU, spread=True))
    loaded = load_folder(folder)
    assert (loaded.description["device"], loaded.description["launches"]) == ("cpu", "eager")
    monkeypatch.setattr(their_accelerate, "get_max_memory", lambda *_: {"cpu": 60_000})
    with pytest.raises(UnsupportedError, match=r"spread over the disk as well: \d of its 5 parts"):
        load_folder(folder)


def test_the_record_names_every_place_and_a_line_says_what_is_fetched(tmp_path: Path) -> None:
    network = copy.deepcopy(tiny_family("llama").network)
    network.hf_device_map = {"model.embed_tokens": 0, "model.layers.0": 1, "model.layers.1": "cpu"}
    said: list[str] = []
    source = ModelSource("large", "folder", str(tmp_path))
    checkpoint = Checkpoint(source, LoadOptions(device="spread", say=said.append), str(tmp_path), {}, network.config)
    assert checkpoint.describe(network)["device"] == ["cpu", "cuda:0", "cuda:1"]
    checkpoint._settle(network, Placement(torch.device("cuda"), spread=True))
    assert len(said) == 1 and "1 of its 3 parts" in said[0]


def test_a_drafter_is_not_spread_with_its_target(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    def load(reference: str, experiment: Experiment, say: Any, **special: Any) -> Any:
        asked[reference] = special
        return load_toy(reference, Experiment(target="toy"), say)

    from draftlab import workbench

    load_toy = workbench.load_model
    monkeypatch.setattr(workbench, "load_model", load)
    bench = Workbench.open(Experiment(target="toy", device="spread"))
    assert isinstance(bench.target.model, LanguageModel)
    bench.drafter("model:toy:0.3")
    assert "device" not in asked["toy"] and asked["toy:0.3"]["device"] == "auto"
