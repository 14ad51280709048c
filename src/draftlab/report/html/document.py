"""Templates, style and script put together into one file that asks nobody for anything."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import tempfile
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from draftlab.errors import DraftlabError
from draftlab.report.html.assets import Assets
from draftlab.report.names import one_line
from draftlab.report.plots.svg import inline_svg
from draftlab.stats import Estimate

# What would end a script element, or a line of a script, within a string.
_UNSAFE = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def render(template: str, document: str, parts: list[Assets], **context: Any) -> str:
    """A page of `template`; `document` is the JSON that it carries, `parts` bring their own style and script."""
    here = files("draftlab.report.html")
    css = "\n".join([here.joinpath("page.css").read_text("utf-8"), *(part.css for part in parts)])
    js = "\n".join([here.joinpath("page.js").read_text("utf-8"), *(part.js for part in parts)])
    return (
        _environment()
        .get_template(template)
        .render(
            css=Markup(css),
            js=Markup(js),
            js_hash=base64.b64encode(hashlib.sha256(js.encode()).digest()).decode(),
            json=Markup(safe_json(document)),
            json_shown=json.dumps(json.loads(document), indent=1, ensure_ascii=False),
            json_address="data:application/json;base64," + base64.b64encode(document.encode()).decode(),
            **context,
        )
    )


def safe_json(document: str) -> str:
    """JSON that may stand in a script element: the same values, without a character that could end it."""
    return re.sub("[<>&\u2028\u2029]", lambda found: _UNSAFE[found[0]], document)


def _environment() -> Environment:
    found = Environment(
        loader=PackageLoader("draftlab.report.html"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {"figure": _figure, "interval": _interval, "cell": _cell, "one_line": one_line, "svg": inline_svg}
    return found


def _figure(estimate: Estimate, form: str = ".2f", unit: str = "") -> str:
    return "–" if estimate.value is None else f"{estimate.value:{form}}{unit}"


def _interval(estimate: Estimate | None, form: str = ".2f") -> str:
    if estimate is None or estimate.low is None or estimate.high is None:
        return ""
    return f"[{estimate.low:{form}}, {estimate.high:{form}}]"


def _cell(value: object) -> str:
    """A value of a plot's table, as people read it."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else one_line(str(value))


def write_page(text: str, path: Path) -> int:
    """Write a page in one step, so that nobody opens half of it; the number of its bytes."""
    if path.is_dir():
        raise DraftlabError(f"cannot write a page to {path}: it is a folder", "Give a file, as in report.html.")
    data = text.encode("utf-8", errors="replace")
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            mask = os.umask(0)
            os.umask(mask)
            Path(name).chmod(0o666 & ~mask)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise DraftlabError(
            f"cannot write a page to {path}: {error.strerror or error}", "Give a file in a folder to write to."
        ) from None
    return len(data)
