"""What a training run was asked for; kept in its folder, so that it can go on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator

from draftlab.errors import DraftlabError
from draftlab.spec import Dtype

Term = Literal["forward-kl", "reverse-kl", "total-variation", "likeliest"]
"""What a loss can be, or be mixed of."""
_MIXED = "0.6*forward-kl+0.4*likeliest"

Kind = Literal["head", "model"]
"""A head on the target's hidden states, or a small model that stands alone."""
_OF: dict[Kind, tuple[str, ...]] = {
    "head": ("start_from", "runs", "draft_vocab", "layers_read", "steps_ahead", "position_decay"),
    "model": ("num_layers", "from_layers", "on_policy"),
}
"""What is a setting of one kind alone."""
_FLAGS = {"layers_read": "layers", "runs": "from"}  # the others are called as the settings
_OF_ITS_START = ("draft_vocab", "layers_read")


class TrainSettings(BaseModel):
    """One training run. Everything that changes its result, and nothing else."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    target: str
    student: Kind = "head"
    data: tuple[str, ...] = ()
    """Files and suites; none: texts that this machine has, and made-up requests."""
    runs: tuple[str, ...] = ()
    """Folders of `draftlab bench`, whose prompts take the place of `data`."""
    start_from: str | None = None
    """A head that training goes on with, written as drafters are; None: a new one."""
    minutes: float = Field(default=20.0, gt=0.0)
    capture_share: float = Field(default=0.6, gt=0.0, lt=1.0)
    """Of the time, for the target's texts."""
    draft_vocab: int = Field(default=8192, ge=2)
    layers_read: tuple[int, ...] | None = None
    """After how many layers of the target hidden states are read; None: a third, two thirds and all of them."""
    loss: str = "mixed"
    """One term, or a weighted sum such as 0.6*forward-kl+0.4*likeliest, which is called mixed."""
    steps_ahead: int = Field(default=3, ge=1, le=8)
    """How far the training runs ahead on hidden states of its own (EAGLE-3's training-time test)."""
    position_decay: float = Field(default=0.8, gt=0.0, le=1.0)
    """What a step ahead counts in the loss, of the one before it."""
    num_layers: int | None = Field(default=None, ge=1)
    """Of a small model; None: one for eight of the target's, and two at least."""
    from_layers: tuple[int, ...] | Literal["fresh"] | None = None
    """Which of the target's layers, from 0 on, it begins with; None: evenly spread with the first and the last."""
    on_policy: float = Field(default=0.0, ge=0.0, le=1.0)
    """The share of its training texts that it goes on with itself."""
    new_tokens: int = Field(default=112, ge=4)
    batch: int = Field(default=16, ge=1)
    """Texts in a step of training."""
    seed: int = 0
    dtype: Dtype = "auto"
    device: str = "auto"
    trust_remote_code: bool = False
    allow_pickle: bool = False

    @field_validator("loss")
    @classmethod
    def _is_loss(cls, loss: str) -> str:
        _terms_of(loss)
        return loss

    @property
    def loss_terms(self) -> Mapping[str, float]:
        """The weight of every term."""
        return _terms_of(self.loss)

    @property
    def depth(self) -> int:
        """How far the training runs ahead: a small model's inputs are tokens, so that nothing is new further on."""
        return self.steps_ahead if self.student == "head" else 1


def require_fitting(settings: TrainSettings) -> None:
    """Refuse what is given and says nothing to the student that is asked for, or twice."""
    other: Kind = "model" if settings.student == "head" else "head"
    for name in _OF[other]:
        if name in settings.model_fields_set:
            raise DraftlabError(
                f"--{_flag(name)} is for --student {other}, and the student is a {settings.student}",
                "Leave one of them out.",
            )
    if settings.num_layers is not None and isinstance(settings.from_layers, tuple):
        raise DraftlabError("--from-layers names the layers already", "Leave --num-layers out.")
    if settings.data and settings.runs:
        raise DraftlabError("--data and --from both say what is gone on from", "Leave one of them out.")
    for name in _OF_ITS_START if settings.start_from else ():
        if name in settings.model_fields_set:
            raise DraftlabError(
                f"--{_flag(name)} is for a new head, and '{settings.start_from}' keeps its own",
                "Leave one of them out.",
            )


def _flag(name: str) -> str:
    return _FLAGS.get(name, name.replace("_", "-"))


def _terms_of(loss: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for part in (_MIXED if loss == "mixed" else loss).split("+"):
        weight, star, name = (some.strip() for some in part.rpartition("*"))
        if name not in get_args(Term) or name in found:
            raise ValueError(f"Losses are mixed, {', '.join(get_args(Term))}, or a sum, each once: {_MIXED}.")
        try:
            found[name] = float(weight) if star else 1.0
        except ValueError:
            found[name] = 0.0
        if not 0.0 < found[name] < float("inf"):
            raise ValueError(f"The weight of {name} is a number above 0, as in {_MIXED}.")
    return found
