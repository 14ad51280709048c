"""Pictures of a run's report in a real browser: `python docs/screenshots/make.py RUN [OTHER] [--out FOLDER]`.

RUN is a folder that `draftlab bench --detail tokens` wrote; with OTHER, a second run of the same prompts, there is a
picture of the comparison too. Needs Chromium, and what requirements-dev.txt names.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

SETTINGS: dict[str, Any] = {"viewport": {"width": 1200, "height": 860}, "reduced_motion": "reduce"}
PHONE = {"viewport": {"width": 375, "height": 812}, "device_scale_factor": 2}
COLOURS = 128
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SWITCHES = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync", "--no-first-run")


def at_first_plot(page: Page) -> None:
    """Scroll to where the plots after the table begin."""
    page.evaluate("document.querySelector('#plots').scrollIntoView()")


def at_plot(name: str) -> Callable[[Page], None]:
    """Scroll to one plot, if the run has data for it."""
    return lambda page: page.evaluate("name => document.getElementById(name)?.scrollIntoView()", f"plot-{name}")


def as_printed(page: Page) -> None:
    """What a printer gets of the first sheet; the background is that of paper."""
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")


def in_a_text(page: Page) -> None:
    """Go to a round that rejects some of a draft and keeps some, and show what was rejected."""
    page.check("#tv-rejected")
    page.focus("#tv-text [aria-selected=true]")
    said = page.locator("#tv-say")
    while page.locator("#tv-on").is_enabled():
        page.keyboard.press("j")
        if "corrected" in said.inner_text() and " 0 accepted" not in said.inner_text():
            break
    page.evaluate("document.querySelector('#tv-facts').scrollIntoView()")


def at_the_texts(page: Page) -> None:
    """Scroll to the token view."""
    page.locator("#token-view").evaluate("element => element.scrollIntoView()")


@dataclass(frozen=True)
class Picture:
    """One picture: the browser's settings, and what is done before it is taken."""

    name: str
    prepare: Callable[[Page], None] = lambda page: None
    options: dict[str, Any] = field(default_factory=dict)


PICTURES = (
    Picture("first-screen"),
    Picture("first-screen-dark", options={"color_scheme": "dark"}),
    Picture("plots", at_first_plot),
    Picture("plots-dark", at_first_plot, {"color_scheme": "dark"}),
    Picture("acceptance-by-class", at_plot("acceptance-by-token-class")),
    Picture("causes", at_plot("why-not-faster")),
    Picture("print", as_printed, {"viewport": {"width": 794, "height": 1123}}),
    Picture("token-view", in_a_text),
    Picture("token-view-dark", in_a_text, {"color_scheme": "dark"}),
    Picture("phone", options=PHONE),
    Picture("phone-token-view", in_a_text, PHONE),
    Picture("no-script", options={"java_script_enabled": False}),
    Picture("no-script-token-view", at_the_texts, {"java_script_enabled": False}),
)

COMPARISON = (Picture("compare"), Picture("compare-dark", options={"color_scheme": "dark"}))


def take(browser: Browser, report: Path, picture: Picture, out: Path) -> Path:
    """One picture of the report, with few colours so that it is small."""
    context = browser.new_context(**(SETTINGS | picture.options))
    page = context.new_page()
    page.goto(report.as_uri())
    picture.prepare(page)
    file = out / f"{picture.name}.png"
    page.screenshot(path=file)
    context.close()
    with Image.open(file) as shot:
        shot.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(file, optimize=True)
    return file


def write(command: list[str], page: Path) -> Path:
    """Have draftlab write a page; what it says against it ends this too."""
    arguments = [sys.executable, "-m", "draftlab", *command, "--html", str(page)]
    if subprocess.run(arguments, stdout=subprocess.DEVNULL, check=False).returncode:
        sys.exit(f"no page of draftlab {' '.join(command)}")
    return page


def main() -> None:
    """Write the report, then take every picture of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("other", type=Path, nargs="?")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    given = parser.parse_args()
    browser_path = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser_path is None:
        parser.error("no Chromium on this machine: apt-get install chromium")
    given.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        pages = [(write(["report", str(given.run)], Path(folder) / "report.html"), PICTURES)]
        if given.other:
            compared = ["compare", str(given.run), str(given.other), "--anyway"]
            pages.append((write(compared, Path(folder) / "compared.html"), COMPARISON))
        browser = playwright.chromium.launch(executable_path=browser_path, args=list(SWITCHES))
        for page, pictures in pages:
            for picture in pictures:
                file = take(browser, page, picture, given.out)
                print(f"{file} {file.stat().st_size / 1000:.0f} kB")
        browser.close()


if __name__ == "__main__":
    main()
