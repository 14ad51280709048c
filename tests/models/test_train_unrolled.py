"""Learning runs ahead exactly as drafting does."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest
import torch

from draftlab.chance import make_chance
from draftlab.drafters.eagle.memory import Memory
from draftlab.engines.batches import BatchNetwork, open_batches
from draftlab.models import LoadOptions, resolve
from draftlab.spec import make_experiment
from draftlab.train.head import Head, layers_to_read, new_head
from draftlab.train.unrolled import run_ahead
from draftlab.workbench import Workbench
from tests.models.saved import save
from tests.models.tiny import SEEDS, WIDTH, random_network, tiny_config


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    network = random_network(tiny_config("llama", WIDTH), seed=SEEDS["llama"])
    return save(network, tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def target(folder: Path) -> BatchNetwork:
    return open_batches(resolve(str(folder)), LoadOptions(dtype="float32"))


@pytest.fixture(scope="module")
def student(target: BatchNetwork) -> Head:
    ids = torch.arange(0, target.head().shape[0], 2)
    made = new_head(target, layers_to_read(target.num_layers, None), ids, seed=1)
    with torch.no_grad():  # so that nothing cancels out by being one or zero
        for parameter in made.network.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
            parameter.copy_(parameter.bfloat16())  # as its file keeps it
    return made


def test_every_step_at_every_place_is_what_a_draft_from_there_computes(target: BatchNetwork, student: Head) -> None:
    prompts = [[5, 9, 2, 11, 7, 3, 8, 1], [1, 2, 3, 4, 5, 6, 7, 8]]
    batch = target.write(prompts, 4, layers_to_read(target.num_layers, None), 0.0)
    steps = list(islice(run_ahead(student.network, batch.tokens, batch.features, 3), 3))

    network = student.network
    for text, tokens in enumerate(batch.tokens.tolist()):
        for place in range(len(tokens) - 4):
            memory = Memory()
            hidden = network.fuse(batch.features[text, : place + 1])
            out = network.advance(tokens[1 : place + 2], hidden, memory)[-1:]
            for step in range(3):
                torch.testing.assert_close(steps[step][text, place], network.norm(out)[0], rtol=1e-4, atol=1e-5)
                out = network.advance([tokens[place + 2 + step]], network.following(out), memory)


def test_hidden_states_are_the_same_written_and_read(target: BatchNetwork) -> None:
    layers = (1, target.num_layers)
    prompts = [[5, 9, 2, 11], [1, 2, 3, 4]]
    batch = target.write(prompts, 3, layers, 0.0)
    read = target.write(batch.tokens.tolist(), 0, layers, 0.0)
    torch.testing.assert_close(batch.features, read.features, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(batch.final, read.final, rtol=1e-4, atol=1e-5)
    assert torch.equal(batch.tokens[:, 4:], (read.final @ target.head().T).argmax(-1)[:, 3:])


def test_a_saved_head_drafts_beside_the_target_what_it_was_judged_by(
    target: BatchNetwork, student: Head, folder: Path, tmp_path: Path
) -> None:
    """Through the target's cache, rejected tokens taken back, and the file: the same tokens as on the whole text."""
    student.write(tmp_path)
    written = target.write([[5, 9, 2, 11, 7, 3, 8, 1]], 12, layers_to_read(target.num_layers, None), 0.0)
    tokens = written.tokens[0].tolist()
    out = next(run_ahead(student.network, written.tokens, written.features, 1))[0]
    judged = student.target_ids[(out @ student.head.T).argmax(-1)].tolist()

    shared = {"target": str(folder), "drafters": ("none",), "gammas": (1,), "dtype": "float32", "temperature": 0.0}
    bench = Workbench.open(make_experiment(shared))
    drafter = bench.drafter(f"eagle:{tmp_path},compress=none")
    model = bench.target.model
    model.reset()
    drafter.begin(tokens[:8])
    model.forward(tokens[:7])
    for num in range(8, len(tokens)):
        draft = drafter.propose(tokens[:num], 2, make_chance(0, coupled=False).round(num))
        assert draft.tokens[0] == judged[num - 2], num
        model.forward([tokens[num - 1], 1, 2])  # two that are rejected
        model.rollback(num)
