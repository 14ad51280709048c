"""What pays in training a head, at equal time on the same texts of a target: variants in turn, one line each.

    draftlab train --target smollm2-135m-instruct --minutes 66 --layers 2,10,15,20,30 --out RUN --keep
    python benchmarks/train_ablation.py RUN --seconds 240 "layers=10,20,30" "layers=2,15,30" "loss=reverse-kl"

A variant says how it differs from OPTIONS. All learn for `--seconds` of processor time with one thread, so that two
of these programs fit on two cores, and are judged on the first 64 tokens of the first 128 held-out texts: acceptance
at each position of a draft, given that it came so far, and tokens a pass of the target with 4 drafted ones. `ms` is
what one step of drafting takes with one thread in bfloat16, head included, as trained and not as packed for decoding.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from time import monotonic, process_time
from typing import Any

import torch
from torch import Tensor, nn

from draftlab.drafters.eagle.network import EagleNetwork
from draftlab.engines.batches import BatchNetwork, open_batches
from draftlab.engines.settings import decoding_defaults
from draftlab.models import LoadOptions, resolve
from draftlab.train.gradient import Places, learn_from
from draftlab.train.head import new_head
from draftlab.train.held_out import Point, judge
from draftlab.train.learning import Schedule, depths_and_shares
from draftlab.train.optimiser import Optimiser
from draftlab.train.settings import TrainSettings
from draftlab.train.shards import Shard, Shards
from draftlab.train.state import kept_state
from draftlab.train.unrolled import Steps
from draftlab.train.vocabulary import choose_tokens, count_tokens

OPTIONS = {
    "layers": "10,20,30",
    "vocab": "16384",
    "loss": "mixed",
    "depth": "3",
    "decay": "0.8",
    "places": "right",  # or all: also behind a wrong token
    "prompts": "yes",  # or no: only what the target wrote is learned from
    "num_layers": "1",  # or 2
    "batch": "16",
    "rate": "1.0",
}
ONE_OF = {"places": ("right", "all"), "prompts": ("yes", "no"), "num_layers": ("1", "2")}
_TEXTS, _JUDGED = 128, 64  # held out, and tokens of each
_PARTS = 1000  # into which the time is cut


def main() -> None:
    """Train every variant; print the table."""
    asked = _arguments()
    torch.set_num_threads(1)
    run = Run.open(asked.run)
    variants = []
    for words in asked.variants:  # all are looked at before the first learns
        given = {name: value for name, _, value in (word.partition("=") for word in words.split())}
        for name, value in given.items():
            if name not in OPTIONS or value not in ONE_OF.get(name, (value,)):
                raise SystemExit(f"'{words}' cannot be; options are {', '.join(OPTIONS)}, and some are one of {ONE_OF}")
        variants.append(Variant(run, words, {**OPTIONS, **given}))
    print("| variant | steps | tokens learned | acceptance by position | tokens a pass | ms |", flush=True)
    print("| --- | ---: | ---: | --- | ---: | ---: |", flush=True)
    for variant in variants:
        print(variant.trained(asked.seconds), flush=True)


@dataclass(frozen=True)
class Run:
    """Texts of a run that was kept."""

    settings: TrainSettings
    shards: Shards
    target: BatchNetwork
    counts: Tensor

    @classmethod
    def open(cls, folder: Path) -> Run:
        settings = kept_state(folder).settings
        shards = Shards(folder / "work")
        if not shards.names(held_out=False):
            raise SystemExit(f"{folder} has no texts; train with --keep")
        options = LoadOptions(
            dtype=settings.dtype,
            device=settings.device,
            trust_remote_code=settings.trust_remote_code,
            allow_pickle=settings.allow_pickle,
        )
        target = open_batches(resolve(settings.target), options)
        return cls(settings, shards, target, count_tokens(shards, [], len(target.head())))


class Variant:
    """One way to train."""

    def __init__(self, run: Run, name: str, options: dict[str, str]) -> None:
        self.run, self.name, self.options = run, name, options
        self.layers = tuple(int(number) for number in options["layers"].split(","))
        kept = run.settings.layers_read
        if kept is None or not set(self.layers) <= set(kept):
            raise SystemExit(
                f"the run has hidden states of layers {kept}, and '{name}' reads {self.layers}; see --layers"
            )
        width = run.target.head().shape[1]
        self.columns = torch.cat(
            [torch.arange(width) + width * sorted(kept).index(layer) for layer in sorted(self.layers)]
        )
        self.settings = TrainSettings(
            target=run.settings.target,
            loss=options["loss"],
            steps_ahead=int(options["depth"]),
            position_decay=float(options["decay"]),
        )
        depths, shares = depths_and_shares(self.settings)
        self.schedule = Schedule(depths, tuple(round(share * _PARTS) for share in shares))
        stops = decoding_defaults(run.target.generation_config).get("eos_token_id", ())
        ids = choose_tokens(run.counts, int(options["vocab"]), stops)
        self.student = new_head(run.target, sorted(self.layers), ids, 0)
        if options["num_layers"] == "2":
            # Two layers are called as the one is whose place they take.
            self.student.network.midlayer = _Two(self.student.network)  # type: ignore[assignment]

    def trained(self, seconds: float) -> str:
        """A line of the table."""
        places: Places = "all" if self.options["places"] == "all" else "right"
        optimiser = Optimiser(self.student.network, float(self.options["rate"]))
        start = process_time()
        steps = learned = 0
        for shard in self.run.shards.batches(int(self.options["batch"]), 0):
            share = (process_time() - start) / seconds
            if share >= 1.0:
                break
            batch = self._seen(shard)
            optimiser.set_rate(share)
            learn_from(self.student, batch, self.schedule.depth(int(share * _PARTS)), self.settings, places=places)
            optimiser.step()
            steps += 1
            learned += int((batch.ends - batch.firsts).clamp_min(0).sum())
        # As shards it has held-out texts, which is all that is asked for.
        point = judge(self.student, _HeldOut(self), steps, 0.0, ())  # type: ignore[arg-type]
        return self._line(point, steps, learned)

    def _seen(self, shard: Shard) -> Shard:
        firsts = shard.firsts if self.options["prompts"] == "yes" else shard.starts
        return replace(shard, features=shard.features[..., self.columns], firsts=firsts)

    def _line(self, point: Point, steps: int, learned: int) -> str:
        rates = " ".join(f"{rate:.3f}".lstrip("0") for rate in point.accepted[:4])
        cells = [self.name or "-", str(steps), f"{learned:,}", rates, f"{point.tokens_a_round[3]:.2f}"]
        return f"| {' | '.join(cells)} | {self._milliseconds():.2f} |"

    @torch.no_grad()
    def _milliseconds(self) -> float:
        network = copy.deepcopy(self.student.network).bfloat16()
        head = self.student.head.bfloat16()
        hidden = torch.randn(1, 1, head.shape[1], device=head.device).bfloat16()
        place = torch.tensor([[3]], device=head.device)
        taken = []
        for _ in range(60):
            steps: Any = Steps()
            start = monotonic()
            out = network.midlayer(hidden, hidden, network.rotary(hidden, place), None, steps)
            int((network.norm(out) @ head.T).argmax())
            taken.append(monotonic() - start)
        return 1000 * median(taken)


class _HeldOut:
    """The held-out texts as the variant sees them, up to so many tokens."""

    def __init__(self, variant: Variant) -> None:
        self._variant = variant

    def held_out(self, size: int) -> Iterator[Shard]:
        left = _TEXTS
        for shard in self._variant.run.shards.held_out(size):
            if left <= 0:
                break
            shard = shard.rows(range(min(left, len(shard))))
            left -= len(shard)
            ends = torch.minimum(shard.ends, shard.starts + _JUDGED)
            yield replace(shard, features=shard.features[..., self._variant.columns], ends=ends)


class _Two(nn.Module):
    """The layer of a head and a usual one above it, with a memory of its own."""

    def __init__(self, network: EagleNetwork) -> None:
        super().__init__()
        self.first = network.midlayer
        self.second = copy.deepcopy(network.midlayer)
        attention = self.second.self_attn
        width = self.second.input_layernorm.weight.shape[0]
        for name in ("q_proj", "k_proj", "v_proj"):
            narrow = nn.Linear(width, getattr(attention, name).out_features, bias=False)
            setattr(attention, name, narrow)
        self._steps: tuple[Any, Any] = (None, None)

    def forward(self, embedded: Tensor, hidden: Tensor, angles: Any, mask: Tensor | None, memory: Any) -> Tensor:
        if self._steps[0] is not memory:  # another batch
            self._steps = memory, Steps()
        out = self.first(embedded, hidden, angles, mask, memory)
        layer = self.second
        attended, _ = layer.self_attn(
            layer.input_layernorm(out), position_embeddings=angles, attention_mask=mask, past_key_values=self._steps[1]
        )
        out = out + attended
        summed: Tensor = out + layer.mlp(layer.post_attention_layernorm(out))
        return summed


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a run of `draftlab train --keep` that has written its texts")
    parser.add_argument(
        "variants", nargs="+", help="options with a blank between, such as 'vocab=8192 depth=2'; '' for none"
    )
    parser.add_argument("--seconds", type=float, default=240.0, help="for which each learns")
    return parser.parse_args()


if __name__ == "__main__":
    main()
