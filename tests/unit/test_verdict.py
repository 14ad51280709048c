"""A run in one sentence: every honest variant of it."""

from __future__ import annotations

from typing import Any

import pytest

from draftlab.report.measure import ArmReport, BaselineReport, DivergenceReport, Report
from draftlab.report.verdict import best_arm, identical_texts, verdict
from draftlab.stats import Estimate

NONE = Estimate(None)


def arm(category: str = "all", value: float | None = 2.4, **changes: Any) -> ArmReport:
    """An arm whose figures do not matter, but for those given."""
    facts: dict[str, Any] = {
        "drafter": "model:org/small", "gamma": 5, "rule": "rejection", "lossless": True, "category": category,
        "num_prompts": 80, "num_failed": 0, "walltime_speedup": Estimate(value, value, value) if value else NONE,
        "within_noise": False, "tokens_per_s": NONE, "baseline_tokens_per_s": NONE, "acceptance_rate": NONE,
        "draft_utilization": NONE, "block_efficiency": NONE, "acceptance_at": [], "identical": 80, "compared": 80,
        "divergences": [], "draft_length": "fixed", "predicted_speedup": None, "efficiency": None, "iid_speedup": None,
        "cost": None, "why_not_faster": None, "best_gamma": None, "accepted_per_round": NONE, "positions": [],
        "acceptance_by": [], "ttft_s": Estimate(None), "baseline_ttft_s": Estimate(None), "tpot_s": Estimate(None),
        "baseline_tpot_s": Estimate(None),
    }  # fmt: skip
    return ArmReport(**(facts | changes))


def report(*arms: ArmReport, **changes: Any) -> Report:
    facts: dict[str, Any] = {
        "run": "runs/1", "target": "toy", "complete": True, "exact_rows": None, "native": None, "arms": list(arms),
        "baseline": BaselineReport(tokens_per_s=NONE, num_failed=0), "noise_floor": None, "drift": None,
        "machine": None, "precision": None, "servers": [], "why": [],
    }  # fmt: skip
    return Report(**(facts | changes))


def tie(kind: str | None = "tie") -> DivergenceReport:
    return DivergenceReport.model_validate({"prompt_id": "p", "repetition": 0, "position": 3, "kind": kind})


ALL_SAME = "output identical on all 80 prompts"


@pytest.mark.parametrize(
    ("rows", "sentence", "tone"),
    [
        (
            [arm("code", 2.41), arm("prose", 1.31), arm(identical=79, divergences=[tie()])],
            "2.4x on code, 1.3x on prose, with model:small, gamma 5; output identical on 79 of 80 prompts, 1 tie.",
            "faster",
        ),
        ([arm()], f"2.4x, with model:small, gamma 5; {ALL_SAME}.", "faster"),
        (
            [arm(value=1.04, within_noise=True)],
            f"1.04x (within noise), with model:small, gamma 5; {ALL_SAME}.",
            "no difference seen",
        ),
        (
            [arm("a", 0.5), arm("b", 0.6), arm(value=0.55)],
            f"0.50x on a, 0.60x on b (both slower than plain decoding), with model:small, gamma 5; {ALL_SAME}.",
            "slower",
        ),
        (
            [arm("a", 0.5), arm("b", 1.6), arm(value=0.95, within_noise=True)],
            f"0.50x on a (slower than plain decoding), 1.6x on b, with model:small, gamma 5; {ALL_SAME}.",
            "mixed",
        ),
        (
            [arm(within_noise=None)],
            f"2.4x (no interval below 6 prompts), with model:small, gamma 5; {ALL_SAME}.",
            "too few prompts",
        ),
        (
            [arm(compared=0, identical=0)],
            "2.4x, with model:small, gamma 5; texts are sampled, so none is compared.",
            "faster",
        ),
        (
            [arm(compared=160, identical=158, divergences=[tie("real"), tie(None)])],
            "2.4x, with model:small, gamma 5; output identical on 158 of 160 texts, 1 REAL difference, 1 not examined.",
            "fault",
        ),
        ([arm(value=None)], "No speed-up to tell: no prompt was decoded both plainly and drafted.", "too few prompts"),
        ([], "No speed-up to tell: nothing but plain decoding was run.", "too few prompts"),
    ],
)
def test_the_sentence(rows: list[ArmReport], sentence: str, tone: str) -> None:
    found = verdict(report(*rows))
    assert (found.sentence, found.tone) == (sentence, tone)


def test_the_best_arm_is_named() -> None:
    found = verdict(report(arm(), arm(value=3.0, drafter="ngram")))
    assert found.sentence.startswith("3.0x, with ngram, gamma 5, the best of 2 arms;")
    assert found.arm is not None and found.arm.drafter == "ngram"


def test_a_fault_of_another_arm_is_told() -> None:
    other = arm("all", 1.5, drafter="ngram", identical=78, divergences=[tie("real"), tie("real"), tie()])
    found = verdict(report(arm(), other))
    assert found.sentence.endswith("; output identical on all 80 prompts; 2 REAL differences in other arms.")
    assert found.tone == "fault"
    alone = verdict(report(arm(value=None, identical=79, divergences=[tie("real")])))
    assert alone.sentence.endswith("plainly and drafted; 1 REAL difference.")
    assert alone.tone == "fault"


def test_the_draft_length_is_named_with_its_bound() -> None:
    assert "gamma auto;" in verdict(report(arm(draft_length="auto"))).sentence


def test_a_lossy_rule_is_best_only_where_it_is_alone_and_is_named() -> None:
    lossy = arm(value=5.0, rule="typical", lossless=False)
    assert best_arm([lossy, arm()]) == arm()
    assert "the rule typical is lossy: texts do not follow the target's law" in verdict(report(lossy)).sentence


def test_failures_and_missing_decodes_are_told() -> None:
    found = verdict(report(arm("code", num_failed=2), arm(num_failed=2), complete=False))
    assert found.sentence.endswith("; 2 decodes failed; the run is not complete.")
    assert found.tone == "fault"


def test_a_category_cannot_break_the_line() -> None:
    assert "\n" not in verdict(report(arm("a\nb\x1b[31m"), arm("b"), arm())).sentence
    assert "\x1b" not in verdict(report(arm("a\nb\x1b[31m"), arm("b"), arm())).sentence


def test_the_cell_of_identical_texts() -> None:
    assert identical_texts(arm(identical=78, divergences=[tie(), tie()])) == "78/80, 2 ties"
    assert identical_texts(arm(compared=0)) == "–"
