"""Counting calls: the sliding rate window, the calls in flight, the daily quota, and the statistics of usage."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict, deque
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from include.sandbox.marketo.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from include.sandbox.clock import Clock
    from include.sandbox.marketo.settings import MarketoSettings

__all__ = ["NOT_COUNTED", "CallMeter"]

# Source: error-codes.md: codes marked with an asterisk count neither against the quota nor against the rate.
NOT_COUNTED: Final = frozenset({"601", "602", "604", "605", "608", "611"})
# Source: rest-api.md says the quota is reset at 00:00 "CST", bulk-extract.md Central Time.
_CENTRAL: Final = ZoneInfo("America/Chicago")


class CallMeter:
    """
    What an instance counts, over all its API users together.

    Calls refused with 606 or 607 count against the day, as does every other counted call; the rate window holds the
    calls that were let through.
    """

    def __init__(self, clock: Clock, settings: MarketoSettings) -> None:
        self._clock = clock
        self._settings = settings
        self._lock = threading.Lock()
        self._recent: deque[float] = deque()
        self._in_flight = 0
        self._calls: dict[date, Counter[str]] = defaultdict(Counter)
        self._errors: dict[date, Counter[str]] = defaultdict(Counter)

    def today(self) -> date:
        """Return the current day of the quota: from midnight to midnight in Chicago."""
        return self._clock.now().astimezone(_CENTRAL).date()

    def next_reset(self) -> datetime:
        """When the quota starts anew."""
        tomorrow = self.today() + timedelta(days=1)
        return datetime(tomorrow.year, tomorrow.month, tomorrow.day, tzinfo=_CENTRAL)

    @contextmanager
    def flight(self) -> Iterator[bool]:
        """Count a call as in flight meanwhile. Yields whether it is within the limit."""
        with self._lock:
            self._in_flight += 1
            within = self._in_flight <= self._settings.concurrency
        try:
            yield within
        finally:
            with self._lock:
                self._in_flight -= 1

    def admit(self) -> None:
        """Raise ApiError 607 when the day's quota is used up, 606 when the rate window is full."""
        now = self._clock.timestamp()
        with self._lock:
            if self._calls[self.today()].total() >= self._settings.daily_quota:
                raise ApiError("607")
            while self._recent and self._recent[0] <= now - self._settings.rate_window_s:
                self._recent.popleft()
            if len(self._recent) >= self._settings.rate_calls:
                raise ApiError(
                    "606",
                    f"Max rate limit '{self._settings.rate_calls}' exceeded with in "
                    f"'{self._settings.rate_window_s:g}' secs",
                )
            self._recent.append(now)

    def take_back(self) -> None:
        """Give a call's place in the rate window back: it ended in a code that is not counted."""
        with self._lock:
            if self._recent:
                self._recent.pop()

    def record(self, user: str, code: str | None) -> None:
        """Write a finished call into the day's statistics; `code` is its response-level error, if it had one."""
        with self._lock:
            if code is not None:
                self._errors[self.today()][code] += 1
            if code not in NOT_COUNTED:
                self._calls[self.today()][user] += 1

    def use_up(self, calls: int, user: str = "another.integration@example.com") -> None:
        """Count calls of somebody else: the limits are shared by all integrations of an instance."""
        with self._lock:
            self._calls[self.today()][user] += calls

    def calls(self, day: date) -> Counter[str]:
        """Return calls per API user on a day."""
        with self._lock:
            return Counter(self._calls.get(day, Counter()))

    def errors(self, day: date) -> Counter[str]:
        """Response-level errors per code on a day."""
        with self._lock:
            return Counter(self._errors.get(day, Counter()))
