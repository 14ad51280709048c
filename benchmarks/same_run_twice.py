"""How often do two runs of the same settings get another verdict than "no difference seen"?

All pairs of 16 toy runs, per category; 5 % is nominal. A toy decode takes milliseconds, so this is the hardest case.
Run: python benchmarks/same_run_twice.py (about half a minute; the numbers stand in docs/how-to).
"""

from __future__ import annotations

import tempfile
from collections import Counter
from itertools import combinations
from pathlib import Path

from draftlab import Experiment, compare, run

NUM_RUNS = 16


def main() -> None:
    """Print one line per number of repetitions and category."""
    for repetitions in (1, 3):
        experiment = Experiment(
            target="toy",
            drafters=("model:toy:0.3",),
            limit=8,
            max_new_tokens=24,
            ignore_eos=True,
            repetitions=repetitions,
        )
        with tempfile.TemporaryDirectory() as folder:
            stores = [run(experiment, Path(folder) / str(i)) for i in range(NUM_RUNS)]
            pairs = list(combinations(stores, 2))
            wrong: Counter[str] = Counter()
            for pair in pairs:
                for entry in compare(pair).arms:
                    wrong[entry.category] += entry.verdict != "no difference seen"
        for category in ("code", "prose", "all"):
            print(f"repetitions {repetitions}, {category:5}: {wrong[category]} of {len(pairs)} pairs")


if __name__ == "__main__":
    main()
