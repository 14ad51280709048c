"""The token view: recorded texts with where each token came from; to be stepped through, and read without a script."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import groupby

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from draftlab.report.html.assets import Assets
from draftlab.report.html.spelling import Pieces, plain, spell
from draftlab.report.html.token_data import token_data
from draftlab.report.html.token_text import ShownDecode, ShownToken, TokenTexts
from draftlab.report.names import key_of, short_names
from draftlab.report.reading import Run

DEPTHS = 8
"""Shades of an accepted token; deeper ones share the last."""

_COLOURED_PROMPTS = 20  # of the text that needs no script; those after them are plain, so that the page stays small
_PACKAGE = "draftlab.report.html"


@dataclass(frozen=True)
class _Text:
    """A decode for the reader without a script."""

    arm: str
    html: Markup
    facts: str


@dataclass(frozen=True)
class _Prompt:
    name: str
    category: str
    before: Markup
    num_left_out: int
    texts: list[_Text]


def token_view(run: Run) -> Assets | None:
    """The part of the page; None where nothing was recorded token by token."""
    decodes = list(TokenTexts(run).decodes())
    if not decodes:
        return None
    environment = Environment(
        loader=PackageLoader(_PACKAGE, "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    deepest = max((decode.arm.gamma for decode in decodes), default=1)
    html = environment.get_template("token_view.html.j2").render(
        prompts=list(_prompts(decodes)),
        data=token_data(decodes),
        num_depths=min(DEPTHS, deepest),
        has_deeper=deepest > DEPTHS,
    )
    return Assets(
        Markup(html), _resource("token_view.css"), _resource("token_inspector.js") + _resource("token_view.js")
    )


def _resource(name: str) -> str:
    return files(_PACKAGE).joinpath(name).read_text(encoding="utf-8")


def _prompts(decodes: Sequence[ShownDecode]) -> Iterator[_Prompt]:
    names = short_names(decode.arm for decode in decodes)
    for number, (_, group) in enumerate(groupby(decodes, key=lambda decode: decode.prompt.id)):
        some = list(group)
        prompt = some[0].prompt
        texts = [
            _Text(plain(spell(names[key_of(decode.arm)])), _text(decode, number < _COLOURED_PROMPTS), _facts(decode))
            for decode in some
        ]
        before = Markup().join(_shown(pieces) for pieces in some[0].before)
        yield _Prompt(plain(spell(prompt.id)), plain(spell(prompt.category)), before, some[0].num_left_out, texts)


def _text(decode: ShownDecode, is_coloured: bool) -> Markup:
    tokens = [token for shown in decode.rounds for token in shown.tokens]
    if not is_coloured:
        return Markup().join(_shown(token.pieces) for token in tokens)
    runs = groupby(tokens, key=_class)
    return Markup().join(
        Markup('<span class="{}">{}</span>').format(name, Markup().join(_shown(token.pieces) for token in some))
        for name, some in runs
    )


def _class(token: ShownToken) -> str:
    return f"a d{min(token.depth, DEPTHS)}" if token.origin == "accepted" else token.origin


def _shown(pieces: Pieces) -> Markup:
    return Markup().join(
        Markup("<i>{}</i>").format(piece) if index % 2 else escape(piece) for index, piece in enumerate(pieces)
    )


def _facts(decode: ShownDecode) -> str:
    if decode.error is not None:
        return f"failed: {plain(spell(decode.error))}"
    num_tokens = sum(len(shown.tokens) for shown in decode.rounds)
    said = f"{num_tokens} tokens in {len(decode.rounds)} rounds"
    if decode.departure is None:
        return f"{said}; the same text as the baseline's" if decode.is_compared else said
    examined = decode.departure.examined
    kind = f" ({examined.kind})" if examined else ""
    return f"{said}; leaves the baseline at token {decode.departure.position + 1}{kind}"
