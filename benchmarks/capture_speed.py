"""What full batches are worth while the target writes texts to learn from: tokens a second of processor time.

    python benchmarks/capture_speed.py [--target smollm2-135m-instruct] [--batches 1] [--threads 1]

The same prompts are gone on from twice: in batches of one length and one kind of text each, every text to the last
place, and in full batches of unlike lengths, from which texts that have ended are dropped. Tokens up to a text's end
are counted, and the time for prompts counts too. Processor time instead of time, so that other work on the machine
disturbs less.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from time import process_time

import torch

from draftlab.engines.batches import BatchNetwork, open_batches
from draftlab.engines.settings import decoding_defaults
from draftlab.models import LoadOptions, resolve
from draftlab.train.head import layers_to_read
from draftlab.train.overlap import Forbidden
from draftlab.train.plan import PlannedBatch, Planner
from draftlab.train.texts import texts_of

_ROWS = 192


def main() -> None:
    """Plan, write, print."""
    asked = _arguments()
    torch.set_num_threads(asked.threads)
    target = open_batches(resolve(asked.target), LoadOptions())
    stops = decoding_defaults(target.generation_config).get("eos_token_id", ())
    narrow = list(_narrow(target, asked.batches, asked.new_tokens))
    prompts = sorted((prompt for batch in narrow for prompt in batch.prompts), key=len, reverse=True)
    full = [
        PlannedBatch(tuple(prompts[start : start + _ROWS]), asked.new_tokens, 0.0, False)
        for start in range(0, len(prompts), _ROWS)
    ]
    target.write([[1] * 8] * 8, 4, (1,), 0.0)  # the first passes are slow
    sums = {"of one length and kind": _Sum(narrow, ()), "of unlike lengths": _Sum(full, stops)}
    for pair in zip_longest(narrow, full):  # in turn, as other work comes and goes
        for batch, total in zip(pair, sums.values(), strict=True):
            if batch is not None:
                total.add(target, batch, stops)
    for name, total in sums.items():
        print(f"{name}: {total}")
    before, after = (total.rate for total in sums.values())
    print(f"{after / before:.2f} times as many tokens in the same processor time")


class _Sum:
    """Batches that are written, and what they took."""

    def __init__(self, batches: Sequence[PlannedBatch], dropped_at: Sequence[int]) -> None:
        self._sizes = [len(batch.prompts) for batch in batches]
        self._dropped_at = dropped_at
        self._tokens, self._taken = 0, 0.0

    @property
    def rate(self) -> float:
        return self._tokens / self._taken

    def __str__(self) -> str:
        return f"batches of {self._sizes}, {self._tokens:,} tokens in {self._taken:.1f} s: {self.rate:.0f} tokens/s"

    def add(self, target: BatchNetwork, batch: PlannedBatch, stops: Sequence[int]) -> None:
        layers = layers_to_read(target.num_layers, None)
        start = process_time()
        written = target.write(batch.prompts, batch.new_tokens, layers, batch.temperature, self._dropped_at)
        self._taken += process_time() - start
        for row, prompt in zip(written.tokens.tolist(), batch.prompts, strict=True):
            new = row[len(prompt) :][: batch.new_tokens]
            self._tokens += next((num for num, token in enumerate(new, start=1) if token in stops), len(new))


def _narrow(target: BatchNetwork, num: int, new_tokens: int) -> Iterator[PlannedBatch]:
    """The first written batches of every kind, all greedy: those of 32 rows and more came before others, by chance."""
    rng = random.Random(0)
    texts = texts_of(())
    forbidden = Forbidden(target.tokenizer.encode)
    planner = Planner(lambda length: _ROWS, new_tokens, mixed=False)
    for kind in sorted({text.kind for text in texts}):
        plan = planner.plan([text for text in texts if text.kind == kind], target.tokenizer, forbidden, seed=0)
        learned = [batch for batch in plan if batch.new_tokens and not batch.held_out]
        rng.shuffle(learned)
        for batch in sorted(learned, key=lambda batch: -min(32, len(batch.prompts)))[:num]:
            yield PlannedBatch(batch.prompts, new_tokens, 0.0, False)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", default="smollm2-135m-instruct")
    parser.add_argument("--batches", type=int, default=1, help="of each kind of text")
    parser.add_argument("--new-tokens", type=int, default=192)
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
