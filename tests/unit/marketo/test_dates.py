from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from include.errors import ContractViolation
from include.marketo.dates import format_datetime, next_quota_reset, parse_datetime

MOMENT = datetime(2026, 5, 2, 7, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2026-05-02T07:30:00Z",
        "2026-05-02T07:30:00+0000",
        "2026-05-02T07:30:00+00:00",
        "2026-05-02T07:30:00Z+0000",
        "2026-05-02T07:30:00.000Z",
        "2026-05-01T23:30:00-08:00",
        "2026-05-01T23:30:00-0800",
        "2026-05-02 07:30:00",
    ],
)
def test_date_is_the_same_moment_when_written_differently(text):
    """All shapes found in the documentation and in recorded answers are understood."""
    assert parse_datetime(text) == MOMENT


@pytest.mark.parametrize("text", ["", "yesterday", None, 7])
def test_date_is_a_contract_violation_when_it_has_no_known_shape(text):
    """A date that cannot be read is never guessed."""
    with pytest.raises(ContractViolation):
        parse_datetime(text)


def test_date_is_sent_in_utc_when_it_has_another_zone():
    """Outgoing moments carry a zone and whole seconds."""
    moment = datetime(2026, 5, 2, 9, 30, 0, 999, tzinfo=timezone(timedelta(hours=2)))

    assert format_datetime(moment) == "2026-05-02T07:30:00Z"


def test_date_is_not_sent_when_it_has_no_zone():
    """Marketo would read it in a zone that is not documented."""
    with pytest.raises(ValueError, match="without zone"):
        format_datetime(datetime(2026, 5, 2))  # noqa: DTZ001 -- what is being tested


@pytest.mark.parametrize(
    ("now", "reset"),
    [
        (datetime(2026, 7, 1, 4, 59, tzinfo=UTC), datetime(2026, 7, 1, 5, 0, tzinfo=UTC)),
        (datetime(2026, 7, 1, 5, 0, tzinfo=UTC), datetime(2026, 7, 2, 5, 0, tzinfo=UTC)),
        (datetime(2026, 1, 15, 12, 0, tzinfo=UTC), datetime(2026, 1, 16, 6, 0, tzinfo=UTC)),
    ],
)
def test_quota_resets_at_midnight_in_chicago_when_it_is_used_up(now, reset):
    """The day of the quota is Central Time, summer and winter (S-20)."""
    assert next_quota_reset(now) == reset
