"""A grid's cells: experiments of one target, drafter, rule, temperature and suite, with all draft lengths.

The draft lengths of a cell and its plain decoding are arms of one run, in turn on one device: what is compared is never
measured on two.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from draftlab.drafters import DRAFTERS
from draftlab.drafters.reference import parse_drafter
from draftlab.errors import DraftlabError, UnknownNameError
from draftlab.grid.identity import code_hash, component_hash, components_of, key_of, model_hash, models_of
from draftlab.grid.spec import Grid
from draftlab.models import resolve
from draftlab.rules import RULES
from draftlab.spec import Experiment, make_experiment
from draftlab.suites import load_suite


class Cell(BaseModel):
    """One experiment of a grid."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    """A hash of all settings, of the code, the prompts and the models: a cell with the same need not run again."""
    target: str
    drafter: str
    rule: str
    temperature: float | None
    suite: str
    experiment: dict[str, Any]
    """As a bench is given it."""

    @property
    def title(self) -> str:
        """What tells it from the others, for a person."""
        at = "" if self.temperature is None else f", temperature {self.temperature:g}"
        return f"{self.target}, {self.drafter}, {self.rule}{at}, {self.suite}"


def is_as_asked(cell: Cell) -> bool:
    """Whether what would run here is what its key says; code, prompts or models may have changed, or be others here."""
    return key_here(make_experiment(cell.experiment)) == cell.key


def cells_of(grid: Grid) -> list[Cell]:
    """Every cell, each checked as far as it can be without loading a model."""
    cells = [_cell(grid, *combination) for combination in grid.combinations()]
    return list({cell.key: cell for cell in cells}.values())


def _cell(grid: Grid, target: str, drafter: str, rule: str, temperature: float | None, suite: str) -> Cell:
    settings = {
        "phases": 0,  # nothing is predicted for a grid; a spec may ask for them
        **grid.settings,
        "target": target,
        "drafters": (drafter,),
        "gammas": grid.gammas,
        "rule": rule,
        "suites": (suite,),
        **({} if temperature is None else {"temperature": temperature}),
    }
    experiment = make_experiment(settings)
    _require_names(target, drafter, rule)
    return Cell(
        key=key_here(experiment),
        target=target,
        drafter=drafter,
        rule=rule,
        temperature=temperature,
        suite=suite,
        experiment=experiment.model_dump(mode="json", exclude_unset=True),
    )


def key_here(experiment: Experiment) -> str:
    """The key of a cell as this machine would run it: by its code, its prompts and its models."""
    (drafter,), (suite,) = experiment.drafters, experiment.suites
    code = [code_hash(), component_hash("rule", experiment.rule)]
    code += [component_hash("drafter", name) for name in components_of(drafter)]
    content = {
        "experiment": experiment.model_dump(mode="json"),
        "code": code,
        "data": load_suite(suite).first(experiment.limit).fingerprint,
        "models": [model_hash(name) for name in (experiment.target, *models_of(drafter))],
    }
    return key_of(content)


def _require_names(target: str, drafter: str, rule: str) -> None:
    """What the last cell of a night would stumble over is told before the first."""
    resolve(target)
    for name in models_of(drafter):
        resolve(name)
    if rule not in RULES.entries():
        raise UnknownNameError("rule", rule, RULES.names())
    if parse_drafter(drafter).name == "none":
        others = [name for name in DRAFTERS.names() if name != "none"]
        raise DraftlabError(
            "a sweep has the drafter none, and plain decoding is in every cell",
            f"Leave it out; there are: {', '.join(others)}.",
        )
