"""The commit of a run: everything it learned becomes visible in one transaction, or nothing does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
from sqlalchemy import Connection, select, update

from include.errors import LeaseHeld, SyncError
from include.person_sync.state import backlog, dead_letters, links, plans
from include.person_sync.state.dialects import upsert
from include.person_sync.state.records import RunStatus
from include.person_sync.state.runs import load_run
from include.person_sync.state.snapshots import move_base
from include.person_sync.state.tables import lease, sync_run, watermark

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from include.person_sync.state.records import Commit

__all__ = ["commit", "load_watermarks"]


def commit(connection: Connection, run_id: str, content: Commit, now: datetime) -> bool:
    """
    Store a run's outcome and mark it committed; return False, having done nothing, when it already was.

    Raises LeaseHeld when the run does not hold the lease: another run may have read the old state and gone on from it.
    """
    run = load_run(connection, run_id, lock=True)
    if run is None:
        raise SyncError(f"Run {run_id} is unknown and can't be committed.")
    if run.status is RunStatus.COMMITTED:
        return False
    if run.status is RunStatus.DRY_RUN:
        raise SyncError(f"Run {run_id} was a dry run and can't be committed.")
    _require_lease(connection, run_id)
    _move_identity(connection, run_id, content, now)
    _move_letters(connection, run_id, content, now)
    _move_watermarks(connection, run_id, content.watermarks, now)
    _move_backlog(connection, content, now)
    plans.settle(connection, run_id, everything=content.settles)
    _close_run(connection, run_id, content, now)
    return True


def _require_lease(connection: Connection, run_id: str) -> None:
    """Lock the run's lease row for the rest of the transaction. One that expired unnoticed by others is still ours."""
    held = connection.execute(select(lease.c.name).where(lease.c.run_id == run_id).with_for_update()).first()
    if held is None:
        raise LeaseHeld(
            f"Run {run_id} lost the lease before its commit; nothing was committed.",
            remedy="Nothing is lost: the next run settles what this one wrote.",
        )


def _move_identity(connection: Connection, run_id: str, content: Commit, now: datetime) -> None:
    links.close_links(connection, content.closed_links, now)
    if content.links is not None and len(content.links):
        links.save_links(connection, content.links, run_id, now)
    if content.base_moves is not None:
        move_base(connection, content.base_moves, run_id)
    if content.versions is not None:
        links.save_versions(connection, content.versions)
    links.mark_recheck(connection, content.rechecked, needed=False)
    links.mark_recheck(connection, content.recheck, needed=True)
    links.mark_filtered(connection, content.unfiltered, filtered=False)
    links.mark_filtered(connection, content.filtered, filtered=True)


def _move_letters(connection: Connection, run_id: str, content: Commit, now: datetime) -> None:
    new = pd.DataFrame() if content.dead_letters is None else content.dead_letters
    linked = pd.DataFrame() if content.links is None else content.links
    newest = plans.newest_plan(connection, run_id)
    plan_id = None if newest is None else int(newest["plan_id"])
    dead_letters.resolve_obsolete(connection, plan_id, new, linked, run_id, now)
    dead_letters.resolve(connection, content.resolved_dead_letters, run_id, now)
    dead_letters.save(connection, new, run_id, now)


def _move_watermarks(connection: Connection, run_id: str, moves: Mapping[str, Any], now: datetime) -> None:
    if not moves:
        return
    statement = upsert(connection, watermark)
    changed = {name: statement.excluded[name] for name in ("value", "run_id", "moved_at")}
    rows = [{"feed": feed, "value": value, "run_id": run_id, "moved_at": now} for feed, value in moves.items()]
    connection.execute(statement.on_conflict_do_update(index_elements=["feed"], set_=changed), rows)


def _move_backlog(connection: Connection, content: Commit, now: datetime) -> None:
    for source, record_ids in content.taken_up.items():
        backlog.remove(connection, source, record_ids)
    for source, record_ids in content.backlog.items():
        backlog.add(connection, source, record_ids, now)


def load_watermarks(connection: Connection) -> dict[str, Any]:
    """Return how far each feed has been consumed, by feed name."""
    rows = connection.execute(select(watermark.c.feed, watermark.c.value))
    return {str(feed): value for feed, value in rows}


def _close_run(connection: Connection, run_id: str, content: Commit, now: datetime) -> None:
    values = {
        "status": RunStatus.COMMITTED.value,
        "finished_at": now,
        "counts": dict(content.counts),
        "api_calls": dict(content.api_calls),
    }
    connection.execute(update(sync_run).where(sync_run.c.run_id == run_id).values(**values))
