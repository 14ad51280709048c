"""A loaded target with a run's resolved settings: names and options become drafters, rules and decoders."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from pydantic import ValidationError
from torch import Tensor
from torch.nn import Module

from draftlab.bench.clock import WallClock
from draftlab.bench.costs import measure_costs
from draftlab.decoding import Decoder
from draftlab.draft_length import Fixed
from draftlab.drafters.reference import build_drafter, parse_drafter
from draftlab.engines import ENGINES
from draftlab.errors import DraftlabError
from draftlab.models import LoadOptions, resolve
from draftlab.rules import RULES
from draftlab.sampling import Warper
from draftlab.spec import AUTO_GAMMA, Experiment, Sampling, most_drafted
from draftlab.stopping import Stopping
from draftlab.suites import Prompt
from draftlab.types import (
    Compression,
    Drafter,
    DrafterContext,
    DraftLength,
    LoadedModel,
    StoredTensors,
    VerificationRule,
)

DEFAULT_NEW_TOKENS = 128
Report = Callable[[str], None]
"""Told what is going on while models load."""


@dataclass(frozen=True)
class Workbench:
    """A loaded target with the run's resolved decoding configuration; builds decoders on it."""

    experiment: Experiment
    target: LoadedModel
    sampling: Sampling
    stopping: Stopping
    drafter_models: dict[str, LoadedModel]
    """Every model that a drafter has loaded, by reference, compression and head."""
    say: Report
    drafter_tensors: dict[str, StoredTensors] = field(default_factory=dict)
    """The same of networks that are a drafter's own; what they were read from, without the tensors."""
    _read: dict[str, StoredTensors] = field(default_factory=dict)

    @classmethod
    def open(cls, experiment: Experiment, say: Report = lambda _: None) -> Workbench:
        """Load the target. Names are checked before anything is loaded."""
        if experiment.engine != "draftlab":
            raise DraftlabError(
                f"--engine {experiment.engine} is for draftlab bench: a server lends its model to nothing else",
                "Leave it out, or name a run of draftlab's own engine.",
            )
        for drafter in experiment.drafters:
            parse_drafter(drafter)
        RULES.load(experiment.rule)
        say(f"loading target {experiment.target}")
        most = most_drafted(*experiment.gammas)
        fixed = most + 1 if experiment.exact else None
        parts = experiment.tensor_parallel or 1
        special = {"fixed_rows": fixed, "most_rows": most + 1, "tensor_parallel": parts}
        target = load_model(experiment.target, experiment, say, **special)
        sampling = resolve_sampling(experiment, target.defaults)
        tokens = () if experiment.ignore_eos else target.defaults.get("eos_token_id", ())
        decode = partial(target.tokenizer.decode, raw=True)
        stopping = Stopping(frozenset(tokens), experiment.stop_strings, decode)
        return cls(experiment, target, sampling, stopping, {}, say)

    def close(self) -> None:
        """End what was started for the models: a target that is split has processes of its own."""
        for loaded in (self.target, *self.drafter_models.values()):
            loaded.close()

    def drafter(self, reference: str) -> Drafter:
        """The drafter written as `reference`."""
        return build_drafter(parse_drafter(reference), self.context)

    @property
    def context(self) -> DrafterContext:
        """What drafters are built from here."""
        loaders = (self._load_drafter_model, self._warp_for, self._load_drafter_tensors)
        return DrafterContext(self.target, *loaders, self._arrange)

    @property
    def rule(self) -> VerificationRule:
        """The run's verification rule."""
        rule: VerificationRule = RULES.load(self.experiment.rule)()
        return rule

    def decoder(self, drafter: Drafter, length: int | DraftLength) -> Decoder:
        """A decoder of the target with `drafter`, which drafts always as many tokens or as a policy says."""
        warp = Warper(self.sampling, self.target.model.name)
        policy = Fixed(length) if isinstance(length, int) else length
        return Decoder(self.target.model, drafter, self.rule, warp, policy, self.stopping)

    def costs(self, drafter: Drafter) -> tuple[int, ...]:
        """What a round with `drafter` costs by the number of drafted tokens, for a draft length that adapts."""
        self.say("measuring what rounds cost, for --gamma auto")
        clock = WallClock(self.target.synchronize)
        return measure_costs(self.decoder(drafter, AUTO_GAMMA), self.target.tokenizer.encode, clock)

    def encode(self, prompt: Prompt) -> list[int]:
        """Token ids; messages go through the chat template."""
        tokenizer = self.target.tokenizer
        if prompt.messages is not None:
            return tokenizer.encode_chat(prompt.messages)
        return tokenizer.encode(prompt.prompt or "")

    def _load_drafter_model(self, reference: str, compress: Compression = "none", head: int = 0) -> LoadedModel:
        name = reference if compress == "auto" else f"{reference},compress={compress}"  # auto: as is usual
        name += f",head={head}" if head else ""
        if name not in self.drafter_models:
            self.say(f"loading drafter {reference}")
            self.drafter_models[name] = load_model(
                reference,
                self.experiment,
                self.say,
                device=_beside(self.experiment.device),
                compress=compress,
                head=head,
                most_rows=2,  # the pending token, and after a full acceptance the last drafted one
                most_drafted=most_drafted(*self.experiment.gammas),
                draft_width=self.target.model.vocab_size,
            )
        return self.drafter_models[name]

    def _load_drafter_tensors(self, reference: str) -> StoredTensors:
        from draftlab.engines.tensors import load_tensors

        self.say(f"loading drafter {reference}")
        stored = load_tensors(resolve(reference), load_options(self.experiment, self.say))
        self._read[reference] = replace(stored, tensors={})
        return stored

    def _arrange(self, network: Module, run: Callable[[int], Tensor], compress: Compression, name: str) -> str:
        from draftlab.engines.compression import arrange_network

        form = arrange_network(load_options(self.experiment, self.say), network, run, compress, name)
        facts = self._read[name]
        weight = next(network.parameters())
        kind = {"dtype": str(weight.dtype).removeprefix("torch."), "device": str(weight.device)}
        key = name if compress == "auto" else f"{name},compress={compress}"  # as for models
        self.drafter_tensors[key] = replace(facts, description={**facts.description, **kind, "linear": form})
        return form

    def _warp_for(self, model: str) -> Warper:
        return Warper(self.sampling, model, width=self.target.model.vocab_size)


def _beside(device: str) -> str:
    """Where drafters go: a target that is spread is no reason to spread them, too."""
    return "auto" if device == "spread" else device


def load_options(experiment: Experiment, say: Report) -> LoadOptions:
    """What an experiment says of how every model is loaded."""
    return LoadOptions(
        dtype=experiment.dtype,
        device=experiment.device,
        trust_remote_code=experiment.trust_remote_code,
        allow_pickle=experiment.allow_pickle,
        say=say,
    )


def load_model(reference: str, experiment: Experiment, say: Report, **special: Any) -> LoadedModel:
    """Load a model by reference, through the engine that its source needs; `special` are other `LoadOptions`."""
    source = resolve(reference)
    loaded: LoadedModel = ENGINES.load(source.engine)(source, replace(load_options(experiment, say), **special))
    return loaded


def resolve_sampling(experiment: Experiment, defaults: Mapping[str, Any]) -> Sampling:
    """Flags before the checkpoint's generation config before neutral values. Greedy unless a temperature is given."""

    def pick(name: str, neutral: float) -> Any:
        asked = getattr(experiment, name)
        return asked if asked is not None else defaults.get(name, neutral)

    try:
        return Sampling(
            temperature=experiment.temperature or 0.0,  # a checkpoint's own temperature does not make a run random
            top_k=pick("top_k", 0),
            top_p=pick("top_p", 1.0),
            min_p=pick("min_p", 0.0),
            repetition_penalty=pick("repetition_penalty", 1.0),
        )
    except ValidationError as error:  # flags were checked before
        first = error.errors()[0]
        name = str(first["loc"][0])
        raise DraftlabError(
            f"the checkpoint's generation config sets {name} = {first['input']!r}, which makes no sense",
            f"Pass --{name.replace('_', '-')}.",
        ) from error
