"""What the decode loop tells the world: Started, Prefilled, then per round Drafted, Scored, Committed; Finished."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from draftlab.types import Distributions, Draft, Round, StopReason

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Started:
    """The prompt is known; nothing has run."""

    prompt: Sequence[int]


@dataclass(frozen=True, slots=True)
class Prefilled:
    """All of the prompt but its last token, which is always pending, is in the caches."""


@dataclass(frozen=True, slots=True)
class Drafted:
    """The drafter has proposed."""

    draft: Draft


@dataclass(frozen=True, slots=True)
class Scored:
    """The target has run over the pending token and the draft; `p` has a row for each."""

    p: Distributions
    logits: Tensor
    """[len(draft) + 1, vocab], before warping."""


@dataclass(frozen=True, slots=True)
class Committed:
    """The verdict is applied: `outcome.emitted` is now part of the text."""

    outcome: Round


@dataclass(frozen=True, slots=True)
class Finished:
    """Nothing follows."""

    reason: StopReason


Event = Started | Prefilled | Drafted | Scored | Committed | Finished
