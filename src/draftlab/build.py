"""The composition root: names and options become objects. The only place that knows all parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

from torch import Tensor

from draftlab.bench.clock import WallClock
from draftlab.bench.divergence import examine
from draftlab.bench.plan import PreparedArm, PreparedBench, PreparedPrompt
from draftlab.bench.recorder import Recording, record, record_native
from draftlab.chance import make_chance
from draftlab.decoding import Decoder
from draftlab.drafters.reference import build_drafter, parse_drafter
from draftlab.engines import ENGINES
from draftlab.engines.capabilities import GeneratesNatively
from draftlab.errors import DraftlabError
from draftlab.models import LoadOptions, resolve
from draftlab.records import Arm, Divergence, PromptRecord, Trace
from draftlab.rules import RULES
from draftlab.sampling import Warper
from draftlab.spec import Experiment, Sampling
from draftlab.stopping import Stopping
from draftlab.suites import Prompt, Suite, load_suites
from draftlab.types import Drafter, DrafterContext, LanguageModel, LoadedModel

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
    """Every model that a drafter has loaded, by reference."""
    say: Report

    @classmethod
    def open(cls, experiment: Experiment, say: Report = lambda _: None) -> Workbench:
        """Load the target. Names are checked before anything is loaded."""
        for drafter in experiment.drafters:
            parse_drafter(drafter)
        RULES.load(experiment.rule)
        say(f"loading target {experiment.target}")
        rows = max(experiment.gammas) + 1 if experiment.exact else None
        target = load_model(experiment.target, experiment, say, fixed_rows=rows)
        sampling = resolve_sampling(experiment, target.defaults)
        tokens = () if experiment.ignore_eos else target.defaults.get("eos_token_id", ())
        decode = partial(target.tokenizer.decode, raw=True)
        stopping = Stopping(frozenset(tokens), experiment.stop_strings, decode)
        return cls(experiment, target, sampling, stopping, {}, say)

    def drafter(self, reference: str) -> Drafter:
        """The drafter written as `reference`."""
        context = DrafterContext(self.target, self._load_drafter_model, self._warp_for)
        return build_drafter(parse_drafter(reference), context)

    def decoder(self, drafter: Drafter, gamma: int) -> Decoder:
        """A decoder of the target with `drafter`."""
        rule = RULES.load(self.experiment.rule)()
        warp = Warper(self.sampling, self.target.model.name)
        return Decoder(self.target.model, drafter, rule, warp, gamma, self.stopping)

    def encode(self, prompt: Prompt) -> list[int]:
        """Token ids; messages go through the chat template."""
        tokenizer = self.target.tokenizer
        if prompt.messages is not None:
            return tokenizer.encode_chat(prompt.messages)
        return tokenizer.encode(prompt.prompt or "")

    def require_room(self, what: str, tokens: Sequence[int]) -> None:
        """Raise unless `tokens` are a prompt after which the target can write."""
        limit = self.target.model.context_length
        if not tokens:
            raise DraftlabError(f"{what} is empty", "Give it at least one token.")
        if limit is not None and len(tokens) >= limit:
            raise DraftlabError(
                f"{what} has {len(tokens)} tokens, and the context of '{self.target.model.name}' holds {limit}",
                "Shorten or leave out the prompt, or use a target with a longer context.",
            )

    def _load_drafter_model(self, reference: str) -> LoadedModel:
        if reference not in self.drafter_models:
            self.say(f"loading drafter {reference}")
            self.drafter_models[reference] = load_model(reference, self.experiment, self.say)
        return self.drafter_models[reference]

    def _warp_for(self, model: str) -> Warper:
        return Warper(self.sampling, model, width=self.target.model.vocab_size)


def load_model(reference: str, experiment: Experiment, say: Report, fixed_rows: int | None = None) -> LoadedModel:
    """Load a model by reference, through the engine that its source needs."""
    source = resolve(reference)
    options = LoadOptions(
        dtype=experiment.dtype,
        device=experiment.device,
        trust_remote_code=experiment.trust_remote_code,
        allow_pickle=experiment.allow_pickle,
        fixed_rows=fixed_rows,
        say=say,
    )
    loaded: LoadedModel = ENGINES.load(source.engine)(source, options)
    return loaded


def resolve_sampling(experiment: Experiment, defaults: Mapping[str, Any]) -> Sampling:
    """Flags before the checkpoint's generation config before neutral values. Greedy unless a temperature is given."""

    def pick(name: str, neutral: float) -> Any:
        asked = getattr(experiment, name)
        return asked if asked is not None else defaults.get(name, neutral)

    return Sampling(
        temperature=experiment.temperature or 0.0,  # a checkpoint's own temperature does not make a run random
        top_k=pick("top_k", 0),
        top_p=pick("top_p", 1.0),
        min_p=pick("min_p", 0.0),
        repetition_penalty=pick("repetition_penalty", 1.0),
    )


def prepare_bench(experiment: Experiment, say: Report = lambda _: None) -> PreparedBench:
    """Load, resolve and check everything that a bench needs."""
    suites = load_suites(experiment.suites, experiment.limit)
    bench = Workbench.open(experiment, say)
    prompts = [_prepare_prompt(bench, suite, prompt) for suite in suites for prompt in suite.prompts]
    clock = WallClock(bench.target.synchronize)
    return PreparedBench(
        experiment=experiment.model_dump(mode="json", exclude_unset=True),
        arms=_prepare_arms(bench, clock),
        prompts=prompts,
        suites={suite.name: suite.fingerprint for suite in suites},
        repetitions=experiment.repetitions,
        seed=experiment.seed,
        sampling=bench.sampling,
        sampling_ignored=bench.target.defaults.get("ignored", ()),
        stop_tokens=sorted(bench.stopping.tokens),
        stop_strings=bench.stopping.strings,
        target=_describe(bench.target),
        drafters={name: _describe(model) for name, model in bench.drafter_models.items()},
        clock=clock,
        text_of=bench.target.tokenizer.decode,
        examine=_examiner(bench) if bench.sampling.temperature == 0.0 else None,
    )


def _prepare_prompt(bench: Workbench, suite: Suite, prompt: Prompt) -> PreparedPrompt:
    tokens = bench.encode(prompt)
    bench.require_room(f"prompt '{prompt.id}' of suite {suite.name}", tokens)
    record = PromptRecord(
        suite=suite.name,
        num_tokens=len(tokens),
        **prompt.model_dump(exclude={"max_new_tokens"}),
        max_new_tokens=bench.experiment.max_new_tokens or prompt.max_new_tokens or DEFAULT_NEW_TOKENS,
    )
    return PreparedPrompt(record, tokens)


def _prepare_arms(bench: Workbench, clock: WallClock) -> list[PreparedArm]:
    arms = [_decoding_arm(bench, "none", 0, clock)]
    for drafter in dict.fromkeys(bench.experiment.drafters):
        if drafter != "none":
            built = bench.drafter(drafter)  # shared by its gammas: a drafter starts afresh with every text
            arms += [
                _decoding_arm(bench, drafter, gamma, clock, built) for gamma in dict.fromkeys(bench.experiment.gammas)
            ]
    if isinstance(bench.target.model, GeneratesNatively) and not bench.stopping.strings:
        arms.append(_native_arm(bench, bench.target.model, clock))
    return arms


def _decoding_arm(
    bench: Workbench, drafter: str, gamma: int, clock: WallClock, built: Drafter | None = None
) -> PreparedArm:
    decoder = bench.decoder(built or bench.drafter(drafter), gamma)
    rule = decoder.rule
    is_baseline = drafter == "none"
    arm = Arm(
        id="none" if is_baseline else f"{drafter} gamma={gamma}",
        role="baseline" if is_baseline else "drafted",
        drafter=drafter,
        gamma=gamma,
        rule=bench.experiment.rule,
        lossless=rule.lossless,
        coupled=rule.coupled,
    )

    def decode(prompt: Sequence[int], max_new_tokens: int, seed: int) -> Recording:
        chance = make_chance(seed, rule.coupled)
        return record(decoder.decode(prompt, max_new_tokens=max_new_tokens, chance=chance), clock)

    return PreparedArm(arm, decode)


def _native_arm(bench: Workbench, model: GeneratesNatively, clock: WallClock) -> PreparedArm:
    stop = sorted(bench.stopping.tokens)

    def decode(prompt: Sequence[int], max_new_tokens: int, seed: int) -> Recording:
        limit = bench.target.model.context_length
        room = max_new_tokens if limit is None else min(max_new_tokens, limit - len(prompt))
        generate = partial(
            model.generate, prompt, max_new_tokens=room, sampling=bench.sampling, stop_tokens=stop, seed=seed
        )
        return record_native(generate, clock)

    return PreparedArm(Arm(id="native", role="native", drafter="none", gamma=0, rule=""), decode)


def _examiner(bench: Workbench) -> Callable[[Sequence[int], Trace, Trace], Divergence | None]:
    warper = Warper(bench.sampling, bench.target.model.name)

    @cache
    def reference() -> LanguageModel | None:
        if bench.target.description["dtype"] not in ("bfloat16", "float16"):
            return None
        bench.say("loading the target in float32 once more, to look at texts that differ")
        try:
            asked = bench.experiment.model_copy(update={"dtype": "float32"})
            return load_model(bench.experiment.target, asked, bench.say).model
        except DraftlabError as error:
            bench.say(f"done without: {error}")
            return None

    def score(logits: Tensor, text: Sequence[int]) -> Tensor:
        return warper.scores(logits, text, ())[0]

    return partial(examine, bench.target.model, score, reference)


def _describe(loaded: LoadedModel) -> dict[str, Any]:
    return {
        **loaded.description,
        "vocab_size": loaded.model.vocab_size,
        "context_length": loaded.model.context_length,
        "files": dict(loaded.fingerprint()),
    }
