"""
Stage extract_marketo: who changed in Marketo, and what their values are now.

The feeds only tell *which* person changed; values are read again, since the change log writes them in other formats and
order within a second is not promised.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pandas as pd

from include.person_sync.core.feeds import Resume, take_next
from include.person_sync.core.schema import TABLES
from include.person_sync.core.watermarks import MARKETO
from include.person_sync.run.manifests import MarketoExtract
from include.person_sync.run.request import Mode, RunRequest
from include.person_sync.run.staging import RunFolder
from include.person_sync.state import RunStatus
from include.person_sync.systems.current_schema import with_current_schema
from include.person_sync.systems.marketo_feeds import Touched, close_gaps, people_in_window, people_since_watermark
from include.person_sync.systems.people import read_people, requested_people, stage_people
from include.person_sync.systems.retry_refusals import people_refused_before

if TYPE_CHECKING:
    from include.person_sync.core.schema import ResolvedSchema
    from include.person_sync.run.context import SyncContext

log = logging.getLogger(__name__)


def extract_marketo(ctx: SyncContext, run_id: str) -> str:
    """
    Write the current values of everybody Marketo's feeds name, and return the manifest's reference.

    Staged frame: `marketo_id` int64, then one text column per REST name (mapped and control fields). Sends reads only.
    Raises RetryableError, QuotaExhausted or ConfigError of the client.
    """
    run = ctx.store.require_run(run_id)
    if run.status is RunStatus.COMMITTED:
        log.info("run %s is committed already; nothing is read", run_id)
        return f"{RunFolder(ctx.staging, run_id).name}/marketo.json"
    request = RunRequest.from_json(dict(run.params))
    folder = RunFolder(ctx.staging, run_id)
    manifest = with_current_schema(ctx, lambda schema, _: stage_touched(ctx, request, schema, folder))
    return manifest.write(folder)


def stage_touched(ctx: SyncContext, request: RunRequest, schema: ResolvedSchema, folder: RunFolder) -> MarketoExtract:
    """Stage the people the request is about and return the manifest's content."""
    touched = touched_people(ctx, request, schema)
    touched.ids -= touched.deleted | set(touched.merged)
    limit = ctx.settings.chunk_people if request.mode is Mode.INCREMENTAL else None
    waiting = ctx.store.backlog(MARKETO, limit) if limit else []
    intake = take_next(map(str, sorted(touched.ids)), waiting, limit)
    left_over = people_left_over(ctx)
    if request.mode is Mode.INCREMENTAL:
        left_over |= people_refused_before(ctx, schema)
    asked = sorted({*map(int, intake.now), *left_over} - touched.deleted - set(touched.merged))
    parts = list(stage_people(ctx, schema, folder, "marketo", read_people(ctx, schema, "id", asked)))
    if touched.resumed == Resume.FIRST or touched.wants_requests:
        parts += stage_people(ctx, schema, folder, "marketo-requests", requested_people(ctx, schema))
    log.info(
        "marketo: %d people touched, %d deleted, %d merged (feeds %s)",
        len(touched.ids), len(touched.deleted), len(touched.merged), touched.resumed or request.mode,
    )  # fmt: skip
    return MarketoExtract(
        parts=parts,
        watermark=touched.position.as_json() if touched.position else None,
        resumed=touched.resumed,
        gaps=touched.gaps,
        linked=touched.linked,
        unseen=touched.unseen,
        schema_fields=schema.names(),
        digest=schema.digest,
        backlog={MARKETO: list(intake.later)},
        taken_up={MARKETO: list(intake.waited)},
        deleted=sorted(touched.deleted),
        merged={str(loser): winner for loser, winner in touched.merged.items()},
        requests=sorted(touched.asked),
        api_calls=ctx.api_calls()["marketo"],
    )


def touched_people(ctx: SyncContext, request: RunRequest, schema: ResolvedSchema) -> Touched:
    """
    Return whom the request is about: the feeds' people since the watermark, those of a past window, or the ids given.
    """
    if request.mode is Mode.PEOPLE:
        return Touched(ids=people_asked_for(ctx, request))
    if request.mode is Mode.WINDOW and request.start and request.end:
        return people_in_window(ctx, schema, request.start, request.end)
    touched = people_since_watermark(ctx, schema)
    close_gaps(ctx, request, touched)
    return touched


def people_asked_for(ctx: SyncContext, request: RunRequest) -> set[int]:
    """Return the Marketo ids a `people` run is about: those given, and those linked to the Dynamics ids given."""
    rows = [row.lower() for row in request.dynamics_ids]
    links = ctx.store.load_links(dynamics_ids={table.value: rows for table in TABLES})
    return {*request.marketo_ids, *map(int, links["marketo_id"])}


def people_left_over(ctx: SyncContext) -> set[int]:
    """
    Return Marketo ids that must be looked at besides the feeds': left to this run, or part of a run that died before
    its commit.
    """
    recheck = ctx.store.links_to_recheck()
    unsettled = ctx.store.unsettled()
    ids = pd.concat([recheck["marketo_id"], unsettled["marketo_id"]]).dropna()
    return {int(person) for person in ids.unique()}
