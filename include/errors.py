"""
The exceptions of the project, sorted by what happens next.

Every error that a person may see says three things: what was seen, where (setting, record or column), and what to
do about it (`remedy`). None of them carries a secret or a person's data; clients redact before they raise.

```text
SyncError             unexpected; the run fails
├─ RetryableError     the same request may succeed later; Airflow retries, honouring `retry_after_s`
│  └─ LostAnswer      a write was sent and its answer lost: look before repeating it
├─ QuotaExhausted     the vendor's daily allowance is used up; stop until `resets_at`
├─ RecordRejected     one record was refused for good; it becomes a dead letter and the others go on
├─ SafetyStop         a brake stopped the run before its first write
│  └─ LeaseHeld       another run is writing
├─ ConfigError        a setting, credential or permission is wrong; a person has to act
└─ ContractViolation  the vendor answered something it does not document
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from datetime import datetime

__all__ = [
    "ConfigError",
    "ContractViolation",
    "LeaseHeld",
    "LostAnswer",
    "QuotaExhausted",
    "RecordRejected",
    "RetryableError",
    "SafetyStop",
    "SyncError",
]


class SyncError(Exception):
    """
    Root of the tree.

    `exit_code` is what the command line returns for it. `remedy` is one sentence saying what to do next,
    `request_id` the vendor's id of the failing request where there was one. `details` may gain what a program wants to
    know besides, such as the summary of the run that failed.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, remedy: str = "", request_id: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.request_id = request_id
        self.details: dict[str, object] = {}

    def __str__(self) -> str:
        """Message, then the request id, then the remedy: the order in which a reader needs them."""
        parts = [self.message]
        if self.request_id:
            parts.append(f"(request {self.request_id})")
        if self.remedy:
            parts.append(f"What to do: {self.remedy}")
        return " ".join(parts)


class RetryableError(SyncError):
    """The same request may succeed later. `retry_after_s` is the server's own advice in seconds, if it gave any."""

    def __init__(
        self,
        message: str,
        *,
        retry_after_s: float | None = None,
        remedy: str = "",
        request_id: str | None = None,
    ) -> None:
        super().__init__(message, remedy=remedy, request_id=request_id)
        self.retry_after_s = retry_after_s


class LostAnswer(RetryableError):
    """A write was sent, its answer never came. It may have been applied: look before repeating."""


class QuotaExhausted(SyncError):
    """The daily allowance of a vendor is used up. `resets_at` (aware UTC) says when it is renewed."""

    exit_code: ClassVar[int] = 5

    def __init__(self, message: str, *, resets_at: datetime, remedy: str = "", request_id: str | None = None) -> None:
        super().__init__(message, remedy=remedy, request_id=request_id)
        self.resets_at = resets_at


class RecordRejected(SyncError):
    """One record was refused for good. `code` is the vendor's code, or one of ours for a value we refused to send."""

    def __init__(self, message: str, *, code: str, remedy: str = "", request_id: str | None = None) -> None:
        super().__init__(message, remedy=remedy, request_id=request_id)
        self.code = code


class SafetyStop(SyncError):
    """A brake stopped the run before its first write. `brake` is the name to give to `--override`."""

    exit_code: ClassVar[int] = 3

    def __init__(self, message: str, *, brake: str, remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.brake = brake


class LeaseHeld(SafetyStop):
    """Another run holds the single-writer lease. `retry_after_s` is the time until that lease would expire."""

    exit_code: ClassVar[int] = 6

    def __init__(self, message: str, *, retry_after_s: float | None = None, remedy: str = "") -> None:
        super().__init__(message, brake="lease", remedy=remedy)
        self.retry_after_s = retry_after_s


class ConfigError(SyncError):
    """A setting, credential or permission is wrong. The message names it and, where there are any, the valid values."""

    exit_code: ClassVar[int] = 4


class ContractViolation(SyncError):
    """The vendor answered something undocumented. `excerpt` is a short redacted piece of the answer."""

    def __init__(self, message: str, *, excerpt: str = "", remedy: str = "", request_id: str | None = None) -> None:
        super().__init__(message, remedy=remedy, request_id=request_id)
        self.excerpt = excerpt
