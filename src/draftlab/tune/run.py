"""Tuning from beginning to end, and the real run that confirms it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import monotonic

from draftlab.bench.plan import PreparedPrompt
from draftlab.bench.run import Observer, run_bench
from draftlab.build import prepare_on, prepare_prompts
from draftlab.errors import DraftlabError
from draftlab.pairs import Pairs
from draftlab.records import Replay
from draftlab.report.reading import Run
from draftlab.spec import Experiment
from draftlab.stats import Estimate
from draftlab.store import Store
from draftlab.suites import Suite, load_suites
from draftlab.tune.candidates import Replays
from draftlab.tune.findings import Confirmation, ConfirmedArm, TuningReport
from draftlab.tune.progress import Progress
from draftlab.tune.prompts import num_shared, split, suites_of
from draftlab.tune.ranking import Candidate, best_of_each, choose, runner_up, speedup
from draftlab.tune.reporting import make_report
from draftlab.tune.study import Study
from draftlab.workbench import Workbench

_COST_PROMPTS = 3
_PHASES = 2  # a confirmation is short


@dataclass(frozen=True)
class Wishes:
    """What is asked for beside models and prompts."""

    max_gamma: int = 16
    budget_s: float = 60.0
    """For timing rounds."""
    confirming: tuple[str, ...] = ()
    """Suites to confirm on. None: a third of the prompts, which is then not tuned on."""
    limit: int | None = None
    """The most prompts of each of these, where the experiment sets no limit."""


@dataclass
class Tuning:
    """A study of these prompts, and what is left to do with it."""

    study: Study
    suites: Sequence[Suite]
    confirming: Sequence[Suite]
    source: Store | None
    """The run whose plain texts are tuned on."""
    replays: Replays
    candidates: Sequence[Candidate]
    arms: Sequence[Candidate]
    """What a real run confirms: the recommendation and its runner-up; without one, the fastest that was found."""
    seconds: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def keep_with_source(self, replays: Replays) -> None:
        """Add to the source what was replayed along its texts; that it cannot be written to costs no result."""
        if self.source is None:
            return
        own = {prompt.id for prompt in self.source.manifest().prompts}
        try:
            _keep(self.source, (record for record in replays.records() if record.prompt_id in own))
        except DraftlabError as error:
            self.notes.append(f"what was replayed is not kept with {self.source.folder}: {error}")

    def report(self, confirmed: Confirmation | None = None) -> TuningReport:
        """What was found."""
        return make_report(self.study, self.replays, self.candidates, self.arms, self.seconds, confirmed, self.notes)


def tune(experiment: Experiment, wishes: Wishes, source: Store | None, progress: Progress) -> Tuning:
    """Rank what the experiment names; with a `source`, along the plain texts that it holds."""
    if not 1 <= wishes.max_gamma <= 64:
        raise DraftlabError(f"--max-gamma cannot be {wishes.max_gamma}", "It is a number of tokens from 1 to 64.")
    if wishes.budget_s <= 0:
        raise DraftlabError(f"--budget cannot be {wishes.budget_s:g}", "It is a number of seconds.")
    if experiment.exact:
        raise DraftlabError(
            "in exact mode every pass costs as much as that of the longest draft: lengths cannot be ranked together",
            f"Tune without {'exact mode' if source is None else '--from'}, and measure with draftlab bench --exact.",
        )
    asked = load_suites(experiment.suites, experiment.limit) if source is None else suites_of(source.manifest())
    limit = experiment.limit or wishes.limit
    tuning, confirming = split(asked) if not wishes.confirming else (asked, load_suites(wishes.confirming, limit))
    bench = Workbench.open(experiment.model_copy(update={"gammas": (wishes.max_gamma,)}), progress.say)
    if source is not None:
        _require_same_tokens(source, prepare_prompts(bench, tuning))
    study = Study.open(bench, wishes.max_gamma, progress)
    seconds: dict[str, float] = {}
    with _timed(seconds, "texts"):
        texts = study.texts(tuning, None if source is None else _plain_traces(source))
    if not any(text.tokens for text in texts):
        raise DraftlabError("there is no plain text to tune on", "Did every decode of the run's baseline fail?")
    with _timed(seconds, "replay"):
        replayed, places = study.replay(texts)
    with _timed(seconds, "costs"):
        prompts = prepare_prompts(bench, tuning)  # read again: texts of failed decodes are missing
        few = prompts[:: max(1, len(prompts) // _COST_PROMPTS)][:_COST_PROMPTS]
        prices = study.prices(few, wishes.budget_s)
    replays = Replays(texts, replayed, prices, places)
    candidates = replays.candidates(study.subjects)
    chosen = choose(replays.plain_ns(), candidates)
    arms = (
        [best_of_each(candidates)[0]] if chosen is None else [chosen, runner_up(replays.plain_ns(), chosen, candidates)]
    )
    arms_found = [arm for arm in arms if arm is not None]
    found = Tuning(study, tuning, confirming, source, replays, candidates, arms_found, seconds)
    found.keep_with_source(replays)
    return found


def confirm(tuning: Tuning, folder: Path, observer: Observer) -> TuningReport:
    """A short real run of what was found on the confirming prompts, and what had been predicted for them."""
    study, arms = tuning.study, tuning.arms
    with _timed(tuning.seconds, "confirmation"):
        pairs = [(arm.drafter, arm.gamma) for arm in arms]
        changes = {
            "drafters": tuple(arm.drafter for arm in arms),
            "gammas": tuple(dict.fromkeys(arm.gamma for arm in arms)),
            "suites": tuple(suite.name for suite in tuning.confirming),
            "phases": min(study.bench.experiment.phases, _PHASES),
        }
        experiment = study.bench.experiment.model_copy(update=changes)
        prepared = prepare_on(replace(study.bench, experiment=experiment), tuning.confirming, pairs)
        store = run_bench(prepared, folder, observer=observer)
        texts = study.texts(tuning.confirming, _plain_traces(store))
        if not texts:
            raise DraftlabError(f"no plain text of the confirming run in {folder} succeeded", "Look at its failures.")
        replayed, places = study.replay(texts)
        replays = Replays(texts, replayed, tuning.replays.prices, places)
        _keep(store, replays.records())
        tuning.keep_with_source(replays)
    found = Run.read(store)
    compared = tuple(_compare(found, arm, replays, study) for arm in arms)
    return tuning.report(
        Confirmation(
            run=str(folder),
            num_prompts=len(texts),
            same_prompts=num_shared(tuning.suites, tuning.confirming),
            arms=compared,
            holds=_is_faster(compared[0].walltime_speedup),
        )
    )


def _compare(run: Run, arm: Candidate, replays: Replays, study: Study) -> ConfirmedArm:
    (record,) = (a for a in run.arms("drafted") if (a.drafter, a.gamma) == (arm.drafter, arm.gamma))
    pairs: Pairs = run.pairs(record)
    replays = replays.among(pairs.by_prompt)
    if not replays.texts:
        raise DraftlabError(f"every decode of {arm.drafter} failed in {run.folder}", "Look at its failures.")
    (mine,) = (c for c in replays.candidates(study.subjects) if (c.drafter, c.gamma) == (arm.drafter, arm.gamma))
    predicted = speedup(replays.plain_ns(), mine)
    measured = pairs.walltime_speedup()
    counts = pairs.arm()
    rounds = sum(c.rounds for c in counts)
    return ConfirmedArm(
        drafter=arm.drafter,
        gamma=arm.gamma,
        predicted_speedup=predicted,
        walltime_speedup=measured,
        predicted_block_efficiency=mine.block_efficiency().value,
        block_efficiency=(sum(c.accepted for c in counts) + rounds) / rounds if rounds else None,
        error=predicted.value / measured.value - 1 if predicted.value and measured.value else None,
    )


def _is_faster(speedup: Estimate) -> bool | None:
    if speedup.low is None or speedup.high is None or speedup.low <= 1.0 <= speedup.high:
        return None
    return speedup.low > 1.0


def _plain_traces(store: Store) -> dict[str, tuple[int, ...]]:
    """The first plain text after each prompt of a run."""
    run = Run.read(store)
    traces = (t for t in run.traces_of(run.baseline) if t.status == "ok" and t.repetition == 0)
    return {trace.prompt_id: trace.tokens for trace in traces}


def _require_same_tokens(source: Store, prompts: Sequence[PreparedPrompt]) -> None:
    """A run whose target is another one by now has texts that this one would not write."""
    before = {prompt.id: prompt.num_tokens for prompt in source.manifest().prompts}
    for prompt in prompts:
        now = len(prompt.tokens)
        if before[prompt.record.id] != now:
            raise DraftlabError(
                f"prompt '{prompt.record.id}' has {now} tokens and had {before[prompt.record.id]} in {source.folder}",
                "Its target is another one; tune without --from.",
            )


def _keep(store: Store, records: Iterable[Replay]) -> None:
    """Add what the run does not hold yet, or for fewer gammas; whoever reads it takes the last of each key."""
    done = {record.key: len(record.rounds) for record in store.replays()}
    with store.writer() as writer:
        for record in records:
            if done.get(record.key, 0) < len(record.rounds):
                writer.replays.append(record)


@contextmanager
def _timed(seconds: dict[str, float], what: str) -> Iterator[None]:
    before = monotonic()
    yield
    seconds[what] = round(monotonic() - before, 1)
