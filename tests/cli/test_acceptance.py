"""`draftlab report --acceptance`: all that is known of what was accepted, and why."""

from __future__ import annotations

from tests.cli.conftest import Command

SMALL = ("--target", "toy", "--max-new-tokens", "24", "--ignore-eos", "--drafter", "model:toy:0.3", "--out", "run")


def test_everything_of_a_run_that_was_recorded_token_by_token(draftlab: Command, mine: str) -> None:
    ran = draftlab("bench", *SMALL, "--suite", mine, "--detail", "tokens")
    assert ran.status == 0
    assert " more than " in ran.out
    assert "because its next tokens are" in ran.out
    found = draftlab("report", "run", "--acceptance")
    assert (found.status, found.err) == (0, "")
    assert found.out.startswith(ran.out)
    for heading in ("accepted per round: ", "position ", "token class ", "entropy ", "new tokens ", "by entropy: "):
        assert heading in found.out.removeprefix(ran.out), heading


def test_the_groups_add_up(draftlab: Command, mine: str) -> None:
    draftlab("bench", *SMALL, "--suite", mine, "--detail", "tokens", "--temperature", "1")
    document = draftlab("report", "run", "--acceptance", "--json").document
    assert {(why["first"], why["second"], why["by"]) for why in document["why"]} == {
        ("code", "prose", "entropy"), ("code", "prose", "token_class"),
    }  # fmt: skip
    for arm in document["arms"]:
        judged = arm["positions"]
        total = sum(position["num_judged"] for position in judged)
        accepted = sum(position["num_judged"] * position["conditional"]["value"] for position in judged)
        assert abs(arm["acceptance_rate"]["value"] - accepted / total) < 1e-9
        assert [position["acceptance"]["value"] for position in judged] == arm["acceptance_at"]
        for by in ("place", "token_class", "entropy"):  # nothing was cut off: every judged token has a place
            groups = [group for group in arm["acceptance_by"] if group["by"] == by]
            assert sum(group["num_judged"] for group in groups) == total, by
            rate = sum(group["share"] * group["acceptance_rate"]["value"] for group in groups)
            assert abs(rate - arm["acceptance_rate"]["value"]) < 1e-9, by


def test_the_short_report_stays_short_where_nothing_was_recorded(draftlab: Command, mine: str) -> None:
    ran = draftlab("bench", *SMALL, "--suite", mine)
    assert "more than" not in ran.out
    assert "position" not in draftlab("report", "run").out
    assert "bench --detail tokens" in draftlab("report", "run", "--acceptance").out
