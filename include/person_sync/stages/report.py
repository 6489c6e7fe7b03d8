"""
Stage report: tell people what became of their records.

A refusal is written into the person's activity log in Marketo, where a marketer looks first. Activities are write-once
and have no key, so each letter is marked before it is sent; one whose answer was lost is looked up before it would be
sent again.
"""

from __future__ import annotations

import logging
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any

from include.errors import LostAnswer, SyncError
from include.person_sync.core.records import records
from include.person_sync.run.dry_run import finish_dry_run
from include.person_sync.run.housekeeping import tidy_up
from include.person_sync.run.staging import RunFolder
from include.person_sync.state import RunStatus
from include.person_sync.systems.api_budget import note_calls

if TYPE_CHECKING:
    import pandas as pd

    from include.person_sync.run.context import SyncContext

log = logging.getLogger(__name__)

LETTER_ATTRIBUTE = "letter"
LOOK_BACK = timedelta(days=2)


def report(ctx: SyncContext, run_id: str, reconciled: str | None = None) -> dict[str, Any]:
    """
    Write pending refusals into Marketo's activity log, note the calls used, and return the run's summary.

    A dry run writes nothing there; with the manifest `reconciled` its plan is left as a file beside the others, whose
    reference is in the summary (`plan_file`): it holds values of people, which a log must not. May be repeated. A
    Marketo failure here does not undo the run: the activities stay pending for the next one.
    """
    run = ctx.store.require_run(run_id)
    if run.params.get("dry_run") and reconciled is not None:
        return report_dry_run(ctx, run_id, reconciled)
    if run.status is RunStatus.COMMITTED:
        try:
            send_activities(ctx)
        except SyncError as error:
            log.warning("refusals could not be written to the activity log now; the next run tries again: %s", error)
        tidy_up(ctx, run_id)
    note_calls(ctx, ctx.api_calls()["marketo"])
    summary = summary_of(ctx, run_id)
    log_counts(summary)
    return summary


def report_dry_run(ctx: SyncContext, run_id: str, reconciled: str) -> dict[str, Any]:
    """End a dry run, leave its plan as a JSON file, and return the summary with the file's reference."""
    whole = finish_dry_run(ctx, run_id, reconciled)
    note_calls(ctx, ctx.api_calls()["marketo"])
    people = {name: whole.pop(name) for name in ("plan", "problems", "held")}
    whole["plan_file"] = RunFolder(ctx.staging, run_id).write_manifest("plan", people)
    log_counts(whole)
    log.info("the plan, per person and field: %s below %s", whole["plan_file"], ctx.staging)
    return whole


def log_counts(summary: dict[str, Any]) -> None:
    """Say what a run counted, one line per direction."""
    for direction, counted in summary["counts"].items():
        numbers = ", ".join(f"{name} {count}" for name, count in counted.items())
        log.info("run %s %s: %s", summary["run_id"], direction, numbers)


def summary_of(ctx: SyncContext, run_id: str) -> dict[str, Any]:
    """Return what the command line prints of a run."""
    run = ctx.store.require_run(run_id)
    status = "done" if run.status is RunStatus.COMMITTED else run.status.value
    summary = {
        "run_id": run_id,
        "status": status,
        "mode": run.mode,
        "counts": dict(run.counts or {}),
        "api_calls": dict(run.api_calls or {}),
    }
    if run.brake:
        summary["brake"] = run.brake
    if run.overrides:
        summary["overrides"] = dict(run.overrides)
    summary |= dict(run.notes or {})
    waiting = ctx.store.backlog_overview()
    if waiting:
        summary["backlog"] = {source: {**one, "oldest": one["oldest"].isoformat()} for source, one in waiting.items()}
    return summary


def send_activities(ctx: SyncContext) -> None:
    """Send one custom activity per refusal that has none yet, a call's records at a time."""
    letters = ctx.store.pending_activities()
    if letters.empty:
        return
    type_id = refusal_type(ctx)
    if type_id is None:
        log.warning("the custom activity type %s is not approved in Marketo; run setup", ctx.settings.activity_type)
        return
    known: set[int] = set()
    while len(letters) and known.isdisjoint(letters["dead_letter_id"]):
        known |= set(letters["dead_letter_id"])
        send_some(ctx, type_id, without_arrived(ctx, type_id, letters))
        letters = ctx.store.pending_activities()


def send_some(ctx: SyncContext, type_id: int, letters: pd.DataFrame) -> None:
    """Send the activities of some refusals; those whose answer is lost are looked up by the next run."""
    if letters.empty:
        return
    ctx.store.set_activity_state(letters["dead_letter_id"].tolist(), "sending")
    try:
        results = ctx.marketo.add_activities([activity(ctx, type_id, row) for row in records(letters)])
    except LostAnswer:
        log.warning("the answer to %d activities was lost; the next run looks which arrived", len(letters))
        return
    done = [
        letter for letter, result in zip(letters["dead_letter_id"], results, strict=True) if result.status != "unknown"
    ]
    ctx.store.set_activity_state(done, "sent")


def refusal_type(ctx: SyncContext) -> int | None:
    """Return the id of the approved custom activity type for refusals."""
    stored = ctx.store.document("activity_type")
    if stored:
        return int(stored[0]["id"])
    for one in ctx.marketo.custom_activity_types():
        if one.api_name == ctx.settings.activity_type and one.status.startswith("approved") and one.type_id is not None:
            ctx.store.save_document("activity_type", {"id": one.type_id})
            return one.type_id
    return None


def without_arrived(ctx: SyncContext, type_id: int, letters: pd.DataFrame) -> pd.DataFrame:
    """Return the letters still to be sent: of those whose answer was lost, the ones Marketo does not show."""
    lost = letters[letters["activity_state"] == "sending"]
    if lost.empty:
        return letters
    token = ctx.marketo.paging_token(ctx.now() - LOOK_BACK)
    arrived = {
        str(one.attributes.get(LETTER_ATTRIBUTE))
        for page in ctx.marketo.activities(token, [type_id])
        for one in page.items
    }
    there = letters["dead_letter_id"].astype("str").isin(arrived)
    ctx.store.set_activity_state(letters.loc[there, "dead_letter_id"].tolist(), "sent")
    return letters[~there]


def activity(ctx: SyncContext, type_id: int, letter: dict[str, Any]) -> dict[str, Any]:
    """Return one refusal as a custom activity. Times in UTC with an explicit zone."""
    direction = "Marketo to Dynamics" if letter["direction"] == "to_dynamics" else "Dynamics to Marketo"
    fields = ", ".join((letter["payload"] or {}).get("fields", {}))
    attributes = {
        "operation": letter["action"],
        "direction": direction,
        "errorCode": letter["code"],
        "fields": fields,
        LETTER_ATTRIBUTE: str(letter["dead_letter_id"]),
    }
    return {
        "leadId": int(letter["marketo_id"]),
        "activityDate": ctx.now().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "activityTypeId": type_id,
        "primaryAttributeValue": str(letter["message"] or letter["code"])[:255],
        "attributes": [{"apiName": name, "value": value} for name, value in attributes.items() if value],
    }
