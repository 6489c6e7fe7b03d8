"""What to do with an answer: the vocabulary a vendor client uses to steer the retry loop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from include.http.messages import Response
from include.http.retry import parse_retry_after

if TYPE_CHECKING:
    from include.errors import SyncError


class Action(StrEnum):
    """The four things that can follow an answer, or the lack of one."""

    ACCEPT = "accept"
    RETRY = "retry"  # nothing was carried out: sending again is safe for every request
    UNSURE = "unsure"  # it may have been carried out: sent again only when the request is repeatable
    RENEW = "renew"  # the credentials were refused, nothing was carried out: renew once and send again


@dataclass(frozen=True, slots=True)
class Verdict:
    """
    One judgement about one attempt.

    `after_s` is the server's advice how long to wait; without it the wait is exponential with full jitter.
    `max_repeats` bounds the repeats for this cause below the general number of attempts. `error` is raised in place of
    a general RetryableError once the retry budget is used up.
    """

    action: Action
    reason: str = ""
    after_s: float | None = None
    max_repeats: int | None = None
    error: SyncError | None = None

    @classmethod
    def accept(cls) -> Verdict:
        """Return the verdict that hands the answer to the caller, whatever its status."""
        return cls(Action.ACCEPT)

    @classmethod
    def retry(
        cls,
        reason: str,
        *,
        after_s: float | None = None,
        max_repeats: int | None = None,
        error: SyncError | None = None,
    ) -> Verdict:
        """Return the verdict for a request the server refused to start on: it is sent again."""
        return cls(Action.RETRY, reason, after_s, max_repeats, error)

    @classmethod
    def unsure(
        cls,
        reason: str,
        *,
        after_s: float | None = None,
        max_repeats: int | None = None,
        error: SyncError | None = None,
    ) -> Verdict:
        """Return the verdict for what may have been carried out: sent again if repeatable, else LostAnswer."""
        return cls(Action.UNSURE, reason, after_s, max_repeats, error)

    @classmethod
    def renew(cls, reason: str) -> Verdict:
        """Return the verdict for refused credentials. The caller gets a second refusal of the same request as it is."""
        return cls(Action.RENEW, reason)


Judge = Callable[[Response], Verdict]

_NOT_STARTED = frozenset({429})
_UNCERTAIN = frozenset({408, 500, 502, 503, 504})
_SERVER_ERROR_REPEATS = 3


def judge_status(response: Response) -> Verdict:
    """
    Return the verdict that the HTTP status alone allows; vendor judges fall back on it.

    429 was not started. 408, 500, 502, 503 and 504 may or may not have been carried out. Everything else is accepted,
    401 included, because only the vendor client knows whether it has credentials to renew.
    """
    reason = f"HTTP {response.status}"
    after_s = parse_retry_after(response.headers.get("Retry-After"))
    if response.status in _NOT_STARTED:
        return Verdict.retry(reason, after_s=after_s)
    if response.status in _UNCERTAIN:
        repeats = _SERVER_ERROR_REPEATS if response.status == 500 else None
        return Verdict.unsure(reason, after_s=after_s, max_repeats=repeats)
    return Verdict.accept()
