"""What a run folder holds, arranged as figures need it: traces by arm and category, and the pairs to be compared."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from draftlab.errors import DraftlabError
from draftlab.metrics import Counts, count
from draftlab.records import Arm, Divergence, RunManifest, Trace, TraceKey
from draftlab.store import Store


@dataclass(frozen=True)
class Pairs:
    """Decodes of a baseline and of an arm that belong together, prompt by prompt.

    A repetition that failed in one counts in neither, so that both are measured on the same work.
    """

    by_prompt: dict[str, list[tuple[Trace, Trace]]]

    @classmethod
    def match(cls, base: Iterable[Trace], other: Iterable[Trace]) -> Pairs:
        """The decodes that succeeded on both sides."""
        theirs = {(t.prompt_id, t.repetition): t for t in other if t.status == "ok"}
        found: dict[str, list[tuple[Trace, Trace]]] = {}
        for trace in base:
            twin = theirs.get((trace.prompt_id, trace.repetition))
            if trace.status == "ok" and twin is not None:
                found.setdefault(trace.prompt_id, []).append((trace, twin))
        return cls(found)

    def base(self) -> list[Counts]:
        """The baseline's counts, one entry per prompt."""
        return [count(ours for ours, _ in pairs) for pairs in self.by_prompt.values()]

    def arm(self) -> list[Counts]:
        """The arm's counts, one entry per prompt."""
        return [count(theirs for _, theirs in pairs) for pairs in self.by_prompt.values()]

    def all(self) -> list[tuple[Trace, Trace]]:
        """Every pair."""
        return [pair for pairs in self.by_prompt.values() for pair in pairs]


@dataclass(frozen=True)
class Run:
    """All that a run folder holds."""

    folder: str
    manifest: RunManifest
    traces: list[Trace]
    examined: dict[TraceKey, Divergence]

    @classmethod
    def read(cls, store: Store) -> Run:
        """Read a run, finished or not."""
        examined = {divergence.key: divergence for divergence in store.divergences()}
        return cls(str(store.folder), store.manifest(), list(store.traces()), examined)

    def arms(self, role: str) -> list[Arm]:
        """The arms of one role."""
        return [arm for arm in self.manifest.arms if arm.role == role]

    @property
    def baseline(self) -> Arm:
        """The arm that decodes plainly."""
        found = self.arms("baseline")
        if not found:
            raise DraftlabError(f"the run in {self.folder} has no baseline", "Was its manifest edited?")
        return found[0]

    def traces_of(self, arm: Arm, category: str = "all") -> list[Trace]:
        """The traces of an arm over the prompts of a category."""
        ids = {p.id for p in self.manifest.prompts if category in ("all", p.category)}
        return [trace for trace in self.traces if trace.arm == arm.id and trace.prompt_id in ids]

    def pairs(self, arm: Arm, category: str = "all") -> Pairs:
        """The baseline's decodes beside those of an arm."""
        return Pairs.match(self.traces_of(self.baseline, category), self.traces_of(arm, category))

    @property
    def is_greedy(self) -> bool:
        """Whether texts are a matter of arithmetic, not of chance."""
        return self.manifest.sampling.temperature == 0.0

    @property
    def is_complete(self) -> bool:
        """Whether every planned decode has a trace, failed or not."""
        return {trace.key for trace in self.traces} == self.manifest.expected_keys()


def categories(manifest: RunManifest) -> list[str]:
    """The categories of a run in the order of its prompts, then `all`."""
    found = list(dict.fromkeys(prompt.category for prompt in manifest.prompts))
    return [*found, "all"] if len(found) > 1 else ["all"]
