"""The user's own prompts: what is read, and what is refused with file and line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from draftlab.errors import DraftlabError, UnknownNameError
from draftlab.suites import load_suite, load_suites

GOOD = '{"id": "a", "prompt": "x"}'


@pytest.fixture(autouse=True)
def _inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(*lines: str, name: str = "mine.jsonl") -> str:
    Path(name).write_text("\n".join(lines), encoding="utf-8", newline="")
    return name


def test_a_file_of_plain_prompts() -> None:
    suite = load_suite(write('{"id": "a", "category": "code", "prompt": "def f():"}', GOOD.replace("a", "b", 1)))
    assert [(p.id, p.category, p.prompt) for p in suite.prompts] == [("a", "code", "def f():"), ("b", "other", "x")]
    assert suite.name == "mine.jsonl"


def test_a_file_of_messages() -> None:
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
    (prompt,) = load_suite(write(json.dumps({"id": "a", "category": "chat", "messages": messages}))).prompts
    assert prompt.messages == tuple(messages)
    assert prompt.prompt is None


def test_the_first_turn_of_an_mt_bench_question_becomes_a_message() -> None:
    row = {"question_id": 81, "category": "writing", "turns": ["Compose a post.", "Rewrite it."], "reference": []}
    (prompt,) = load_suite(write(json.dumps(row), name="question.jsonl")).prompts
    assert (prompt.id, prompt.category) == ("writing/81", "writing")
    assert prompt.messages == ({"role": "user", "content": "Compose a post."},)


def test_empty_lines_and_windows_line_ends_do_not_matter_and_lines_are_counted_as_an_editor_does() -> None:
    name = write(GOOD + "\r", "", "  ", GOOD.replace("a", "b", 1) + "\r", "")
    assert [prompt.id for prompt in load_suite(name).prompts] == ["a", "b"]
    with pytest.raises(DraftlabError, match=r"mine\.jsonl, line 4 is not valid JSON"):
        load_suite(write(GOOD, "", "", "{"))


@pytest.mark.parametrize("inside", ["\u2028", "\u0085", "\x0b", "\x0c", "\x1c"])
def test_a_prompt_may_hold_what_only_unicode_takes_for_a_line_break(inside: str) -> None:
    line = json.dumps({"id": "a", "prompt": f"x{inside}y"}, ensure_ascii=False)
    assert load_suite(write(line)).prompts[0].prompt == f"x{inside}y"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"id": "b", "prompt": ', "is not valid JSON: Expecting value, column 23"),
        ("[1, 2]", "is not a JSON object"),
        ('"text"', "is not a JSON object"),
        ('{"id": "b", "prompt": ""}', "prompt: the prompt is empty"),
        ('{"id": "b", "prompt": " \\n\\t "}', "prompt: the prompt is empty"),
        ('{"id": "", "prompt": "x"}', "id: "),
        ('{"prompt": "x"}', "id: Field required"),
        ('{"id": 7, "prompt": "x"}', "id: Input should be a valid string"),
        ('{"id": "b"}', "a line needs either a prompt or messages"),
        ('{"id": "b", "prompt": "x", "messages": [{"role": "user", "content": "x"}]}', "either a prompt or messages"),
        ('{"id": "b", "messages": []}', "messages need at least one entry"),
        ('{"id": "b", "messages": [{"content": "x"}]}', "each with a role and a content"),
        ('{"id": "b", "prompt": "x", "answer": "y"}', "answer: Extra inputs are not permitted"),
        ('{"id": "b", "prompt": "x", "max_new_tokens": 0}', "max_new_tokens: "),
        ('{"id": "b", "prompt": "x", "category": ""}', "category: "),
        ('{"id": "b", "prompt": "x", "category": "all"}', "category: 'all' is the row that sums up"),
        ('{"question_id": 1, "turns": [3]}', "messages.0.content: "),
        ('{"task_id": "b", "canonical_solution": "x"}', "a line needs either a prompt or messages"),
        ('{"id": "b", "prompt": "\\ud800"}', "half of a surrogate pair"),
        (GOOD, "the id 'a' occurs twice"),
    ],
)
def test_a_bad_line_is_named_with_file_number_and_reason(line: str, reason: str) -> None:
    with pytest.raises(DraftlabError) as caught:
        load_suite(write(GOOD, line))
    message = str(caught.value)
    assert message.startswith("mine.jsonl, line 2")
    assert reason in message
    assert "\n" not in message
    assert caught.value.hint


@pytest.mark.parametrize("content", ["", "\n\n", "   "])
def test_a_suite_without_prompts_is_refused(content: str) -> None:
    with pytest.raises(DraftlabError, match=r"the suite mine\.jsonl has no prompts"):
        load_suite(write(content))


def test_an_id_may_occur_once_in_all_suites_of_a_run() -> None:
    with pytest.raises(DraftlabError, match=r"the id 'a' occurs in suite one\.jsonl and again in two\.jsonl"):
        load_suites([write(GOOD, name="one.jsonl"), write(GOOD, name="two.jsonl")])


def test_an_id_beyond_the_limit_does_not_clash() -> None:
    other = GOOD.replace("a", "b", 1)
    one, two = write(GOOD, name="one.jsonl"), write(other, GOOD, name="two.jsonl")
    assert [len(suite.prompts) for suite in load_suites([one, two], limit=1)] == [1, 1]


def test_a_missing_file_is_named() -> None:
    with pytest.raises(DraftlabError, match=r"cannot read the suite nowhere\.jsonl: No such file"):
        load_suite("nowhere.jsonl")


def test_a_folder_is_no_suite() -> None:
    Path("folder.jsonl").mkdir()
    with pytest.raises(DraftlabError, match=r"cannot read the suite folder\.jsonl: Is a directory"):
        load_suite("folder.jsonl")


def test_a_file_that_is_no_text_is_named() -> None:
    Path("image.jsonl").write_bytes(b"\x89PNG\xff")
    with pytest.raises(DraftlabError, match=r"the suite image\.jsonl is not UTF-8 text"):
        load_suite("image.jsonl")


def test_a_file_of_another_kind_is_no_suite() -> None:
    with pytest.raises(UnknownNameError, match=r"no suite is called 'mine\.csv'; there are: .*FILE\.jsonl"):
        load_suite(write(GOOD, name="mine.csv"))
