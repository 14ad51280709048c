"""From events to numbers, on a clock that a test winds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest

from draftlab.bench.clock import WallClock
from draftlab.bench.recorder import record, record_native, record_phases
from draftlab.chance import PhiloxChance
from draftlab.decoding import Decoder
from draftlab.draft_length import Fixed
from draftlab.drafters.ngram import NgramDrafter
from draftlab.engines.toy import ToyModel
from draftlab.events import Committed, Drafted, Event, Finished, Prefilled, Scored, Started
from draftlab.records import Rounds
from draftlab.rules.rejection import RejectionRule
from draftlab.sampling import Warper
from draftlab.spec import Sampling
from draftlab.stopping import Stopping
from draftlab.types import Draft, Round


@dataclass
class Work:
    """Stands for both the clock and the work that passes its time."""

    time: int = 1000
    num_looks: int = 0

    def now_ns(self) -> int:
        self.num_looks += 1
        return self.time


def decode(work: Work) -> Iterator[Event]:
    """3 ns of prefill, then rounds of 10 and 20 ns."""
    work.time += 500  # before the first event: nobody's time
    yield Started([1, 2])
    work.time += 3
    yield Prefilled()
    for outcome, took in ((Round(4, 2, (5, 6, 7)), 10), (Round(4, 4, (8, 9)), 20)):
        yield Drafted(Draft([0] * 4))
        yield Scored([], None)
        work.time += took
        yield Committed(outcome)
    yield Finished("stop_token")


def test_prefill_and_decoding_are_timed_apart() -> None:
    work = Work()
    recording = record(decode(work), work)
    assert (recording.prefill_ns, recording.first_ns, recording.decode_ns) == (3, 10, 30)


def test_every_part_of_a_round_is_timed_apart() -> None:
    work = Work()

    def events() -> Iterator[Event]:
        yield Started([1, 2])
        work.time += 3
        yield Prefilled()
        for outcome, parts in ((Round(4, 2, (5, 6, 7)), (10, 200, 3)), (Round(4, 4, (8, 9)), (20, 100, 4))):
            for event, took in zip((Drafted(Draft([0] * 4)), Scored([], None), Committed(outcome)), parts, strict=True):
                work.time += took
                yield event
        yield Finished("stop_token")

    phases = record_phases(events(), work, "arm", "prompt")
    assert (phases.draft_ns, phases.target_ns, phases.rest_ns) == ((10, 20), (200, 100), (3, 4))
    assert phases.rounds == Rounds(drafted=(4, 4), accepted=(2, 4), emitted=(3, 2))
    assert (phases.arm, phases.prompt_id, phases.prompt_tokens) == ("arm", "prompt", 2)


def test_the_clock_is_read_at_the_ends_and_after_the_first_round_only() -> None:
    """Every look waits for the device; a look inside a measurement would slow down what it measures."""
    work = Work()
    record(decode(work), work)
    assert work.num_looks == 4


def test_tokens_rounds_and_the_reason_are_kept() -> None:
    work = Work()
    recording = record(decode(work), work)
    assert recording.tokens == (5, 6, 7, 8, 9)
    assert recording.rounds == Rounds(drafted=(4, 4), accepted=(2, 4), emitted=(3, 2))
    assert recording.stop == "stop_token"


def test_what_the_consumer_leaves_open_is_not_swallowed() -> None:
    def broken() -> Iterator[Event]:
        yield Started([1])
        raise ArithmeticError("no")

    with pytest.raises(ArithmeticError, match="no"):
        record(broken(), Work())


def test_an_engines_own_decoding_is_timed_as_a_whole() -> None:
    work = Work()

    def generate() -> Sequence[int]:
        work.time += 70
        return [3, 1]

    recording = record_native(generate, work)
    assert (recording.tokens, recording.decode_ns, recording.prefill_ns) == ((3, 1), 70, None)
    assert recording.rounds == Rounds()


def test_the_wall_clock_waits_for_the_device_before_it_looks() -> None:
    waits: list[int] = []
    clock = WallClock(lambda: waits.append(1))
    first, second = clock.now_ns(), clock.now_ns()
    assert len(waits) == 2
    assert second >= first


@pytest.mark.parametrize("gamma", [0, 1, 5])
def test_a_recorded_decode_adds_up(gamma: int) -> None:
    prompt = [1, 2, 3, 1, 2]
    warp = Warper(Sampling(temperature=0.7), "toy")
    decoder = Decoder(ToyModel(4), NgramDrafter(), RejectionRule(), warp, Fixed(gamma), Stopping())
    recording = record(decoder.decode(prompt, max_new_tokens=20, chance=PhiloxChance(1)), WallClock(lambda: None))
    rounds = recording.rounds
    assert sum(rounds.emitted) == len(recording.tokens) == 20
    assert recording.decode_ns > 0
    assert recording.stop == "length"
    for drafted, accepted, emitted in zip(rounds.drafted, rounds.accepted, rounds.emitted, strict=True):
        assert accepted <= drafted <= gamma
        assert emitted == accepted + 1  # nothing was cut
