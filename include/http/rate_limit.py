"""A client-side rate limit: never more than so many calls within a sliding window, whatever the number of threads."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most `calls` requests within any `per_s` seconds."""

    calls: int
    per_s: float


class SlidingWindow:
    """
    Hands out sending times. Knows no clock: the caller says what time it is and does the waiting.

    `hold` keeps everybody back until a moment, because a server that throttles one thread throttles its neighbours too.
    """

    def __init__(self, limit: RateLimit | None) -> None:
        self._limit = limit
        self._slots: deque[float] = deque(maxlen=limit.calls if limit else 1)
        self._held_until = float("-inf")
        self._lock = threading.Lock()

    def reserve(self, now: float) -> float:
        """Return the seconds until the caller may send, and keep that place for it."""
        with self._lock:
            slot = max(now, self._held_until)
            if self._limit is not None:
                if len(self._slots) == self._limit.calls:
                    slot = max(slot, self._slots[0] + self._limit.per_s)
                self._slots.append(slot)
            return slot - now

    def hold(self, until: float) -> None:
        """Let nobody send before `until`."""
        with self._lock:
            self._held_until = max(self._held_until, until)

    def still_held(self, now: float) -> float:
        """Return the seconds for which sending is held back, 0 when it is not."""
        with self._lock:
            return max(0.0, self._held_until - now)
