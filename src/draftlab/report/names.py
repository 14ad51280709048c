"""What an arm is called where there is little room: only what tells it from the other arms."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal, Protocol

from draftlab.report.printable import printable

ArmKey = tuple[str, str, str]
_FOLDERS = re.compile(r"[^:,=]*/(?=[^/,])")
_LONGEST = 44


class NamedArm(Protocol):
    """An arm, or a report on one."""

    drafter: str
    gamma: int
    draft_length: Literal["fixed", "auto", "server"]
    rule: str


def key_of(arm: NamedArm) -> ArmKey:
    """What makes an arm the only one of its kind in a run."""
    return arm.drafter, gamma_of(arm), arm.rule


def gamma_of(arm: NamedArm) -> str:
    """The draft length as people read it."""
    return {"auto": f"auto (at most {arm.gamma})", "server": "the server's"}.get(arm.draft_length, str(arm.gamma))


def title_of(arm: NamedArm) -> str:
    """All of it, as a headline."""
    return f"drafter {arm.drafter}, gamma {gamma_of(arm)}, rule {arm.rule}"


def short_names(arms: Iterable[NamedArm]) -> dict[ArmKey, str]:
    """A short name for each arm; two arms never share one."""
    keys = list(dict.fromkeys(key_of(arm) for arm in arms))
    several_rules = len({rule for _, _, rule in keys}) > 1
    several_drafters = len({drafter for drafter, _, _ in keys}) > 1
    short = {drafter: short_drafter(drafter) for drafter, _, _ in keys}
    if len(set(short.values())) < len(short):
        short = {drafter: printable(drafter) for drafter in short}

    def name(key: ArmKey) -> str:
        drafter, gamma, rule = key
        parts = [short[drafter]] if several_drafters or len(keys) == 1 else []
        return ", ".join([*parts, f"gamma {gamma}", *([printable(rule)] if several_rules else [])])

    return {key: name(key) for key in keys}


def short_drafter(reference: str) -> str:
    """A drafter's reference without the folders of its model, and no longer than a label may be."""
    short = one_line(_FOLDERS.sub("", reference)) or printable(reference)
    return shortened(short)


def shortened(text: str, longest: int = _LONGEST) -> str:
    """`text` with its middle left out where it is too long for a label."""
    half = longest // 2
    return text if len(text) <= longest else f"{text[: half - 1]}…{text[-half:]}"


def one_line(text: str) -> str:
    """`text` as a label: nothing in it that a terminal, a file of vectors or a line of a table would obey."""
    return printable(text.replace("\n", " ").replace("\t", " "))
