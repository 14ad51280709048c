"""draftlab itself: as a user gets it (`fast`), and on the networks as they were loaded (`eager`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from benchmarks.side_by_side.arms import Arm
from benchmarks.side_by_side.networks import Networks
from benchmarks.side_by_side.subject import Subject, in_this_process
from draftlab.adaptive import Adaptive
from draftlab.chance import make_chance
from draftlab.decoding import Decoder
from draftlab.engines.transformers import TransformersModel
from draftlab.events import Committed
from draftlab.spec import Experiment, Sampling, make_experiment
from draftlab.stopping import Stopping
from draftlab.types import LoadedModel
from draftlab.workbench import Workbench

Build = Callable[[Arm], Subject]


def fast(networks: Networks) -> tuple[Build, dict[str, Any]]:
    """The models as draftlab loads them: a packed target, and the form of the drafter that is measured faster."""
    bench = Workbench.open(_experiment(networks), networks.say)
    return _builder(bench, networks), _forms(bench)


def eager(networks: Networks) -> tuple[Build, dict[str, Any]]:
    """The same loop on the shared networks, whose linear layers stay as they are."""
    tokenizer = networks.tokenizer
    stopping = Stopping(frozenset(), (), partial(tokenizer.decode, raw=True))
    target, drafter = (
        LoadedModel(TransformersModel(network, name), tokenizer, {}, {"linear": "plain"})
        for network, name in ((networks.target, networks.target_name), (networks.drafter, networks.drafter_name))
    )
    models = {networks.drafter_name: drafter}  # found there, a drafter is not loaded again
    bench = Workbench(_experiment(networks), target, Sampling(), stopping, models, networks.say)
    return _builder(bench, networks), _forms(bench)


def _experiment(networks: Networks) -> Experiment:
    return make_experiment(
        {
            "target": networks.target_name,
            "drafters": (_reference(networks),),
            "ignore_eos": True,
            "dtype": networks.dtype,
            "device": "cpu",
            "temperature": 0.0,
            "top_k": 0,
            "top_p": 1.0,
            "min_p": 0.0,
            "repetition_penalty": 1.0,
        }
    )


def _builder(bench: Workbench, networks: Networks) -> Build:
    drafter = bench.drafter(_reference(networks))

    def build(arm: Arm) -> Subject:
        if arm.setting == "plain":
            return _subject(bench.decoder(bench.drafter("none"), 0))
        length = Adaptive(bench.costs(drafter)) if arm.setting == "auto" else int(arm.setting)
        return _subject(bench.decoder(drafter, length))

    return build


def _subject(decoder: Decoder) -> Subject:
    def generate(prompt: Sequence[int], num_tokens: int) -> list[int]:
        events = decoder.decode(prompt, max_new_tokens=num_tokens, chance=make_chance(0, decoder.rule.coupled))
        return [token for event in events if isinstance(event, Committed) for token in event.outcome.emitted]

    return in_this_process(generate)


def _reference(networks: Networks) -> str:
    return f"model:{networks.drafter_name}"


def _forms(bench: Workbench) -> dict[str, Any]:
    """How the linear layers are kept, and what was measured to decide it."""
    models = {"target": bench.target, **{f"drafter {name}": model for name, model in bench.drafter_models.items()}}
    return {
        name: {key: value for key, value in model.description.items() if key == "linear" or key.startswith("compress")}
        for name, model in models.items()
    }
