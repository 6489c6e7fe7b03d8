"""The end of a dry run: counts as if nothing had been refused, and the whole plan as values, with nothing written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from include.person_sync.core.outcome import Outcome
from include.person_sync.core.records import records
from include.person_sync.core.vocabulary import ChangeStatus
from include.person_sync.run.manifests import Reconciled, load_plan_files
from include.person_sync.run.staging import RunFolder
from include.person_sync.state import RunStatus

if TYPE_CHECKING:
    import pandas as pd

    from include.person_sync.run.context import SyncContext

CELL = ("base", "marketo", "dynamics", "planned", "outcome", "winner", "rule")


def finish_dry_run(ctx: SyncContext, run_id: str, reconciled: str) -> dict[str, Any]:
    """
    Note a dry run as done and return its summary with the whole `plan`: one entry per person and direction, with every
    field; besides `problems` and `held`.

    Counts are what a real run would count if nothing were refused. Reads staged files; values of people are in the
    answer on purpose, and nowhere in the log.
    """
    folder = RunFolder(ctx.staging, run_id)
    plan = load_plan_files(folder, Reconciled.read(folder, reconciled))
    as_if = Outcome.of(plan.changes.assign(status=ChangeStatus.APPLIED.value), plan.values, plan)
    summary = {
        "run_id": run_id,
        "status": RunStatus.DRY_RUN.value,
        "mode": ctx.store.require_run(run_id).mode,
        "counts": as_if.counts(),
        "api_calls": ctx.api_calls(),
        "plan": plan_entries(plan.changes, plan.values),
        "problems": records(plan.problems.drop(columns=["planned"])),
        "held": records(plan.holds),
    }
    ctx.store.finish_run(run_id, RunStatus.DRY_RUN, counts=summary["counts"], api_calls=summary["api_calls"])
    return summary


def plan_entries(changes: pd.DataFrame, values: pd.DataFrame) -> list[dict[str, Any]]:
    """
    Return the plan as JSON: ids, direction and action per change, and per field the three values and the decision.
    """
    fields = {
        number: {row["field"]: {name: row[name] for name in CELL if row[name] is not None} for row in records(group)}
        for number, group in values.groupby("change_no")
    }
    columns = ["change_no", "direction", "action", "marketo_id", "dynamics_table", "dynamics_id"]
    return [
        {
            **{name: value for name, value in row.items() if name != "change_no"},
            "fields": fields.get(row["change_no"], {}),
        }
        for row in records(changes[columns])
    ]
