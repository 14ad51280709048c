"""What a person sees while long work runs: what is running, how far it is, the time left. On standard error."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from draftlab.bench.plan import Task
from draftlab.bench.run import Observer
from draftlab.precision import Progress as Reached
from draftlab.records import Trace
from draftlab.report.printable import printable


class _Screen:
    """A bar on a terminal; lines now and then elsewhere."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._bar = Bar(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("elapsed"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._row = self._bar.add_task("", start=False, total=None, visible=False)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Take the bar off the screen."""
        self._bar.stop()

    def say(self, text: str) -> None:
        """One line of news."""
        self._console.print(printable(text), markup=False, style="dim")


class Progress(_Screen, Observer):
    """A bench, decode by decode."""

    def __init__(self) -> None:
        super().__init__()
        self._num_tasks = 0
        self._num_done = 0

    def planned(self, num_tasks: int, num_done: int) -> None:
        self._num_tasks, self._num_done = num_tasks, num_done
        done = f", {num_done} of them done before" if num_done else ""
        self.say(f"{num_tasks} decodes{done}; warming up")
        self._bar.start_task(self._row)
        self._bar.update(self._row, total=num_tasks, completed=num_done, visible=True, description="warming up")

    def repeats(self, num_tasks: int, reached: Reached) -> None:
        self._num_tasks = num_tasks
        self._bar.update(self._row, total=num_tasks)
        if reached.half_width is not None:
            self.say(f"repetitions: {reached.repetitions}, known to {100 * reached.half_width:.1f} %; once more")

    def begins(self, task: Task) -> None:
        self._bar.update(self._row, description=printable(f"{task.prompt.record.id} · {task.arm.arm.id}"))

    def watches(self, num_tasks: int) -> None:
        self._num_tasks += num_tasks
        self.say(f"{num_tasks} more, watched and not timed")
        self._bar.update(self._row, total=self._num_tasks)

    def watched(self) -> None:
        self._one_more()

    def noticed(self, text: str) -> None:
        self.say(text)

    def examines(self, trace: Trace) -> None:
        self._bar.update(self._row, description=printable(f"{trace.prompt_id} · {trace.arm}: why it differs"))

    def ended(self, trace: Trace) -> None:
        self._one_more()

    def _one_more(self) -> None:
        self._num_done += 1
        self._bar.update(self._row, completed=self._num_done)
        tenth = max(1, self._num_tasks // 10)
        if self._bar.disable and self._num_done % tenth == 0:
            self.say(f"{self._num_done}/{self._num_tasks} decodes")


class Steps(_Screen):
    """Work in several steps, each of so many parts."""

    def begins(self, what: str, total: int) -> None:
        if self._bar.disable:
            self.say(f"{what}: {total}")
        self._bar.reset(self._row, total=total, visible=True, description=printable(what))

    def advances(self) -> None:
        self._bar.advance(self._row)
