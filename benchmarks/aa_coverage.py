"""In how many comparisons of plain decoding with itself does the 95 % interval contain 1, on this machine?

    python benchmarks/aa_coverage.py
    python benchmarks/aa_coverage.py --target smollm2-135m-instruct --drafter ngram --suite code --suite prose

Every comparison is a bench of its own with a drafted arm between the two baselines, as a user runs it: one process, one
load of the models, a warm-up for each. Of ten comparisons 95 % intervals should contain 1 in nine or ten.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from draftlab.bench.run import run_bench
from draftlab.build import prepare_bench
from draftlab.report.measure import measure
from draftlab.report.notes import machine_notes
from draftlab.spec import make_experiment


def main() -> None:
    """Print each comparison, and how many contain 1."""
    asked = _arguments()
    experiment = make_experiment(
        {
            "target": asked.target,
            "drafters": (asked.drafter,),
            "suites": tuple(asked.suite or ("code", "prose")),
            "gammas": (asked.gamma,),
            "limit": asked.limit,
            "max_new_tokens": asked.max_new_tokens,
            "repetitions": asked.repetitions,
            "ignore_eos": True,
            "phases": 0,
        }
    )
    bench = prepare_bench(experiment, print)
    hits = 0
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(asked.out or scratch)
        for number in range(asked.comparisons):
            report = measure(run_bench(bench, folder / f"{number:03d}"))
            floor = report.noise_floor
            if floor is None or floor.low is None or floor.high is None:
                raise SystemExit("no interval: give it at least six prompts")
            contains = floor.low <= 1.0 <= floor.high
            hits += contains
            print(f"{number + 1:3d}  {'contains 1' if contains else 'DOES NOT  '}  {'; '.join(machine_notes(report))}")
    print(f"{hits} of {asked.comparisons} intervals contain 1")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", default="toy")
    parser.add_argument("--drafter", default="model:toy:0.3")
    parser.add_argument("--suite", action="append")
    parser.add_argument("--gamma", type=int, default=3)
    parser.add_argument("--limit", type=int, default=12, help="prompts of each suite")
    parser.add_argument("--max-new-tokens", type=int, default=32)
    parser.add_argument("--repetitions", type=int, default=1)
    parser.add_argument("--comparisons", type=int, default=10)
    parser.add_argument("--out", help="keep the runs in this folder")
    return parser.parse_args()


if __name__ == "__main__":
    main()
