"""The whole audit: greedy texts, samples of a few tokens against their exact law, and planted bugs as controls."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

import torch

from draftlab.audit.findings import Control, Cost, Findings, Greedy, Test
from draftlab.audit.goodness import LEAST_EXPECTED, MOST_CELLS, Fit, detectable, fit, samples_needed
from draftlab.audit.greedy import Judge, Meter
from draftlab.audit.law import TargetLaw, Text
from draftlab.audit.samples import SampleLog
from draftlab.audit.subjects import Memories, OwnSubject, Subject, SubjectError, open_subject, require_subject
from draftlab.chance import derive_seed
from draftlab.drafters.reference import parse_drafter
from draftlab.errors import DraftlabError, UnsupportedError
from draftlab.spec import Experiment
from draftlab.suites import load_suites
from draftlab.testing.planted import PLANTED
from draftlab.workbench import Report, Workbench

NUM_TOKENS = 3  # how far the law of the text is followed
_FIRSTS = 3  # conditionals on so many likeliest first tokens,
_PAIRS = 2  # and on so many likeliest pairs
_NUM_TESTS = NUM_TOKENS + _FIRSTS + _PAIRS  # at most, per prompt
_LAW_BREAKING = ("residual_from_p", "argmax_with_soft_q", "equal_coins")
_FOR_ANY_DRAFTER = ("residual_from_p",)


@dataclass(frozen=True)
class Plan:
    """How thorough an audit is."""

    detects: float = 0.05
    """The total variation that is to be found,"""
    power: float = 0.9
    """with at least this probability,"""
    level: float = 0.001
    """where a lossless implementation is accused no more often than this."""
    num_prompts: int = 2
    num_greedy: int = 8
    greedy_tokens: int = 48
    controls: tuple[str, ...] | None = None
    """Names of planted bugs; None: those that suit the drafter."""
    samples: int | None = None
    """Samples of each prompt, instead of what `detects` asks for."""

    @property
    def num_samples(self) -> int:
        """Samples of each prompt."""
        return self.samples or samples_needed(self.detects, self.power, self._level_of_one)

    @property
    def really_detects(self) -> float:
        """What `num_samples` are good for."""
        return detectable(self.num_samples, self.power, self._level_of_one)

    @property
    def _level_of_one(self) -> float:
        return self.level / (_NUM_TESTS * self.num_prompts)


class Watcher(Protocol):
    """Told how an audit goes on."""

    def begins(self, what: str, total: int) -> None: ...

    def advances(self) -> None: ...


@dataclass(frozen=True)
class _Prompt:
    id: str
    tokens: list[int]


def audit(
    of: str, experiment: Experiment, plan: Plan, watcher: Watcher, *, folder: Path | None = None, say: Report
) -> Findings:
    """Audit the implementation `of`. With a `folder`, samples that are already there are not drawn again."""
    drafter = experiment.drafters[0]
    require_subject(of)
    for name in plan.controls or ():
        require_subject(f"planted:{name}")
    own_rule = of == "draftlab" or of.startswith("planted:")
    bench = Workbench.open(experiment, say)
    if own_rule and not bench.rule.lossless:
        say(f"the rule {experiment.rule} does not promise to be lossless")
    memories = Memories()
    subject = open_subject(of, bench, memories, drafter)
    prompts = _prompts(bench, plan)
    greedy: Greedy | None = None
    tests: list[Test] = []
    controls: list[Control] = []
    failure = None
    with SampleLog.open(folder, _identity(of, experiment)) as log:
        own = subject if of == "draftlab" else OwnSubject("draftlab", bench, memories, drafter)
        try:
            greedy = _greedy(bench, memories, subject, own, prompts[: plan.num_greedy], plan, watcher)
            if bench.sampling.temperature:
                chosen = prompts[: plan.num_prompts]
                laws = {prompt.id: _law(bench, memories, prompt) for prompt in chosen}
                for prompt in chosen:
                    tests += _test(bench, laws[prompt.id], subject, prompt, plan, watcher, log)
                for name in _controls(plan, drafter, experiment.gammas[0]):
                    control = open_subject(f"planted:{name}", bench, memories, drafter)
                    found = _test(bench, laws[chosen[0].id], control, chosen[0], plan, watcher, log)
                    controls.append(_judge_control(name, found, plan))
        except SubjectError as error:
            failure = str(error)
    return Findings(
        of=of,
        versions={name: version(name) for name in ("draftlab", "torch", "transformers")},
        target=experiment.target,
        drafter=drafter,
        gamma=experiment.gammas[0],
        rule=experiment.rule if own_rule else "its own",
        dtype=str(bench.target.description["dtype"]),
        sampling=bench.sampling,
        seed=experiment.seed,
        level=plan.level,
        power=plan.power,
        detects=plan.really_detects,
        num_samples=plan.num_samples if bench.sampling.temperature else 0,
        num_prompts=plan.num_prompts if bench.sampling.temperature else 0,
        greedy=greedy,
        failure=failure,
        tests=tuple(tests),
        controls=tuple(controls),
    )


def _prompts(bench: Workbench, plan: Plan) -> list[_Prompt]:
    """The first prompts of each suite in turn."""
    suites = load_suites(bench.experiment.suites, max(plan.num_greedy, plan.num_prompts))
    wanted = max(plan.num_greedy, plan.num_prompts)
    depth = max(len(suite.prompts) for suite in suites)
    found = [suite.prompts[i] for i in range(depth) for suite in suites if i < len(suite.prompts)][:wanted]
    if len(found) < plan.num_prompts:
        raise DraftlabError(
            f"{plan.num_prompts} prompts are to be sampled, and the suites have {len(found)}", "Lower --prompts."
        )
    return [_Prompt(prompt.id, bench.encode(prompt)) for prompt in found]


def _law(bench: Workbench, memories: Memories, prompt: _Prompt) -> TargetLaw:
    target = memories.of(bench.target.model)

    def logits(text: Sequence[int]) -> list[float]:
        values: list[float] = target.fresh(text).double().tolist()
        return values

    return TargetLaw(logits, prompt.tokens, bench.sampling, bench.stopping.tokens)


def _greedy(
    bench: Workbench,
    memories: Memories,
    subject: Subject,
    own: Subject,
    prompts: Sequence[_Prompt],
    plan: Plan,
    watcher: Watcher,
) -> Greedy:
    """Texts of the subject and of draftlab's own loop against plain decoding, with what each cost."""
    sampling = bench.sampling.model_copy(update={"temperature": 0.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0})
    dtype = getattr(torch, str(bench.target.description["dtype"]))
    target = memories.of(bench.target.model)
    judge = Judge(target, sampling, bench.experiment.gammas[0], torch.finfo(dtype).eps)
    cut = TargetLaw(lambda _: (), (), sampling, bench.stopping.tokens).cut
    plain = OwnSubject("plain", bench, memories, "none")
    meters = {one: Meter(one) for one in (subject, own)}
    partings = []
    watcher.begins("greedy texts", len(prompts))
    for prompt in prompts:
        try:
            texts = {
                one: cut(one.generate(prompt.tokens, plan.greedy_tokens, sampling, bench.experiment.seed))
                for one in (plain, *meters)
            }
        except UnsupportedError as error:
            return Greedy(compared=0, identical=0, cost=Cost(), own_cost=Cost(), refused=str(error))
        for one, meter in meters.items():
            meter.wrote(len(prompt.tokens), len(texts[one]))
        parting = judge.explain(prompt.id, prompt.tokens, texts[plain], texts[subject])
        partings += [parting] if parting else []
        watcher.advances()
    return Greedy(
        compared=len(prompts),
        identical=len(prompts) - len(partings),
        partings=tuple(partings),
        cost=meters[subject].cost(),
        own_cost=meters[own].cost(),
    )


def _test(
    bench: Workbench,
    law: TargetLaw,
    subject: Subject,
    prompt: _Prompt,
    plan: Plan,
    watcher: Watcher,
    log: SampleLog,
) -> list[Test]:
    """Draw the samples of one prompt, and hold them against every law of it."""
    num = plan.num_samples
    done = log.read(subject.name, prompt.id)
    watcher.begins(f"{subject.name} · {prompt.id}", num)
    samples = list(done)
    for _ in done:
        watcher.advances()
    for index in range(len(done), num):
        seed = derive_seed(bench.experiment.seed, subject.name, prompt.id, index)
        text = law.cut(subject.generate(prompt.tokens, NUM_TOKENS, bench.sampling, seed))
        log.write(subject.name, prompt.id, text)
        samples.append(text)
        watcher.advances()
    factor = _NUM_TESTS * plan.num_prompts
    return [_report(bench, prompt, start, size, found, factor) for start, size, found in _fits(law, samples)]


def _fits(law: TargetLaw, samples: Sequence[Text]) -> list[tuple[Text, int, Fit]]:
    """(what the text began with, how many tokens after it, the fit)."""
    num = len(samples)
    least = LEAST_EXPECTED / num
    fits: list[tuple[Text, int, Fit]] = []
    for size in range(1, NUM_TOKENS + 1):
        cells = law.likely((), size, least, MOST_CELLS)
        fits.append(((), size, fit([text[:size] for text in samples], cells)))
    starts = [text for text in law.likely((), 1, least, _FIRSTS) if not law.is_ended(text)]
    starts += [text for text in law.likely((), 2, least, _PAIRS) if not law.is_ended(text) and len(text) == 2]
    for start in starts:
        those = [text[: len(start) + 1] for text in samples if text[: len(start)] == start]
        if len(those) >= 4 * LEAST_EXPECTED:
            fits.append((start, 1, fit(those, law.likely(start, 1, LEAST_EXPECTED / len(those), MOST_CELLS))))
    return fits


def _report(bench: Workbench, prompt: _Prompt, start: Text, size: int, found: Fit, factor: int) -> Test:
    if start:
        what = f"{len(start) + 1} after {bench.target.tokenizer.decode(start, raw=True)!r}"
    else:
        what = "1" if size == 1 else f"1-{size}"
    return Test(
        prompt_id=prompt.id,
        what=what,
        num_samples=found.num_samples,
        num_cells=found.num_cells,
        statistic=None if math.isinf(found.statistic) else found.statistic,
        p_value=min(1.0, found.p_value * factor),
        total_variation=found.total_variation,
        low=found.low,
        high=found.high,
    )


def _controls(plan: Plan, drafter: str, gamma: int) -> tuple[str, ...]:
    if plan.controls is not None:
        return plan.controls
    suitable = _LAW_BREAKING if parse_drafter(drafter).name == "model" else _FOR_ANY_DRAFTER
    return suitable if gamma > 1 else tuple(name for name in suitable if name != "equal_coins")


def _judge_control(name: str, tests: Sequence[Test], plan: Plan) -> Control:
    return Control(
        name=name,
        title=PLANTED[name].title,
        rejected=any(test.p_value < plan.level for test in tests),
        p_value=min(test.p_value for test in tests),
        total_variation=max(test.total_variation for test in tests if test.num_samples == plan.num_samples),
    )


def _identity(of: str, experiment: Experiment) -> dict[str, object]:
    """What has to be the same for samples to be of use again. More samples may be asked for later."""
    asked = experiment.model_dump(mode="json")
    return {"of": of, **asked}
