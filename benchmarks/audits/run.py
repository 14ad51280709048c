"""Audit draftlab, its planted bugs and other implementations, and write docs/audits.md.

    sh benchmarks/audits/environment.sh                                    # once: /tmp/peers
    /tmp/peers/bin/python benchmarks/audits/make_pair.py /tmp/audit-pair
    /tmp/peers/bin/python benchmarks/audits/make_tiny_pair.py /tmp/audit-tiny
    /tmp/peers/bin/python benchmarks/audits/run.py [--only PART ...]

Every finding is kept in benchmarks/audits/findings/, so a part can be done again by itself; the page is written from
all of them. Samples that were drawn are kept in /tmp/audits and not drawn again.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
FOUND = HERE / "findings"
PAGE = ROOT / "docs" / "audits.md"
SAMPLES = Path("/tmp/audits")
REAL, TINY = Path("/tmp/audit-pair"), Path("/tmp/audit-tiny")
LAW_BUGS = (
    "raw_q", "argmax_with_soft_q", "reused_draw", "residual_from_p", "residual_warped_again", "equal_coins",
    "same_chance_every_round",
)  # fmt: skip
COST_BUGS = ("token_rule_as_block", "stale_draft_cache")
QUICK = ("--prompts", "1", "--controls", "residual_from_p")


@dataclass(frozen=True)
class Case:
    """One audit: its place on the page, what it is called there, and the command's flags."""

    part: str
    label: str
    flags: tuple[str, ...]

    @property
    def name(self) -> str:
        """Of the file of its findings."""
        return f"{self.part}-{self.label}".replace(" ", "-").replace(":", "-").replace(",", "").replace("/", "-")


def tiny(label: str, of: str, *flags: str, drafter: str = "drafter", gamma: int = 3) -> Case:
    """On the pair of six letters, where thousands of samples are cheap."""
    pair = ("--target", str(TINY / "target"), "--drafter", f"model:{TINY / drafter},compress=none")
    if drafter == "ngram":
        pair = (*pair[:3], "ngram")
    suite = ("--suite", str(HERE / "letters.jsonl"), "--top-k", "0", "--gamma", str(gamma))
    return Case("tiny", label, ("--of", of, *pair, *suite, *QUICK, *flags))


def real(part: str, label: str, of: str, *flags: str, drafter: str = "drafter", gamma: int = 3) -> Case:
    """On SmolLM2-135M-Instruct and the same model with 4-bit weights, in float32."""
    pair = ("--target", str(REAL / "target"), "--drafter", f"model:{REAL / drafter},compress=none")
    if drafter == "ngram":
        pair = (*pair[:3], "ngram")
    return Case(part, label, ("--of", of, *pair, "--gamma", str(gamma), *flags))


PEERS = ("flashspec", "flashspec_default", "economize", "sequential_sd_standard", "sequential_sd_naive_hsd", "specdec")
BUG = ("--prompts", "1", "--controls", "")
FEW = ("--top-k", "0", "--samples", "300", "--prompts", "1", "--controls", "")
CASES = [
    *(real("own", rule, "draftlab", "--rule", rule) for rule in ("rejection", "block", "coupled")),
    *(real("own", f"planted:{bug}", f"planted:{bug}", "--temperature", "0.7", *BUG) for bug in LAW_BUGS),
    *(real("own", f"planted:{bug}", f"planted:{bug}", *BUG, "--samples", "300") for bug in COST_BUGS),
    tiny("draftlab", "draftlab"),
    tiny("transformers, draft model", "transformers"),
    tiny("transformers, prompt lookup", "transformers", drafter="ngram"),
    tiny("transformers, padded drafter", "transformers", drafter="drafter-padded"),
    *(tiny(peer, f"adapters:{peer}") for peer in PEERS),
    *(tiny("sequential_sd_capped_hsd", "adapters:sequential_sd_capped_hsd", gamma=gamma) for gamma in (3,)),
    real("real", "transformers, draft model", "transformers", *FEW),
    real("real", "transformers, prompt lookup", "transformers", *FEW, drafter="ngram"),
    real("real", "transformers, padded drafter", "transformers", *FEW, drafter="drafter-padded"),
    *(real("real", peer, f"adapters:{peer}", *FEW) for peer in (*PEERS, "sequential_sd_capped_hsd")),
    *(
        real("real", f"{peer}, padded drafter", f"adapters:{peer}", *FEW, drafter="drafter-padded")
        for peer in ("flashspec", "economize", "sequential_sd_standard", "specdec")
    ),
]


def main() -> None:
    """Run the audits that were asked for, and write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="*", help="parts (own, tiny, real) or labels; none: write the page alone")
    chosen = parser.parse_args().only
    FOUND.mkdir(exist_ok=True)
    for case in CASES:
        if chosen is None or {case.part, case.label} & set(chosen):
            audit(case)
    PAGE.write_text(page(), encoding="utf-8")


def audit(case: Case) -> None:
    """Run one audit, and keep its findings."""
    command = [sys.executable, "-m", "draftlab", "audit", *case.flags, "--json", "--out", str(SAMPLES / case.name)]
    print(case.name, flush=True)
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(HERE)}
    )
    found = json.loads(done.stdout) if done.stdout.strip().startswith("{") else {"refused": done.stderr.strip()[-300:]}
    kept = {"label": case.label, "flags": case.flags, "date": date.today().isoformat(), **found}
    (FOUND / f"{case.name}.json").write_text(json.dumps(kept, indent=1), encoding="utf-8")


def page() -> str:
    """The page, from all findings that are kept."""
    found = {case: json.loads(path.read_text()) for case in CASES if (path := FOUND / f"{case.name}.json").exists()}
    parts = {
        part: [(case, one) for case, one in found.items() if case.part == part] for part in ("own", "tiny", "real")
    }
    versions = next((one["versions"] for one in found.values() if "versions" in one), {})
    lines = (HERE / "audits.in.md").read_text(encoding="utf-8")
    dates = sorted({one["date"] for one in found.values()})
    return lines.format(
        own=table(parts["own"]),
        tiny=table(parts["tiny"]),
        real=table(parts["real"]),
        commands="\n".join(command(case) for case in found),
        versions=", ".join(f"{name} {version}" for name, version in versions.items()),
        dates=" and ".join([dates[0], dates[-1]] if len(dates) > 1 else dates) if dates else "",
    )


def table(rows: Sequence[tuple[Case, dict[str, Any]]]) -> str:
    """One line an audit."""
    head = (
        "| implementation | verdict | greedy texts identical | samples, prompts | finds | largest TV [95 %] "
        "| smallest p | tokens per new token: target, drafter (draftlab) |\n|---|---|---|---|---|---|---|---|"
    )
    return "\n".join([head, *(line(case.label, one) for case, one in rows)])


def line(label: str, one: dict[str, Any]) -> str:
    """One row of a table."""
    if "refused" in one:
        return f"| {label} | refused: {one['refused'].splitlines()[-1]} | | | | | | |"
    greedy = one["greedy"] or {
        "compared": 0,
        "identical": 0,
        "refused": None,
        "partings": (),
        "cost": {},
        "own_cost": {},
    }
    texts = f"{greedy['identical']} of {greedy['compared']}" if greedy["compared"] else "not offered"
    texts = texts if one["greedy"] else "–"
    whole = [test for test in one["tests"] if test["num_samples"] == one["num_samples"]]
    worst = max(whole, key=lambda test: test["total_variation"], default=None)
    tv = f"{worst['total_variation']:.3f} [{worst['low']:.3f}, {worst['high']:.3f}]" if worst else "–"
    p = f"{min(test['p_value'] for test in one['tests']):.1g}" if one["tests"] else "–"
    verdict = verdict_of(one)
    cost, own = greedy["cost"], greedy["own_cost"]
    passed = "–" if not cost.get("target") else f"{figures(cost)} ({figures(own)})"
    samples = f"{one['num_samples']}, {one['num_prompts']}"
    return f"| {label} | {verdict} | {texts} | {samples} | {one['detects']:.3f} | {tv} | {p} | {passed} |"


def verdict_of(one: dict[str, Any]) -> str:
    """As the audit said it; without controls what was not found is said instead."""
    if one.get("failure"):
        return f"**fails**: {one['failure'][:140]}"
    rejected = [test for test in one["tests"] if test["p_value"] < one["level"]]
    real = [parting for parting in (one["greedy"] or {}).get("partings", ()) if parting["kind"] == "real"]
    if rejected or real:
        return "**not lossless**"
    if not one["controls"]:
        return "nothing found"
    return "lossless" if one["controls"][0]["rejected"] else "undecided"


def figures(cost: dict[str, Any]) -> str:
    """Target and drafter tokens."""
    return ", ".join(f"{cost[role]:.1f}" for role in ("target", "drafter") if cost.get(role) is not None)


def command(case: Case) -> str:
    """The command, as one would type it."""
    return "draftlab audit " + " ".join(f"'{flag}'" if flag == "" else flag for flag in case.flags).replace(
        f"{HERE}/", "benchmarks/audits/"
    )


if __name__ == "__main__":
    main()
