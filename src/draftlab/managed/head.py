"""An EAGLE-3 head for a server that is started for a run: a copy with all of its rows, where the file lacks them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from draftlab.doctor.completing import write_complete
from draftlab.doctor.facts import read_facts
from draftlab.drafters.eagle.checkpoint import EagleCheckpoint, read_checkpoint
from draftlab.drafters.reference import parse_drafter
from draftlab.engines.tensors import load_tensors
from draftlab.errors import UnsupportedError
from draftlab.export.head import lacks_rows, what_engine_does
from draftlab.export.plan import Plan
from draftlab.managed.engines import ENGINES
from draftlab.models import LoadOptions, resolve
from draftlab.spec import Experiment
from draftlab.workbench import load_options


def with_all_rows(plan: Plan, experiment: Experiment, folder: Path, say: Callable[[str], None]) -> Plan:
    """The plan with a copy of its head in `folder`, or as it is where the engine needs none."""
    head = parse_drafter(experiment.drafters[0]).argument or ""
    title, options = ENGINES[experiment.engine].title, load_options(experiment, say)
    checkpoint = read_checkpoint(load_tensors(resolve(head), options))
    _require_engine(checkpoint, title, experiment.target, options)
    if not lacks_rows(checkpoint, title):
        return plan
    if folder.exists():  # of a run that was interrupted; the head may have been trained further since
        shutil.rmtree(folder)
    write_complete(experiment, head, folder, say)
    return plan.with_copy(str(folder.absolute()))


def _require_engine(checkpoint: EagleCheckpoint, title: str, target: str, options: LoadOptions) -> None:
    """Raise where the server would fail, or run another network than was trained, minutes later."""
    num_layers = read_facts(resolve(target), options).num_layers or 0
    for note in what_engine_does(checkpoint, num_layers, title):
        raise UnsupportedError(
            note.removeprefix("REFUSED: ").removeprefix("limited: "), "vLLM takes the head as it is."
        )
