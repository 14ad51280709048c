"""A head that training goes on with instead of a new one.

Its files are copied beside the texts when the run begins: a run that is resumed begins with the same weights, whatever
has become of the source since.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from draftlab.drafters.eagle.checkpoint import HEAD, EagleCheckpoint, own_name, read_checkpoint
from draftlab.drafters.eagle.loading import load_network, require_shape
from draftlab.drafters.reference import parse_drafter
from draftlab.engines.batches import BatchNetwork
from draftlab.engines.checkpoint import weight_files
from draftlab.engines.loading import open_checkpoint
from draftlab.engines.tensors import folder_of, load_tensors
from draftlab.errors import DraftlabError, UnknownNameError, UnsupportedError
from draftlab.models import LoadOptions, resolve
from draftlab.train.head import Head
from draftlab.types import StoredTensors

_CAREFUL = 0.5
"""Of the usual learning rate: at the whole rate the first steps would undo what the head has learned, and few prompts
would not teach it again. Other rates have not been measured."""


def head_in(drafter: str) -> str | None:
    """The head in `eagle:HEAD`, or behind a lookup; None where another kind of drafter is named."""
    reference = parse_drafter(drafter)
    if reference.name == "lookup" and reference.argument:
        return head_in(reference.argument)
    return reference.argument if reference.name == "eagle" else None


@dataclass(frozen=True)
class Start:
    """A head as its files have it."""

    drafter: str
    """As it was asked for."""
    stored: StoredTensors
    checkpoint: EagleCheckpoint

    @classmethod
    def read(cls, drafter: str, options: LoadOptions, folder: Path | None = None) -> Start:
        """From where it comes, or from the copy in `folder`; what is no head that can be trained is refused."""
        head = _named(drafter)
        stored = load_tensors(resolve(str(folder or head)), options)
        stored = replace(stored, reference=head)
        checkpoint = read_checkpoint(stored)
        if float(checkpoint.options.get("logit_scale") or 1.0) != 1.0:
            raise UnsupportedError(
                f"'{head}' scales its logits, and no loss knows of that", "Begin with a head that has no logit_scale."
            )
        return cls(drafter, stored, checkpoint)

    @classmethod
    def kept(cls, drafter: str, options: LoadOptions, folder: Path) -> Start:
        """The same of the copy in `folder`, which is made where it is not there yet."""
        if not folder.is_dir():
            source = folder_of(resolve(_named(drafter)), options)
            part = folder.with_name(f"{folder.name}.part")
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True)
            for path in (source / "config.json", *weight_files(source)):
                shutil.copyfile(path, part / path.name)
            part.rename(folder)
        return cls.read(drafter, options, folder)

    def require_configured(self, target: str, options: LoadOptions) -> None:
        """Refuse a head of another target by the target's configuration alone, before anything is written."""
        source = resolve(target)
        if source.engine == "transformers":
            config = open_checkpoint(source, options).config.get_text_config(decoder=True)
            self._require_shape(target, config.vocab_size, config.hidden_size, config.num_hidden_layers)

    def layers(self, target: BatchNetwork) -> tuple[int, ...]:
        """After which layers of `target` it reads; one that was not made for it, or for other rows, is refused."""
        rows = target.head()
        vocab_size, width = rows.shape
        self._require_shape(target.name, vocab_size, width, target.num_layers)
        own = self.checkpoint.tensors.get(HEAD)
        if own is not None:
            shared = rows[self.checkpoint.target_ids().to(rows.device)].to("cpu", torch.bfloat16)
            if not torch.equal(own.to(torch.bfloat16), shared):  # in the coarsest form that either may have had
                raise UnsupportedError(
                    f"'{self.stored.reference}' has an lm_head of its own, and draftlab trains heads that have the "
                    "rows of their target",
                    "Begin with a head of draftlab train, or leave --start-from out.",
                )
        return tuple(self.checkpoint.layers_of(target.num_layers))

    def student(self, target: BatchNetwork) -> Head:
        """It as it was, ready to learn."""
        network = load_network(self.checkpoint, target, torch.float32)
        for name, parameter in network.named_parameters():
            parameter.data = parameter.data.clone()  # what was read from the file stays as it was
            parameter.requires_grad_(name != HEAD)
        ids = self.checkpoint.target_ids()
        rows = target.head()
        network.to(rows.device)
        names = {own_name(name): name for name in self.stored.tensors}
        learned = {name for name, parameter in network.named_parameters() if parameter.requires_grad}
        kept = {name: tensor for name, tensor in self.stored.tensors.items() if own_name(name) not in learned}
        config = {**self.stored.config, "torch_dtype": "bfloat16"}
        return Head(network, config, network.embedding, rows[ids.to(rows.device)].clone(), ids, kept, names, _CAREFUL)

    def facts(self) -> dict[str, Any]:
        """Which it was."""
        return {"drafter": self.drafter, "files": dict(self.stored.fingerprint())}

    def _require_shape(self, target: str, vocab_size: int, width: int, num_layers: int) -> None:
        require_shape(self.checkpoint, target, vocab_size, width, num_layers)
        if self.checkpoint.layer.hidden_size != width:
            raise UnsupportedError(
                f"'{self.stored.reference}' is narrower than its target, and its lm_head would have to be trained, too",
                "Begin with a head of draftlab train.",
            )
        if 0 in self.checkpoint.layers_of(num_layers):
            raise UnsupportedError(
                f"'{self.stored.reference}' reads what enters the first layer, which is not kept for training",
                "Begin with a head of draftlab train.",
            )


def _named(drafter: str) -> str:
    try:
        head = head_in(drafter)
    except UnknownNameError:
        head = None
    if not head:
        raise DraftlabError(
            f"training can begin with a head, and '{drafter}' names none", "Write --start-from eagle:FOLDER_OR_ID."
        )
    return head
