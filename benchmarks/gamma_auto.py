"""Does `--gamma auto` keep its promises: never much slower than plain decoding, not far from the best fixed gamma?

    python benchmarks/gamma_auto.py --target smollm2-135m-instruct --drafter ngram --suite code --suite prose

Plain decoding, every fixed gamma and auto are arms of one ordinary bench, so that they alternate prompt by prompt. The
best fixed gamma of a category is the one that turned out fastest on these very prompts, which no user knows before.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from draftlab.bench.run import run_bench
from draftlab.build import prepare_bench
from draftlab.pairs import Pairs
from draftlab.records import Arm
from draftlab.report.reading import Run, categories
from draftlab.report.terminal import figure
from draftlab.spec import make_experiment
from draftlab.store import Store


def main() -> None:
    """Print a line for each drafter and category."""
    asked = _arguments()
    experiment = make_experiment(
        {
            "target": asked.target,
            "drafters": tuple(asked.drafter or ("ngram",)),
            "suites": tuple(asked.suite or ("code", "prose")),
            "gammas": (*range(1, asked.most + 1), "auto"),
            "limit": asked.limit,
            "max_new_tokens": asked.max_new_tokens,
            "repetitions": asked.repetitions,
            "ignore_eos": True,
            "phases": 0,
        }
    )
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(asked.out) if asked.out else Path(scratch) / "run"
        show(run_bench(prepare_bench(experiment, print), folder))


def show(store: Store) -> None:
    """Auto against plain decoding, and against the best fixed gamma of each category."""
    run = Run.read(store)
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


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", default="toy")
    parser.add_argument("--drafter", action="append")
    parser.add_argument("--suite", action="append")
    parser.add_argument("--most", type=int, default=8, help="the largest fixed gamma")
    parser.add_argument("--limit", type=int, default=12, help="prompts of each suite")
    parser.add_argument("--max-new-tokens", type=int, default=128)
    parser.add_argument("--repetitions", type=int, default=1)
    parser.add_argument("--out", help="keep the run in this folder")
    return parser.parse_args()


if __name__ == "__main__":
    main()
