"""
Service protection: how many requests, how much time and how much at once a user may take.

Source: https://learn.microsoft.com/power-apps/developer/data-platform/api-limits
"""

from __future__ import annotations

import math
import threading
from collections import deque
from typing import TYPE_CHECKING, Final

from include.sandbox.dataverse.errors import Refusal

if TYPE_CHECKING:
    from include.sandbox.clock import Clock
    from include.sandbox.dataverse.settings import DynamicsSettings

__all__ = ["ProtectionLimits", "throttled"]

_PARALLELISM_HINT: Final = "4"


def throttled(code: str, message: str, retry_after_s: float) -> Refusal:
    """Return the refusal of a request that came too soon."""
    return Refusal(429, code, message, {"Retry-After": str(max(1, math.ceil(retry_after_s)))})


class ProtectionLimits:
    """The sliding window of one user on one web server. Thread-safe."""

    def __init__(self, settings: DynamicsSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._lock = threading.Lock()
        self._window: deque[tuple[float, float]] = deque()
        self._spent_s = 0.0
        self._running = 0

    def enter(self) -> None:
        """Admit a request. Raises Refusal 429; whoever is admitted has to `leave`."""
        with self._lock:
            self._forget_old()
            self._check()
            self._running += 1

    def _check(self) -> None:
        limits = self._settings
        if self._running >= limits.concurrency_limit:
            text = f"Number of concurrent requests exceeded the limit of {limits.concurrency_limit}."
            raise throttled("0x80072326", text, 1)
        wait_s = self._window[0][0] + limits.window_s - self._clock.timestamp() if self._window else limits.window_s
        if len(self._window) >= limits.request_limit:
            text = (
                f"Number of requests exceeded the limit of {limits.request_limit} over time window of "
                f"{limits.window_s:.0f} seconds."
            )
            raise throttled("0x80072322", text, wait_s)
        if self._spent_s >= limits.execution_limit_s:
            text = (
                "Combined execution time of incoming requests exceeded limit of "
                f"{limits.execution_limit_s * 1000:,.0f} milliseconds over time window of "
                f"{limits.window_s:.0f} seconds. "
                "Decrease number of concurrent requests or reduce the duration of requests and try again later."
            )
            raise throttled("0x80072321", text, wait_s)

    def leave(self, elapsed_s: float) -> None:
        """Note that an admitted request has ended."""
        with self._lock:
            self._running -= 1
            self._window.append((self._clock.timestamp(), elapsed_s))
            self._spent_s += elapsed_s

    def _forget_old(self) -> None:
        horizon = self._clock.timestamp() - self._settings.window_s
        while self._window and self._window[0][0] <= horizon:
            self._spent_s -= self._window.popleft()[1]

    def headers(self) -> dict[str, str]:
        """Return what is left, as answers say it."""
        with self._lock:
            left = max(0, self._settings.request_limit - len(self._window) - 1)
            left_s = max(0.0, self._settings.execution_limit_s - self._spent_s)
        return {
            "x-ms-ratelimit-burst-remaining-xrm-requests": str(left),
            "x-ms-ratelimit-time-remaining-xrm-requests": f"{left_s:,.2f}",
            "x-ms-dop-hint": _PARALLELISM_HINT,
        }
