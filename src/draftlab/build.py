"""The composition root of a bench: an experiment becomes arms, prompts and an examiner, all loaded and resolved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor

from draftlab.adaptive import Adaptive
from draftlab.bench.clock import WallClock
from draftlab.bench.divergence import Examiner
from draftlab.bench.plan import PreparedArm, PreparedBench, PreparedPrompt
from draftlab.bench.recorder import Recording, record, record_native
from draftlab.chance import make_chance
from draftlab.decoding import room_after
from draftlab.engines.capabilities import GeneratesNatively
from draftlab.errors import DraftlabError
from draftlab.events import Event
from draftlab.records import Arm, Goal, PromptRecord, RunManifest
from draftlab.sampling import Warper
from draftlab.spec import Experiment, Gamma
from draftlab.stats import MIN_PROMPTS
from draftlab.suites import Prompt, Suite, load_suites
from draftlab.types import Drafter, LanguageModel, LoadedModel, StoredTensors
from draftlab.workbench import DEFAULT_NEW_TOKENS, Report, Workbench, load_model

_CLOSING_PROMPTS = 8
_BUDGET_MINUTES = 30.0


Costs = Mapping[str, Sequence[int]]
"""By drafter, what a round costs by the number of drafted tokens, in nanoseconds."""


def prepare_bench(experiment: Experiment, say: Report = lambda _: None, costs: Costs | None = None) -> PreparedBench:
    """Load, resolve and check everything that a bench needs.

    A draft length that adapts takes its `costs` from here where they are known, and measures them where not.
    """
    suites = load_suites(experiment.suites, experiment.limit)
    goal = _goal(experiment, sum(len(suite.prompts) for suite in suites))
    arms = [(drafter, gamma) for drafter in experiment.drafters for gamma in experiment.gammas]
    bench = Workbench.open(experiment, say)
    try:
        return prepare_on(bench, suites, arms, goal, costs)
    except BaseException:
        bench.close()
        raise


def prepare_on(
    bench: Workbench,
    suites: Sequence[Suite],
    arms: Sequence[tuple[str, Gamma]],
    goal: Goal | None = None,
    costs: Costs | None = None,
) -> PreparedBench:
    """The same on models that are loaded: these suites, and these drafters each with its gamma."""
    experiment = bench.experiment
    clock = WallClock(bench.target.synchronize)
    prompts = prepare_prompts(bench, suites)
    ids = [prompt.record.id for prompt in prompts]
    prepared = _prepare_arms(bench, arms, clock, len(prompts), costs or {})
    for loaded in (bench.target, *bench.drafter_models.values()):
        loaded.model.reset(max(prompt.capacity for prompt in prompts))  # whatever that takes, it is not timed
    return PreparedBench(
        experiment=experiment.model_dump(mode="json", exclude_unset=True),
        arms=prepared,
        prompts=prompts,
        suites={suite.name: suite.fingerprint for suite in suites},
        repetitions=experiment.repetitions,
        seed=experiment.seed,
        sampling=bench.sampling,
        sampling_ignored=bench.target.defaults.get("ignored", ()),
        stop_tokens=sorted(bench.stopping.tokens),
        stop_strings=bench.stopping.strings,
        target=_describe(bench.target),
        drafters={
            **{name: _describe(model) for name, model in bench.drafter_models.items()},
            **{name: _origin(stored) for name, stored in bench.drafter_tensors.items()},
        },
        text_of=bench.target.tokenizer.decode,
        bytes_of=bench.target.tokenizer.bytes_of,
        clock=clock,
        # Sampled texts of one law may differ, and the texts of a lossy rule have to.
        examiner=_examiner(bench) if bench.sampling.temperature == 0.0 and bench.rule.lossless else None,
        phase_prompts=_spread(ids, experiment.phases),
        detail_prompts=ids if experiment.detail == "tokens" else (),
        goal=goal,
        close=bench.close,
    )


def known_costs(manifest: RunManifest) -> Costs:
    """The costs that a run began with, so that it is finished by the same choices."""
    return {arm.drafter: arm.costs for arm in manifest.arms if arm.costs is not None}


def _spread(ids: Sequence[str], most: int) -> list[str]:
    """At most so many of `ids`, from all parts of the list."""
    num = min(most, len(ids))
    return [ids[i * len(ids) // num] for i in range(num)]


def _goal(experiment: Experiment, num_prompts: int) -> Goal | None:
    """What --until asks for; refused where it can never be had."""
    if experiment.until is None:
        return None
    if set(experiment.drafters) == {"none"}:
        raise DraftlabError("--until asks for the precision of a speed-up, and nothing drafts", "Add a --drafter.")
    if num_prompts < MIN_PROMPTS:
        raise DraftlabError(
            f"--until needs at least {MIN_PROMPTS} prompts, not {num_prompts}: with fewer there is no interval",
            "Add prompts, or use --repetitions.",
        )
    return Goal(half_width=experiment.until, budget_ns=round((experiment.budget or _BUDGET_MINUTES) * 60e9))


def prepare_prompts(bench: Workbench, suites: Sequence[Suite]) -> list[PreparedPrompt]:
    """The prompts of all suites as token ids, each with room for at least one new token."""
    return [_prepare_prompt(bench, suite, prompt) for suite in suites for prompt in suite.prompts]


def _prepare_prompt(bench: Workbench, suite: Suite, prompt: Prompt) -> PreparedPrompt:
    where = f"prompt '{prompt.id}' of suite {suite.name}"
    try:
        tokens = bench.encode(prompt)
    except DraftlabError as error:
        raise DraftlabError(f"{where}: {error}", error.hint) from error
    asked = bench.experiment.max_new_tokens or prompt.max_new_tokens or DEFAULT_NEW_TOKENS
    room, _ = room_after(bench.target.model, tokens, asked, where)
    record = PromptRecord(
        suite=suite.name,
        num_tokens=len(tokens),
        **prompt.model_dump(exclude={"max_new_tokens"}),
        max_new_tokens=asked,
    )
    return PreparedPrompt(record, tokens, capacity=len(tokens) + room)


def _prepare_arms(
    bench: Workbench, asked: Sequence[tuple[str, Gamma]], clock: WallClock, num_prompts: int, costs: Costs
) -> list[PreparedArm]:
    baseline = _decoding_arm(bench, "none", 0, clock)
    arms = [baseline]
    build = cache(bench.drafter)  # shared by its gammas: a drafter starts afresh with every text
    for drafter, gamma in dict.fromkeys(asked):
        if drafter != "none":
            built = build(drafter)
            known = (costs.get(drafter) or bench.costs(built)) if gamma == "auto" else ()
            arms.append(_decoding_arm(bench, drafter, gamma, clock, built, known))
    controlled = bench.experiment.control and len(arms) > 1
    if controlled:  # behind the drafted arms, so that the two do not follow one another more often than others do
        arms.append(_again(baseline, id="none again", role="control"))
    if isinstance(bench.target.model, GeneratesNatively) and not bench.stopping.strings:
        arms.append(_native_arm(bench, bench.target.model, clock))
    # Repetitions show a drift by themselves. Fewer prompts would have no interval.
    if controlled and bench.experiment.repetitions == 1 and not bench.experiment.until and num_prompts >= MIN_PROMPTS:
        few = min(max(MIN_PROMPTS, num_prompts // 3), _CLOSING_PROMPTS)
        arms.append(_again(baseline, id="none at the end", role="closing", num_prompts=few))
    return arms


def _again(baseline: PreparedArm, **changes: Any) -> PreparedArm:
    """The same decoding under another name: what differs is noise."""
    return replace(baseline, arm=baseline.arm.model_copy(update=changes))


def _decoding_arm(
    bench: Workbench,
    drafter: str,
    gamma: Gamma,
    clock: WallClock,
    built: Drafter | None = None,
    costs: Sequence[int] = (),
) -> PreparedArm:
    decoder = bench.decoder(built or bench.drafter(drafter), Adaptive(costs) if gamma == "auto" else gamma)
    rule = decoder.rule
    is_baseline = drafter == "none"
    arm = Arm(
        id="none" if is_baseline else f"{drafter} gamma={gamma}",
        role="baseline" if is_baseline else "drafted",
        drafter=drafter,
        gamma=decoder.draft_length.most,
        rule=bench.experiment.rule,
        lossless=rule.lossless,
        coupled=rule.coupled,
        draft_length="auto" if gamma == "auto" else "fixed",
        costs=tuple(costs) if gamma == "auto" else None,
    )

    def events(prompt: Sequence[int], max_new_tokens: int, seed: int) -> Iterator[Event]:
        return decoder.decode(prompt, max_new_tokens=max_new_tokens, chance=make_chance(seed, rule.coupled))

    def decode(prompt: Sequence[int], max_new_tokens: int, seed: int) -> Recording:
        return record(events(prompt, max_new_tokens, seed), clock)

    return PreparedArm(arm, decode, events)


def _native_arm(bench: Workbench, model: GeneratesNatively, clock: WallClock) -> PreparedArm:
    stop = sorted(bench.stopping.tokens)

    def decode(prompt: Sequence[int], max_new_tokens: int, seed: int) -> Recording:
        room, _ = room_after(bench.target.model, prompt, max_new_tokens)
        generate = partial(
            model.generate, prompt, max_new_tokens=room, sampling=bench.sampling, stop_tokens=stop, seed=seed
        )
        return record_native(generate, clock)

    return PreparedArm(Arm(id="native", role="native", drafter="none", gamma=0, rule=""), decode)


def _examiner(bench: Workbench) -> Examiner:
    warper = Warper(bench.sampling, bench.target.model.name)
    dtype = bench.target.description["dtype"]
    eps = torch.finfo(getattr(torch, dtype)).eps

    @cache
    def reference() -> LanguageModel | None:
        if eps <= torch.finfo(torch.float32).eps:
            return None  # it would be the same again
        bench.say("loading the target in float32 once more, to look at texts that differ")
        try:
            asked = bench.experiment.model_copy(update={"dtype": "float32"})
            return load_model(bench.experiment.target, asked, bench.say, capture=False).model
        except (DraftlabError, RuntimeError, MemoryError) as error:
            bench.say(f"done without: {error}")
            return None

    def score(logits: Tensor, text: Sequence[int]) -> Tensor:
        return warper.scores(logits, text, ())[0]

    return Examiner(bench.target.model, score, eps, reference)


def _describe(loaded: LoadedModel) -> dict[str, Any]:
    sizes = {"vocab_size": loaded.model.vocab_size, "context_length": loaded.model.context_length}
    return {**_origin(loaded), **sizes}


def _origin(loaded: LoadedModel | StoredTensors) -> dict[str, Any]:
    return {**loaded.description, "files": dict(loaded.fingerprint())}
