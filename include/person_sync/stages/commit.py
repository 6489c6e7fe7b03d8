"""
Stage commit: make a run's outcome true, in one transaction.

Base snapshots, links, row versions, dead letters and watermarks become visible together or not at all. Until then the
run might as well not have happened: the next one finds the old state, the written plan, and settles.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from include.person_sync.core.dead_letters import schemas_watermark
from include.person_sync.core.fields import Table
from include.person_sync.core.outcome import Outcome
from include.person_sync.core.watermarks import (
    FIELD_MAP,
    FIELDS,
    INITIAL_LOAD,
    MARKETO,
    SCHEMAS,
    lookup_watermark,
    table_watermark,
)
from include.person_sync.run.manifests import DynamicsExtract, MarketoExtract, Reconciled, load_plan_files
from include.person_sync.run.request import Mode, RunRequest
from include.person_sync.run.staging import RunFolder
from include.person_sync.state import Commit, RunStatus
from include.person_sync.systems.schema import load_schema

if TYPE_CHECKING:
    from include.person_sync.run.context import SyncContext


def commit(ctx: SyncContext, run_id: str, reconciled: str) -> bool:
    """
    Commit a run whose plan was applied; return False when it was committed before.

    `reconciled` is the manifest of stage reconcile. Raises LeaseHeld when the run lost its lease meanwhile: then
    nothing is committed and the run that holds it settles the rest.
    """
    run = ctx.store.require_run(run_id)
    if run.status in {RunStatus.COMMITTED, RunStatus.DRY_RUN}:
        return False
    request = RunRequest.from_json(dict(run.params))
    folder = RunFolder(ctx.staging, run_id)
    manifest = Reconciled.read(folder, reconciled)
    marketo = MarketoExtract.read(folder, manifest.marketo)
    dynamics = DynamicsExtract.read(folder, manifest.dynamics)
    with ctx.lease(run_id):
        stored, plan = ctx.store.load_plan(run_id), load_plan_files(folder, manifest)
        outcome = Outcome.of(stored.changes, stored.values, plan)
        content = Commit(
            links=outcome.links(),
            closed_links=plan.closed,
            base_moves=outcome.base_updates(),
            versions=outcome.versions(),
            backlog=left_to_later_runs(manifest, marketo, dynamics),
            taken_up=taken_up(marketo, dynamics),
            filtered=plan.filtered,
            unfiltered=plan.unfiltered,
            recheck=outcome.recheck(),
            rechecked=[int(link_id) for link_id in plan.pairs["link_id"]],
            dead_letters=outcome.letters(load_schema(ctx).digest),
            watermarks=new_watermarks(ctx, manifest, marketo, dynamics) if request.mode is Mode.INCREMENTAL else {},
            counts=outcome.counts(),
            api_calls=ctx.api_calls(),
            settles=request.mode is not Mode.BASELINE,
        )
        return ctx.store.commit(run_id, content)


def left_to_later_runs(
    manifest: Reconciled, marketo: MarketoExtract, dynamics: DynamicsExtract
) -> dict[str, list[str]]:
    """
    Return, per source, the records left to later runs.

    People whose row was deleted while they were asked for are left to the next run: by then they are free for it.
    """
    sources = {**marketo.backlog}
    sources[MARKETO] = [*sources.get(MARKETO, []), *map(str, manifest.requeued)]
    return sources | {table_watermark(table): dynamics.table(table).backlog for table in Table}


def taken_up(marketo: MarketoExtract, dynamics: DynamicsExtract) -> dict[str, list[str]]:
    """Return, per source, the records of earlier runs that this one has dealt with."""
    return marketo.taken_up | {table_watermark(table): dynamics.table(table).taken_up for table in Table}


def new_watermarks(
    ctx: SyncContext, manifest: Reconciled, marketo: MarketoExtract, dynamics: DynamicsExtract
) -> dict[str, Any]:
    """Return the watermarks that an incremental run moves."""
    moved: dict[str, Any] = {MARKETO: marketo.watermark}
    moved |= {table_watermark(table): dynamics.table(table).watermark for table in Table}
    moved |= {lookup_watermark(table): value for table, value in dynamics.lookups.items()}
    moved |= {FIELD_MAP: ctx.settings.map_memory(), FIELDS: manifest.field_states}
    moved[SCHEMAS] = schemas_watermark(manifest.schema_digest, [marketo.digest, dynamics.digest])
    if manifest.first_run or ctx.store.watermarks().get(INITIAL_LOAD, {}).get("pending"):
        sources = (left_to_later_runs(manifest, marketo, dynamics), taken_up(marketo, dynamics))
        moved[INITIAL_LOAD] = {"pending": any(any(records.values()) for records in sources)}
    return {feed: value for feed, value in moved.items() if value}
