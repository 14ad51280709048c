"""A few passes of target and drafter, timed in turns, so that a slow moment of the machine meets all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from statistics import median, quantiles

from draftlab.chance import make_chance
from draftlab.doctor.findings import Timing
from draftlab.drafters.model import ModelDrafter
from draftlab.errors import DraftlabError
from draftlab.sample_text import SAMPLE
from draftlab.types import Drafter, LanguageModel
from draftlab.workbench import Workbench

_CONTEXT = 64
_WARM_UP = 2
_MOST = 15
_LEAST = 5
_ENOUGH_S = 20.0  # no further rounds begin after that, when there are the least


def time_passes(bench: Workbench, drafter_reference: str, gamma: int) -> Timing:
    """Passes of the target over 1 to `gamma` + 1 rows and of the drafter over one, after the same short text."""
    drafter = bench.drafter(drafter_reference)
    models = [bench.target, *bench.drafter_models.values()]
    text = _text(bench, drafter, gamma)

    def settle() -> None:
        for model in models:
            model.synchronize()

    jobs = [_pass(bench.target.model, text, n) for n in range(1, gamma + 2)]
    if isinstance(drafter, ModelDrafter):
        jobs.append(_pass(drafter.model, text, 1))
    else:
        jobs.append(_look_up(drafter, text, gamma, bench.experiment.seed))
    taken: list[list[float]] = [[] for _ in jobs]
    began = time.perf_counter()
    for turn in range(_WARM_UP + _MOST):
        for i in range(len(jobs)):
            which = (i + turn) % len(jobs)
            taken[which].append(jobs[which](settle))
        if turn + 1 >= _WARM_UP + _LEAST and time.perf_counter() - began > _ENOUGH_S:
            break
    times = [each[_WARM_UP:] for each in taken]
    low, middle, high = quantiles(times[0], n=4)
    return Timing(
        context=len(text),
        num_passes=len(times[0]),
        target_s=tuple(median(each) for each in times[:-1]),
        draft_s=median(times[-1]),
        draft_per="token" if isinstance(drafter, ModelDrafter) else "draft",
        spread=(high - low) / middle,
    )


def _text(bench: Workbench, drafter: Drafter, gamma: int) -> list[int]:
    models: list[LanguageModel] = [bench.target.model]
    if isinstance(drafter, ModelDrafter):
        models.append(drafter.model)
    width = min(model.vocab_size for model in models)
    room = min([_CONTEXT, *(m.context_length - gamma - 1 for m in models if m.context_length is not None)])
    if room < 1:
        raise DraftlabError(f"drafts of {gamma} tokens leave no room in the context", "Lower --gamma.")
    tokens = [token for token in bench.target.tokenizer.encode(SAMPLE) if token < width] or [0]
    repeated = tokens * (room // len(tokens) + 1)
    return repeated[:room]


def _pass(model: LanguageModel, text: Sequence[int], num_rows: int) -> Callable[[Callable[[], None]], float]:
    """Times a pass over `num_rows` rows; the text is read once, and the rows are taken back after each pass."""
    rows = [text[i % len(text)] for i in range(num_rows)]

    def timed(settle: Callable[[], None]) -> float:
        if model.length != len(text):
            model.reset(len(text) + num_rows)
            model.forward(text, num_rows=1)
        settle()
        start = time.perf_counter()
        model.forward(rows)
        settle()
        taken = time.perf_counter() - start
        model.rollback(len(text))
        return taken

    return timed


def _look_up(drafter: Drafter, text: Sequence[int], gamma: int, seed: int) -> Callable[[Callable[[], None]], float]:
    rng = make_chance(seed, False).round(0)
    drafter.begin(text)

    def timed(settle: Callable[[], None]) -> float:
        settle()
        start = time.perf_counter()
        drafter.propose(text, gamma, rng)
        return time.perf_counter() - start

    return timed
