"""The drafters under study, and the ways in which each of them may end a draft."""

from __future__ import annotations

from dataclasses import dataclass

from draftlab.drafters.model import ModelDrafter
from draftlab.drafters.reference import DrafterReference, parse_drafter
from draftlab.drafters.stopping_early import NEVER, StopEarly
from draftlab.errors import DraftlabError
from draftlab.types import Drafter
from draftlab.workbench import Workbench

PRODUCTS = (0.05, 0.1, 0.2, 0.4, 0.6)
CONFIDENCES = (0.2, 0.3, 0.4, 0.6, 0.8)
_OPTIONS = ("stop_product", "stop_confidence")


@dataclass(frozen=True, slots=True)
class Policy:
    """When a draft ends before its limit, and the options with which the drafter does so."""

    name: str
    stop_early: StopEarly = NEVER


FIXED = Policy("fixed")
ALL = (
    FIXED,
    *(Policy(f"stop_product={x:g}", StopEarly(product=x)) for x in PRODUCTS),
    *(Policy(f"stop_confidence={x:g}", StopEarly(confidence=x)) for x in CONFIDENCES),
)


@dataclass(frozen=True, slots=True)
class Subject:
    """A drafter under study."""

    reference: str
    """Without the options that end a draft early."""
    drafter: Drafter
    policies: tuple[Policy, ...]

    @property
    def model_drafter(self) -> ModelDrafter | None:
        """The drafter where it is one whose drafts follow from one pass; a subclass may draft otherwise."""
        return self.drafter if type(self.drafter) is ModelDrafter else None


def open_subject(bench: Workbench, text: str) -> Subject:
    """Build the drafter written as `text`. Where it names a way to end a draft, no other one is tried."""
    reference = parse_drafter(text)
    stops = {k: v for k, v in reference.options.items() if k in _OPTIONS and reference.name == "model"}
    drafter = bench.drafter(text)  # refuses what makes no sense
    if reference.name == "none":
        raise DraftlabError("there is nothing to tune about drafter 'none'", "Plain decoding is always compared.")
    if not stops:
        return Subject(text, drafter, ALL if type(drafter) is ModelDrafter else (FIXED,))
    assert isinstance(drafter, ModelDrafter)
    policy = Policy(",".join(f"{k}={v}" for k, v in stops.items()), drafter.stop_early)
    base = _without(reference, stops)
    return Subject(base, bench.drafter(base), (policy,))


def _without(reference: DrafterReference, stops: dict[str, str]) -> str:
    head = reference.name if reference.argument is None else f"{reference.name}:{reference.argument}"
    return ",".join([head, *(f"{k}={v}" for k, v in reference.options.items() if k not in stops)])
