"""Passes and drafts that are one launch each: the same code, step by step, where nothing can be captured."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from draftlab.drafters.none import NoDrafter
from draftlab.engines import captured
from draftlab.engines.captured import CapturedModel
from draftlab.engines.launches import Launches
from draftlab.engines.transformers import TransformersModel
from draftlab.errors import NonFiniteLogitsError
from draftlab.spec import Sampling
from draftlab.testing import check_engine
from tests.models.running import decoder, model_drafter, run
from tests.models.tiny import REAL, WIDTH, Family

PROMPTS = [[(7 * i + 3 * j) % REAL for j in range(3 + i % 9)] for i in range(6)]
TEXT = [5, 40, 2, 2, 17, 33, 8, 21, 0, 46, 11, 5, 40, 3, 29, 29]
EXACT = {"rtol": 0.0, "atol": 1e-4}


def test_it_keeps_the_engines_contract(family: Family) -> None:
    check_engine(CapturedModel(family.network, family.name, 5), TEXT, 1e-4)


def test_its_logits_are_the_ordinary_engines(family: Family) -> None:
    static, ordinary = CapturedModel(family.network, "static", 5), TransformersModel(family.network, "ordinary")
    for start in (1, 5, 12):
        static.reset()
        ordinary.reset()
        torch.testing.assert_close(static.forward(TEXT[:start]), ordinary.forward(TEXT[:start]), **EXACT)
        torch.testing.assert_close(static.forward(TEXT[start:]), ordinary.forward(TEXT[start:]), **EXACT)
        assert static.length == ordinary.length


def test_a_text_that_outgrows_its_memory_keeps_what_it_has(family: Family, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(captured, "_ROOM", 4)
    static, ordinary = CapturedModel(family.network, "static", 5), TransformersModel(family.network, "ordinary")
    pieces = [TEXT[:3], TEXT[3:5], TEXT[5:16]]
    for piece in pieces:
        torch.testing.assert_close(static.forward(piece), ordinary.forward(piece), **EXACT)


@pytest.mark.parametrize("passed", [1, 2, 6])
@pytest.mark.parametrize("num", [1, 2, 5])
def test_a_draft_is_the_likeliest_token_again_and_again(family: Family, num: int, passed: int) -> None:
    static, ordinary = CapturedModel(family.network, "static", 5), TransformersModel(family.network, "ordinary")
    static.forward(TEXT[:4])
    ordinary.forward(TEXT[:4])
    expected, logits, rest = [], [], TEXT[4 : 4 + passed]
    for _ in range(num):
        logits.append(ordinary.forward(rest, num_rows=1)[0])
        expected.append(int(logits[-1][:REAL].argmax()))
        rest = expected[-1:]
    drafted, rows = static.draft_greedily(TEXT[4 : 4 + passed], num, REAL)
    assert drafted == expected
    torch.testing.assert_close(torch.stack(rows), torch.stack(logits), **EXACT)
    assert static.length == ordinary.length == 4 + passed + num - 1


@pytest.mark.parametrize("gamma", [1, 4, 7])
def test_texts_are_those_of_the_ordinary_engine(family: Family, gamma: int) -> None:
    accepted = 0
    for name, network in family.drafters.items():
        target = CapturedModel(family.network, family.name, gamma + 1)
        small = CapturedModel(network, name, 2)
        ordinary = TransformersModel(family.network, family.name)
        for prompt in PROMPTS[:3]:
            plain = run(decoder(ordinary, NoDrafter(), 0), prompt, 30)
            usual = run(decoder(ordinary, model_drafter(ordinary, TransformersModel(network, name)), gamma), prompt, 30)
            found = run(decoder(target, model_drafter(target, small), gamma), prompt, 30)
            assert found.tokens == plain.tokens
            assert found.rounds == usual.rounds
            accepted += sum(outcome.num_accepted for outcome in found.rounds)
    assert accepted > 0


@pytest.mark.parametrize("sampling", [Sampling(temperature=0.8), Sampling(repetition_penalty=1.3)])
def test_what_the_host_decides_is_drafted_token_by_token(family: Family, sampling: Sampling) -> None:
    network = family.drafters["narrower"]
    target, ordinary = CapturedModel(family.network, "static", 5), TransformersModel(family.network, "ordinary")
    small, usual = CapturedModel(network, "small", 2), TransformersModel(network, "small")
    for prompt in PROMPTS[:3]:
        found = run(decoder(target, model_drafter(target, small, sampling), 4, sampling), prompt, 24)
        assert found == run(decoder(ordinary, model_drafter(ordinary, usual, sampling), 4, sampling), prompt, 24)


def test_a_draft_of_no_numbers_is_an_error(family: Family) -> None:
    model = CapturedModel(family.network, "broken", 2)
    network = model._network
    head = network.get_output_embeddings()
    head.register_forward_hook(lambda *_: torch.full((1, 1, WIDTH), torch.nan))
    try:
        with pytest.raises(NonFiniteLogitsError, match="broken"):
            model.draft_greedily([1, 2], 3, None)
    finally:
        head._forward_hooks.clear()


def test_preparing_leaves_an_empty_text_and_right_logits(family: Family) -> None:
    model = CapturedModel(family.network, "static", 3)
    model.prepare(3, most_drafted=2, width=REAL)
    model.reset()
    assert model.length == 0
    torch.testing.assert_close(model.forward(TEXT), TransformersModel(family.network, "other").forward(TEXT), **EXACT)


def test_a_capture_that_fails_is_said_once_and_done_without(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    launches = Launches(torch.device("cpu"), said.append)
    launches.captures = True

    def refuse(work: Callable[[], Tensor]) -> None:
        raise RuntimeError("operation not permitted when stream is capturing\nand much more")

    monkeypatch.setattr(launches, "_capture", refuse)
    for _ in range(2):
        assert launches.run("pass", lambda: torch.ones(2)).sum() == 2
    assert said == ["without CUDA graphs: operation not permitted when stream is capturing"]
