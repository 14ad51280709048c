"""An EAGLE-3 head for a server that is started for a run: a copy with all of its rows, where the file lacks them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from draftlab.doctor.completing import write_complete
from draftlab.drafters.eagle.checkpoint import read_checkpoint
from draftlab.drafters.reference import parse_drafter
from draftlab.engines.tensors import load_tensors
from draftlab.export.head import lacks_rows
from draftlab.export.plan import Plan
from draftlab.managed.engines import ENGINES
from draftlab.models import resolve
from draftlab.spec import Experiment
from draftlab.workbench import load_options


def with_all_rows(plan: Plan, experiment: Experiment, folder: Path, say: Callable[[str], None]) -> Plan:
    """The plan with a copy of its head in `folder`, or as it is where the engine needs none."""
    head = parse_drafter(experiment.drafters[0]).argument or ""
    checkpoint = read_checkpoint(load_tensors(resolve(head), load_options(experiment, say)))
    if not lacks_rows(checkpoint, ENGINES[experiment.engine].title):
        return plan
    if folder.exists():  # of a run that was interrupted; the head may have been trained further since
        shutil.rmtree(folder)
    write_complete(experiment, head, folder, say)
    return plan.with_copy(str(folder.absolute()))
