"""How well do the costs of some prompts predict the speed-ups on others?

    draftlab bench --target T --drafter D --gamma 1 --gamma 2 ... --gamma 8 --out RUN
    python benchmarks/prediction.py RUN

The costs are fitted to the watched decodes of the run (`--phases`), for each drafter to those of all its draft lengths.
Predicted and measured are compared on the prompts that were not watched, with the rounds that they really had.
"""

from __future__ import annotations

import sys
from pathlib import Path
from statistics import median

from draftlab.cost import fit
from draftlab.pairs import Pairs
from draftlab.report.prediction import round_cost
from draftlab.report.reading import Run
from draftlab.report.rounds import timed_rounds, total
from draftlab.store import Store


def main(folder: str) -> None:
    """Print each arm, then the median and the largest error."""
    run = Run.read(Store.open(Path(folder)))
    prompts = {p.id: p for p in run.manifest.prompts if p.id not in run.manifest.phase_prompts}
    errors = []
    print(f"{len(prompts)} prompts that were not watched; costs from {len(run.manifest.phase_prompts)} others")
    for arm in run.arms("drafted"):
        same_drafter = {a.id for a in run.arms("drafted") if a.drafter == arm.drafter} | {run.baseline.id}
        costs = fit((p for p in run.phases if p.arm in same_drafter), plain=run.baseline.id)
        both = run.pairs(arm)
        held_out = Pairs({name: found for name, found in both.by_prompt.items() if name in prompts})
        adapts = arm.draft_length == "auto"
        plain_ns = drafted_ns = 0.0
        plain_tokens = drafted_tokens = 0
        for ours, theirs in held_out.all():
            prompt = prompts[ours.prompt_id]
            steps = timed_rounds(ours, prompt, 0)
            plain_ns += sum(costs.plain_ns(step.context) for step in steps)
            drafted_ns += total(timed_rounds(theirs, prompt, arm.gamma, adapts=adapts), round_cost(costs))
            plain_tokens += len(ours.tokens)
            drafted_tokens += len(theirs.tokens)
        predicted = (plain_ns / plain_tokens) / (drafted_ns / drafted_tokens)
        measured = held_out.walltime_speedup()
        assert measured.value is not None
        errors.append(predicted / measured.value - 1)
        interval = "" if measured.low is None else f" [{measured.low:.2f}, {measured.high:.2f}]"
        print(
            f"{arm.id:60.60}  predicted {predicted:.2f}x  measured {measured.value:.2f}x{interval}  {errors[-1]:+.1%}"
        )
    print(f"median error {median(map(abs, errors)):.1%}, largest {max(map(abs, errors)):.1%}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    main(sys.argv[1])
