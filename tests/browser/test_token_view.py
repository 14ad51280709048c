"""The token view in a real browser: stepped through, read without a script, and harmless whatever a model wrote."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from draftlab.report.html.token_view import token_view
from tests.browser.conftest import Visit
from tests.unit.watched import run

PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Tokens</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>:root {{ color-scheme: light dark; }} body {{ font-family: sans-serif; background: Canvas; }}
{css}</style></head>
<body><main><h1>Run</h1><h2>Tokens</h2>{html}</main><script>{js}</script></body></html>"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A page with nothing but the view."""
    assets = token_view(run())
    assert assets is not None
    page = tmp_path / "page.html"
    page.write_text(PAGE.format(css=assets.css, html=assets.html, js=assets.js), encoding="utf-8")
    return page


def test_a_trace_is_stepped_through_with_the_keyboard(visit: Visit, file: Path) -> None:
    watched = visit(file)
    page = watched.page
    said = page.locator("#tv-say")
    expect(said).to_have_text("round 1 of 4: 3 drafted, 1 accepted, corrected ‘ dreary’ to ‘ a’")
    page.focus("#tv-text [aria-selected=true]")
    for key, expected in [
        ("j", "round 2 of 4: 2 drafted, 2 accepted, bonus ‘⟨e2 80⟩’"),
        ("ArrowDown", "round 3 of 4: no draft, plain step ‘—’"),
        ("k", "round 2 of 4"),
        ("ArrowUp", "round 1 of 4"),
        ("End", "round 4 of 4"),
    ]:
        page.keyboard.press(key)
        expect(said).to_contain_text(expected)
    expect(page.locator("#tv-on")).to_be_disabled()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    focused = page.locator(":focus")
    expect(focused).to_have_attribute("aria-label", "‘ a’, correction, p 0.75, entropy 1.5")
    assert page.locator("#tv-text [tabindex='0']").count() == 1
    page.click("#tv-on")
    expect(said).to_contain_text("round 2 of 4")
    watched.assert_well_behaved()


def test_a_rejected_draft_is_shown_beside_what_replaced_it(visit: Visit, file: Path) -> None:
    watched = visit(file)
    page = watched.page
    assert page.locator("#tv-text del").count() == 0
    page.check("#tv-rejected")
    assert page.locator("#tv-text [aria-label='round 1'] [role=option]").all_text_contents() == [
        " upon", "·dreary", "·a", " a",
    ]  # fmt: skip
    expect(page.locator("#tv-text [aria-label='round 1'] del").first).to_have_text("·dreary")
    page.locator("#tv-text [aria-label='round 1'] [role=option]").nth(1).hover()
    inspector = page.locator("#tv-inspector")
    expect(inspector).to_contain_text("‘ dreary’ rejected at depth 2")
    assert inspector.locator("tbody tr").nth(1).locator("td, th").all_text_contents() == [
        "2", "·dreary", "0.8", "0.7", "1.5",
    ]  # fmt: skip
    watched.assert_well_behaved()


def test_the_first_difference_is_marked_with_its_class_and_margin(visit: Visit, file: Path) -> None:
    watched = visit(file)
    page = watched.page
    expect(page.locator("#tv-text .tv-flag")).to_have_text("≠ tie, margin 0.03")
    expect(page.locator("#tv-departure")).to_contain_text("Token 7 is the first that differs from the baseline")
    expect(page.locator("#tv-departure .tv-text")).to_have_text(" day")
    assert page.locator("#tv-prompt option").all_text_contents() == ["≠ a", "b"]
    page.check("#tv-differ")
    assert page.locator("#tv-prompt option").all_text_contents() == ["≠ a"]


def test_white_space_is_shown_on_demand(visit: Visit, file: Path) -> None:
    page = visit(file).page
    shown = page.locator("#tv-text [aria-label='round 2']")
    assert shown.text_content() == " time\n⟨e2 80⟩"
    page.focus("#tv-text [aria-selected=true]")
    page.keyboard.press("s")
    assert shown.text_content() == "·time↵\n⟨e2 80⟩"


def test_a_hostile_text_is_harmless(visit: Visit, file: Path) -> None:
    watched = visit(file)
    watched.page.select_option("#tv-prompt", label="b")
    expect(watched.page.locator("#tv-text")).to_contain_text("</script><img src=x onerror=alert(1)>␛[31m⟨RLO⟩gnp")
    watched.page.check("#tv-rejected")
    watched.page.check("#tv-spaces")
    assert watched.page.locator("img").count() == 0
    watched.assert_well_behaved()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_accessible(visit: Visit, file: Path, scheme: str) -> None:
    watched = visit(file, color_scheme=scheme)
    watched.page.check("#tv-rejected")
    watched.page.check("#tv-spaces")
    watched.assert_accessible()


def test_without_a_script_every_text_can_be_read(visit: Visit, file: Path) -> None:
    page = visit(file, java_script_enabled=False).page
    expect(page.locator(".tv-static > details").first).to_contain_text(" upon a time\n⟨e2 80⟩— midnight<end>")
    expect(page.locator(".tv-live")).to_be_hidden()
    second = page.locator(".tv-static > details").nth(1)
    second.locator("summary").first.click()
    expect(second.locator(".tv-text").last).to_be_visible()


def test_a_phone_shows_it_all(visit: Visit, file: Path) -> None:
    page = visit(file, viewport={"width": 375, "height": 700}).page
    page.check("#tv-rejected")
    assert page.evaluate("document.documentElement.scrollWidth") <= 375


def test_print_shows_the_first_texts(visit: Visit, file: Path) -> None:
    page = visit(file).page
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    expect(page.locator(".tv-live")).to_be_hidden()
    expect(page.locator(".tv-static > details .tv-text").last).to_be_visible()
