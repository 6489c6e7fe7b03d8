"""The shapes in which Marketo writes moments, and the hour at which its allowance is renewed."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from include.errors import ContractViolation

_CENTRAL = ZoneInfo("America/Chicago")
# The asset API writes both a Z and an offset, as in 2026-05-02T07:30:00Z+0000.
_DOUBLE_ZONE = re.compile(r"Z([+-]\d{2}:?\d{2})$")


def parse_datetime(text: str) -> datetime:
    """
    Return the moment as aware UTC.

    Takes `…Z`, `…+0000`, `…Z+0000`, `…-08:00`, with or without fractions; a moment without zone is read as UTC. Raises
    ContractViolation for anything else. Source: field-types, paging-tokens and the samples of several pages.
    """
    try:
        moment = datetime.fromisoformat(_DOUBLE_ZONE.sub(r"\1", text.strip()))
    except (AttributeError, TypeError, ValueError) as error:
        raise ContractViolation("marketo: a date and time has an unknown shape.") from error
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def format_datetime(moment: datetime) -> str:
    """Return an aware moment as `YYYY-MM-DDThh:mm:ssZ`: whole seconds, as Marketo keeps them. ValueError when naive."""
    if moment.tzinfo is None:
        raise ValueError("a moment without zone cannot be sent to Marketo")
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def quota_day(moment: datetime) -> date:
    """Return the day of Marketo's accounting that an aware moment falls in."""
    return moment.astimezone(_CENTRAL).date()


def next_quota_reset(now: datetime) -> datetime:
    """Return the coming midnight in America/Chicago, as UTC. Source: rest-api, "Limits" (it says "CST")."""
    tomorrow = quota_day(now) + timedelta(days=1)
    return datetime(tomorrow.year, tomorrow.month, tomorrow.day, tzinfo=_CENTRAL).astimezone(UTC)
