"""A decode that was recorded token by token, as a page shows it: every token spelled, with where it came from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from draftlab.metrics import first_difference
from draftlab.records import Arm, Detail, Divergence, PromptRecord, Trace, WatchedRound
from draftlab.report.html.spelling import Pieces, Speller, mark, spell
from draftlab.report.reading import Run

Origin = Literal["accepted", "correction", "bonus", "plain"]
"""plain: the target's own token of a round without a draft."""

_PROMPT_TOKENS = 400  # so much of a long prompt's end is shown
_BASELINE_LETTERS = 80


@dataclass(frozen=True)
class ShownToken:
    """A token of the text."""

    pieces: Pieces
    origin: Origin
    depth: int
    """Its place in the draft, from 1; 0 for the target's own."""


@dataclass(frozen=True)
class ShownRound:
    """A round with the tokens that it added to the text."""

    tokens: tuple[ShownToken, ...]
    rest: tuple[Pieces, ...]
    """What was drafted and is not in the text."""
    watched: WatchedRound


@dataclass(frozen=True)
class Departure:
    """Where a text leaves its baseline's, and how the baseline goes on there."""

    position: int
    baseline: Pieces
    examined: Divergence | None


@dataclass(frozen=True)
class ShownDecode:
    """One prompt decoded by one arm."""

    arm: Arm
    prompt: PromptRecord
    before: tuple[Pieces, ...]
    """The last tokens of the prompt."""
    num_left_out: int
    """How many prompt tokens stand before these."""
    rounds: tuple[ShownRound, ...]
    is_compared: bool
    """Whether its text has to be the baseline's, and the baseline's is there."""
    departure: Departure | None
    stop: str | None
    error: str | None


class TokenTexts:
    """Spells the tokens of a run."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._stops = set(run.manifest.stop_tokens)
        self._traces = {trace.key: trace for trace in run.traces}

    def decodes(self) -> Iterator[ShownDecode]:
        """Every decode with details, by prompt and then by arm, in the order of the run."""
        details = {detail.key: detail for detail in self._run.details}
        for prompt in self._run.manifest.prompts:
            for arm in self._run.manifest.arms:
                if (detail := details.get((arm.id, prompt.id))) is not None:
                    yield self._decode(detail, arm, prompt)

    def _decode(self, detail: Detail, arm: Arm, prompt: PromptRecord) -> ShownDecode:
        speller = Speller()
        before = [self._push(speller, token) for token in detail.prompt_tokens]
        rounds = tuple(self._round(speller, watched) for watched in detail.rounds)
        plain, drafted = (self._traces.get((name, prompt.id, 0)) for name in (self._run.baseline.id, arm.id))
        is_compared = (self._run.is_greedy or arm.coupled) and plain is not None and plain.status == "ok"
        return ShownDecode(
            arm,
            prompt,
            tuple(before[-_PROMPT_TOKENS:]),
            max(0, len(before) - _PROMPT_TOKENS),
            rounds,
            is_compared and detail.error is None,
            self._departure(detail, plain) if is_compared and plain and detail.error is None else None,
            drafted.stop if drafted else None,
            detail.error,
        )

    def _round(self, speller: Speller, watched: WatchedRound) -> ShownRound:
        kept = min(watched.accepted, len(watched.emitted))
        drafted = [
            ShownToken(self._push(speller, token), "accepted", depth)
            for depth, token in enumerate(watched.emitted[:kept], start=1)
        ]
        ahead = speller.fork()
        own = [ShownToken(self._push(speller, token), _own(watched), 0) for token in watched.emitted[kept:]]
        rest = tuple(self._push(ahead, token) for token in watched.drafted[kept:])
        return ShownRound((*drafted, *own), rest, watched)

    def _push(self, speller: Speller, token: int) -> Pieces:
        data = self._run.token_bytes.get(token)
        if data is None:
            return mark(f"⟨token {token}⟩")
        return mark(data.decode(errors="replace")) if token in self._stops else speller.push(data)

    def _departure(self, detail: Detail, plain: Trace) -> Departure | None:
        at = first_difference(plain.tokens, detail.tokens)
        if at is None:
            return None
        examined = self._run.examined.get((detail.arm, detail.prompt_id, 0))
        if examined is not None and examined.position != at:
            examined = None  # that is of the timed decode, and this text is another
        return Departure(at, self._onward(plain, at), examined)

    def _onward(self, plain: Trace, at: int) -> Pieces:
        """The baseline from token `at` on."""
        known = self._run.token_bytes
        shared = b"".join(known.get(token, b"") for token in plain.tokens[:at]).decode(errors="ignore")
        if plain.text.startswith(shared) and len(plain.text) > len(shared):
            return spell(plain.text[len(shared) :][:_BASELINE_LETTERS])
        speller = Speller()
        return _chain([self._push(speller, token) for token in plain.tokens[at : at + 8]])


def _own(watched: WatchedRound) -> Origin:
    if not watched.drafted:
        return "plain"
    return "bonus" if watched.accepted == len(watched.drafted) else "correction"


def _chain(pieces: Sequence[Pieces]) -> Pieces:
    """Several tokens as one."""
    joined = [""]
    for some in pieces:
        joined[-1] += some[0]
        joined += some[1:]
    return tuple(joined)
