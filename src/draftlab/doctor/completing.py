"""A copy of an EAGLE-3 head that stores its `lm_head`, for engines that do not gather it from the target.

`draftlab train` leaves out what the target holds: the rows of the tokens that the head can draft are the target's own.
vLLM takes the target's whole head where a file has none, and would read rows of other tokens.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from draftlab.doctor.findings import Completed
from draftlab.drafters.eagle.checkpoint import HEAD, read_checkpoint
from draftlab.drafters.eagle.loading import load_network, require_features, require_fit
from draftlab.drafters.eagle.network import EagleNetwork
from draftlab.engines.checkpoint import weight_files
from draftlab.engines.tensors import folder_of, load_tensors
from draftlab.errors import DraftlabError
from draftlab.features import ShowsFeatures
from draftlab.models import resolve
from draftlab.spec import Experiment
from draftlab.types import LanguageModel, StoredTensors
from draftlab.workbench import Report, load_model, load_options

_FILE = "model.safetensors"
_REPORT = "Nothing was written. Please report this head."


def write_complete(experiment: Experiment, head: str, folder: Path, say: Report = lambda _: None) -> Completed:
    """Write the copy of `head` to `folder`, after it was loaded again and was the same network bit for bit."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DraftlabError(f"{folder} is there already and not empty", "Name a new folder.")
    source, options = resolve(head), load_options(experiment, say)
    original, stored = folder_of(source, options), load_tensors(source, options)
    if HEAD in read_checkpoint(stored).tensors:  # before the target is loaded, which takes longer
        raise DraftlabError(f"'{head}' stores its lm_head: nothing is missing", "Use the head as it is.")
    say(f"loading target {experiment.target}")
    # On the CPU: nothing is computed, and a server that is started next finds all of its GPU free.
    target = load_model(experiment.target, experiment.model_copy(update={"device": "cpu"}), say).model
    shown = require_features(target)
    network = _network(stored, target, shown)
    say(f"writing a copy of {head} with its lm_head")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        # Beside the final place and moved there whole: an interruption, or a copy that fails the check, leaves nothing.
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as scratch:
            made = Path(scratch) / "head"
            _write(original, stored, network, made)
            again = load_tensors(resolve(str(made)), options)
            _require_same(stored, again)
            _require_same_network(network, _network(again, target, shown))
            if folder.exists():
                folder.rmdir()  # empty, as was asked for
            made.rename(folder)
    except OSError as error:
        raise DraftlabError(f"cannot write {folder}: {error}", "Is there space, and may you write there?") from error
    rows = network.lm_head.weight
    return Completed(
        folder=str(folder),
        rows=rows.shape[0],
        width=rows.shape[1],
        dtype=str(rows.dtype).removeprefix("torch."),
        num_tensors=len(network.state_dict()),
    )


def _network(stored: StoredTensors, target: LanguageModel, source: ShowsFeatures) -> EagleNetwork:
    """As the drafter loads it."""
    checkpoint = read_checkpoint(stored)
    require_fit(checkpoint, target, source)
    return load_network(checkpoint, source)


def _write(original: Path, stored: StoredTensors, network: EagleNetwork, folder: Path) -> None:
    """All files but the weights as they are; the weights in one file, with the rows."""
    folder.mkdir()
    weights = {path.name for path in weight_files(original)}
    for path in sorted(original.iterdir()):
        if path.is_file() and path.name not in weights and not path.name.endswith(".index.json"):
            shutil.copyfile(path, folder / path.name)
    tensors = {**stored.tensors, HEAD: network.lm_head.weight}
    # Copied one by one: tensors of pickled files can share memory, which safetensors does not store.
    save_file({name: tensor.contiguous().clone() for name, tensor in tensors.items()}, folder / _FILE, {"format": "pt"})


def _require_same(stored: StoredTensors, again: StoredTensors) -> None:
    if again.config != stored.config or not _equal({**stored.tensors, HEAD: again.tensors[HEAD]}, again.tensors):
        raise DraftlabError("the copy holds something else", _REPORT)


def _require_same_network(before: EagleNetwork, after: EagleNetwork) -> None:
    if not _equal(before.state_dict(), after.state_dict()) or not torch.equal(before.embedding, after.embedding):
        raise DraftlabError("the copy is another head", _REPORT)


def _equal(old: Mapping[str, Tensor], new: Mapping[str, Tensor]) -> bool:
    return old.keys() == new.keys() and all(torch.equal(old[name], new[name]) for name in old)
