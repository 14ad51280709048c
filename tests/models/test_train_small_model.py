"""A small model is distilled from its target, interrupted and resumed, and is an ordinary model folder in the end."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from draftlab.chance import make_chance
from draftlab.engines.batches import BatchNetwork, open_batches
from draftlab.errors import DraftlabError
from draftlab.events import Committed
from draftlab.models import LoadOptions, resolve
from draftlab.spec import make_experiment
from draftlab.train.begin import new_policy
from draftlab.train.held_out import judge
from draftlab.train.overlap import Forbidden
from draftlab.train.progress import Silent
from draftlab.train.run import train
from draftlab.train.settings import TrainSettings
from draftlab.train.shards import Shard, Shards
from draftlab.train.small_model import SmallModel, new_small_model
from draftlab.types import Drafter
from draftlab.workbench import Workbench
from tests.cli.training import as_on_any_machine, save_target_and_data
from tests.models.test_train import KilledAfter
from tests.models.tiny import REAL

PROMPT = [5, 9, 2, 11, 7, 3, 8, 1]


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("given")
    save_target_and_data(folder, 40)
    (folder / "target" / "LICENSE").write_text("as you like")
    return folder


@pytest.fixture(scope="module")
def target(given: Path) -> Path:
    return given / "target"


@pytest.fixture(scope="module")
def data(given: Path) -> Path:
    return given / "data"


def _settings(target: Path, data: Path, on_policy: float) -> TrainSettings:
    return TrainSettings(
        target=str(target), student="model", data=(str(data),), minutes=1.0, num_layers=1,
        new_tokens=24, batch=8, dtype="float32", on_policy=on_policy,
    )  # fmt: skip


@pytest.fixture(scope="module", params=[0.0, 0.5], ids=["off-policy", "on-policy"])
def folder(request: pytest.FixtureRequest, target: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained") / "drafter"
    with as_on_any_machine((1,), (150,)):
        train(_settings(target, data, request.param), folder, Silent(), keep=True)
    return folder


def test_it_learns(folder: Path) -> None:
    """Held out it cannot become better: what a target of random weights writes next cannot be foretold."""
    curve = json.loads((folder / "provenance.json").read_text())["curve"]
    assert curve[-1]["loss"] < 0.9 * curve[1]["loss"]
    assert all(point["accepted"][0] > 0.2 for point in curve)
    assert curve[-1]["speedup"] > 0


def test_it_is_an_ordinary_folder(folder: Path, target: Path) -> None:
    for name in ("config.json", "generation_config.json", "tokenizer.json", "README.md", "LICENSE"):
        assert (folder / name).is_file(), name
    card = (folder / "README.md").read_text()
    assert "model of 1 layers" in card
    assert "They began as the target's 0." in card
    made = AutoModelForCausalLM.from_pretrained(folder)
    whole = AutoModelForCausalLM.from_pretrained(target)
    assert made.config.num_hidden_layers == 1
    assert torch.equal(made.get_output_embeddings().weight, whole.get_output_embeddings().weight)
    assert AutoTokenizer.from_pretrained(folder)("w3 w4").input_ids == [3, 4]
    ids = torch.tensor([PROMPT])
    text = whole.generate(ids, max_new_tokens=12, do_sample=False, pad_token_id=0)
    assert torch.equal(
        text, whole.generate(ids, max_new_tokens=12, do_sample=False, pad_token_id=0, assistant_model=made)
    )


def test_with_it_the_target_writes_what_it_writes_alone(folder: Path, target: Path) -> None:
    shared = {"target": str(target), "drafters": ("none",), "gammas": (3,), "dtype": "float32", "temperature": 0.0}
    bench = Workbench.open(make_experiment(shared))
    plain = bench.drafter("none")
    rng = random.Random(1)
    prompts = [rng.choices(range(2, REAL), k=9) for _ in range(4)]
    for compress in ("none", "int8"):
        drafter = bench.drafter(f"model:{folder},compress={compress}")
        texts, accepted = zip(*(_decode(bench, drafter, prompt) for prompt in prompts), strict=True)
        assert list(texts) == [_decode(bench, plain, prompt)[0] for prompt in prompts]
        assert sum(accepted) > 0


def _decode(bench: Workbench, drafter: Drafter, prompt: list[int]) -> tuple[list[int], int]:
    """The new tokens, and how many of them had been drafted."""
    events = bench.decoder(drafter, 3).decode(prompt, max_new_tokens=24, chance=make_chance(0, coupled=False))
    outcomes = [event.outcome for event in events if isinstance(event, Committed)]
    return [token for each in outcomes for token in each.emitted], sum(each.num_accepted for each in outcomes)


def test_an_interrupted_run_that_is_resumed_has_the_same_curve(folder: Path, tmp_path: Path) -> None:
    whole = json.loads((folder / "provenance.json").read_text())
    again = tmp_path / "again"
    shutil.copytree(folder, again)
    for name in ("provenance.json", "model.safetensors", "config.json", "work/checkpoint.safetensors"):
        (again / name).unlink()
    with pytest.raises(KeyboardInterrupt):
        train(None, again, KilledAfter(whole["curve"][-1]["step"] // 2), keep=True)
    resumed = train(None, again, Silent(), keep=True)
    assert [point.model_dump(mode="json") for point in resumed.curve] == whole["curve"]
    assert (again / "model.safetensors").read_bytes() == (folder / "model.safetensors").read_bytes()


@pytest.fixture(scope="module")
def network(target: Path) -> BatchNetwork:
    return open_batches(resolve(str(target)), LoadOptions(dtype="float32"))


@pytest.fixture
def student(network: BatchNetwork) -> SmallModel:
    return new_small_model(network, (0,), TrainSettings(target="t", student="model", num_layers=1))


def _written(network: BatchNetwork) -> Shard:
    prompts = [PROMPT, PROMPT[::-1], [1, 2, 3, 4, 5, 6, 7, 8]]
    batch = network.write(prompts, 12, (), 0.0)
    starts = torch.full((3,), 8).int()
    return Shard(
        batch.tokens.int(),
        batch.features,
        batch.final,
        starts,
        torch.tensor([20, 20, 0]).int(),
        torch.ones_like(starts),
    )


def test_the_curve_counts_what_it_drafts(
    network: BatchNetwork, student: SmallModel, target: Path, tmp_path: Path
) -> None:
    """Judged in one pass over the text, and drafting token by token in rounds: the same number of rounds."""
    shard = _written(network)
    shards = Shards(tmp_path / "shards")
    shards.write(0, True, shard.rows([0, 1]))
    with torch.no_grad():  # as its file keeps it
        for parameter in student.network.parameters():
            parameter.copy_(parameter.bfloat16())
    student.write(tmp_path / "made")
    point = judge(student, shards, 0, 0.0, ())
    shared = {"target": str(target), "drafters": ("none",), "gammas": (2,), "dtype": "float32", "temperature": 0.0}
    bench = Workbench.open(make_experiment({**shared, "ignore_eos": True}))
    decoder = bench.decoder(bench.drafter(f"model:{tmp_path / 'made'},compress=none"), 2)
    rounds = 0
    for prompt in (PROMPT, PROMPT[::-1]):
        events = decoder.decode(prompt, max_new_tokens=12, chance=make_chance(0, coupled=False))
        rounds += sum(isinstance(event, Committed) for event in events)
    assert point.tokens_a_round[1] == pytest.approx(24 / rounds, rel=0.05)  # bfloat16 may turn a near tie


def test_what_the_student_writes_is_read_by_the_target(network: BatchNetwork, student: SmallModel) -> None:
    settings = TrainSettings(target="t", student="model", on_policy=1.0)
    policy = new_policy(student, network, settings, (1,), Forbidden(network.tokenizer.encode))
    assert policy is not None
    batch = _written(network)
    for number in range(20):
        drawn = policy.drawn(batch, random.Random(number))
        assert len(drawn) == 2  # what has no text to learn from is left out
        same = (drawn.tokens == batch.tokens[:2, : drawn.tokens.shape[1]]).int().cumprod(1).sum(1)
        assert int(same.min()) >= 8  # the prompt at least
        again = network.write(drawn.tokens.tolist(), 0, (), 0.0)
        torch.testing.assert_close(drawn.final, again.final)
        assert bool((drawn.ends >= drawn.starts).all())
        for tokens, end in zip(drawn.tokens.tolist(), drawn.ends.tolist(), strict=True):
            assert 1 not in tokens[8 : end - 1]
    assert torch.equal(policy(batch, 3).tokens, policy(batch, 3).tokens)
    nothing = batch.rows([2])
    assert policy.drawn(nothing, random.Random(0)) is nothing


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"num_layers": 2}, "no smaller than the target, which has 2"),
        ({"from_layers": (0, 2)}, "the target has layers 0 to 1"),
        ({"from_layers": (1, 0)}, "cannot be 1,0"),
    ],
)
def test_layers_that_make_no_sense_are_refused_before_the_target_writes(
    target: Path, data: Path, settings: dict[str, object], reason: str, tmp_path: Path
) -> None:
    asked = TrainSettings.model_validate(
        {"target": str(target), "student": "model", "data": (str(data),), "dtype": "float32", **settings}
    )
    with pytest.raises(DraftlabError, match=reason):
        train(asked, tmp_path / "out", Silent())
    assert not list((tmp_path / "out").rglob("*.safetensors"))
