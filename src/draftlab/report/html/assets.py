"""What one part of the page brings along."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup


@dataclass(frozen=True)
class Assets:
    """A part of the page with the style and the script that it needs; each stands in the page once."""

    html: Markup
    css: str
    js: str
