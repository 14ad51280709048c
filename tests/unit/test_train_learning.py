"""Draft lengths, the order of texts, and what settings mean."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from draftlab.errors import DraftlabError
from draftlab.train import learning
from draftlab.train.held_out import Point, best_length, num_rounds
from draftlab.train.learning import Schedule, depths_and_shares, plan_steps
from draftlab.train.optimiser import Optimiser
from draftlab.train.progress import Silent
from draftlab.train.settings import TrainSettings, require_fitting
from draftlab.train.shards import Shard, Shards
from draftlab.train.small_model import layers_to_take
from draftlab.train.student import Student
from draftlab.train.vocabulary import choose_tokens, count_tokens


def test_best_length_by_hand() -> None:
    assert best_length((1.8, 2.2), (100, 120, 200)) == (1, pytest.approx(1.5))
    assert best_length((1.8, 2.2), (100, 120, 130)) == (2, pytest.approx(2.2 / 1.3))


def test_rounds_go_through_a_text_as_decoding_does() -> None:
    # written are tokens 4 to 9; drafts from places 2, 3, ... (before tokens 4, 5, ...) get so many accepted
    lengths = [9, 9, 2, 0, 0, 1, 0, 0, 0]
    assert num_rounds(lengths, 4, 10, gamma=1) == 4  # 4 5 | 6 | 7 8 | 9
    assert num_rounds(lengths, 4, 10, gamma=2) == 3  # 4 5 6 | 7 8 | 9
    assert num_rounds([0] * 9, 4, 10, gamma=2) == 6
    assert num_rounds(lengths, 4, 4, gamma=2) == 0


def test_depths_follow_one_another() -> None:
    schedule = Schedule((1, 2, 3), (2, 1, 2))
    assert [schedule.depth(step) for step in range(6)] == [1, 1, 2, 3, 3, 3]


@pytest.mark.parametrize(
    ("asked", "depths", "shares"),
    [
        ({}, (1, 2, 3), (0.15, 0.45, 0.4)),
        ({"steps_ahead": 2}, (1, 2), (0.15, 0.85)),
        ({"steps_ahead": 1}, (1,), (1.0,)),
        ({"start_from": "eagle:h", "steps_ahead": 4}, (4,), (1.0,)),
        ({"student": "model"}, (1,), (1.0,)),
    ],
)
def test_learning_runs_ahead_further_and_further(
    asked: dict[str, object], depths: tuple[int, ...], shares: tuple[float, ...]
) -> None:
    found = depths_and_shares(TrainSettings.model_validate({"target": "t", **asked}))
    assert found == (depths, pytest.approx(shares))


def test_there_are_as_many_steps_as_there_is_time_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step takes half a second, and a quarter more for each token that it runs ahead; a look takes one."""
    now = 0.0

    def passes(seconds: float) -> None:
        nonlocal now
        now += seconds

    def learns(*given: object, **_: object) -> None:
        passes(0.25 * cast("int", given[2]))

    monkeypatch.setattr(learning, "monotonic", lambda: now)
    monkeypatch.setattr(learning, "learn_from", learns)
    monkeypatch.setattr(learning, "judge", lambda *_: passes(1.0))
    monkeypatch.setattr(Optimiser, "seconds_of_a_step", lambda _: 0.5)
    shards = Shards(tmp_path)
    shards.write(0, False, _shard(6, 5, 0))
    student = cast("Student", SimpleNamespace(network=nn.Linear(2, 2), rate=1.0))
    schedule = plan_steps(student, shards, TrainSettings(target="t", batch=4), seconds=1009.0)
    assert schedule == Schedule((1, 2, 3), (200, 450, 320))


def _shard(num: int, length: int, first: int) -> Shard:
    tokens = torch.arange(first, first + num).repeat_interleave(length).view(num, length).int()
    states = torch.zeros(num, length - 1, 2)
    return Shard(tokens, states, states.clone(), *(torch.full((num,), at).int() for at in (2, length, 1)))


def test_every_text_comes_once_a_round_in_an_order_of_the_seed(tmp_path: Path) -> None:
    shards = Shards(tmp_path)
    for number, length in enumerate((5, 7, 6, 4, 5)):
        shards.write(number, number == 4, _shard(6, length, 10 * number))
    first = list(islice(shards.batches(4, seed=1), 7))
    seen = sorted(int(tokens[0]) for batch in first for tokens in batch.tokens)
    assert seen == sorted(int(t) for n in range(4) for t in range(10 * n, 10 * n + 6))
    again = list(islice(shards.batches(4, seed=1), 7))
    assert all(torch.equal(mine.tokens, theirs.tokens) for mine, theirs in zip(first, again, strict=True))
    for batch in first:
        assert batch.tokens.shape[1] == batch.ends.max() and batch.ends.max() - batch.ends.min() <= 2  # of 4 to 7
    other = list(islice(shards.batches(4, seed=2), 7))
    assert any(not torch.equal(mine.tokens, theirs.tokens) for mine, theirs in zip(first, other, strict=True))


def test_texts_of_which_nothing_is_learned_end_the_batches(tmp_path: Path) -> None:
    shards = Shards(tmp_path)
    assert list(shards.batches(4, seed=1)) == []
    stray = _shard(3, 5, 0)
    for number in range(4):  # more than are in memory at once
        shards.write(number, False, replace(stray, ends=torch.zeros(3).int()))
    assert list(shards.batches(4, seed=1)) == []
    shards.write(4, False, stray)
    assert [len(batch) for batch in islice(shards.batches(4, seed=1), 3)] == [3, 3, 3]


def test_few_steps_are_told_from_enough() -> None:
    assert Schedule((1, 2, 3), (1, 1, 1)).is_short
    assert Schedule((1, 2), (9, 20)).is_short
    assert not Schedule((1, 2), (10, 20)).is_short


def test_the_vocabulary_is_what_was_written_and_what_ends_a_text(tmp_path: Path) -> None:
    shards = Shards(tmp_path)
    tokens = torch.tensor([[3, 3, 5, 5, 7]]).int()
    states = torch.zeros(1, 4, 2)
    shards.write(0, False, Shard(tokens, states, states.clone(), *(torch.tensor([at]).int() for at in (1, 5, 1))))
    stray = Shard(torch.full((1, 5), 4).int(), states, states.clone(), *(torch.tensor([at]).int() for at in (3, 0, 1)))
    shards.write(1, False, stray)
    counts = count_tokens(shards, [], 9)
    assert counts[5] == 2.0 and counts[3] == pytest.approx(1.02)  # the first of both is given
    assert counts[4] == 0.0  # nothing is learned from what strays into a suite
    assert choose_tokens(counts, 3, always=[8]).tolist() == [3, 5, 8]


class _Clock:
    """Tells the time, which passes where a test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def takes(self, seconds: float, result: Any = None) -> Any:
        """Something that takes so long."""

        def work(*_: Any, **__: Any) -> Any:
            self.now += seconds
            return result

        return work


class _Lines(Silent):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


def test_the_speed_is_that_of_learning_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shards = Shards(tmp_path)
    known = replace(_shard(4, 9, 0), firsts=torch.full((4,), 5).int())  # the prompts are not learned from
    shards.write(0, False, known)
    clock = _Clock()
    point = Point(step=1, loss=0.0, accepted=(0.5,), judged=(9,), tokens_a_round=(1.5,), gamma=1, speedup=1.2)
    monkeypatch.setattr(learning, "monotonic", lambda: clock.now)
    monkeypatch.setattr(learning, "learn_from", clock.takes(2.0, 0.1))
    monkeypatch.setattr(learning, "judge", clock.takes(1000.0, point))
    monkeypatch.setattr(learning, "Optimiser", lambda *_: SimpleNamespace(set_rate=lambda _: None, step=lambda: None))
    checkpoint: Any = SimpleNamespace(load=lambda *_: (0, [], []), save=clock.takes(500.0))
    student: Any = SimpleNamespace(network=None, rate=1.0)
    said, settings = _Lines(), TrainSettings(target="t", batch=4)
    learning.learn(student, shards, Schedule((1,), (3,)), settings, checkpoint, (), said)
    assert len(said.lines) == 4
    assert all(line.endswith("; 8 tokens/s") for line in said.lines[1:])  # 4 texts of 4 tokens in 2 s


def test_layers_are_spread_with_the_first_and_the_last() -> None:
    def taken(of: int, **given: object) -> tuple[int, ...]:
        return layers_to_take(of, TrainSettings.model_validate({"target": "t", "student": "model", **given}))

    assert taken(30) == (0, 10, 19, 29)
    assert taken(12) == (0, 11)
    assert taken(2) == (0,)
    assert taken(30, num_layers=1) == (0,)
    assert taken(30, from_layers=(3, 7)) == (3, 7)
    assert taken(30, num_layers=3, from_layers="fresh") == (0, 14, 29)
    with pytest.raises(DraftlabError, match="which has 1"):
        taken(1)


def test_what_is_for_the_other_student_is_refused() -> None:
    require_fitting(TrainSettings(target="t", steps_ahead=2))
    with pytest.raises(DraftlabError, match="--on-policy is for --student model"):
        require_fitting(TrainSettings(target="t", on_policy=0.5))
    with pytest.raises(DraftlabError, match="--position-decay is for --student head"):
        require_fitting(TrainSettings(target="t", student="model", position_decay=0.5))


def test_a_loss_is_a_term_or_a_sum() -> None:
    def terms(loss: str) -> dict[str, float]:
        return dict(TrainSettings(target="t", loss=loss).loss_terms)

    assert terms("mixed") == terms("0.6*forward-kl + 0.4*likeliest") == {"forward-kl": 0.6, "likeliest": 0.4}
    assert terms("reverse-kl") == {"reverse-kl": 1.0}
    for wrong in ("", "backward-kl", "0.5*", "-1*forward-kl", "x*forward-kl", "nan*likeliest"):
        with pytest.raises(ValidationError):
            TrainSettings(target="t", loss=wrong)
