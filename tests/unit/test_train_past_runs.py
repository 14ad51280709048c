"""What runs say to training, and what they do not say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from draftlab.errors import DraftlabError
from draftlab.records import PromptRecord
from draftlab.store import Store
from draftlab.train.gain import gain
from draftlab.train.held_out import Point
from draftlab.train.past_runs import texts_of_runs, with_runs
from draftlab.train.settings import TrainSettings, require_fitting
from tests.unit.handmade import manifest

HEAD = "lookup+eagle:./head,stop_confidence=0.5"


def prompt(name: str, suite: str = "mine.jsonl", **words: Any) -> PromptRecord:
    words = words or {"prompt": f"words of {name}"}
    return PromptRecord(id=name, suite=suite, category="a", subcategory="", num_tokens=3, max_new_tokens=8, **words)


def run(folder: Path, *prompts: PromptRecord, **experiment: Any) -> str:
    asked = {"target": "./t", "drafters": ("ngram", HEAD), **experiment}
    Store.create(folder, manifest(experiment=asked, prompts=prompts or (prompt("a"),)))
    return str(folder)


def test_target_dtype_and_head_are_those_of_the_run(tmp_path: Path) -> None:
    one = run(tmp_path / "one", dtype="bfloat16", device="cuda", trust_remote_code=True)
    assert with_runs([one], {"minutes": 5}) == {
        "runs": (one,), "minutes": 5, "target": "./t", "dtype": "bfloat16", "start_from": "eagle:./head"
    }  # fmt: skip
    given = {"target": "./other", "start_from": "eagle:mine"}
    assert with_runs([one], given) == {"runs": (one,), **given}


def test_several_runs_have_one_target_and_one_head(tmp_path: Path) -> None:
    one = run(tmp_path / "one")
    same = run(tmp_path / "same", drafters=("eagle:./head", "none"))
    assert with_runs([one, same], {})["start_from"] == "eagle:./head"
    with pytest.raises(DraftlabError, match=r"several targets: ./t .*, ./u ") as caught:
        with_runs([one, run(tmp_path / "other", target="./u")], {})
    assert "--target" in (caught.value.hint or "")
    with pytest.raises(DraftlabError, match="several heads") as caught:
        with_runs([one, run(tmp_path / "two", drafters=("eagle:./b",))], {})
    assert "--start-from eagle:./head" in (caught.value.hint or "")


@pytest.mark.parametrize("drafters", [("ngram",), ("model:./small", "lookup+model:./small"), ("none",)])
def test_without_a_head_it_says_what_to_do(drafters: tuple[str, ...], tmp_path: Path) -> None:
    with pytest.raises(DraftlabError, match="is a head that could learn on") as caught:
        with_runs([run(tmp_path / "run", drafters=drafters)], {})
    assert "--start-from eagle:HEAD" in (caught.value.hint or "")


def test_a_server_does_not_say_where_its_weights_are(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    asked = {"engine": "endpoint", "url": "http://127.0.0.1:1/v1", "drafters": ("eagle:./head",)}
    Store.create(folder, manifest(experiment=asked))
    with pytest.raises(DraftlabError, match="was decoded by a server"):
        with_runs([str(folder)], {})
    assert with_runs([str(folder)], {"target": "./t"})["target"] == "./t"


def test_prompts_are_as_they_were_given_and_each_there_once(tmp_path: Path) -> None:
    told = ({"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why?"})
    one = run(tmp_path / "one", prompt("a"), prompt("chat", messages=told), prompt("again", prompt="words of a"))
    two = run(tmp_path / "two", prompt("a"), prompt("b"))
    said: list[str] = []
    texts = texts_of_runs([one, two], said.append)
    assert [text.source for text in texts] == ["mine.jsonl a", "mine.jsonl chat", "mine.jsonl b"]
    assert texts[0].text == "words of a" and texts[0].messages is None
    assert texts[1].messages == told
    assert all(text.is_prompt for text in texts) and not said


def test_what_judges_drafters_is_left_out(tmp_path: Path) -> None:
    said: list[str] = []
    mixed = run(tmp_path / "mixed", prompt("a"), prompt("c", "code"), prompt("p", "prose"))
    assert [text.source for text in texts_of_runs([mixed], said.append)] == ["mine.jsonl a"]
    assert len(said) == 1 and "2 prompts" in said[0] and "(code, prose)" in said[0]
    with pytest.raises(DraftlabError, match=r"all 1 prompts .* are of the built-in suites \(code\)") as caught:
        texts_of_runs([run(tmp_path / "judging", prompt("c", "code"))], said.append)
    assert "--suite FILE.jsonl" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"start_from": "eagle:h", "layers_read": (1, 2)}, "--layers is for a new head, and 'eagle:h' keeps its own"),
        ({"start_from": "eagle:h", "draft_vocab": 9}, "--draft-vocab is for a new head"),
        ({"runs": ("r",), "data": ("d",)}, "--data and --from both say"),
        ({"student": "model", "start_from": "eagle:h"}, "--start-from is for --student head"),
        ({"student": "model", "runs": ("r",)}, "--from is for --student head"),
    ],
)
def test_what_does_not_go_together(given: dict[str, Any], reason: str) -> None:
    with pytest.raises(DraftlabError, match=reason):
        require_fitting(TrainSettings(target="./t", **given))


def test_the_gain_is_told_in_one_line_and_so_is_none() -> None:
    def point(step: int, speedup: float, *accepted: float) -> Point:
        return Point(
            step=step, loss=0.0, accepted=accepted, judged=(9,), tokens_a_round=(1.5,), gamma=2, speedup=speedup
        )

    curve = [point(0, 1.21, 0.5, 0.41, 0.3, 0.2), point(9, 1.4, 0.6, 0.5, 0.4, 0.3)]
    assert gain(curve, {"held_out_texts": 30, "held_out_prompts": 3}) == (
        "on 30 texts of 3 held-out prompts, before and after: acceptance by position .50 .41 .30 and .60 .50 "
        ".40, predicted 1.21x and 1.40x"
    )
    assert gain(curve[::-1], {"held_out_texts": 1, "held_out_prompts": 1}).endswith(
        "predicted 1.40x and 1.21x; no gain: keep the drafter that it began with"
    )
