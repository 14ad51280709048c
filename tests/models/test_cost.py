"""What a decode costs in forwarded tokens: a rollback that goes too far is lossless, and shows only here."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from draftlab.drafters.none import NoDrafter
from draftlab.spec import Sampling
from draftlab.types import Round
from tests.models.native import PROMPTS, STOP
from tests.models.running import Counted, decoder, model_drafter, run
from tests.models.tiny import DRAFTER_WIDTHS, Family

NEW = 24
WARM = Sampling(temperature=1.0)
PROMPT = PROMPTS[7]


def expected_of_drafter(prompt: Sequence[int], rounds: Sequence[Round]) -> int:
    """The prompt but its last token; then in each round what the cache lacks, and the draft but its last token."""
    total = cached = len(prompt) - 1
    length = len(prompt)
    for outcome in rounds:
        if outcome.num_drafted:
            total += length - cached + outcome.num_drafted - 1
            cached = length + min(outcome.num_accepted, outcome.num_drafted - 1)
        length += len(outcome.emitted)
    return total


@pytest.mark.parametrize("which", DRAFTER_WIDTHS)
@pytest.mark.parametrize("gamma", [1, 3, 6])
def test_no_token_is_forwarded_for_nothing(family: Family, gamma: int, which: str) -> None:
    target, small = Counted(family.network, family.name), Counted(family.drafters[which], which)
    subject = decoder(target, model_drafter(target, small, WARM), gamma, WARM)
    every: list[Round] = []
    for seed, prompt in enumerate(PROMPTS[:5]):
        finished = run(subject, prompt, NEW, seed)
        rounds = finished.rounds
        assert [len(tokens) for _, tokens in target.passes] == [len(prompt) - 1, *(1 + r.num_drafted for r in rounds)]
        assert target.length == len(prompt) + len(finished.tokens) - 1, "all but the pending token is cached"
        assert small.num_forwarded == expected_of_drafter(prompt, rounds)
        every += rounds
    assert any(r.num_accepted < r.num_drafted for r in every)
    assert any(r.num_accepted == r.num_drafted > 0 for r in every)


def test_the_drafter_sees_a_token_that_stays_once(family: Family) -> None:
    target, small = Counted(family.network, family.name), Counted(family.drafters["narrower"], "narrower")
    finished = run(decoder(target, model_drafter(target, small), 4), PROMPT, NEW)
    text = PROMPT + finished.tokens
    seen: list[int] = []
    cached: list[int] = []
    for start, tokens in small.passes:
        del cached[start:]
        for token in tokens:
            cached.append(token)
            if cached == text[: len(cached)]:
                seen.append(len(cached) - 1)
    assert seen == list(range(len(seen)))
    assert len(seen) > len(PROMPT)


def test_with_itself_as_drafter_every_round_is_accepted_whole(family: Family) -> None:
    """The exact arithmetic of the best case: 24 tokens are four rounds of five and one of four."""
    target, same = Counted(family.network, family.name), Counted(family.network, "itself")
    finished = run(decoder(target, model_drafter(target, same), 4), PROMPT, NEW)
    assert [(r.num_drafted, r.num_accepted) for r in finished.rounds] == [(4, 4)] * 4 + [(3, 3)]
    assert target.num_forwarded == same.num_forwarded + 1 == len(PROMPT) + NEW - 1


def test_plain_decoding_forwards_every_token_once(family: Family) -> None:
    target = Counted(family.network, family.name)
    finished = run(decoder(target, NoDrafter(), 4, stop=STOP), PROMPT, NEW)
    forwarded = [token for _, tokens in target.passes for token in tokens]
    assert forwarded == (PROMPT + finished.tokens)[:-1]
