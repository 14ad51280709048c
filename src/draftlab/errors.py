"""Errors that a user can act on: what cannot be done, what was given, and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class DraftlabError(Exception):
    """An error with a remedy. The command line prints both on standard error and exits with status 2."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint
        if hint:
            self.add_note(f"hint: {hint}")


class UnknownNameError(DraftlabError):
    """A name that no registry, suite or catalogue holds; suggests the nearest one."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        near = get_close_matches(name, names, n=1, cutoff=0.5)
        hint = f"Did you mean '{near[0]}'?" if near else None
        super().__init__(f"no {kind} is called '{name}'; there are: {', '.join(names)}", hint)


class UnsupportedError(DraftlabError):
    """A model or machine lacks a capability that was asked for; found before the run starts."""


class BusyError(DraftlabError):
    """Another process is writing where this one wants to."""


class CannotResumeError(DraftlabError):
    """What was begun cannot be gone on with here; it is whole, and may be gone on with elsewhere."""


class ContractError(DraftlabError):
    """A drafter, rule or engine broke its contract (see `draftlab.types`)."""


class EngineLostError(DraftlabError):
    """What a model runs on is gone, so no decode after this one can succeed: a run ends, and can be resumed."""


class NonFiniteLogitsError(DraftlabError):
    """A model returned NaN or infinite logits."""

    def __init__(self, model: str, position: int) -> None:
        super().__init__(
            f"model '{model}' returned non-finite logits at position {position}",
            "Try --dtype float32; if it stays, the checkpoint is damaged.",
        )
