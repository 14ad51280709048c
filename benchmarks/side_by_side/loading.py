"""From the names of arms to implementations in memory, each family loaded once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.side_by_side.arms import Arm
from benchmarks.side_by_side.networks import Networks
from benchmarks.side_by_side.own import Build, eager, fast
from benchmarks.side_by_side.peers import (
    HOW_TO_GET_FLASHSPEC,
    assisted_subject,
    flashspec_subject,
    has_flashspec,
    transformers_subject,
)
from benchmarks.side_by_side.subject import Subject
from benchmarks.side_by_side.vllm_engine import VllmEngine
from draftlab.errors import DraftlabError

HOW_TO_GET_VLLM = "docs/how-to/compare-with-others.md says how to make its environment; then pass --vllm-python"


@dataclass
class Loaded:
    """What is in memory."""

    networks: Networks
    threads: int
    context: int
    """The longest text, prompt and new tokens together."""
    folder: Path
    vllm_python: Path | None
    engines: list[VllmEngine] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    _builds: dict[str, Build] = field(default_factory=dict)

    def subject(self, arm: Arm) -> Subject:
        """Load what `arm` needs and is not here yet."""
        match arm.family:
            case "transformers":
                return transformers_subject(self.networks)
            case "assisted":
                return assisted_subject(self.networks, arm)
            case "flashspec":
                return flashspec_subject(self.networks, arm)
            case "vllm":
                return self._vllm(arm)
            case _:
                return self._own(arm)

    def close(self) -> None:
        for engine in self.engines:
            engine.close()

    def _own(self, arm: Arm) -> Subject:
        if arm.family not in self._builds:
            opened: Callable[[Networks], tuple[Build, dict[str, Any]]] = fast if arm.family == "fast" else eager
            self._builds[arm.family], self.facts[arm.family] = opened(self.networks)
        return self._builds[arm.family](arm)

    def _vllm(self, arm: Arm) -> Subject:
        names = self.networks.target_name, self.networks.drafter_name
        if any(not Path(name).is_dir() for name in names):
            raise DraftlabError("vLLM reads model folders only", "Give folders as --target and --drafter.")
        assert self.vllm_python
        self.networks.say(f"starting {arm.name}; loading takes a minute or two")
        asked = {
            "model": str(Path(names[0]).absolute()),
            "drafter": None if arm.gamma is None else str(Path(names[1]).absolute()),
            "gamma": arm.gamma,
            "dtype": self.networks.dtype,
            "max_model_len": self.context,
        }
        log = self.folder / f"{arm.name}.log"
        engine = VllmEngine.start(arm, self.vllm_python, asked, self.threads, log)
        self.engines.append(engine)
        return engine


def possible(arms: Sequence[Arm], vllm_python: Path | None, say: Callable[[str], None]) -> list[Arm]:
    """The arms whose implementation is installed; one line for each family that is left out."""
    missing = {}
    if not has_flashspec():
        missing["flashspec"] = HOW_TO_GET_FLASHSPEC
    if vllm_python is None:
        missing["vllm"] = HOW_TO_GET_VLLM
    elif not vllm_python.is_file():
        raise DraftlabError(f"there is no {vllm_python}", HOW_TO_GET_VLLM)
    for family in sorted({arm.family for arm in arms} & missing.keys()):
        say(f"{family} is left out: {missing[family]}")
    return [arm for arm in arms if arm.family not in missing]
