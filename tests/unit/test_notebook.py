"""What a notebook shows is self-contained, without script, and obeys nothing that a model or a file says."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import pytest

from draftlab import measure, open_run
from draftlab.errors import DraftlabError
from draftlab.records import Detail, PromptRecord, TokenBytes, WatchedRound
from draftlab.report.notebook import Piece, text_html
from draftlab.report.origins import LABELS, Place
from draftlab.store import Store
from tests.unit.handmade import BASELINE, DRAFTED, failure, manifest, prompt, trace

HOSTILE = "</pre><script>alert(1)</script><img src=x onerror=alert(1)>\x1b[2J\u202e"
ALLOWED = {"div", "pre", "span", "br", "table", "caption", "thead", "tbody", "tr", "th", "td"}


class Page(HTMLParser):
    """The elements of a piece of HTML with their attributes, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def is_harmless(page: Page) -> bool:
    names = {name for _, attributes in page.elements for name in attributes}
    return {tag for tag, _ in page.elements} <= ALLOWED and names <= {"style", "title", "scope"}


def test_a_text_is_coloured_by_origin_and_stays_what_it_is() -> None:
    pieces = [
        Piece("a <", Place("accepted", 0, 1)),
        Piece("\n\t&", Place("correction", 0)),
        Piece("", Place("plain", 1)),
    ]
    page = Page(text_html("say: ", pieces, "2 tokens"))
    assert "say: a <\n\t&" in page.text
    spans = {str(a.get("title")): str(a.get("style", "")) for tag, a in page.elements if tag == "span"}
    assert "#2b8fd0" in spans["round 1: drafted and accepted at depth 1"]
    assert str(LABELS["correction"].color) in spans[f"round 1: {LABELS['correction'].means}"]
    assert "2 tokens" in page.text and "correction" in page.text


def test_what_a_text_says_is_never_markup_nor_command() -> None:
    page = Page(text_html(HOSTILE, [Piece(HOSTILE, Place("plain", 0))], HOSTILE))
    assert is_harmless(page)
    assert page.text.count("<script>alert(1)</script>") == 3
    assert "\x1b" not in page.text and "\u202e" not in page.text


def test_where_origins_are_not_known_there_is_no_legend() -> None:
    assert "correction" not in text_html("", [Piece("text")], "closing")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Two prompts, both named to do harm; the first is on record token by token."""
    prompts = (prompt("a", HOSTILE), prompt("b", "prose"))
    store = Store.create(tmp_path / "run", manifest(prompts=prompts, target={"source": HOSTILE, "dtype": "x"}))
    with store.writer() as writer:
        for name in "ab":
            writer.traces.append(trace(BASELINE, name, (1, 2, 3)))
        writer.traces.append(trace(DRAFTED, "a", (1, 2, 3), drafted=(2, 0), accepted=(1, 0)))
        writer.traces.append(failure(DRAFTED, "b"))
        drafted = WatchedRound(
            drafted=(1, 9), accepted=1, emitted=(1, 2), p=(0.9, 0.1), entropy=(0.3, 0.5, 0.2), overlap=(1.0, 0.0)
        )
        rounds = (drafted, WatchedRound(emitted=(3,), entropy=(0.1,)))
        writer.details.append(Detail(arm=DRAFTED.id, prompt_id="a", rounds=rounds))
        for token, content in {1: b"caf", 2: "é".encode()[:1], 3: "é".encode()[1:]}.items():
            writer.token_bytes.append(TokenBytes(id=token, hex=content.hex()))
    return store


def test_a_run_shows_its_figures(store: Store) -> None:
    run = open_run(store.folder)
    page = Page(run._repr_html_())
    assert is_harmless(page)
    assert HOSTILE.partition("\x1b")[0] in page.text
    assert page.text.count("1.00x") == 2  # of the only pair: its category, and all
    assert page.elements.count(("tr", {})) == 4
    assert run._repr_html_() == run.report()._repr_html_() == measure(store)._repr_html_()


def test_a_trace_shows_each_token_with_its_origin(store: Store) -> None:
    view = open_run(str(store.folder)).trace("a")
    assert [(piece.text, piece.place and piece.place.origin) for piece in view.pieces] == [
        ("caf", "accepted"), ("", "correction"), ("é", "plain"),
    ]  # fmt: skip
    assert view._repr_html_().count("<span") == 3 + 4 + 1  # prompt and two pieces, the legend, the line below
    assert view.summary == "a, ngram gamma=5: 3 tokens in 2 rounds, 1 of 2 drafted tokens accepted"
    assert str(view) == "text"


def test_without_a_record_of_its_tokens_a_trace_shows_its_text(store: Store) -> None:
    view = open_run(store.folder).trace("b", BASELINE.id)
    assert [piece.place for piece in view.pieces] == [None]
    assert "--detail tokens" in view._repr_html_()


def test_a_chat_shows_who_says_what(store: Store) -> None:
    view = open_run(store.folder).trace("a")
    chat = PromptRecord(
        **{**view.prompt.model_dump(), "prompt": None, "messages": ({"role": "user", "content": "Hi"},)}
    )
    assert "user: Hi\n" in Page(type(view)(chat, view.trace, view.pieces)._repr_html_()).text


@pytest.mark.parametrize(
    ("prompt_id", "arm", "message"),
    [("c", None, "no prompt is called 'c'"), ("a", "x", "no arm is called 'x'"), ("b", None, "failed on b: Oops: no")],
)
def test_what_is_not_there_is_told(store: Store, prompt_id: str, arm: str | None, message: str) -> None:
    with pytest.raises(DraftlabError, match=message):
        open_run(store.folder).trace(prompt_id, arm)
