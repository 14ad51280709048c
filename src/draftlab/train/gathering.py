"""Where the texts of a training run come from: runs of `draftlab bench`, files and suites, or this machine."""

from __future__ import annotations

from collections.abc import Callable

from draftlab.train.past_runs import texts_of_runs
from draftlab.train.settings import TrainSettings
from draftlab.train.texts import Text, texts_of


def gather(settings: TrainSettings, say: Callable[[str], None] = lambda _: None) -> list[Text]:
    """All of them; `say` is told of what is left out."""
    return texts_of_runs(settings.runs, say) if settings.runs else texts_of(settings.data, say)
