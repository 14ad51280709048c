"""Implementations under audit: draftlab's own loop, the same with a planted bug, or anybody's adapter."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any, Protocol

from draftlab.audit.adapter import Adapter, Generate, Setting, load_adapter
from draftlab.audit.assisted import transformers_assisted
from draftlab.audit.memo import CountedModel, RememberedModel
from draftlab.audit.plan import find_bug
from draftlab.chance import make_chance
from draftlab.decoding import Decoder
from draftlab.drafters.hybrid import HybridDrafter
from draftlab.drafters.model import ModelDrafter
from draftlab.drafters.reference import parse_drafter
from draftlab.engines.wheel import ensure_converted
from draftlab.errors import DraftlabError, UnknownNameError, UnsupportedError
from draftlab.events import Committed
from draftlab.features import ReadsFeatures
from draftlab.models import resolve
from draftlab.spec import Sampling, most_drafted
from draftlab.testing.planted import PLANTED, PlantedBug
from draftlab.types import LanguageModel
from draftlab.workbench import Workbench

_PLANTED = "planted:"
Wrap = Callable[[LanguageModel], CountedModel | RememberedModel]


class SubjectError(Exception):
    """The implementation under audit failed."""


class Subject(Protocol):
    """An implementation, ready to run, with the tokens that its models were given so far."""

    name: str

    def generate(self, prompt: Sequence[int], num_tokens: int, sampling: Sampling, seed: int) -> Sequence[int]:
        """What follows `prompt`."""
        ...

    def forwarded(self) -> Mapping[str, int]:
        """Tokens passed, by "target" and "drafter"; empty where the implementation does not show its networks."""
        ...


class ForeignSubject:
    """An implementation from outside. What goes wrong in it is a finding, and nothing that it returns is trusted."""

    def __init__(self, name: str, generate: Generate, vocab_size: int) -> None:
        self.name = name
        self._implementation = generate
        self._vocab_size = vocab_size
        self._forwarded: dict[str, int] = {}
        for role, network in getattr(generate, "networks", {}).items():
            self._forwarded[role] = 0
            network.register_forward_pre_hook(self._counter(role), with_kwargs=True)

    def generate(self, prompt: Sequence[int], num_tokens: int, sampling: Sampling, seed: int) -> Sequence[int]:
        """What follows `prompt`; raise `SubjectError` for whatever goes wrong in it."""
        try:
            tokens = [int(token) for token in self._implementation(list(prompt), num_tokens, sampling, seed)]
        except UnsupportedError:
            raise
        except Exception as error:  # a foreign program may fail in any way
            raise SubjectError(_said(error)) from error
        strangers = [token for token in tokens if not 0 <= token < self._vocab_size]
        if strangers or len(tokens) > num_tokens:
            wrong = f"token {strangers[0]}, which the target does not have" if strangers else f"{len(tokens)} tokens"
            raise SubjectError(f"it returned {wrong}, where {num_tokens} tokens were asked for")
        return tokens

    def forwarded(self) -> Mapping[str, int]:
        return dict(self._forwarded)

    def _counter(self, role: str) -> Any:
        def count(module: object, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
            given = kwargs.get("input_ids", args[0] if args else kwargs.get("inputs_embeds"))
            if given is not None:
                self._forwarded[role] += int(given.shape[0] * given.shape[1])

        return count


class OwnSubject:
    """Draftlab's loop with everything that belongs to it, over models in a wrapping that counts."""

    def __init__(self, name: str, bench: Workbench, wrap: Wrap, drafter: str, bug: PlantedBug | None = None) -> None:
        self.name = name
        self._bench = bench
        self._wrap = wrap
        self._drafter = drafter
        self._bug = bug
        self._models: list[tuple[str, CountedModel | RememberedModel]] = []
        self._decoder = cache(self._build)

    def generate(self, prompt: Sequence[int], num_tokens: int, sampling: Sampling, seed: int) -> Sequence[int]:
        decoder = self._decoder(sampling)
        chance = make_chance(seed, decoder.rule.coupled)
        if self._bug is not None:
            chance = self._bug.chance(chance)
        events = decoder.decode(prompt, max_new_tokens=num_tokens, chance=chance)
        return [token for event in events if isinstance(event, Committed) for token in event.outcome.emitted]

    def forwarded(self) -> Mapping[str, int]:
        counts: dict[str, int] = {}
        for role, model in self._models:
            counts[role] = counts.get(role, 0) + model.num_forwarded
        return counts

    def _build(self, sampling: Sampling) -> Decoder:
        bench = replace(self._bench, sampling=sampling)
        drafter = bench.drafter(self._drafter)
        drawing = drafter.other if isinstance(drafter, HybridDrafter) else drafter
        if isinstance(drawing, ModelDrafter):
            drawing.model = self._counted("drafter", drawing.model)
        decoder = bench.decoder(drafter, most_drafted(bench.experiment.gammas[0]))
        target = self._counted("target", decoder.target, passed=isinstance(drafter, ReadsFeatures))
        decoder = replace(decoder, target=target)
        return decoder if self._bug is None else self._bug.plant(decoder)

    def _counted(self, role: str, model: LanguageModel, passed: bool = False) -> CountedModel | RememberedModel:
        """`model` in its wrapping; where every token has to be `passed`, none is answered from memory."""
        counted = self._wrap(model)
        if passed and isinstance(counted, RememberedModel):
            counted = counted.without_memory()
        self._models.append((role, counted))
        return counted


def require_subject(of: str, drafts_from_q: bool) -> None:
    """Raise unless `of` names an implementation that runs with this drafter; checked before anything is loaded."""
    if of.startswith(_PLANTED):
        find_bug(of.removeprefix(_PLANTED), drafts_from_q)
    elif ":" in of:
        load_adapter(of)
    elif of not in ("draftlab", "transformers"):
        raise UnknownNameError("implementation", of, ["draftlab", "transformers", "planted:NAME", "module:function"])


def open_subject(of: str, bench: Workbench, wrap: Wrap, drafter: str) -> Subject:
    """The implementation called `of`, on the target of `bench` and with `drafter`; `wrap` is for models of our own."""
    if of == "draftlab":
        return OwnSubject(of, bench, wrap, drafter)
    if of.startswith(_PLANTED):
        return OwnSubject(of, bench, wrap, drafter, PLANTED[of.removeprefix(_PLANTED)])
    adapter = transformers_assisted if of == "transformers" else load_adapter(of)
    return ForeignSubject(of, _open(of, adapter, bench, drafter), bench.target.model.vocab_size)


def _open(of: str, adapter: Adapter, bench: Workbench, drafter: str) -> Generate:
    reference = parse_drafter(drafter)
    if reference.name not in ("model", "ngram"):
        raise UnsupportedError(
            f"others know no drafter '{reference.name}'", "Give --drafter model:NAME, or ngram for prompt lookup."
        )
    description = bench.target.description
    if not isinstance(description["device"], str):
        raise UnsupportedError(f"'{of}' cannot be audited on several devices", "Use a model that fits one.")
    setting = Setting(
        target=_location(bench.experiment.target),
        drafter=_location(reference.argument or "") if reference.name == "model" else None,
        gamma=most_drafted(bench.experiment.gammas[0]),
        dtype=str(description["dtype"]),
        device=str(description["device"]),
    )
    try:
        generate = adapter(setting)
    except DraftlabError:
        raise
    except Exception as error:  # a foreign program may fail in any way
        raise DraftlabError(f"'{of}' cannot be opened: {_said(error)}") from error
    if not callable(generate):
        raise DraftlabError(f"'{of}' returned a {type(generate).__name__}", "It has to return what generates.")
    return generate


def _said(error: Exception) -> str:
    """An exception in one line."""
    text = next((line.strip() for line in str(error).splitlines() if line.strip()), "no message")
    return f"{type(error).__name__}: {text[:200]}"


def _location(reference: str) -> str:
    """What `from_pretrained` of transformers takes."""
    source = resolve(reference)
    match source.kind:
        case "hub" | "folder" | "toy":
            return source.location
        case "wheel":
            return str(ensure_converted(reference, lambda _: None))
        case _:
            raise DraftlabError(
                f"'{reference}' can be audited with --of draftlab only", "Others take a folder or a hub id."
            )
