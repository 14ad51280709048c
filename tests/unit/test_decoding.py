"""The loop itself: lengths, stops, the context's end, events, and what it costs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from draftlab.chance import PhiloxChance
from draftlab.decoding import Decoder
from draftlab.draft_length import Fixed
from draftlab.drafters.model import ModelDrafter
from draftlab.drafters.ngram import NgramDrafter
from draftlab.drafters.none import NoDrafter
from draftlab.engines.toy import ToyModel
from draftlab.errors import DraftlabError
from draftlab.events import Committed, Drafted, Event, Finished, Prefilled, Scored, Started
from draftlab.rules.rejection import RejectionRule
from draftlab.sampling import Warper
from draftlab.spec import Sampling
from draftlab.stopping import Stopping
from draftlab.types import Drafter

GREEDY = Sampling()
HOT = Sampling(temperature=1.0)
PROMPT = [1, 4, 2, 4]
SIZE = 12
NEVER = Stopping()


def decoder(
    drafter: Drafter,
    gamma: int = 4,
    sampling: Sampling = GREEDY,
    stopping: Stopping = NEVER,
    context: int | None = None,
) -> Decoder:
    target = ToyModel(SIZE, context_length=context)
    return Decoder(target, drafter, RejectionRule(), Warper(sampling, "toy"), Fixed(gamma), stopping)


def model_drafter(sampling: Sampling = GREEDY, variation: float = 0.3, context: int | None = None) -> ModelDrafter:
    return ModelDrafter(ToyModel(SIZE, variation, context_length=context), Warper(sampling, "toy"))


def events(subject: Decoder, max_new_tokens: int, prompt: Sequence[int] = PROMPT, seed: int = 0) -> list[Event]:
    return list(subject.decode(prompt, max_new_tokens=max_new_tokens, chance=PhiloxChance(seed)))


def text(found: list[Event]) -> list[int]:
    return [t for event in found if isinstance(event, Committed) for t in event.outcome.emitted]


def reason(found: list[Event]) -> str:
    last = found[-1]
    assert isinstance(last, Finished)
    return last.reason


def plain(max_new_tokens: int, prompt: Sequence[int] = PROMPT) -> list[int]:
    """Greedy decoding without the loop."""
    model = ToyModel(SIZE)
    tokens = list(prompt)
    for _ in range(max_new_tokens):
        model.reset()
        tokens.append(int(model.forward(tokens)[-1].argmax()))
    return tokens[len(prompt) :]


@pytest.mark.parametrize("max_new_tokens", [1, 2, 3, 7, 20])
@pytest.mark.parametrize("gamma", [0, 1, 4, 9])
@pytest.mark.parametrize("make", [NoDrafter, NgramDrafter, model_drafter])
def test_greedy_text_is_plain_decoding_to_the_exact_length(
    make: Callable[[], Drafter], gamma: int, max_new_tokens: int
) -> None:
    found = events(decoder(make(), gamma), max_new_tokens)
    assert text(found) == plain(max_new_tokens)
    assert reason(found) == "length"


def test_a_prompt_of_one_token_will_do() -> None:
    assert text(events(decoder(model_drafter()), 6, [3])) == plain(6, [3])


def test_events_come_in_their_order() -> None:
    kinds = [type(event) for event in events(decoder(model_drafter()), 9)]
    assert kinds[:2] == [Started, Prefilled]
    assert kinds[-1] is Finished
    rounds = kinds[2:-1]
    assert rounds == [Drafted, Scored, Committed] * (len(rounds) // 3)


def test_a_length_limit_never_truncates_a_block() -> None:
    for event in events(decoder(model_drafter(variation=0.0), gamma=9), 5):
        if isinstance(event, Committed):
            assert len(event.outcome.emitted) == event.outcome.num_accepted + 1


@pytest.mark.parametrize("place", range(8))
def test_a_stop_token_ends_the_text_wherever_it_stands_in_a_block(place: int) -> None:
    whole = plain(8)
    stop = whole[place]
    expected = whole[: whole.index(stop) + 1]
    # A drafter that is always right puts all eight tokens into one block.
    found = events(decoder(model_drafter(variation=0.0), gamma=9, stopping=Stopping(frozenset({stop}))), 8)
    assert text(found) == expected
    if len(expected) < 8:
        assert reason(found) == "stop_token"


def test_the_cut_leaves_the_rules_own_count_alone() -> None:
    whole = plain(8)
    stopping = Stopping(frozenset({whole[2]}))
    (outcome,) = [
        e.outcome
        for e in events(decoder(model_drafter(variation=0.0), 9, stopping=stopping), 8)
        if isinstance(e, Committed)
    ]
    assert outcome.num_accepted == 7
    assert len(outcome.emitted) == whole.index(whole[2]) + 1


def test_a_stop_string_ends_the_text_with_the_token_that_completes_it() -> None:
    whole = plain(8)
    written = [str(t) for t in whole]
    stopping = Stopping(strings=(f"{written[2]},{written[3]},",), decode=lambda ts: "".join(f"{t}," for t in ts))
    found = events(decoder(model_drafter(variation=0.0), 9, stopping=stopping), 8)
    assert text(found) == whole[:4]
    assert reason(found) == "stop_string"


@pytest.mark.parametrize("make", [NoDrafter, NgramDrafter, model_drafter])
def test_the_contexts_end_is_respected_and_named(make: Callable[[], Drafter]) -> None:
    found = events(decoder(make(), 4, context=len(PROMPT) + 6), 50)  # the toy raises where its context is overrun
    assert text(found) == plain(6)
    assert reason(found) == "context"


def test_a_prompt_that_fills_the_context_is_refused_before_anything_runs() -> None:
    with pytest.raises(DraftlabError, match="holds 4"):
        events(decoder(NoDrafter(), context=4), 1)


def test_an_empty_prompt_is_refused() -> None:
    with pytest.raises(DraftlabError, match="empty"):
        events(decoder(NoDrafter()), 1, [])


@pytest.mark.parametrize("context", [1, 3, 5, 9])
def test_a_drafter_with_a_shorter_context_stops_drafting_and_does_not_fail(context: int) -> None:
    found = events(decoder(model_drafter(context=context)), 12)
    assert text(found) == plain(12)
    late = [event.draft for event in found if isinstance(event, Drafted)][-1]
    assert not late.tokens


def test_the_same_seed_gives_the_same_text_and_another_seed_another() -> None:
    texts = [tuple(text(events(decoder(model_drafter(HOT), sampling=HOT), 20, seed=seed))) for seed in (5, 5, 6)]
    assert texts[0] == texts[1] != texts[2]


def test_no_token_is_passed_for_nothing() -> None:
    """The law does not notice a rollback that goes too far; the number of tokens passed does."""
    small = ToyModel(SIZE, 0.3)
    subject = decoder(ModelDrafter(small, Warper(GREEDY, "toy")), 4)
    outcomes = [event.outcome for event in events(subject, 20) if isinstance(event, Committed)]
    assert any(o.num_accepted < o.num_drafted for o in outcomes)
    assert any(o.num_accepted == o.num_drafted > 0 for o in outcomes)
    cached = expected = len(PROMPT) - 1
    length = len(PROMPT)
    for outcome in outcomes:
        if outcome.num_drafted:
            # What the cache lacks, and every drafted token but the last; then only what was accepted stays.
            expected += length - cached + outcome.num_drafted - 1
            cached = min(length + outcome.num_drafted - 1, length + outcome.num_accepted)
        length += len(outcome.emitted)
    assert small.num_forwarded == expected
    assert isinstance(subject.target, ToyModel)
    assert subject.target.num_forwarded == len(PROMPT) - 1 + sum(1 + o.num_drafted for o in outcomes)
