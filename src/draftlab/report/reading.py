"""What a run folder holds, arranged as figures need it: traces by arm and category, and the pairs to be compared."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from draftlab.errors import DraftlabError
from draftlab.pairs import Pairs
from draftlab.records import Arm, Detail, Divergence, MachineSample, Phases, Replay, RunManifest, Trace, TraceKey
from draftlab.store import Store


@dataclass(frozen=True)
class Run:
    """All that a run folder holds."""

    folder: str
    manifest: RunManifest
    traces: list[Trace]
    examined: dict[TraceKey, Divergence]
    samples: list[MachineSample]
    phases: list[Phases]
    details: list[Detail]
    token_bytes: dict[int, bytes]
    replays: list[Replay] = field(default_factory=list)

    @classmethod
    def read(cls, store: Store) -> Run:
        """Read a run, finished or not."""
        examined = {divergence.key: divergence for divergence in store.divergences()}
        return cls(
            folder_name(store.folder),
            store.manifest(),
            list(store.traces()),
            examined,
            list(store.samples()),
            list(store.phases()),
            list(store.details()),
            {t.id: bytes.fromhex(t.hex) for t in store.token_bytes()},
            list(store.replays()),
        )

    def arms(self, *roles: str) -> list[Arm]:
        """The arms of these roles."""
        return [arm for arm in self.manifest.arms if arm.role in roles]

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
    def is_watched(self) -> bool:
        """Whether every decode that was to be watched was."""
        phases, details = ({record.key for record in records} for records in (self.phases, self.details))
        manifest = self.manifest
        return phases >= set(manifest.expected_phases()) and details >= set(manifest.expected_details())

    @property
    def is_greedy(self) -> bool:
        """Whether texts are a matter of arithmetic, not of chance."""
        return self.manifest.sampling.temperature == 0.0


def folder_name(folder: Path) -> str:
    """A name of any bytes, as text that JSON can hold."""
    return os.fsencode(folder).decode(errors="replace")


def categories(manifest: RunManifest) -> list[str]:
    """The categories of a run in the order of its prompts, then `all`."""
    found = list(dict.fromkeys(prompt.category for prompt in manifest.prompts))
    return [*found, "all"] if len(found) > 1 else ["all"]
