"""What the hub reads of a card, and only what is known."""

from __future__ import annotations

from typing import Any

import pytest

from draftlab.train.card import card
from draftlab.train.held_out import Point
from draftlab.train.settings import TrainSettings

CURVE = [Point(step=0, loss=0.0, accepted=(0.5,), judged=(9,), tokens_a_round=(1.5,), gamma=1, speedup=1.2)]
COUNTED = {
    "texts": 3, "tokens": 20, "written_tokens": 12, "held_out_texts": 1, "draft_vocab": 7, "layers": [0],
    "layers_are_new": False, "overlap": {"window": 12, "suites": {"code": "x"}, "shared_windows": 0},
}  # fmt: skip


def _front(student: str, **data: Any) -> list[str]:
    """The lines between the two rules at the top of a card."""
    text = card(TrainSettings.model_validate({"target": "t", "student": student}), {**COUNTED, **data}, CURVE)
    first, front, _ = text.split("---\n", 2)
    assert first == ""
    return front.splitlines()


@pytest.mark.parametrize(
    ("student", "own"),
    [
        ("head", ["tags: [speculative-decoding, eagle3]"]),
        ("model", ["library_name: transformers", "tags: [speculative-decoding, draft-model]"]),
    ],
)
def test_the_front_matter_has_what_is_known(student: str, own: list[str]) -> None:
    assert _front(student, licence="mit", base_model="owner/name") == ["license: mit", "base_model: owner/name", *own]
    assert _front(student, licence=None, base_model=None) == own
    assert _front(student) == own  # of an earlier version


def test_a_card_says_where_the_licence_is_not_known() -> None:
    assert "not told by its files" in card(TrainSettings(target="t"), COUNTED, CURVE)
