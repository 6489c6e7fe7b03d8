"""The statistics of calls and errors, today and over the last seven days."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import date

    from include.sandbox.marketo.api_call import ApiCall
    from include.sandbox.marketo.endpoints import Answer
    from include.sandbox.marketo.world import MarketoWorld

__all__ = ["errors_last_week", "errors_today", "usage_last_week", "usage_today"]


def usage_today(world: MarketoWorld, call: ApiCall) -> Answer:
    """
    Today's calls by API user. The running call is not among them yet.

    Source: usage.md, Daily Usage.
    """
    call.parameters.allow()
    return {"result": [_usage(world, world.meter.today())]}


def usage_last_week(world: MarketoWorld, call: ApiCall) -> Answer:
    """
    Return calls of the last seven days, one item a day.

    Source: usage.md, Weekly Usage.
    """
    call.parameters.allow()
    return {"result": [_usage(world, day) for day in _week(world)]}


def errors_today(world: MarketoWorld, call: ApiCall) -> Answer:
    """
    Today's errors by code.

    Source: usage.md, Daily Errors.
    """
    call.parameters.allow()
    return {"result": [_errors(world, world.meter.today())]}


def errors_last_week(world: MarketoWorld, call: ApiCall) -> Answer:
    """
    Errors of the last seven days, one item a day.

    Source: usage.md, Weekly Errors.
    """
    call.parameters.allow()
    return {"result": [_errors(world, day) for day in _week(world)]}


def _week(world: MarketoWorld) -> list[date]:
    today = world.meter.today()
    return [today - timedelta(days=back) for back in range(7)]


def _usage(world: MarketoWorld, day: date) -> dict[str, Any]:
    counts = world.meter.calls(day)
    users = [{"userId": user, "count": count} for user, count in sorted(counts.items())]
    return {"date": day.isoformat(), "total": counts.total(), "users": users}


def _errors(world: MarketoWorld, day: date) -> dict[str, Any]:
    counts = world.meter.errors(day)
    errors = [{"errorCode": code, "count": count} for code, count in sorted(counts.items())]
    return {"date": day.isoformat(), "total": counts.total(), "errors": errors}
