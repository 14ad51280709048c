"""Acceptance by position, by place, by sub-category, and by what the tokens are: known counts, known figures."""

from __future__ import annotations

import pytest

from draftlab.records import PromptRecord, Trace
from draftlab.report.acceptance import AcceptanceGroup, measure_groups, measure_positions
from draftlab.stats import Estimate
from tests.unit.handmade import DRAFTED, prompt, trace
from tests.unit.spelled import Spelling, detail, run_of, watched

A = trace(DRAFTED, "a", drafted=[3, 3, 2], accepted=[3, 1, 0])
B = trace(DRAFTED, "b", drafted=[1, 0, 3], accepted=[0, 0, 2])


def of(groups: list[AcceptanceGroup], by: str) -> dict[str, AcceptanceGroup]:
    return {group.name: group for group in groups if group.by == by}


def in_sub(name: str, subcategory: str) -> PromptRecord:
    return prompt(name).model_copy(update={"subcategory": subcategory})


def test_positions() -> None:
    first, second, third = measure_positions([[A], [B]])
    assert (first.position, first.num_drafted, first.num_judged) == (1, 5, 5)
    assert first.acceptance == first.conditional == Estimate(3 / 5)
    assert (second.position, second.num_drafted, second.num_judged) == (2, 4, 3)
    assert (second.acceptance, second.conditional) == (Estimate(2 / 4), Estimate(2 / 3))
    assert (third.position, third.num_drafted, third.num_judged) == (3, 3, 2)
    assert (third.acceptance, third.conditional) == (Estimate(1 / 3), Estimate(1 / 2))


def test_positions_have_intervals_where_enough_prompts_came_so_far() -> None:
    long, short = trace(DRAFTED, "a", drafted=[2], accepted=[2]), trace(DRAFTED, "a", drafted=[1], accepted=[1])
    first, second = measure_positions([[long]] * 5 + [[short]])
    assert (first.acceptance, second.acceptance) == (Estimate(1.0, 1.0, 1.0), Estimate(1.0))


@pytest.mark.parametrize("decodes", [[], [[]], [[trace(DRAFTED, "a")]]])
def test_where_nothing_is_drafted_there_are_no_positions_and_no_groups(decodes: list[list[Trace]]) -> None:
    assert measure_positions(decodes) == []
    assert measure_groups(run_of([]), DRAFTED, "all", [each for each in decodes if each]) == []


def test_places_count_the_targets_own_tokens_too() -> None:
    """Rounds begin at 0, 16 and 17: the first 16 tokens are drafted ones and one of the target."""
    long = trace(DRAFTED, "a", drafted=[15, 2, 2], accepted=[15, 0, 1])
    found = of(measure_groups(run_of([]), DRAFTED, "all", [[long]]), "place")
    assert {name: group.num_judged for name, group in found.items()} == {"1-16": 15, "17-64": 3}
    assert found["17-64"].acceptance_rate == Estimate(1 / 3)
    assert found["17-64"].share == pytest.approx(3 / 18)
    assert found["17-64"].overlap is None


def test_sub_categories_have_the_figures_of_whole_prompts() -> None:
    run = run_of([], prompts=[in_sub("a", "sql"), in_sub("b", "shell"), in_sub("c", "")])
    other = trace(DRAFTED, "c", drafted=[1], accepted=[1])
    found = of(measure_groups(run, DRAFTED, "all", [[A], [B], [other]]), "subcategory")
    assert list(found) == ["code/sql", "code/shell"]
    sql = found["code/sql"]
    assert (sql.num_judged, sql.share) == (6, pytest.approx(6 / 10))
    assert sql.acceptance_rate == Estimate(4 / 6)
    assert sql.draft_utilization == Estimate(4 / 8)
    assert sql.block_efficiency == Estimate(7 / 3)


def test_token_classes_and_entropies() -> None:
    spell = Spelling()
    rounds = [
        watched(
            spell("if", " x", " y"), 2, spell("if", " x", " z"), entropy=[0.005, 0.5, 3.0, 1], overlap=[1.0, 0.6, 0.2]
        ),
        watched(spell(" in"), 1, spell(" in", " w"), entropy=[0.01, 1], overlap=[0.5]),
    ]
    groups = measure_groups(run_of([detail("a", rounds)], spell.bytes), DRAFTED, "all", [])
    classes = of(groups, "token_class")
    assert list(classes) == ["keyword", "identifier"]
    assert (classes["keyword"].num_judged, classes["keyword"].share) == (2, 0.5)
    assert classes["keyword"].acceptance_rate == Estimate(1.0)
    assert classes["keyword"].overlap == Estimate(pytest.approx(0.75))
    assert classes["identifier"].acceptance_rate == Estimate(0.5)
    assert classes["identifier"].overlap == Estimate(pytest.approx(0.4))
    entropies = of(groups, "entropy")
    assert {name: group.acceptance_rate.value for name, group in entropies.items()} == {
        "0-0.01": 1.0, "0.01-0.1": 1.0, "0.5-1": 1.0, "3-": 0.0,
    }  # fmt: skip
