"""A figure as a drawing within a page: it takes the page's colours and letters, and a screen reader can name it."""

from __future__ import annotations

import re
from io import StringIO

from markupsafe import Markup, escape

from draftlab.report.plots import style
from draftlab.report.plots.plot import Plot

VARIABLES = {
    style.INK: "--ink",
    style.MUTED: "--muted",
    style.GRID: "--grid",
    style.PAPER: "--paper",
    style.BAND: "--band",
    style.ON_FEW: "--on-few",
    style.ON_MANY: "--on-many",
    **{color: f"--series-{i + 1}" for i, color in enumerate(style.SERIES)},
    **{color: f"--step-{i + 1}" for i, color in enumerate(style.STEPS)},
}
_COLOR = re.compile("|".join(VARIABLES), re.IGNORECASE)
_METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}


def inline_svg(plot: Plot) -> Markup:
    """The figure without anything that leaves the page, with ids that no other figure has."""
    text = written(plot)
    body = text[text.index(">", text.index("<svg")) + 1 : text.rindex("</svg>")]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    # matplotlib names what it draws ("axes_1") and what is used again ("m0f..."): both are an id of the page.
    body = re.sub(r'\bid="', f'id="{plot.name}-', body)
    body = re.sub(r'(xlink:)?href="#', f'href="#{plot.name}-', body)
    body = body.replace("url(#", f"url(#{plot.name}-")
    body = re.sub(r"'DejaVu Sans', sans-serif|'DejaVu Sans'", "inherit", body)
    body = _COLOR.sub(lambda found: f"var({VARIABLES[found[0].lower()]})", body)
    width, height = (round(72 * float(inches), 2) for inches in plot.figure.get_size_inches())
    return Markup(
        f'<svg viewBox="0 0 {width:g} {height:g}" role="img" aria-labelledby="{plot.name}-title {plot.name}-desc">'
        f'<title id="{plot.name}-title">{escape(plot.title)}</title>'
        f'<desc id="{plot.name}-desc">{escape(plot.caption)}</desc>{body}</svg>'
    )


def written(plot: Plot, *, transparent: bool = True) -> str:
    """The figure as an SVG file, the same for the same data."""
    target = StringIO()
    with style.settings():
        plot.figure.savefig(target, format="svg", transparent=transparent, metadata=_METADATA)
    return target.getvalue()
