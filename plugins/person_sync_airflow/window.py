"""Which stretch of time an extract covers: the one it was given, else the data interval of its DAG run."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from include.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["choose_window"]


def choose_window(
    context: Mapping[str, Any], since: datetime | str | None, until: datetime | str | None
) -> tuple[datetime, datetime]:
    """
    Return start (included) and end (excluded), both aware.

    A run that was not scheduled has no data interval; then `since` has to be given, and `until` defaults to the time
    of the run. Raises ConfigError.
    """
    run = context["dag_run"]
    start = _aware("since", since) or run.data_interval_start
    end = _aware("until", until) or (run.data_interval_end if since is None else None) or run.run_after
    if start is None or start == end:
        raise ConfigError(
            "This run has no data interval, so it is not known from when on to read",
            remedy="Give 'since', or schedule the DAG with CronDataIntervalTimetable.",
        )
    if start > end:
        raise ConfigError("'since' is later than 'until'", remedy="Give an earlier 'since' or a later 'until'.")
    return start, end


def _aware(name: str, value: datetime | str | None) -> datetime | None:
    """Return the moment; text is ISO 8601. Without a time zone it would mean something else on every machine."""
    if not value:
        return None
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        raise ConfigError(
            f"'{name}' is not a time: {value}", remedy="Write it like 2026-05-01T00:00:00+00:00."
        ) from None
    if moment.tzinfo is None:
        raise ConfigError(f"'{name}' has no time zone", remedy="Write it like 2026-05-01T00:00:00+00:00.")
    return moment
