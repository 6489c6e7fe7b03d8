"""The field history: what was decided about a person's fields, why, and what came of it. And its end, after a while."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Connection, and_, case, delete, func, or_, select

from include.person_sync.state.bulk import read_frame
from include.person_sync.state.records import RESOLVED, ChangeStatus, LinkState, RunStatus
from include.person_sync.state.tables import (
    base_snapshot,
    dead_letter,
    link,
    plan,
    plan_change,
    plan_value,
    sync_run,
)

if TYPE_CHECKING:
    from datetime import datetime

    import pandas as pd
    from sqlalchemy import ColumnElement

__all__ = ["load_history", "purge"]

_DTYPES = {"run_id": "str", "at": "datetime"} | dict.fromkeys(
    (
        "field",
        "base",
        "marketo",
        "dynamics",
        "planned",
        "outcome",
        "rule",
        "winner",
        "direction",
        "action",
        "status",
        "code",
        "message",
        "request_id",
    ),
    "str",
)


def load_history(
    connection: Connection, *, marketo_id: int | None, dynamics_table: str | None, dynamics_id: str | None
) -> pd.DataFrame:
    """
    Return one row per decided field of a person, oldest first; a person is also found by the links of the id given.

    A field that was refused has a status, code and message of its own; the others have those of their change. A plan
    belongs to the history once a commit settled it. Of a run that died only what has an outcome counts: what it
    merely meant to do was decided again by the run after it.
    """
    same = and_(plan_value.c.plan_id == plan_change.c.plan_id, plan_value.c.change_no == plan_change.c.change_no)
    at = func.coalesce(plan_change.c.decided_at, sync_run.c.finished_at, plan.c.created_at).label("at")
    values = [plan_value.c[name] for name in list(_DTYPES)[2:10]]
    refused = plan_value.c.outcome == ChangeStatus.REFUSED.value
    ways = [plan_change.c.direction, plan_change.c.action]
    own = [(name, plan_value.c[name] if name != "status" else plan_value.c.outcome) for name in list(_DTYPES)[12:]]
    outcome = [*ways, *(case((refused, value), else_=plan_change.c[name]).label(name) for name, value in own)]
    source = plan_change.join(plan, plan.c.plan_id == plan_change.c.plan_id)
    source = source.join(sync_run, sync_run.c.run_id == plan.c.run_id).outerjoin(plan_value, same)
    same_run = (_other.c.run_id == plan.c.run_id, _other.c.settled)
    newest = select(func.max(_other.c.attempt)).where(*same_run).scalar_subquery()
    meant = and_(sync_run.c.status == RunStatus.COMMITTED.value, plan.c.attempt == newest)
    happened = or_(meant, plan_change.c.status != ChangeStatus.PLANNED.value)
    statement = select(plan.c.run_id, at, *values, *outcome).select_from(source)
    chosen = statement.where(_is_person(marketo_id, dynamics_table, dynamics_id), plan.c.settled, happened)
    ordered = chosen.order_by(plan.c.plan_id, plan_change.c.change_no, plan_value.c.field)
    return read_frame(connection, ordered, _DTYPES)


_other = plan.alias("other_attempt")


def _is_person(marketo_id: int | None, dynamics_table: str | None, dynamics_id: str | None) -> ColumnElement[bool]:
    """Match changes that name the ids themselves, or the link of these ids."""
    names = {"marketo_id": marketo_id, "dynamics_table": dynamics_table, "dynamics_id": dynamics_id}
    wanted = {name: value for name, value in names.items() if value is not None}
    links = select(link.c.link_id).where(*(link.c[name] == value for name, value in wanted.items()))
    return or_(
        and_(*(plan_change.c[name] == value for name, value in wanted.items())), plan_change.c.link_id.in_(links)
    )


def purge(connection: Connection, before: datetime) -> dict[str, int]:
    """
    Remove what is older than `before`; return how many rows of each kind went.

    Plans that a commit still has to settle stay however old they are, and so do the runs they belong to.
    """
    done = (plan.c.created_at < before, or_(plan.c.settled, ~plan.c.started))
    old_plans = select(plan.c.plan_id).where(*done)
    kept_runs = select(plan.c.run_id)
    ended = [RunStatus.COMMITTED.value, RunStatus.FAILED.value, RunStatus.STOPPED.value, RunStatus.DRY_RUN.value]
    closed = select(link.c.link_id).where(link.c.state == LinkState.CLOSED.value, link.c.changed_at < before)
    steps = {
        "values": delete(plan_value).where(plan_value.c.plan_id.in_(old_plans)),
        "changes": delete(plan_change).where(plan_change.c.plan_id.in_(old_plans)),
        "plans": delete(plan).where(*done),
        "runs": delete(sync_run).where(
            sync_run.c.started_at < before, sync_run.c.status.in_(ended), sync_run.c.run_id.not_in(kept_runs)
        ),
        "dead_letters": delete(dead_letter).where(dead_letter.c.state == RESOLVED, dead_letter.c.last_at < before),
        "base_snapshots": delete(base_snapshot).where(base_snapshot.c.link_id.in_(closed)),
    }
    return {kind: connection.execute(statement).rowcount for kind, statement in steps.items()}
