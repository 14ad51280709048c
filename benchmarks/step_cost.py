"""What a pass costs by the number of its rows and by the length of the text, beside what its bytes would take.

    python benchmarks/step_cost.py --model smollm2-135m-instruct [--model DRAFTER ...] [--compress none] [--json FILE]

The first model is loaded as a target is, the others as drafters are. Passes go through the same contract as in the
loop: a target is asked for the logits of every row, a drafter for those of the last. The floor is the time in which the
weights and the cached keys and values could be read at the memory bandwidth that is measured beside it. It is no floor
for a model that fits into the processor's cache.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import numpy as np
from passes import Subject, Times, bandwidth, cache_bytes, fits, network_of, pass_bytes, time_passes
from rich.console import Console
from rich.table import Table

from draftlab.bench.environment import describe_environment
from draftlab.machine_name import machine_of
from draftlab.report.printable import printable_line
from draftlab.report.terminal import open_console
from draftlab.spec import make_experiment
from draftlab.workbench import load_model


@dataclass(frozen=True, slots=True)
class Cost:
    """The passes of one number of rows in one context. Times in ns."""

    context: int
    rows: int
    num: int
    median_ns: float
    low_ns: float
    """The first quartile; `high_ns` is the third."""
    high_ns: float
    weight_bytes: int | None
    cache_bytes: int | None
    floor_ns: float | None


def main() -> None:
    """Load, time, print."""
    asked = _arguments()
    rows, contexts = asked.rows or [1, 2, 3, 5, 8, 9, 17], asked.context or [64, 256, 1024, 4096]
    subjects = load(asked)
    for subject in subjects:
        for context in contexts:
            if not fits(subject.loaded, context + max(rows)):
                print(f"{subject.name}: left out, as it holds no {context} + {max(rows)} tokens")
    before = bandwidth(subjects[0].loaded, asked.buffer)
    times = time_passes(subjects, contexts, rows, turns=range(asked.repetitions), passes=asked.passes)
    after = bandwidth(subjects[0].loaded, asked.buffer)
    speed = max(before, after)
    costs = {subject: summarise(subject, times, speed) for subject in subjects}

    console, environment = open_console(), describe_environment()
    print(f"\n{date.today().isoformat()}, {machine_of(environment)}")
    print(f"memory bandwidth {before / 1e9:.1f} GB/s before, {after / 1e9:.1f} GB/s after; the higher one is used")
    for subject in subjects:
        show(console, subject, costs[subject])
    if asked.json:
        models = [
            {"name": s.name, "description": dict(s.loaded.description), "passes": [asdict(cost) for cost in costs[s]]}
            for s in subjects
        ]
        found = {
            "date": date.today().isoformat(),
            "environment": environment,
            "bandwidth": {"before": before, "after": after},
            "models": models,
        }
        Path(asked.json).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def load(asked: argparse.Namespace) -> list[Subject]:
    """The target, then the drafters."""
    experiment = make_experiment({"target": asked.model[0], "device": asked.device, "dtype": asked.dtype})
    subjects = [Subject(f"target {asked.model[0]}", load_model(asked.model[0], experiment, print), None)]
    for name in asked.model[1:]:
        loaded = load_model(name, experiment, print, compress=asked.compress)
        subjects.append(Subject(f"drafter {name}", loaded, 1))
    return subjects


def summarise(subject: Subject, times: Times, speed: float) -> list[Cost]:
    """The costs of one model; `speed` is the memory bandwidth in bytes per second."""
    network = network_of(subject.loaded)
    weights = None if network is None else pass_bytes(network)
    costs = []
    for (owner, context, rows), taken in times.items():
        if owner is subject:
            low, middle, high = (float(ns) for ns in np.quantile(taken, (0.25, 0.5, 0.75)))
            cached = None if network is None else cache_bytes(network, context)
            floor = None if weights is None or cached is None else (weights + cached) / speed * 1e9
            costs.append(Cost(context, rows, len(taken), middle, low, high, weights, cached, floor))
    return costs


def show(console: Console, subject: Subject, costs: Sequence[Cost]) -> None:
    """A table of one model, and what the second row costs in each context."""
    description = subject.loaded.description
    facts = [str(description[key]) for key in ("dtype", "linear", "device") if key in description]
    if costs and costs[0].weight_bytes is not None:
        facts.append(f"{costs[0].weight_bytes / 1e6:.0f} MB of weights a pass")
    table = Table(title=printable_line(f"{subject.name} ({', '.join(facts)})"), title_justify="left")
    for name in ("context", "rows", "ms", "middle half", "floor ms", "of it cache", "ms / floor", "against one row"):
        table.add_column(name, justify="right")
    single = {cost.context: cost.median_ns for cost in costs if cost.rows == 1}
    for cost in costs:
        floor = ("", "", "")
        if cost.floor_ns is not None and cost.weight_bytes is not None and cost.cache_bytes is not None:
            share = cost.cache_bytes / (cost.weight_bytes + cost.cache_bytes)
            floor = (_ms(cost.floor_ns), f"{share:.0%}", f"{cost.median_ns / cost.floor_ns:.2f}")
        more = f"{cost.median_ns / single[cost.context]:.2f}" if cost.context in single else ""
        spread = f"{_ms(cost.low_ns)} - {_ms(cost.high_ns)}"
        last = cost.rows == max(c.rows for c in costs)
        table.add_row(f"{cost.context}", f"{cost.rows}", _ms(cost.median_ns), spread, *floor, more, end_section=last)
    console.print()
    console.print(table)
    for cost in costs:
        if cost.rows == 2 and cost.context in single:
            one = single[cost.context]
            console.print(
                f"from one row to two at {cost.context} tokens: {(cost.median_ns - one) / 1e6:+.2f} ms "
                f"({cost.median_ns / one - 1:+.1%})"
            )


def _ms(ns: float) -> str:
    return f"{ns / 1e6:.2f}"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", action="append", required=True, help="the target; after it, any drafters")
    parser.add_argument("--compress", choices=("none", "int8", "int4", "auto"), default="auto", help="of the drafters")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--rows", action="append", type=int)
    parser.add_argument("--context", action="append", type=int)
    parser.add_argument("--repetitions", type=int, default=3, help="visits of each model and context")
    parser.add_argument("--passes", type=int, default=5, help="counted in each visit, of each number of rows")
    parser.add_argument("--buffer", type=int, default=1024, help="MiB to measure the memory bandwidth with")
    parser.add_argument("--json", help="write the numbers to this file")
    return parser.parse_args()


if __name__ == "__main__":
    main()
