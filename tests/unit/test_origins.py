"""Every token has one origin, and origins have colours that a reader can tell apart."""

from __future__ import annotations

import pytest

from draftlab.records import Rounds
from draftlab.report.origins import LABELS, Place, color, describe, legend, places


def test_every_kind_of_round() -> None:
    rounds = Rounds(drafted=(3, 2, 0, 2), accepted=(1, 2, 0, 0), emitted=(2, 3, 1, 1))
    assert list(places(rounds)) == [
        Place("accepted", 0, 1), Place("correction", 0),
        Place("accepted", 1, 1), Place("accepted", 1, 2), Place("bonus", 1),
        Place("plain", 2),
        Place("correction", 3),
    ]  # fmt: skip


def test_a_stop_may_cut_off_the_targets_own_token_and_accepted_ones() -> None:
    rounds = Rounds(drafted=(3,), accepted=(3,), emitted=(2,))
    assert list(places(rounds)) == [Place("accepted", 0, 1), Place("accepted", 0, 2)]


def test_rounds_without_their_emitted_tokens_are_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        list(places(Rounds(drafted=(1,), accepted=(1,))))


def brightness(color: str | None) -> int:
    assert color is not None
    return sum(bytes.fromhex(color[1:]))


def test_deeper_tokens_are_darker_and_all_are_blue() -> None:
    shades = [color(Place("accepted", 0, depth), 5) for depth in range(1, 6)]
    assert len(set(shades)) == 5
    assert [brightness(s) for s in shades] == sorted((brightness(s) for s in shades), reverse=True)
    for shade in shades:
        assert shade is not None
        red, green, blue = bytes.fromhex(shade[1:])
        assert blue > max(red, green)
    assert color(Place("accepted", 0, 9), 5) == shades[-1]
    assert color(Place("accepted", 0, 1), 1) == shades[0]


def luminance(color: str) -> float:
    """WCAG 2.2, relative luminance."""
    parts = [part / 255 for part in bytes.fromhex(color[1:])]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("origin", [name for name, label in LABELS.items() if label.color])
def test_colours_are_legible_on_white_and_on_black(origin: str) -> None:
    light = luminance(next(label.color for name, label in LABELS.items() if name == origin and label.color))
    assert 1.05 / (light + 0.05) > 3 and (light + 0.05) / 0.05 > 3  # WCAG's bound for large text and graphics


def test_the_legend_names_what_can_be_seen() -> None:
    assert [text for text, _ in legend(5)] == ["accepted, 1st of a draft", "to 5th", "correction", "bonus", "plain"]
    assert legend(2)[1][0] == "to 2nd"
    assert [text for text, _ in legend(1)][1] == "correction"
    assert [text for text, _ in legend(0)] == ["correction", "bonus", "plain"]


def test_an_origin_in_words() -> None:
    assert describe(Place("accepted", 4, 2)) == "round 5: drafted and accepted at depth 2"
