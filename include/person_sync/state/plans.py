"""
Write-ahead plans: stored before their first write, completed with outcomes, settled by a commit.

A run may plan several times (a cleared task plans again). An attempt of which no write can have left is replaced; any
other is kept, because it says which of our own values may already stand in the two systems.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import Connection, and_, delete, func, insert, or_, select, update

from include.errors import SyncError
from include.person_sync.core.pairs import numbered
from include.person_sync.core.vocabulary import Outcome
from include.person_sync.state.bulk import append, learn_sizes, read_frame, staged
from include.person_sync.state.links import reserve
from include.person_sync.state.records import ChangeStatus, SavedPlan, StoredPlan
from include.person_sync.state.tables import plan, plan_change, plan_value

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    import pandas as pd
    from sqlalchemy import RowMapping

__all__ = [
    "add_values",
    "amend_values",
    "load_plan",
    "newest_plan",
    "record_outcomes",
    "save_plan",
    "settle",
    "unsettled",
]

_CHANGE_DTYPES = {
    "change_no": "int64",
    "link_id": "int64",
    "direction": "str",
    "action": "str",
    "marketo_id": "Int64",
    "dynamics_table": "str",
    "dynamics_id": "str",
    "generation": "int64",
    "if_match": "str",
    "note": "str",
    "status": "str",
    "code": "str",
    "message": "str",
    "request_id": "str",
    "dynamics_version": "str",
}
_PLANNED = [name for name in _CHANGE_DTYPES if name not in {"code", "message", "request_id", "dynamics_version"}]
_VALUE_DTYPES = {"change_no": "int64"} | dict.fromkeys(
    ("field", "outcome", "winner", "base", "marketo", "dynamics", "planned", "rule", "code", "message", "request_id"),
    "str",
)
_REASON = ["code", "message", "request_id"]
_PLANNED_VALUE = [name for name in _VALUE_DTYPES if name not in _REASON]
_VALUE_ORDER = (plan_value.c.change_no, plan_value.c.field)
_OUTCOME = ["change_no", "status", "code", "message", "request_id", "marketo_id", "dynamics_version"]
NOT_WRITTEN = tuple(outcome.value for outcome in (Outcome.REFUSED, Outcome.DEFERRED, Outcome.WITHHELD))
_MAY_HAVE_LEFT = [ChangeStatus.PLANNED.value, ChangeStatus.APPLIED.value, ChangeStatus.UNKNOWN.value]


def save_plan(
    connection: Connection,
    run_id: str,
    changes: pd.DataFrame,
    values: pd.DataFrame,
    now: datetime,
    provisional: Sequence[int] = (),
) -> SavedPlan:
    """
    Store a plan, with lasting link ids in place of the provisional ones; its attempt is counted from 1 within the run.

    The run's newest attempt is replaced when it was neither started nor has an outcome.
    """
    newest = newest_plan(connection, run_id)
    attempt = 1 if newest is None else int(newest["attempt"]) + 1
    if newest is not None and not newest["started"] and not newest["settled"]:
        _delete_plan(connection, int(newest["plan_id"]))
        attempt -= 1
    reserved = reserve(connection, "link", len(provisional)) if provisional else range(0)
    link_ids = dict(zip(provisional, reserved, strict=True))
    changes = numbered(changes, link_ids)
    plan_id = reserve(connection, "plan", 1)[0]
    connection.execute(insert(plan).values(plan_id=plan_id, run_id=run_id, attempt=attempt, created_at=now))
    append(connection, plan_change, _with_plan(changes, plan_id, _PLANNED))
    append(connection, plan_value, _with_plan(values, plan_id, _PLANNED_VALUE))
    for table, frame in ((plan_change, changes), (plan_value, values)):
        learn_sizes(connection, table, len(frame))
    return SavedPlan(attempt, link_ids)


def _with_plan(frame: pd.DataFrame, plan_id: int, columns: Sequence[str]) -> pd.DataFrame:
    ours = frame[list(columns)]
    ours.insert(0, "plan_id", np.int64(plan_id))
    return ours


def newest_plan(connection: Connection, run_id: str) -> RowMapping | None:
    """Return the row of the run's newest attempt, or None when it has not planned yet."""
    statement = select(plan).where(plan.c.run_id == run_id).order_by(plan.c.attempt.desc()).limit(1)
    return connection.execute(statement).mappings().first()


def _delete_plan(connection: Connection, plan_id: int) -> None:
    for table in (plan_value, plan_change, plan):
        connection.execute(delete(table).where(table.c.plan_id == plan_id))


def load_plan(
    connection: Connection,
    run_id: str,
    *,
    direction: str | None,
    statuses: Collection[str] | None,
    actions: Collection[str] | None = None,
) -> StoredPlan:
    """Return the run's newest attempt. Raises SyncError when the run has no plan."""
    newest = newest_plan(connection, run_id)
    if newest is None:
        raise SyncError(f"Run {run_id} has no plan.", remedy="Run its reconcile stage first.")
    chosen = [plan_change.c.plan_id == newest["plan_id"]]
    if direction is not None:
        chosen.append(plan_change.c.direction == str(direction))
    if statuses is not None:
        chosen.append(plan_change.c.status.in_([str(status) for status in statuses]))
    if actions is not None:
        chosen.append(plan_change.c.action.in_([str(action) for action in actions]))
    whole = direction is None and statuses is None and actions is None
    values = _values_of_plan(connection, newest["plan_id"]) if whole else _values_of_changes(connection, chosen)
    return StoredPlan(int(newest["attempt"]), _load_changes(connection, chosen), values)


def _load_changes(connection: Connection, chosen: Sequence[Any]) -> pd.DataFrame:
    statement = select(*(plan_change.c[name] for name in _CHANGE_DTYPES)).where(*chosen)
    return read_frame(connection, statement.order_by(plan_change.c.change_no), _CHANGE_DTYPES)


def _values_of_plan(connection: Connection, plan_id: int) -> pd.DataFrame:
    statement = select(*(plan_value.c[name] for name in _VALUE_DTYPES)).where(plan_value.c.plan_id == plan_id)
    return read_frame(connection, statement.order_by(*_VALUE_ORDER), _VALUE_DTYPES)


def _values_of_changes(connection: Connection, chosen: Sequence[Any]) -> pd.DataFrame:
    same = and_(plan_value.c.plan_id == plan_change.c.plan_id, plan_value.c.change_no == plan_change.c.change_no)
    statement = select(*(plan_value.c[name] for name in _VALUE_DTYPES)).join_from(plan_change, plan_value, same)
    return read_frame(connection, statement.where(*chosen).order_by(*_VALUE_ORDER), _VALUE_DTYPES)


def record_outcomes(
    connection: Connection, run_id: str, outcomes: pd.DataFrame, now: datetime, fields: pd.DataFrame | None = None
) -> None:
    """
    Store what became of changes of the run's newest attempt, and mark that attempt as started.

    `outcomes`: change_no, status and, optionally, code, message, request_id, marketo_id (the id a new person got) and
    dynamics_version (the version our own write made). An absent id or version leaves the stored one. `fields`: those
    among the changes' fields that fared otherwise: change_no, field, outcome (`refused`, `deferred`) and the code,
    message and request_id of a refusal.
    """
    newest = newest_plan(connection, run_id)
    if newest is None:
        raise SyncError(f"Run {run_id} has no plan to record outcomes for.")
    if outcomes.empty:
        return
    frame = outcomes.reindex(columns=_OUTCOME)
    frame["marketo_id"] = frame["marketo_id"].astype("Int64")
    frame["status"] = [ChangeStatus(status).value for status in frame["status"]]
    with staged(connection, frame, [plan_change.c[name] for name in _OUTCOME]) as source:
        same = and_(plan_change.c.plan_id == newest["plan_id"], plan_change.c.change_no == source.c.change_no)
        kept = {name: func.coalesce(source.c[name], plan_change.c[name]) for name in ("marketo_id", "dynamics_version")}
        told = {name: source.c[name] for name in ("status", "code", "message", "request_id")}
        connection.execute(update(plan_change).where(same).values(**told, **kept, decided_at=now))
    if fields is not None and len(fields):
        _amend(connection, int(newest["plan_id"]), fields)
    connection.execute(update(plan).where(plan.c.plan_id == newest["plan_id"]).values(started=True))


def amend_values(connection: Connection, run_id: str, amended: pd.DataFrame) -> None:
    """
    Store what was decided again about fields of the run's newest attempt.

    `amended`: change_no, field, and whichever of outcome, winner, base, marketo, dynamics, planned, rule are to change.
    """
    newest = newest_plan(connection, run_id)
    if newest is None:
        raise SyncError(f"Run {run_id} has no plan to amend.")
    if len(amended):
        _amend(connection, int(newest["plan_id"]), amended)


def _amend(connection: Connection, plan_id: int, amended: pd.DataFrame) -> None:
    told = [name for name in _VALUE_DTYPES if name in amended and name not in {"change_no", "field"}]
    columns = [plan_value.c[name] for name in ("change_no", "field", *told)]
    with staged(connection, amended, columns) as source:
        same = and_(
            plan_value.c.plan_id == plan_id,
            plan_value.c.change_no == source.c.change_no,
            plan_value.c.field == source.c.field,
        )
        connection.execute(update(plan_value).where(same).values({name: source.c[name] for name in told}))


def add_values(connection: Connection, run_id: str, values: pd.DataFrame) -> None:
    """
    Add fields to changes of the run's newest attempt, replacing those it has already: what a write turned up.

    `values`: as the frame `values` of a plan. Outcomes are not touched.
    """
    newest = newest_plan(connection, run_id)
    if newest is None:
        raise SyncError(f"Run {run_id} has no plan to add to.")
    if values.empty:
        return
    with staged(connection, values, [plan_value.c[name] for name in ("change_no", "field")]) as source:
        same = and_(plan_value.c.change_no == source.c.change_no, plan_value.c.field == source.c.field)
        there = select(source.c.change_no).where(same).exists()
        connection.execute(delete(plan_value).where(plan_value.c.plan_id == newest["plan_id"], there))
    append(connection, plan_value, _with_plan(values, int(newest["plan_id"]), _PLANNED_VALUE))


_UNSETTLED_DTYPES = {
    "run_id": "str",
    "attempt": "int64",
    "change_no": "int64",
    "link_id": "int64",
    "direction": "str",
    "action": "str",
    "marketo_id": "Int64",
    "dynamics_table": "str",
    "dynamics_id": "str",
    "generation": "int64",
    "status": "str",
    "field": "str",
    "planned": "str",
}


def unsettled(connection: Connection) -> pd.DataFrame:
    """
    Return the fields of every write that may have left without a commit to vouch for it.

    One row per change and field (a change without fields has one row, field NaN), oldest plan first; fields that were
    refused, withheld, or given up in that run were not written and are left out. Attempts of every run count, also of
    one that is starting again: its earlier writes moved values and no base. `status` is `applied`, or `unknown` for
    whatever has no outcome.
    """
    columns = [
        plan.c.run_id,
        plan.c.attempt,
        *(plan_change.c[name] for name in list(_UNSETTLED_DTYPES)[2:11]),
        plan_value.c.field,
        plan_value.c.planned,
    ]
    same = and_(plan_value.c.plan_id == plan_change.c.plan_id, plan_value.c.change_no == plan_change.c.change_no)
    written = and_(same, plan_value.c.outcome.not_in(NOT_WRITTEN))
    source = plan.join(plan_change, plan.c.plan_id == plan_change.c.plan_id).outerjoin(plan_value, written)
    left = [plan.c.started, ~plan.c.settled, plan_change.c.status.in_(_MAY_HAVE_LEFT)]
    statement = select(*columns).select_from(source).where(*left)
    ordered = statement.order_by(plan.c.plan_id, plan_change.c.change_no, plan_value.c.field)
    frame = read_frame(connection, ordered, _UNSETTLED_DTYPES)
    frame["status"] = frame["status"].replace(ChangeStatus.PLANNED.value, ChangeStatus.UNKNOWN.value)
    return frame


def settle(connection: Connection, run_id: str, *, everything: bool) -> None:
    """Mark the run's own plans as settled, and with `everything` also whatever other runs left behind."""
    ours = plan.c.run_id == run_id
    chosen = or_(ours, plan.c.started) if everything else ours
    connection.execute(update(plan).where(~plan.c.settled, chosen).values(settled=True))
