"""Stage guard: stop before the first write when the plan does not look like an ordinary day."""

from __future__ import annotations

import logging
from math import ceil
from typing import TYPE_CHECKING, Any

from include.errors import SafetyStop
from include.person_sync.core.brakes import (
    API_BUDGET,
    BrakeVerdict,
    PlanCounts,
    SideSizes,
    count_plan,
    evaluate,
    tripped,
)
from include.person_sync.core.plan import Direction, Plan
from include.person_sync.run.request import RunRequest
from include.person_sync.run.staging import RunFolder
from include.person_sync.stages.apply_marketo import BATCH
from include.person_sync.stages.open_run import marketo_calls_today
from include.person_sync.state import RunStatus

if TYPE_CHECKING:
    from collections.abc import Iterable

    from include.person_sync.run.context import SyncContext

log = logging.getLogger(__name__)

FIELD_MAP = "field_map"
INITIAL_LOAD = "initial_load"
"""The watermark that says whether the first run's people are still being worked off."""


def guard(ctx: SyncContext, run_id: str, reconciled: str) -> bool:
    """
    Return True when the plan may be carried out, False for a dry run.

    Raises SafetyStop naming the first brake that tripped and was not overridden; nothing has been written then.
    Overrides are recorded on the run with who gave them.
    """
    run = ctx.store.require_run(run_id)
    request = RunRequest.from_json(dict(run.params))
    if run.status is RunStatus.COMMITTED:
        return not request.dry_run
    folder = RunFolder(ctx.staging, run_id)
    manifest = folder.read_manifest(reconciled)
    plan = Plan(folder.read_frames([manifest["changes"]]), folder.read_frames([manifest["values"]]))
    counts = plan_counts(ctx, folder, manifest, plan)
    if request.overrides:
        ctx.store.update_run(run_id, overrides={"brakes": list(request.overrides), **request.origin})
    verdicts = evaluate(counts, ctx.settings.brakes.limits(), request.overrides)
    if API_BUDGET not in request.overrides:
        verdicts += budget_verdicts(ctx, plan)
    note_lifted(counts, ctx, request)
    if request.dry_run:
        for verdict in verdicts:
            log.warning("a real run would stop: brake %s: %s", verdict.name, verdict.message)
        return False
    for verdict in verdicts:
        log.error("brake %s: %s What to do: %s", verdict.name, verdict.message, verdict.remedy)
    if verdicts:
        first = verdicts[0]
        raise SafetyStop(first.message, brake=first.name, remedy=first.remedy)
    return True


def plan_counts(ctx: SyncContext, folder: RunFolder, manifest: dict[str, Any], plan: Plan) -> PlanCounts:
    """Return what the brakes look at."""
    counted = count_plan(plan)
    return PlanCounts(
        linked_people=linked_before(ctx, manifest),
        to_dynamics=counted[Direction.TO_DYNAMICS],
        to_marketo=counted[Direction.TO_MARKETO],
        dynamics=sizes(folder.read_manifest(manifest["dynamics"])["tables"].values()),
        marketo=sizes([folder.read_manifest(manifest["marketo"])]),
        map_changes=map_changes(ctx, ctx.store.watermarks().get(FIELD_MAP)),
    )


def map_memory(ctx: SyncContext) -> dict[str, Any]:
    """Return what is remembered of the field map and the filter, to tell later what changed about them."""
    field_map = ctx.settings.field_map
    return {"digest": field_map.digest(), "fields": field_map.meanings(), "filter": ctx.settings.sync_filter_column}


def map_changes(ctx: SyncContext, known: dict[str, Any] | None) -> tuple[str, ...]:
    """
    Return what the map means otherwise than when the base was built: fields changed or removed, another filter.

    A field that was added changes nothing that was agreed on: it is filled in by itself.
    """
    now = map_memory(ctx)
    known = known or now
    filtered = known.get("filter", now["filter"])
    if known.get("digest") == now["digest"] and filtered == now["filter"]:
        return ()
    before = known.get("fields")
    if before is None:
        return ("it is not known in which fields",)
    gone = [f"{name} was removed" for name in before if name not in now["fields"]]
    changed = [f"{name} was changed" for name in before if now["fields"].get(name, before[name]) != before[name]]
    moved = ["the sync filter was changed"] if filtered != now["filter"] else []
    return (*gone, *changed, *moved)


def linked_before(ctx: SyncContext, manifest: dict[str, Any]) -> int:
    """
    Return how many people were linked before this run; 0 for a first run, which brakes spare.

    A run is the first one when no feed was ever consumed. A few people may be linked by then all the same, having been
    created in real time; many links without a watermark are no beginning but a sign of trouble.
    """
    known = int(manifest["known_links"])
    first = bool(manifest.get("first_run")) and known < ctx.settings.brakes.changed.floor
    return 0 if first or is_initial_load(ctx) else known


def is_initial_load(ctx: SyncContext) -> bool:
    """
    Return whether people of the first run are still waiting for their turn: brakes spare them as they spare a first
    run.
    """
    return bool(ctx.store.watermarks().get(INITIAL_LOAD, {}).get("pending"))


def sizes(readings: Iterable[dict[str, Any]]) -> SideSizes | None:
    """Return how many linked people a side shows now, and showed before, where it was read in full; None elsewhere."""
    full = [one for one in readings if one.get("linked")]
    if not full:
        return None
    before = sum(one["linked"] for one in full)
    return SideSizes(now=before - sum(one["unseen"] for one in full), before=before)


def budget_verdicts(ctx: SyncContext, plan: Plan) -> list[BrakeVerdict]:
    """
    Return a verdict when the day's remaining Marketo calls would not do for the plan: a read and a write per batch.
    """
    writes = plan.changes[plan.changes["direction"] == Direction.TO_MARKETO]
    creates = int((writes["action"] == "create").sum())
    needed = 2 * ceil((len(writes) - creates) / BATCH) + ceil(creates / BATCH)
    if not needed:
        return []
    left = ctx.settings.marketo.daily_quota - marketo_calls_today(ctx) - ctx.api_calls()["marketo"]
    if needed <= left:
        return []
    return [
        BrakeVerdict(
            name=API_BUDGET,
            seen=f"{needed} calls needed",
            limit=f"{left} calls left today",
            message=f"The plan needs about {needed} Marketo calls and {left} of today's quota are left.",
            remedy="wait for the reset at midnight Central Time, raise marketo.daily_quota if more is allowed, "
            f"or override the brake {API_BUDGET} for one run (--override {API_BUDGET}).",
        )
    ]


def note_lifted(counts: PlanCounts, ctx: SyncContext, request: RunRequest) -> None:
    """Log which brakes an override really lifted."""
    for verdict in tripped(counts, ctx.settings.brakes.limits()):
        if verdict.name in request.overrides:
            log.warning("brake %s lifted by %s: %s", verdict.name, request.origin.get("by", "?"), verdict.message)
