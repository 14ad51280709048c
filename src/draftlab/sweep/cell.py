"""One cell, run in this process."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from draftlab.errors import DraftlabError

_MANIFEST = "manifest.json"


def run_cell(experiment: Mapping[str, Any], folder: Path, observer: Any = None) -> None:
    """Run it into `folder`, or finish what was begun there on a machine like this one."""
    from draftlab.api import run  # torch takes seconds, and not everybody who names cells runs them
    from draftlab.spec import make_experiment

    asked = make_experiment(experiment)
    if (folder / _MANIFEST).is_file():
        try:
            run(asked, folder, resume=True, observer=observer)
            return
        except DraftlabError as error:
            if "another process" in str(error):
                raise
    shutil.rmtree(folder, ignore_errors=True)  # begun elsewhere, or not even begun
    run(asked, folder, observer=observer)


def files_of_cell(experiment: Mapping[str, Any]) -> dict[str, bytes] | str:
    """Run it where nobody sees the sweep's folder: the files of the run, or the line that says why there are none."""
    with tempfile.TemporaryDirectory(prefix="draftlab-") as home:
        folder = Path(home) / "run"
        try:
            run_cell(experiment, folder)
        except DraftlabError as error:
            return one_line(error)
        return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def one_line(error: DraftlabError) -> str:
    """An error with what to do."""
    return " ".join(f"{error}. {error.hint}".split()) if error.hint else " ".join(str(error).split())
