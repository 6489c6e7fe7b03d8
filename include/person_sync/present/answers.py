"""What a command answers a person: lines for a file or a pipe, tables for a terminal."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from include.person_sync.present.audit_text import audit_text
from include.person_sync.present.history import history_text
from include.person_sync.present.run_text import run_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rich.console import RenderableType

    from include.person_sync.setup.report import SetupReport


@dataclass(frozen=True, slots=True)
class Answer:
    """The same answer in two forms, each made only when it is shown."""

    lines: Callable[[], str]
    tables: Callable[[], RenderableType]

    def show(self) -> None:
        """Write the answer to standard output: tables when it is a terminal, lines when it is not."""
        if not sys.stdout.isatty():
            sys.stdout.write(self.lines() + "\n")
            return
        from rich.console import Console

        Console().print(self.tables())


def run_answer(summary: Mapping[str, Any]) -> Answer:
    """Return a run's summary, ready to be shown."""

    def tables() -> RenderableType:
        from include.person_sync.present.tables import run_view

        return run_view(summary)

    return Answer(lambda: run_text(summary), tables)


def history_answer(entries: Sequence[Mapping[str, Any]]) -> Answer:
    """Return one person's history, ready to be shown."""

    def tables() -> RenderableType:
        from include.person_sync.present.tables import history_view

        return history_view(entries)

    return Answer(lambda: history_text(entries), tables)


def audit_answer(summary: Mapping[str, Any]) -> Answer:
    """Return an audit's summary, ready to be shown."""

    def tables() -> RenderableType:
        from include.person_sync.present.tables import audit_view

        return audit_view(summary)

    return Answer(lambda: audit_text(summary), tables)


def setup_answer(report: SetupReport) -> Answer:
    """Return what setup found, ready to be shown."""

    def tables() -> RenderableType:
        from include.person_sync.present.tables import setup_view

        return setup_view(report)

    return Answer(report.as_text, tables)
