"""Marketo's calls of the day: how many all integrations have used, and when they are renewed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from include.person_sync.run.context import SyncContext

__all__ = ["marketo_calls_today", "next_reset", "note_calls"]

USAGE = "marketo_usage"
USAGE_CHECK = timedelta(hours=1)
MARKETO_DAY = ZoneInfo("America/Chicago")
"""Marketo's allowance is renewed at midnight Central Time. Source: Marketo developer guide, "REST API" (limits)."""


def marketo_calls_today(ctx: SyncContext) -> int:
    """Return the calls all integrations have used today: asked of Marketo once an hour, our own added since."""
    stored = ctx.store.document(USAGE)
    value: dict[str, Any] = stored[0] if stored else {}
    now = ctx.now()
    checked = datetime.fromisoformat(value["checked_at"]) if value else None
    if checked and now - checked < USAGE_CHECK and marketo_day(checked) == marketo_day(now):
        return int(value["used"])
    used = ctx.marketo.usage()
    ctx.store.save_document(USAGE, {"used": used, "checked_at": now.isoformat()})
    return used


def note_calls(ctx: SyncContext, calls: int) -> None:
    """Add this process's Marketo calls to what is known of today's use."""
    stored = ctx.store.document(USAGE)
    if stored and calls:
        ctx.store.save_document(USAGE, {**stored[0], "used": int(stored[0]["used"]) + calls})


def marketo_day(moment: datetime) -> object:
    """Return the day of Marketo's accounting a moment falls in."""
    return moment.astimezone(MARKETO_DAY).date()


def next_reset(now: datetime) -> datetime:
    """Return the next midnight of Marketo's accounting, in UTC."""
    tomorrow = now.astimezone(MARKETO_DAY).date() + timedelta(days=1)
    return datetime(tomorrow.year, tomorrow.month, tomorrow.day, tzinfo=MARKETO_DAY).astimezone(UTC)
