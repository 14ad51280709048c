"""Texts that the student goes on with: where it will be when it drafts (Agarwal et al. 2024; Zhou et al. 2024).

A text of the target is cut somewhere, the student draws what follows, and the target reads it and shows what it would
have said at each place. That is what a draft is: a text of the target with some tokens of the student behind it.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from time import monotonic

import torch

from draftlab.engines.batch_texts import Batch
from draftlab.engines.batches import BatchNetwork
from draftlab.train.overlap import WINDOW, Forbidden
from draftlab.train.shards import Shard

_DRAWN = 32  # tokens at most


@dataclass(frozen=True)
class OnPolicy:
    """Puts such texts in the place of a share of the batches: of which, the seed and the number of the step decide."""

    share: float
    seed: int
    student: BatchNetwork
    target: BatchNetwork
    stop_tokens: Collection[int]
    forbidden: Forbidden

    def __call__(self, batch: Shard, step: int) -> Shard:
        """`batch`, or what the student makes of it."""
        rng = random.Random(f"{self.seed} {step}")
        return self.drawn(batch, rng) if rng.random() < self.share else batch

    def drawn(self, batch: Shard, rng: random.Random) -> Shard:
        """All texts of `batch` that are long enough, cut at one place; `batch` itself where there is none."""
        fitting = [row for row in range(len(batch)) if batch.ends[row] > batch.starts[row]]
        if not fitting:
            return batch
        row = rng.choice(fitting)
        cut = rng.randrange(int(batch.starts[row]), int(batch.ends[row]))
        some = batch.rows([row for row in range(len(batch)) if batch.ends[row] > cut])
        num = min(_DRAWN, batch.tokens.shape[1] - cut)  # never longer than what the target could write
        prompts = some.tokens[:, :cut].tolist()
        written = self.student.write(prompts, num, (), 1.0, self.stop_tokens, rng.getrandbits(62))
        # Zeros behind an end are read, too: so all are alike in length.
        read = self.target.write(written.tokens.tolist(), 0, (), 0.0)
        tokens, starts = written.tokens.to(torch.int32), some.starts.clamp_max(cut)
        firsts = torch.full_like(starts, cut)  # what is before is learned in the text's own batches
        return Shard(tokens, read.features.clone(), read.final.clone(), starts, self._ends(written, cut), firsts)

    def seconds_of_a_step(self, batches: Sequence[Shard]) -> float:
        """What it takes of a step on average, beside the learning."""
        start = monotonic()
        for number, batch in enumerate(batches):
            self.drawn(batch, random.Random(number))
        return self.share * (monotonic() - start) / len(batches)

    def _ends(self, written: Batch, cut: int) -> torch.Tensor:
        """Up to where it is learned from: the student may end a text, or stray into a prompt of a suite."""
        ends = written.ends.int()
        for row, text in enumerate(written.tokens.tolist()):
            if self.forbidden.occurs_in(text[max(0, cut - WINDOW) : int(ends[row])]):
                ends[row] = cut
        return ends
