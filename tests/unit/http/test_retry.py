from __future__ import annotations

from datetime import UTC, datetime

import pytest

from include.http.retry import RetryBudget, RetryPolicy, backoff_ceiling, compute_wait, parse_retry_after

NOW = datetime(2026, 5, 2, 7, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        (" 2.5 ", 2.5),
        ("-3", 0.0),
        ("Sat, 02 May 2026 07:30:40 GMT", 40.0),
        ("Sat, 02 May 2026 07:29:00 GMT", 0.0),
        ("soon", None),
        ("nan", None),
        ("inf", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_reads_seconds_and_dates_when_given(value, seconds):
    """Retry-After is understood as a number and as an HTTP date, and ignored when it is neither."""
    assert parse_retry_after(value, now=NOW) == seconds


def test_backoff_doubles_up_to_the_cap_when_failures_add_up():
    """The ceiling of the wait doubles with every failure and never exceeds the cap, however many there are."""
    policy = RetryPolicy(base_s=1.0, cap_s=10.0)

    assert [backoff_ceiling(policy, n) for n in (1, 2, 3, 4, 5, 5000)] == [1, 2, 4, 8, 10, 10]


def test_wait_covers_the_whole_range_when_the_server_gives_no_advice():
    """Full jitter: the wait lies anywhere between nothing and the ceiling."""
    policy = RetryPolicy(base_s=4.0)

    assert compute_wait(policy, 1, None, 0.0) == 0.0
    assert compute_wait(policy, 1, None, 0.5) == 2.0


def test_wait_is_never_shorter_than_advised_when_the_server_gives_advice():
    """The server's advice beats our own rule; jitter only ever adds to it."""
    policy = RetryPolicy(base_s=100.0)

    assert compute_wait(policy, 4, 10.0, 0.0) == 10.0
    assert 10.0 < compute_wait(policy, 4, 10.0, 0.99) <= 11.0


def test_retry_budget_ends_when_all_attempts_are_used():
    """Three attempts allow two waits."""
    budget = RetryBudget(RetryPolicy(attempts=3, base_s=1.0), lambda: 1.0)

    assert [budget.next_wait() for _ in range(3)] == [1.0, 2.0, None]


def test_retry_budget_ends_when_one_cause_has_used_up_its_repeats():
    """A cause with its own bound ends the retries earlier, without taking anything from other causes."""
    budget = RetryBudget(RetryPolicy(attempts=9), lambda: 0.0)

    assert budget.next_wait(cause="611", max_repeats=1) == 0.0
    assert budget.next_wait(cause="606") == 0.0
    assert budget.next_wait(cause="611", max_repeats=1) is None


def test_retry_budget_ends_when_the_wait_would_exceed_the_total():
    """A wait longer than what is left of the total is not begun: the caller is told at once."""
    budget = RetryBudget(RetryPolicy(attempts=9, total_wait_s=60.0), lambda: 0.0)

    assert budget.next_wait(after_s=50.0) == 50.0
    assert budget.next_wait(after_s=11.0) is None
