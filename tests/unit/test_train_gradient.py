"""The gradient of a batch, against one that goes place by place."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from draftlab.train import gradient
from draftlab.train.gradient import Places, learn_from
from draftlab.train.losses import Teacher, loss_and_gradient
from draftlab.train.settings import TrainSettings
from draftlab.train.shards import Shard

WIDTH, DEPTH = 5, 3


class Guesses:
    """A student whose guesses are its parameters: one for each step and place of each text."""

    drafter, rate = "none", 1.0

    def __init__(self, texts: int, places: int) -> None:
        self.network = nn.Module()
        self.guesses = nn.Parameter(torch.randn(DEPTH, texts, places, WIDTH).bfloat16().float())
        self.network.register_parameter("guesses", self.guesses)
        self.head = torch.randn(4, WIDTH).bfloat16().float()
        self.target_ids = torch.tensor([1, 2, 4, 7])

    def run_ahead(self, tokens: Tensor, features: Tensor, num_steps: int) -> Iterator[Tensor]:
        yield from self.guesses[:num_steps]

    def tensors(self) -> dict[str, Tensor]:
        return {}

    def write(self, folder: Path) -> int:
        return 0


def batch(texts: int, length: int) -> Shard:
    tokens = torch.tensor([1, 2, 4, 7, 3])[torch.randint(5, (texts, length))]
    starts, ends = torch.randint(1, 4, (texts,)), torch.randint(length - 3, length + 1, (texts,))
    final = torch.randn(texts, length - 1, WIDTH).bfloat16().float()
    return Shard(
        tokens.int(),
        torch.zeros(texts, length - 1, 0),
        final,
        starts.int(),
        ends.int(),
        torch.randint(1, 3, (texts,)).int(),
    )


def place_by_place(
    student: Guesses, shard: Shard, settings: TrainSettings, where: Places = "right"
) -> tuple[float, Tensor]:
    total, found = 0.0, torch.zeros_like(student.guesses)
    texts, places = len(shard), shard.tokens.shape[1] - 1

    def is_learned(text: int, token: int) -> bool:
        return int(shard.firsts[text]) <= token < int(shard.ends[text])

    counts = [sum(is_learned(n, i + 2 + s) for n in range(texts) for i in range(places)) for s in range(DEPTH)]
    scale = sum(settings.position_decay**step for step in range(DEPTH))
    for text in range(texts):
        for place in range(places):
            for step in range(DEPTH):
                token = place + 2 + step
                if not is_learned(text, token):
                    break
                logits = student.guesses.detach()[step, text, place] @ student.head.T
                teacher = Teacher.of(shard.final[text, token - 1][None], student.head)
                loss, slope = loss_and_gradient(settings.loss_terms, logits[None], teacher)
                weight = settings.position_decay**step / scale / counts[step]
                total += float(loss) / counts[0] if step == 0 else 0.0
                found[step, text, place] = weight * slope[0] @ student.head
                if where == "right" and student.target_ids[logits.argmax()] != shard.tokens[text, token]:
                    break
    return total, found


@pytest.mark.parametrize("rows", [1, 7, 512])
@pytest.mark.parametrize("decay", [1.0, 0.5])
def test_it_is_that_of_the_whereup_to_the_first_wrong_token(
    rows: int, decay: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gradient, "_ROWS", rows)
    torch.manual_seed(0)
    student, shard = Guesses(24, 15), batch(24, 16)
    settings = TrainSettings(target="t", position_decay=decay)
    expected, slopes = place_by_place(student, shard, settings)
    assert (slopes[2] != 0).any() and (slopes[1] == 0).any()
    assert learn_from(student, shard, DEPTH, settings) == pytest.approx(expected, rel=1e-4)
    assert student.guesses.grad is not None
    torch.testing.assert_close(student.guesses.grad, slopes, rtol=1e-4, atol=1e-6)


def test_what_stands_behind_a_wrong_token_is_learned_where_that_is_asked_for() -> None:
    torch.manual_seed(0)
    student, shard = Guesses(24, 15), batch(24, 16)
    settings = TrainSettings(target="t")
    expected, slopes = place_by_place(student, shard, settings, "all")
    assert not torch.equal(slopes, place_by_place(student, shard, settings)[1])
    assert learn_from(student, shard, DEPTH, settings, places="all") == pytest.approx(expected, rel=1e-4)
    assert student.guesses.grad is not None
    torch.testing.assert_close(student.guesses.grad, slopes, rtol=1e-4, atol=1e-6)


def test_a_trial_goes_as_far_as_a_trained_drafter_will() -> None:
    torch.manual_seed(0)
    student, shard = Guesses(400, 15), batch(400, 16)
    learn_from(student, shard, DEPTH, TrainSettings(target="t"), places="typical")
    assert student.guesses.grad is not None
    first, second, third = (int((slope != 0).any(-1).sum()) for slope in student.guesses.grad)
    assert 0.4 < second / first < 0.6  # of 0.6, as some drafts come to the end of their text
    assert 0.4 < third / second < 0.6


def test_a_batch_without_whereteaches_nothing() -> None:
    torch.manual_seed(0)
    student, shard = Guesses(2, 6), batch(2, 7)
    shard.ends.zero_()
    assert learn_from(student, shard, DEPTH, TrainSettings(target="t")) == 0.0
    assert student.guesses.grad is not None and not student.guesses.grad.any()
