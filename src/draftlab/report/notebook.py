"""What a run, its figures and a text look like in a notebook: a little HTML without script, on light or dark ground.

The ground and the colour of ordinary text are the notebook's own; everything from models and files is escaped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jinja2 import Environment

from draftlab.report.figure import figure
from draftlab.report.names import gamma_of
from draftlab.report.origins import Place, color, describe, legend
from draftlab.report.printable import printable

if TYPE_CHECKING:
    from draftlab.report.measure import ArmReport, Report

_ENVIRONMENT = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
_ENVIRONMENT.filters["printable"] = printable

_TEXT = _ENVIRONMENT.from_string("""\
<div>
<pre style="white-space: pre-wrap; overflow-wrap: anywhere; background: none; color: inherit; margin: 0">
{%- if prompt %}<span style="opacity: .65" title="the prompt">{{ prompt | printable }}</span>{% endif %}
{%- for piece in pieces %}<span
{%- if piece.color %} style="color: {{ piece.color }}"{% endif %} title="{{ piece.title }}">
{{- piece.text | printable }}</span>{% endfor %}
</pre>
<div style="font-size: smaller">
{%- for text, color in legend %}<span
{%- if color %} style="color: {{ color }}"{% endif %}>&#9632; {{ text }}</span> {% endfor %}
<br><span style="opacity: .8">{{ closing | printable }}</span></div>
</div>
""")

_TABLE = _ENVIRONMENT.from_string("""\
<div>
<table>
<caption style="text-align: left">{{ caption | printable }}</caption>
<thead><tr>{% for name in header %}<th scope="col">{{ name }}</th>{% endfor %}</tr></thead>
<tbody>
{% for cells in rows %}<tr>
{%- for cell in cells %}<td>{{ cell | printable }}</td>{% endfor -%}
</tr>
{% endfor %}
</tbody>
</table>
{% for note in notes %}<div style="font-size: smaller; opacity: .8">{{ note | printable }}</div>
{% endfor %}
</div>
""")

_HEADER = (
    "drafter", "gamma", "prompts", "speed-up", "acceptance rate", "draft utilization", "block efficiency",
    "identical texts", "",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Piece:
    """What one token added to a text, and where it came from; None: that is not known."""

    text: str
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class _Span:
    text: str
    color: str | None
    title: str


def text_html(prompt: str, pieces: Sequence[Piece], closing: str) -> str:
    """A text, coloured by the origin of its tokens where that is known, with a line below it."""
    most = max((piece.place.depth for piece in pieces if piece.place), default=0)
    known = any(piece.place for piece in pieces)
    spans = [_span(piece, most) for piece in pieces if piece.text]
    return _TEXT.render(prompt=prompt, pieces=spans, legend=legend(most) if known else [], closing=closing)


def _span(piece: Piece, most: int) -> _Span:
    if piece.place is None:
        return _Span(piece.text, None, "new text")
    return _Span(piece.text, color(piece.place, most), describe(piece.place))


def report_html(report: Report) -> str:
    """The figures of a run: a row for every arm and category."""
    notes = [] if report.complete else ["this run is not complete: figures are of what is there"]
    if report.noise_floor is not None:
        notes.append(f"noise floor: the baseline against itself {figure(report.noise_floor, '.2f', unit='x')}")
    plain = figure(report.baseline.tokens_per_s, ".1f")
    return _TABLE.render(
        caption=f"{report.target}: plain decoding {plain} tokens/s",
        header=_HEADER,
        rows=[_row(arm) for arm in report.arms],
        notes=notes,
    )


def _row(arm: ArmReport) -> list[str]:
    notes = {True: "within noise", False: "", None: ""}[arm.within_noise]
    return [
        arm.drafter,
        gamma_of(arm),
        f"{arm.category} ({arm.num_prompts})",
        figure(arm.walltime_speedup, ".2f", unit="x"),
        figure(arm.acceptance_rate, ".2f"),
        figure(arm.draft_utilization, ".2f"),
        figure(arm.block_efficiency, ".2f"),
        f"{arm.identical}/{arm.compared}" if arm.compared else "–",
        ", ".join(filter(None, [notes, "" if arm.lossless else "lossy"])),
    ]
