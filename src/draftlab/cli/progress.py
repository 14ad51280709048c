"""What a person sees while long work runs: what is running, how far it is, the time left. On standard error.

Nothing is drawn while a decode is timed. A thread that redraws ten times a second, as is usual for such bars, would
take its share of the interpreter and of the cores from what is being measured; so the screen has no thread, is drawn
between decodes only, and stands still during one.
"""

from __future__ import annotations

from collections.abc import Iterable
from time import monotonic
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bar
from rich.table import Column as TableColumn

from draftlab.bench.plan import Task
from draftlab.bench.run import Observer
from draftlab.cli.live_table import LiveTable
from draftlab.precision import Progress as Reached
from draftlab.records import Arm, Trace
from draftlab.report.printable import printable_line

_WIDE, _MEDIUM = 100, 60  # columns; below them the bar is shorter and times are left out
_PAUSE_S = 0.05  # decodes shorter than this do not get a drawing each


class Screen:
    """A bar on a terminal; lines now and then elsewhere."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._bar = Bar(*_columns(self._console.width), console=self._console, auto_refresh=False)
        self._row = self._bar.add_task("", start=False, total=None, visible=False)
        self._live = Live(console=self._console, get_renderable=self._picture, auto_refresh=False, transient=True)
        self._drawn = 0.0
        self.is_drawn = self._console.is_terminal and not self._console.is_dumb_terminal

    def _picture(self) -> RenderableType:
        """What is on the screen now."""
        return self._bar.get_renderable()

    def __enter__(self) -> Self:
        if self.is_drawn:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Take the bar off the screen."""
        self._live.stop()

    def draw(self, *, now: bool = True) -> None:
        """Bring the screen up to date; with `now` false only if it has not been for a moment."""
        if self.is_drawn and (now or monotonic() - self._drawn > _PAUSE_S):
            self._live.refresh()
            self._drawn = monotonic()

    def say(self, text: str) -> None:
        """One line of news."""
        self._console.print(printable_line(text), markup=False, style="dim")


def _columns(width: int) -> list[ProgressColumn]:
    """What the bar is made of; on a narrow terminal less of it. The description is cut, never the count."""
    left: list[ProgressColumn] = [TextColumn("left"), TimeRemainingColumn()]
    if width < _MEDIUM:
        bar, times, taken = 8, [], 20
    elif width < _WIDE:
        bar, times, taken = 16, left, 41
    else:
        bar, times, taken = 24, [TextColumn("elapsed"), TimeElapsedColumn(), *left], 66
    room = TableColumn(no_wrap=True, overflow="ellipsis", max_width=max(1, width - taken))
    what = TextColumn("{task.description}", markup=False, table_column=room)
    return [what, BarColumn(bar_width=bar), MofNCompleteColumn(), *times]


class Progress(Screen, Observer):
    """A bench, decode by decode, with the figures of every arm so far."""

    def __init__(self) -> None:
        self._table = LiveTable()
        self._num_tasks = 0
        self._num_done = 0
        super().__init__()

    def knows(self, arms: Iterable[Arm], traces: Iterable[Trace]) -> None:
        """What an interrupted run has done before it is resumed."""
        self._table.knows(arms)
        for trace in traces:
            self._table.add(trace)

    def _picture(self) -> RenderableType:
        bar = super()._picture()
        return Group(bar, self._table.draw(self._console.width)) if self._table.has_rows else bar

    def planned(self, num_tasks: int, num_done: int) -> None:
        self._num_tasks, self._num_done = num_tasks, num_done
        done = f", {num_done} of them done before" if num_done else ""
        self.say(f"{num_tasks} decodes{done}; warming up")
        self._bar.start_task(self._row)
        self._bar.update(self._row, total=num_tasks, completed=num_done, visible=True, description="warming up")
        self.draw()

    def repeats(self, num_tasks: int, reached: Reached) -> None:
        self._num_tasks = num_tasks
        self._bar.update(self._row, total=num_tasks)
        if reached.half_width is not None:
            self.say(f"repetitions: {reached.repetitions}, known to {100 * reached.half_width:.1f} %; once more")

    def begins(self, task: Task) -> None:
        self._table.knows([task.arm.arm])
        self._bar.update(self._row, description=printable_line(f"{task.prompt.record.id} · {task.arm.arm.id}"))
        self.draw(now=False)

    def watches(self, num_tasks: int) -> None:
        self._num_tasks += num_tasks
        self.say(f"{num_tasks} more, watched and not timed")
        self._bar.update(self._row, total=self._num_tasks)

    def watched(self) -> None:
        self._one_more()

    def noticed(self, text: str) -> None:
        self.say(text)

    def examines(self, trace: Trace) -> None:
        self._bar.update(self._row, description=printable_line(f"{trace.prompt_id} · {trace.arm}: why it differs"))
        self.draw()

    def ended(self, trace: Trace) -> None:
        self._table.add(trace)
        self._one_more()

    def _one_more(self) -> None:
        self._num_done += 1
        self._bar.update(self._row, completed=self._num_done)
        tenth = max(1, self._num_tasks // 10)
        if not self.is_drawn and self._num_done % tenth == 0:
            self.say(f"{self._num_done}/{self._num_tasks} decodes")
        if self._num_done == self._num_tasks:
            self.draw()


class Steps(Screen):
    """Work in several steps, each of so many parts."""

    def begins(self, what: str, total: int) -> None:
        if not self.is_drawn:
            self.say(f"{what}: {total}")
        self._bar.reset(self._row, total=total, visible=True, description=printable_line(what))
        self.draw()

    def advances(self, by: int = 1) -> None:
        self._bar.advance(self._row, by)
        self.draw(now=False)
