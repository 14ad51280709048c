"""The whole audit: greedy texts, samples of a few tokens against their exact law, and planted bugs as controls."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from draftlab.audit.adapter import load_adapter
from draftlab.audit.findings import Control, Findings, Greedy, Test
from draftlab.audit.greedy import compare_greedy
from draftlab.audit.law import TargetLaw
from draftlab.audit.memo import CountedModel, Memories
from draftlab.audit.plan import AuditPrompt, Plan, Watcher
from draftlab.audit.sampled import Sampler
from draftlab.audit.samples import SampleLog
from draftlab.audit.subjects import Subject, SubjectError, open_subject, require_subject
from draftlab.drafters.reference import parse_drafter
from draftlab.errors import DraftlabError
from draftlab.spec import Experiment
from draftlab.suites import load_suites
from draftlab.workbench import Report, Workbench


def audit(
    of: str, experiment: Experiment, plan: Plan, watcher: Watcher, *, folder: Path | None = None, say: Report
) -> Findings:
    """Audit the implementation `of`. With a `folder`, samples that are already there are not drawn again."""
    drafter = _comparable(experiment.drafters[0])
    drafts_from_q = parse_drafter(drafter).name == "model"
    require_subject(of, drafts_from_q)
    controls = plan.suitable_controls(drafts_from_q)
    own_rule = of == "draftlab" or of.startswith("planted:")
    bench = Workbench.open(experiment, say)
    sampled = bench.sampling.temperature > 0.0
    if plan.controls and not sampled:
        raise DraftlabError("planted bugs are controls of sampling, and the temperature is 0", "Leave out --controls.")
    if own_rule and not bench.rule.lossless:
        say(f"the rule {experiment.rule} does not promise to be lossless")
    subject = open_subject(of, bench, CountedModel, drafter)
    prompts = _prompts(bench, plan)
    greedy: Greedy | None = None
    tests: list[Test] = []
    found: list[Control] = []
    failures: list[str] = []
    with SampleLog.open(folder, _identity(of, bench, drafter, prompts, plan) if folder else {}) as log:
        try:
            greedy = _greedy(of, bench, subject, drafter, prompts[: plan.num_greedy], plan, watcher)
        except SubjectError as error:
            failures.append(f"greedy texts: {error}")  # its sampled texts may be worth a look all the same
        try:
            if sampled:
                sampler = Sampler(bench, plan, watcher, log)
                memories = Memories()  # only now: what is held there must not be changed by anybody else
                if own_rule:
                    subject = open_subject(of, bench, memories.wrap, drafter)
                chosen = prompts[: plan.num_prompts]
                laws = [_law(bench, memories, prompt) for prompt in chosen]
                for law, prompt in zip(laws, chosen, strict=True):
                    tests += sampler.test(law, subject, prompt)
                for name in controls:
                    bug = open_subject(f"planted:{name}", bench, memories.wrap, drafter)
                    found.append(sampler.control(laws[0], bug, chosen[0], name))
        except SubjectError as error:
            failures.append(f"sampled texts: {error}")
    cells = [test.num_cells for test in tests if test.num_samples == plan.num_samples and test.num_cells > 1]
    return Findings(
        of=of,
        versions={name: version(name) for name in ("draftlab", "torch", "transformers")},
        target=experiment.target,
        drafter=drafter,
        gamma=plan.gamma,
        rule=experiment.rule if own_rule else "its own",
        dtype=str(bench.target.description["dtype"]),
        sampling=bench.sampling,
        seed=experiment.seed,
        level=plan.level,
        power=plan.power,
        detects=plan.really_detects(max(cells)) if cells else None,
        num_samples=plan.num_samples if sampled else 0,
        num_prompts=plan.num_prompts if sampled else 0,
        greedy=greedy,
        failure="; ".join(failures) or None,
        tests=tuple(tests),
        controls=tuple(found),
    )


def _comparable(reference: str) -> str:
    """The drafter with the same weights for everybody: others do not compress."""
    drafter = parse_drafter(reference)
    if drafter.name == "none":
        raise DraftlabError("with drafter none nothing is drafted, so there is nothing to audit", "Name a drafter.")
    if drafter.name == "model" and "compress" not in drafter.options:
        return f"{reference},compress=none"
    return reference


def _prompts(bench: Workbench, plan: Plan) -> list[AuditPrompt]:
    """The first prompts of each suite in turn."""
    wanted = max(plan.num_greedy, plan.num_prompts)
    suites = load_suites(bench.experiment.suites, wanted)
    depth = max(len(suite.prompts) for suite in suites)
    found = [suite.prompts[i] for i in range(depth) for suite in suites if i < len(suite.prompts)][:wanted]
    if len(found) < plan.num_prompts:
        raise DraftlabError(
            f"{plan.num_prompts} prompts are to be sampled, and the suites have {len(found)}", "Lower --prompts."
        )
    return [AuditPrompt(prompt.id, bench.encode(prompt)) for prompt in found]


def _greedy(
    of: str,
    bench: Workbench,
    subject: Subject,
    drafter: str,
    prompts: Sequence[AuditPrompt],
    plan: Plan,
    watcher: Watcher,
) -> Greedy:
    """On the models as they are, without memory: the engine's cache and rollback are tested as well."""
    own = subject if of == "draftlab" else open_subject("draftlab", bench, CountedModel, drafter)
    plain = open_subject("draftlab", bench, CountedModel, "none")
    return compare_greedy(bench, plain, subject, own, prompts, plan, watcher)


def _law(bench: Workbench, memories: Memories, prompt: AuditPrompt) -> TargetLaw:
    target = memories.of(bench.target.model)

    def logits(text: Sequence[int]) -> list[float]:
        values: list[float] = target.fresh(text).double().tolist()
        return values

    return TargetLaw(logits, prompt.tokens, bench.sampling, bench.stopping.tokens)


def _identity(of: str, bench: Workbench, drafter: str, prompts: Sequence[AuditPrompt], plan: Plan) -> dict[str, object]:
    """What has to be the same for samples to be of use again; how many there are may change."""
    code = load_adapter(of) if ":" in of and not of.startswith("planted:") else None
    source = inspect.getsourcefile(code) if code is not None else None
    return {
        "of": of,
        "adapter": hashlib.sha256(Path(source).read_bytes()).hexdigest() if source else None,
        "versions": {name: version(name) for name in ("draftlab", "torch", "transformers")},
        "drafter": drafter,
        "tokens": plan.num_tokens,
        "sampling": bench.sampling.model_dump(),
        "files": dict(bench.target.fingerprint()),
        "prompts": [list(prompt.tokens) for prompt in prompts[: plan.num_prompts]],
        **bench.experiment.model_dump(mode="json", exclude={"drafters", "suites", "limit", "repetitions"}),
    }
