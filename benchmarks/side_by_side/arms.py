"""What can be measured side by side: the names of the arms, in families, and the choice among them.

An arm is written FAMILY-SETTING: `assisted-4` drafts 4 tokens. A family's name alone stands for all that it measures if
nothing is said.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from draftlab.errors import DraftlabError
from draftlab.spec import MAX_GAMMA

DEFAULTS = {
    "transformers": ("plain",),
    "assisted": ("default", "2", "3", "4", "5", "8"),
    "flashspec": ("default", "3", "4", "5"),
    "eager": ("plain", "2", "3", "4", "5", "8", "auto"),
    "fast": ("plain", "2", "3", "4", "5", "8", "auto"),
    "vllm": ("plain", "4"),
}
"""By family, the settings that `--arms FAMILY` measures."""
_WORDS = {
    "transformers": {"plain"},
    "assisted": {"default"},
    "flashspec": {"default"},
    "eager": {"plain", "auto"},
    "fast": {"plain", "auto"},
    "vllm": {"plain"},
}
TITLES = {
    "transformers": "transformers `generate`",
    "assisted": "transformers assisted generation",
    "flashspec": "flashspec",
    "eager": "draftlab, layers as loaded",
    "fast": "draftlab",
    "vllm": "vLLM",
}
REFERENCE = "transformers-plain"


@dataclass(frozen=True, slots=True, order=True)
class Arm:
    """One implementation in one setting."""

    family: str
    setting: str

    @property
    def name(self) -> str:
        return f"{self.family}-{self.setting}"

    @property
    def gamma(self) -> int | None:
        """The fixed draft length, where it has one."""
        return int(self.setting) if self.setting.isdecimal() else None

    @property
    def title(self) -> str:
        """As people read it."""
        title = TITLES[self.family]
        if self.family == "vllm" and self.setting != "plain":
            title += " `draft_model`"
        if self == parse(REFERENCE):
            return title
        words = {"plain": "plain", "default": "its defaults", "auto": "draft length auto"}
        return f"{title}, {words.get(self.setting) or f'{self.setting} tokens a draft'}"


def parse(name: str) -> Arm:
    """The arm called `name`."""
    family, _, setting = name.partition("-")
    if family not in DEFAULTS:
        raise DraftlabError(f"no arm is called '{name}'", f"Families are {', '.join(DEFAULTS)}.")
    is_length = family != "transformers" and re.fullmatch(r"[1-9]\d*", setting) and int(setting) <= MAX_GAMMA
    if setting not in _WORDS[family] and not is_length:
        examples = ", ".join(f"{family}-{each}" for each in DEFAULTS[family])
        raise DraftlabError(f"no arm is called '{name}'", f"Write for example {examples}.")
    return Arm(family, setting)


def choose(asked: Sequence[str]) -> list[Arm]:
    """The arms that `asked` names, families spelled out, each once."""
    names = [
        name
        for each in asked
        for name in ([f"{each}-{setting}" for setting in DEFAULTS[each]] if each in DEFAULTS else [each])
    ]
    return [parse(name) for name in dict.fromkeys(names)]
