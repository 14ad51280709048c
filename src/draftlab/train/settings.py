"""What a training run was asked for; kept in its folder, so that it can go on."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from draftlab.spec import Dtype

Loss = Literal["mixed", "forward-kl", "reverse-kl", "total-variation"]


class TrainSettings(BaseModel):
    """One training run. Everything that changes its result, and nothing else."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    target: str
    data: tuple[str, ...] = ()
    """Files and suites; none: texts that this machine has, and made-up requests."""
    minutes: float = Field(default=20.0, gt=0.0)
    capture_share: float = Field(default=0.45, gt=0.0, lt=1.0)
    """Of the time, for the target's texts."""
    draft_vocab: int = Field(default=8192, ge=2)
    layers_read: tuple[int, ...] | None = None
    """After how many layers of the target hidden states are read; None: a third, two thirds and all of them."""
    loss: Loss = "mixed"
    steps_ahead: int = Field(default=3, ge=1, le=8)
    """How far the training runs ahead on hidden states of its own (EAGLE-3's training-time test)."""
    new_tokens: int = Field(default=192, ge=4)
    batch: int = Field(default=16, ge=1)
    """Texts in a step of training."""
    seed: int = 0
    dtype: Dtype = "auto"
    device: str = "auto"
    trust_remote_code: bool = False
    allow_pickle: bool = False
