"""Retry arithmetic: how long to wait and when to give up. No I/O, no clock of its own."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# Never earlier than the server asked, and up to this share later, so that several callers do not return in step.
ADVICE_SPREAD = 0.1


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """
    The bounds of one request's retries.

    `attempts` counts every sending, the first included. `total_wait_s` bounds the sum of the waits: a longer wait
    is left to whoever scheduled the run. `base_s` and `cap_s` shape the exponential backoff.
    """

    attempts: int = 5
    total_wait_s: float = 120.0
    base_s: float = 1.0
    cap_s: float = 30.0


def parse_retry_after(value: str | None, *, now: datetime | None = None) -> float | None:
    """
    Return the seconds a Retry-After header asks for, from a number or an HTTP date; None when it says nothing usable.

    A date in the past gives 0. Source: RFC 9110, section 10.2.3.
    """
    if value is None or not value.strip():
        return None
    try:
        seconds = float(value)
    except ValueError:
        return _seconds_until(value, now or datetime.now(UTC))
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _seconds_until(value: str, now: datetime) -> float | None:
    try:
        moment = parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())


def backoff_ceiling(policy: RetryPolicy, failures: int) -> float:
    """Return the longest wait after that many failures: base, doubled each time, never above the cap."""
    return float(min(policy.cap_s, policy.base_s * 2.0 ** min(failures - 1, 32)))


def compute_wait(policy: RetryPolicy, failures: int, after_s: float | None, draw: float) -> float:
    """
    Return the seconds to wait after `failures` failed attempts; `draw` is a random number in [0, 1).

    The server's advice, when there is some, is the lower bound and beats our own rule. Otherwise the wait is spread
    over everything from zero to the ceiling (full jitter).
    """
    if after_s is not None:
        return after_s * (1.0 + ADVICE_SPREAD * draw)
    return backoff_ceiling(policy, failures) * draw


class RetryBudget:
    """
    The budget of attempts and waiting time of one request.

    Also for loops of a vendor client's own, such as the parts of a batch that were throttled one by one.
    """

    def __init__(self, policy: RetryPolicy, random: Callable[[], float]) -> None:
        self._policy = policy
        self._random = random
        self._repeats: dict[str, int] = {}
        self.failures = 0
        self.waited_s = 0.0

    def next_wait(
        self, *, after_s: float | None = None, cause: str = "", max_repeats: int | None = None
    ) -> float | None:
        """
        Return how long to wait before the next attempt and count it; None when the retry budget is used up.

        It runs out when all attempts are used, when this cause has used up its own `max_repeats`, or when the wait
        would take the sum over `total_wait_s`.
        """
        self.failures += 1
        repeats = self._repeats.get(cause, 0)
        if self.failures >= self._policy.attempts or (max_repeats is not None and repeats >= max_repeats):
            return None
        wait_s = compute_wait(self._policy, self.failures, after_s, self._random())
        if self.waited_s + (wait_s if after_s is None else after_s) > self._policy.total_wait_s:
            return None
        self._repeats[cause] = repeats + 1
        self.waited_s += wait_s
        return wait_s
