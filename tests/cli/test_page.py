"""`report --html`, `--figures`, `--markdown` and `compare --html`: one file that is whole, harmless and asks nobody."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.cli.conftest import Command

HOSTILE = "</script><img src=x onerror=alert(1)>"
VOID = {"meta", "link", "img", "br", "hr", "input"}


class Page(HTMLParser):
    """Every element with its attributes; refuses a page whose tags do not close as they opened."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.document = ""
        self._open: list[str] = []
        self._in_document = False
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)
        self._in_document = ("id", "report-json") in attrs

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag
        self._in_document = False

    def handle_data(self, data: str) -> None:
        self.document += data if self._in_document else ""

    def attributes(self, name: str) -> list[str]:
        return [attributes[name] or "" for _, attributes in self.elements if name in attributes]


@pytest.fixture
def run(draftlab: Command, tmp_path: Path) -> str:
    lines = [{"id": f"{HOSTILE}{i}", "category": f"{HOSTILE}{i % 2}", "prompt": HOSTILE} for i in range(7)]
    (tmp_path / "hostile.jsonl").write_text("\n".join(map(json.dumps, lines)))
    arguments = ("--suite", str(tmp_path / "hostile.jsonl"), "--max-new-tokens", "6", "--gamma", "2", "--gamma", "4")
    assert draftlab("bench", "--target", "toy", *arguments, "--out", str(tmp_path / "run")).status == 0
    return str(tmp_path / "run")


def check(text: str) -> Page:
    """What holds for every page."""
    page = Page(text)
    names = [tag for tag, _ in page.elements]
    assert names.count("h1") == names.count("main") == 1
    assert "img" not in names and not [a for _, found in page.elements for a in found if a.startswith("on")]
    for address in page.attributes("href") + page.attributes("src"):
        assert address.startswith(("#", "data:"))
    assert not re.search(r"url\((?!#)|@import", text)
    ids = page.attributes("id")
    assert len(ids) == len(set(ids))
    assert {address[1:] for address in page.attributes("href") if address.startswith("#")} <= set(ids)
    policy = next(found["content"] for _, found in page.elements if "http-equiv" in found)
    assert policy is not None and "default-src 'none'" in policy
    assert len(text) < 1_000_000
    return page


def test_a_run_becomes_one_page(draftlab: Command, run: str) -> None:
    result = draftlab("report", run, "--html", "report.html")
    assert (result.status, result.out) == (0, "")
    assert re.fullmatch(r"written: report\.html \(\d+ kB\)\n", result.err)
    page = check(Path("report.html").read_text())
    assert json.loads(page.document) == draftlab("report", run, "--json").document
    assert len([tag for tag, _ in page.elements if tag == "svg"]) >= 4


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "Every text that was compared is that of plain decoding"),
        (("--temperature", "1"), "No text was compared: they are sampled"),
        (("--temperature", "1", "--rule", "coupled"), "Every text that was compared is that"),
        (("--rule", "typical", "--temperature", "1"), "No text was compared: they are sampled"),
    ],
)
def test_why_no_text_was_compared_is_told(
    draftlab: Command, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    suite = tmp_path / "one.jsonl"
    suite.write_text(json.dumps({"id": "p", "prompt": "one two"}))
    out = str(tmp_path / "told")
    assert draftlab("bench", "--target", "toy", "--suite", str(suite), *arguments, "--out", out).status == 0
    assert draftlab("report", out, "--html", "told.html").status == 0
    assert said in Path("told.html").read_text()


def test_a_comparison_becomes_one_page(draftlab: Command, run: str) -> None:
    result = draftlab("compare", run, run, "--html", "compared.html")
    assert (result.status, result.out) == (0, "")
    page = check(Path("compared.html").read_text())
    assert json.loads(page.document) == draftlab("compare", run, run, "--json").document


def test_a_page_does_not_replace_a_folder(draftlab: Command, run: str, tmp_path: Path) -> None:
    result = draftlab("report", run, "--html", str(tmp_path))
    assert result.status == 2 and "it is a folder" in result.error
    result = draftlab("report", run, "--html", str(tmp_path / "nowhere" / "x.html"))
    assert result.status == 2 and "cannot write a page" in result.error


def test_figures_are_files(draftlab: Command, run: str, tmp_path: Path) -> None:
    assert draftlab("report", run, "--figures", str(tmp_path / "figures")).status == 0
    names = {path.name for path in (tmp_path / "figures").iterdir()}
    assert {"speedup.svg", "speedup.png", "speedup.csv", "phases.csv"} <= names


def test_markdown_is_text_whatever_names_look_like(draftlab: Command, run: str) -> None:
    result = draftlab("report", run, "--markdown")
    assert result.status == 0 and result.out.startswith("**")
    assert "<" not in result.out
    table = [line for line in result.out.splitlines() if line.startswith("|")]
    assert len(table) == 2 + 2 * 3 and len({line.count("|") for line in table}) == 1


def test_one_standard_output_for_one_document(draftlab: Command, run: str) -> None:
    assert draftlab("report", run, "--markdown", "--json").status == 2
