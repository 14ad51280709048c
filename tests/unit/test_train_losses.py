"""Losses and their gradients, which are written down by hand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from draftlab.train.losses import TERMS, Teacher, loss_and_gradient

LOSSES = [
    *({name: 1.0} for name in TERMS),
    {"forward-kl": 0.6, "likeliest": 0.4},
    {"total-variation": 2.0, "reverse-kl": 0.3},
]


def by_the_book(loss: dict[str, float], own: Tensor, target: Tensor) -> Tensor:
    """[rows], of logits; forward KL without p's entropy."""
    p, log_p, q, log_q = target.softmax(-1), target.log_softmax(-1), own.softmax(-1), own.log_softmax(-1)
    terms = {
        "forward-kl": -(p * log_q).sum(-1),
        "reverse-kl": (q * (log_q - log_p)).sum(-1),
        "total-variation": 0.5 * (p - q).abs().sum(-1),
        "likeliest": torch.nn.functional.cross_entropy(own, target.argmax(-1), reduction="none"),
    }
    return sum((weight * terms[name] for name, weight in loss.items()), torch.zeros(len(own)))


@pytest.mark.parametrize("loss", LOSSES, ids=str)
def test_it_is_what_the_book_says_and_so_is_its_gradient(loss: dict[str, float]) -> None:
    torch.manual_seed(0)
    own, finals, head = torch.randn(11, 9, requires_grad=True), torch.randn(11, 6), torch.randn(9, 6)
    expected = by_the_book(loss, own, finals @ head.T)
    torch.autograd.backward(expected.sum())
    found, gradient = loss_and_gradient(loss, own.detach(), Teacher.of(finals, head))
    torch.testing.assert_close(found, expected.detach())
    torch.testing.assert_close(gradient, own.grad)


@pytest.mark.parametrize("loss", LOSSES[:3], ids=str)
def test_nothing_is_better_than_to_agree(loss: dict[str, float]) -> None:
    torch.manual_seed(0)
    finals, head = 3.0 * torch.randn(5, 6), torch.randn(9, 6)
    teacher = Teacher.of(finals, head)
    agreed, _ = loss_and_gradient(loss, finals @ head.T, teacher)
    for _ in range(5):
        other, _ = loss_and_gradient(loss, (finals + torch.randn(5, 6)) @ head.T, teacher)
        assert (agreed < other).all()


def test_total_variation_is_what_is_rejected() -> None:
    own, target = torch.tensor([[0.5, 0.5]]), torch.tensor([[0.9, 0.1]])
    found, _ = loss_and_gradient({"total-variation": 1.0}, own.log(), Teacher(target, target.argmax(-1)))
    assert float(found) == pytest.approx(0.4)


def test_what_the_target_never_says_costs_no_numbers() -> None:
    target = torch.tensor([[1.0, 0.0]])
    found, gradient = loss_and_gradient({"reverse-kl": 1.0}, torch.zeros(1, 2), Teacher(target, target.argmax(-1)))
    assert found.isfinite().all() and gradient.isfinite().all()
