"""What `benchmarks/side_by_side` makes of names and of times: arms, their order, paired ratios, best settings."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from benchmarks.side_by_side.arms import DEFAULTS, Arm, choose, parse
from benchmarks.side_by_side.decodes import Conditions, Decode, Folder
from benchmarks.side_by_side.figures import Figures
from benchmarks.side_by_side.plan import Text, tasks
from benchmarks.side_by_side.table import headlines, main, rows

from draftlab.errors import DraftlabError

CONDITIONS = Conditions(
    target="big", drafter="small", dtype="bfloat16", max_new_tokens=4, threads=2, machine="a machine"
)
PACE = {
    "transformers-plain": 8.0,
    "assisted-2": 6.0,
    "assisted-4": 5.0,
    "fast-plain": 4.0,
    "fast-2": 2.5,
    "fast-4": 2.0,
}


def decode(arm: str, prompt: int, seconds: float, *, suite: str = "humaneval", last: int = 4) -> Decode:
    return Decode(
        arm=arm,
        prompt_id=f"{suite}/{prompt}",
        suite=suite,
        repetition=0,
        prompt_tokens=9,
        seconds=seconds,
        started=1.8e9,
        tokens=(1, 2, 3, last),
    )


def measured(num_prompts: int = 8) -> list[Decode]:
    """Every prompt takes longer than the one before, and every arm its own share of that."""
    return [decode(arm, i, pace * (1 + i)) for i in range(num_prompts) for arm, pace in PACE.items()]


def test_a_family_stands_for_its_settings_and_nothing_comes_twice() -> None:
    names = [arm.name for arm in choose(["assisted", "assisted-4", "fast-7"])]
    assert names == [*(f"assisted-{setting}" for setting in DEFAULTS["assisted"]), "fast-7"]
    assert parse("fast-7").gamma == 7
    assert parse("fast-auto").gamma is None


@pytest.mark.parametrize(
    "name", ["llama", "assisted-auto", "transformers-4", "fast-0", "fast-", "vllm-default", "fast-999"]
)
def test_no_arm_has_this_name(name: str) -> None:
    with pytest.raises(DraftlabError, match=f"no arm is called '{name}'"):
        parse(name)


def test_arms_of_a_prompt_stay_together_in_changing_order_and_suites_alternate() -> None:
    arms = choose(["transformers", "fast", "assisted"])
    texts = [Text(f"{suite}/{i}", suite, (1,)) for suite in ("code", "prose") for i in range(3)]
    todo = list(tasks(arms, texts, 1, ()))
    blocks = [todo[i : i + len(arms)] for i in range(0, len(todo), len(arms))]
    assert [block[0].text.suite for block in blocks] == ["code", "prose"] * 3
    assert all({task.arm for task in block} == set(arms) and len({t.text for t in block}) == 1 for block in blocks)
    before: dict[Arm, set[Arm]] = {arm: set() for arm in arms}
    for block in blocks:
        for first, second in pairwise(block):
            before[second.arm].add(first.arm)
    assert all(len(found) > 1 for found in before.values())  # nobody always follows the same one
    assert todo == list(tasks(arms, texts, 1, ()))


def test_what_is_there_is_not_run_again() -> None:
    arms = choose(["transformers", "fast-plain"])
    texts = [Text(f"code/{i}", "code", (1,)) for i in range(2)]
    done = {("fast-plain", "code/1", 0)}
    todo = {task.key for task in tasks(arms, texts, 2, done)}
    assert len(todo) == 7 and not done & todo


def test_a_ratio_is_the_median_of_paired_ones_and_has_an_interval() -> None:
    figures = Figures.of(measured())
    found = figures.speedup(parse("fast-plain"), parse("transformers-plain"))
    assert found.value == found.low == found.high == 2.0  # paired, though the prompts differ by a factor of 8
    noisy = [
        d.model_copy(update={"seconds": d.seconds * 3}) if d.key[:2] == ("fast-plain", "humaneval/0") else d
        for d in measured()
    ]
    assert Figures.of(noisy).speedup(parse("fast-plain"), parse("transformers-plain")).value == 2.0
    few = Figures.of(measured(5)).speedup(parse("fast-plain"), parse("transformers-plain"))
    assert (few.value, few.low) == (2.0, None)


def test_the_best_settings_of_both_sides_are_named() -> None:
    figures = Figures.of(measured())
    assert (figures.best("assisted"), figures.best("fast", fixed=True)) == (parse("assisted-4"), parse("fast-4"))
    assert figures.best("vllm") is None
    lines = list(headlines(figures))
    assert any(line.startswith("draftlab, plain / transformers `generate`: 2.00 [") for line in lines)
    assert any(
        "4 tokens a draft / transformers assisted generation, 4 tokens a draft: 2.50 [" in line for line in lines
    )
    assert any("4 tokens a draft / draftlab, plain: 2.00 [" in line for line in lines)
    assert not any("vLLM" in line for line in lines)


def test_prompts_that_an_arm_lacks_are_left_out_for_all() -> None:
    figures = Figures.of([d for d in measured() if d.key[:2] != ("assisted-2", "humaneval/7")])
    assert len(figures.prompts) == 7 and len(figures.decodes) == 7 * len(PACE)


def test_texts_that_differ_are_counted_with_their_first_token() -> None:
    figures = Figures.of([*measured(6), *(decode("eager-2", i, 3.0, last=4 if i else 5) for i in range(6))])
    found = figures.divergence(parse("eager-2"), parse("transformers-plain"))
    assert (found.compared, found.different, found.first) == (6, 1, 3)
    head, body = rows(figures)
    assert len(head) == len(body[0])
    assert "5 of 6, first at token 3" in body[-1] or any("5 of 6, first at token 3" in row for row in body)


def test_a_folder_is_read_in_every_form(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = Folder.open(tmp_path, CONDITIONS)
    writer = folder.decode_writer()
    for each in [
        *measured(),
        *(d.model_copy(update={"suite": "prose", "prompt_id": f"p{d.prompt_id}"}) for d in measured()),
    ]:
        writer.append(each)
    writer.close()
    main([str(tmp_path), "--markdown"])
    text = capsys.readouterr().out
    assert text.count("| --- | ---: |") == 2
    assert "| draftlab, plain | 0.2 | 2.00 [2.00, 2.00] | 1.00 | 8 of 8 | 8 of 8 |" in text
    main([str(tmp_path)])
    assert "least total time over these same prompts" in capsys.readouterr().out


def test_other_conditions_need_another_folder(tmp_path: Path) -> None:
    Folder.open(tmp_path, CONDITIONS)
    with pytest.raises(DraftlabError, match="max_new_tokens = 4, not 8"):
        Folder.open(tmp_path, CONDITIONS.model_copy(update={"max_new_tokens": 8}))
    with pytest.raises(SystemExit, match="2"):
        main([str(tmp_path / "nothing")])
