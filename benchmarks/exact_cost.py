"""What `--exact` costs: the same texts in both modes, in one process, side by side.

    python benchmarks/exact_cost.py TARGET DRAFTER [--gamma 4] [--prompts 8] [--max-new-tokens 48]

DRAFTER is written as on the command line. Both modes are loaded; for every prompt plain and speculative decoding run in
each, in rotated order. Printed are paired ratios of time per token, exact over default, with 95 % intervals over the
prompts: below 1 exact mode is slower.
"""

from __future__ import annotations

import argparse
import platform
from datetime import date

from draftlab.bench.clock import WallClock
from draftlab.bench.recorder import record
from draftlab.chance import make_chance
from draftlab.decoding import Decoder
from draftlab.report.terminal import figure
from draftlab.spec import make_experiment
from draftlab.stats import ratio_of_ratios
from draftlab.suites import load_suites
from draftlab.workbench import Workbench


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("target")
    parser.add_argument("drafter")
    parser.add_argument("--gamma", type=int, default=4)
    parser.add_argument("--prompts", type=int, default=8, help="of each of code and prose")
    parser.add_argument("--max-new-tokens", type=int, default=48)
    asked = parser.parse_args()

    settings = {"target": asked.target, "drafters": (asked.drafter,), "gammas": (asked.gamma,), "ignore_eos": True}
    decoders: dict[tuple[str, str], tuple[Workbench, Decoder]] = {}
    for mode in ("default", "exact"):
        bench = Workbench.open(make_experiment({**settings, "exact": mode == "exact"}), say=print)
        decoders[mode, "plain"] = (bench, bench.decoder(bench.drafter("none"), 0))
        decoders[mode, "drafted"] = (bench, bench.decoder(bench.drafter(asked.drafter), asked.gamma))

    names = list(decoders)
    prompts = [prompt for suite in load_suites(("code", "prose"), asked.prompts) for prompt in suite.prompts]
    times: dict[tuple[str, str], list[float]] = {name: [] for name in names}
    counts: dict[tuple[str, str], list[float]] = {name: [] for name in names}
    same = dict.fromkeys(("default", "exact"), 0)
    for turn, prompt in enumerate([prompts[0], *prompts]):  # the first once more, to warm up
        texts = {}
        for name in names[turn % 4 :] + names[: turn % 4]:
            bench, decoder = decoders[name]
            events = decoder.decode(
                bench.encode(prompt), max_new_tokens=asked.max_new_tokens, chance=make_chance(0, coupled=False)
            )
            found = record(events, WallClock(bench.target.synchronize))
            texts[name] = found.tokens
            if turn:
                times[name].append(found.decode_ns / 1e9)
                counts[name].append(len(found.tokens))
        if turn:
            for mode in same:
                same[mode] += texts[mode, "plain"] == texts[mode, "drafted"]

    machine = platform.processor() or platform.machine()
    print(f"\n{date.today().isoformat()}, {machine}, {asked.target}, {asked.drafter}")
    for kind in ("plain", "drafted"):
        ratio = ratio_of_ratios(
            (counts["exact", kind], times["exact", kind]), (counts["default", kind], times["default", kind])
        )
        print(f"{kind}: exact mode has {figure(ratio, '.3f')} of the default mode's tokens per second")
    for mode in same:
        ratio = ratio_of_ratios(
            (counts[mode, "drafted"], times[mode, "drafted"]), (counts[mode, "plain"], times[mode, "plain"])
        )
        print(
            f"{mode}: speed-up {figure(ratio, '.3f')}; {same[mode]} of {len(prompts)} texts identical to plain decoding"
        )


if __name__ == "__main__":
    main()
