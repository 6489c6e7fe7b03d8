"""Runs: what was asked for, how far it came, what it counted."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, insert, select, update

from include.errors import SyncError
from include.person_sync.state.records import Run, RunStatus
from include.person_sync.state.tables import plan, sync_run

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy import RowMapping

__all__ = ["finish_run", "latest_runs", "load_run", "start_run", "update_run"]

_CHANGEABLE = frozenset(
    {"status", "mode", "params", "origin", "counts", "api_calls", "brake", "overrides", "error", "notes"}
)
_NAMES = [column.name for column in fields(Run)]


def start_run(
    connection: Connection,
    run_id: str,
    *,
    kind: str,
    mode: str,
    params: Mapping[str, Any],
    origin: Mapping[str, Any],
    now: datetime,
) -> Run:
    """Return the run, made new or started once more; one that is committed is returned as it is."""
    known = load_run(connection, run_id, lock=True)
    if known is not None and known.status is RunStatus.COMMITTED:
        return known
    asked = {"kind": kind, "mode": mode, "params": dict(params), "origin": dict(origin)}
    if known is None:
        new = {"run_id": run_id, "status": RunStatus.RUNNING.value, "attempt": 1, "started_at": now, **asked}
        connection.execute(insert(sync_run).values(**new))
    else:
        again = {"status": RunStatus.RUNNING.value, "attempt": known.attempt + 1, "finished_at": None}
        cleared = {"error": None, "brake": None}
        statement = update(sync_run).where(sync_run.c.run_id == run_id)
        connection.execute(statement.values(**again, **cleared, **asked))
    started = load_run(connection, run_id)
    if started is None:
        raise SyncError(f"Run {run_id} vanished while it was started.")
    return started


def load_run(connection: Connection, run_id: str, *, lock: bool = False) -> Run | None:
    """Return the run or None. `lock` keeps its row as it is until the transaction ends."""
    statement = select(sync_run).where(sync_run.c.run_id == run_id)
    row = connection.execute(statement.with_for_update() if lock else statement).mappings().first()
    return None if row is None else _run(row)


def latest_runs(connection: Connection, limit: int, kind: str | None) -> list[Run]:
    """Return the runs started last, newest first."""
    statement = select(sync_run).order_by(sync_run.c.started_at.desc(), sync_run.c.run_id.desc()).limit(limit)
    if kind is not None:
        statement = statement.where(sync_run.c.kind == kind)
    return [_run(row) for row in connection.execute(statement).mappings()]


def _run(row: RowMapping) -> Run:
    return Run(**{name: row[name] for name in _NAMES if name != "status"}, status=RunStatus(row["status"]))


def update_run(connection: Connection, run_id: str, changes: Mapping[str, Any]) -> None:
    """
    Change what is known of a run. A status is checked; `applying` also marks the run's newest plan as started.

    Raises SyncError for an unknown run or column, and when a committed run is to get another status: that is its end.
    """
    unknown = set(changes) - _CHANGEABLE - {"finished_at"}
    if unknown:
        raise SyncError(f"A run has no column {', '.join(sorted(unknown))} that may change.")
    values = dict(changes)
    if "status" in values:
        values["status"] = RunStatus(values["status"]).value
    statement = update(sync_run).where(sync_run.c.run_id == run_id)
    if values.get("status", RunStatus.COMMITTED.value) != RunStatus.COMMITTED.value:
        statement = statement.where(sync_run.c.status != RunStatus.COMMITTED.value)
    if connection.execute(statement.values(**values)).rowcount == 0:
        raise SyncError(f"Run {run_id} is unknown or already committed.")
    if values.get("status") == RunStatus.APPLYING.value:
        _mark_started(connection, run_id)


def _mark_started(connection: Connection, run_id: str) -> None:
    newest = select(plan.c.plan_id).where(plan.c.run_id == run_id).order_by(plan.c.attempt.desc()).limit(1)
    connection.execute(update(plan).where(plan.c.plan_id == newest.scalar_subquery()).values(started=True))


def finish_run(connection: Connection, run_id: str, status: str, changes: Mapping[str, Any], now: datetime) -> None:
    """Set the end of a run that was not committed (a commit is its own end)."""
    update_run(connection, run_id, {**changes, "status": status, "finished_at": now})
