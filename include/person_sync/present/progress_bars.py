"""Progress at a terminal: a bar per step on standard error, with log lines passing above it."""

from __future__ import annotations

import logging
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TextIO

    from rich.progress import Progress, TaskID

    from include.person_sync.baseline.advance import Advance


@contextmanager
def progress_bars() -> Iterator[Callable[[Advance], None] | None]:
    """
    Yield what is to be told how far steps have come, drawing it as bars; None where standard error is no terminal.

    While the bars stand, log lines that go to standard error appear above them.
    """
    stream = sys.stderr
    if not stream.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

    columns = (
        SpinnerColumn(finished_text="[green]✓"),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[told]}", style="dim"),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress, log_lines_through(stream, sys.stderr):
        yield Bars(progress)


class Bars:
    """One bar per step, made when the step is first told of."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._bars: dict[str, TaskID] = {}

    def __call__(self, advance: Advance) -> None:
        """Draw where a step stands."""
        if advance.step not in self._bars:
            self._bars[advance.step] = self._progress.add_task(advance.step, total=None, told="")
        bar = self._bars[advance.step]
        self._progress.update(bar, completed=advance.done, total=advance.total, told=advance.standing)


@contextmanager
def log_lines_through(before: TextIO, during: TextIO) -> Iterator[None]:
    """Let the log handlers that write to one stream write to another for a while."""
    handlers = [
        handler
        for handler in logging.getLogger().handlers
        if isinstance(handler, logging.StreamHandler) and handler.stream is before
    ]
    for handler in handlers:
        handler.setStream(during)
    try:
        yield
    finally:
        for handler in handlers:
            handler.setStream(before)
