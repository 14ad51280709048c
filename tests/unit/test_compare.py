"""Two runs side by side: every count is made by hand, so every ratio, difference and verdict is known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from draftlab.errors import DraftlabError
from draftlab.records import Arm, RunManifest, Trace
from draftlab.report.compare import ArmComparison, Comparison, compare
from draftlab.spec import Sampling
from draftlab.stats import Estimate
from draftlab.store import Store
from tests.unit.handmade import BASELINE, CONTROL, DRAFTED, failure, manifest, prompt, trace

MS = 1_000_000
NAMES = [f"p{i}" for i in range(8)]
PROMPTS = tuple(prompt(name, "code" if i < 6 else "prose") for i, name in enumerate(NAMES))
GAMMA_2 = DRAFTED.model_copy(update={"id": "ngram gamma=2", "gamma": 2})
MODEL = DRAFTED.model_copy(update={"id": "model:m gamma=5", "drafter": "model:m"})

Make = Callable[..., Store]


def decodes(
    arm: Arm = DRAFTED,
    *,
    plain_ms: float | Sequence[float] = 8,
    arm_ms: float | Sequence[float] = 4,
    names: Sequence[str] = NAMES,
    accepted: int = 2,
    repetition: int = 0,
) -> list[Trace]:
    """Four tokens a prompt, plainly and by `arm`, which drafts three tokens in its first round."""

    def each(times: float | Sequence[float]) -> list[float]:
        return list(times) if isinstance(times, Sequence) else [times] * len(names)

    made = []
    for name, plain, drafted in zip(names, each(plain_ms), each(arm_ms), strict=True):
        made.append(trace(BASELINE, name, decode_ns=int(plain * MS), repetition=repetition))
        made.append(
            trace(arm, name, decode_ns=int(drafted * MS), drafted=[3, 0], accepted=[accepted, 0], repetition=repetition)
        )
    return made


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Writes a run."""

    def write(name: str, traces: Sequence[Trace], arms: Sequence[Arm] = (DRAFTED,), **facts: Any) -> Store:
        settings: RunManifest = manifest(**({"prompts": PROMPTS, "arms": (BASELINE, *arms)} | facts))
        store = Store.create(tmp_path / name, settings)
        with store.writer() as writer:
            for each in traces:
                writer.traces.append(each)
        return store

    return write


def only(found: Comparison, category: str = "all") -> ArmComparison:
    (entry,) = [entry for entry in found.arms if entry.category == category]
    return entry


def test_the_figures_of_two_runs_and_how_they_changed(make: Make) -> None:
    """Plain decoding takes as long; the arm takes half as long, and accepts one token more of three."""
    before = make("before", decodes(arm_ms=4, accepted=1))
    after = make("after", decodes(arm_ms=2, accepted=2))
    entry = only(compare([before, after]))
    assert entry.num_prompts == 8
    assert entry.reference.walltime_speedup.value == pytest.approx(2.0)
    assert entry.arm.walltime_speedup.value == pytest.approx(4.0)
    assert entry.walltime_speedup_ratio.value == pytest.approx(2.0)
    assert entry.tokens_per_s_ratio.value == pytest.approx(2.0)
    assert entry.baseline_tokens_per_s_ratio.value == pytest.approx(1.0)
    assert entry.acceptance_rate_difference.value == pytest.approx(2 / 3 - 1 / 2)
    assert entry.draft_utilization_difference.value == pytest.approx(1 / 3)
    assert entry.block_efficiency_difference.value == pytest.approx(4 / 2 - 3 / 2)
    assert entry.verdict == "faster"


def test_the_other_way_round_it_is_slower(make: Make) -> None:
    fast, slow = make("fast", decodes(arm_ms=2)), make("slow", decodes(arm_ms=4))
    entry = only(compare([fast, slow]))
    assert entry.verdict == "slower"
    assert entry.walltime_speedup_ratio.high == pytest.approx(0.5)


def test_what_slows_a_whole_run_down_is_not_the_arms_fault(make: Make) -> None:
    quiet, busy = make("quiet", decodes()), make("busy", decodes(plain_ms=24, arm_ms=12))
    entry = only(compare([quiet, busy]))
    assert entry.verdict == "no difference seen"
    assert entry.walltime_speedup_ratio.value == pytest.approx(1.0)
    assert entry.tokens_per_s_ratio.value == entry.baseline_tokens_per_s_ratio.value == pytest.approx(1 / 3)


def test_a_run_against_itself_has_changed_by_nothing(make: Make) -> None:
    store = make("run", decodes(arm_ms=[3, 4, 7, 2, 9, 4, 5, 6]))
    for entry in compare([store, store]).arms:
        if entry.category != "prose":
            assert entry.verdict == "no difference seen"
            assert entry.walltime_speedup_ratio == Estimate(1.0, 1.0, 1.0)
            assert entry.acceptance_rate_difference == Estimate(0.0, 0.0, 0.0)
        assert entry.same_texts == entry.same_texts_compared == entry.num_prompts
        assert entry.baseline_same_texts == entry.baseline_same_texts_compared == entry.num_prompts


def test_noise_that_goes_both_ways_is_no_difference(make: Make) -> None:
    one = make("one", decodes(arm_ms=[4.0, 4.4, 3.9, 4.1, 4.2, 3.8, 4.0, 4.1]))
    two = make("two", decodes(arm_ms=[4.1, 4.0, 4.2, 3.9, 4.0, 4.3, 4.1, 3.9]))
    ratio = only(compare([one, two])).walltime_speedup_ratio
    assert ratio.low is not None and ratio.high is not None
    assert ratio.low < 1 < ratio.high
    assert only(compare([one, two])).verdict == "no difference seen"


def test_prompts_are_paired_so_what_they_share_is_certain(make: Make) -> None:
    """Prompts differ tenfold in their speed-up, and each gains the same: the ratio has no width."""
    times = [1.0, 10, 2, 7, 3, 9, 5, 4]
    before = make("before", decodes(arm_ms=times))
    after = make("after", decodes(arm_ms=[each * 0.8 for each in times])[::-1])  # in another order of writing
    ratio = only(compare([before, after])).walltime_speedup_ratio
    assert ratio == Estimate(pytest.approx(1.25), pytest.approx(1.25), pytest.approx(1.25))


def test_each_category_has_its_own_verdict_and_a_small_one_has_none(make: Make) -> None:
    found = compare([make("a", decodes()), make("b", decodes(arm_ms=[2] * 6 + [40] * 2))])
    assert [(entry.category, entry.verdict) for entry in found.arms] == [
        ("code", "faster"), ("prose", "too few prompts"), ("all", "no difference seen"),
    ]  # fmt: skip
    assert only(found, "prose").walltime_speedup_ratio == Estimate(pytest.approx(0.1))


def test_only_decodes_that_succeeded_in_both_runs_count(make: Make) -> None:
    """p0 fails in the reference's arm, p1 in the other run's baseline: neither is in any figure, both are counted."""
    ours = [failure(DRAFTED, "p0") if t.key == (DRAFTED.id, "p0", 0) else t for t in decodes()]
    theirs = [
        failure(BASELINE, "p1") if t.key == (BASELINE.id, "p1", 0) else t for t in decodes(arm_ms=[99, 99] + [4] * 6)
    ]
    entry = only(compare([make("a", ours), make("b", theirs)]))
    assert entry.num_prompts == entry.arm.num_prompts == entry.reference.num_prompts == 6
    assert (entry.reference.num_failed, entry.arm.num_failed) == (1, 0)
    assert entry.walltime_speedup_ratio.value == pytest.approx(1.0)
    assert entry.same_texts_compared == 6


def test_a_repetition_that_only_one_run_has_is_left_out_and_told(make: Make) -> None:
    once = make("once", decodes())
    twice = make("twice", [*decodes(), *decodes(arm_ms=99, repetition=1)], repetitions=2)
    found = compare([once, twice])
    assert only(found).walltime_speedup_ratio.value == pytest.approx(1.0)
    assert found.runs[0].notes == ["repetitions 1 against 2"]


def test_arms_are_matched_by_drafter_gamma_and_rule(make: Make) -> None:
    before = make("before", [*decodes(), *decodes(GAMMA_2)], arms=(DRAFTED, GAMMA_2))
    after = make("after", [*decodes(MODEL), *decodes(GAMMA_2, arm_ms=2)], arms=(MODEL, GAMMA_2))
    found = compare([before, after])
    assert {(entry.arm.drafter, entry.arm.gamma) for entry in found.arms} == {("ngram", 2)}
    assert only(found).verdict == "faster"
    assert found.runs[0].notes == [
        "only in the reference, and not compared: ngram gamma 5 rejection",
        "only in this run, and not compared: model:m gamma 5 rejection",
    ]


def test_two_single_arms_are_compared_whatever_they_are(make: Make) -> None:
    found = compare([make("a", decodes()), make("b", decodes(MODEL), arms=(MODEL,))])
    assert (only(found).reference.drafter, only(found).arm.drafter) == ("ngram", "model:m")


def test_every_run_is_held_against_the_first(make: Make) -> None:
    found = compare([make("a", decodes()), make("b", decodes(arm_ms=2)), make("c", decodes(arm_ms=8))])
    verdicts = [(Path(entry.run).name, entry.verdict) for entry in found.arms if entry.category == "all"]
    assert verdicts == [("b", "faster"), ("c", "slower")]
    assert [Path(run.run).name for run in (found.reference, *found.runs)] == ["a", "b", "c"]


def test_texts_that_are_not_those_of_the_reference_are_counted(make: Make) -> None:
    other = [t.model_copy(update={"tokens": (1, 2, 3, 5)}) if t.key == (DRAFTED.id, "p7", 0) else t for t in decodes()]
    found = compare([make("a", decodes()), make("b", other)])
    entry = only(found)
    assert (entry.same_texts, entry.same_texts_compared) == (7, 8)
    assert (entry.baseline_same_texts, entry.baseline_same_texts_compared) == (8, 8)
    assert (entry.reference.identical, entry.arm.identical) == (8, 7)


@pytest.mark.parametrize(
    ("arm", "seed", "compared"),
    [(DRAFTED, 7, (8, 8)), (DRAFTED, 8, (0, 0)), (GAMMA_2, 7, (0, 8))],
    ids=["same arm", "other seed", "other gamma"],
)
def test_sampled_texts_are_compared_only_where_chance_was_the_same(
    make: Make, arm: Arm, seed: int, compared: tuple[int, int]
) -> None:
    hot = Sampling(temperature=1.0)
    traces = [each.model_copy(update={"seed": seed}) for each in decodes(arm)]
    found = compare([make("a", decodes(), sampling=hot), make("b", traces, arms=(arm,), sampling=hot)])
    entry = only(found)
    assert (entry.same_texts_compared, entry.baseline_same_texts_compared) == compared


def test_coupled_texts_belong_to_their_places_whatever_the_arm(make: Make) -> None:
    hot = Sampling(temperature=1.0)
    one, other = (arm.model_copy(update={"coupled": True}) for arm in (DRAFTED, GAMMA_2))
    stores = [make(name, decodes(arm), arms=(arm,), sampling=hot) for name, arm in (("a", one), ("b", other))]
    assert only(compare(stores)).same_texts_compared == 8


def test_an_unfinished_run_is_compared_and_said_to_be_unfinished(make: Make) -> None:
    found = compare([make("a", decodes()), make("b", decodes(names=NAMES[:7]))])
    assert (found.reference.complete, found.runs[0].complete) == (True, False)
    assert only(found).num_prompts == 7


def test_a_run_without_traces_has_no_figures(make: Make) -> None:
    entry = only(compare([make("a", decodes()), make("b", [])]))
    assert (entry.num_prompts, entry.verdict) == (0, "too few prompts")
    assert entry.walltime_speedup_ratio == entry.acceptance_rate_difference == Estimate(None)


def test_one_run_is_no_comparison(make: Make) -> None:
    with pytest.raises(DraftlabError, match="needs two runs"):
        compare([make("a", decodes())])


def test_a_run_that_is_given_twice_is_told(make: Make) -> None:
    one, two = make("a", decodes()), make("b", decodes())
    with pytest.raises(DraftlabError, match="b is given twice"):
        compare([one, two, two])


def test_runs_without_a_common_arm_are_refused_even_anyway(make: Make) -> None:
    before = make("before", decodes(), arms=(DRAFTED, GAMMA_2))
    with pytest.raises(DraftlabError, match="no arm in common: model:m gamma 5 rejection against ngram gamma 5"):
        compare([before, make("after", decodes(MODEL), arms=(MODEL,))], anyway=True)


def test_runs_without_a_common_prompt_are_refused_even_anyway(make: Make) -> None:
    with pytest.raises(DraftlabError, match="no prompt in common"):
        compare([make("a", decodes()), make("b", [], prompts=(prompt("q"),))], anyway=True)


def test_what_differs_is_refused_and_compared_anyway(make: Make) -> None:
    """Half the prompts, and another temperature: all reasons are named, and --anyway takes the common half."""
    half = PROMPTS[:4]
    before = make("before", decodes())
    after = make("after", decodes(names=NAMES[:4]), prompts=half, sampling=Sampling(temperature=0.5))
    with pytest.raises(DraftlabError, match=r"4 only in the reference.*; temperature 0 against 0\.5"):
        compare([before, after])
    found = compare([before, after], anyway=True)
    assert only(found).num_prompts == 4
    assert len(found.runs[0].differences) == 2


def test_the_keys_of_the_document(make: Make) -> None:
    document = compare([make("a", decodes()), make("b", decodes())]).model_dump(mode="json", by_alias=True)
    assert document.keys() == {"schema", "reference", "runs", "arms"}
    assert document["runs"][0].keys() == {"run", "target", "created", "complete", "differences", "notes"}
    assert document["arms"][0].keys() == {
        "run", "category", "verdict", "num_prompts", "arm", "reference", "walltime_speedup_ratio",
        "tokens_per_s_ratio", "baseline_tokens_per_s_ratio", "acceptance_rate_difference",
        "draft_utilization_difference", "block_efficiency_difference", "same_texts", "same_texts_compared",
        "baseline_same_texts", "baseline_same_texts_compared",
    }  # fmt: skip


def test_the_noise_floor_of_each_run_is_its_own(make: Make) -> None:
    """A speed-up of 1.05 beside a second baseline that scatters by a tenth is within noise, here as in `report`."""
    again = [trace(CONTROL, name, decode_ns=int((8 + 0.9 * (-1) ** i) * MS)) for i, name in enumerate(NAMES)]
    stores = [make(n, decodes(arm_ms=8 / 1.05) + again, arms=(DRAFTED, CONTROL)) for n in ("one", "two")]
    (entry,) = (entry for entry in compare(stores).arms if entry.category == "all")
    assert entry.arm.within_noise is True
    assert entry.reference.within_noise is True
