"""How far a step of a baseline has come, and how long it will take if it goes on like this; told in the log."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from include.person_sync.present.figures import number, span

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from include.person_sync.state import Run

log = logging.getLogger(__name__)

LINE_EVERY_S = 10.0


@dataclass(frozen=True, slots=True)
class Advance:
    """
    Where a step stands: `done` of `total` pieces in `busy_s` seconds of work.

    `total` is None where nobody can tell beforehand, as with the rows of a Dynamics table.
    """

    step: str
    done: int
    total: int | None
    pieces: str
    busy_s: float = 0.0

    @property
    def is_complete(self) -> bool:
        """True once every piece is done."""
        return self.total is not None and self.done >= self.total

    @property
    def percent(self) -> int | None:
        """The share that is done, rounded down: 100 means all; None when the whole is not known."""
        if self.total is None:
            return None
        return 100 if self.is_complete else self.done * 100 // self.total

    @property
    def left_s(self) -> float | None:
        """Seconds to go at the pace so far; None when that can't be told."""
        if self.total is None or self.done == 0 or self.busy_s <= 0:
            return None
        return self.busy_s / self.done * max(self.total - self.done, 0)

    @property
    def standing(self) -> str:
        """The numbers, the percentage and the time left, as far as they can be told."""
        if self.total is None:
            return f"{number(self.done)} {self.pieces} so far"
        told = f"{number(self.done)} of {number(self.total)} {self.pieces}, {self.percent} %"
        return told if self.is_complete or self.left_s is None else f"{told}, about {span(self.left_s)} left"

    def __str__(self) -> str:
        return f"{self.step}: {self.standing}"


class AdvanceLog:
    """Writes a line per step and some seconds into the log, and one when a step is complete."""

    def __init__(self, *, every_s: float = LINE_EVERY_S, clock: Callable[[], float] = time.monotonic) -> None:
        self._every_s = every_s
        self._clock = clock
        self._told: dict[str, Advance] = {}
        self._told_at: dict[str, float] = {}

    def __call__(self, advance: Advance) -> None:
        """Take notice of where a step stands."""
        before, now = self._told.get(advance.step), self._clock()
        if before is not None:
            if (before.done, before.total) == (advance.done, advance.total):
                return
            if not advance.is_complete and now - self._told_at[advance.step] < self._every_s:
                return
        self._told[advance.step], self._told_at[advance.step] = advance, now
        log.info("%s", advance)


def reading_marketo(document: Mapping[str, Any], now: datetime) -> Advance | None:
    """Return how far Marketo has been read, by its document; None before the last id is known."""
    busy_s = seconds_since(document.get("began_at"), now)
    if "windows" in document:
        windows = document["windows"]
        done = sum(window["parts"] is not None for window in windows)
        return Advance("reading Marketo", done, len(windows), "extracts", busy_s)
    highest = document["highest"]
    if highest is None:
        return None
    return Advance("reading Marketo", min(document["next_id"] - 1, highest), highest, "ids", busy_s)


def reading_table(table: str, document: Mapping[str, Any], now: datetime) -> Advance:
    """Return how far a Dynamics table has been read, by its document; how many rows there are its last page tells."""
    total = document["rows"] if document["delta_link"] is not None else None
    return Advance(f"reading {table}s", document["rows"], total, "rows", seconds_since(document["started_at"], now))


def working_through(runs: Iterable[Run], total: int) -> Advance:
    """Return how far the partitions have come, by the runs of those that are done; pauses between runs don't count."""
    spans = [(run.finished_at - run.started_at).total_seconds() for run in runs if run.finished_at is not None]
    return Advance("working through partitions", len(spans), total, "partitions", sum(spans))


def seconds_since(began_at: str | None, now: datetime) -> float:
    """Return the seconds since a stored moment; 0 when none was stored."""
    return 0.0 if began_at is None else max((now - datetime.fromisoformat(began_at)).total_seconds(), 0.0)
