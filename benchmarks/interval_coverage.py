"""How often does the 95 % interval of a speed-up hold the true speed-up, by number of prompts?

    python benchmarks/interval_coverage.py

Prompts are made up: the logs of a prompt's time and of its speed-up are normal with standard deviation 0.3.
"""

from __future__ import annotations

import numpy as np

from draftlab import stats

TRIALS = 400
SPREAD = 0.3


def main() -> None:
    """Print a table of coverages."""
    stats.MIN_PROMPTS = 2
    generator = np.random.default_rng(0)
    print("prompts  coverage")
    for num_prompts in (2, 3, 4, 6, 8, 12, 20, 40):
        hits = 0
        for _ in range(TRIALS):
            tokens = np.full(num_prompts, 100.0)
            arm = np.exp(SPREAD * generator.standard_normal(num_prompts))
            base = arm * np.exp(SPREAD * generator.standard_normal(num_prompts))
            found = stats.ratio_of_ratios((base, tokens), (arm, tokens))
            truth = np.exp(SPREAD**2 / 2)  # the mean of a log-normal factor that is independent of the arm's time
            hits += found.low <= truth <= found.high
        print(f"{num_prompts:7d}  {hits / TRIALS:.2f}")


if __name__ == "__main__":
    main()
