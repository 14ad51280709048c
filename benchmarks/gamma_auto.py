"""Does `--gamma auto` keep its promises: never much slower than plain decoding, not far from the best fixed gamma?

    draftlab bench --target T --drafter D --suite code --suite prose --gamma 1 ... --gamma 8 --gamma auto --out RUN
    python benchmarks/gamma_auto.py RUN

Plain decoding, every fixed gamma and auto are arms of one ordinary bench, so that they alternate prompt by prompt. The
best fixed gamma of a category is the one that turned out fastest on these very prompts, which no user knows before.
"""

from __future__ import annotations

import sys
from pathlib import Path

from draftlab.pairs import Pairs
from draftlab.records import Arm
from draftlab.report.reading import Run, categories
from draftlab.report.terminal import figure
from draftlab.store import Store


def main(folder: str) -> None:
    """Auto against plain decoding, and against the best fixed gamma of each category."""
    run = Run.read(Store.open(Path(folder)))
    for auto in (arm for arm in run.arms("drafted") if arm.draft_length == "auto"):
        costs = auto.costs or (1,)
        print(f"{auto.drafter}: a round of 0, 1, ... tokens costs {', '.join(f'{c / costs[0]:.2f}' for c in costs)}")
        fixed = [arm for arm in run.arms("drafted") if arm.drafter == auto.drafter and arm.draft_length == "fixed"]
        for category in categories(run.manifest):

            def speedup(arm: Arm, category: str = category) -> float:
                return run.pairs(arm, category).walltime_speedup().value or 0.0

            best = max(fixed, key=speedup)
            beside = Pairs.match(run.traces_of(best, category), run.traces_of(auto, category)).walltime_speedup()
            plain = run.pairs(auto, category).walltime_speedup()
            print(
                f"  {category}: auto {figure(plain, '.3f')} of plain decoding; {figure(beside, '.3f')} of the best "
                f"fixed gamma, {best.gamma} ({speedup(best):.3f} of plain)"
            )


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    main(sys.argv[1])
