"""Which stretch of time a run covers: the one it was given, else the data interval of its DAG run."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from include.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["choose_window"]


def choose_window(
    context: Mapping[str, Any],
    since: datetime | str | None,
    until: datetime | str | None,
    *,
    names: tuple[str, str] = ("since", "until"),
) -> tuple[datetime, datetime]:
    """
    Return start (included) and end (excluded), both aware.

    A run that was not scheduled has no data interval; then `since` has to be given, and `until` defaults to the time
    of the run. `names` are what a person knows the two as. Raises ConfigError.
    """
    first, last = names
    run = context["dag_run"]
    start = _aware(first, since) or run.data_interval_start
    end = _aware(last, until) or (run.data_interval_end if since is None else None) or run.run_after
    if start is None or start == end:
        raise ConfigError(
            "This run has no data interval, so it is not known from when on to read",
            remedy=f"Give '{first}' (and '{last}', if it is not now), or schedule the DAG with "
            "CronDataIntervalTimetable.",
        )
    if start > end:
        raise ConfigError(f"'{first}' is later than '{last}'", remedy=f"Give an earlier '{first}' or a later '{last}'.")
    return start, end


def _aware(name: str, value: datetime | str | None) -> datetime | None:
    """Return the moment; text is ISO 8601. Without a time zone it would mean something else on every machine."""
    if not value:
        return None
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError:
        raise ConfigError(
            f"'{name}' is not a time: {value}", remedy="Write it like 2026-05-01T00:00:00+00:00."
        ) from None
    if moment.tzinfo is None:
        raise ConfigError(f"'{name}' has no time zone", remedy="Write it like 2026-05-01T00:00:00+00:00.")
    return moment
