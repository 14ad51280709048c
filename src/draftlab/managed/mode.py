"""Both servers up together, or one at a time: decided when a run begins, noted with it, and kept when it goes on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from draftlab.managed.process import Report
from draftlab.serving.started import Started
from draftlab.spec import Experiment


def as_found(experiment: Experiment, on: Started) -> Experiment:
    """The experiment, for the record, with what was decided for it."""
    return experiment.model_copy(update={"servers": "in-turn" if on.in_turn else "together"})


def as_begun(experiment: Experiment, record: Mapping[str, Any], say: Report = lambda _: None) -> Experiment:
    """As it is noted in the record of what goes on: free memory may be other by now. What is asked for now stands."""
    begun = record.get("servers")
    if begun is None:  # of a draftlab that did not note it
        return experiment
    if experiment.servers not in (None, begun):
        say(f"the servers were {_words(begun)} until now; they are {_words(experiment.servers)} from here on")
        return experiment
    return experiment.model_copy(update={"servers": begun})


def _words(mode: str | None) -> str:
    return "started in turn" if mode == "in-turn" else "up together"
