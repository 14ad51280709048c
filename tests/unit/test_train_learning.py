"""Losses, draft lengths and the order of texts."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from draftlab.errors import DraftlabError
from draftlab.train.held_out import best_length, num_rounds
from draftlab.train.learning import Schedule, learn_from
from draftlab.train.losses import LOSSES, loss_and_gradient
from draftlab.train.settings import Loss, TrainSettings, require_fitting
from draftlab.train.shards import Shard, Shards
from draftlab.train.small_model import layers_to_take
from draftlab.train.vocabulary import choose_tokens, count_tokens


@pytest.mark.parametrize("loss", LOSSES)
def test_in_chunks_it_is_the_same_gradient(loss: Loss) -> None:
    torch.manual_seed(0)
    outs, finals, head = torch.randn(11, 6), torch.randn(11, 6), torch.randn(9, 6)
    asked = outs.clone().requires_grad_(True)
    whole = LOSSES[loss](asked @ head.T, finals @ head.T).mean()
    whole.backward()
    found, gradient = loss_and_gradient(loss, outs, finals, head, chunk=4)
    assert found == pytest.approx(float(whole.detach()), rel=1e-5)
    torch.testing.assert_close(gradient, asked.grad)


@pytest.mark.parametrize("loss", LOSSES)
def test_nothing_is_better_than_to_agree(loss: Loss) -> None:
    torch.manual_seed(0)
    finals, head = 3.0 * torch.randn(5, 6), torch.randn(9, 6)
    agreed, _ = loss_and_gradient(loss, finals, finals, head)
    for _ in range(5):
        other, _ = loss_and_gradient(loss, finals + torch.randn(5, 6), finals, head)
        assert agreed < other


def test_total_variation_is_what_is_rejected() -> None:
    own, target = torch.tensor([[0.5, 0.5]]).log(), torch.tensor([[0.9, 0.1]]).log()
    assert float(LOSSES["total-variation"](own, target)) == pytest.approx(0.4)


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


def _shard(num: int, length: int, first: int) -> Shard:
    tokens = torch.arange(first, first + num).repeat_interleave(length).view(num, length).int()
    states = torch.zeros(num, length - 1, 2)
    return Shard(tokens, states, states.clone(), torch.full((num,), 2).int(), torch.full((num,), length).int())


def test_every_text_comes_once_a_round_in_an_order_of_the_seed(tmp_path: Path) -> None:
    shards = Shards(tmp_path)
    for number, length in enumerate((5, 7, 6, 4, 5)):
        shards.write(number, number == 4, _shard(6, length, 10 * number))
    first = list(islice(shards.batches(4, seed=1), 7))
    seen = sorted(int(tokens[0]) for batch in first for tokens in batch.tokens)
    assert seen == sorted(int(t) for n in range(4) for t in range(10 * n, 10 * n + 6))
    again = list(islice(shards.batches(4, seed=1), 7))
    assert all(torch.equal(mine.tokens, theirs.tokens) for mine, theirs in zip(first, again, strict=True))
    other = list(islice(shards.batches(4, seed=2), 7))
    assert any(not torch.equal(mine.tokens, theirs.tokens) for mine, theirs in zip(first, other, strict=True))


def test_the_vocabulary_is_what_was_written_and_what_ends_a_text(tmp_path: Path) -> None:
    shards = Shards(tmp_path)
    tokens = torch.tensor([[3, 3, 5, 5, 7]]).int()
    states = torch.zeros(1, 4, 2)
    shards.write(0, False, Shard(tokens, states, states.clone(), torch.tensor([2]).int(), torch.tensor([5]).int()))
    counts = count_tokens(shards, [], 9)
    assert counts.argmax() == 5
    assert choose_tokens(counts, 3, always=[8]).tolist() == [5, 7, 8]


class _Guesses:
    """A student whose step s says what its row s says, at every place."""

    drafter, rate = "none", 1.0

    def __init__(self, num_steps: int, width: int) -> None:
        self.network = nn.Linear(width, num_steps, bias=False)
        self.head = torch.eye(width)
        self.target_ids = torch.arange(width)

    def run_ahead(self, tokens: Tensor, features: Tensor, num_steps: int) -> Iterator[Tensor]:
        for step in range(num_steps):
            yield self.network.weight[step].expand(len(tokens), tokens.shape[1] - 1, -1)

    def tensors(self) -> dict[str, Tensor]:
        return {}

    def write(self, folder: Path) -> int:
        return 0


@pytest.mark.parametrize("decay", [1.0, 0.5])
def test_a_step_ahead_counts_so_much_of_the_one_before_it(decay: float) -> None:
    torch.manual_seed(0)
    student = _Guesses(3, 4)
    shard = Shard(
        torch.zeros(2, 8).int(), torch.zeros(2, 7, 0), torch.randn(2, 1, 4).expand(2, 7, 4),
        torch.full((2,), 1).int(), torch.full((2,), 8).int(),
    )  # fmt: skip
    settings = TrainSettings(target="t", position_decay=decay)
    total = learn_from(student, shard, 3, settings)
    alone = []
    for step in range(3):
        target = shard.final[:, 0]
        own = student.network.weight[step].detach().requires_grad_(True)
        loss = LOSSES["mixed"](own.expand(2, -1), target).mean()
        loss.backward()
        assert own.grad is not None
        alone.append((float(loss.detach()), own.grad))
    weights = [decay**step / sum(decay**s for s in range(3)) for step in range(3)]
    assert total == pytest.approx(sum(w * loss for w, (loss, _) in zip(weights, alone, strict=True)), rel=1e-4)
    found = student.network.weight.grad
    assert found is not None
    torch.testing.assert_close(found, torch.stack([w * g for w, (_, g) in zip(weights, alone, strict=True)]))


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
