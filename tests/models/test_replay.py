"""Replayed rounds are those of real decodes: exactly in greedy float32, and in expectation where tokens are drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

import pytest

from draftlab.drafters.model import ModelDrafter
from draftlab.drafters.ngram import NgramDrafter
from draftlab.drafters.none import NoDrafter
from draftlab.drafters.stopping_early import NEVER, StopEarly
from draftlab.engines.transformers import TransformersModel
from draftlab.sampling import Warper
from draftlab.spec import Sampling
from draftlab.tune.path import Path, follow
from draftlab.tune.policies import Policy
from draftlab.tune.replay import Visit, replay, replay_own
from draftlab.tune.texts import Text, take_text, write_text
from tests.models.native import MAX_NEW_TOKENS, PROMPTS, STOP
from tests.models.running import GREEDY, Run, decoder, run
from tests.models.tiny import NOISE, WIDTH, derived_network, tiny_family

GAMMAS = range(1, 9)
POLICIES = [
    StopEarly(product=0.2),
    StopEarly(product=0.6),
    StopEarly(confidence=0.4),
    StopEarly(confidence=0.8),
    StopEarly(product=0.3, confidence=0.5),
]
PENALISED = Sampling(repetition_penalty=1.3)


@cache
def texts(name: str, sampling: Sampling = GREEDY) -> list[Text]:
    plain = decoder(TransformersModel(tiny_family(name).network, name), NoDrafter(), 0, sampling, STOP)
    found = enumerate(PROMPTS)
    return [write_text(plain, f"p{i}", prompt, MAX_NEW_TOKENS, 0, max(GAMMAS)) for i, prompt in found]


def drafter(name: str, which: str, sampling: Sampling = GREEDY, stop_early: StopEarly = NEVER) -> ModelDrafter:
    target = tiny_family(name).network.config.vocab_size
    model = TransformersModel(tiny_family(name).drafters[which], which)
    return ModelDrafter(model, Warper(sampling, which, width=target), stop_early)


@cache
def paths(name: str, which: str, sampling: Sampling = GREEDY) -> list[Path]:
    subject = drafter(name, which, sampling)
    return [follow(subject, text, None, coupled=False) for text in texts(name, sampling)]


def columns(visits: Sequence[Visit]) -> list[tuple[int, int]]:
    assert all(visit.weight == 1.0 for visit in visits)
    return [(visit.drafted, visit.accepted) for visit in visits]


def decoded(finished: Run) -> list[tuple[int, int]]:
    return [(outcome.num_drafted, outcome.num_accepted) for outcome in finished.rounds]


def decode_all(name: str, make: Callable[[], ModelDrafter | NgramDrafter], gamma: int, sampling: Sampling) -> list[Run]:
    subject = decoder(TransformersModel(tiny_family(name).network, name), make(), gamma, sampling, STOP)
    runs = [run(subject, prompt, MAX_NEW_TOKENS) for prompt in PROMPTS]
    assert [tuple(finished.tokens) for finished in runs] == [text.tokens for text in texts(name, sampling)]
    return runs


@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize(
    ("name", "which", "sampling"),
    [
        ("gpt2", "narrower", GREEDY),
        ("qwen2", "wider", GREEDY),
        ("llama", "narrower", PENALISED),
        ("gemma3", "wider", GREEDY),
    ],
)
def test_every_round_of_a_model_drafter(name: str, which: str, sampling: Sampling, gamma: int) -> None:
    runs = decode_all(name, lambda: drafter(name, which, sampling), gamma, sampling)
    fixed = Policy("fixed")
    found = [
        replay(p, t, gamma, fixed) for p, t in zip(paths(name, which, sampling), texts(name, sampling), strict=True)
    ]
    assert [columns(visits) for visits in found] == [decoded(finished) for finished in runs]
    if gamma > 2:
        assert any(finished.stopped_inside_a_draft for finished in runs), "else nothing behind a stop was judged"


@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize("name", ["gpt2", "qwen2"])
def test_every_round_of_prompt_lookup(name: str, gamma: int) -> None:
    runs = decode_all(name, NgramDrafter, gamma, GREEDY)
    found = [replay_own(NgramDrafter(), text, gamma, is_drawn=False) for text in texts(name)]
    assert [columns(visits) for visits in found] == [decoded(finished) for finished in runs]
    assert sum(visit.accepted for visits in found for visit in visits) > 10


@pytest.mark.parametrize("stop_early", POLICIES, ids=str)
@pytest.mark.parametrize("gamma", [2, 4, 8])
def test_rounds_and_accepted_tokens_of_every_policy(stop_early: StopEarly, gamma: int) -> None:
    name, which = "gpt2", "narrower"
    runs = decode_all(name, lambda: drafter(name, which, stop_early=stop_early), gamma, GREEDY)
    policy = Policy("as it is", stop_early)
    found = [replay(p, t, gamma, policy) for p, t in zip(paths(name, which), texts(name), strict=True)]
    assert [[v.accepted for v in visits] for visits in found] == [
        [outcome.num_accepted for outcome in finished.rounds] for finished in runs
    ]
    exact = [
        (visit.drafted, outcome.num_drafted)
        for visits, finished in zip(found, runs, strict=True)
        for visit, outcome in zip(visits, finished.rounds, strict=True)
        if visit.drafted == visit.accepted or outcome.num_drafted == outcome.num_accepted
    ]
    assert all(mine == theirs for mine, theirs in exact), "what is accepted whole is drafted as it was"
    assert any(outcome.num_drafted < gamma for finished in runs for outcome in finished.rounds[:1])


def test_a_short_context_of_the_drafter_ends_drafting_where_it_does() -> None:
    name, gamma = "gpt2", 4
    network = derived_network(tiny_family(name).network, WIDTH, noise=NOISE[name], context=20)
    small = TransformersModel(network, "short")  # every text passes its end, some in the middle of a draft
    subject = ModelDrafter(small, Warper(GREEDY, "short", width=WIDTH))
    runs = decode_all(name, lambda: subject, gamma, GREEDY)
    found = [replay(follow(subject, t, None, coupled=False), t, gamma, Policy("fixed")) for t in texts(name)]
    assert [columns(visits) for visits in found] == [decoded(finished) for finished in runs]
    assert {0, gamma} <= {visit.drafted for visits in found for visit in visits}


def test_a_text_from_a_record_is_the_text_that_is_written() -> None:
    name = "qwen2"
    plain = decoder(TransformersModel(tiny_family(name).network, name), NoDrafter(), 0, GREEDY, STOP)
    for text in texts(name):
        again = take_text(plain, text.prompt_id, text.prompt, MAX_NEW_TOKENS, text.seed, max(GAMMAS), text.tokens)
        assert again == text
    assert any(text.beyond for text in texts(name))
