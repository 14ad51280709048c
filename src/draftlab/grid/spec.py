"""A grid as it is asked for: a TOML file with lists of targets, drafters, draft lengths, rules and so on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from draftlab.errors import DraftlabError, UnknownNameError
from draftlab.spec import DEFAULT_TARGET, Experiment, Gamma, read_toml

_SINGULAR = {
    "target": "targets", "drafter": "drafters", "gamma": "gammas", "rule": "rules", "temperature": "temperatures",
    "suite": "suites",
}  # fmt: skip
_SERVERS = ("engine", "engine_program", "url", "plain_url", "model", "until", "budget")
"""Settings of an experiment that a cell cannot have."""
_FORM = 'Lists look like drafters = ["ngram", "model:NAME"], pairs like [[pairs]] with a target and drafters.'


class Pair(BaseModel):
    """A target with the drafters that are tried for it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    target: str = Field(min_length=1)
    drafters: tuple[str, ...] = Field(min_length=1)


class Grid(BaseModel):
    """All combinations are run; what is not a list holds for every cell."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    targets: tuple[str, ...] = Field(default=(), min_length=0)
    drafters: tuple[str, ...] = ()
    pairs: tuple[Pair, ...] = ()
    """In place of targets and drafters: which drafter belongs to which target."""
    gammas: tuple[Gamma, ...] = Field(default=(5,), min_length=1)
    rules: tuple[str, ...] = Field(default=("rejection",), min_length=1)
    temperatures: tuple[float | None, ...] = Field(default=(None,), min_length=1)
    """None: the checkpoint's own or greedy, as a bench has it."""
    suites: tuple[str, ...] = Field(default=("code", "prose"), min_length=1)
    settings: dict[str, Any] = Field(default_factory=dict)
    """Of every experiment, as they stand in a spec of `draftlab bench`."""

    def combinations(self) -> Iterator[tuple[str, str, str, float | None, str]]:
        """(target, drafter, rule, temperature, suite) of each cell; its draft lengths are arms of one run."""
        pairs = self.pairs or [Pair(target=target, drafters=self.drafters) for target in self.targets]
        for pair in pairs:
            for drafter in dict.fromkeys(pair.drafters):
                for rule in dict.fromkeys(self.rules):
                    for temperature in dict.fromkeys(self.temperatures):
                        for suite in dict.fromkeys(self.suites):
                            yield pair.target, drafter, rule, temperature, suite


def read_grid(path: Path) -> Grid:
    """The grid of a spec file; a bench's spec, with one of each, is a grid of one cell for each suite."""
    return make_grid(read_toml(path))


def make_grid(content: Mapping[str, Any]) -> Grid:
    """The same from settings as they are written."""
    lists: dict[str, Any] = {}
    settings: dict[str, Any] = {}
    axes = set(Grid.model_fields) - {"settings"}
    for name, value in content.items():
        axis = _SINGULAR.get(name, name)
        if axis in lists:
            raise DraftlabError(f"a sweep's spec has both {name} and {axis}", "Give one of them.")
        if axis in axes:
            lists[axis] = [value] if name in _SINGULAR and not isinstance(value, list) else value
        elif name in _SERVERS:
            raise DraftlabError(
                f"a sweep cannot have the setting {name}: its cells run on draftlab's own engine, each once",
                "Leave it out, or use draftlab bench.",
            )
        elif name in Experiment.model_fields:
            settings[name] = value
        else:
            raise UnknownNameError("setting", name, [*axes, *Experiment.model_fields])
    if "pairs" in lists and ("targets" in lists or "drafters" in lists):
        raise DraftlabError("a sweep's spec has pairs beside targets or drafters", "Write all of them as pairs.")
    if "pairs" not in lists:
        lists = {"targets": [DEFAULT_TARGET], "drafters": ["ngram"], **lists}
    return _valid(lists, settings)


def _valid(lists: Mapping[str, Any], settings: Mapping[str, Any]) -> Grid:
    empty = [name for name, value in lists.items() if value == []]
    if empty:
        raise DraftlabError(f"the list {empty[0]} of a sweep is empty", "Give at least one.")
    try:
        return Grid(**lists, settings=dict(settings))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise DraftlabError(f"{where} cannot be {first['input']!r}: {first['msg']}", _FORM) from error
