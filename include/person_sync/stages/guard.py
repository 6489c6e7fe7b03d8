"""Stage guard: stop before the first write when the plan does not look like an ordinary day."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from include.errors import SafetyStop
from include.marketo.records import LARGEST_BATCH
from include.person_sync.core.brake_names import API_BUDGET
from include.person_sync.core.brakes import (
    PlanCounts,
    budget_verdicts,
    changes_of_map,
    count_plan,
    evaluate,
    people_linked_before,
    side_sizes,
    tripped,
)
from include.person_sync.core.vocabulary import Direction
from include.person_sync.core.watermarks import FIELD_MAP, INITIAL_LOAD
from include.person_sync.run.manifests import DynamicsExtract, MarketoExtract, Reconciled
from include.person_sync.run.planned import load_planned
from include.person_sync.run.request import RunRequest
from include.person_sync.run.staging import RunFolder
from include.person_sync.state import RunStatus
from include.person_sync.systems.api_budget import marketo_calls_left

if TYPE_CHECKING:
    from include.person_sync.core.plan import Plan
    from include.person_sync.run.context import SyncContext

log = logging.getLogger(__name__)


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
    manifest = Reconciled.read(folder, reconciled)
    plan = load_planned(ctx, run_id, folder, manifest)
    counts = plan_counts(ctx, folder, manifest, plan)
    if request.overrides:
        ctx.store.update_run(run_id, overrides={"brakes": list(request.overrides), **request.origin})
    verdicts = evaluate(counts, ctx.settings.brakes.limits(), request.overrides)
    if API_BUDGET not in request.overrides:
        verdicts += budget_verdicts(plan, marketo_calls_left(ctx), LARGEST_BATCH)
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


def plan_counts(ctx: SyncContext, folder: RunFolder, manifest: Reconciled, plan: Plan) -> PlanCounts:
    """Return what the brakes look at."""
    counted, watermarks = count_plan(plan), ctx.store.watermarks()
    marketo = MarketoExtract.read(folder, manifest.marketo)
    dynamics = DynamicsExtract.read(folder, manifest.dynamics)
    limits = ctx.settings.brakes.limits()
    pending = bool(watermarks.get(INITIAL_LOAD, {}).get("pending"))
    return PlanCounts(
        linked_people=people_linked_before(
            manifest.known_links, first_run=manifest.first_run, initial_load=pending, settings=limits
        ),
        to_dynamics=counted[Direction.TO_DYNAMICS],
        to_marketo=counted[Direction.TO_MARKETO],
        dynamics=side_sizes((table.linked, table.unseen) for table in dynamics.tables.values()),
        marketo=side_sizes([(marketo.linked, marketo.unseen)]),
        map_changes=changes_of_map(ctx.settings.map_memory(), watermarks.get(FIELD_MAP)),
    )


def note_lifted(counts: PlanCounts, ctx: SyncContext, request: RunRequest) -> None:
    """Log which brakes an override really lifted."""
    for verdict in tripped(counts, ctx.settings.brakes.limits()):
        if verdict.name in request.overrides:
            log.warning("brake %s lifted by %s: %s", verdict.name, request.origin.get("by", "?"), verdict.message)
