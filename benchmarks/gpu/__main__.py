"""What the CUDA path is worth on the notebook's three pairs, in their real shapes. Needs a GPU and no download.

    python -m benchmarks.gpu                       # in a clone of draftlab; about 40 GB of GPU memory for pythia
    python -m benchmarks.gpu --pairs qwen2.5 --gamma 4 --acceptance 0.8 --json gpu.json
    python -m benchmarks.gpu --tiny --device cpu   # the same code with tiny networks, to see that it runs

Weights are random, and acceptance is imposed at a stated rate, so that nothing but the system is measured: passes
against the time in which the memory can deliver the weights, drafts, rounds, the time in which the device waits for the
host, and tokens per second; eager, with CUDA graphs, and by transformers' assisted generation.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
from datetime import date
from pathlib import Path
from typing import Any

import torch
import transformers
from rich.console import Console

from .measure import measure
from .setting import Setting
from .shapes import real_pairs, tiny_pairs
from .table import show
from .timing import bandwidth, driver

_BLOCK = 2**30  # bytes, for the bandwidth: far more than any cache
_TINY_BLOCK = 2**22


def main() -> int:
    """Measure, print one table; the exit status is 2 where there is no GPU."""
    asked = _arguments()
    device = torch.device("cuda" if asked.device == "auto" else asked.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        print("benchmarks.gpu: there is no CUDA device here (torch sees none); --tiny --device cpu shows that it runs")
        return 2
    if device.type != "cuda" and not asked.tiny:
        print(f"benchmarks.gpu: real shapes are measured on a CUDA device, not on {device}; add --tiny")
        return 2
    transformers.logging.set_verbosity_error()
    document = _measure_all(asked, device)
    show(document, Console())
    if asked.json:
        asked.json.write_text(json.dumps(document, indent=1) + "\n")
    return 0


def _measure_all(asked: argparse.Namespace, device: torch.device) -> dict[str, Any]:
    setting = Setting(
        gamma=asked.gamma,
        acceptance=asked.acceptance,
        context=asked.context,
        new_tokens=asked.new_tokens,
        repeats=asked.repeats,
        times=asked.times,
        device=device,
        dtype=torch.bfloat16,
        seed=asked.seed,
    )
    speed = bandwidth(device, _TINY_BLOCK if asked.tiny else _BLOCK)
    pairs = tiny_pairs() if asked.tiny else real_pairs()
    found = []
    for name in asked.pairs:
        print(f"measuring {pairs[name].name}", file=sys.stderr)
        found.append(measure(pairs[name], setting, speed))
        gc.collect()  # networks and graphs refer to one another
        if device.type == "cuda":
            torch.cuda.empty_cache()
    return {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else str(device),
        "driver": driver() if device.type == "cuda" else "none",
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "transformers": transformers.__version__,
        "date": date.today().isoformat(),
        "dtype": str(setting.dtype).removeprefix("torch."),
        **{key: getattr(setting, key) for key in ("gamma", "acceptance", "context", "new_tokens", "repeats", "seed")},
        "acceptance_imposed": True,
        "tiny": asked.tiny,
        "bandwidth_gb_s": speed / 1e9,
        "pairs": found,
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = list(real_pairs())
    parser.add_argument("--pairs", nargs="+", choices=names, default=names)
    parser.add_argument("--gamma", type=int, default=4)
    parser.add_argument("--acceptance", type=float, default=0.8, help="probability that a drafted token is accepted")
    parser.add_argument("--context", type=int, default=128, help="tokens of the prompt")
    parser.add_argument("--new-tokens", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=5, help="decodes of each kind")
    parser.add_argument("--times", type=int, default=30, help="repetitions of single passes and drafts")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--tiny", action="store_true", help="tiny networks of the same families")
    parser.add_argument("--json", type=Path, help="write everything into this file")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
