"""A record of every token, on models small enough to work the numbers out again."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import pytest
import torch

from draftlab.bench.detail import record_detail
from draftlab.chance import PhiloxChance
from draftlab.decoding import Decoder
from draftlab.draft_length import Fixed
from draftlab.drafters.model import ModelDrafter
from draftlab.drafters.ngram import NgramDrafter
from draftlab.engines.toy import ToyModel
from draftlab.events import Event
from draftlab.records import Detail
from draftlab.rules.rejection import RejectionRule
from draftlab.sampling import Warper
from draftlab.spec import Sampling
from draftlab.stopping import Stopping
from draftlab.types import Drafter

PROMPT = [0, 1, 2, 0, 1]


def decode(drafter: Drafter, sampling: Sampling, seed: int = 0, stop: Sequence[int] = ()) -> Iterator[Event]:
    target, warp = ToyModel(5, scale=2.0), Warper(sampling, "toy")
    decoder = Decoder(target, drafter, RejectionRule(), warp, Fixed(3), Stopping(frozenset(stop)))
    return decoder.decode(PROMPT, max_new_tokens=12, chance=PhiloxChance(seed))


def smaller(sampling: Sampling) -> ModelDrafter:
    return ModelDrafter(ToyModel(5, 0.4, scale=2.0), Warper(sampling, "small"))


def row(model: ToyModel, text: Sequence[int]) -> list[float]:
    """The model's own distribution after `text`, in one fresh pass."""
    model.reset()
    found: list[float] = torch.softmax(model.forward(text, num_rows=1)[0].double(), -1).tolist()
    return found


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_probabilities_and_entropies_are_those_of_fresh_passes_at_temperature_1(temperature: float) -> None:
    sampling = Sampling(temperature=temperature)
    detail = record_detail(decode(smaller(sampling), sampling), "arm", "prompt")
    target, drafter = ToyModel(5, scale=2.0), ToyModel(5, 0.4, scale=2.0)
    text = list(PROMPT)
    judged = 0
    for watched in detail.rounds:
        q_of_drafted = watched.q or ()
        assert len(q_of_drafted) == len(watched.drafted)
        assert len(watched.entropy) == len(watched.drafted) + 1
        for i, token in enumerate(watched.drafted):
            before = [*text, *watched.drafted[:i]]
            p, q = row(target, before), row(drafter, before)
            assert watched.p[i] == pytest.approx(p[token], abs=1e-5)
            assert q_of_drafted[i] == pytest.approx(q[token], abs=1e-5)
            assert watched.entropy[i] == pytest.approx(-sum(x * math.log(x) for x in p), abs=1e-4)
            common = sum(map(min, p, q)) if temperature else float(p.index(max(p)) == q.index(max(q)))
            assert watched.overlap[i] == pytest.approx(common, abs=1e-5)
            judged += 1
        own = row(target, [*text, *watched.emitted[:-1]])[watched.emitted[-1]]
        assert watched.own_p == pytest.approx(own, abs=1e-5)
        text += watched.emitted
    assert judged > 5
    assert list(detail.tokens) == text[len(PROMPT) :]
    assert len(detail.tokens) == 12


def test_a_drafter_without_probabilities_has_none_on_record() -> None:
    detail = record_detail(decode(NgramDrafter(), Sampling()), "arm", "prompt")
    drafted = [watched for watched in detail.rounds if watched.drafted]
    assert drafted
    assert all(watched.q is None for watched in drafted)


def test_a_cut_at_a_stop_leaves_the_target_without_a_token_of_its_own() -> None:
    free = record_detail(decode(smaller(Sampling()), Sampling()), "arm", "prompt")
    stop = next(w.emitted[0] for w in free.rounds if w.accepted > 1)
    cut = record_detail(decode(smaller(Sampling()), Sampling(), stop=[stop]), "arm", "prompt").rounds[-1]
    assert cut.emitted[-1] == stop
    assert (cut.own_p == 0.0) == (len(cut.emitted) <= cut.accepted)


def test_the_record_survives_writing_and_reading() -> None:
    detail = record_detail(decode(smaller(Sampling()), Sampling()), "arm", "prompt")
    assert Detail.model_validate_json(detail.model_dump_json(exclude_defaults=True)) == detail
