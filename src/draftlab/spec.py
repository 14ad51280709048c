"""What an experiment is: models, drafters, suites and settings, from a TOML file, from flags, or from both."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from draftlab.errors import DraftlabError, UnknownNameError

DEFAULT_TARGET = "smollm2-135m-instruct"
MAX_GAMMA = 256
AUTO_GAMMA = 16
"""The most that a round drafts where the draft length is `auto`."""
Gamma = int | Literal["auto"]
"""The most tokens drafted in a round, or as many as pay."""
Dtype = Literal["auto", "float32", "bfloat16", "float16"]


class Sampling(BaseModel):
    """One resolved decoding configuration; baseline and arms share it. Temperature 0 is greedy."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    temperature: float = Field(default=0.0, ge=0.0, le=100.0)
    top_k: int = Field(default=0, ge=0)  # 0: off
    top_p: float = Field(default=1.0, gt=0.0, le=1.0)
    min_p: float = Field(default=0.0, ge=0.0, le=1.0)
    repetition_penalty: float = Field(default=1.0, gt=0.0)


class Experiment(BaseModel):
    """A bench as asked for. What is None is decided when the models are known, and then stands in the manifest."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    target: str = Field(default=DEFAULT_TARGET, min_length=1)
    drafters: tuple[str, ...] = Field(default=("ngram",), min_length=1)
    suites: tuple[str, ...] = Field(default=("code", "prose"), min_length=1)
    gammas: tuple[Gamma, ...] = Field(default=(5,), min_length=1)
    rule: str = "rejection"
    max_new_tokens: int | None = Field(default=None, ge=1)
    temperature: float | None = Field(default=None, ge=0.0, le=100.0)
    top_k: int | None = Field(default=None, ge=0)
    top_p: float | None = Field(default=None, gt=0.0, le=1.0)
    min_p: float | None = Field(default=None, ge=0.0, le=1.0)
    repetition_penalty: float | None = Field(default=None, gt=0.0)
    stop_strings: tuple[str, ...] = ()
    ignore_eos: bool = False
    repetitions: int = Field(default=1, ge=1)
    control: bool = True
    """Decode plainly twice in every block, and again at the end, so that the machine's noise and drift are known."""
    until: float | None = Field(default=None, gt=0.0, lt=1.0)
    """Repeat until the widest interval of a speed-up is this narrow to each side, as a share: 0.02 or "2%"."""
    budget: float | None = Field(default=None, gt=0.0)
    """The most minutes of decoding that `until` may take."""
    phases: int = Field(default=4, ge=0)
    """So many prompts are decoded once more with a look at the clock at each event: what a draft and a pass cost."""
    detail: Literal["none", "tokens"] = "none"
    """tokens: decode every prompt once more, untimed, and record each token with its probabilities."""
    limit: int | None = Field(default=None, ge=1)
    seed: int = Field(default=0, ge=0, lt=2**63)
    exact: bool = False
    """Run all target passes in one shape, so that plain and speculative decoding round alike."""
    dtype: Dtype = "auto"
    device: str = "auto"
    trust_remote_code: bool = False
    allow_pickle: bool = False
    engine: Literal["draftlab", "endpoint", "vllm", "sglang", "llama.cpp", "trtllm"] = "draftlab"
    """endpoint: the OpenAI-compatible server at `url` decodes, and the one at `plain_url` without speculation. The
    last four: servers of that engine are started for the run."""
    engine_program: str | None = None
    """Of an engine that is started: its Python, or the program itself."""
    servers: Literal["together", "in-turn"] | None = None
    """Of an engine that is started: both up, or one at a time. None: both, where memory holds
    them and there is no GPU."""
    url: str | None = None
    plain_url: str | None = None
    model: str | None = None
    """What the servers call it; needed where they serve several."""
    tensor_parallel: int | None = Field(default=None, ge=2)
    """Split the target's every layer over so many GPUs, one process each; drafters stay whole."""

    @field_validator("gammas", mode="before")
    @classmethod
    def _sensible_gammas(cls, gammas: Any) -> Any:
        for gamma in gammas if isinstance(gammas, list | tuple) else ():
            is_number = isinstance(gamma, int) or (isinstance(gamma, str) and gamma.strip().isdecimal())
            if gamma != "auto" and not (is_number and 0 <= int(gamma) <= MAX_GAMMA):
                raise ValueError(f"gamma is the most tokens drafted in a round, from 0 to {MAX_GAMMA}, or auto")
        return gammas

    @field_validator("until", mode="before")
    @classmethod
    def _share(cls, until: Any) -> Any:
        if not isinstance(until, str):
            return until
        number, percent, _ = until.strip().partition("%")
        try:
            return float(number) / (100 if percent else 1)
        except ValueError:
            raise ValueError("write a share such as 2% or 0.02") from None

    @field_validator("budget")
    @classmethod
    def _something_to_spend_it_on(cls, budget: float | None, info: ValidationInfo) -> float | None:
        if budget is not None and info.data.get("until") is None:
            raise ValueError("it is the time that --until may take, which is not given")
        return budget

    @field_validator("url", "plain_url", "model")
    @classmethod
    def _of_a_server(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and info.data.get("engine") != "endpoint":
            raise ValueError("it is of a server, and --engine is not endpoint")
        return value

    @field_validator("engine_program", "servers")
    @classmethod
    def _of_an_engine_that_is_started(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and info.data.get("engine") in ("draftlab", "endpoint"):
            raise ValueError("it is of an engine that is started, such as --engine vllm")
        return value

    @field_validator("tensor_parallel")
    @classmethod
    def _alone(cls, value: int | None, info: ValidationInfo) -> int | None:
        if value is not None and info.data.get("engine") != "draftlab":
            raise ValueError("it is of draftlab's own engine; a server has a setting of its own")
        if value is not None and info.data.get("device") != "auto":
            raise ValueError("it takes the first so many GPUs by itself; leave --device out")
        if value is not None and info.data.get("exact"):
            raise ValueError("passes of a split target do not run in one shape; leave --exact out")
        return value

    @field_validator("stop_strings")
    @classmethod
    def _no_empty_stop(cls, strings: tuple[str, ...]) -> tuple[str, ...]:
        if "" in strings:
            raise ValueError("a stop string may not be empty")
        return strings


def read_toml(path: Path) -> dict[str, Any]:
    """The settings of a spec file, as written."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DraftlabError(f"cannot read the spec {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DraftlabError(f"{path} is not valid TOML: {error}") from error


def most_drafted(*gammas: Gamma) -> int:
    """The longest draft that any of `gammas` allows."""
    return max(AUTO_GAMMA if gamma == "auto" else gamma for gamma in gammas)


def make_experiment(settings: Mapping[str, Any]) -> Experiment:
    """Validate settings; what is wrong is said in one line, in the words of the flags."""
    unknown = [name for name in settings if name not in Experiment.model_fields]
    if unknown:
        raise UnknownNameError("setting", unknown[0], Experiment.model_fields)
    try:
        return Experiment(**settings)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        flag = {"gammas": "gamma", "drafters": "drafter", "suites": "suite", "stop_strings": "stop"}.get(name, name)
        reason = first["msg"].removeprefix("Value error, ").removeprefix("Input ")
        given = settings.get(name)
        shown = ", ".join(map(str, given)) if isinstance(given, list | tuple) else given
        reason = f"it {reason}" if reason.startswith("should") else reason
        raise DraftlabError(f"--{flag.replace('_', '-')} cannot be {shown}: {reason}") from error
