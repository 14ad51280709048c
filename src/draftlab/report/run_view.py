"""A run as a person handles it from Python: its figures, its texts, and both as a notebook shows them."""

from __future__ import annotations

from codecs import getincrementaldecoder
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from draftlab.errors import DraftlabError, UnknownNameError
from draftlab.metrics import count
from draftlab.records import Detail, PromptRecord, Rounds, Trace
from draftlab.report.measure import Report, measure
from draftlab.report.notebook import Piece, report_html, text_html
from draftlab.report.origins import places
from draftlab.store import Store


@dataclass(frozen=True)
class TraceView:
    """One decode: as text in a terminal; in a notebook coloured by origin, where its tokens are on record."""

    prompt: PromptRecord
    trace: Trace
    pieces: tuple[Piece, ...]

    def __str__(self) -> str:
        return self.trace.text

    @property
    def summary(self) -> str:
        """What this decode was."""
        counts = count([self.trace])
        known = any(piece.place for piece in self.pieces)
        colors = "" if known else "; its colours need a run with --detail tokens"
        return (
            f"{self.prompt.id}, {self.trace.arm}: {counts.tokens} tokens in {counts.rounds} rounds, "
            f"{counts.accepted} of {counts.drafted} drafted tokens accepted{colors}"
        )

    def _repr_html_(self) -> str:
        return text_html(_words(self.prompt), self.pieces, self.summary)


class RunView(Store):
    """A run folder that shows its figures. Everything that a `Store` can do, it can."""

    def report(self) -> Report:
        """The run's figures, as of now."""
        return measure(self)

    def trace(self, prompt_id: str, arm: str | None = None) -> TraceView:
        """The first decode of a prompt by an arm; without `arm`, by the first drafted one."""
        manifest = self.manifest()
        prompts = {prompt.id: prompt for prompt in manifest.prompts}
        if prompt_id not in prompts:
            raise UnknownNameError("prompt", prompt_id, prompts)
        arms = {a.id: a.role for a in manifest.arms}
        if arm is not None and arm not in arms:
            raise UnknownNameError("arm", arm, arms)
        name = arm or next((a for a, role in arms.items() if role == "drafted"), manifest.arms[0].id)
        found = next((t for t in self.traces() if t.key == (name, prompt_id, 0)), None)
        if found is None:
            raise DraftlabError(f"{name} has not decoded {prompt_id} yet", "Finish the run with bench --resume.")
        if found.status == "failed":
            raise DraftlabError(f"{name} failed on {prompt_id}: {found.error}", "There is no text to show.")
        return TraceView(prompts[prompt_id], found, self._pieces(found))

    def _pieces(self, trace: Trace) -> tuple[Piece, ...]:
        """The text by token where the tokens of this very text are on record, else in one piece."""
        detail = next((d for d in self.details() if d.key == (trace.arm, trace.prompt_id) and not d.error), None)
        if detail is None or detail.tokens != trace.tokens:
            return (Piece(trace.text),)
        spelled = {token.id: bytes.fromhex(token.hex) for token in self.token_bytes()}
        return tuple(_spell(detail, spelled))

    def _repr_html_(self) -> str:
        return report_html(self.report())


def open_run(folder: str | Path) -> RunView:
    """The run in `folder`, finished or not."""
    return RunView.open(Path(folder))


def _words(prompt: PromptRecord) -> str:
    """What a prompt says, as plain text."""
    if prompt.prompt is not None:
        return prompt.prompt
    return "\n".join(f"{m.get('role', '')}: {m.get('content', '')}" for m in prompt.messages or ()) + "\n"


def _spell(detail: Detail, spelled: Mapping[int, bytes]) -> Iterator[Piece]:
    """What each token added; a character that is spread over several tokens comes whole with the last of them."""
    rounds = Rounds(
        drafted=tuple(len(watched.drafted) for watched in detail.rounds),
        accepted=tuple(watched.accepted for watched in detail.rounds),
        emitted=tuple(len(watched.emitted) for watched in detail.rounds),
    )
    decoder = getincrementaldecoder("utf-8")(errors="replace")
    last = len(detail.tokens) - 1
    for i, (token, place) in enumerate(zip(detail.tokens, places(rounds), strict=True)):
        yield Piece(decoder.decode(spelled[token], final=i == last), place)
