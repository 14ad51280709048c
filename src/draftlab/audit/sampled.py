"""Samples of one prompt against the law of the target."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from draftlab.audit.findings import Control, Test
from draftlab.audit.goodness import LEAST_EXPECTED, MOST_CELLS, Fit, fit
from draftlab.audit.law import TargetLaw, Text
from draftlab.audit.plan import FIRSTS, PAIRS, AuditPrompt, Plan, Watcher
from draftlab.audit.samples import SampleLog
from draftlab.audit.subjects import Subject
from draftlab.chance import derive_seed
from draftlab.testing.planted import PLANTED
from draftlab.workbench import Workbench


@dataclass(frozen=True)
class Sampler:
    """Draws the samples of a prompt, or takes those that were drawn before, and tests them."""

    bench: Workbench
    plan: Plan
    watcher: Watcher
    log: SampleLog

    def test(self, law: TargetLaw, subject: Subject, prompt: AuditPrompt) -> list[Test]:
        """Every test of `subject` at one prompt."""
        samples = self._draw(law, subject, prompt)
        return [self._report(prompt, start, size, found) for start, size, found in self._fits(law, samples)]

    def control(self, law: TargetLaw, subject: Subject, prompt: AuditPrompt, name: str) -> Control:
        """The same for the planted bug `name`, which is what `subject` has."""
        tests = self.test(law, subject, prompt)
        return Control(
            name=name,
            title=PLANTED[name].title,
            rejected=any(test.p_value < self.plan.level for test in tests),
            p_value=min(test.p_value for test in tests),
            total_variation=max(test.total_variation for test in tests if test.num_samples == self.plan.num_samples),
        )

    def _draw(self, law: TargetLaw, subject: Subject, prompt: AuditPrompt) -> list[Text]:
        num = self.plan.num_samples
        self.watcher.begins(f"{subject.name} · {prompt.id}", num)
        samples = self.log.read(subject.name, prompt.id)[:num]
        for _ in samples:
            self.watcher.advances()
        for index in range(len(samples), num):
            seed = derive_seed(self.bench.experiment.seed, subject.name, prompt.id, index)
            text = law.cut(subject.generate(prompt.tokens, self.plan.num_tokens, self.bench.sampling, seed))
            self.log.write(subject.name, prompt.id, text)
            samples.append(text)
            self.watcher.advances()
        return samples

    def _fits(self, law: TargetLaw, samples: Sequence[Text]) -> list[tuple[Text, int, Fit]]:
        """(what the text began with, how many tokens after it, the fit). Cells and starts follow from the law alone."""
        least = LEAST_EXPECTED / len(samples)
        finest = self.plan.level_of_one
        fits: list[tuple[Text, int, Fit]] = []
        for size in self.plan.sizes:
            cells = law.likely((), size, least, MOST_CELLS)
            fits.append(((), size, fit([text[:size] for text in samples], cells, finest, law.is_impossible)))
        starts = [*law.likely((), 1, least, FIRSTS), *law.likely((), 2, least, PAIRS)]
        for start in dict.fromkeys(starts):
            those = [text[: len(start) + 1] for text in samples if text[: len(start)] == start]
            if not law.is_ended(start) and len(those) >= 4 * LEAST_EXPECTED:
                cells = law.likely(start, 1, LEAST_EXPECTED / len(those), MOST_CELLS)
                fits.append((start, 1, fit(those, cells, finest, law.is_impossible)))
        return fits

    def _report(self, prompt: AuditPrompt, start: Text, size: int, found: Fit) -> Test:
        if start:
            what = f"{len(start) + 1} after {self.bench.target.tokenizer.decode(start, raw=True)!r}"
        else:
            what = "1" if size == 1 else f"1-{size}"
        return Test(
            prompt_id=prompt.id,
            what=what,
            num_samples=found.num_samples,
            num_cells=found.num_cells,
            statistic=None if math.isinf(found.statistic) else found.statistic,
            p_value=min(1.0, found.p_value * self.plan.num_tests),
            total_variation=found.total_variation,
            low=found.low,
            high=found.high,
        )
