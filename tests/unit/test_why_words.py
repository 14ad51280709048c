"""Why categories differ, in a sentence: each way it can be."""

from __future__ import annotations

from typing import Any

from draftlab.report.why import WhyReport
from draftlab.report.why_words import why_sentences
from draftlab.stats import Estimate


def why(difference: Estimate, mix: Estimate, within: Estimate, **changes: Any) -> WhyReport:
    facts = {
        "drafter": "ngram",
        "gamma": 5,
        "draft_length": "fixed",
        "rule": "rejection",
        "first": "code",
        "second": "prose",
        "by": "entropy",
    }
    return WhyReport(**(facts | {"difference": difference, "mix": mix, "within": within} | changes))


SURE = why(Estimate(0.17, 0.1, 0.25), Estimate(0.12, 0.05, 0.2), Estimate(0.05, 0.0, 0.1))


def test_easier_tokens() -> None:
    assert list(why_sentences([SURE])) == [
        "ngram, gamma 5: code is accepted 0.17 [0.10, 0.25] more than prose: 0.12 [0.05, 0.20] because its next tokens "
        "are easier (the target's entropy), 0.05 [0.00, 0.10] at equal entropy"
    ]


def test_the_category_that_is_accepted_more_comes_first() -> None:
    found = why(Estimate(-0.04, -0.1, -0.01), Estimate(0.1, 0.01, 0.18), Estimate(-0.14, -0.22, -0.05))
    assert list(why_sentences([found])) == [
        "ngram, gamma 5: prose is accepted 0.04 [0.01, 0.10] more than code: -0.10 [-0.18, -0.01] because its next "
        "tokens are harder (the target's entropy), 0.14 [0.05, 0.22] at equal entropy"
    ]


def test_what_may_be_chance_is_called_so() -> None:
    (line,) = why_sentences([why(Estimate(0.04, -0.08, 0.15), Estimate(0.04), Estimate(0.0))])
    assert "0.04 [-0.08, 0.15] more than prose, which may be chance: 0.04 because" in line


def test_without_intervals_there_are_the_figures_alone() -> None:
    (line,) = why_sentences([why(Estimate(0.5), Estimate(0.25), Estimate(0.25))])
    assert line.startswith("ngram, gamma 5: code is accepted 0.50 more than prose: 0.25 because")


def test_each_arm_has_a_sentence_of_the_two_categories_furthest_apart() -> None:
    further = why(Estimate(-0.3), Estimate(0.0), Estimate(-0.3), second="math")
    other_arm = why(Estimate(0.1), Estimate(0.1), Estimate(0.0), gamma=2)
    by_class = why(Estimate(0.9), Estimate(0.9), Estimate(0.0), by="token_class")
    unknown = why(Estimate(None), Estimate(None), Estimate(None), gamma=9)
    first, second = why_sentences([SURE, further, by_class, other_arm, unknown])
    assert first.startswith("ngram, gamma 5: math is accepted 0.30 more than code")
    assert second.startswith("ngram, gamma 2: code")
