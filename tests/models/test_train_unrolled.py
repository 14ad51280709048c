"""Learning runs ahead exactly as drafting does."""

from __future__ import annotations

from itertools import islice

import pytest
import torch

from draftlab.drafters.eagle.memory import Memory
from draftlab.engines.batches import BatchNetwork, open_batches
from draftlab.models import LoadOptions, resolve
from draftlab.train.student import Student, layers_to_read, new_student
from draftlab.train.unrolled import run_ahead
from tests.models.saved import save
from tests.models.tiny import SEEDS, WIDTH, random_network, tiny_config


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> BatchNetwork:
    network = random_network(tiny_config("llama", WIDTH), seed=SEEDS["llama"])
    folder = save(network, tmp_path_factory.mktemp("tiny"))
    return open_batches(resolve(str(folder)), LoadOptions(dtype="float32"))


@pytest.fixture(scope="module")
def student(target: BatchNetwork) -> Student:
    ids = torch.arange(0, target.head().shape[0], 2)
    made = new_student(target, layers_to_read(target.num_layers, None), ids, seed=1)
    with torch.no_grad():  # so that nothing cancels out by being one or zero
        for parameter in made.network.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return made


def test_every_step_at_every_place_is_what_a_draft_from_there_computes(target: BatchNetwork, student: Student) -> None:
    prompts = [[5, 9, 2, 11, 7, 3, 8, 1], [1, 2, 3, 4, 5, 6, 7, 8]]
    batch = target.write(prompts, 4, layers_to_read(target.num_layers, None), 0.0, torch.Generator())
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


def test_hidden_states_are_those_that_the_decoding_loop_shows(target: BatchNetwork) -> None:
    layers = (1, target.num_layers)
    prompts = [[5, 9, 2, 11], [1, 2, 3, 4]]
    batch = target.write(prompts, 3, layers, 0.0, torch.Generator())
    read = target.write(batch.tokens.tolist(), 0, layers, 0.0, torch.Generator())
    torch.testing.assert_close(batch.features, read.features, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(batch.final, read.final, rtol=1e-4, atol=1e-5)
    assert torch.equal(batch.tokens[:, 4:], (read.final @ target.head().T).argmax(-1)[:, 3:])
