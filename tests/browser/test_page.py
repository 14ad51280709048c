"""The whole page that `draftlab report RUN --html FILE` writes, in a real browser.

Skipped for one reason only: there is no Chromium.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import Visit

HOSTILE = "</script><img src=x onerror=alert(1)>\x1b[31m\u202e"
SORTS = "th button"
THEME = "#theme"


@pytest.fixture(scope="module")
def report(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a run on the toy, with one prompt that means harm."""
    folder = tmp_path_factory.mktemp("report")
    texts = ["for i in i:", "abcabcabc", "Once upon a time", HOSTILE, "the end of the road", "lalala", "and so on"]
    names = [f"p{number}{text if text == HOSTILE else ''}" for number, text in enumerate(texts)]
    rows = [
        {"id": name, "category": "code" if number < 3 else "prose", "prompt": text}
        for number, (name, text) in enumerate(zip(names, texts, strict=True))
    ]
    (folder / "mine.jsonl").write_text("\n".join(map(json.dumps, rows)))
    arms = ["--drafter", "ngram", "--drafter", "model:toy:0.3", "--gamma", "2", "--gamma", "4"]
    shape = ["--suite", "mine.jsonl", "--max-new-tokens", "24", "--detail", "tokens", "--out", "run"]
    for arguments in (
        ["bench", "--target", "toy", *arms, *shape],
        ["report", "run", "--html", "report.html"],
        ["compare", "run", "run", "--html", "compared.html"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "draftlab", *arguments], cwd=folder, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
    return folder / "report.html"


def test_it_opens(visit: Visit, report: Path) -> None:
    watched = visit(report)
    assert watched.page.title()
    assert watched.page.locator("h1").count() == 1
    watched.assert_well_behaved()


def test_a_table_sorts(visit: Visit, report: Path) -> None:
    watched = visit(report)
    table = watched.page.locator("table", has=watched.page.locator(SORTS)).first
    button = table.locator(SORTS).first
    orders = []
    for _ in range(2):
        button.click()
        orders.append(table.locator("tbody tr").all_text_contents())
    assert table.locator("th[aria-sort]:not([aria-sort=none])").count() == 1
    assert orders[0] != orders[1]
    assert sorted(orders[0]) == sorted(orders[1])
    watched.assert_well_behaved()


def test_the_theme_can_be_changed(visit: Visit, report: Path) -> None:
    watched = visit(report, color_scheme="light")
    ground = "getComputedStyle(document.body).backgroundColor"
    before = watched.page.evaluate(ground)
    watched.page.click(THEME)
    assert watched.page.evaluate(ground) != before
    watched.assert_well_behaved()


def test_a_trace_is_stepped_through_and_a_rejected_draft_shown(visit: Visit, report: Path) -> None:
    watched = visit(report)
    page = watched.page
    page.focus("#tv-text [aria-selected=true]")
    page.keyboard.press("j")
    expect(page.locator("#tv-say")).to_contain_text("round 2 of")
    page.check("#tv-rejected")
    assert page.locator("#tv-text del").count() > 0
    watched.assert_well_behaved()


def test_the_hostile_prompt_is_harmless(visit: Visit, report: Path) -> None:
    watched = visit(report)
    for option in range(watched.page.locator("#tv-prompt option").count()):
        watched.page.select_option("#tv-prompt", index=option)
    assert watched.page.locator("img[src=x]").count() == 0
    assert "\x1b" not in report.read_text(encoding="utf-8")
    watched.assert_well_behaved()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["report", "compared"])
def test_it_is_accessible_with_all_that_can_be_opened(visit: Visit, report: Path, name: str, scheme: str) -> None:
    watched = visit(report.with_name(f"{name}.html"), color_scheme=scheme)
    watched.page.evaluate("document.querySelectorAll('details').forEach(found => { found.open = true })")
    assert watched.page.locator("details:not([open])").count() == 0 < watched.page.locator("details[open]").count()
    watched.assert_accessible()
    watched.assert_well_behaved()


def test_a_comparison_opens_and_fits_a_phone(visit: Visit, report: Path) -> None:
    watched = visit(report.with_name("compared.html"), viewport={"width": 375, "height": 700})
    assert watched.page.locator("h1").count() == 1 and watched.page.locator("figure svg").count() >= 1
    assert watched.page.evaluate("document.documentElement.scrollWidth") <= 375
    assert watched.page.locator("img").count() == 0
    watched.assert_well_behaved()


def test_bars_are_dark_on_a_dark_page(visit: Visit, report: Path) -> None:
    """The first step of the bars is nearly the paper's colour, on either page."""
    first = "getComputedStyle(document.documentElement).getPropertyValue('--step-1').trim()"
    shades = [visit(report, color_scheme=scheme).page.evaluate(first) for scheme in ("light", "dark")]
    assert shades == ["#d7dde4", "#343e4a"]


def test_a_phone_does_not_scroll_sideways(visit: Visit, report: Path) -> None:
    page = visit(report, viewport={"width": 375, "height": 700}).page
    assert page.evaluate("document.documentElement.scrollWidth") <= 375


def test_without_a_script_it_can_be_read(visit: Visit, report: Path) -> None:
    page = visit(report, java_script_enabled=False).page
    expect(page.locator("#figures table[data-sortable]")).to_be_visible()
    expect(page.locator("#plot-speedup svg")).to_be_visible()
    expect(page.locator(".tv-static")).to_be_visible()
