"""Which parts of a text are a program, and in which language."""

from __future__ import annotations

import pytest

from draftlab.report.languages import is_code, lexer_for, parts
from draftlab.suites import load_suite
from draftlab.suites.suite import Prompt
from tests.unit.handmade import prompt

BY_ID = {
    "py": "Python", "go": "Go", "sql": "SQL", "js": "JavaScript", "bash": "Bash", "rust": "Rust", "ts": "TypeScript",
    "docker": "Docker", "java": "Java", "cpp": "C++", "hs": "Haskell", "c": "C", "html": "HTML", "yaml": "YAML",
}  # fmt: skip
# The prompt that has to be translated is Python but for its last line; types make half of the lines of this test.
OTHERWISE = {"code/rust-translate-edit-distance": "Python", "code/ts-test-shopping-cart": "JavaScript"}
CODE = [each for each in load_suite("code").prompts if not each.id.startswith("code/md-")]


@pytest.mark.parametrize("each", CODE, ids=lambda each: each.id)
def test_the_language_of_the_built_in_prompts(each: Prompt) -> None:
    expected = OTHERWISE.get(each.id) or BY_ID[each.id.removeprefix("code/").partition("-")[0]]
    assert each.prompt is not None
    assert lexer_for(each.prompt).name == expected


def test_what_nothing_speaks_for_is_read_as_python() -> None:
    assert lexer_for("x").name == lexer_for("x", "no-such-language").name == "Python"


@pytest.mark.parametrize(
    ("category", "expected"),
    [("code", True), ("Coding", True), ("programming", True), ("humaneval", True), ("prose", False), ("math", False)],
)
def test_a_category_says_whether_a_prompt_is_a_program(category: str, expected: bool) -> None:
    assert is_code(prompt("a", category)) is expected


def test_a_chat_is_no_program() -> None:
    chat = prompt("a", "code").model_copy(update={"prompt": None, "messages": ({"role": "user", "content": "x"},)})
    assert not is_code(chat)


def test_parts_cover_a_text() -> None:
    text = "Do\n```go\nx := 1\n```\nand\n```\nSELECT 1\n```"
    found = list(parts(text, code=False))
    assert "".join(text[part.start : part.end] for part in found) == text
    assert [part.lexer.name for part in found if part.lexer] == ["Go", "SQL"]


def test_where_a_program_holds_a_fence_of_a_language_the_rest_is_prose() -> None:
    """As in a page of documentation that is to be continued."""
    (before, _, code) = parts("# if\n```python\nx = 1\n", code=True)
    assert (before.lexer, code.lexer and code.lexer.name) == (None, "Python")
