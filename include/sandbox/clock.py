"""The sandbox's clock: real time plus an offset that tests move forward, so that a week passes in no time."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

__all__ = ["Clock"]


class Clock:
    """Real time shifted by `offset_s`. Every service reads the time here: token lifetimes, windows and row stamps."""

    def __init__(self, *, offset_s: float = 0.0) -> None:
        self._offset_s = offset_s
        self._lock = threading.Lock()

    @property
    def offset_s(self) -> float:
        """Seconds by which this clock is ahead of the machine's."""
        return self._offset_s

    def timestamp(self) -> float:
        """Seconds since the epoch (UTC) by this clock."""
        return time.time() + self._offset_s

    def now(self) -> datetime:
        """Return the present moment by this clock, aware, in UTC."""
        return datetime.fromtimestamp(self.timestamp(), tz=UTC)

    def advance(self, seconds: float | timedelta) -> datetime:
        """Move the clock forward and return the new moment. Raises ValueError for a step backwards."""
        step_s = seconds.total_seconds() if isinstance(seconds, timedelta) else float(seconds)
        if step_s < 0:
            raise ValueError("the sandbox's clock only moves forward")
        with self._lock:
            self._offset_s += step_s
        return self.now()
