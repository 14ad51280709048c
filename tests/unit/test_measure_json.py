"""The document that `--json` prints: its keys are a promise (design.md, section 6)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from draftlab.report.measure import measure
from draftlab.store import Store
from tests.unit.handmade import BASELINE, DRAFTED, NATIVE, manifest, trace

ESTIMATE = {"value", "low", "high"}
FIGURES = {
    "walltime_speedup", "tokens_per_s", "baseline_tokens_per_s", "acceptance_rate", "draft_utilization",
    "block_efficiency", "accepted_per_round",
}  # fmt: skip
ARM = FIGURES | {
    "drafter", "gamma", "rule", "category", "num_prompts", "num_failed", "acceptance_at", "identical", "compared",
    "divergences", "lossless", "within_noise", "positions", "acceptance_by",
    "predicted_speedup", "efficiency", "iid_speedup", "cost",
    "why_not_faster", "best_gamma",
    "draft_length", "win_probability", "ttft_s", "baseline_ttft_s", "tpot_s", "baseline_tpot_s",
}  # fmt: skip
REPORT = {
    "schema", "run", "target", "baseline", "arms", "noise_floor", "complete", "native", "exact_rows", "drift",
    "machine", "precision", "servers", "why",
}  # fmt: skip


@pytest.fixture
def document(tmp_path: Path) -> dict[str, Any]:
    store = Store.create(tmp_path / "run", manifest(arms=(BASELINE, DRAFTED, NATIVE)))
    with store.writer() as writer:
        for arm in (BASELINE, DRAFTED, NATIVE):
            for name in ("a", "b"):
                writer.traces.append(trace(arm, name, [1, 2] if arm is DRAFTED else [1, 3]))
    content: dict[str, Any] = json.loads(measure(store).model_dump_json(by_alias=True))
    return content


def test_the_keys_of_the_report(document: dict[str, Any]) -> None:
    assert set(document) == REPORT
    assert document["schema"] == 3
    assert document["baseline"].keys() == {"tokens_per_s", "num_failed"}
    assert document["native"].keys() == {"tokens_per_s", "baseline_tokens_per_s", "identical", "compared", "num_failed"}


def test_the_keys_of_an_arm(document: dict[str, Any]) -> None:
    assert len(document["arms"]) == 3
    for arm in document["arms"]:
        assert set(arm) == ARM
        for name in FIGURES:
            assert set(arm[name]) == ESTIMATE, name


def test_the_keys_of_a_divergence(document: dict[str, Any]) -> None:
    (first, _) = document["arms"][-1]["divergences"]
    assert set(first) == {"prompt_id", "repetition", "position", "margin", "class"}


def test_what_is_not_known_is_null_and_no_nan(tmp_path: Path) -> None:
    text = measure(Store.create(tmp_path / "run", manifest())).model_dump_json(by_alias=True)
    content = json.loads(text, parse_constant=pytest.fail)
    assert content["arms"][0]["walltime_speedup"] == {"value": None, "low": None, "high": None}
    for name in ("noise_floor", "drift", "machine", "precision"):
        assert content[name] is None
    assert content["arms"][0]["within_noise"] is None
