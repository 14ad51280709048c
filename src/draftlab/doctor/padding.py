"""A copy of a drafter whose rows are those of its target, for engines that compare widths and not tokenizers.

The new rows must never be drafted. Rows of zeros do not see to that: their logit is 0, and in families whose logits are
all negative (as those of GPT-2 are) 0 is the largest. So the new rows of the head are the *mean* of the rows that are
there: the logit of a padded id is then the mean of the logits, which is never above the largest, whatever the text.
When sampling, such an id weighs no more than the average one (the exponential is convex). Where the head has a bias, a
row of zeros with a bias of -10000 is out of the question altogether. The rows of the embedding are read by no text and
are zero, unless they are the head's own (tied): then they are the mean there, too.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from draftlab.doctor.facts import Facts
from draftlab.doctor.findings import Padded
from draftlab.engines.loading import Checkpoint, open_checkpoint
from draftlab.errors import DraftlabError
from draftlab.models import LoadOptions, resolve
from draftlab.sample_text import SAMPLE

_POSITIONS = 64
_NEVER = -1e4  # fits into float16


def write_padded(target: Facts, drafter: Facts, folder: Path, options: LoadOptions) -> Padded:
    """Write the copy to `folder`, after it was loaded again and gave the logits of the original on the shared ids."""
    checkpoint = _require_use(target, drafter, folder)
    width = target.width
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        # Beside the final place and moved there whole: an interruption, or a copy that fails the check, leaves nothing.
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as scratch:
            made = Path(scratch) / "model"
            network = checkpoint.load_network()
            tokens = _sample(drafter, min(width, drafter.width))
            before = _logits(network, tokens)
            _resize(network, width)
            network.save_pretrained(made)
            checkpoint.load_tokenizer().save(made)
            del network
            after = _logits(open_checkpoint(resolve(str(made)), options).load_network(), tokens)
            padded = _compare(drafter, folder, before, after, width)
            if folder.exists():
                folder.rmdir()  # empty, as was asked for
            made.rename(folder)
    except OSError as error:
        raise DraftlabError(f"cannot write {folder}: {error}", "Is there space, and may you write there?") from error
    return padded


def _require_use(target: Facts, drafter: Facts, folder: Path) -> Checkpoint:
    if drafter.checkpoint is None or target.checkpoint is None:
        raise DraftlabError("a toy has no files to copy", "Only drafters from files can be padded.")
    if drafter.width == target.width:
        raise DraftlabError(
            f"target and drafter both have {target.width} rows: nothing is to be padded", "Use the drafter as it is."
        )
    if drafter.num_tokens > target.width:
        raise DraftlabError(
            f"the drafter's tokenizer has ids up to {drafter.num_tokens - 1}, the target {target.width} rows",
            "A copy in the target's width would lose tokens.",
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DraftlabError(f"{folder} is there already and not empty", "Name a new folder.")
    return drafter.checkpoint


@torch.no_grad()
def _resize(network: Any, width: int) -> None:
    """Give embedding and head `width` rows; what is new is as the module says. Fewer rows cut padding off."""
    old = network.get_output_embeddings().weight
    rows, mean = len(old), old.double().mean(0)
    try:
        network.resize_token_embeddings(width, mean_resizing=False)
    except Exception as error:  # the library fails in many ways of its own
        family = type(network).__name__
        raise DraftlabError(f"cannot resize {family}: {error}", "Models of this family cannot be padded.") from error
    head = network.get_output_embeddings()
    network.get_input_embeddings().weight[rows:] = 0.0
    if getattr(head, "bias", None) is None:
        head.weight[rows:] = mean.to(head.weight.dtype)  # of the embedding, too, where it is the same
    else:
        head.weight[rows:] = 0.0
        head.bias[rows:] = _NEVER


def _sample(drafter: Facts, width: int) -> list[int]:
    limit = min(_POSITIONS, drafter.context_length or _POSITIONS)
    tokens = [token for token in drafter.tokenizer.encode(SAMPLE) if token < width]
    return tokens[:limit] or [0]


@torch.inference_mode()
def _logits(network: Any, tokens: list[int]) -> Tensor:
    device = network.get_input_embeddings().weight.device
    logits: Tensor = network(input_ids=torch.tensor([tokens], device=device), use_cache=False).logits[0]
    return logits.float().cpu()


def _compare(drafter: Facts, folder: Path, before: Tensor, after: Tensor, width: int) -> Padded:
    """Raise unless the shared ids have the logits that they had, and no padded id is ahead of all of them."""
    shared = min(before.shape[1], after.shape[1])
    difference = float((before[:, :shared] - after[:, :shared]).abs().max())
    dtype = getattr(torch, drafter.dtype)
    allowed = 8 * torch.finfo(dtype).eps * float(before.abs().max())  # a product of another shape may round differently
    if after.shape[1] != width or difference > allowed:
        raise DraftlabError(
            f"the padded copy is another model: {after.shape[1]} rows, logits differ by up to {difference:.3g}",
            "Nothing was written. Please report this family.",
        )
    if width > shared and bool((after[:, shared:].amax(1) > after[:, :shared].amax(1)).any()):
        raise DraftlabError("a padded id won in the copy", "Nothing was written. Please report this family.")
    return Padded(
        folder=str(folder),
        width_before=before.shape[1],
        width=width,
        num_positions=len(before),
        max_difference=difference,
        equal=int((before[:, :shared].argmax(1) == after.argmax(1)).sum()),
    )
