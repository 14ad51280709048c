"""A run as Markdown, for a pull request."""

from __future__ import annotations

import re

from draftlab.records import RunManifest
from draftlab.report.figure import figure
from draftlab.report.measure import Report
from draftlab.report.names import key_of, one_line, short_names
from draftlab.report.notes import machine_notes
from draftlab.report.terminal import what_was_decoded
from draftlab.report.verdict import identical_texts, verdict
from draftlab.stats import MIN_PROMPTS

# What Markdown or HTML would obey, what would make a link of an address, and what would call a person.
_OBEYED = re.compile(r"[\\`*_{}\[\]<>#|~@&$!]|:(?=//)|(?<=www)\.")
# What a forge links even where it is spelled as an entity: a person, an issue, a commit of a person's copy.
_LINKED = re.compile(r"[@#]|\bGH-(?=\d)", re.IGNORECASE)
_COLUMNS = ("Arm", "Prompts", "n", "Speed-up [95 %]", "Tokens/s", "Plain", "Acceptance", "Block eff.", "Identical")


def report_markdown(report: Report, manifest: RunManifest) -> str:
    """The verdict, the table and the notes."""
    names = short_names(report.arms)
    lines = [f"**{plain(verdict(report).sentence)}**", "", plain(what_was_decoded(manifest)), ""]
    lines += [_row(_COLUMNS), _row(["---", "---", *["---:"] * (len(_COLUMNS) - 2)])]
    for arm in report.arms:
        noise = " (within noise)" if arm.within_noise else ""
        cells = (
            names[key_of(arm)] + ("" if arm.lossless else " (lossy)"),
            arm.category,
            str(arm.num_prompts),
            figure(arm.walltime_speedup, ".2f", unit="x") + noise,
            figure(arm.tokens_per_s, ".1f", interval=False),
            figure(arm.baseline_tokens_per_s, ".1f", interval=False),
            figure(arm.acceptance_rate, ".2f", interval=False),
            figure(arm.block_efficiency, ".2f", interval=False),
            identical_texts(arm),
        )
        lines.append(_row([plain(cell) for cell in cells]))
    notes = list(machine_notes(report))
    if any(arm.num_prompts < MIN_PROMPTS for arm in report.arms):
        notes.append(f"no interval is given for fewer than {MIN_PROMPTS} prompts")
    if manifest.sampling_ignored:
        notes.append(f"not applied, though the generation config sets it: {', '.join(manifest.sampling_ignored)}")
    return "\n".join([*lines, "", *(f"- {plain(note)}" for note in notes)]).rstrip() + "\n"


def plain(text: str) -> str:
    """`text` such that Markdown shows it as it is, on one line."""
    broken = _LINKED.sub("\\g<0>\u200b", one_line(text))
    return _OBEYED.sub(lambda found: f"&#{ord(found[0])};", broken)


def _row(cells: tuple[str, ...] | list[str]) -> str:
    return f"| {' | '.join(cells)} |"
