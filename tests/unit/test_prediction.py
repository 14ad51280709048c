"""Predictions, and what holds an arm back, for runs in which every round takes a known time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from draftlab.records import Phases, Rounds, Trace
from draftlab.report.cost_lines import cost_lines
from draftlab.report.measure import ArmReport, measure
from draftlab.report.prediction import iid_speedup
from draftlab.store import Store
from tests.unit.handmade import BASELINE, DRAFTED, manifest, prompt, trace

MS = 1_000_000
GAMMA = DRAFTED.gamma
NAMES = [f"p{i}" for i in range(6)]
Cost = Callable[[int], tuple[int, int, int]]


def affordable(num: int) -> tuple[int, int, int]:
    """Draft, target and rest of a round: 1 ms a drafted token, 10 ms a pass and 2 ms more for several rows."""
    return num * MS, (12 if num else 10) * MS, (2 if num else 1) * MS


def dear(num: int) -> tuple[int, int, int]:
    """The draft of five tokens takes as long as three passes."""
    return 6 * num * MS, 10 * MS, MS


def decode(
    arm: str, name: str, rounds: Sequence[tuple[int, int]], cost: Cost, *, slower: float = 1.0
) -> tuple[Trace, Phases]:
    """A decode of (drafted, accepted) rounds, timed as a whole and watched; untimed moments make it `slower`."""
    drafted, accepted = tuple(d for d, _ in rounds), tuple(a for _, a in rounds)
    emitted = tuple(a + 1 for a in accepted)
    times = [cost(d) for d in drafted]
    columns = Rounds(drafted=drafted, accepted=accepted, emitted=emitted)
    base = trace(BASELINE, name, tuple(range(sum(emitted))), decode_ns=round(slower * sum(map(sum, times))))
    draft_ns, target_ns, rest_ns = zip(*times, strict=True)
    watched = Phases(
        arm=arm, prompt_id=name, prompt_tokens=1, rounds=columns,
        draft_ns=draft_ns, target_ns=target_ns, rest_ns=rest_ns,
    )  # fmt: skip
    return base.model_copy(update={"arm": arm, "rounds": columns}), watched


def arm_of(
    tmp_path: Path,
    rounds: Sequence[tuple[int, int]],
    cost: Cost = affordable,
    *,
    slower: float = 1.0,
    room: int = 1000,
    watched: Sequence[str] = (BASELINE.id, DRAFTED.id),
) -> ArmReport:
    """The figures of an arm that decodes six prompts in these rounds."""
    prompts = tuple(prompt(name).model_copy(update={"max_new_tokens": room}) for name in NAMES)
    store = Store.create(tmp_path / "run", manifest(prompts=prompts))
    num_tokens = sum(a + 1 for _, a in rounds)
    with store.writer() as writer:
        for name in NAMES:
            for arm, these in ((BASELINE.id, [(0, 0)] * num_tokens), (DRAFTED.id, rounds)):
                timed, phases = decode(arm, name, these, cost, slower=slower if arm == DRAFTED.id else 1.0)
                writer.traces.append(timed)
                if arm in watched:
                    writer.phases.append(phases)
    return measure(store).arms[-1]


ROUNDS = [(5, 2), (5, 5), (5, 0), (5, 3), (5, 2)] * 4


def gain(arm: ArmReport, cause: str) -> float:
    assert arm.why_not_faster is not None
    (found,) = [brake for brake in arm.why_not_faster.causes if brake.cause == cause]
    assert arm.predicted_speedup is not None
    assert arm.predicted_speedup.value is not None
    assert found.gain == pytest.approx(found.speedup_if_removed / arm.predicted_speedup.value - 1)
    return found.speedup_if_removed


def test_known_costs_predict_the_speedup_that_was_measured(tmp_path: Path) -> None:
    arm = arm_of(tmp_path, ROUNDS)
    per_round, tokens = 5 + 12 + 2, (12 + 5) / 5
    assert arm.walltime_speedup.value == pytest.approx(11 * tokens / per_round)
    assert arm.predicted_speedup is not None
    assert arm.predicted_speedup.value == pytest.approx(11 * tokens / per_round)
    assert arm.efficiency is not None
    assert (arm.efficiency.value, arm.efficiency.low) == (pytest.approx(1), pytest.approx(1))


def test_what_no_phase_explains_shows_in_the_efficiency(tmp_path: Path) -> None:
    arm = arm_of(tmp_path, ROUNDS, slower=1.25)
    assert arm.efficiency is not None
    assert arm.efficiency.value == pytest.approx(1 / 1.25)


def test_the_costs_are_told(tmp_path: Path) -> None:
    cost = arm_of(tmp_path, ROUNDS).cost
    assert cost is not None
    assert cost.target_ns == [(1, pytest.approx(10 * MS)), (6, pytest.approx(12 * MS))]
    assert cost.draft_cost == pytest.approx(0.1)
    assert cost.one_to_two_rows is None  # no draft of one token was watched
    shares = cost.shares
    assert (shares.draft, shares.target, shares.rest) == tuple(pytest.approx(x / 19) for x in (5, 12, 2))


def test_the_step_to_two_rows_is_told_where_it_was_watched(tmp_path: Path) -> None:
    cost = arm_of(tmp_path, [(1, 1), (5, 2)] * 8).cost
    assert cost is not None
    assert cost.one_to_two_rows == pytest.approx(1.2)


def test_each_cause_removed_alone(tmp_path: Path) -> None:
    arm = arm_of(tmp_path, ROUNDS)
    tokens = 11 * 17 / 5
    assert gain(arm, "draft") == pytest.approx(tokens / (12 + 2))
    assert gain(arm, "verification") == pytest.approx(tokens / (5 + 10 + 2))
    assert gain(arm, "overhead") == pytest.approx(tokens / (5 + 12 + 1))
    assert gain(arm, "acceptance") == pytest.approx(11 * 6 / 19)
    assert arm.why_not_faster is not None
    gains = [brake.gain for brake in arm.why_not_faster.causes]
    assert gains == sorted(gains, reverse=True)
    assert {brake.cause for brake in arm.why_not_faster.causes} == {"draft", "verification", "overhead", "acceptance"}


def test_rounds_without_a_draft_and_rounds_without_room_are_causes_where_there_are_any(tmp_path: Path) -> None:
    """The last round of each text has room for two more tokens, so that it drafts one."""
    rounds = [(5, 3), (0, 0), (0, 0), (5, 3), (1, 1)]
    arm = arm_of(tmp_path, rounds, room=12)
    assert gain(arm, "empty_drafts") == pytest.approx(11 * 10 / (19 + 19 + 15))
    assert gain(arm, "short_outputs") == pytest.approx(11 * 10 / (19 + 11 + 11 + 19))


def test_a_dear_drafter_is_named_as_the_reason(tmp_path: Path) -> None:
    arm = arm_of(tmp_path, ROUNDS, dear)
    assert arm.why_not_faster is not None
    assert arm.why_not_faster.sentence == (
        "not faster because each drafted token costs 0.60 of a target pass; at no draft cost it would be 3.40x"
    )


def test_the_best_draft_length_is_none_where_no_draft_pays(tmp_path: Path) -> None:
    arm = arm_of(tmp_path, [(5, 0)] * 12, dear)
    assert arm.best_gamma is not None
    assert (arm.best_gamma.gamma, arm.best_gamma.speedup) == (0, 1.0)


def test_the_best_draft_length_by_the_drafts_own_survival(tmp_path: Path) -> None:
    """Two of five are always accepted: a draft of two has all the gain at two fifths of the cost."""
    arm = arm_of(tmp_path, [(5, 2)] * 12, dear)
    assert arm.best_gamma is not None
    assert arm.best_gamma.gamma == 2
    assert arm.best_gamma.speedup == pytest.approx(11 * 3 / (12 + 10 + 1))


def test_the_arms_own_draft_length_has_its_predicted_speedup(tmp_path: Path) -> None:
    arm = arm_of(tmp_path, [(5, 5)] * 12)
    assert arm.best_gamma is not None
    assert arm.predicted_speedup is not None
    assert arm.best_gamma.gamma == GAMMA
    assert arm.best_gamma.speedup == pytest.approx(arm.predicted_speedup.value)


@pytest.mark.parametrize("watched", [(), (BASELINE.id,), (DRAFTED.id,)])
def test_nothing_is_said_where_one_side_was_not_watched(tmp_path: Path, watched: Sequence[str]) -> None:
    arm = arm_of(tmp_path, ROUNDS, watched=watched)
    known = (arm.predicted_speedup, arm.efficiency, arm.iid_speedup, arm.cost, arm.why_not_faster, arm.best_gamma)
    assert known == (None,) * 6
    assert list(cost_lines([arm])) == []


def test_an_arm_that_never_drafted_is_predicted_and_has_no_brake(tmp_path: Path) -> None:
    arm = arm_of(tmp_path, [(0, 0)] * 12)
    assert arm.predicted_speedup is not None
    assert arm.predicted_speedup.value == pytest.approx(1)
    assert (arm.why_not_faster, arm.iid_speedup) == (None, None)


def test_leviathans_prediction() -> None:
    assert iid_speedup(0.8, 0.1, 4) == pytest.approx((1 - 0.8**5) / ((1 - 0.8) * (4 * 0.1 + 1)))
    assert iid_speedup(1.0, 0.0, 4) == 5


def test_the_lines_below_a_table(tmp_path: Path) -> None:
    arm = arm_of(tmp_path, [(5, 2)] * 12, dear)
    assert list(cost_lines([arm])) == [
        "predicted 0.80x from costs (draft token 0.60 of a target pass, 6 rows 1.00 of 1 row); measured is 1.00 of it",
        "not faster because each drafted token costs 0.60 of a target pass; at no draft cost it would be 3.00x",
        "gamma 2 would be predicted at 1.43x",
    ]


def test_the_lines_of_an_arm_that_does_not_pay_at_any_length(tmp_path: Path) -> None:
    *_, last = cost_lines([arm_of(tmp_path, [(5, 0)] * 12, dear)])
    assert last == "no draft length up to 5 is predicted to pay"
