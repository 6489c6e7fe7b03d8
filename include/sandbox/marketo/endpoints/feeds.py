"""The change feeds: paging token, lead changes, activities, deleted leads."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from zlib import crc32

from include.sandbox.marketo.activity_log import (
    CHANGE_SCORE,
    CHANGE_VALUE,
    DELETE_LEAD,
    MERGE_LEADS,
    NEW_LEAD,
    Activity,
    Page,
    Position,
)
from include.sandbox.marketo.endpoints.activity_items import activity_item, lead_change_item
from include.sandbox.marketo.errors import ApiError, GapError
from include.sandbox.marketo.paging import open_token, seal_token
from include.sandbox.marketo.values import parse_moment

if TYPE_CHECKING:
    from collections.abc import Callable

    from include.sandbox.marketo.api_call import ApiCall, Parameters
    from include.sandbox.marketo.endpoints import Answer
    from include.sandbox.marketo.settings import MarketoSettings
    from include.sandbox.marketo.world import MarketoWorld

__all__ = ["get_activities", "get_deleted_leads", "get_lead_changes", "get_paging_token"]

_TYPES_MAX: Final = 10
_LEADS_MAX: Final = 30
_SHORT_BY: Final = 10


def get_paging_token(world: MarketoWorld, call: ApiCall) -> Answer:
    """
    Return a token for everything from a moment on. The moment needs a zone; no result.

    Source: paging-tokens.md. [ND] whether the second itself is included: switchable.
    """
    text = call.parameters.allow("sinceDatetime").required("sinceDatetime")
    since = parse_moment(text)
    if since is None:
        raise ApiError("1003", f"Invalid sinceDatetime '{text}': ISO 8601 with a zone is required")
    first = 0 if world.settings.token_includes_its_second else 2**62
    return {"nextPageToken": seal_token("feed", int(since.timestamp()), first)}


def get_lead_changes(world: MarketoWorld, call: ApiCall) -> Answer:
    """
    Return changed values of the named fields, and new leads; no merges, no deletes, no scores.

    Source: activities.md, Get Lead Changes.
    """
    parameters = call.parameters.allow("nextPageToken", "fields", "batchSize", "leadIds", "listId")
    names = set(parameters.items("fields"))
    if not names:
        raise ApiError("1002", "Missing value for required parameter 'fields'")
    for name in names:
        if world.database.fields.usable(name) is None:
            raise ApiError("1006", f"Field '{name}' not found")
    return _feed(world, call, frozenset({NEW_LEAD, CHANGE_VALUE}), lead_change_item, names)


def get_activities(world: MarketoWorld, call: ApiCall) -> Answer:
    """
    Activities of up to ten types. [ND] whether deletes (37) are served here: switchable, off.

    Source: activities.md, Get Lead Activities.
    """
    parameters = call.parameters.allow(
        "nextPageToken", "activityTypeIds", "batchSize", "leadIds", "listId", "assetIds"
    )  # fmt: skip
    types = frozenset(parameters.numbers("activityTypeIds"))
    if not types:
        raise ApiError("1002", "Missing value for required parameter 'activityTypeIds'")
    if len(types) > _TYPES_MAX:
        raise ApiError("1003", f"activityTypeIds must hold at most {_TYPES_MAX} ids")
    if "assetIds" in parameters:
        raise GapError("activities: assetIds")
    served = types if world.settings.deletes_in_activities else types - {DELETE_LEAD}
    return _feed(world, call, served, activity_item)


def get_deleted_leads(world: MarketoWorld, call: ApiCall) -> Answer:
    """
    Return deletions of the last 14 days.

    Source: activities.md, Get Deleted Leads; the Swagger file for the retention.
    """
    call.parameters.allow("nextPageToken", "batchSize")
    return _feed(world, call, frozenset({DELETE_LEAD}), activity_item)


def _feed(
    world: MarketoWorld,
    call: ApiCall,
    types: frozenset[int],
    show: Callable[[Activity, MarketoSettings], dict[str, Any]],
    names: set[str] | None = None,
) -> Answer:
    parameters = call.parameters
    lead_ids = _lead_ids(parameters)
    at, number = open_token("feed", parameters.required("nextPageToken"))
    start = Position(at, number)
    limit = parameters.batch_size()

    def wanted(row: Activity) -> bool:
        named = names is None or row.change is None or row.change.name in names
        return named and (not lead_ids or row.lead_id in lead_ids)

    visible = _Visibility.of(world)
    page = world.database.log.read(types, start, limit, visible=visible, wanted=wanted)
    page = _cut(world, call, page, start)
    answer: Answer = {
        "moreResult": page.more,
        "nextPageToken": seal_token("feed", page.position.at, page.position.number),
    }
    if page.rows:
        answer["result"] = [show(row, world.settings) for row in page.rows]
    return answer


def _cut(world: MarketoWorld, call: ApiCall, page: Page, start: Position) -> Page:
    """
    Return the page as given, or empty or short, now and then.

    Source: activities.md: a page may hold fewer rows than asked for, even none, while more follow.
    """
    if call.take_fault("empty_page") is not None:
        return Page((), start, more=True)
    if not page.rows:
        return page
    number = world.next_feed_page()
    if _due(number, world.settings.empty_page_every):
        return Page((), start, more=True)
    if page.more and _due(number, world.settings.short_page_every) and len(page.rows) > _SHORT_BY:
        rows = page.rows[:-_SHORT_BY]
        return Page(rows, Position(rows[-1].at, rows[-1].number), more=True)
    return page


def _due(number: int, every: int) -> bool:
    return every > 0 and number % every == 0


def _lead_ids(parameters: Parameters) -> frozenset[int]:
    if "listId" in parameters:
        raise GapError("activities: listId")
    lead_ids = frozenset(parameters.numbers("leadIds"))
    if len(lead_ids) > _LEADS_MAX:
        raise ApiError("1003", f"leadIds must hold at most {_LEADS_MAX} ids")
    return lead_ids


@dataclass(frozen=True, slots=True)
class _Visibility:
    """Which rows can be seen at one moment: not too young, not yet forgotten."""

    now: float
    delay_s: float
    jitter_s: float
    oldest: dict[int, float]

    @classmethod
    def of(cls, world: MarketoWorld) -> _Visibility:
        """Return what is visible now under the world's settings."""
        settings, now = world.settings, world.clock.timestamp()
        days = {
            CHANGE_VALUE: settings.change_retention_days,
            CHANGE_SCORE: settings.change_retention_days,
            DELETE_LEAD: settings.delete_retention_days,
            MERGE_LEADS: settings.merge_retention_days,
        }
        oldest = {type_id: now - timedelta(days=kept).total_seconds() for type_id, kept in days.items()}
        return cls(now, settings.visibility_delay_s, settings.visibility_jitter_s, oldest)

    def __call__(self, row: Activity) -> bool:
        """Whether this row can be seen."""
        delay_s = self.delay_s
        if self.jitter_s:
            delay_s += self.jitter_s * (crc32(str(row.number).encode()) % 101) / 100
        return row.recorded_at + delay_s <= self.now and row.at >= self.oldest.get(row.type_id, 0.0)
