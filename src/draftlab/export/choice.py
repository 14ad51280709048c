"""Which arm of a run is taken to production: the fastest that pays, or the one that is named."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from statistics import median_low

from draftlab.errors import DraftlabError, UnknownNameError
from draftlab.records import Arm, RunManifest
from draftlab.report.measure import ArmReport, Report, measure
from draftlab.report.names import key_of, title_of
from draftlab.report.noise import pays
from draftlab.report.reading import Run
from draftlab.report.verdict import best_arm, times
from draftlab.stats import MIN_PROMPTS, Estimate
from draftlab.store import Store

_DECIMALS = 4


@dataclass(frozen=True)
class Choice:
    """The arm, what was measured of it, and why it is this one."""

    run: str
    manifest: RunManifest
    arm: Arm
    """The baseline where nothing pays."""
    gamma: int
    speedup: Estimate | None
    why: str
    acceptance_at: tuple[float, ...]
    complete: bool

    @property
    def is_plain(self) -> bool:
        return self.arm.gamma == 0 or self.arm.drafter == "none"


def choose(folder: Path, named: str | None = None) -> Choice:
    """The arm called `named`; without a name the fastest lossless one that pays, or none."""
    store = Store.open(folder)
    if store.manifest().target.get("kind") == "server":
        raise DraftlabError(
            f"{folder} was measured on a server, which runs already", "Export a run of draftlab's own engine."
        )
    run, report = Run.read(store), measure(store)
    reports = {key_of(arm): arm for arm in report.arms if arm.category == "all"}
    if named is not None:
        arm = _find(run, named)
        found = reports.get(key_of(arm))
        why = "as asked for with --arm" + (f": {_measured(found)}" if found else "")
        return _choice(run, report, arm, found, why)
    lossless = [arm for arm in reports.values() if arm.lossless]
    best = best_arm([arm for arm in lossless if pays(arm.walltime_speedup, arm.within_noise)])
    if best is None:
        return _choice(run, report, run.baseline, None, _why_plain(best_arm(lossless)))
    arm = next(arm for arm in run.arms("drafted") if key_of(arm) == key_of(best))
    among = f", the best of {len(lossless)} lossless arms" if len(lossless) > 1 else ""
    return _choice(run, report, arm, best, f"{_measured(best)}{among}")


def synthetic_rates(choice: Choice) -> tuple[float, ...]:
    """How often the first 1, 2, ... gamma drafted tokens were all accepted; these never rise.

    Where drafts were seldom as long, a later position can have been measured on other rounds than the one before it.
    """
    if choice.is_plain or not choice.acceptance_at:
        raise DraftlabError("plain decoding has no acceptance to play back", "Name a drafted arm with --arm.")
    measured = [round(rate, _DECIMALS) for rate in choice.acceptance_at[: choice.gamma]]
    falling = list(accumulate(measured, min))
    return tuple(falling + [0.0] * (choice.gamma - len(falling)))


def _find(run: Run, named: str) -> Arm:
    arms = {arm.id: arm for arm in run.arms("baseline", "drafted")}
    if named not in arms:
        raise UnknownNameError("arm of this run", named, arms)
    return arms[named]


def _choice(run: Run, report: Report, arm: Arm, found: ArmReport | None, why: str) -> Choice:
    return Choice(
        run=run.folder,
        manifest=run.manifest,
        arm=arm,
        gamma=typical_length(run, arm) if arm.draft_length == "auto" else arm.gamma,
        speedup=found.walltime_speedup if found else None,
        why=why,
        acceptance_at=tuple(found.acceptance_at) if found else (),
        complete=report.complete,
    )


def typical_length(run: Run, arm: Arm) -> int:
    """The median of its drafts that were not empty; 1 where all were."""
    lengths = [drafted for trace in run.traces_of(arm) for drafted in trace.rounds.drafted if drafted]
    return median_low(lengths) if lengths else 1


def _measured(arm: ArmReport) -> str:
    speedup = arm.walltime_speedup
    if speedup.value is None:
        return f"{title_of(arm)}: not measured"
    if speedup.low is None or speedup.high is None:
        return f"{title_of(arm)}: {times(speedup.value)} as fast as plain decoding (no interval)"
    return (
        f"{title_of(arm)}: {times(speedup.value)} as fast as plain decoding ({speedup.low:.2f} to {speedup.high:.2f})"
    )


def _why_plain(best: ArmReport | None) -> str:
    if best is None:
        return "plain serving: the run has no lossless arm with a speed-up"
    if best.walltime_speedup.low is None:
        return f"plain serving: no interval below {MIN_PROMPTS} prompts, so no arm is known to pay. {_measured(best)}"
    return f"plain serving: no arm pays beyond doubt. The best is {_measured(best)}"
