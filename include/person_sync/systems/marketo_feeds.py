"""
What Marketo's three activity feeds tell: who changed, was deleted, merged away, or asked for.

They are read from their watermark, or for a past window, and only name people; what a pause has lost is made good by
looking at everybody who is linked. Source: Marketo developer guide, "Activities" (Change Data Value, Merge Leads,
Delete Lead) and "Paging tokens".
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from include.marketo import ActivityType, CallRefused
from include.person_sync.core.feeds import (
    CHANGES_KEPT,
    DELETIONS_KEPT,
    FeedPosition,
    Gap,
    Resume,
    advance,
    choose_resume,
    is_beyond,
)
from include.person_sync.core.watermarks import MARKETO
from include.person_sync.systems.feed_gaps import MARKETO_SHRANK, is_suspicious, note_gap

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from include.marketo import Activity, FeedPage
    from include.person_sync.core.schema import ResolvedSchema
    from include.person_sync.run.context import SyncContext
    from include.person_sync.run.request import RunRequest

__all__ = ["Touched", "close_gaps", "people_in_window", "people_since_watermark"]

log = logging.getLogger(__name__)

CHANGES, EVENTS, DELETES = "leadchanges", "activities", "deletedleads"
FEEDS = (CHANGES, EVENTS, DELETES)
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


def people_since_watermark(ctx: SyncContext, schema: ResolvedSchema) -> Touched:
    """
    Read the three feeds from their watermark (see core.feeds) and return what they told and the position reached.
    """
    overlap = timedelta(minutes=ctx.settings.overlap_minutes)
    now = ctx.now()
    stored = ctx.store.watermarks().get(MARKETO)
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
        note_gap(touched.gaps, Gap(MARKETO, f"a paging token is refused ({refusal.code})", FROM_DATE))
        touched = Touched(touched.request_field, resumed=Resume.OVERLAP.value, gaps=touched.gaps)
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
    stored = ctx.store.watermarks().get(MARKETO)
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
    touched = Touched(ctx.settings.custom_fields.sync_to_dynamics)
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
