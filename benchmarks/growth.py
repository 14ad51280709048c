"""Does decoding get slower as the text grows, by more than attention has to?

    python benchmarks/growth.py smollm2-135m-instruct model:DRAFTER [--gamma 4] [--context 256 ...] [--json FILE]

Texts of different lengths end at the same place of a real source file, so that they go on alike; plain and speculative
decoding of each take turns. Beside the time of a round stand the bare passes that the round consists of, timed in the
same minutes, and the least that attention costs: the bytes of the cached keys and values over the memory bandwidth.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from statistics import median

from passes import Subject, Times, bandwidth, cache_bytes, fits, long_text, network_of, rotated, time_passes
from rich.table import Table

from draftlab.bench.clock import WallClock
from draftlab.bench.environment import describe_environment
from draftlab.bench.recorder import Recording, record
from draftlab.chance import make_chance
from draftlab.decoding import Decoder
from draftlab.machine_name import machine_of
from draftlab.records import Rounds
from draftlab.report.terminal import open_console
from draftlab.spec import make_experiment
from draftlab.workbench import Workbench


@dataclass(frozen=True, slots=True)
class Cost:
    """What decoding costs after a text of `context` tokens: medians over the repetitions, in ns."""

    context: int
    arm: str
    token_ns: float
    round_ns: float
    passes_ns: float
    """The bare passes of a round, at the rows that it had."""
    cache_ns: float
    """Reading the keys and values of those passes at the measured bandwidth."""
    tokens_per_round: float


def main() -> None:
    """Measure and print."""
    asked = _arguments()
    settings = {"target": asked.target, "drafters": (asked.drafter,), "gammas": (asked.gamma,), "ignore_eos": True}
    bench = Workbench.open(make_experiment({**settings, "device": asked.device, "dtype": asked.dtype}), say=print)
    drafter = bench.drafter(asked.drafter)
    arms = {"plain": bench.decoder(bench.drafter("none"), 0), "drafted": bench.decoder(drafter, asked.gamma)}
    subjects = [Subject("target", bench.target, None)]
    subjects += [Subject("drafter", loaded, 1) for loaded in bench.drafter_models.values()]
    room = max(asked.max_new_tokens, asked.gamma + 1)
    lengths = [n for n in asked.context or (256, 1024, 4096) if all(fits(s.loaded, n + room) for s in subjects)]
    if not lengths:
        raise SystemExit("no length fits into the context of both models")
    speed = bandwidth(bench.target, asked.buffer)
    costs = over_lengths(bench, arms, subjects, lengths, speed, asked)

    environment = describe_environment()
    print(f"\n{date.today().isoformat()}, {machine_of(environment)}, {asked.target}, {asked.drafter}")
    show(costs, speed)
    if asked.json:
        found = {
            "date": date.today().isoformat(),
            "environment": environment,
            "bandwidth": speed,
            "costs": [asdict(cost) for cost in costs],
        }
        Path(asked.json).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def over_lengths(
    bench: Workbench,
    arms: dict[str, Decoder],
    subjects: Sequence[Subject],
    lengths: Sequence[int],
    speed: float,
    asked: argparse.Namespace,
) -> list[Cost]:
    """Decodes of every arm and length in rotated order, and the bare passes at the same lengths after each turn."""
    cells = [(length, arm) for length in lengths for arm in arms]
    recordings: dict[tuple[int, str], list[Recording]] = {cell: [] for cell in cells}
    times: Times = {}
    for decoder in arms.values():
        decode(bench, decoder, long_text(bench.target, min(lengths)), asked.max_new_tokens)  # to warm up
    for turn in range(asked.repetitions):
        text = long_text(bench.target, max(lengths) + turn * asked.max_new_tokens)
        for length, arm in rotated(cells, turn):
            recordings[length, arm].append(decode(bench, arms[arm], text[-length:], asked.max_new_tokens))
        rows = range(1, asked.gamma + 2)
        for key, taken in time_passes(subjects, lengths, rows, turns=range(turn, turn + 1), passes=3).items():
            times.setdefault(key, []).extend(taken)
    return [summarise(length, arm, recordings[length, arm], subjects, times, speed) for length, arm in cells]


def decode(bench: Workbench, decoder: Decoder, tokens: Sequence[int], max_new_tokens: int) -> Recording:
    """One text, timed as a bench times it."""
    events = decoder.decode(tokens, max_new_tokens=max_new_tokens, chance=make_chance(0, decoder.rule.coupled))
    return record(events, WallClock(bench.target.synchronize))


def summarise(
    length: int, arm: str, found: Sequence[Recording], subjects: Sequence[Subject], times: Times, speed: float
) -> Cost:
    """The medians of one cell."""

    def passing(subject: Subject) -> Callable[[int], float]:
        return lambda rows: median(times[subject, length, rows])

    def reading(subject: Subject) -> Callable[[int], float]:
        network = network_of(subject.loaded)
        return lambda _: 0.0 if network is None else cache_bytes(network, length) / speed * 1e9

    def each(total: Callable[[Recording], float], per: Callable[[Recording], int]) -> float:
        return median(total(recording) / per(recording) for recording in found)

    def num_rounds(recording: Recording) -> int:
        return len(recording.rounds.drafted)

    return Cost(
        context=length,
        arm=arm,
        token_ns=each(lambda r: r.decode_ns, lambda r: len(r.tokens)),
        round_ns=each(lambda r: r.decode_ns, num_rounds),
        passes_ns=each(lambda r: sum_of_passes(r.rounds, [passing(s) for s in subjects]), num_rounds),
        cache_ns=each(lambda r: sum_of_passes(r.rounds, [reading(s) for s in subjects]), num_rounds),
        tokens_per_round=each(lambda r: len(r.tokens), num_rounds),
    )


def sum_of_passes(rounds: Rounds, costs: Sequence[Callable[[int], float]]) -> float:
    """Of the target, and of the drafter if it is a model; each cost is that of a pass by its number of rows."""
    target, *drafters = costs
    total, behind = 0.0, 1  # after a full acceptance the drafter has to catch up with one token more
    for drafted, accepted in zip(rounds.drafted, rounds.accepted, strict=True):
        total += target(drafted + 1)
        if drafted:
            total += sum(drafter(behind) + (drafted - 1) * drafter(1) for drafter in drafters)
        behind = 2 if drafted and accepted == drafted else 1
    return total


def show(costs: Sequence[Cost], speed: float) -> None:
    """A row for each length and arm, and the growth from the first length to the last."""
    console = open_console()
    columns = ("context", "arm", "ms a token", "tokens a round", "ms a round", "its passes", "the rest", "cache read")
    table = Table(*columns)
    for c in costs:
        times = (c.round_ns, c.passes_ns, c.round_ns - c.passes_ns, c.cache_ns)
        table.add_row(
            f"{c.context}",
            c.arm,
            f"{c.token_ns / 1e6:.2f}",
            f"{c.tokens_per_round:.2f}",
            *(f"{ns / 1e6:.2f}" for ns in times),
        )
    console.print(table)
    for arm in dict.fromkeys(c.arm for c in costs):
        of_arm = [c for c in costs if c.arm == arm]
        first, last = of_arm[0], of_arm[-1]
        if last is not first:
            console.print(
                f"{arm}, from {first.context} to {last.context} tokens: "
                f"a round {_grown(first.round_ns, last.round_ns)}, "
                f"its passes {_grown(first.passes_ns, last.passes_ns)}; "
                f"reading the cache at {speed / 1e9:.1f} GB/s alone {_grown(first.cache_ns, last.cache_ns)}"
            )


def _grown(first: float, last: float) -> str:
    return f"{(last - first) / 1e6:+.2f} ms"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target")
    parser.add_argument("drafter")
    parser.add_argument("--gamma", type=int, default=4)
    parser.add_argument("--context", action="append", type=int)
    parser.add_argument("--max-new-tokens", type=int, default=32)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--buffer", type=int, default=1024, help="MiB to measure the memory bandwidth with")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--json", help="write the numbers to this file")
    return parser.parse_args()


if __name__ == "__main__":
    main()
