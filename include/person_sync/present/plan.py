"""What a dry run shows: the whole plan, per person and field, with nothing written anywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from include.person_sync.run.manifests import PlanFiles
from include.person_sync.run.staging import RunFolder
from include.person_sync.stages.commit import Outcome, counts
from include.person_sync.state import RunStatus, StoredPlan
from include.person_sync.systems.frames import records

if TYPE_CHECKING:
    import pandas as pd

    from include.person_sync.run.context import SyncContext

SHOWN = ("base", "marketo", "dynamics", "planned", "outcome", "winner", "rule")


def describe_plan(ctx: SyncContext, run_id: str, reconciled: str) -> dict[str, Any]:
    """
    Return the summary of a dry run with its whole `plan`: one entry per person and direction, with every field.

    Counts are what a real run would count if nothing were refused. Reads staged files, notes the run as done; values of
    people are in the answer on purpose, and nowhere in the log.
    """
    folder = RunFolder(ctx.staging, run_id)
    manifest = folder.read_manifest(reconciled)
    files = PlanFiles.read(folder, manifest)
    changes = folder.read_frames([manifest["changes"]])
    values = folder.read_frames([manifest["values"]])
    as_if = Outcome.of(StoredPlan(0, changes.assign(status="applied"), values))
    summary = {
        "run_id": run_id,
        "status": RunStatus.DRY_RUN.value,
        "mode": ctx.store.require_run(run_id).mode,
        "counts": counts(as_if, files),
        "api_calls": ctx.api_calls(),
        "plan": plan_entries(changes, values),
        "problems": records(files.problems.drop(columns=["planned"])),
        "held": records(files.holds),
    }
    ctx.store.finish_run(run_id, RunStatus.DRY_RUN, counts=summary["counts"], api_calls=summary["api_calls"])
    return summary


def plan_entries(changes: pd.DataFrame, values: pd.DataFrame) -> list[dict[str, Any]]:
    """
    Return the plan as JSON: ids, direction and action per change, and per field the three values and the decision.
    """
    fields = {
        number: {row["field"]: {name: row[name] for name in SHOWN if row[name] is not None} for row in records(group)}
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


def plan_table(plan: list[dict[str, Any]]) -> str:
    """Return the plan as lines of text for a person at a terminal."""
    lines = []
    for entry in plan:
        who = f"person {entry['marketo_id'] or 'new'} ↔ {entry['dynamics_table']} {entry['dynamics_id']}"
        lines.append(f"{entry['action']} {entry['direction']}  {who}")
        lines += [field_line(name, cell) for name, cell in entry["fields"].items()]
    return "\n".join(lines) or "nothing to do"


def field_line(name: str, cell: dict[str, Any]) -> str:
    """Return one field of a change as a line: the three values, what is planned, and why."""
    values = ", ".join(f"{side} {shown(cell, side)}" for side in ("base", "marketo", "dynamics"))
    winner = f", {cell['winner']} wins" if cell.get("winner") else ""
    return f"    {name}: {values} → {shown(cell, 'planned')} ({cell['outcome']}{winner})"


def shown(cell: dict[str, Any], name: str) -> str:
    """Return a value as a person reads it: quoted, or named when there is none."""
    value = cell.get(name)
    if value is None:
        return "(empty)"
    return {"\ufdd0missing": "(none yet)", "\ufdd0unreadable": "(unreadable)"}.get(value, repr(value))
