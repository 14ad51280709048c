"""Decodes token by token as compact JSON for the page's script, safe inside a <script> element."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from math import isfinite
from typing import Any

from markupsafe import Markup

from draftlab.report.html.document import safe_json
from draftlab.report.html.spelling import Pieces, plain, spell
from draftlab.report.html.token_text import Departure, ShownDecode, ShownRound
from draftlab.report.names import key_of, short_names

PARTS = 10_000
"""Probabilities are whole numbers of this many parts: short, and as fine as a reader can use."""

_DIGITS = 3


class _Table:
    """Every text once; others say its number."""

    def __init__(self) -> None:
        self._numbers: dict[Pieces, int] = {}

    def number(self, pieces: Pieces) -> int:
        return self._numbers.setdefault(pieces, len(self._numbers))

    def entries(self) -> list[str | Pieces]:
        """A string where all is text, else text and marks by turns."""
        return [pieces[0] if len(pieces) == 1 else pieces for pieces in self._numbers]


def token_data(decodes: Sequence[ShownDecode]) -> Markup:
    """The keys are those that `token_view.js` names at its top."""
    table = _Table()
    arms = list({decode.arm.id: decode.arm for decode in decodes}.values())
    names = short_names(arms)
    prompts = list({decode.prompt.id: decode for decode in decodes}.values())
    document = {
        "parts": PARTS,
        "arms": [plain(spell(names[key_of(arm)])) for arm in arms],
        "prompts": [_prompt(table, decode) for decode in prompts],
        "decodes": [
            {
                "arm": arms.index(decode.arm),
                "prompt": next(i for i, found in enumerate(prompts) if found.prompt.id == decode.prompt.id),
                **_decode(table, decode),
            }
            for decode in decodes
        ],
        "texts": table.entries(),
    }
    written = json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Markup(safe_json(written))


def _prompt(table: _Table, decode: ShownDecode) -> dict[str, Any]:
    return {
        "name": plain(spell(decode.prompt.id)),
        "category": plain(spell(decode.prompt.category)),
        "before": [table.number(pieces) for pieces in decode.before],
        "left_out": decode.num_left_out,
    }


def _decode(table: _Table, decode: ShownDecode) -> dict[str, Any]:
    found: dict[str, Any] = {
        "compared": decode.is_compared,
        "stop": decode.stop,
        "rounds": [_round(table, shown) for shown in decode.rounds],
    }
    if decode.error is not None:
        found["error"] = plain(spell(decode.error))
    if decode.departure is not None:
        found["departure"] = _departure(table, decode.departure)
    return found


def _round(table: _Table, shown: ShownRound) -> list[Any]:
    watched = shown.watched
    return [
        [table.number(token.pieces) for token in shown.tokens],
        [table.number(pieces) for pieces in shown.rest],
        len(watched.drafted),
        watched.accepted,
        _parts(watched.p),
        None if watched.q is None else _parts(watched.q),
        _short(watched.entropy),
        _parts(watched.overlap[: watched.accepted + 1]),  # of the tokens that were judged
        _parts([watched.own_p])[0],
    ]


def _departure(table: _Table, departure: Departure) -> dict[str, Any]:
    found: dict[str, Any] = {"at": departure.position, "baseline": table.number(departure.baseline)}
    if departure.examined is not None:
        known = departure.examined.model_dump(include={"kind", "margin", "rounding", "margin_float32"})
        found |= {k: _short([v])[0] if isinstance(v, float) else v for k, v in known.items() if v is not None}
    return found


def _parts(probabilities: Iterable[float]) -> list[int | None]:
    """In ten-thousandths; None for what is no number."""
    return [round(p * PARTS) if isfinite(p) else None for p in probabilities]


def _short(values: Iterable[float]) -> list[float | None]:
    """With three significant digits, and 1 instead of 1.0; None for what is no number."""
    return [_rounded(value) for value in values]


def _rounded(value: float) -> float | None:
    if not isfinite(value):
        return None
    near = float(f"{value:.{_DIGITS}g}")
    return int(near) if near.is_integer() else near
