"""What the doctor prints: everything that it found, and nothing that a terminal would obey."""

from __future__ import annotations

import pytest

from draftlab.doctor.findings import Check, Diagnosis, Elsewhere, Padded, Timing
from draftlab.doctor.forecast import predict
from draftlab.doctor.terminal import print_diagnosis

EVIL = "\x1b[2Jx\x07[bold]"
TIMES = Timing(context=64, num_passes=5, target_s=(1.0,) * 9, draft_s=0.1, draft_per="token", spread=0.02)
LINE = Elsewhere(engine="vLLM", version="1", outcome="works", what='with "a": [b]', source="c.py")
FULL = Diagnosis(
    target=f"target{EVIL}", drafter=f"model:{EVIL}", context=8,
    checks=(Check(name="tokenizers", status="problem", found=f"id 5 is {EVIL}", remedy=f"not {EVIL}"),),
    elsewhere=(LINE,), timing=TIMES, forecast=predict(TIMES), verdict=f"said {EVIL}",
    padded=Padded(
        folder=EVIL, width_before=10, width=12, num_positions=64, max_difference=0.0, equal=64,
    ),
)  # fmt: skip


def test_control_characters_become_visible(capsys: pytest.CaptureFixture[str]) -> None:
    print_diagnosis(FULL)
    shown = capsys.readouterr().out
    assert "\x1b" not in shown and "\x07" not in shown
    assert shown.count("␛[2Jx␇[bold]") == 6


def test_everything_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    print_diagnosis(FULL)
    shown = capsys.readouterr().out
    parts = ["problem", "vLLM 1", 'with "a": [b] [c.py]', "padded from 10 to 12", "0.95", "2.47x", "9: 1000"]
    assert [part for part in [*parts, "100 ms a token (0.10"] if part not in shown] == []
