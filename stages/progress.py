"""Progress on stderr: a bar with rate and ETA on a terminal, a line every 30 s in a log."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TimeRemainingColumn,
)
from rich.text import Text

from pipeline.progress import OnProgress
from pipeline.progress import Progress as Step
from stages.output import printable

__all__ = ["progress_display"]

_LOG_EVERY_S = 30.0


class _Text(ProgressColumn):
    """A text of a task without markup: brackets in a name are no colours.

    Parameters
    ----------
    name : `description`, or a field of the task
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name

    def render(self, task: Task) -> Text:
        return Text(printable(task.description if self._name == "description" else task.fields[self._name]))


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f}/s" if speed and speed >= 10 else f"{speed:.1f}/s" if speed else "")


@contextmanager
def progress_display(*, quiet: bool = False) -> Iterator[OnProgress]:
    """A listener that shows the progress of calls on stderr; the bar of a call appears after two seconds."""
    console = Console(stderr=True)
    if quiet:
        yield lambda _step: None
    elif console.is_terminal:
        with _bars(console) as listener:
            yield listener
    else:
        yield _log_lines(console)


@contextmanager
def _bars(console: Console) -> Iterator[OnProgress]:
    columns = (_Text("description"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn(), _Text("note"))
    tasks: dict[str, TaskID] = {}
    start = time.monotonic()
    with Progress(*columns, console=console, transient=True) as bars:

        def listen(step: Step) -> None:
            if _is_note(step):
                console.print(printable(f"note: {step.note}"), markup=False)
                return
            if step.what not in tasks:
                tasks[step.what] = bars.add_task(step.what, visible=False, note="")
            late = time.monotonic() - start > 2
            bars.update(tasks[step.what], completed=step.done, total=step.total or None, note=step.note, visible=late)

        yield listen


def _log_lines(console: Console) -> OnProgress:
    printed = updated = time.monotonic()
    starts: dict[str, float] = {}  # a kind of work starts at the last update of the one before it

    def listen(step: Step) -> None:
        nonlocal printed, updated
        if _is_note(step):
            console.print(printable(f"note: {step.note}"), markup=False, soft_wrap=True)
        now = time.monotonic()
        start, updated = starts.setdefault(step.what, updated), now
        if now - printed < _LOG_EVERY_S or not step.done:
            return
        printed = now
        rate = step.done / (now - start)
        left = f", {(step.total - step.done) / rate:,.0f} s left" if step.total else ""
        count = f"{step.done:,} of {step.total:,}" if step.total else f"{step.done:,}"
        line = f"{step.what}: {count}, {rate:,.1f}/s{left} {step.note}".rstrip()
        console.print(printable(line), markup=False)

    return listen


def _is_note(step: Step) -> bool:
    """Whether a step is a message only: nothing is done yet."""
    return bool(step.note) and not step.done
