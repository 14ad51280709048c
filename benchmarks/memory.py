"""What models and caches take in memory, and whether memory grows over many prompts in a row.

    python benchmarks/memory.py smollm2-135m-instruct model:DRAFTER [--gamma 4] [--prompts 50] [--json FILE]

A process of its own, so that nothing was there before the models. Memory may grow with the longest text so far, since
the cache keeps its buffers; that length stands beside it. After that, it should stay level.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from itertools import cycle, islice
from pathlib import Path

import psutil
import torch
from passes import cache_bytes, network_of, stored_bytes
from rich.table import Table

from draftlab.bench.environment import describe_environment
from draftlab.chance import make_chance
from draftlab.decoding import Decoder
from draftlab.machine_name import machine_of
from draftlab.report.terminal import open_console
from draftlab.spec import make_experiment
from draftlab.suites import load_suites
from draftlab.types import LoadedModel
from draftlab.workbench import Workbench

_MIB = 2**20
_LOOKS = (1, 10, 25, 50)


@dataclass(frozen=True, slots=True)
class Look:
    """The process's memory at one moment."""

    when: str
    prompts: int
    """Decoded so far."""
    longest: int
    """Tokens of the longest text so far."""
    resident_bytes: int
    gpu_bytes: int | None
    """That tensors take on the GPUs; None without one."""


def main() -> None:
    """Load, decode, print."""
    asked = _arguments()
    looks = [look("before loading")]
    settings = {"target": asked.target, "drafters": (asked.drafter,), "gammas": (asked.gamma,), "ignore_eos": True}
    bench = Workbench.open(make_experiment({**settings, "device": asked.device, "dtype": asked.dtype}), say=print)
    looks.append(look("target loaded"))
    drafter = bench.drafter(asked.drafter)
    looks.append(look("drafter loaded"))
    looks += over_prompts(bench, bench.decoder(drafter, asked.gamma), asked.prompts, asked.max_new_tokens)

    environment = describe_environment()
    print(f"\n{date.today().isoformat()}, {machine_of(environment)}, {asked.target}, {asked.drafter}")
    models = {"target": bench.target, **{f"drafter {n}": loaded for n, loaded in bench.drafter_models.items()}}
    sizes = {name: sizes_of(loaded, looks[-1].longest) for name, loaded in models.items()}
    show(sizes, looks)
    if asked.json:
        found = {
            "date": date.today().isoformat(),
            "environment": environment,
            "models": sizes,
            "looks": [asdict(each) for each in looks],
        }
        Path(asked.json).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def over_prompts(bench: Workbench, decoder: Decoder, num: int, max_new_tokens: int) -> Iterator[Look]:
    """Decode `num` prompts in a row, those of code and of prose in turn, and look after some of them."""
    code, prose = (suite.prompts for suite in load_suites(("code", "prose"), num))
    prompts = (prompt for pair in zip(cycle(code), cycle(prose), strict=False) for prompt in pair)
    longest = 0
    for number, prompt in enumerate(islice(prompts, num), start=1):
        tokens, chance = bench.encode(prompt), make_chance(0, decoder.rule.coupled)
        for _ in decoder.decode(tokens, max_new_tokens=max_new_tokens, chance=chance):
            pass
        longest = max(longest, len(tokens) + max_new_tokens)
        if number in _LOOKS or number == num:
            yield look(f"prompt {number} decoded", number, longest)


def look(when: str, prompts: int = 0, longest: int = 0) -> Look:
    """The memory now."""
    gpus = range(torch.cuda.device_count()) if torch.cuda.is_available() else ()
    on_gpus = sum(torch.cuda.memory_allocated(gpu) for gpu in gpus) if gpus else None
    return Look(when, prompts, longest, int(psutil.Process().memory_info().rss), on_gpus)


def sizes_of(loaded: LoadedModel, context: int) -> dict[str, int]:
    """The bytes of a model's weights as they are stored, and of its cache after `context` tokens; none of a toy."""
    network = network_of(loaded)
    if network is None:
        return {}
    cached = cache_bytes(network, context)
    return {"weight_bytes": stored_bytes(network), "context": context, "cache_bytes": cached}


def show(sizes: dict[str, dict[str, int]], looks: Sequence[Look]) -> None:
    """What there should be, then what there is."""
    console = open_console()
    for name, size in sizes.items():
        if size:
            console.print(
                f"{name}: weights {size['weight_bytes'] / _MIB:.1f} MiB, "
                f"keys and values of {size['context']} tokens {size['cache_bytes'] / _MIB:.1f} MiB",
                markup=False,
            )
    table = Table("", "longest text", "resident MiB", "since the first prompt", "GPU MiB")
    first = next((each for each in looks if each.prompts), None)
    for each in looks:
        grown = each.resident_bytes - first.resident_bytes if first and each.prompts else None
        table.add_row(
            each.when,
            f"{each.longest}" if each.prompts else "",
            f"{each.resident_bytes / _MIB:.1f}",
            "" if grown is None else f"{grown / _MIB:+.1f}",
            "" if each.gpu_bytes is None else f"{each.gpu_bytes / _MIB:.1f}",
        )
    console.print(table)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target")
    parser.add_argument("drafter")
    parser.add_argument("--gamma", type=int, default=4)
    parser.add_argument("--prompts", type=int, default=50)
    parser.add_argument("--max-new-tokens", type=int, default=32)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--json", help="write the numbers to this file")
    return parser.parse_args()


if __name__ == "__main__":
    main()
