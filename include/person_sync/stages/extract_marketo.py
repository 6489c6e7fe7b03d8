"""
Stage extract_marketo: who changed in Marketo, and what their values are now.

The feeds only tell *which* person changed; values are read again, since the change log writes them in other formats and
order within a second is not promised. Source: Marketo developer guide, "Activities" (Change Data Value, Merge Leads,
Delete Lead) and "Paging tokens".
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pandas as pd

from include.marketo import ActivityType, CallRefused
from include.person_sync.core.feeds import (
    CHANGES_KEPT,
    DELETIONS_KEPT,
    FeedPosition,
    Resume,
    advance,
    choose_resume,
    is_beyond,
)
from include.person_sync.run.request import Mode, RunRequest
from include.person_sync.run.staging import RunFolder
from include.person_sync.stages.backlog import take_turns
from include.person_sync.stages.gaps import MARKETO_SHRANK, Gap, is_suspicious, note_gap
from include.person_sync.stages.second_chances import people_refused_before
from include.person_sync.state import RunStatus
from include.person_sync.systems.current_schema import with_current_schema
from include.person_sync.systems.people import people_frame, person_columns, read_people

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from include.marketo import Activity, FeedPage
    from include.person_sync.core.schema import ResolvedSchema
    from include.person_sync.run.context import SyncContext

log = logging.getLogger(__name__)

WATERMARK = "marketo"
CHANGES, EVENTS, DELETES = "leadchanges", "activities", "deletedleads"
FEEDS = (CHANGES, EVENTS, DELETES)
PAGES_PER_PART = 20
FROM_DATE = "the feeds are read again from the date of the last row seen"
ASKED_BY_ID = "everybody linked is asked for by id, and whom Marketo does not know is deleted"
READ_AGAIN = "everybody linked is read again, and all requests"


@dataclass
class Touched:
    """
    What the feeds told: people to read, deletions and merges seen, and where to take the feeds up next time.

    `asked`: people whose request (the field `request_field`) was touched, whatever it holds.
    """

    request_field: str = ""
    asked: set[int] = field(default_factory=set)
    ids: set[int] = field(default_factory=set)
    deleted: set[int] = field(default_factory=set)
    merged: dict[int, int] = field(default_factory=dict)
    position: FeedPosition | None = None
    resumed: str = ""
    wants_requests: bool = False
    gaps: list[dict[str, str]] = field(default_factory=list)
    linked: int | None = None
    unseen: int = 0


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
    return folder.write_manifest("marketo", manifest)


def stage_touched(ctx: SyncContext, request: RunRequest, schema: ResolvedSchema, folder: RunFolder) -> dict[str, Any]:
    """Stage the people the request is about and return the manifest's content."""
    touched = touched_people(ctx, request, schema)
    touched.ids -= touched.deleted | set(touched.merged)
    turn = take_turns(ctx, WATERMARK, map(str, sorted(touched.ids)), limited=request.mode is Mode.INCREMENTAL)
    left_over = people_left_over(ctx)
    if request.mode is Mode.INCREMENTAL:
        left_over |= people_refused_before(ctx, schema)
    asked = sorted({*map(int, turn.now), *left_over} - touched.deleted - set(touched.merged))
    parts = list(stage_people(ctx, schema, folder, "marketo", read_people(ctx, schema, "id", asked)))
    if touched.resumed == Resume.FIRST or touched.wants_requests:
        parts += stage_people(ctx, schema, folder, "marketo-requests", requested_people(ctx, schema))
    log.info(
        "marketo: %d people touched, %d deleted, %d merged (feeds %s)",
        len(touched.ids), len(touched.deleted), len(touched.merged), touched.resumed or request.mode,
    )  # fmt: skip
    return {
        "parts": parts,
        "watermark": touched.position.as_json() if touched.position else None,
        "resumed": touched.resumed,
        "gaps": touched.gaps,
        "linked": touched.linked,
        "unseen": touched.unseen,
        "fields": schema.names(),
        "digest": schema.digest,
        "asked": asked,
        "backlog": {WATERMARK: turn.later},
        "taken_up": {WATERMARK: turn.waited},
        "deleted": sorted(touched.deleted),
        "merged": {str(loser): winner for loser, winner in touched.merged.items()},
        "requests": sorted(touched.asked),
        "api_calls": ctx.api_calls()["marketo"],
    }


def touched_people(ctx: SyncContext, request: RunRequest, schema: ResolvedSchema) -> Touched:
    """
    Return whom the request is about: the feeds' people since the watermark, those of a past window, or the ids given.
    """
    if request.mode is Mode.PEOPLE:
        return Touched(ids=set(request.marketo_ids))
    if request.mode is Mode.WINDOW and request.start and request.end:
        return people_in_window(ctx, schema, request.start, request.end)
    touched = people_since_watermark(ctx, schema)
    close_gaps(ctx, request, touched)
    return touched


def people_since_watermark(ctx: SyncContext, schema: ResolvedSchema) -> Touched:
    """
    Read the three feeds from their watermark (see core.feeds) and return what they told and the position reached.
    """
    overlap = timedelta(minutes=ctx.settings.overlap_minutes)
    now = ctx.now()
    stored = ctx.store.watermarks().get(WATERMARK)
    position = FeedPosition.from_json(stored) if stored else None
    resume = choose_resume(position, feeds=FEEDS, now=now, overlap=overlap)
    start = position or FeedPosition(since=now)
    if resume is Resume.CONTINUE:
        tokens: Mapping[str, str] = start.tokens
    else:
        tokens = dict.fromkeys(FEEDS, ctx.marketo.paging_token(start.since - overlap))
    touched = Touched(resumed=resume.value, request_field=ctx.settings.custom_fields.sync_to_dynamics)
    try:
        ends, rows = read_feeds(ctx, schema, tokens, touched, start.seen)
    except CallRefused as refusal:
        if resume is not Resume.CONTINUE:
            raise
        note_gap(touched.gaps, Gap(WATERMARK, f"a paging token is refused ({refusal.code})", FROM_DATE))
        touched = Touched(resumed=Resume.OVERLAP.value, gaps=touched.gaps)
        resume = Resume.OVERLAP
        tokens = dict.fromkeys(FEEDS, ctx.marketo.paging_token(start.since - overlap))
        ends, rows = read_feeds(ctx, schema, tokens, touched, {})
    touched.position = advance(
        start,
        rows=rows,
        tokens={feed: end for feed, end in ends.items() if end},
        overlap=overlap,
        overlapped_at=None if resume is Resume.CONTINUE else now,
    )
    return touched


def read_feeds(
    ctx: SyncContext,
    schema: ResolvedSchema,
    tokens: Mapping[str, str],
    touched: Touched,
    known: Mapping[str, datetime],
) -> tuple[dict[str, str], dict[str, datetime]]:
    """Read the feeds from their tokens into `touched`; return the tokens behind them and the dates of their rows."""
    rows: dict[str, datetime] = {}
    ends = {feed: consume(pages, touched, rows, known=known) for feed, pages in feed_pages(ctx, schema, tokens)}
    return ends, rows


def close_gaps(ctx: SyncContext, request: RunRequest, touched: Touched) -> None:
    """
    After a pause longer than Marketo keeps its activities, look at everybody who is linked: at who is still there once
    deletions may be lost, and at their values once changes may be. Adds to `touched`.
    """
    stored = ctx.store.watermarks().get(WATERMARK)
    position, now = FeedPosition.from_json(stored) if stored else None, ctx.now()
    if not is_beyond(position, now, DELETIONS_KEPT):
        return
    linked = {int(one) for one in ctx.store.load_links()["marketo_id"]} - set(touched.merged)
    note_gap(touched.gaps, Gap(DELETES, f"not read for more than {DELETIONS_KEPT.days} days", ASKED_BY_ID))
    found = {int(row["id"]) for page in ctx.marketo.leads_by("id", sorted(linked), ["id"]) for row in page}
    touched.linked, touched.unseen = len(linked), len(linked - found)
    if not is_suspicious(ctx, request, touched.unseen, touched.linked, MARKETO_SHRANK):
        touched.deleted |= linked - found
    if is_beyond(position, now, CHANGES_KEPT):
        note_gap(touched.gaps, Gap(CHANGES, f"not read for more than {CHANGES_KEPT.days} days", READ_AGAIN))
        touched.ids |= found
        touched.wants_requests = True


def people_in_window(ctx: SyncContext, schema: ResolvedSchema, start: datetime, end: datetime) -> Touched:
    """Return everybody the feeds name between two moments; no watermark moves."""
    token = ctx.marketo.paging_token(start)
    touched = Touched()
    for _, pages in feed_pages(ctx, schema, dict.fromkeys(FEEDS, token)):
        consume(pages, touched, {}, known={}, end=end)
    return touched


def feed_pages(
    ctx: SyncContext, schema: ResolvedSchema, tokens: Mapping[str, str]
) -> Iterator[tuple[str, Iterator[FeedPage]]]:
    """
    Return each feed's pages from its token: changes of the mapped fields and requests, merges and scores, deletions.
    """
    fields = [*schema.marketo_names, ctx.settings.custom_fields.sync_to_dynamics]
    types = [ActivityType.MERGE, ActivityType.CHANGE_SCORE] if schema.scores else [ActivityType.MERGE]
    yield CHANGES, ctx.marketo.lead_changes(tokens[CHANGES], fields)
    yield EVENTS, ctx.marketo.activities(tokens[EVENTS], types)
    yield DELETES, ctx.marketo.deleted_leads(tokens[DELETES])


def consume(
    pages: Iterable[FeedPage],
    touched: Touched,
    rows: dict[str, datetime],
    *,
    known: Mapping[str, datetime],
    end: datetime | None = None,
) -> str:
    """Add what a feed's pages tell to `touched` and `rows`; return the token behind the last page."""
    token = ""
    for page in pages:
        token = page.next_token or token
        fresh = [one for one in page.items if one.guid not in known and (end is None or one.at < end)]
        rows.update({one.guid: one.at for one in page.items})
        for one in fresh:
            note_activity(one, touched)
        if end is not None and page.items and all(one.at >= end for one in page.items):
            break
    return token


def note_activity(activity: Activity, touched: Touched) -> None:
    """Add one activity's meaning to `touched`: a merge, a deletion, or simply a person to look at."""
    if activity.kind is ActivityType.DELETE:
        touched.deleted.add(activity.lead_id)
        return
    touched.ids.add(activity.lead_id)
    touched.merged.update(dict.fromkeys(activity.merged_away, activity.lead_id))
    if touched.request_field in activity.fields:
        touched.asked.add(activity.lead_id)


def people_left_over(ctx: SyncContext) -> set[int]:
    """
    Return Marketo ids that must be looked at besides the feeds': left to this run, or part of a run that died before
    its commit.
    """
    recheck = ctx.store.links_to_recheck()
    unsettled = ctx.store.unsettled()
    ids = pd.concat([recheck["marketo_id"], unsettled["marketo_id"]]).dropna()
    return {int(one) for one in ids.unique()}


def requested_people(ctx: SyncContext, schema: ResolvedSchema) -> Iterator[list[dict[str, Any]]]:
    """Yield people who were asked for before the sync ever ran; the feeds would not tell of them."""
    crowded: set[str] = set()
    field = ctx.settings.custom_fields.sync_to_dynamics
    yield from read_people(ctx, schema, field, ["lead", "contact"], crowded=crowded)
    for wish in sorted(crowded):
        log.warning("marketo: too many people ask for a %s to be read at once; a baseline reads them all", wish)


def stage_people(
    ctx: SyncContext, schema: ResolvedSchema, folder: RunFolder, name: str, pages: Iterator[list[dict[str, Any]]]
) -> Iterator[str]:
    """Write pages of people as Parquet parts of bounded size and return their references."""
    columns = person_columns(ctx, schema)
    yield from stage_pages(folder, name, pages, lambda rows: people_frame(rows, columns))


def stage_pages(
    folder: RunFolder,
    name: str,
    pages: Iterable[list[dict[str, Any]]],
    build: Callable[[list[dict[str, Any]]], pd.DataFrame],
) -> Iterator[str]:
    """Gather pages into parts, so that memory holds one part and object storage not thousands of files."""
    rows: list[dict[str, Any]] = []
    number = 0
    for count, page in enumerate(pages, start=1):
        rows += page
        if count % PAGES_PER_PART == 0:
            yield folder.write_frame(f"{name}-{number:04d}", build(rows))
            rows, number = [], number + 1
    if rows:
        yield folder.write_frame(f"{name}-{number:04d}", build(rows))
