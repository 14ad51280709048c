"""What an engine has to be told of the chosen arm, in draftlab's words."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from os.path import normpath
from typing import Literal

from draftlab.drafters.reference import DrafterReference
from draftlab.errors import DraftlabError
from draftlab.models import ModelSource
from draftlab.spec import Sampling

Language = Literal["shell", "yaml", "python"]


@dataclass(frozen=True)
class Model:
    """A model as another engine finds it."""

    name: str
    """A hub id or a folder; of a GGUF file its path."""
    on_hub: bool = False
    """It has to be downloaded before a program can be given its folder."""

    @property
    def is_gguf(self) -> bool:
        return self.name.endswith(".gguf")

    @property
    def gguf(self) -> str:
        """Its path as a GGUF file; of another model the name that a converted one would usually have."""
        return self.name if self.is_gguf else f"{base_name(self.name).lower()}.gguf"


@dataclass(frozen=True)
class Lookup:
    """The drafter `ngram`."""

    max_ngram: int
    min_ngram: int


@dataclass(frozen=True)
class Assistant:
    """The drafter `model:NAME`."""

    model: Model
    stop_confidence: float = 0.0
    stop_product: float = 0.0
    compress: str = "auto"
    head: int = 0


@dataclass(frozen=True)
class Head:
    """The drafter `eagle:NAME`: an EAGLE-3 head, which reads hidden states of the target."""

    model: Model
    stop_confidence: float = 0.0
    stop_product: float = 0.0
    compress: str = "auto"
    layers: tuple[int, ...] = ()
    """After how many of the target's layers it reads. Empty: not known, or those that engines read unless told."""


Drafter = Lookup | Assistant | Head


@dataclass(frozen=True)
class Plan:
    """The target, how it is speculated for, and under which conditions that was measured."""

    target: Model
    drafter: Drafter | None
    """None: plain serving."""
    gamma: int
    sampling: Sampling
    rule: str = "rejection"
    dtype: str | None = None
    """None: the checkpoint's own."""
    trust_remote_code: bool = False
    unequal: bool = False
    """The widths of the pair differ, and no copy can mend it."""
    synthetic: tuple[float, ...] | None = None
    """The acceptance of each position that is to be played back."""

    @property
    def samples(self) -> bool:
        return self.sampling.temperature > 0

    @property
    def has_gguf(self) -> bool:
        """Whether the target or the drafter is a GGUF file."""
        return self.target.is_gguf or (isinstance(self.drafter, Assistant) and self.drafter.model.is_gguf)

    @property
    def gguf_files(self) -> tuple[str, str]:
        """The files of target and drafter for an engine that takes GGUF alone; two models never share one."""
        target = self.target.gguf
        if not isinstance(self.drafter, Assistant):
            return target, ""
        drafter = self.drafter.model
        one_model = drafter.name == self.target.name or (drafter.is_gguf and self.target.is_gguf)
        if one_model or normpath(drafter.gguf) != normpath(target):
            return target, drafter.gguf
        if drafter.is_gguf:  # it exists, so the target's, which is still to be made, gives way
            return _marked(target, "target"), drafter.gguf
        return target, _marked(drafter.gguf, "draft")

    def with_copy(self, folder: str) -> Plan:
        """The same with a copy of the drafter, padded or completed."""
        assert isinstance(self.drafter, Assistant | Head)
        return replace(self, drafter=replace(self.drafter, model=Model(folder)))


@dataclass(frozen=True)
class Written:
    """What an engine is given, and what the user has to know of it."""

    text: str
    language: Language = "shell"
    notes: tuple[str, ...] = ()
    before: tuple[str, ...] = field(default=())
    """Commands that have to be run once before."""


def _marked(file: str, mark: str) -> str:
    return f"{file.removesuffix('.gguf')}-{mark}.gguf"


def base_name(name: str) -> str:
    """The last part of a path or hub id."""
    return name.rstrip("/").rpartition("/")[2] or "model"


def engine_name(source: ModelSource) -> str:
    """What another engine knows the model by: the hub id of a catalogue name, else where it lies."""
    return source.reference if source.kind == "toy" else source.location


def read_drafter(text: str, reference: DrafterReference, model: Model | None) -> Drafter | None:
    """A drafter that other engines have, too; the options of `reference` are still text."""
    try:
        drafter = _convert(reference, model)
    except ValueError as error:
        raise DraftlabError(f"drafter '{text}' of the run cannot be read: {error}", "Was it edited?") from error
    if drafter is None and reference.name != "none":
        raise DraftlabError(
            f"drafter '{text}' is draftlab's own: no other engine has it", "Name another arm with --arm."
        )
    return drafter


def _convert(reference: DrafterReference, model: Model | None) -> Drafter | None:
    options = reference.options
    if reference.name == "ngram":
        return Lookup(int(options.get("max_ngram", 3)), int(options.get("min_ngram", 1)))
    if model is None:
        return None
    confidence, product = (float(options.get(name, 0)) for name in ("stop_confidence", "stop_product"))
    compress = options.get("compress", "auto")
    if reference.name == "model":
        return Assistant(model, confidence, product, compress, int(options.get("head", 0)))
    return Head(model, confidence, product, compress) if reference.name == "eagle" else None


def names_a_model(reference: DrafterReference) -> bool:
    """Whether it is of the kinds that are files, which another engine can load."""
    return reference.name in ("model", "eagle") and bool(reference.argument)


def require_plain_words(*names: str) -> None:
    """Refuse names that a terminal would obey: a command with them cannot be shown and pasted unharmed."""
    for name in names:
        if not name.isprintable():
            raise DraftlabError(
                f"the name {name!r} has characters that cannot be printed", "Rename the folder or file."
            )
