"""An experiment on servers as a measurement under load."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from draftlab.endpoint.client import Patience
from draftlab.errors import DraftlabError
from draftlab.load.drive import Server
from draftlab.load.records import ArmName, LoadSettings
from draftlab.records import PromptRecord
from draftlab.serving.prepare import addresses, request_settings, suites_and_prompts
from draftlab.serving.started import Started
from draftlab.spec import Experiment

_MOST_USERS = 1024


@dataclass(frozen=True)
class PreparedLoad:
    """What is measured, where, and on which prompts."""

    settings: LoadSettings
    servers: dict[ArmName, Server]
    prompts: Sequence[PromptRecord]


def read_levels(text: str) -> tuple[int, ...]:
    """Numbers of users as they are written: `1,2,4,8`."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and 1 <= int(part) <= _MOST_USERS for part in parts):
        raise DraftlabError(
            f"--concurrency cannot be {text}", f"Write numbers of users from 1 to {_MOST_USERS}, as 1,2,4,8."
        )
    return tuple(sorted({int(part) for part in parts}))


def prepare_load(
    experiment: Experiment,
    levels: tuple[int, ...],
    on: Started | None = None,
    patience: Patience | None = None,
) -> PreparedLoad:
    """Two servers, one of them plain; what they answer is compared at every level."""
    at = addresses(experiment, on)
    if "plain" not in at:
        raise DraftlabError(
            "--concurrency compares two servers, and one was given", "Name the one without speculation by --plain-url."
        )
    suites, prompts = suites_and_prompts(experiment)
    requests = request_settings(experiment, on)
    return PreparedLoad(
        LoadSettings(
            experiment=experiment.model_dump(mode="json", exclude_unset=True),
            levels=levels,
            repetitions=experiment.repetitions,
            prompts={suite.name: suite.fingerprint for suite in suites},
        ),
        {name: Server(at[name], experiment.model, requests, patience) for name in at},
        [prompt.record for prompt in prompts],
    )
