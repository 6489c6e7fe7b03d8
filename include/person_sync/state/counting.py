"""Looks at what there is to do, without data frames: a stage that finds nothing loads nothing heavy."""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from include.errors import SyncError
from include.person_sync.state.records import ActivityState
from include.person_sync.state.tables import dead_letter, plan, plan_change

__all__ = ["count_changes", "has_changes", "has_pending_activities"]


def count_changes(connection: Connection, run_id: str, direction: str) -> dict[str, dict[str, int]]:
    """Return how many changes of the run's newest attempt are in each status, per action; empty without a plan."""
    told = (plan_change.c.action, plan_change.c.status)
    newest = select(func.max(plan.c.plan_id)).where(plan.c.run_id == run_id).scalar_subquery()
    statement = (
        select(*told, func.count())
        .where(plan_change.c.plan_id == newest, plan_change.c.direction == str(direction))
        .group_by(*told)
        .order_by(*told)
    )
    counted: dict[str, dict[str, int]] = {}
    for action, status, number in connection.execute(statement):
        counted.setdefault(action, {})[status] = number
    return counted


def has_changes(connection: Connection, run_id: str, direction: str) -> bool:
    """Return whether the run's newest attempt changes anything in a direction. Raises SyncError without a plan."""
    if connection.execute(select(plan.c.plan_id).where(plan.c.run_id == run_id).limit(1)).first() is None:
        raise SyncError(f"Run {run_id} has no plan.", remedy="Run its reconcile stage first.")
    return bool(count_changes(connection, run_id, direction))


def has_pending_activities(connection: Connection) -> bool:
    """Return whether a refusal waits for its entry in an activity log; see `dead_letters.load_pending`."""
    waiting = dead_letter.c.activity_state.in_([ActivityState.PENDING.value, ActivityState.SENDING.value])
    statement = select(dead_letter.c.dead_letter_id).where(waiting, dead_letter.c.marketo_id.is_not(None)).limit(1)
    return connection.execute(statement).first() is not None
