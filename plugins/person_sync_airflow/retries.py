"""When Airflow tries a failed task again, and when it does not: decided by the kind of error, see `include.errors`."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from airflow.sdk import RetryDecision, RetryPolicy

from include.errors import ConfigError, LeaseHeld, QuotaExhausted, RecordRejected, RetryableError, SafetyStop

if TYPE_CHECKING:
    from airflow.sdk import Context

__all__ = ["HonourRetryAfter"]

_HOPELESS: Final = (ConfigError, QuotaExhausted, RecordRejected, SafetyStop)


class HonourRetryAfter(RetryPolicy):
    """
    Retry policy that waits as long as the server asked for, and gives up at once where waiting cannot help.

    A retryable error, or a lease held by another run, is tried again after its own `retry_after_s`. A wrong
    setting, a used-up quota, a refused record and a tripped brake need a person, so they fail at once. Everything
    else follows the task's `retries` and `retry_delay`. The number of tries never exceeds `retries`.
    """

    def evaluate(
        self,
        exception: BaseException,
        try_number: int,  # noqa: ARG002 - part of Airflow's interface
        max_tries: int,  # noqa: ARG002
        context: Context | None = None,  # noqa: ARG002
    ) -> RetryDecision:
        """Return what to do after this failure. The reason shows in the task's log, so it carries no data."""
        kind = type(exception).__name__
        if isinstance(exception, RetryableError | LeaseHeld):
            if exception.retry_after_s is None:
                return RetryDecision.retry(reason=f"{kind} may pass by itself")
            delay = timedelta(seconds=max(exception.retry_after_s, 0.0))
            return RetryDecision.retry(delay=delay, reason=f"{kind} asks to wait {delay.total_seconds():.0f} s")
        if isinstance(exception, _HOPELESS):
            return RetryDecision.fail(reason=f"{kind} does not pass by itself")
        return RetryDecision.default()

    def serialize(self) -> dict[str, Any]:
        """Return the settings of the policy: there are none."""
        return {}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> HonourRetryAfter:  # noqa: ARG003 - part of Airflow's interface
        """Return the policy that `serialize` described."""
        return cls()
