"""What the costs say of an arm, in the few lines below its table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from draftlab.report.measure import ArmReport
from draftlab.report.prediction import CostReport

_WORTH_SAYING = 1.02  # another draft length is named from this ratio of predicted speed-ups on
_NEARLY_FREE = 0.005  # of a target pass: printed with two places it would be 0


def cost_lines(arms: Sequence[ArmReport]) -> Iterator[str]:
    """For the rows of one arm, of which the last is over all prompts; nothing where no costs were watched."""
    if not arms:
        return
    arm = arms[-1]
    if arm.predicted_speedup is None or arm.predicted_speedup.value is None or arm.cost is None:
        return
    line = f"predicted {arm.predicted_speedup.value:.2f}x from costs ({', '.join(_costs(arm.cost, arm.gamma))})"
    if arm.efficiency is not None and arm.efficiency.value is not None:
        line += f"; measured is {arm.efficiency.value:.2f} of it"
    yield line
    if arm.why_not_faster is not None:
        yield arm.why_not_faster.sentence
    best = arm.best_gamma
    if best is not None and arm.gamma and best.speedup > _WORTH_SAYING * arm.predicted_speedup.value:
        if best.gamma:
            yield f"gamma {best.gamma} would be predicted at {best.speedup:.2f}x"
        else:
            yield f"no draft length up to {arm.gamma} is predicted to pay"


def _costs(cost: CostReport, gamma: int) -> Iterator[str]:
    if cost.draft_cost is not None:
        free = cost.draft_cost < _NEARLY_FREE
        yield "drafts nearly free" if free else f"draft token {cost.draft_cost:.2f} of a target pass"
    times = dict(cost.target_ns)
    for rows in sorted({2, gamma + 1}):
        if rows in times and 1 in times and rows > 1:
            yield f"{rows} rows {times[rows] / times[1]:.2f} of 1 row"
