"""Which arm of a run is exported: what pays, what is named, or plain serving; and the figures that go with it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from draftlab.errors import DraftlabError, UnknownNameError
from draftlab.export.choice import Choice, choose, synthetic_rates
from draftlab.records import Arm
from draftlab.store import Store
from tests.unit.handmade import BASELINE, CONTROL, DRAFTED, manifest, prompt, trace

MS = 1_000_000
AUTO = Arm(id="auto", role="drafted", drafter="ngram", gamma=16, rule="rejection", draft_length="auto")
LOSSY = Arm(id="lossy", role="drafted", drafter="ngram", gamma=2, rule="typical", lossless=False)
ROUNDS = {"drafted": [5, 0, 3], "accepted": [2, 0, 3]}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return tmp_path / "run"


def write(folder: Path, arms: Sequence[tuple[Arm, int]], num_prompts: int = 6) -> Path:
    """A run in which the baseline takes 10 ms for each prompt, and each other arm as many as stand beside it."""
    names = [f"p{i}" for i in range(num_prompts)]
    timed = [(BASELINE, 10), *arms]
    facts = manifest(arms=tuple(arm for arm, _ in timed), prompts=tuple(map(prompt, names)))
    store = Store.create(folder, facts)
    with store.writer() as writer:
        for name in names:
            for arm, ms in timed:
                rounds = {} if arm.drafter == "none" else ROUNDS
                writer.traces.append(trace(arm, name, range(8), decode_ns=ms * MS, **rounds))
    return folder


def test_the_fastest_lossless_arm_that_pays(run: Path) -> None:
    choice = choose(write(run, [(DRAFTED, 8), (AUTO, 5), (LOSSY, 1)]))
    assert (choice.arm, choice.is_plain) == (AUTO, False)
    assert choice.speedup is not None and choice.speedup.value == pytest.approx(2.0)
    assert choice.why.startswith("drafter ngram, gamma auto (at most 16), rule rejection: 2.0x")
    assert choice.why.endswith("(2.00 to 2.00), the best of 2 lossless arms")


def test_a_length_of_its_own_becomes_the_typical_one_of_drafts_that_were_not_empty(run: Path) -> None:
    assert choose(write(run, [(AUTO, 5)])).gamma == 3
    assert choose(run, "auto").gamma == 3


@pytest.mark.parametrize(
    ("arms", "num_prompts", "why"),
    [
        ([(DRAFTED, 12)], 6, "no arm pays beyond doubt. The best is drafter ngram, gamma 5, rule rejection: 0.83x"),
        ([(DRAFTED, 9), (CONTROL, 8)], 6, "no arm pays beyond doubt"),  # the baseline itself varies by more
        ([(DRAFTED, 5)], 5, "no interval below 6 prompts, so no arm is known to pay"),
        ([(LOSSY, 5)], 6, "the run has no lossless arm with a speed-up"),
        ([], 6, "the run has no lossless arm with a speed-up"),
    ],
)
def test_plain_serving_where_nothing_is_known_to_pay(
    run: Path, arms: list[tuple[Arm, int]], num_prompts: int, why: str
) -> None:
    choice = choose(write(run, arms, num_prompts))
    assert (choice.arm, choice.is_plain, choice.speedup) == (BASELINE, True, None)
    assert choice.why.startswith(f"plain serving: {why}")


def test_an_arm_that_is_named_is_taken_as_it_is(run: Path) -> None:
    write(run, [(DRAFTED, 12), (LOSSY, 5)])
    choice = choose(run, DRAFTED.id)
    assert (choice.arm, choice.gamma) == (DRAFTED, 5)
    assert choice.why.startswith("as asked for with --arm: drafter ngram, gamma 5, rule rejection: 0.83x")
    assert choose(run, "lossy").arm == LOSSY
    assert choose(run, "none").is_plain
    with pytest.raises(UnknownNameError, match="no arm of this run is called 'ngram'; there are: lossy, ngram gamma=5"):
        choose(run, "ngram")


def rates(run: Path, gamma: int) -> tuple[float, ...]:
    choice: Choice = choose(write(run, [(DRAFTED.model_copy(update={"gamma": gamma}), 5)]))
    return synthetic_rates(choice)


def test_the_rates_of_each_position_never_rise(run: Path) -> None:
    """Of the rounds that drafted, (5, 2) and (3, 3): positions 1 to 5 were accepted in 2/2, 2/2, 1/2, 0/1, 0/1."""
    assert rates(run, 5) == (1.0, 1.0, 0.5, 0.0, 0.0)
    assert rates(run.with_name("shorter"), 2) == (1.0, 1.0)
    assert rates(run.with_name("longer"), 7) == (1.0, 1.0, 0.5, 0.0, 0.0, 0.0, 0.0)


def test_plain_decoding_has_no_rates(run: Path) -> None:
    with pytest.raises(DraftlabError, match="no acceptance"):
        synthetic_rates(choose(write(run, [(DRAFTED, 12)])))
