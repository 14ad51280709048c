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
import shlex
import subprocess
import sys
from collections.abc import Iterable, Sequence
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
    "residual_from_p", "raw_q", "argmax_with_soft_q", "reused_draw", "residual_warped_again", "equal_coins",
    "same_chance_every_round",
)  # fmt: skip
QUICK = ("--prompts", "1", "--controls", "residual_from_p", "--samples", "1500")


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
FEW = ("--top-k", "0", "--samples", "100", "--prompts", "1", "--controls", "")
CASES = [
    real("own", "rejection", "draftlab", "--temperature", "0.7", "--controls", ",".join(LAW_BUGS)),
    *(real("own", rule, "draftlab", "--rule", rule, *QUICK) for rule in ("block", "coupled")),
    tiny("draftlab", "draftlab"),
    tiny("transformers, draft model", "transformers"),
    tiny("transformers, prompt lookup", "transformers", drafter="ngram"),
    tiny("transformers, padded drafter", "transformers", drafter="drafter-padded"),
    *(tiny(peer, f"adapters:{peer}") for peer in PEERS),
    *(
        tiny(f"sequential_sd_capped_hsd, gamma {gamma}", "adapters:sequential_sd_capped_hsd", gamma=gamma)
        for gamma in (1, 2, 3)
    ),
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
    if done.returncode == 2:
        found = {"refused": done.stderr.strip().splitlines()[-1].removeprefix("error: ")}
    else:
        found = json.loads(done.stdout)  # anything else is a fault of ours, and ends here
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
    if not parts["real"]:  # nothing is said of what was not run
        before, _, rest = lines.partition("## Others, on SmolLM2")
        lines = before + "## Fair to them" + rest.partition("## Fair to them")[2]
    dates = sorted({one["date"] for one in found.values()})
    return lines.format(
        own=table(parts["own"]),
        controls=controls(one for _, one in parts["own"]),
        tiny=table(parts["tiny"]),
        real=table(parts["real"]),
        commands="\n".join(command(one["flags"]) for one in found.values()),
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


def controls(audits: Iterable[dict[str, Any]]) -> str:
    """One line a planted bug of the audits that ran more than one."""
    head = "| planted bug | found | p, corrected | total variation |\n|---|---|---|---|"
    lines = [
        f"| `{one['name']}`: {one['title']} | {'yes' if one['rejected'] else '**no**'} | {one['p_value']:.1g} "
        f"| {one['total_variation']:.3f} |"
        for audit in audits
        if len(audit.get("controls", ())) > 1
        for one in audit["controls"]
    ]
    return "\n".join([head, *lines])


def line(label: str, one: dict[str, Any]) -> str:
    """One row of a table."""
    if "refused" in one:
        return f"| {label} | refused: {one['refused']} | | | | | | |"
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
    finds = "–" if one["detects"] is None else f"{one['detects']:.3f}"
    return f"| {label} | {verdict} | {texts} | {samples} | {finds} | {tv} | {p} | {passed} |"


def verdict_of(one: dict[str, Any]) -> str:
    """As the audit said it; where no planted bug was run beside it, that nothing was found."""
    match one["verdict"]:
        case "failed":
            return f"**fails**: {one['failure'][:140]}"
        case "not lossless":
            return "**not lossless**" + (f"; fails: {one['failure'][:120]}" if one.get("failure") else "")
        case "undecided" if not one["controls"]:
            return "nothing found"
        case verdict:
            return str(verdict)


def figures(cost: dict[str, Any]) -> str:
    """Target and drafter tokens."""
    return ", ".join(f"{cost[role]:.1f}" for role in ("target", "drafter") if cost.get(role) is not None)


def command(flags: Sequence[str]) -> str:
    """The command, as one would type it."""
    return shlex.join(["draftlab", "audit", *flags]).replace(f"{HERE}/", "benchmarks/audits/")


if __name__ == "__main__":
    main()
