"""Airflow waits as long as the server asked for, and does not wait where waiting is no use."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from airflow.sdk import RetryAction

from include.errors import (
    ConfigError,
    ContractViolation,
    LeaseHeld,
    LostAnswer,
    QuotaExhausted,
    RecordRejected,
    RetryableError,
    SafetyStop,
)
from person_sync_airflow.retries import HonourRetryAfter

TOMORROW = datetime(2026, 5, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("error", "delay"),
    [
        (RetryableError("busy", retry_after_s=42), timedelta(seconds=42)),
        (LostAnswer("sent, no answer", retry_after_s=7.5), timedelta(seconds=7.5)),
        (LeaseHeld("another run writes", retry_after_s=90), timedelta(seconds=90)),
        (RetryableError("busy", retry_after_s=-3), timedelta(0)),
        (RetryableError("busy"), None),
        (LeaseHeld("another run writes"), None),
    ],
)
def test_policy_retries_after_the_delay_the_error_carries(error: BaseException, delay: timedelta | None):
    """A retryable error is tried again after its own delay, or after the task's when it names none (S-21)."""
    decision = HonourRetryAfter().evaluate(error, 1, 3)

    assert (decision.action, decision.retry_delay) == (RetryAction.RETRY, delay)


@pytest.mark.parametrize(
    "error",
    [
        ConfigError("wrong tenant"),
        SafetyStop("too many deletes", brake="deleted_share"),
        QuotaExhausted("used up", resets_at=TOMORROW),
        RecordRejected("too long", code="1006"),
    ],
)
def test_policy_fails_at_once_when_a_person_is_needed(error: BaseException):
    """What does not pass by itself is not tried again (S-21)."""
    assert HonourRetryAfter().evaluate(error, 1, 3).action is RetryAction.FAIL


@pytest.mark.parametrize("error", [ContractViolation("html instead of json"), ValueError("a bug"), KeyboardInterrupt()])
def test_policy_leaves_other_errors_to_the_task(error: BaseException):
    """Anything else follows the `retries` and `retry_delay` of the task."""
    assert HonourRetryAfter().evaluate(error, 1, 3).action is RetryAction.DEFAULT


def test_policy_reason_tells_nothing_of_the_error_text():
    """The reason, which Airflow stores and shows, names the kind of error and not its text."""
    decision = HonourRetryAfter().evaluate(RetryableError("jane@example.com is locked", retry_after_s=1), 1, 3)

    assert decision.reason == "RetryableError asks to wait 1 s"


def test_policy_survives_serialization():
    """Airflow can write the policy down and read it back."""
    policy = HonourRetryAfter()

    assert isinstance(HonourRetryAfter.deserialize(policy.serialize()), HonourRetryAfter)
