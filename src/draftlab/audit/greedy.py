"""Greedy texts of an implementation against the target's own, and the tokens that they cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from draftlab.audit.findings import Cost, Greedy, Parting
from draftlab.audit.law import cut
from draftlab.audit.memo import RowMemory
from draftlab.audit.plan import AuditPrompt, Plan, Watcher
from draftlab.audit.subjects import Subject
from draftlab.bench.divergence import MOST_STEPS, Kind, largest
from draftlab.errors import UnsupportedError
from draftlab.metrics import first_difference
from draftlab.sampling import Warper
from draftlab.spec import Sampling
from draftlab.workbench import Workbench

_OTHER_SHAPES = 4.0
"""Passes from outside have shapes that nobody knows; they may round this many times as much as those tried here."""


def compare_greedy(
    bench: Workbench,
    plain: Subject,
    subject: Subject,
    own: Subject,
    prompts: Sequence[AuditPrompt],
    plan: Plan,
    watcher: Watcher,
) -> Greedy:
    """Texts of `subject`, and of draftlab's `own` loop for its cost, against `plain` decoding."""
    sampling = bench.sampling.model_copy(update={"temperature": 0.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0})
    dtype = getattr(torch, str(bench.target.description["dtype"]))
    judge = Judge(RowMemory(bench.target.model), sampling, plan.gamma, torch.finfo(dtype).eps)
    meters = {one: Meter(one) for one in (subject, own)}
    partings = []
    compared = 0
    refused = None
    watcher.begins("greedy texts", len(prompts))
    for prompt in prompts:
        try:
            texts = {
                one: one.generate(prompt.tokens, plan.greedy_tokens, sampling, bench.experiment.seed)
                for one in (plain, *meters)
            }
        except UnsupportedError as error:
            refused = str(error)
            break
        for one, meter in meters.items():
            meter.wrote(len(prompt.tokens), len(texts[one]))
        stop = bench.stopping.tokens
        parting = judge.explain(prompt.id, prompt.tokens, cut(texts[plain], stop), cut(texts[subject], stop))
        partings += [parting] if parting else []
        compared += 1
        watcher.advances()
    return Greedy(
        compared=compared,
        identical=compared - len(partings),
        partings=tuple(partings),
        cost=meters[subject].cost(),
        own_cost=meters[own].cost(),
        refused=refused,
    )


@dataclass(frozen=True)
class Judge:
    """Says why a greedy text left the target's own. Of an implementation from outside nobody knows the passes that it
    made, so the target's scores are taken in the shapes that it may have used."""

    target: RowMemory
    sampling: Sampling
    gamma: int
    eps: float
    """The step of the target's dtype at 1."""

    def explain(
        self, prompt_id: str, prompt: Sequence[int], own: Sequence[int], theirs: Sequence[int]
    ) -> Parting | None:
        """What happened at the first difference; None where there is none."""
        at = first_difference(own, theirs)
        if at is None:
            return None
        if at >= len(own) or at >= len(theirs):  # one of them just ended
            return Parting(prompt_id=prompt_id, position=at, kind="real")
        text = [*prompt, *own[:at]]
        shapes = [self._scores(text, rows) for rows in (1, self.gamma + 1, len(text))]
        margin = float(shapes[0][own[at]] - shapes[0][theirs[at]])
        rounding = max(largest(scores - shapes[0]) for scores in shapes[1:])
        ceiling = MOST_STEPS * self.eps * largest(shapes[0])
        kind: Kind = "real"
        if margin <= ceiling:
            kind = "tie" if margin <= rounding else "rounding" if margin <= _OTHER_SHAPES * rounding else "real"
        return Parting(prompt_id=prompt_id, position=at, margin=margin, rounding=rounding, kind=kind)

    def _scores(self, text: Sequence[int], num_rows: int) -> Tensor:
        """The scores after `text`, whose last pass has `num_rows` rows."""
        split = max(0, len(text) - num_rows)
        logits = self.target.fresh(*([text[:split]] if split else []), text[split:])
        return Warper(self.sampling, self.target.model.name).scores(logits[None], text, ())[0]


class Meter:
    """Counts the tokens that a subject's models pass while texts are written."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._before = dict(subject.forwarded())
        self._num_prompt = 0
        self._num_new = 0

    def wrote(self, num_prompt: int, num_new: int) -> None:
        """A text of `num_new` tokens was written after a prompt."""
        self._num_prompt += num_prompt
        self._num_new += num_new

    def cost(self) -> Cost:
        """Tokens passed per new token, the prompt's own left out; None where nobody counts."""

        def per_token(role: str) -> float | None:
            now = self._subject.forwarded()
            if role not in now or not self._num_new:
                return None
            passed = now[role] - self._before.get(role, 0) - self._num_prompt
            return passed / self._num_new

        return Cost(target=per_token("target"), drafter=per_token("drafter"))
